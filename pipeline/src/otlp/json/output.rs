//! What comes of a JSON request while it is read.

use crate::otlp::DecodeError;

/// An error says no more than this, as it may quote what was sent; the same holds for its way there.
const MESSAGE_MAX: usize = 256;

/// What was written so far, and the way to what is being read.
#[derive(Default)]
pub(super) struct Output {
    pub(super) bytes: Vec<u8>,
    /// Left as it is when reading fails.
    pub(super) path: Vec<(&'static str, Option<usize>)>,
}

impl Output {
    fn field(&self) -> String {
        let steps = self.path.iter().map(|(name, index)| match index {
            Some(index) => format!("{name}[{index}]"),
            None => (*name).to_owned(),
        });
        steps.collect::<Vec<_>>().join(".")
    }

    /// Says why reading failed, and where.
    pub(super) fn error(&self, error: &serde_json::Error) -> DecodeError {
        DecodeError {
            field: (!self.path.is_empty()).then(|| shorten(self.field())),
            message: shorten(error.to_string()),
        }
    }

    /// Notes which item of the list at the end of the way is read next.
    pub(super) fn at_item(&mut self, item: Option<usize>) {
        if let Some((_, index)) = self.path.last_mut() {
            *index = item;
        }
    }
}

fn shorten(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MESSAGE_MAX));
    text
}
