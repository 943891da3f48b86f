//! The members of a map that says how a value is made, each read as what it should be.

use std::cell::RefCell;

use config::{Problem, Section};

use crate::json::tree::Tree;

/// A map of a page, where it stands, and where problems with it go.
pub(crate) struct Options<'a> {
    members: &'a [(String, Tree)],
    key: &'a str,
    section: &'a Section,
    problems: &'a RefCell<Vec<Problem>>,
}

impl<'a> Options<'a> {
    pub(crate) fn new(
        members: &'a [(String, Tree)],
        key: &'a str,
        section: &'a Section,
        problems: &'a RefCell<Vec<Problem>>,
    ) -> Self {
        Self { members, key, section, problems }
    }

    /// Where a member stands.
    pub(crate) fn key(&self, name: &str) -> String {
        if self.key.is_empty() { name.to_owned() } else { format!("{}.{name}", self.key) }
    }

    pub(crate) fn get(&self, name: &str) -> Option<&'a Tree> {
        let member = self.members.iter().find(|(key, _)| key == name);
        member.map(|(_, value)| value).filter(|value| **value != Tree::Null)
    }

    /// Notes a problem with a member.
    pub(crate) fn say(&self, name: &str, message: impl Into<String>) {
        self.problems.borrow_mut().push(self.section.problem(&self.key(name), message));
    }

    fn expected(&self, name: &str, what: &str) {
        let got = self.get(name).and_then(Tree::text).unwrap_or_else(|| String::from("a list or a map"));
        self.say(name, format!("expected {what}, got `{got}`"));
    }

    /// Members other than these are problems.
    pub(crate) fn only(&self, known: &[&str]) {
        for (name, _) in self.members.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let instead = config::instead(name, known).unwrap_or_default();
            self.say(name, format!("unknown key; {instead}"));
        }
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &str) -> String {
        match self.get(name) {
            Some(Tree::Text(text)) if !text.is_empty() => return text.clone(),
            Some(_) => self.expected(name, "a text"),
            None => self.say(name, format!("needs `{name}`")),
        }
        String::new()
    }

    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        let value = self.get(name)?;
        if let Tree::Number(number) = value {
            return number.as_f64();
        }
        self.expected(name, "a number");
        None
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        match self.get(name) {
            None => false,
            Some(Tree::Bool(value)) => *value,
            Some(_) => {
                self.expected(name, "`true` or `false`");
                false
            }
        }
    }

    /// One of these words; the first where there is none.
    pub(crate) fn word<T: Copy>(&self, name: &str, known: &[(&str, T)]) -> Option<T> {
        let Some(value) = self.get(name) else { return known.first().map(|(_, value)| *value) };
        let text = value.text().unwrap_or_default();
        let found = known.iter().find(|(word, _)| *word == text);
        if found.is_none() {
            let words: Vec<_> = known.iter().map(|(word, _)| format!("`{word}`")).collect();
            self.expected(name, &format!("one of {}", words.join(", ")));
        }
        found.map(|(_, value)| *value)
    }

    /// A text or a list of them.
    pub(crate) fn names(&self, name: &str) -> Vec<String> {
        let texts = match self.get(name) {
            None => return Vec::new(),
            Some(Tree::List(items)) => items.iter().map(label).collect(),
            Some(one) => label(one).map(|text| vec![text]),
        };
        texts.unwrap_or_else(|| {
            self.expected(name, "the name of a label, or a list of them");
            Vec::new()
        })
    }

    /// Labels and the values they may have.
    pub(crate) fn conditions(&self, name: &str) -> Vec<(String, Vec<String>)> {
        let members = match self.get(name) {
            None => return Vec::new(),
            Some(Tree::Map(members)) => members,
            Some(_) => {
                self.expected(name, "a map of labels to values, such as `{status: error}`");
                return Vec::new();
            }
        };
        let mut conditions = Vec::new();
        for (label, value) in members {
            let values = match value {
                Tree::List(items) => items.iter().map(Tree::text).collect(),
                one => one.text().map(|text| vec![text]),
            };
            match values {
                Some(values) => conditions.push((label.clone(), values)),
                None => {
                    self.say(&joined(name, label), "expected a value, or a list of values of which one fits");
                }
            }
        }
        conditions
    }
}

fn label(tree: &Tree) -> Option<String> {
    match tree {
        Tree::Text(text) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// The path of a member.
pub(super) fn joined(key: &str, member: &str) -> String {
    let is_plain = !member.is_empty() && !member.contains(['.', '[', '"', ' ']);
    let member = if is_plain { member.to_owned() } else { format!("\"{member}\"") };
    if key.is_empty() { member } else { format!("{key}.{member}") }
}
