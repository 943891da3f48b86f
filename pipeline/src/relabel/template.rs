//! Replacement text with references to groups: `$1`, `${1}`, `${name}`, `$$`, as Go's `Regexp.Expand` reads it.

use regex::{Captures, Regex};

/// A replacement, taken apart once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// A group's index. A reference to a group the pattern does not have is no part: it gives nothing.
    Group(usize),
}

impl Template {
    pub(crate) fn new(text: &str, regex: &Regex) -> Self {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('$') {
            literal.push_str(before);
            if let Some(after) = after.strip_prefix('$') {
                literal.push('$');
                rest = after;
            } else if let Some((name, after)) = reference(after) {
                if let Some(index) = group(name, regex) {
                    flush(&mut literal, &mut parts);
                    parts.push(Part::Group(index));
                }
                rest = after;
            } else {
                literal.push('$');
                rest = after;
            }
        }
        literal.push_str(rest);
        flush(&mut literal, &mut parts);
        Self { parts }
    }

    pub(crate) fn expand(&self, captures: &Captures<'_>) -> String {
        let mut text = String::new();
        for part in &self.parts {
            text.push_str(match part {
                Part::Literal(literal) => literal,
                Part::Group(index) => captures.get(*index).map_or("", |group| group.as_str()),
            });
        }
        text
    }
}

fn flush(literal: &mut String, parts: &mut Vec<Part>) {
    if !literal.is_empty() {
        parts.push(Part::Literal(std::mem::take(literal)));
    }
}

/// The name behind a `$`, and what follows it; `None` where the `$` stands for itself.
fn reference(text: &str) -> Option<(&str, &str)> {
    let (text, is_braced) = match text.strip_prefix('{') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let rest = if is_braced { rest.strip_prefix('}')? } else { rest };
    (!name.is_empty()).then_some((name, rest))
}

fn group(name: &str, regex: &Regex) -> Option<usize> {
    let is_number = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    if is_number {
        return name.parse().ok().filter(|index| *index < regex.captures_len());
    }
    regex.capture_names().position(|other| other == Some(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, expected: &str) {
        let regex = Regex::new("(?P<first>a+)(b)?(?P<third>c)").unwrap();
        let captures = regex.captures("aac").unwrap();
        assert_eq!(Template::new(template, &regex).expand(&captures), expected, "{template}");
    }

    #[test]
    fn references_expand_as_in_go() {
        check("$1", "aa");
        check("${1}x", "aax");
        check("$1x", "");
        check("$1-x", "aa-x");
        check("$first/${third}", "aa/c");
        check("[$2]", "[]");
        check("[$9]", "[]");
        check("[$01]", "[]");
        check("$0", "aac");
        check("$$1", "$1");
        check("$", "$");
        check("a$", "a$");
        check("$-", "$-");
        check("${1", "${1");
        check("${}", "${}");
        check("${no such}", "${no such}");
        check("$nosuch!", "!");
        check("é$1é", "é");
        check("é${1}é", "éaaé");
        check("$99999999999999999999", "");
    }
}
