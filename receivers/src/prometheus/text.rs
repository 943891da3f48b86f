//! Reads lines of the text format 0.0.4 and of OpenMetrics 1.0: pure, zero-copy, no allocation a sample.
//!
//! A line is read by itself; what lines mean together (families, order, histograms) is up to others:
//! [`check`](super::check) for what is strictly valid, [`cache`](super::cache) for what becomes points.

mod cursor;
mod error;
mod metadata;
mod number;
mod sample;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use smallvec::SmallVec;

pub(crate) use error::Fault;
pub use error::{ParseError, Reason};
pub(crate) use number::parse_value_prefix;
pub(crate) use sample::{Exemplar, Tail, parse_tail};

use cursor::Cursor;

/// The two text expositions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The text format 0.0.4, and 1.0.0 with its quoted names.
    Text,
    /// OpenMetrics 1.0 (and 0.0.1, which reads the same).
    OpenMetrics,
}

/// Which grammar a line is read by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Syntax {
    pub(crate) format: Format,
    /// Refuse what the specification's grammar does not have, though Prometheus reads it.
    pub(crate) is_strict: bool,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Line<'a> {
    Blank,
    Comment,
    Eof,
    Help {
        name: Text<'a>,
        text: Text<'a>,
    },
    /// `kind` is `None` for a word that is no type.
    Type {
        name: Text<'a>,
        word: &'a str,
        kind: Option<Type>,
    },
    Unit {
        name: Text<'a>,
        unit: &'a str,
    },
    /// The labels are where the caller wanted them.
    Sample(Sample<'a>),
}

/// A sample without its labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Sample<'a> {
    pub(crate) name: Text<'a>,
    /// How many bytes of the line name the series, with the blank behind them.
    pub(crate) prefix_len: usize,
    pub(crate) tail: Tail<'a>,
}

/// Text that may hold escapes, as it stands in the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Text<'a> {
    pub(crate) raw: &'a str,
    pub(crate) has_escapes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Label<'a> {
    pub(crate) name: Text<'a>,
    pub(crate) value: Text<'a>,
}

/// Room for the labels of a line; more than these are rare and go to the heap.
pub(crate) type Labels<'a> = SmallVec<[Label<'a>; 12]>;

/// What a family's `# TYPE` says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Type {
    Counter,
    Gauge,
    Histogram,
    GaugeHistogram,
    Summary,
    Info,
    StateSet,
    #[default]
    Unknown,
}

/// Cuts a body into lines without their line feeds.
#[derive(Debug, Clone)]
pub(crate) struct Lines<'a> {
    body: &'a [u8],
    at: usize,
    number: usize,
}

/// A line and where it stands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawLine<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) offset: usize,
    /// Counted from 1.
    pub(crate) number: usize,
}

impl Text<'_> {
    pub(crate) fn plain(raw: &str) -> Text<'_> {
        Text { raw, has_escapes: false }
    }
}

impl<'a> Text<'a> {
    /// The text with `\\`, `\"` and `\n` resolved; any other escape stays the two characters it is.
    pub(crate) fn unescape(self) -> Cow<'a, str> {
        if !self.has_escapes {
            return Cow::Borrowed(self.raw);
        }
        let mut text = String::with_capacity(self.raw.len());
        let mut rest = self.raw;
        while let Some(at) = rest.find('\\') {
            text.push_str(&rest[..at]);
            let (replaced, taken) = match rest.as_bytes().get(at + 1) {
                Some(b'n') => ("\n", 2),
                Some(b'"') => ("\"", 2),
                Some(b'\\') => ("\\", 2),
                _ => ("\\", 1),
            };
            text.push_str(replaced);
            rest = &rest[at + taken..];
        }
        text.push_str(rest);
        Cow::Owned(text)
    }
}

impl Type {
    pub(crate) fn parse(word: &str, format: Format) -> Option<Self> {
        Some(match (word, format) {
            ("counter", _) => Self::Counter,
            ("gauge", _) => Self::Gauge,
            ("histogram", _) => Self::Histogram,
            ("summary", _) => Self::Summary,
            ("untyped", Format::Text) | ("unknown", _) => Self::Unknown,
            ("gaugehistogram", Format::OpenMetrics) => Self::GaugeHistogram,
            ("info", Format::OpenMetrics) => Self::Info,
            ("stateset", Format::OpenMetrics) => Self::StateSet,
            _ => return None,
        })
    }

    /// The word for the metric's metadata.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::GaugeHistogram => "gaugehistogram",
            Self::Summary => "summary",
            Self::Info => "info",
            Self::StateSet => "stateset",
            Self::Unknown => "unknown",
        }
    }
}

impl<'a> Lines<'a> {
    pub(crate) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0, number: 0 }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = RawLine<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawLine<'a>> {
        let rest = self.body.get(self.at..).filter(|rest| !rest.is_empty())?;
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let offset = self.at;
        self.at += end + 1;
        self.number += 1;
        Some(RawLine { bytes: &rest[..end], offset, number: self.number })
    }
}

/// Reads one line, without its line feed; a sample's labels go into `labels`.
pub(crate) fn parse_line<'a>(
    line: &'a [u8],
    syntax: Syntax,
    labels: &mut Labels<'a>,
) -> Result<Line<'a>, Fault> {
    labels.clear();
    let text = std::str::from_utf8(line).map_err(|error| Fault::new(error.valid_up_to(), Reason::Utf8))?;
    match syntax.format {
        Format::Text => {
            let mut cursor = Cursor::new(text);
            cursor.blanks();
            match cursor.peek() {
                None => Ok(Line::Blank),
                Some(b'#') => metadata::parse_text(cursor),
                Some(_) => sample::parse(cursor, syntax, labels).map(Line::Sample),
            }
        }
        Format::OpenMetrics => match text.as_bytes().first() {
            None => Err(Fault::new(0, Reason::BlankLine)),
            Some(b'#') => metadata::parse_openmetrics(Cursor::new(text)),
            Some(_) => sample::parse(Cursor::new(text), syntax, labels).map(Line::Sample),
        },
    }
}
