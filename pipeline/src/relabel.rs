//! Relabelling: rewriting label sets by a list of rules, with the meaning Prometheus gives them.
//!
//! Rules are compiled once, and every problem of a list is reported, not the first. Patterns run on an
//! engine that needs linear time, and a pattern that would compile to more than a mebibyte is refused.

mod labels;
mod pattern;
mod rule;
mod template;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

pub use labels::Labels;
pub use pattern::{anchored, unanchored};
use rule::Rule;

/// One entry of a `relabel_configs` list, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuleConfig {
    /// The labels whose values are joined and matched; an absent one counts as empty.
    pub source_labels: Vec<String>,
    /// Stands between the joined values.
    pub separator: String,
    /// Must match the whole joined value (or label name, for the actions on names).
    pub regex: String,
    /// What the hash is divided by; only for `hashmod`.
    pub modulus: u64,
    /// The label that is written or compared; may refer to groups of the pattern for `replace`.
    pub target_label: String,
    /// What is written; may refer to groups of the pattern: `$1`, `${1}`, `${name}`, `$$`.
    pub replacement: String,
    pub action: Action,
}

/// What a rule does. Upper and lower case are the same in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", try_from = "String")]
pub enum Action {
    /// Writes the replacement into the target label if the pattern matches.
    #[default]
    Replace,
    /// Drops what the pattern does not match.
    Keep,
    /// Drops what the pattern matches.
    Drop,
    /// Drops what differs from the target label.
    KeepEqual,
    /// Drops what equals the target label.
    DropEqual,
    /// Writes the hash of the value, modulo `modulus`, into the target label.
    HashMod,
    /// Copies labels whose name matches to the name the replacement gives.
    LabelMap,
    /// Removes labels whose name matches.
    LabelDrop,
    /// Removes labels whose name does not match.
    LabelKeep,
    /// Writes the value in lower case into the target label.
    Lowercase,
    /// Writes the value in upper case into the target label.
    Uppercase,
}

/// A compiled list of rules.
#[derive(Debug, Clone, Default)]
pub struct Rules {
    rules: Vec<Rule>,
}

impl RuleConfig {
    /// The default of `separator`.
    pub const SEPARATOR: &str = ";";
    /// The default of `regex`: anything.
    pub const REGEX: &str = "(.*)";
    /// The default of `replacement`: what the first group matched.
    pub const REPLACEMENT: &str = "$1";
}

impl Default for RuleConfig {
    fn default() -> Self {
        Self {
            source_labels: Vec::new(),
            separator: Self::SEPARATOR.to_owned(),
            regex: Self::REGEX.to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: Self::REPLACEMENT.to_owned(),
            action: Action::Replace,
        }
    }
}

impl Action {
    const ALL: [(&str, Self); 11] = [
        ("replace", Self::Replace),
        ("keep", Self::Keep),
        ("drop", Self::Drop),
        ("keepequal", Self::KeepEqual),
        ("dropequal", Self::DropEqual),
        ("hashmod", Self::HashMod),
        ("labelmap", Self::LabelMap),
        ("labeldrop", Self::LabelDrop),
        ("labelkeep", Self::LabelKeep),
        ("lowercase", Self::Lowercase),
        ("uppercase", Self::Uppercase),
    ];

    /// The word in the file.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, action)| *action == self).map_or("", |(name, _)| name)
    }
}

impl TryFrom<String> for Action {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(&text));
        known.map(|(_, action)| *action).ok_or_else(|| {
            let names = Self::ALL.map(|(name, _)| name);
            format!("unknown relabel action `{text}`; {}", config::instead(&text, &names).unwrap_or_default())
        })
    }
}

impl Rules {
    /// Compiles a list; of one that does not work, every problem with the index of its rule.
    pub fn compile(configs: &[RuleConfig]) -> Result<Self, Vec<(usize, String)>> {
        let mut rules = Vec::with_capacity(configs.len());
        let mut problems = Vec::new();
        for (index, config) in configs.iter().enumerate() {
            match Rule::compile(config) {
                Ok(rule) => rules.push(rule),
                Err(messages) => problems.extend(messages.into_iter().map(|message| (index, message))),
            }
        }
        if problems.is_empty() { Ok(Self { rules }) } else { Err(problems) }
    }

    /// Runs the rules in order, each on what the ones before it left; `false` when one drops the whole.
    ///
    /// What is dropped may have been changed before; its labels mean nothing then.
    #[must_use]
    pub fn apply(&self, labels: &mut Labels) -> bool {
        self.rules.iter().all(|rule| rule.apply(labels))
    }

    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    pub fn len(&self) -> usize {
        self.rules.len()
    }
}

/// The body of the fuzz target: lines of a pattern, a replacement, a separator, then labels as `name=value`.
#[doc(hidden)]
pub fn fuzz(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default().to_owned();
    let (regex, replacement, separator) = (line(), line(), line());
    let mut given = Labels::new();
    for (name, value) in lines.filter_map(|line| line.split_once('=')) {
        given.set(name, value);
    }
    let _ = unanchored(&regex);
    for (_, action) in Action::ALL {
        let config = RuleConfig {
            source_labels: vec!["a".to_owned(), "b".to_owned()],
            separator: separator.clone(),
            regex: regex.clone(),
            modulus: 7,
            target_label: replacement.clone(),
            replacement: replacement.clone(),
            action,
        };
        let mut labels = given.clone();
        if let Ok(rules) = Rules::compile(&[config]) {
            let _ = rules.apply(&mut labels);
        }
    }
}
