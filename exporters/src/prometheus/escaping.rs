//! How names outside the old character set are written for a scraper: one scheme a scrape.

use std::borrow::Cow;
use std::fmt::Write;

/// What a scraper asks for with the `escaping` parameter of its `Accept` header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Escaping {
    /// As it is, in quotes where needed.
    AllowUtf8,
    /// Every other character becomes `_`; cannot be undone.
    Underscores,
    /// `.` becomes `_dot_` and `_` becomes `__`.
    Dots,
    /// `U__` in front, and `_<code point>_` for every other character.
    Values,
}

impl Escaping {
    pub(crate) const ALL: [Self; 4] = [Self::AllowUtf8, Self::Underscores, Self::Dots, Self::Values];

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scheme| scheme.name().eq_ignore_ascii_case(text))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AllowUtf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// Escapes the name of a metric.
    pub(crate) fn metric(self, name: &str) -> Cow<'_, str> {
        match self {
            Self::AllowUtf8 => Cow::Borrowed(name),
            Self::Underscores | Self::Values if is_legacy(name) => Cow::Borrowed(name),
            Self::Underscores => Cow::Owned(underscores(name)),
            Self::Dots => Cow::Owned(dots(name)),
            Self::Values => Cow::Owned(values(name)),
        }
    }

    /// Escapes the name of a label, where a colon is not allowed either.
    pub(crate) fn label(self, name: &str) -> Cow<'_, str> {
        let escaped = self.metric(name);
        if self == Self::AllowUtf8 || !escaped.contains(':') {
            return escaped;
        }
        Cow::Owned(escaped.replace(':', "_"))
    }
}

/// Whether a name needs no quotes as the name of a metric.
pub(crate) fn is_legacy(name: &str) -> bool {
    !name.is_empty() && name.chars().enumerate().all(|(index, character)| is_legal(index, character))
}

/// Whether a name needs no quotes as the name of a label.
pub(crate) fn is_legacy_label(name: &str) -> bool {
    is_legacy(name) && !name.contains(':')
}

fn is_legal(index: usize, character: char) -> bool {
    character.is_ascii_alphabetic()
        || character == '_'
        || character == ':'
        || (index > 0 && character.is_ascii_digit())
}

fn underscores(name: &str) -> String {
    let legal = |(index, character)| if is_legal(index, character) { character } else { '_' };
    name.chars().enumerate().map(legal).collect()
}

fn dots(name: &str) -> String {
    let mut escaped = String::with_capacity(name.len() * 2);
    for (index, character) in name.chars().enumerate() {
        match character {
            '.' => escaped.push_str("_dot_"),
            character if character != '_' && is_legal(index, character) => escaped.push(character),
            // Also for what is neither: a live Prometheus reads that back, though its page says one.
            _ => escaped.push_str("__"),
        }
    }
    escaped
}

fn values(name: &str) -> String {
    let mut escaped = String::from("U__");
    for (index, character) in name.chars().enumerate() {
        match character {
            '_' => escaped.push_str("__"),
            character if is_legal(index, character) => escaped.push(character),
            character => {
                write!(escaped, "_{:x}_", character as u32).expect("writing to a string does not fail");
            }
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, [underscores, dots, values]: [&str; 3]) {
        assert_eq!(Escaping::Underscores.metric(name), underscores);
        assert_eq!(Escaping::Dots.metric(name), dots);
        assert_eq!(Escaping::Values.metric(name), values);
        assert_eq!(Escaping::AllowUtf8.metric(name), name);
    }

    #[test]
    fn each_scheme_writes_names_its_way() {
        check("foo_bar", ["foo_bar", "foo__bar", "foo_bar"]);
        check("foo.bar", ["foo_bar", "foo_dot_bar", "U__foo_2e_bar"]);
        check("foo.b_r/é", ["foo_b_r__", "foo_dot_b__r____", "U__foo_2e_b__r_2f__e9_"]);
        check("9lives", ["_lives", "__lives", "U___39_lives"]);
        check("_9", ["_9", "__9", "_9"]);
        check("a:b", ["a:b", "a:b", "a:b"]);
    }

    #[test]
    fn a_colon_is_not_left_in_the_name_of_a_label() {
        assert_eq!(Escaping::Underscores.label("a:b"), "a_b");
        assert_eq!(Escaping::AllowUtf8.label("a:b"), "a:b");
    }
}
