//! GPUStack's own configuration of its mapping, as rules in the place of some of the schema `gpustack`.
//!
//! Its users post JSON: `gpustack_metrics` says which families there are, `runtime_mapping` which family of a runner
//! becomes which of them, by runtime and range of versions. What it says otherwise than the default stands in for the
//! schema's rules for the same metrics; what it leaves as it is stays with them, and so with all that they are made of.

mod document;
mod json;
mod overlay;
#[cfg(test)]
mod tests;

use std::fmt;

use document::Document;

use super::live::Overlay;

/// The schema whose rules it changes.
pub const SCHEMA: &str = "gpustack";

/// What holds until something else is posted.
pub const DEFAULT: &str = include_str!("../../../config/schemas/gpustack.default-config.json");

/// What is wrong with a configuration, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// ``runtime_mapping["vLLM"]["<0.9.2"]``; empty where the whole is meant.
    pub path: String,
    /// What is wrong, and what would do.
    pub message: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for Fault {}

/// Reads a configuration: the rules that differ from the default's, or `None` where none does.
///
/// Everything is checked, and everything that is wrong with it is told.
pub fn overlay(text: &[u8]) -> Result<Option<Overlay>, Vec<Fault>> {
    let wanted = Document::read(text)?;
    let default = Document::read(DEFAULT.as_bytes())?;
    Ok(overlay::of(&wanted, &default))
}

/// The body of the fuzz target.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let _ = overlay(bytes);
}
