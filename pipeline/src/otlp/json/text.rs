//! Writes members, items and scalars of JSON text.

/// Appends JSON text to a buffer.
///
/// A comma is due before each member or item that does not follow an opening bracket, so none has to be
/// remembered.
pub(super) struct Writer<'a> {
    buffer: &'a mut Vec<u8>,
}

impl<'a> Writer<'a> {
    pub(super) fn new(buffer: &'a mut Vec<u8>) -> Self {
        Self { buffer }
    }

    pub(super) fn raw(&mut self, text: &[u8]) {
        self.buffer.extend_from_slice(text);
    }

    /// Starts an item or a member, behind a comma where one is due.
    pub(super) fn open(&mut self, text: &[u8]) {
        if !matches!(self.buffer.last(), Some(b'{' | b'[')) {
            self.buffer.push(b',');
        }
        self.raw(text);
    }

    pub(super) fn member(&mut self, name: &str, value: &[u8]) {
        self.open(b"\"");
        self.raw(name.as_bytes());
        self.raw(b"\":");
        self.raw(value);
    }

    pub(super) fn text(&mut self, name: &str, text: &str) {
        if !text.is_empty() {
            self.member(name, b"");
            self.quoted(text);
        }
    }

    pub(super) fn number(&mut self, name: &str, value: impl itoa::Integer + Default + PartialEq) {
        if value != Default::default() {
            self.member(name, itoa::Buffer::new().format(value).as_bytes());
        }
    }

    pub(super) fn integer(&mut self, name: &str, value: u64) {
        if value != 0 {
            self.always_integer(name, value);
        }
    }

    pub(super) fn always_integer(&mut self, name: &str, value: impl itoa::Integer) {
        self.member(name, b"\"");
        self.raw(itoa::Buffer::new().format(value).as_bytes());
        self.raw(b"\"");
    }

    pub(super) fn integers(&mut self, name: &str, values: &[u64]) {
        if values.is_empty() {
            return;
        }
        self.member(name, b"[");
        for value in values {
            self.open(b"\"");
            self.raw(itoa::Buffer::new().format(*value).as_bytes());
            self.raw(b"\"");
        }
        self.raw(b"]");
    }

    pub(super) fn double(&mut self, name: &str, value: f64) {
        if value.to_bits() != 0 {
            self.always_double(name, value);
        }
    }

    pub(super) fn always_double(&mut self, name: &str, value: f64) {
        self.member(name, b"");
        self.bare_double(value);
    }

    pub(super) fn item_double(&mut self, value: f64) {
        self.open(b"");
        self.bare_double(value);
    }

    pub(super) fn bare_double(&mut self, value: f64) {
        if value.is_nan() {
            self.raw(b"\"NaN\"");
        } else if value.is_infinite() {
            self.raw(if value > 0.0 { b"\"Infinity\"" } else { b"\"-Infinity\"" });
        } else {
            self.raw(zmij::Buffer::new().format_finite(value).as_bytes());
        }
    }

    pub(super) fn item_text(&mut self, text: &str) {
        if self.buffer.last() != Some(&b':') {
            self.open(b"");
        }
        self.quoted(text);
    }

    pub(super) fn quoted(&mut self, text: &str) {
        self.buffer.push(b'"');
        let mut rest = text.as_bytes();
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)) {
            self.raw(&rest[..at]);
            match rest[at] {
                b'"' => self.raw(b"\\\""),
                b'\\' => self.raw(b"\\\\"),
                control => self.raw(format!("\\u{control:04x}").as_bytes()),
            }
            rest = &rest[at + 1..];
        }
        self.raw(rest);
        self.buffer.push(b'"');
    }
}
