//! Puts values from outside in the place of `${env:NAME}` and `${file:PATH}`.
//!
//! This happens after the text is read, on one value at a time, so what comes in cannot change the
//! structure around it; and what came in is not looked through again.

mod reference;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::path;
use crate::problem::{Location, Problem};
use crate::source;
use crate::tree::{Hidden, Node, Tree};
use crate::yaml;
use reference::{Piece, Reference};

/// What a run over the files found.
#[derive(Debug)]
pub(crate) struct Substitution<'a> {
    environment: BTreeMap<&'a str, &'a str>,
    /// Put in so far.
    bytes: usize,
    pub(crate) warnings: Vec<String>,
    pub(crate) problems: Vec<Problem>,
}

/// All that is put in, together.
const BYTES_MAX: usize = 64 << 20;

/// A text while it is put together.
#[derive(Debug, Default)]
struct Filled {
    text: String,
    /// The labels and texts of what came from outside.
    outside: Vec<(String, String)>,
}

impl<'a> Substitution<'a> {
    pub(crate) fn new(environment: &'a [(String, String)]) -> Self {
        let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Self { environment, bytes: 0, warnings: Vec::new(), problems: Vec::new() }
    }

    /// Replaces every reference in the values of `node`; keys stay as they are.
    pub(crate) fn apply(&mut self, node: &mut Node, path: &str) {
        match &mut node.tree {
            Tree::Text(text) if text.contains('$') => {
                let text = std::mem::take(text);
                let location = node.location.clone();
                *node = match self.replace(&text, path, location.as_ref()) {
                    Ok(node) => node,
                    Err(message) => {
                        let mut problem = Problem::new(path, message);
                        problem.location.clone_from(&location);
                        self.problems.push(problem);
                        Node::default()
                    }
                };
                if let Some(location) = location {
                    node.relocate(&location);
                }
            }
            Tree::List(list) => {
                for (index, node) in list.iter_mut().enumerate() {
                    self.apply(node, &format!("{path}[{index}]"));
                }
            }
            Tree::Map(map) => {
                for (key, entry) in &mut map.0 {
                    self.apply(&mut entry.node, &path::join(path, key));
                }
            }
            _ => {}
        }
    }

    fn replace(&mut self, text: &str, path: &str, location: Option<&Location>) -> Result<Node, String> {
        let pieces = reference::parse(text)?;
        let warned = self.warnings.len();
        self.warn_of_bare_names(&pieces);
        let mut filled = Filled::default();
        let node = if let [Piece::Reference(reference)] = pieces.as_slice() {
            if self.resolve(reference, &mut filled)? {
                yaml::parse_value(&filled.text)
            } else {
                Node::default()
            }
        } else {
            self.fill(&pieces, &mut filled)?;
            Node::new(Tree::Text(std::mem::take(&mut filled.text)))
        };
        for warning in self.warnings.iter_mut().skip(warned) {
            let mut problem = Problem::new(path, std::mem::take(warning));
            problem.location = location.cloned();
            *warning = problem.to_string();
        }
        Ok(filled.hide(node))
    }

    fn fill(&mut self, pieces: &[Piece], filled: &mut Filled) -> Result<(), String> {
        for piece in pieces {
            match piece {
                Piece::Text(text) => filled.text.push_str(text),
                Piece::Reference(reference) => {
                    self.resolve(reference, filled)?;
                }
            }
        }
        Ok(())
    }

    /// Appends what the reference stands for; `false` where that is nothing.
    fn resolve(&mut self, reference: &Reference<'_>, filled: &mut Filled) -> Result<bool, String> {
        let label = format!("${{{}}}", reference.written);
        let mut name = Filled::default();
        self.fill(&reference.name, &mut name)?;
        let (scheme, name) = name.text.split_once(':').unwrap_or(("env", &name.text));
        let value = match scheme {
            "env" if is_name(name) => self.environment.get(name).map(|value| (*value).to_owned()),
            "env" => {
                return Err(format!(
                    "`{label}` does not name an environment variable; write `${label}` for the text itself"
                ));
            }
            "file" => match source::read(name.as_ref()) {
                Ok(text) => Some(text.trim_end_matches(['\n', '\r']).to_owned()),
                Err(_) if reference.default.is_some() => None,
                Err(error) => return Err(format!("cannot read the file of `{label}`: {error}")),
            },
            "yaml" => {
                filled.text.push_str(name);
                return Ok(true);
            }
            _ => {
                return Err(format!(
                    "`{label}` is not known; known are `${{env:NAME}}` and `${{file:PATH}}`, and `${label}` \
                     is the text itself"
                ));
            }
        };
        match (value, &reference.default) {
            (Some(value), _) => {
                self.bytes += value.len();
                if self.bytes > BYTES_MAX {
                    return Err(format!(
                        "the values put in are larger than {} MiB together",
                        BYTES_MAX >> 20
                    ));
                }
                filled.text.push_str(&value);
                filled.outside.push((label, value));
                Ok(true)
            }
            (None, Some(default)) => self.fill(default, filled).map(|()| true),
            (None, None) => {
                self.warnings.push(format!(
                    "`{label}` is not set, so there is nothing in its place; `${{{}:-DEFAULT}}` gives a default",
                    reference.written
                ));
                Ok(false)
            }
        }
    }

    /// `$NAME` was replaced in old versions of the OpenTelemetry Collector.
    fn warn_of_bare_names(&mut self, pieces: &[Piece]) {
        for piece in pieces {
            let Piece::Text(text) = piece else { continue };
            for (at, _) in text.match_indices('$') {
                let rest = text.get(at + 1..).unwrap_or_default();
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
                let name = rest.get(..end).unwrap_or_default();
                if self.environment.contains_key(name) {
                    self.warnings.push(format!("`${name}` is not replaced; write `${{env:{name}}}`"));
                }
            }
        }
    }
}

impl Filled {
    fn hide(self, mut node: Node) -> Node {
        if let Some((label, _)) = self.outside.first() {
            let label = label.clone();
            let texts = self.outside.into_iter().map(|(_, text)| text).collect();
            node.hide(&Arc::new(Hidden { label, texts }));
        }
        node
    }
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests;
