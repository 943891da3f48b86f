//! Lists of names and of resource attributes a series is compared with, exactly or by pattern.

use regex::Regex;
use serde::{Deserialize, Serialize};

use crate::attributes::Attributes;
use crate::processors::actions::{any_value, text_of};
use crate::relabel::unanchored;
use crate::value::AnyValue;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum MatchType {
    /// Equal.
    Strict,
    /// Matches somewhere; anchor with `^` and `$` for the whole.
    Regexp,
}

/// An attribute that must be there; without a value, with any value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AttributeConfig {
    pub(super) key: String,
    pub(super) value: Option<serde_json::Value>,
}

/// Names, one of which must match.
#[derive(Debug, Default)]
pub(super) struct Names(Vec<Text>);

/// Attributes, all of which must match.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(String, Expected)>);

#[derive(Debug)]
enum Text {
    Equal(String),
    Pattern(Regex),
}

#[derive(Debug)]
enum Expected {
    Anything,
    Equal(AnyValue),
    Pattern(Regex),
}

impl Names {
    pub(super) fn compile(names: &[String], match_type: MatchType) -> Result<Self, Vec<(usize, String)>> {
        collect(names, |name| match match_type {
            MatchType::Strict => Ok(Text::Equal(name.clone())),
            MatchType::Regexp => unanchored(name).map(Text::Pattern),
        })
        .map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn contain(&self, name: &str) -> bool {
        self.0.iter().any(|expected| match expected {
            Text::Equal(text) => text == name,
            Text::Pattern(regex) => regex.is_match(name),
        })
    }
}

impl Pairs {
    pub(super) fn compile(
        configs: &[AttributeConfig],
        match_type: MatchType,
    ) -> Result<Self, Vec<(usize, String)>> {
        collect(configs, |config| {
            if config.key.is_empty() {
                return Err("needs a `key`".to_owned());
            }
            let expected = match (&config.value, match_type) {
                (None, _) => Expected::Anything,
                (Some(serde_json::Value::String(pattern)), MatchType::Regexp) => {
                    Expected::Pattern(unanchored(pattern)?)
                }
                (Some(value), _) => Expected::Equal(any_value(value)),
            };
            Ok((config.key.clone(), expected))
        })
        .map(Self)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn are_in(&self, attributes: &Attributes) -> bool {
        self.0.iter().all(|(key, expected)| {
            let Some(value) = attributes.get(key) else { return false };
            match expected {
                Expected::Anything => true,
                Expected::Equal(expected) => value.to_owned() == *expected,
                Expected::Pattern(regex) => regex.is_match(&text_of(&value.to_owned())),
            }
        })
    }
}

/// Compiles each; of a list that does not work, every problem with its index.
fn collect<C, T>(
    configs: &[C],
    compile: impl Fn(&C) -> Result<T, String>,
) -> Result<Vec<T>, Vec<(usize, String)>> {
    let (mut compiled, mut problems) = (Vec::new(), Vec::new());
    for (index, config) in configs.iter().enumerate() {
        match compile(config) {
            Ok(item) => compiled.push(item),
            Err(message) => problems.push((index, message)),
        }
    }
    if problems.is_empty() { Ok(compiled) } else { Err(problems) }
}
