//! Walks through a line of the notation, token by token.

use super::{is_bare, is_bare_start};
use crate::value::AnyValue;
use crate::wire::DEPTH_MAX;

/// What is left of a line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'a> {
    rest: &'a str,
}

/// A number as it was written: without point, exponent or word it is an integer.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Int(i64),
    Double(f64),
}

/// Why a token could not be read.
pub(super) type Reason = String;

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { rest: line.trim() }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn starts_with(&self, character: char) -> bool {
        self.rest.starts_with(character)
    }

    /// Passes over a character and the blanks behind it, if it comes next.
    pub(super) fn eat(&mut self, character: char) -> bool {
        let found = self.rest.strip_prefix(character);
        if let Some(rest) = found {
            self.rest = rest.trim_start();
        }
        found.is_some()
    }

    pub(super) fn expect(&mut self, character: char) -> Result<(), Reason> {
        if self.eat(character) { Ok(()) } else { Err(self.unexpected(&format!("`{character}`"))) }
    }

    /// Passes over a word, if it comes next and ends there.
    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        let found = ahead.take(is_bare) == word;
        if found {
            *self = ahead;
        }
        found
    }

    /// A bare word, or an empty one where none comes next.
    pub(super) fn word(&mut self) -> &'a str {
        if self.rest.starts_with(is_bare_start) { self.take(is_bare) } else { "" }
    }

    pub(super) fn unexpected(&self, expected: &str) -> Reason {
        match self.rest.char_indices().nth(20) {
            _ if self.rest.is_empty() => format!("expected {expected}, got the end of the line"),
            Some((end, _)) => format!("expected {expected}, got `{}...`", &self.rest[..end]),
            None => format!("expected {expected}, got `{}`", self.rest),
        }
    }

    /// Everything up to a character that does not belong, and the blanks behind it.
    pub(super) fn take(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !belongs(character)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        self.rest = rest.trim_start();
        token
    }

    /// A name, bare or in quotes.
    pub(super) fn name(&mut self) -> Result<String, Reason> {
        if self.starts_with('"') {
            return self.string();
        }
        match self.word() {
            "" => Err(self.unexpected("a name")),
            name => Ok(name.to_owned()),
        }
    }

    pub(super) fn string(&mut self) -> Result<String, Reason> {
        let Some(mut rest) = self.rest.strip_prefix('"') else {
            return Err(self.unexpected("a string in quotes"));
        };
        let mut string = String::new();
        loop {
            let end = rest.find(['"', '\\']).ok_or("expected `\"` at the end of a string")?;
            string.push_str(&rest[..end]);
            let is_escape = rest[end..].starts_with('\\');
            rest = &rest[end + 1..];
            if !is_escape {
                self.rest = rest.trim_start();
                return Ok(string);
            }
            let (character, behind) = unescape(rest)?;
            string.push(character);
            rest = behind;
        }
    }

    /// Bytes as `0x` and hexadecimal digits.
    pub(super) fn bytes(&mut self) -> Result<Vec<u8>, Reason> {
        let Some(rest) = self.rest.strip_prefix("0x") else {
            return Err(self.unexpected("bytes such as `0x00ff`"));
        };
        self.rest = rest;
        // `take` skips the blanks that would follow empty bytes, too.
        let digits = self.take(|character| character.is_ascii_hexdigit());
        let pairs = digits.as_bytes().chunks(2);
        let bytes: Option<Vec<u8>> = pairs
            .map(|pair| match pair {
                [high, low] => Some((hex(*high)? << 4) | hex(*low)?),
                _ => None,
            })
            .collect();
        bytes.ok_or_else(|| format!("expected an even number of digits behind `0x`, got `{digits}`"))
    }

    /// A whole number of any type.
    pub(super) fn integer<T: std::str::FromStr>(&mut self) -> Result<T, Reason> {
        let mut ahead = *self;
        let digits = ahead.take(|character| character.is_ascii_digit() || character == '-');
        let number = digits.parse().map_err(|_| self.unexpected("a whole number"))?;
        *self = ahead;
        Ok(number)
    }

    pub(super) fn number(&mut self) -> Result<Number, Reason> {
        let mut ahead = *self;
        let token = ahead.take(|character| character.is_ascii_alphanumeric() || "+-.()".contains(character));
        let number = read_number(token).ok_or_else(|| self.unexpected("a number"))?;
        *self = ahead;
        Ok(number)
    }

    /// A number that is a double whether it looks like one or not.
    pub(super) fn double(&mut self) -> Result<f64, Reason> {
        Ok(match self.number()? {
            Number::Int(value) => value as f64,
            Number::Double(value) => value,
        })
    }

    /// The pairs between braces, in order.
    pub(super) fn map(&mut self, depth: usize) -> Result<Vec<(String, AnyValue)>, Reason> {
        let mut pairs = Vec::new();
        self.expect('{')?;
        while !self.eat('}') {
            if !pairs.is_empty() {
                self.expect(',')?;
            }
            let name = self.name()?;
            self.expect('=')?;
            pairs.push((name, self.any(depth)?));
        }
        Ok(pairs)
    }

    fn any(&mut self, depth: usize) -> Result<AnyValue, Reason> {
        if depth >= DEPTH_MAX {
            return Err(format!("values are nested deeper than {DEPTH_MAX}"));
        }
        Ok(match self.rest.chars().next() {
            Some('"') => AnyValue::String(self.string()?),
            Some('{') => AnyValue::Map(self.map(depth + 1)?),
            Some('[') => AnyValue::Array(self.array(depth + 1)?),
            _ if self.rest.starts_with("0x") => AnyValue::Bytes(self.bytes()?),
            _ if self.eat_word("true") => AnyValue::Bool(true),
            _ if self.eat_word("false") => AnyValue::Bool(false),
            _ if self.eat_word("null") => AnyValue::Empty,
            _ => match self.number().map_err(|_| self.unexpected("a value"))? {
                Number::Int(value) => AnyValue::Int(value),
                Number::Double(value) => AnyValue::Double(value),
            },
        })
    }

    fn array(&mut self, depth: usize) -> Result<Vec<AnyValue>, Reason> {
        let mut values = Vec::new();
        self.expect('[')?;
        while !self.eat(']') {
            if !values.is_empty() {
                self.expect(',')?;
            }
            values.push(self.any(depth)?);
        }
        Ok(values)
    }
}

fn hex(digit: u8) -> Option<u8> {
    (digit as char).to_digit(16).map(|value| value as u8)
}

fn read_number(token: &str) -> Option<Number> {
    match token {
        "nan" => return Some(Number::Double(f64::NAN)),
        "inf" => return Some(Number::Double(f64::INFINITY)),
        "-inf" => return Some(Number::Double(f64::NEG_INFINITY)),
        _ => {}
    }
    if let Some(bits) = token.strip_prefix("nan(").and_then(|bits| bits.strip_suffix(')')) {
        let value = f64::from_bits(u64::from_str_radix(bits, 16).ok()?);
        return value.is_nan().then_some(Number::Double(value));
    }
    // Keeps out the other words that Rust takes for a number.
    if !token.contains(|character: char| character.is_ascii_digit()) {
        return None;
    }
    if token.contains(['.', 'e', 'E']) {
        return token.parse().ok().map(Number::Double);
    }
    token.parse().ok().map(Number::Int)
}

/// The character that an escape stands for, and what is behind it.
fn unescape(rest: &str) -> Result<(char, &str), Reason> {
    let mut characters = rest.chars();
    let character = match characters.next() {
        Some('n') => '\n',
        Some('r') => '\r',
        Some('t') => '\t',
        Some(character @ ('\\' | '"')) => character,
        Some('u') => {
            let code = rest[1..].strip_prefix('{').and_then(|rest| rest.split_once('}'));
            let (digits, behind) = code.ok_or("expected `\\u{hex}`")?;
            let code = u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
            let character = code.ok_or_else(|| format!("no character has the code `{digits}`"))?;
            return Ok((character, behind));
        }
        Some(character) => return Err(format!("unknown escape `\\{character}`")),
        None => return Err("expected `\"` at the end of a string".to_owned()),
    };
    Ok((character, characters.as_str()))
}
