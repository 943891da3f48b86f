//! What serde found wrong, with the path from where the reading began.

use std::fmt::{self, Display};

use serde::de::{Error, Expected, Unexpected};

use super::found;

/// One thing that stopped the reading.
#[derive(Debug)]
pub(crate) struct Fault {
    /// From the inside to the outside.
    pub(crate) steps: Vec<Step>,
    pub(crate) reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

#[derive(Debug)]
pub(crate) enum Reason {
    /// The key is in the map that the steps lead to.
    UnknownKey {
        name: String,
        known: &'static [&'static str],
    },
    UnknownValue {
        name: String,
        known: &'static [&'static str],
    },
    /// `got` is empty where the value itself says it.
    Mismatch {
        expected: String,
        got: String,
    },
    /// The last step is a key that cannot be one.
    Key {
        expected: String,
    },
    /// A value of null, where that means nothing.
    Null {
        expected: String,
        optional: bool,
    },
    Missing(&'static str),
    Other(String),
}

impl Fault {
    pub(crate) fn new(reason: Reason) -> Self {
        Self { steps: Vec::new(), reason }
    }

    pub(crate) fn under(mut self, step: Step) -> Self {
        self.steps.push(step);
        self
    }
}

impl Error for Fault {
    fn custom<T: Display>(message: T) -> Self {
        Self::new(Reason::Other(message.to_string()))
    }

    fn invalid_type(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(Reason::Mismatch { expected: plain(&expected.to_string()), got: found(unexpected) })
    }

    fn invalid_value(unexpected: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(unexpected, expected)
    }

    fn invalid_length(length: usize, expected: &dyn Expected) -> Self {
        let expected = plain(&expected.to_string());
        Self::new(Reason::Mismatch { expected, got: format!("{length} elements") })
    }

    fn unknown_variant(variant: &str, known: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownValue { name: variant.to_owned(), known })
    }

    fn unknown_field(field: &str, known: &'static [&'static str]) -> Self {
        Self::new(Reason::UnknownKey { name: field.to_owned(), known })
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(Reason::Missing(field))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom(format_args!("`{field}` is given twice, perhaps under an older name"))
    }
}

impl Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.reason)
    }
}

impl std::error::Error for Fault {}

/// ``one of `a`, `b` ``
pub(super) fn one_of(names: &[&str]) -> String {
    match names {
        [] => "nothing".to_owned(),
        [name] => format!("`{name}`"),
        names => format!("one of {}", list(names)),
    }
}

/// `` `a`, `b` ``
pub(super) fn list(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// What serde and its derive say is expected, in the words of the file.
fn plain(expected: &str) -> String {
    match expected {
        "a string" | "string" => "text",
        "a boolean" => "`true` or `false`",
        "a sequence" => "a list",
        "i8" | "i16" | "i32" | "i64" | "u8" | "u16" | "u32" | "u64" | "usize" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "unit" => "nothing",
        _ if ["struct ", "internally tagged enum ", "adjacently tagged enum "]
            .iter()
            .any(|start| expected.starts_with(start)) =>
        {
            "a map"
        }
        _ => expected,
    }
    .to_owned()
}
