//! How errors, and what the other side said, are put into one line of the log.

use std::error::Error;
use std::fmt;

use crate::component::BoxError;

/// An error with what was being done when it came up.
#[derive(Debug)]
pub struct Caused {
    doing: String,
    cause: BoxError,
}

impl Caused {
    /// `doing` reads before the cause: ``cannot read `ca.pem` ``.
    pub fn new(doing: impl Into<String>, cause: impl Into<BoxError>) -> Self {
        Self { doing: doing.into(), cause: cause.into() }
    }
}

impl fmt::Display for Caused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.doing)
    }
}

impl Error for Caused {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.cause)
    }
}

/// An error and its causes on one line, outermost first: `outer: inner: innermost`.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some crates write their cause into their own text.
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

/// Text from outside as it may stand in a log: on one line, nothing that hides, at most `bytes_max`.
pub fn printable(text: &str, bytes_max: usize) -> String {
    let mut shown = String::new();
    for character in text.trim().chars() {
        if shown.len() >= bytes_max {
            shown.push('…');
            break;
        }
        if character.is_control() || is_invisible(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Characters that change how the text around them is shown.
fn is_invisible(character: char) -> bool {
    matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_follow_once_each() {
        let inner = Caused::new("middle: end", "end");
        assert_eq!(chain(&Caused::new("outer", inner)), "outer: middle: end");
    }

    #[test]
    fn text_from_outside_is_escaped_and_cut() {
        assert_eq!(printable(" a\nb\u{1b}[31m\u{202e} é ", 100), "a\\nb\\u{1b}[31m\\u{202e} é");
        assert_eq!(printable(&"é".repeat(2000), 100), format!("{}…", "é".repeat(50)));
        assert_eq!(printable("", 100), "");
    }
}
