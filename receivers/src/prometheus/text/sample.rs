//! Sample lines: name, labels, value, timestamp, exemplar.

use smallvec::SmallVec;

use super::cursor::Cursor;
use super::error::{Fault, Reason};
use super::number::{parse_timestamp, parse_value};
use super::{Format, Label, Labels, Sample, Syntax, Text};

/// What stands behind the name and the labels.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tail<'a> {
    pub(crate) value: f64,
    /// In nanoseconds since 1970.
    pub(crate) timestamp: Option<i128>,
    pub(crate) exemplar: Option<Box<Exemplar<'a>>>,
}

/// A sample that stands for many.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Exemplar<'a> {
    pub(crate) labels: SmallVec<[Label<'a>; 4]>,
    pub(crate) value: f64,
    /// In nanoseconds since 1970.
    pub(crate) timestamp: Option<i128>,
}

/// A scraped line with more labels than this would only cost memory.
const LABELS_MAX: usize = 4096;

/// More labels than this are compared by sorting, not each with each.
const COMPARED_LABELS_MAX: usize = 24;

/// Reads a sample that begins at the cursor.
pub(super) fn parse<'a>(
    mut cursor: Cursor<'a>,
    syntax: Syntax,
    labels: &mut Labels<'a>,
) -> Result<Sample<'a>, Fault> {
    let start = cursor.at;
    let mut name = Text::plain(cursor.metric_name());
    if name.raw.is_empty() && cursor.peek() != Some(b'{') {
        return Err(cursor.fault(Reason::ExpectedName));
    }
    let name_end = cursor.at;
    cursor.optional_blanks(syntax);
    let has_labels = cursor.take(b'{');
    if has_labels {
        parse_labels(&mut cursor, syntax, &mut name, |label| {
            labels.push(label);
            labels.len() <= LABELS_MAX || syntax.is_strict
        })?;
        check_repeats(labels).map_err(|reason| Fault::new(start, reason))?;
    } else {
        cursor.at = name_end;
    }
    if name.raw.is_empty() {
        return Err(Fault::new(start, Reason::NoName));
    }
    let has_blank = matches!(cursor.peek(), Some(b' ' | b'\t'));
    if !has_blank && (!has_labels || syntax.format == Format::OpenMetrics) {
        // In `a-b 1` or `a"x" 1`, it is the name that is wrong.
        let reason = if cursor.peek().is_none() { Reason::ExpectedValue } else { Reason::ExpectedName };
        return Err(cursor.fault(reason));
    }
    cursor.at += usize::from(has_blank);
    let prefix_len = cursor.at;
    let tail = parse_tail_at(&mut cursor, syntax)?;
    Ok(Sample { name, prefix_len, tail })
}

/// Reads value, timestamp and exemplar, when what comes before is known.
pub(crate) fn parse_tail(text: &[u8], syntax: Syntax) -> Result<Tail<'_>, Fault> {
    let text = std::str::from_utf8(text).map_err(|error| Fault::new(error.valid_up_to(), Reason::Utf8))?;
    parse_tail_at(&mut Cursor::new(text), syntax)
}

fn parse_tail_at<'a>(cursor: &mut Cursor<'a>, syntax: Syntax) -> Result<Tail<'a>, Fault> {
    cursor.optional_blanks(syntax);
    if cursor.peek().is_none() {
        return Err(cursor.fault(Reason::ExpectedValue));
    }
    let value_at = cursor.at;
    let word = cursor.word();
    if word.is_empty() {
        return Err(cursor.fault(Reason::ExpectedValue));
    }
    let value = parse_value(word).ok_or_else(|| Fault::new(value_at, wrong(word, Reason::Value)))?;
    let (timestamp, has_hash) = parse_timestamp_at(cursor, syntax)?;
    let exemplar = if has_hash { Some(Box::new(parse_exemplar(cursor, syntax)?)) } else { None };
    if cursor.peek().is_some() {
        return Err(cursor.fault(Reason::Trailing));
    }
    Ok(Tail { value, timestamp, exemplar })
}

/// Reads the timestamp if there is one, and then says whether ` #` comes next.
fn parse_timestamp_at(cursor: &mut Cursor<'_>, syntax: Syntax) -> Result<(Option<i128>, bool), Fault> {
    if !separate(cursor, syntax)? {
        return Ok((None, false));
    }
    if syntax.format == Format::OpenMetrics && cursor.take(b'#') {
        return Ok((None, true));
    }
    let timestamp_at = cursor.at;
    let word = cursor.word();
    let timestamp = parse_timestamp(word, syntax.format)
        .ok_or_else(|| Fault::new(timestamp_at, wrong(word, Reason::Timestamp)))?;
    let has_more = separate(cursor, syntax)?;
    let has_hash = has_more && syntax.format == Format::OpenMetrics && cursor.take(b'#');
    Ok((Some(timestamp), has_hash))
}

/// Takes what separates two tokens, and says whether another token follows.
fn separate(cursor: &mut Cursor<'_>, syntax: Syntax) -> Result<bool, Fault> {
    if cursor.peek().is_none() {
        return Ok(false);
    }
    match syntax.format {
        Format::Text => {
            cursor.blanks();
            Ok(cursor.peek().is_some())
        }
        Format::OpenMetrics => {
            let is_one = cursor.take(b' ') && !matches!(cursor.peek(), None | Some(b' ' | b'\t'));
            if is_one { Ok(true) } else { Err(cursor.fault(Reason::Trailing)) }
        }
    }
}

fn parse_exemplar<'a>(cursor: &mut Cursor<'a>, syntax: Syntax) -> Result<Exemplar<'a>, Fault> {
    let start = cursor.at;
    let expected = || Fault::new(start, Reason::Exemplar);
    if !cursor.take(b' ') || !cursor.take(b'{') {
        return Err(expected());
    }
    let mut labels = SmallVec::new();
    let mut name = Text::plain("-");
    parse_labels(cursor, syntax, &mut name, |label| {
        labels.push(label);
        labels.len() <= LABELS_MAX || syntax.is_strict
    })?;
    if !cursor.take(b' ') {
        return Err(expected());
    }
    let value = parse_value(cursor.word()).ok_or_else(expected)?;
    let mut timestamp = None;
    if separate(cursor, syntax)? {
        let word = cursor.word();
        timestamp = Some(parse_timestamp(word, Format::OpenMetrics).ok_or_else(expected)?);
    }
    Ok(Exemplar { labels, value, timestamp })
}

/// Reads labels up to the closing brace; a quoted text without `=` is the metric's name.
///
/// `push` says whether there may be more.
fn parse_labels<'a>(
    cursor: &mut Cursor<'a>,
    syntax: Syntax,
    name: &mut Text<'a>,
    mut push: impl FnMut(Label<'a>) -> bool,
) -> Result<(), Fault> {
    let refuse_escapes = syntax.is_strict && syntax.format == Format::Text;
    let mut is_first = true;
    loop {
        cursor.optional_blanks(syntax);
        // `{}` is legal everywhere, `{a="b",}` not in OpenMetrics.
        let may_end = is_first || syntax.format == Format::Text;
        if may_end && cursor.take(b'}') {
            return Ok(());
        }
        is_first = false;
        let key = parse_label_name(cursor, refuse_escapes)?;
        cursor.optional_blanks(syntax);
        match cursor.peek() {
            Some(b'=') => {
                cursor.at += 1;
                cursor.optional_blanks(syntax);
                if cursor.peek() != Some(b'"') {
                    return Err(cursor.fault(Reason::ExpectedQuote));
                }
                if !push(Label { name: key.0, value: cursor.quoted(refuse_escapes)? }) {
                    return Err(cursor.fault(Reason::TooManyLabels));
                }
            }
            Some(b',' | b'}') if key.1 => {
                if !name.raw.is_empty() {
                    return Err(cursor.fault(Reason::TwoNames));
                }
                *name = key.0;
            }
            _ => return Err(cursor.fault(Reason::ExpectedEquals)),
        }
        cursor.optional_blanks(syntax);
        if cursor.take(b'}') {
            return Ok(());
        }
        if !cursor.take(b',') {
            return Err(cursor.fault(Reason::ExpectedComma));
        }
    }
}

/// A label's name, and whether it was quoted.
fn parse_label_name<'a>(cursor: &mut Cursor<'a>, refuse_escapes: bool) -> Result<(Text<'a>, bool), Fault> {
    if cursor.peek() == Some(b'"') {
        let start = cursor.at;
        let name = cursor.quoted(refuse_escapes)?;
        if name.raw.is_empty() {
            return Err(Fault::new(start, Reason::ExpectedLabelName));
        }
        return Ok((name, true));
    }
    let name = cursor.label_name();
    if name.is_empty() {
        Err(cursor.fault(Reason::ExpectedLabelName))
    } else {
        Ok((Text::plain(name), false))
    }
}

/// Refuses two labels of one name.
fn check_repeats(labels: &[Label<'_>]) -> Result<(), Reason> {
    let twice = |label: &Label<'_>| Reason::DuplicateLabel(Reason::excerpt(label.name.raw));
    if labels.len() > COMPARED_LABELS_MAX {
        let mut names: Vec<_> = labels.iter().map(|label| label.name.raw).collect();
        names.sort_unstable();
        return match names.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(Reason::DuplicateLabel(Reason::excerpt(pair[0]))),
            None => Ok(()),
        };
    }
    for (index, label) in labels.iter().enumerate() {
        if labels[..index].iter().any(|earlier| earlier.name.raw == label.name.raw) {
            return Err(twice(label));
        }
    }
    Ok(())
}

/// A token that ends in a carriage return is wrong for that alone.
fn wrong(word: &str, reason: impl FnOnce(String) -> Reason) -> Reason {
    if word.ends_with('\r') { Reason::CarriageReturn } else { reason(Reason::excerpt(word)) }
}
