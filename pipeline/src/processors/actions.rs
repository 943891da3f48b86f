//! The list of actions on attributes that the `attributes` and `resource` processors share.

use regex::Regex;
use serde::{Deserialize, Serialize};
use sha1::{Digest, Sha1};

use crate::relabel::unanchored;
use crate::value::AnyValue;

/// One action, as it stands in the file.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ActionConfig {
    /// The attribute it is about.
    key: String,
    action: Option<Verb>,
    /// What is written; its type is the type it has in the file.
    value: Option<serde_json::Value>,
    /// The attribute whose value is written instead.
    from_attribute: String,
    /// Refused: what a client sent beside its points is not known here.
    from_context: String,
    /// What is written where `from_attribute` is not there.
    default_value: Option<serde_json::Value>,
    /// For `delete` and `hash` matches keys; for `extract` matches the value.
    pattern: String,
    converted_type: Option<ConvertedType>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Verb {
    Insert,
    Update,
    Upsert,
    Delete,
    Hash,
    Extract,
    Convert,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ConvertedType {
    Int,
    Double,
    String,
}

/// A compiled action.
#[derive(Debug)]
pub(super) enum Action {
    Insert { key: String, source: Source },
    Update { key: String, source: Source },
    Upsert { key: String, source: Source },
    Delete(Keys),
    Hash(Keys),
    Extract { key: String, regex: Regex },
    Convert { key: String, to: ConvertTo },
}

/// Where a written value comes from.
#[derive(Debug)]
pub(super) enum Source {
    Value(AnyValue),
    Attribute { key: String, default: Option<AnyValue> },
}

/// One key, the keys a pattern matches, or both.
#[derive(Debug)]
pub(super) struct Keys {
    key: String,
    pattern: Option<Regex>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum ConvertTo {
    Int,
    Double,
    String,
}

type Pairs = Vec<(String, AnyValue)>;

/// Compiles a list; of one that does not work, every problem with the place of its action.
pub(super) fn compile(configs: &[ActionConfig], list: &str) -> Result<Vec<Action>, Vec<(String, String)>> {
    let mut actions = Vec::with_capacity(configs.len());
    let mut problems = Vec::new();
    if configs.is_empty() {
        problems.push((list.to_owned(), "needs at least one action".to_owned()));
    }
    for (index, config) in configs.iter().enumerate() {
        match config.compile() {
            Ok(action) => actions.push(action),
            Err(messages) => {
                problems.extend(messages.into_iter().map(|message| (format!("{list}[{index}]"), message)));
            }
        }
    }
    if problems.is_empty() { Ok(actions) } else { Err(problems) }
}

impl ActionConfig {
    fn compile(&self) -> Result<Action, Vec<String>> {
        let Some(verb) = self.action else {
            return Err(vec![
                "needs an `action`: insert, update, upsert, delete, hash, extract or convert".to_owned(),
            ]);
        };
        let mut problems = self.misplaced(verb);
        let pattern = match self.pattern.as_str() {
            "" => None,
            pattern => unanchored(pattern).map_err(|message| problems.push(message)).ok(),
        };
        let key = self.key.clone();
        let source = match verb {
            Verb::Insert | Verb::Update | Verb::Upsert => {
                self.source().map_err(|message| problems.push(message)).ok()
            }
            _ => None,
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(match (verb, source, pattern, self.converted_type) {
            (Verb::Insert, Some(source), _, _) => Action::Insert { key, source },
            (Verb::Update, Some(source), _, _) => Action::Update { key, source },
            (Verb::Upsert, Some(source), _, _) => Action::Upsert { key, source },
            (Verb::Delete, _, pattern, _) => Action::Delete(Keys { key, pattern }),
            (Verb::Hash, _, pattern, _) => Action::Hash(Keys { key, pattern }),
            (Verb::Extract, _, Some(regex), _) => Action::Extract { key, regex: only_named(regex)? },
            (Verb::Convert, _, _, Some(to)) => Action::Convert { key, to: to.into() },
            _ => return Err(vec!["the action is not complete".to_owned()]),
        })
    }

    /// What the action lacks, and what means nothing for it.
    fn misplaced(&self, verb: Verb) -> Vec<String> {
        let mut problems = Vec::new();
        let writes = matches!(verb, Verb::Insert | Verb::Update | Verb::Upsert);
        let takes_pattern = matches!(verb, Verb::Delete | Verb::Hash | Verb::Extract);
        if matches!(verb, Verb::Delete | Verb::Hash) {
            if self.key.is_empty() && self.pattern.is_empty() {
                problems.push("needs a `key` or a `pattern`".to_owned());
            }
        } else if self.key.is_empty() {
            problems.push("needs a `key`".to_owned());
        }
        if verb == Verb::Extract && self.pattern.is_empty() {
            problems.push("needs a `pattern` with named groups".to_owned());
        }
        if verb == Verb::Convert && self.converted_type.is_none() {
            problems.push("needs a `converted_type`: int, double or string".to_owned());
        }
        if !self.from_context.is_empty() {
            problems.push("`from_context` is not supported: what a client sends beside its points is not part of a series".to_owned());
        }
        let strays = [
            ("value", !writes && self.value.is_some()),
            ("from_attribute", !writes && !self.from_attribute.is_empty()),
            ("default_value", self.from_attribute.is_empty() && self.default_value.is_some()),
            ("pattern", !takes_pattern && !self.pattern.is_empty()),
            ("converted_type", verb != Verb::Convert && self.converted_type.is_some()),
        ];
        for (key, _) in strays.into_iter().filter(|(_, is_stray)| *is_stray) {
            problems.push(format!("`{key}` means nothing for this action; remove it"));
        }
        problems
    }

    fn source(&self) -> Result<Source, String> {
        match (&self.value, self.from_attribute.as_str()) {
            (Some(value), "") => Ok(Source::Value(any_value(value))),
            (None, key) if !key.is_empty() => Ok(Source::Attribute {
                key: key.to_owned(),
                default: self.default_value.as_ref().map(any_value),
            }),
            _ => Err("needs either a `value` or `from_attribute`".to_owned()),
        }
    }
}

fn only_named(regex: Regex) -> Result<Regex, Vec<String>> {
    let mut names = regex.capture_names().skip(1);
    if regex.captures_len() > 1 && names.all(|name| name.is_some()) {
        Ok(regex)
    } else {
        Err(vec![format!("the pattern `{regex}` must have groups, all named as in `(?P<name>...)`")])
    }
}

/// A value of the file as a value of an attribute, of the same type.
pub(super) fn any_value(value: &serde_json::Value) -> AnyValue {
    match value {
        serde_json::Value::Null => AnyValue::Empty,
        serde_json::Value::Bool(value) => AnyValue::Bool(*value),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => AnyValue::Int(number),
            None => AnyValue::Double(number.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(text) => AnyValue::String(text.clone()),
        serde_json::Value::Array(values) => AnyValue::Array(values.iter().map(any_value).collect()),
        serde_json::Value::Object(pairs) => {
            AnyValue::Map(pairs.iter().map(|(key, value)| (key.clone(), any_value(value))).collect())
        }
    }
}

/// A value as text, as the collector prints it.
pub(crate) fn text_of(value: &AnyValue) -> String {
    match value {
        AnyValue::Empty => String::new(),
        AnyValue::String(text) => text.clone(),
        AnyValue::Bool(value) => value.to_string(),
        AnyValue::Int(value) => value.to_string(),
        AnyValue::Double(value) => value.to_string(),
        nested => json_of(nested).to_string(),
    }
}

fn json_of(value: &AnyValue) -> serde_json::Value {
    use base64::Engine;
    match value {
        AnyValue::Empty => serde_json::Value::Null,
        AnyValue::String(text) => text.as_str().into(),
        AnyValue::Bool(value) => (*value).into(),
        AnyValue::Int(value) => (*value).into(),
        AnyValue::Double(value) => (*value).into(),
        AnyValue::Bytes(bytes) => base64::engine::general_purpose::STANDARD.encode(bytes).into(),
        AnyValue::Array(values) => values.iter().map(json_of).collect(),
        AnyValue::Map(pairs) => pairs.iter().map(|(key, value)| (key.clone(), json_of(value))).collect(),
    }
}

impl From<ConvertedType> for ConvertTo {
    fn from(to: ConvertedType) -> Self {
        match to {
            ConvertedType::Int => Self::Int,
            ConvertedType::Double => Self::Double,
            ConvertedType::String => Self::String,
        }
    }
}

impl Action {
    /// Changes the pairs; whatever does not apply leaves them as they are.
    pub(super) fn apply(&self, pairs: &mut Pairs) {
        match self {
            Self::Insert { key, source } => {
                if find(pairs, key).is_none() {
                    write(pairs, key, source.value(pairs));
                }
            }
            Self::Update { key, source } => {
                if find(pairs, key).is_some() {
                    write(pairs, key, source.value(pairs));
                }
            }
            Self::Upsert { key, source } => write(pairs, key, source.value(pairs)),
            Self::Delete(keys) => pairs.retain(|(key, _)| !keys.contain(key)),
            Self::Hash(keys) => {
                for (_, value) in pairs.iter_mut().filter(|(key, _)| keys.contain(key)) {
                    *value = AnyValue::String(hash(value));
                }
            }
            Self::Extract { key, regex } => extract(pairs, key, regex),
            Self::Convert { key, to } => {
                if let Some((_, value)) = pairs.iter_mut().find(|(other, _)| other == key)
                    && let Some(converted) = to.convert(value)
                {
                    *value = converted;
                }
            }
        }
    }
}

impl Source {
    fn value(&self, pairs: &Pairs) -> Option<AnyValue> {
        match self {
            Self::Value(value) => Some(value.clone()),
            Self::Attribute { key, default } => find(pairs, key).or(default.as_ref()).cloned(),
        }
    }
}

impl Keys {
    fn contain(&self, key: &str) -> bool {
        (!self.key.is_empty() && self.key == key)
            || self.pattern.as_ref().is_some_and(|pattern| pattern.is_match(key))
    }
}

impl ConvertTo {
    /// `None` where the value cannot be had in that type.
    fn convert(self, value: &AnyValue) -> Option<AnyValue> {
        Some(match (self, value) {
            (Self::String, value) => AnyValue::String(text_of(value)),
            (Self::Int, AnyValue::Double(number)) => AnyValue::Int(*number as i64),
            (Self::Int, AnyValue::Bool(is_true)) => AnyValue::Int(i64::from(*is_true)),
            (Self::Int, AnyValue::String(text)) => AnyValue::Int(text.parse().ok()?),
            (Self::Double, AnyValue::Int(number)) => AnyValue::Double(*number as f64),
            (Self::Double, AnyValue::Bool(is_true)) => AnyValue::Double(f64::from(u8::from(*is_true))),
            (Self::Double, AnyValue::String(text)) => AnyValue::Double(text.parse().ok()?),
            _ => return None,
        })
    }
}

fn find<'a>(pairs: &'a Pairs, key: &str) -> Option<&'a AnyValue> {
    pairs.iter().find(|(other, _)| other == key).map(|(_, value)| value)
}

fn write(pairs: &mut Pairs, key: &str, value: Option<AnyValue>) {
    let Some(value) = value else { return };
    match pairs.iter_mut().find(|(other, _)| other == key) {
        Some((_, place)) => *place = value,
        None => pairs.push((key.to_owned(), value)),
    }
}

fn extract(pairs: &mut Pairs, key: &str, regex: &Regex) {
    let Some(AnyValue::String(text)) = find(pairs, key) else { return };
    let text = text.clone();
    let Some(captures) = regex.captures(&text) else { return };
    for (index, name) in regex.capture_names().enumerate() {
        let group = captures.get(index).map_or("", |group| group.as_str());
        if let Some(name) = name {
            write(pairs, name, Some(group.into()));
        }
    }
}

/// The SHA-1 hash of a value in hexadecimal digits; of a number its eight bytes, lowest first.
fn hash(value: &AnyValue) -> String {
    let bytes = match value {
        AnyValue::String(text) => text.as_bytes().to_vec(),
        AnyValue::Bool(value) => vec![u8::from(*value)],
        AnyValue::Int(value) => value.to_le_bytes().to_vec(),
        AnyValue::Double(value) => value.to_le_bytes().to_vec(),
        AnyValue::Empty => Vec::new(),
        nested => text_of(nested).into_bytes(),
    };
    if bytes.is_empty() {
        return String::new();
    }
    let mut text = String::with_capacity(40);
    for byte in Sha1::digest(&bytes) {
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from_digit(u32::from(digit), 16).expect("four bits are a digit"));
        }
    }
    text
}
