//! Puts a fault into words, with its path and place, and without what may be a secret.

use crate::mask;
use crate::nearest::instead;
use crate::path;
use crate::problem::{Location, Problem};
use crate::read::fault::{list, one_of};
use crate::read::{Reason, Step};
use crate::tree::{Node, Tree};

/// The node that steps lead to, and what was passed on the way.
struct Place<'a> {
    node: &'a Node,
    path: String,
    /// Where its key stands.
    key: Option<&'a Location>,
}

/// The problem that `reason` is, at the end of `steps` from `root`.
pub(super) fn problem(root: &Node, path: &str, steps: &[Step], reason: &Reason) -> Problem {
    let place = Place::find(root, path, steps);
    let message = place.message(reason);
    let (path, location) = match reason {
        Reason::UnknownKey { name, .. } => {
            let entry = place.node.map().and_then(|map| map.0.get(name));
            let location = entry.and_then(|entry| entry.location.as_ref());
            (path::join(&place.path, name), location.or(place.key))
        }
        Reason::Missing(name) => (path::join(&place.path, name), place.key),
        Reason::Key { .. } => (place.path.clone(), place.key),
        _ => (place.path.clone(), place.node.location.as_ref().or(place.key)),
    };
    let location = location.or(place.node.location.as_ref()).cloned();
    Problem { path, message, location }
}

impl<'a> Place<'a> {
    fn find(root: &'a Node, path: &str, steps: &[Step]) -> Self {
        let mut place = Self { node: root, path: path.to_owned(), key: root.location.as_ref() };
        for step in steps {
            match (&place.node.tree, step) {
                // What the keys are came from outside as well.
                _ if place.node.hidden.is_some() => break,
                (Tree::Map(map), Step::Key(key)) => {
                    let Some(entry) = map.0.get(key) else { break };
                    place.path = path::join(&place.path, key);
                    place.key = entry.location.as_ref();
                    place.node = &entry.node;
                }
                (Tree::List(list), Step::Index(index)) => {
                    let Some(node) = list.get(*index) else { break };
                    place.path = format!("{}[{index}]", place.path);
                    place.key = node.location.as_ref();
                    place.node = node;
                }
                _ => break,
            }
        }
        place
    }

    fn message(&self, reason: &Reason) -> String {
        match reason {
            Reason::UnknownKey { known, .. } if self.node.hidden.is_some() => {
                format!("unknown key in {}; known are {}", self.got(""), list(known))
            }
            Reason::UnknownKey { name, known } => match instead(name, known) {
                Some(instead) => format!("unknown key; {instead}"),
                None => "unknown key; there are none to set here".to_owned(),
            },
            Reason::UnknownValue { name, known } => {
                let got = self.got(&format!("`{name}`"));
                format!("expected {}, got {got}", one_of(known))
            }
            Reason::Mismatch { expected, got } => {
                format!("expected {expected}, got {}", self.quoted(expected, got))
            }
            Reason::Key { expected } => format!("expected {expected} as the key"),
            Reason::Null { expected, .. } => format!("expected {expected}, got nothing"),
            Reason::Missing(_) => "must be given, it has no default".to_owned(),
            Reason::Other(message) => self.with_value(mask::mask(message, self.node)),
        }
    }

    fn quoted(&self, expected: &str, got: &str) -> String {
        // Text in the place of a map or list may be the secret that belongs into it.
        let secret = ["a map", "a list", "text"].contains(&expected) || mask::is_secret(&self.path);
        match &self.node.tree {
            Tree::Text(_) | Tree::Number(_) | Tree::Bool(_) if secret => self.got("a single value"),
            Tree::Text(text) if expected.contains("number") || expected.contains("`true`") => {
                self.got(&format!("the text `{text}`"))
            }
            Tree::List(_) if got.is_empty() => self.got("a list"),
            Tree::Map(_) if got.is_empty() => self.got("a map"),
            Tree::List(_) | Tree::Map(_) | Tree::Null => self.got(&mask::mask(got, self.node)),
            _ => self.got(&format!("`{}`", self.node.as_text().unwrap_or_default())),
        }
    }

    /// Adds the value to a message that does not have it.
    fn with_value(&self, message: String) -> String {
        let text = self.node.as_text().filter(|_| self.node.is_scalar() && !mask::is_secret(&self.path));
        match text {
            Some(text) if self.node.hidden.is_some() || !message.contains(&text) => {
                format!("{message}, got {}", self.got(&format!("`{text}`")))
            }
            _ => message,
        }
    }

    fn got(&self, visible: &str) -> String {
        match &self.node.hidden {
            Some(hidden) => format!("the value of {}", hidden.label),
            None => visible.to_owned(),
        }
    }
}
