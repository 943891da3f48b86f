//! A part of the configuration, handed to the component it configures.

use figment::value::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::problem::{Problem, Problems};

/// A component's part of the file.
#[derive(Debug, Clone)]
pub struct Section {
    path: String,
    value: Value,
}

impl Section {
    /// Reads YAML text as if it stood under `path`; for examples and tests.
    pub fn from_yaml(path: &str, text: &str) -> Result<Self, Problems> {
        let json: serde_json::Value = if text.trim().is_empty() {
            serde_json::json!({})
        } else {
            serde_saphyr::from_str(text).map_err(|error| Problem::new(path, error.to_string()))?
        };
        let value = Value::serialize(json).map_err(|error| Problem::new(path, error.to_string()))?;
        Ok(Self { path: path.to_owned(), value })
    }

    /// Where in the file it stands: `receivers.otlp`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads the whole section as `T`, and reports everything that does not fit, not the first thing.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        self.value.deserialize().map_err(|error| Problem::new(&self.path, error.to_string()).into())
    }

    /// A problem with the value at `key` (dotted, relative to the section), with its place in the file.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let path = if key.is_empty() { self.path.clone() } else { format!("{}.{key}", self.path) };
        Problem::new(path, message)
    }
}

/// Reads a section as `T` and writes it back: every default filled in, every secret hidden.
pub fn effective<T: DeserializeOwned + Serialize>(section: &Section) -> Result<Value, Problems> {
    let config: T = section.read()?;
    Value::serialize(config).map_err(|error| section.problem("", error.to_string()).into())
}
