//! The schema `node_exporter` beside Debian's node_exporter: the same machine, read at the same moment.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod agreement;
mod alerts;
mod beside;
mod dashboard;
mod differences;
mod facts;
mod machine;
mod page;
mod report;

use std::collections::BTreeMap;
use std::process::Command;

use integration::binary;

/// The metrics of the schema and their types, as `inferometer schemas` says them; names with patterns are as they stand.
fn made() -> BTreeMap<String, String> {
    let output = Command::new(binary()).args(["schemas", "node_exporter"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let heads = text.lines().filter(|line| line.starts_with("node_") || line.starts_with("process_"));
    let words = heads.filter_map(|line| line.trim_end_matches(':').split_once(' '));
    let first = |rest: &str| rest.split([' ', ':']).next().unwrap_or_default().to_owned();
    words.map(|(name, rest)| (name.to_owned(), first(rest))).collect()
}

/// The type of a metric that the schema makes, by its name or by the pattern that has it.
fn type_of<'a>(made: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    let is_of = |pattern: &str| {
        let mut parts = pattern.split("${1}").flat_map(|part| part.split("${2}"));
        let Some(mut rest) = parts.next().and_then(|first| name.strip_prefix(first)) else { return false };
        for part in parts {
            // A group takes one character or more, and the last one all there is.
            let mut ends = (1..=rest.len()).filter(|end| rest[*end..].starts_with(part));
            let end = if part.is_empty() { ends.next_back() } else { ends.next() };
            let Some(end) = end else { return false };
            rest = &rest[end + part.len()..];
        }
        rest.is_empty()
    };
    let fitting = made.iter().filter(|(pattern, _)| pattern.contains('$') && is_of(pattern));
    // Of several the one that says most.
    let closest = fitting.max_by_key(|(pattern, _)| pattern.len()).map(|(_, kind)| kind);
    made.get(name).or(closest).map(String::as_str)
}
