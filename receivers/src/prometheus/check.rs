//! Says whether an exposition is strictly valid: what `strict: true` and `validate --exposition` ask.
//!
//! OpenMetrics has rules about lines together (a family is one group, a histogram has all its parts,
//! ...); the text format has few. Scraping without `strict` asks nothing of this.

mod family;
mod histogram;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use super::text::{
    Format, Labels, Line, Lines, ParseError, RawLine, Reason, Sample, Syntax, Type, parse_line,
};
use family::Family;

/// What a valid exposition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    pub families: usize,
    pub samples: usize,
}

/// After this many errors nobody reads on.
const ERRORS_MAX: usize = 100;

/// Checks a whole exposition by the strict rules of its format, and reports all that is wrong.
///
/// # Examples
///
/// ```
/// use receivers::prometheus::{Format, validate};
///
/// assert!(validate(b"# TYPE up gauge\nup 1\n# EOF\n", Format::OpenMetrics).is_ok());
/// assert!(validate(b"up 1\n", Format::OpenMetrics).is_err());
/// ```
pub fn validate(body: &[u8], format: Format) -> Result<Summary, Vec<ParseError>> {
    let mut checker = Checker::new(format);
    let mut labels = Labels::new();
    for line in Lines::new(body) {
        if checker.errors.len() >= ERRORS_MAX {
            break;
        }
        checker.check_line(line, &mut labels);
    }
    checker.finish(body)
}

struct Checker<'a> {
    syntax: Syntax,
    line: RawLine<'a>,
    family: Option<Family<'a>>,
    /// Every sample name that a family before could have had.
    names: HashSet<String>,
    has_ended: bool,
    summary: Summary,
    errors: Vec<ParseError>,
}

impl<'a> Checker<'a> {
    fn new(format: Format) -> Self {
        Self {
            syntax: Syntax { format, is_strict: true },
            line: RawLine { bytes: &[], offset: 0, number: 1 },
            family: None,
            names: HashSet::new(),
            has_ended: false,
            summary: Summary::default(),
            errors: Vec::new(),
        }
    }

    fn check_line(&mut self, line: RawLine<'a>, labels: &mut Labels<'a>) {
        self.line = line;
        if self.has_ended {
            return self.fail(Reason::AfterEof);
        }
        match parse_line(line.bytes, self.syntax, labels) {
            Ok(Line::Blank | Line::Comment) => {}
            Ok(Line::Eof) => self.has_ended = true,
            Ok(Line::Help { name, .. }) => {
                if let Some(family) = self.open(&name.unescape()) {
                    let is_first = !std::mem::replace(&mut family.has_help, true);
                    self.require(is_first, "more than one HELP for a family");
                }
            }
            Ok(Line::Type { name, word, kind }) => {
                let kind = kind.filter(|_| self.is_openmetrics() || word != "unknown");
                let Some(kind) = kind else {
                    return self.fail(Reason::Type(Reason::excerpt(word)));
                };
                if let Some(family) = self.open(&name.unescape()) {
                    let is_first = family.kind.replace(kind).is_none();
                    self.require(is_first, "more than one TYPE for a family");
                }
            }
            Ok(Line::Unit { name, unit }) => {
                if let Some(family) = self.open(&name.unescape()) {
                    let is_first = family.unit.replace(unit).is_none();
                    self.require(is_first, "more than one UNIT for a family");
                }
            }
            Ok(Line::Sample(sample)) => self.check_sample(&sample, labels),
            Err(fault) => self.errors.push(fault.in_body(line.number, line.offset)),
        }
    }

    fn is_openmetrics(&self) -> bool {
        self.syntax.format == Format::OpenMetrics
    }

    fn fail(&mut self, reason: Reason) {
        self.errors.push(ParseError { line: self.line.number, offset: self.line.offset, reason });
    }

    fn require(&mut self, holds: bool, rule: &str) {
        if !holds {
            self.fail(Reason::Rule(rule.to_owned()));
        }
    }

    /// The family that metadata of this name belongs to; `None` where it may not stand here.
    fn open(&mut self, name: &str) -> Option<&mut Family<'a>> {
        let is_current = self.family.as_ref().is_some_and(|family| family.name == name);
        if is_current && self.family.as_ref().is_some_and(|family| family.samples > 0) {
            self.require(false, "metadata after the first sample of its family");
            return None;
        }
        if !is_current {
            self.close();
            self.family = Some(Family::new(name, self.syntax.format));
        }
        self.family.as_mut()
    }

    fn check_sample(&mut self, sample: &Sample<'a>, labels: &Labels<'a>) {
        self.summary.samples += 1;
        let name = sample.name.unescape();
        if self.family.as_ref().is_none_or(|family| family.suffix(&name).is_none()) {
            self.close();
            self.family = Some(Family::new(&name, self.syntax.format));
        }
        let Some(family) = &mut self.family else { return };
        family.samples += 1;
        let suffix = family.suffix(&name).unwrap_or_default();
        if let Err(rule) = family.check(suffix, sample, labels) {
            self.fail(Reason::Rule(rule.to_owned()));
        }
    }

    /// Ends the family before: what can be said only of the whole of it.
    fn close(&mut self) {
        let Some(mut family) = self.family.take() else { return };
        self.summary.families += 1;
        if let Err(rule) = family.close() {
            self.fail(Reason::Rule(rule.to_owned()));
        }
        let is_new = family.sample_names().into_iter().all(|name| self.names.insert(name));
        self.require(is_new, "a family's lines do not stand together, or two families share a sample name");
    }

    fn finish(mut self, body: &[u8]) -> Result<Summary, Vec<ParseError>> {
        self.close();
        match self.syntax.format {
            Format::OpenMetrics if !self.has_ended => self.fail(Reason::NoEof),
            Format::Text if body.last().is_some_and(|byte| *byte != b'\n') => {
                self.fail(Reason::NoFinalLineFeed);
            }
            _ => {}
        }
        if self.errors.is_empty() { Ok(self.summary) } else { Err(self.errors) }
    }
}

/// The endings that samples of a family of this type have.
fn suffixes(kind: Type, format: Format) -> &'static [&'static str] {
    match (kind, format) {
        (Type::Counter, Format::OpenMetrics) => &["_total", "_created"],
        (Type::Histogram, Format::OpenMetrics) => &["_bucket", "_count", "_sum", "_created"],
        (Type::Histogram, Format::Text) => &["_bucket", "_count", "_sum"],
        (Type::GaugeHistogram, _) => &["_bucket", "_gcount", "_gsum"],
        (Type::Summary, Format::OpenMetrics) => &["", "_count", "_sum", "_created"],
        (Type::Summary, Format::Text) => &["", "_count", "_sum"],
        (Type::Info, _) => &["_info"],
        (Type::Counter, Format::Text) | (Type::Gauge | Type::StateSet | Type::Unknown, _) => &[""],
    }
}
