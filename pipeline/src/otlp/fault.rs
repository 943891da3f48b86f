//! Where a request is broken, and how.

use super::DecodeError;
use crate::wire::WireError;

/// What is wrong with a request, and the way to it; boxed because it is rare and results are copied.
#[derive(Debug)]
pub(super) struct Fault(Box<Place>);

#[derive(Debug)]
struct Place {
    /// From the innermost field outwards.
    path: Vec<String>,
    error: WireError,
}

impl From<WireError> for Fault {
    fn from(error: WireError) -> Self {
        Self(Box::new(Place { path: Vec::new(), error }))
    }
}

impl Fault {
    /// Says which field the fault is in.
    pub(super) fn within(mut self, field: impl Into<String>) -> Self {
        self.0.path.push(field.into());
        self
    }

    /// Says which item of a repeated field the fault is in.
    pub(super) fn within_item(self, field: &str, index: usize) -> Self {
        self.within(format!("{field}[{index}]"))
    }
}

impl From<Fault> for DecodeError {
    fn from(Fault(place): Fault) -> Self {
        let path: Vec<_> = place.path.iter().rev().map(String::as_str).collect();
        let field = (!path.is_empty()).then(|| path.join("."));
        Self { field, message: place.error.to_string() }
    }
}
