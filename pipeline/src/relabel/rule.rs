//! One compiled rule: what it needs, and what it does to a set of labels.

use md5::{Digest, Md5};
use regex::Regex;

use super::template::Template;
use super::{Action, Labels, RuleConfig, pattern};

#[derive(Debug, Clone)]
pub(super) struct Rule {
    source_labels: Vec<String>,
    separator: String,
    regex: Regex,
    step: Step,
}

/// What the rule does, with what only this action needs.
#[derive(Debug, Clone)]
enum Step {
    Replace { target: Template, replacement: Template },
    Keep,
    Drop,
    KeepEqual { target: String },
    DropEqual { target: String },
    HashMod { target: String, modulus: u64 },
    LabelMap { replacement: Template },
    LabelDrop,
    LabelKeep,
    Lowercase { target: String },
    Uppercase { target: String },
}

impl Rule {
    pub(super) fn compile(config: &RuleConfig) -> Result<Self, Vec<String>> {
        let mut problems = problems(config);
        let regex = match pattern::anchored(&config.regex) {
            Ok(regex) if problems.is_empty() => regex,
            Ok(_) => return Err(problems),
            Err(message) => {
                problems.push(message);
                return Err(problems);
            }
        };
        Ok(Self {
            source_labels: config.source_labels.clone(),
            separator: config.separator.clone(),
            step: step(config, &regex),
            regex,
        })
    }

    /// `false` when the whole set is dropped.
    pub(super) fn apply(&self, labels: &mut Labels) -> bool {
        match &self.step {
            Step::Replace { target, replacement } => self.replace(labels, target, replacement),
            Step::Keep => return self.regex.is_match(&self.value(labels)),
            Step::Drop => return !self.regex.is_match(&self.value(labels)),
            Step::KeepEqual { target } => return self.value(labels) == labels.get(target),
            Step::DropEqual { target } => return self.value(labels) != labels.get(target),
            Step::HashMod { target, modulus } => {
                labels.set(target, (hash(&self.value(labels)) % modulus).to_string());
            }
            Step::LabelMap { replacement } => self.map(labels, replacement),
            Step::LabelDrop => labels.retain(|name, _| !self.regex.is_match(name)),
            Step::LabelKeep => labels.retain(|name, _| self.regex.is_match(name)),
            Step::Lowercase { target } => labels.set(target, self.value(labels).to_lowercase()),
            Step::Uppercase { target } => labels.set(target, self.value(labels).to_uppercase()),
        }
        true
    }

    fn value(&self, labels: &Labels) -> String {
        let mut value = String::new();
        for (index, name) in self.source_labels.iter().enumerate() {
            if index > 0 {
                value.push_str(&self.separator);
            }
            value.push_str(labels.get(name));
        }
        value
    }

    fn replace(&self, labels: &mut Labels, target: &Template, replacement: &Template) {
        let value = self.value(labels);
        let Some(captures) = self.regex.captures(&value) else { return };
        let target = target.expand(&captures);
        if !target.is_empty() {
            labels.set(target, replacement.expand(&captures));
        }
    }

    fn map(&self, labels: &mut Labels, replacement: &Template) {
        let mapped: Vec<_> = labels
            .iter()
            .filter_map(|(name, value)| {
                let name = replacement.expand(&self.regex.captures(name)?);
                (!name.is_empty()).then(|| (name, value.to_owned()))
            })
            .collect();
        for (name, value) in mapped {
            labels.set(name, value);
        }
    }
}

/// The last eight bytes of the MD5 hash, as Prometheus takes them.
fn hash(text: &str) -> u64 {
    let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
    let (_, last) = digest.split_at(8);
    last.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

fn step(config: &RuleConfig, regex: &Regex) -> Step {
    let target = config.target_label.clone();
    match config.action {
        Action::Replace => Step::Replace {
            target: Template::new(&target, regex),
            replacement: Template::new(&config.replacement, regex),
        },
        Action::Keep => Step::Keep,
        Action::Drop => Step::Drop,
        Action::KeepEqual => Step::KeepEqual { target },
        Action::DropEqual => Step::DropEqual { target },
        Action::HashMod => Step::HashMod { target, modulus: config.modulus },
        Action::LabelMap => Step::LabelMap { replacement: Template::new(&config.replacement, regex) },
        Action::LabelDrop => Step::LabelDrop,
        Action::LabelKeep => Step::LabelKeep,
        Action::Lowercase => Step::Lowercase { target },
        Action::Uppercase => Step::Uppercase { target },
    }
}

/// What an action must have, and what would have no effect on it and so is a mistake.
fn problems(config: &RuleConfig) -> Vec<String> {
    use Action::{
        DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase,
    };
    let action = config.action;
    let name = action.name();
    let mut problems = Vec::new();
    let needs_target = matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
    if needs_target && config.target_label.is_empty() {
        problems.push(format!("the action `{name}` needs a `target_label`"));
    }
    if action == HashMod && config.modulus == 0 {
        problems.push("the action `hashmod` needs a `modulus` above 0".to_owned());
    }
    if action == LabelMap && config.replacement.is_empty() {
        problems.push("the action `labelmap` needs a `replacement` that gives a label name".to_owned());
    }
    let is_equality = matches!(action, KeepEqual | DropEqual);
    let is_by_name = matches!(action, LabelDrop | LabelKeep);
    let ignored = [
        ("source_labels", is_by_name && !config.source_labels.is_empty()),
        ("target_label", is_by_name && !config.target_label.is_empty()),
        ("regex", is_equality && config.regex != RuleConfig::REGEX),
        ("modulus", (is_equality || is_by_name) && config.modulus != 0),
        ("separator", (is_equality || is_by_name) && config.separator != RuleConfig::SEPARATOR),
        (
            "replacement",
            (is_equality || is_by_name || matches!(action, Lowercase | Uppercase))
                && config.replacement != RuleConfig::REPLACEMENT,
        ),
    ];
    for (key, _) in ignored.into_iter().filter(|(_, is_set)| *is_set) {
        problems.push(format!("`{key}` means nothing for the action `{name}`; remove it"));
    }
    problems
}
