//! A part of the configuration, handed to the component it configures.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use figment::value::Value;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::mask;
use crate::path;
use crate::problem::{Location, Problem, Problems};
use crate::read::repair;
use crate::source;
use crate::tree::{Map, Node, Tree};
use crate::yaml;

/// A component's part of the file.
///
/// Cloning is cheap. Two sections are equal when they say the same, wherever it was written; after a
/// reload that tells whether the component has to be made anew.
#[derive(Clone)]
pub struct Section {
    path: String,
    node: Arc<Node>,
    /// Where its key stands.
    location: Option<Location>,
}

impl Section {
    pub(crate) fn new(path: &str, node: &Node, location: Option<&Location>) -> Self {
        Self { path: path.to_owned(), node: Arc::new(node.clone()), location: location.cloned() }
    }

    /// Reads YAML text as if it stood under `path`; for examples and tests.
    ///
    /// Places name `path` as the file. Nothing is substituted, so `$1` and `${env:NAME}` stay.
    pub fn from_yaml(path: &str, text: &str) -> Result<Self, Problems> {
        let node = yaml::parse(path, text)?;
        Ok(Self { path: path.to_owned(), location: node.location.clone(), node: Arc::new(node) })
    }

    /// Reads YAML text as a file of its own: places name `file`, and paths begin with its keys.
    ///
    /// Nothing is substituted, so `${name}` stays.
    pub fn from_text(file: &str, text: &str) -> Result<Self, Problems> {
        let node = yaml::parse(file, text)?;
        Ok(Self { path: String::new(), location: node.location.clone(), node: Arc::new(node) })
    }

    /// Reads a file of its own as [`from_text`](Self::from_text) does; the error does not repeat the path.
    pub fn open(path: &Path) -> std::io::Result<Result<Self, Problems>> {
        Ok(Self::from_text(&path.display().to_string(), &source::read(path)?))
    }

    /// Where in the file it stands: `receivers.otlp`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Reads the whole section as `T`, and reports everything that does not fit, not the first thing.
    ///
    /// Unknown keys are wrong where `T` denies them. Inside enums with a tag within (`#[serde(tag)]`),
    /// flattened and untagged types serde forgets the path: a problem there is placed at their beginning,
    /// and only the first is found. A variant's name as the key (serde's default) has no such limits.
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, Problems> {
        match self.read_all() {
            (Some(value), problems) if problems.is_empty() => Ok(value),
            (_, problems) => Err(problems),
        }
    }

    /// Reads the section as [`read`](Self::read) does, and returns what there is of it beside the problems.
    ///
    /// What does not fit has its default in the value, so that the meaning of the rest can be checked; a
    /// list with such an element is left out whole. There is no value where nothing can be made of it.
    pub fn read_all<T: DeserializeOwned>(&self) -> (Option<T>, Problems) {
        let (value, problems) = repair::read(&self.node, &self.path);
        let problems = problems.into_iter().map(|mut problem| {
            problem.location = problem.location.or_else(|| self.location.clone());
            problem
        });
        (value, Problems(problems.collect()).in_order())
    }

    /// Reads the section as `T` and makes something of it, and reports everything that is wrong in both.
    ///
    /// `make` is also called with a value that was repaired, for what it finds; what it then makes is
    /// dropped. So it must have no effects, and what it finds may be a consequence: see [`Problems::and`].
    pub fn build<T: DeserializeOwned, U>(
        &self,
        make: impl FnOnce(T) -> Result<U, Problems>,
    ) -> Result<U, Problems> {
        let (value, problems) = self.read_all();
        match value.map(make) {
            Some(Ok(made)) if problems.is_empty() => Ok(made),
            Some(Err(Problems(found))) => Err(problems.and(found)),
            _ => Err(problems),
        }
    }

    /// A problem with the value at `key` (dotted, relative to the section), with its place in the file.
    ///
    /// An element of a list is `targets[0]`. Where the key is not in the file, the place is that of the
    /// nearest one above it. Values from `${env:NAME}` and the like are taken out of the message.
    pub fn problem(&self, key: &str, message: impl Into<String>) -> Problem {
        let separator = if key.is_empty() || key.starts_with('[') { "" } else { "." };
        let path =
            if self.path.is_empty() { key.to_owned() } else { format!("{}{separator}{key}", self.path) };
        let found = self.node.find(key);
        let has_value = found.complete && found.node.is_scalar() && !matches!(found.node.tree, Tree::Null);
        let value = found.node.location.as_ref().filter(|_| has_value);
        let location = value.or(found.key).or(self.location.as_ref()).cloned();
        Problem { path, message: mask::mask(&message.into(), found.node), location }
    }

    /// The part under a key (dotted); an empty one where there is none.
    pub fn section(&self, key: &str) -> Self {
        if key.is_empty() {
            return self.clone();
        }
        let found = self.node.find(key);
        let path = if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) };
        let nothing = Node::default();
        let node = if found.complete { found.node } else { &nothing };
        Self::new(&path, node, found.key.or(self.location.as_ref()))
    }

    /// The members of the section, in the order of the file; nothing where it is empty.
    pub fn entries(&self) -> Result<Vec<(String, Self)>, Problems> {
        let map = match &self.node.tree {
            Tree::Map(map) => map,
            Tree::Null => return Ok(Vec::new()),
            Tree::List(_) => return Err(self.problem("", "expected a map, got a list").into()),
            _ => return Err(self.problem("", "expected a map, got a single value").into()),
        };
        let entries = map.ordered().into_iter().map(|(key, entry)| {
            let location = entry.location.as_ref().or(self.location.as_ref());
            (key.to_owned(), Self::new(&path::join(&self.path, key), &entry.node, location))
        });
        Ok(entries.collect())
    }

    /// The keys of the section, in the order of the file; none where it is no map.
    pub fn keys(&self) -> Vec<String> {
        let entries = self.node.map().map(Map::ordered).unwrap_or_default();
        entries.into_iter().map(|(key, _)| key.to_owned()).collect()
    }

    /// The section with what `defaults` (YAML) says where it says nothing; maps are laid into each other.
    ///
    /// Places in the defaults name `name` as the file.
    pub fn over(&self, name: &str, defaults: &str) -> Result<Self, Problems> {
        let mut node = yaml::parse(name, defaults)?;
        node.overlay(&self.node);
        Ok(Self { node: Arc::new(node), ..self.clone() })
    }

    /// The section without a key (dotted); `None` where it is not there.
    pub fn without(&self, key: &str) -> Option<Self> {
        let mut node = if self.has(key) { Node::clone(&self.node) } else { return None };
        node.remove(key).then(|| Self { node: Arc::new(node), ..self.clone() })
    }

    pub(crate) fn source_of(&self, key: &str) -> Option<String> {
        let found = self.node.find(key);
        let location = found.node.location.as_ref().or(found.key);
        location.filter(|_| found.complete).map(ToString::to_string)
    }

    /// Whether the key (dotted) is there, even without a value: `protocols: {grpc: }` has `protocols.grpc`.
    pub fn has(&self, key: &str) -> bool {
        self.node.find(key).complete
    }
}

impl PartialEq for Section {
    fn eq(&self, other: &Self) -> bool {
        self.node == other.node
    }
}

/// Without the values: there may be secrets among them.
impl fmt::Debug for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Section")
            .field("path", &self.path)
            .field("keys", &self.keys())
            .finish_non_exhaustive()
    }
}

/// Reads a section as `T` and writes it back: every default filled in, every secret hidden.
///
/// A key that has no value unless one is given has an empty one; see [`without_absent`].
pub fn effective<T: DeserializeOwned + Serialize>(section: &Section) -> Result<Value, Problems> {
    let config: T = section.read()?;
    Ok(Value::serialize(config).map_err(|error| section.problem("", error.to_string()))?)
}

/// Leaves out options that are not set: a key without a value would be read as one with defaults.
pub fn without_absent(value: Value) -> Value {
    match value {
        Value::Dict(tag, dict) => {
            let present = dict.into_iter().filter(|(_, value)| !matches!(value, Value::Empty(..)));
            Value::Dict(tag, present.map(|(key, value)| (key, without_absent(value))).collect())
        }
        Value::Array(tag, values) => Value::Array(tag, values.into_iter().map(without_absent).collect()),
        other => other,
    }
}

/// The options that are not set, as dotted paths; those in lists are left out.
pub fn absent(value: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for (key, value) in value.as_dict().into_iter().flatten() {
        match value {
            Value::Empty(..) => found.push(key.clone()),
            value => found.extend(absent(value).iter().map(|below| format!("{key}.{below}"))),
        }
    }
    found
}

#[cfg(test)]
mod tests;
