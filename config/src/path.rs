//! Paths into the configuration: `receivers.otlp.protocols`, `exporters."otlp_http/a.b".endpoint`.

/// The keys of a path that sets a value.
///
/// Keys are separated by dots or, where the path has `::` in it, by that alone, so that a key may hold
/// dots; otherwise such a key is put in double quotes.
pub(crate) fn parse(text: &str) -> Result<Vec<String>, String> {
    let separator = if outside_quotes(text, "::").is_empty() { "." } else { "::" };
    let mut keys = Vec::new();
    let mut start = 0;
    for end in outside_quotes(text, separator).into_iter().chain([text.len()]) {
        let key = text.get(start..end).unwrap_or_default();
        keys.push(unquote(key).ok_or_else(|| format!("`{key}` in the path is not closed with `\"`"))?);
        start = end + separator.len();
    }
    if keys.iter().any(String::is_empty) {
        return Err("the path has an empty key".to_owned());
    }
    Ok(keys)
}

/// The part before and after the first `=` that is not in quotes.
pub(crate) fn split_assignment(text: &str) -> Option<(&str, &str)> {
    let at = *outside_quotes(text, "=").first()?;
    Some((text.get(..at)?, text.get(at + 1..)?))
}

/// The path of a member of a map.
pub(crate) fn join(path: &str, key: &str) -> String {
    let plain = !key.is_empty() && !key.contains(['.', '"', '[', ' ', '=', '\n']) && !key.contains("::");
    let key = if plain { key.to_owned() } else { format!("\"{key}\"") };
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

/// The ways to take a first key off a path, the likeliest first.
pub(crate) fn splits(path: &str) -> Vec<(String, &str)> {
    let path = path.strip_prefix('.').unwrap_or(path);
    if let Some(rest) = path.strip_prefix('[')
        && let Some((index, rest)) = rest.split_once(']')
    {
        return vec![(index.to_owned(), rest)];
    }
    if let Some(rest) = path.strip_prefix('"')
        && let Some((key, rest)) = rest.split_once('"')
    {
        return vec![(key.to_owned(), rest)];
    }
    let cuts = path.match_indices(['.', '[']).map(|(at, _)| at).chain([path.len()]);
    cuts.map(|at| path.split_at(at)).map(|(head, rest)| (head.to_owned(), rest)).take(KEYS_MAX).collect()
}

/// A path longer than this is none that someone wrote.
const KEYS_MAX: usize = 64;

fn outside_quotes(text: &str, wanted: &str) -> Vec<usize> {
    let mut quoted = false;
    let mut found = Vec::new();
    let mut skip = 0;
    for (at, character) in text.char_indices() {
        if character == '"' {
            quoted = !quoted;
        }
        if !quoted && at >= skip && text.get(at..).is_some_and(|rest| rest.starts_with(wanted)) {
            found.push(at);
            skip = at + wanted.len();
        }
    }
    found
}

fn unquote(key: &str) -> Option<String> {
    match key.strip_prefix('"') {
        Some(rest) => rest.strip_suffix('"').map(str::to_owned),
        None => (!key.contains('"')).then(|| key.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &[&str]) {
        assert_eq!(parse(text).unwrap(), expected, "{text}");
    }

    #[test]
    fn a_path_is_split_at_dots_or_at_double_colons() {
        check("a", &["a"]);
        check("exporters.otlp_http/mimir.endpoint", &["exporters", "otlp_http/mimir", "endpoint"]);
        check("exporters::otlp_http/a.b::endpoint", &["exporters", "otlp_http/a.b", "endpoint"]);
        check(r#"exporters."otlp_http/a.b".endpoint"#, &["exporters", "otlp_http/a.b", "endpoint"]);
        check(r#""a::b".c"#, &["a::b", "c"]);
    }

    #[test]
    fn a_path_without_a_key_is_no_path() {
        for text in ["", ".", "a.", ".a", "a..b", "a::", r#"a."b"#, r#"a"b"#] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_assignment_ends_its_path_at_the_first_equals_sign_outside_quotes() {
        assert_eq!(split_assignment("a.b=c=d"), Some(("a.b", "c=d")));
        assert_eq!(split_assignment(r#"a."b=c".d=e"#), Some((r#"a."b=c".d"#, "e")));
        assert_eq!(split_assignment("a.b"), None);
    }
}
