//! Lines that begin with `#`.

use super::cursor::Cursor;
use super::error::{Fault, Reason};
use super::{Format, Line, Text, Type};

/// Reads `# HELP`, `# TYPE`, or a comment, as the text format has them.
pub(super) fn parse_text(mut cursor: Cursor<'_>) -> Result<Line<'_>, Fault> {
    cursor.take(b'#');
    cursor.blanks();
    let keyword = cursor.word();
    if !matches!(keyword, "HELP" | "TYPE") {
        return Ok(Line::Comment);
    }
    cursor.blanks();
    if cursor.peek().is_none() {
        // `# HELP` alone says nothing of any family: a comment, as elsewhere.
        return Ok(Line::Comment);
    }
    let name = parse_name(&mut cursor)?;
    cursor.blanks();
    if keyword == "HELP" {
        return Ok(Line::Help { name, text: text_of(cursor.rest()) });
    }
    let word = cursor.rest().trim_end_matches([' ', '\t']);
    if word.is_empty() {
        return Err(cursor.fault(Reason::Metadata));
    }
    Ok(Line::Type { name, word, kind: Type::parse(word, Format::Text) })
}

/// Reads a metadata line or `# EOF`; OpenMetrics has no comments.
pub(super) fn parse_openmetrics(mut cursor: Cursor<'_>) -> Result<Line<'_>, Fault> {
    if cursor.text == "# EOF" {
        return Ok(Line::Eof);
    }
    let metadata = |cursor: &Cursor<'_>| cursor.fault(Reason::Metadata);
    cursor.take(b'#');
    if !cursor.take(b' ') {
        return Err(metadata(&cursor));
    }
    let keyword = cursor.word();
    if keyword.starts_with("EOF") {
        return Err(cursor.fault(Reason::AfterEof));
    }
    if !cursor.take(b' ') {
        return Err(metadata(&cursor));
    }
    let name = parse_name(&mut cursor)?;
    if !cursor.take(b' ') {
        return Err(metadata(&cursor));
    }
    let rest = cursor.rest();
    match keyword {
        "HELP" => Ok(Line::Help { name, text: text_of(rest) }),
        "TYPE" => match Type::parse(rest, Format::OpenMetrics) {
            Some(kind) => Ok(Line::Type { name, word: rest, kind: Some(kind) }),
            None => Err(cursor.fault(Reason::Type(Reason::excerpt(rest)))),
        },
        "UNIT" => Ok(Line::Unit { name, unit: rest }),
        _ => Err(metadata(&cursor)),
    }
}

fn parse_name<'a>(cursor: &mut Cursor<'a>) -> Result<Text<'a>, Fault> {
    if cursor.peek() == Some(b'"') {
        return cursor.quoted(false);
    }
    let name = cursor.metric_name();
    if name.is_empty() || !matches!(cursor.peek(), None | Some(b' ' | b'\t')) {
        return Err(cursor.fault(Reason::ExpectedName));
    }
    Ok(Text::plain(name))
}

fn text_of(raw: &str) -> Text<'_> {
    Text { raw, has_escapes: memchr::memchr(b'\\', raw.as_bytes()).is_some() }
}
