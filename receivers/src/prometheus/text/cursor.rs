//! A place in a line, and the tokens that may stand there.

use super::error::{Fault, Reason};
use super::{Format, Syntax, Text};

#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    pub(super) text: &'a str,
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn fault(&self, reason: Reason) -> Fault {
        Fault::new(self.at, reason)
    }

    /// Takes this byte if it is next.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_next = self.peek() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    /// Skips blanks and tabs.
    #[inline]
    pub(super) fn blanks(&mut self) {
        while let Some(b' ' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Skips blanks where the format has them between any two tokens.
    #[inline]
    pub(super) fn optional_blanks(&mut self, syntax: Syntax) {
        if syntax.format == Format::Text {
            self.blanks();
        }
    }

    /// Takes everything up to the next blank.
    pub(super) fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|byte| matches!(byte, b' ' | b'\t')).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Takes a metric name; empty where there is none.
    #[inline]
    pub(super) fn metric_name(&mut self) -> &'a str {
        self.name(|byte| byte.is_ascii_alphabetic() || byte == b'_' || byte == b':')
    }

    /// Takes a label name; empty where there is none.
    #[inline]
    pub(super) fn label_name(&mut self) -> &'a str {
        self.name(|byte| byte.is_ascii_alphabetic() || byte == b'_')
    }

    #[inline]
    fn name(&mut self, is_start: impl Fn(u8) -> bool) -> &'a str {
        let bytes = &self.text.as_bytes()[self.at..];
        let mut length = 0;
        if bytes.first().is_some_and(|byte| is_start(*byte)) {
            length = bytes
                .iter()
                .position(|byte| !(is_start(*byte) || byte.is_ascii_digit()))
                .unwrap_or(bytes.len());
        }
        let name = &self.text[self.at..self.at + length];
        self.at += length;
        name
    }

    /// Takes a quoted text; the opening quote must be next.
    #[inline]
    pub(super) fn quoted(&mut self, refuse_escapes: bool) -> Result<Text<'a>, Fault> {
        let start = self.at + 1;
        let bytes = self.text.as_bytes();
        let mut has_escapes = false;
        let mut at = start;
        loop {
            match memchr::memchr2(b'"', b'\\', &bytes[at..]) {
                Some(found) if bytes[at + found] == b'"' => {
                    let end = at + found;
                    self.at = end + 1;
                    return Ok(Text { raw: &self.text[start..end], has_escapes });
                }
                Some(found) => {
                    has_escapes = true;
                    let escaped =
                        bytes.get(at + found + 1).ok_or(Fault::new(at + found, Reason::Unterminated))?;
                    if refuse_escapes && !matches!(escaped, b'\\' | b'"' | b'n') {
                        return Err(Fault::new(at + found, Reason::Escape));
                    }
                    at += found + 2;
                }
                None => return Err(Fault::new(self.at, Reason::Unterminated)),
            }
        }
    }
}
