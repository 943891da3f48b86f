//! The configuration as a tree in which each value knows where it was written.

use std::collections::BTreeMap;
use std::sync::Arc;

use figment::value::{Dict, Empty, Value};

use crate::path;
use crate::problem::Location;

/// Nothing in a configuration nests this deep; each source is held to it.
pub(crate) const DEPTH_MAX: usize = 48;

/// A value, with what is known about it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Node {
    pub(crate) tree: Tree,
    /// What a text field reads, where the value itself was understood as something else: `0123`.
    pub(crate) text: Option<Arc<str>>,
    pub(crate) location: Option<Location>,
    /// Set where the value came from outside the file: it may be a secret and is not quoted in errors.
    pub(crate) hidden: Option<Arc<Hidden>>,
    /// Only changed while a section is read.
    pub(crate) state: State,
}

/// Where a value came from, if not from the file itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Hidden {
    /// `${env:NAME}`
    pub(crate) label: String,
    /// The texts from there, as they were.
    pub(crate) texts: Vec<String>,
}

#[derive(Debug, Clone, Default)]
pub(crate) enum Tree {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Map),
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Number {
    /// Holds everything from `i64::MIN` to `u64::MAX`.
    Whole(i128),
    Float(f64),
}

/// What reading a section has decided about a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    #[default]
    Present,
    /// Empty, and what it is empty for is optional.
    Nothing,
    /// Empty, so as if it were not there.
    Absent,
    /// Wrong, and reported.
    Removed,
    /// Was not there, but must be: reads as anything, so that the rest can be looked at.
    Invented,
    /// Could not be invented.
    Failed,
}

/// The members of a map; they are looked up by key and listed in the order of the file.
#[derive(Debug, Clone, Default)]
pub(crate) struct Map(pub(crate) BTreeMap<String, Entry>);

#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// The layer, and the position in it.
    pub(crate) rank: (usize, usize),
    /// Where the key stands.
    pub(crate) location: Option<Location>,
    pub(crate) node: Node,
}

/// A node that was looked for, or the last one on the way to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found<'a> {
    pub(crate) node: &'a Node,
    /// Where its key stands.
    pub(crate) key: Option<&'a Location>,
    pub(crate) complete: bool,
}

impl Map {
    /// Adds a member after the others; `false` where the key is there already.
    pub(crate) fn push(&mut self, key: String, location: Option<Location>, node: Node) -> bool {
        let rank = (0, self.0.len());
        self.0.insert(key, Entry { rank, location, node }).is_none()
    }

    pub(crate) fn ordered(&self) -> Vec<(&str, &Entry)> {
        let mut entries: Vec<_> = self.0.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
        entries.sort_by_key(|(_, entry)| entry.rank);
        entries
    }
}

impl Node {
    pub(crate) fn new(tree: Tree) -> Self {
        Self { tree, ..Self::default() }
    }

    pub(crate) fn map(&self) -> Option<&Map> {
        match &self.tree {
            Tree::Map(map) => Some(map),
            _ => None,
        }
    }

    pub(crate) fn is_scalar(&self) -> bool {
        !matches!(self.tree, Tree::List(_) | Tree::Map(_))
    }

    /// What a text field reads.
    pub(crate) fn as_text(&self) -> Option<String> {
        if let Some(text) = &self.text {
            return Some(text.to_string());
        }
        match &self.tree {
            Tree::Text(text) => Some(text.clone()),
            Tree::Bool(bool) => Some(bool.to_string()),
            Tree::Number(Number::Whole(number)) => Some(number.to_string()),
            Tree::Number(Number::Float(number)) => Some(number.to_string()),
            Tree::Null | Tree::List(_) | Tree::Map(_) => None,
        }
    }

    /// Follows a dotted path as far as it goes; keys may hold dots themselves, quoted or not.
    pub(crate) fn find(&self, path: &str) -> Found<'_> {
        self.find_under(path, None)
    }

    fn find_under<'a>(&'a self, path: &str, key: Option<&'a Location>) -> Found<'a> {
        let mut best = Found { node: self, key, complete: path.is_empty() };
        if best.complete {
            return best;
        }
        for (head, rest) in path::splits(path) {
            let child = match &self.tree {
                Tree::Map(map) => {
                    map.0.get(head.as_str()).map(|entry| (&entry.node, entry.location.as_ref()))
                }
                Tree::List(list) => {
                    head.parse::<usize>().ok().and_then(|index| list.get(index)).map(|node| (node, None))
                }
                _ => None,
            };
            if let Some((node, location)) = child {
                let found = node.find_under(rest, location.or(node.location.as_ref()));
                if found.complete {
                    return found;
                }
                best = found;
            }
        }
        best
    }

    /// Takes a member of a map away, by its dotted path; `false` where it is not there.
    pub(crate) fn remove(&mut self, path: &str) -> bool {
        let Tree::Map(map) = &mut self.tree else { return false };
        let removed = path::splits(path).into_iter().any(|(head, rest)| match map.0.get_mut(&head) {
            Some(_) if rest.is_empty() => map.0.remove(&head).is_some(),
            Some(entry) => entry.node.remove(rest),
            None => false,
        });
        if removed {
            // It is no longer what one text said.
            self.text = None;
        }
        removed
    }

    /// Replaces what `above` says otherwise; a key without a value says nothing.
    pub(crate) fn overlay(&mut self, above: &Self) {
        let (Tree::Map(map), Tree::Map(others)) = (&mut self.tree, &above.tree) else {
            if !matches!(above.tree, Tree::Null) {
                *self = above.clone();
            }
            return;
        };
        for (key, entry) in &others.0 {
            match map.0.get_mut(key) {
                Some(below) => {
                    below.location.clone_from(&entry.location);
                    below.node.overlay(&entry.node);
                }
                None => {
                    map.0.insert(key.clone(), entry.clone());
                }
            }
        }
        self.location.clone_from(&above.location);
        // With parts from elsewhere it is no longer what one text said.
        self.text = None;
    }

    /// The value as figment merges it; the rest is looked up again after the merge.
    pub(crate) fn to_value(&self) -> Value {
        match &self.tree {
            Tree::Null => Empty::None.into(),
            Tree::Bool(bool) => (*bool).into(),
            Tree::Number(Number::Whole(number)) => (*number).into(),
            Tree::Number(Number::Float(number)) => (*number).into(),
            Tree::Text(text) => text.as_str().into(),
            Tree::List(list) => list.iter().map(Self::to_value).collect::<Vec<_>>().into(),
            Tree::Map(map) => map.to_dict().into(),
        }
    }

    /// Marks this and everything below as coming from `source`, which has no lines.
    pub(crate) fn relocate(&mut self, location: &Location) {
        self.location = Some(location.clone());
        self.each_child(|node, key| {
            if let Some(key) = key {
                *key = Some(location.clone());
            }
            node.relocate(location);
        });
    }

    /// Marks this and everything below as not to be quoted.
    pub(crate) fn hide(&mut self, hidden: &Arc<Hidden>) {
        self.hidden = Some(Arc::clone(hidden));
        self.each_child(|node, _| node.hide(hidden));
    }

    fn each_child(&mut self, mut visit: impl FnMut(&mut Self, Option<&mut Option<Location>>)) {
        match &mut self.tree {
            Tree::List(list) => list.iter_mut().for_each(|node| visit(node, None)),
            Tree::Map(map) => {
                map.0.values_mut().for_each(|entry| visit(&mut entry.node, Some(&mut entry.location)));
            }
            _ => {}
        }
    }

    pub(crate) fn children(&self) -> Vec<&Self> {
        match &self.tree {
            Tree::List(list) => list.iter().collect(),
            Tree::Map(map) => map.0.values().map(|entry| &entry.node).collect(),
            _ => Vec::new(),
        }
    }
}

impl Map {
    pub(crate) fn to_dict(&self) -> Dict {
        self.0.iter().map(|(key, entry)| (key.clone(), entry.node.to_value())).collect()
    }
}

/// Two nodes are equal when they mean the same, wherever they were written.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
            && match (&self.tree, &other.tree) {
                (Tree::Null, Tree::Null) => true,
                (Tree::Bool(a), Tree::Bool(b)) => a == b,
                (Tree::Number(Number::Whole(a)), Tree::Number(Number::Whole(b))) => a == b,
                (Tree::Number(Number::Float(a)), Tree::Number(Number::Float(b))) => {
                    a.to_bits() == b.to_bits()
                }
                (Tree::Text(a), Tree::Text(b)) => a == b,
                (Tree::List(a), Tree::List(b)) => a == b,
                (Tree::Map(a), Tree::Map(b)) => {
                    a.0.len() == b.0.len()
                        && a.0
                            .iter()
                            .zip(&b.0)
                            .all(|((a_key, a), (b_key, b))| a_key == b_key && a.node == b.node)
                }
                _ => false,
            }
    }
}
