//! Cuts the text of a condition into tokens that know where they stand.

/// A token and the place of its first character, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token {
    pub(super) place: usize,
    pub(super) kind: TokenKind,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum TokenKind {
    Word(String),
    Text(String),
    Int(i64),
    Double(f64),
    /// One of `( ) [ ] , . == != < <= > >=`.
    Symbol(&'static str),
}

const SYMBOLS: [&str; 12] = ["==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "."];

pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    loop {
        rest = rest.trim_start();
        let Some(first) = rest.chars().next() else { return Ok(tokens) };
        let place = text[..text.len() - rest.len()].chars().count() + 1;
        let (kind, after) = if first == '"' {
            quoted(&rest[1..]).ok_or_else(|| format!("text without an end at character {place}"))?
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            (TokenKind::Symbol(symbol), &rest[symbol.len()..])
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            (TokenKind::Word(rest[..end].to_owned()), &rest[end..])
        } else {
            number(rest).ok_or_else(|| format!("unexpected `{first}` at character {place}"))?
        };
        tokens.push(Token { place, kind });
        rest = after;
    }
}

/// Reads up to the closing quote; an escape of a character that needs none is that character.
fn quoted(text: &str) -> Option<(TokenKind, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((TokenKind::Text(value), &text[index + 1..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                't' => '\t',
                'r' => '\r',
                other => other,
            }),
            other => value.push(other),
        }
    }
    None
}

fn number(text: &str) -> Option<(TokenKind, &str)> {
    let sign = usize::from(text.starts_with(['-', '+']));
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    let end = text[sign..].find(|c: char| !is_part(c)).map_or(text.len(), |end| end + sign);
    let (number, rest) = text.split_at(end);
    let kind = if number.contains('.') {
        TokenKind::Double(number.parse().ok()?)
    } else {
        TokenKind::Int(number.parse().ok()?)
    };
    Some((kind, rest))
}
