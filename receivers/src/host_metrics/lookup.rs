//! Lists of devices, interfaces and the like that are read or left out.

use pipeline::relabel::unanchored;
use regex::Regex;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MatchType {
    Strict,
    /// Matches somewhere; anchor with `^` and `$` for the whole.
    Regexp,
}

/// What is read: all that is included, or everything where nothing is, without what is excluded.
#[derive(Debug, Clone, Default)]
pub(super) struct Choice {
    pub(super) include: Option<List>,
    pub(super) exclude: Option<List>,
}

#[derive(Debug, Clone)]
pub(super) enum List {
    Strict(Vec<String>),
    Regexp(Vec<Regex>),
}

/// A problem and the key it is at.
pub(super) type Message = (String, String);

impl Choice {
    pub(super) fn allows(&self, text: &str) -> bool {
        self.include.as_ref().is_none_or(|list| list.contains(text))
            && !self.exclude.as_ref().is_some_and(|list| list.contains(text))
    }
}

impl List {
    /// `place` is where the block stands and `key` the name of its list.
    pub(super) fn compile(
        (place, key): (&str, &str),
        texts: &[String],
        match_type: Option<MatchType>,
        problems: &mut Vec<Message>,
    ) -> Option<Self> {
        if texts.is_empty() {
            problems.push((format!("{place}.{key}"), "needs at least one entry".to_owned()));
        }
        match match_type {
            Some(MatchType::Strict) => Some(Self::Strict(texts.to_vec())),
            Some(MatchType::Regexp) => {
                let mut regexes = Vec::new();
                for (index, text) in texts.iter().enumerate() {
                    match unanchored(text) {
                        Ok(regex) => regexes.push(regex),
                        Err(message) => problems.push((format!("{place}.{key}[{index}]"), message)),
                    }
                }
                Some(Self::Regexp(regexes))
            }
            None => {
                problems.push((format!("{place}.match_type"), "expected `strict` or `regexp`".to_owned()));
                None
            }
        }
    }

    pub(super) fn contains(&self, text: &str) -> bool {
        match self {
            Self::Strict(texts) => texts.iter().any(|other| other == text),
            Self::Regexp(regexes) => regexes.iter().any(|regex| regex.is_match(text)),
        }
    }
}
