//! Patterns as Go's RE2 reads them, compiled by an engine that needs linear time.

use std::iter::Peekable;
use std::str::Chars;

use regex::{Regex, RegexBuilder};

/// What a compiled pattern may take; a bound on what a configuration can make us keep.
const COMPILED_BYTES_MAX: usize = 1 << 20;

/// Compiles a pattern that must match the whole text; `.` matches a line feed too.
pub fn anchored(pattern: &str) -> Result<Regex, String> {
    compile(pattern, |pattern| format!("^(?s:{pattern})$"))
}

/// Compiles a pattern that may match anywhere in the text.
pub fn unanchored(pattern: &str) -> Result<Regex, String> {
    compile(pattern, ToOwned::to_owned)
}

fn compile(pattern: &str, frame: impl Fn(&str) -> String) -> Result<Regex, String> {
    let framed = frame(&of_re2(pattern));
    RegexBuilder::new(&framed).size_limit(COMPILED_BYTES_MAX).build().map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => {
            format!("the pattern `{}` compiles to more than 1 MiB; use smaller repetitions", shorten(pattern))
        }
        error => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("cannot compile the pattern `{}`: {reason}", shorten(pattern))
        }
    })
}

fn shorten(pattern: &str) -> String {
    const CHARACTERS_MAX: usize = 200;
    match pattern.char_indices().nth(CHARACTERS_MAX) {
        Some((end, _)) => format!("{}...", &pattern[..end]),
        None => pattern.to_owned(),
    }
}

/// Writes what RE2 and the engine read differently so that the engine reads it as RE2 does.
///
/// RE2's `\d`, `\w`, `\s` and `\b` know ASCII only; its classes have no set operations and allow `-` after
/// an escape (`[\w-.]`); and it has `\Q...\E`.
fn of_re2(pattern: &str) -> String {
    let mut rewritten = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => escape(&mut characters, in_class, &mut rewritten),
            '[' if in_class && characters.peek() == Some(&':') => {
                named_class(&mut characters, &mut rewritten);
            }
            '[' | '&' | '~' if in_class => rewritten.extend(['\\', character]),
            '[' => {
                in_class = true;
                rewritten.push('[');
                rewritten.extend(characters.next_if_eq(&'^'));
                if characters.next_if_eq(&']').is_some() {
                    rewritten.push_str(r"\]");
                }
            }
            _ => {
                in_class &= character != ']';
                rewritten.push(character);
            }
        }
    }
    rewritten
}

fn escape(characters: &mut Peekable<Chars<'_>>, in_class: bool, rewritten: &mut String) {
    let class = match characters.next() {
        Some('d') => "[0-9]",
        Some('D') => "[^0-9]",
        Some('w') => "[0-9A-Za-z_]",
        Some('W') => "[^0-9A-Za-z_]",
        Some('s') => r"[\t\n\f\r ]",
        Some('S') => r"[^\t\n\f\r ]",
        Some('b') if !in_class => return rewritten.push_str(r"(?-u:\b)"),
        Some('Q') if !in_class => return quoted(characters, rewritten),
        Some(other) => return rewritten.extend(['\\', other]),
        None => return rewritten.push('\\'),
    };
    rewritten.push_str(class);
    if in_class && characters.next_if_eq(&'-').is_some() {
        rewritten.push_str(r"\-");
    }
}

fn quoted(characters: &mut Peekable<Chars<'_>>, rewritten: &mut String) {
    let mut literal = String::new();
    while let Some(character) = characters.next() {
        if character == '\\' && characters.next_if_eq(&'E').is_some() {
            break;
        }
        literal.push(character);
    }
    rewritten.push_str(&regex::escape(&literal));
}

/// Copies `[:alpha:]`, whose opening bracket has been read.
fn named_class(characters: &mut Peekable<Chars<'_>>, rewritten: &mut String) {
    rewritten.push('[');
    for character in characters.by_ref() {
        rewritten.push(character);
        if character == ']' {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matches: &[&str], misses: &[&str]) {
        let regex = anchored(pattern).unwrap();
        for text in matches {
            assert!(regex.is_match(text), "`{pattern}` should match `{text}`");
        }
        for text in misses {
            assert!(!regex.is_match(text), "`{pattern}` should not match `{text}`");
        }
    }

    #[test]
    fn patterns_read_as_in_re2() {
        check(r"\d+", &["12"], &["١٢", ""]);
        check(r"\w+", &["a_1"], &["é"]);
        check(r"\S\s\S", &["a b"], &["a\u{a0}b"]);
        check(r"[\w-.]+", &["a-b.c"], &["a+b"]);
        check(r"[^\d]", &["x", "é"], &["1"]);
        check("[[a]", &["[", "a"], &["]"]);
        check("[]a]", &["]", "a"], &["b"]);
        check("[^]a]", &["b"], &["]", "a"]);
        check("[a&&b~~]+", &["a&b~"], &["c"]);
        check("[[:alpha:]_]+", &["ab_"], &["1", "["]);
        check(r"\Qa.b\E.", &["a.bc"], &["axbc"]);
        check(r"a\bé", &["aé"], &[]);
        check(r"a\.b|c", &["a.b", "c"], &["axb", "a.bc"]);
        check(r"a.b", &["a\nb"], &["xa\nb", "a\nbx", "a\nb\n"]);
        check("(?i)ABC", &["abc"], &[]);
    }

    #[test]
    fn an_unanchored_pattern_matches_anywhere() {
        assert!(unanchored("cpu").unwrap().is_match("system.cpu.time"));
    }

    #[test]
    fn what_cannot_be_compiled_says_why_in_one_line() {
        let message = anchored("a(").unwrap_err();
        assert_eq!(message, "cannot compile the pattern `a(`: unclosed group");
        let message = anchored(r"(\pL{1000}){1000}").unwrap_err();
        assert!(message.contains("more than 1 MiB"), "{message}");
        for pattern in ["\\", "[", "[\\", "[[:", "\\Q", "(?<", "a{", "x**"] {
            let _ = anchored(pattern);
        }
    }
}
