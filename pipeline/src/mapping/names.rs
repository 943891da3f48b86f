//! Names and globs of names.

use super::compiled::NameMatch;
use crate::relabel::anchored;

/// A name, or a glob in which `*` is any text.
pub(crate) fn glob(text: &str) -> Result<NameMatch, String> {
    match text.split_once('*') {
        None => Ok(NameMatch::Exact(text.to_owned())),
        Some((prefix, "")) => Ok(NameMatch::Prefix(prefix.to_owned())),
        Some(_) => anchored(&glob_pattern(text)).map(NameMatch::Pattern),
    }
}

/// The pattern of a glob; nothing but `*` has a meaning in it.
fn glob_pattern(text: &str) -> String {
    text.split('*').map(regex::escape).collect::<Vec<_>>().join(".*")
}

pub(super) fn is_match(chosen: &NameMatch, name: &str) -> bool {
    match chosen {
        NameMatch::Exact(exact) => exact == name,
        NameMatch::Prefix(prefix) => name.starts_with(prefix.as_str()),
        NameMatch::Pattern(pattern) => pattern.is_match(name),
    }
}

/// Whether every name that begins like this may be one of the chosen ones.
pub(super) fn covers_prefix(chosen: &NameMatch, beginning: &str) -> bool {
    match chosen {
        NameMatch::Exact(_) => false,
        NameMatch::Prefix(prefix) => beginning.starts_with(prefix.as_str()),
        NameMatch::Pattern(pattern) => pattern.is_match(beginning),
    }
}

/// What every name that fits the pattern begins with.
pub(super) fn literal_beginning(pattern: &str) -> String {
    let end = pattern.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'));
    let (literal, rest) = pattern.split_at(end.unwrap_or(pattern.len()));
    // `ab*` begins with `a` only, and of `a|b` nothing is sure.
    let kept = match rest.chars().next() {
        Some('*' | '?' | '{') => literal.len().saturating_sub(1),
        _ => literal.len(),
    };
    if pattern.contains('|') && !pattern.contains('(') { String::new() } else { literal[..kept].to_owned() }
}

/// What a metric or a label must be called to stand in a classic exposition.
pub(super) fn is_legal(name: &str, may_have_colon: bool) -> bool {
    !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit()) && is_legal_part(name, may_have_colon)
}

pub(super) fn is_legal_part(name: &str, may_have_colon: bool) -> bool {
    name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || (may_have_colon && c == ':'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, fits: &[&str], others: &[&str]) {
        let chosen = glob(text).unwrap();
        for name in fits {
            assert!(is_match(&chosen, name), "{name} fits {text}");
        }
        for name in others {
            assert!(!is_match(&chosen, name), "{name} does not fit {text}");
        }
    }

    #[test]
    fn a_star_is_any_text() {
        check("vllm:*", &["vllm:x", "vllm:"], &["vllm_x"]);
        check("up", &["up"], &["ups"]);
        check("*_perc", &["gpu_perc"], &["gpu_perc_x"]);
        check("a.b*c", &["a.bc", "a.b-c"], &["axbc"]);
    }

    #[test]
    fn the_beginning_of_a_pattern_is_what_is_sure() {
        for (pattern, expected) in
            [("vllm:(.*)_perc", "vllm:"), ("ab*", "a"), ("a|b", ""), ("(a|b)c", ""), ("x.*", "x"), ("", "")]
        {
            assert_eq!(literal_beginning(pattern), expected, "{pattern}");
        }
    }
}
