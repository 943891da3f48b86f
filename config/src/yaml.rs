//! Reads YAML (and JSON, which is a part of it) into a tree that keeps the places.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::options::NonFiniteFloatPolicy;
use serde_saphyr::{Error, Options, Spanned};

use crate::problem::{Location, Problem};
use crate::tree::{DEPTH_MAX, Map, Node, Number, Tree};

/// Keys and values of one text, after aliases.
const NODES_MAX: usize = 250_000;

/// Reads one document; an empty one is null.
pub(crate) fn parse(file: &str, text: &str) -> Result<Node, Problem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let file: Arc<str> = file.into();
    let place = |line: u64, column: u64| Location {
        file: Arc::clone(&file),
        line: line as usize,
        column: column as usize,
    };
    match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options()) {
        Ok(None) => Ok(Node { location: Some(place(1, 1)), ..Node::default() }),
        Ok(Some(raw)) => Ok(Source { text, file: &file }.node(raw)),
        Err(error) => {
            let location = error.location().filter(|location| location.line() > 0);
            let line = location.map_or(1, |found| found.line().max(1)) as usize;
            let mut text_of_error = message(&error);
            // The braces of a reference end a plain value there.
            if text.lines().nth(line - 1).is_some_and(|line| line.contains("${")) {
                text_of_error.push_str("; within `[]` and `{}`, put `${...}` in quotes");
            }
            let mut problem = Problem::new("", text_of_error);
            problem.location =
                Some(location.map_or_else(|| place(1, 1), |found| place(found.line(), found.column())));
            Err(problem)
        }
    }
}

/// A scalar as it would be understood in a file; text where it is nothing else.
pub(crate) fn parse_value(text: &str) -> Node {
    let mut node = parse("", text).unwrap_or_else(|_| Node::new(Tree::Text(text.to_owned())));
    if !matches!(node.tree, Tree::Text(_)) || node.as_text().as_deref() != Some(text) {
        node.text = Some(text.into());
    }
    node
}

/// The value before its place in the text is looked up.
enum Raw {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

struct Source<'a> {
    text: &'a str,
    file: &'a Arc<str>,
}

struct RawVisitor;

fn options() -> Options {
    let budget = serde_saphyr::budget! {
        max_depth: DEPTH_MAX,
        flow_nesting_limit: DEPTH_MAX,
        max_nodes: NODES_MAX,
    };
    serde_saphyr::options! {
        budget: budget,
        strict_booleans: true,
        non_finite_float_policy: NonFiniteFloatPolicy::PassThrough,
        with_snippet: false,
    }
}

/// What the parser says, in one line and without a place, which is said before it.
fn message(error: &Error) -> String {
    match error.without_snippet() {
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } => {
            format!("this is nested deeper than {DEPTH_MAX} levels or has more than {NODES_MAX} values")
        }
        Error::MultipleDocuments { .. } => {
            "a second document begins here; give it a file of its own".to_owned()
        }
        Error::AliasError { error, .. } => message(error),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("`{key}` is there already in this map"),
        error => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            let line = line.split_once(" at line ").map_or(line, |(message, _)| message);
            format!("cannot read this as YAML: {line}")
        }
    }
}

impl Source<'_> {
    fn node(&self, raw: Spanned<Raw>) -> Node {
        let span = raw.defined.span();
        let written = span.byte_offset().zip(span.byte_len()).and_then(|(start, length)| {
            let start = usize::try_from(start).ok()?;
            self.text.get(start..start.checked_add(usize::try_from(length).ok()?)?)
        });
        let location = Some(self.location(raw.referenced));
        let plain = written.map(str::trim).filter(|text| !text.starts_with(['"', '\'', '!', '|', '>', '&']));
        let (tree, text) = match raw.value {
            Raw::Null => (Tree::Null, None),
            Raw::Bool(bool) => (Tree::Bool(bool), plain),
            Raw::Number(number) => (Tree::Number(number), plain),
            Raw::Text(text) => (Tree::Text(text), None),
            Raw::List(list) => (Tree::List(list.into_iter().map(|raw| self.node(raw)).collect()), None),
            Raw::Map(entries) => {
                let mut map = Map::default();
                for (key, value) in entries {
                    let key_location = Some(self.location(key.referenced));
                    map.push(key.value, key_location, self.node(value));
                }
                (Tree::Map(map), None)
            }
        };
        Node { tree, text: text.map(Into::into), location, ..Node::default() }
    }

    fn location(&self, location: serde_saphyr::Location) -> Location {
        Location {
            file: Arc::clone(self.file),
            line: location.line() as usize,
            column: location.column() as usize,
        }
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(bool))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Raw, E> {
        Ok(Raw::Number(Number::Whole(number.into())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Number(Number::Whole(number.into())))
    }

    fn visit_i128<E>(self, number: i128) -> Result<Raw, E> {
        Ok(Raw::Number(Number::Whole(number)))
    }

    fn visit_u128<E>(self, number: u128) -> Result<Raw, E> {
        Ok(Raw::Number(i128::try_from(number).map_or(Number::Float(number as f64), Number::Whole)))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Number(Number::Float(number)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(raw) = access.next_element()? {
            list.push(raw);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Raw, A::Error> {
        let mut entries: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
        while let Some(key) = access.next_key()? {
            entries.push((key, access.next_value()?));
        }
        Ok(Raw::Map(entries))
    }
}
