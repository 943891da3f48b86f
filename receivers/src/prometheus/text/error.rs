//! Why an exposition is not one, and where.

use std::fmt;

/// Why a line cannot be read, and at which of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) at: usize,
    pub(crate) reason: Reason,
}

/// Why an exposition cannot be read, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    /// In bytes from the start of the body.
    pub offset: usize,
    pub reason: Reason,
}

/// What is wrong with a line, or with lines together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// Not UTF-8.
    Utf8,
    /// OpenMetrics has no empty lines.
    BlankLine,
    /// A carriage return before the line feed.
    CarriageReturn,
    /// Neither a metric name nor `{` at the start of a sample.
    ExpectedName,
    /// Braces without a metric name, before them or quoted in them.
    NoName,
    /// A second quoted name.
    TwoNames,
    ExpectedLabelName,
    ExpectedEquals,
    ExpectedQuote,
    /// A quoted text that does not end on its line.
    Unterminated,
    /// A backslash before something it may not stand before.
    Escape,
    /// Neither `,` nor `}` behind a label.
    ExpectedComma,
    DuplicateLabel(String),
    /// More labels than any series has.
    TooManyLabels,
    /// No value, or blanks that may not be there.
    ExpectedValue,
    /// The text is not a number.
    Value(String),
    Timestamp(String),
    Exemplar,
    /// An exemplar on a sample that may have none.
    ExemplarPlace,
    /// A unit that the family's name does not end in.
    Unit(String),
    /// Something behind the sample.
    Trailing,
    /// A `#` line that is no metadata.
    Metadata,
    Type(String),
    /// OpenMetrics must end in `# EOF`.
    NoEof,
    AfterEof,
    /// The text format must end in a line feed.
    NoFinalLineFeed,
    /// A rule about lines together is broken; the text says which.
    Rule(String),
}

impl Fault {
    pub(crate) fn new(at: usize, reason: Reason) -> Self {
        Self { at, reason }
    }

    /// The same, seen from the whole body.
    pub(crate) fn in_body(self, line: usize, line_offset: usize) -> ParseError {
        ParseError { line, offset: line_offset + self.at, reason: self.reason }
    }
}

impl Reason {
    /// Quotes what was found, cut short and without control characters.
    pub(crate) fn excerpt(text: &str) -> String {
        const LENGTH_MAX: usize = 64;
        let mut excerpt: String = text
            .chars()
            .take(LENGTH_MAX)
            .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
            .collect();
        if text.chars().nth(LENGTH_MAX).is_some() {
            excerpt.push('…');
        }
        excerpt
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Utf8 => f.write_str("not UTF-8"),
            Self::BlankLine => f.write_str("an empty line, which OpenMetrics does not have"),
            Self::CarriageReturn => {
                f.write_str("a carriage return before the line feed: lines must end in a line feed alone")
            }
            Self::ExpectedName => f.write_str("expected a metric name"),
            Self::NoName => f.write_str("the sample has no metric name"),
            Self::TwoNames => f.write_str("the sample has two metric names"),
            Self::ExpectedLabelName => f.write_str("expected a label name"),
            Self::ExpectedEquals => f.write_str("expected `=` after the label name"),
            Self::ExpectedQuote => f.write_str("expected a quoted label value"),
            Self::Unterminated => f.write_str("the quoted text does not end on its line"),
            Self::Escape => f.write_str(r#"only `\\`, `\"` and `\n` are escapes"#),
            Self::ExpectedComma => f.write_str("expected `,` or `}` after the label"),
            Self::DuplicateLabel(name) => write!(f, "the label `{name}` is there twice"),
            Self::TooManyLabels => f.write_str("more than 4096 labels on a line"),
            Self::ExpectedValue => f.write_str("expected one blank and a value"),
            Self::Value(text) => write!(f, "expected a number, got `{text}`"),
            Self::Timestamp(text) => write!(f, "expected a timestamp, got `{text}`"),
            Self::Exemplar => f.write_str("expected an exemplar such as ` # {trace_id=\"…\"} 1`"),
            Self::ExemplarPlace => f.write_str("only `_total` and `_bucket` samples have exemplars"),
            Self::Unit(unit) => write!(f, "the name does not end in the unit `{unit}`"),
            Self::Trailing => f.write_str("something stands behind the sample"),
            Self::Metadata => f.write_str("expected `# HELP`, `# TYPE` or `# UNIT` with a name and a text"),
            Self::Type(word) => write!(f, "`{word}` is no metric type"),
            Self::NoEof => f.write_str("`# EOF` is missing: the exposition was cut off"),
            Self::AfterEof => f.write_str("something stands behind `# EOF`"),
            Self::NoFinalLineFeed => f.write_str("the last line does not end in a line feed"),
            Self::Rule(text) => f.write_str(text),
        }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} (byte {}): {}", self.line, self.offset, self.reason)
    }
}

impl std::error::Error for ParseError {}
