//! The Unix sockets that a pattern names.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

/// Where Docker Model Runner serves what it gathers from its runners: not a runner.
const AGGREGATE: &str = "model-runner.sock";
/// Sockets of one pattern.
const SOCKETS_MAX: usize = 64;

/// Says what is wrong with a pattern, if something is.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let expected = "expected a path such as `/run/runners/inference-runner-*.sock`";
    let Some((folder, name)) = pattern.rsplit_once('/') else {
        return Err(format!("{expected}, got `{pattern}`"));
    };
    if !pattern.starts_with('/') || name.is_empty() {
        return Err(format!("{expected}, got `{pattern}`"));
    }
    let is_pattern = |text: &str| text.contains(['*', '?']);
    if is_pattern(folder) {
        return Err(format!("{expected}, with `*` only behind the last `/`, got `{pattern}`"));
    }
    Ok(())
}

/// The sockets there are, in order of their names.
pub(crate) fn matching(pattern: &str) -> Vec<PathBuf> {
    let Some((folder, name)) = pattern.rsplit_once('/') else { return Vec::new() };
    let Ok(entries) = std::fs::read_dir(if folder.is_empty() { "/" } else { folder }) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| {
            entry.file_name().to_str().is_some_and(|text| text != AGGREGATE && is_match(name, text))
        })
        .map(|entry| entry.path())
        .filter(|path| is_socket(path) && path.to_str().is_some())
        .collect();
    found.sort();
    found.truncate(SOCKETS_MAX);
    found
}

fn is_socket(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|found| found.file_type().is_socket())
}

/// Whether a name is as the pattern says: `*` is any text, `?` any character.
fn is_match(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where the last star stands, and how far it reaches.
    let mut star = None;
    while place < name.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(one) if *one == '?' || *one == name[place] => (at, place) = (at + 1, place + 1),
            _ => match star {
                Some((of, reach)) => {
                    star = Some((of, reach + 1));
                    (at, place) = (of + 1, reach + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|one| *one == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_has_stars() {
        let check = |pattern: &str, name: &str, expected| {
            assert_eq!(is_match(pattern, name), expected, "{pattern} {name}");
        };
        check("inference-runner-*.sock", "inference-runner-0.sock", true);
        check("inference-runner-*.sock", "inference-runner-.sock", true);
        check("inference-runner-*.sock", "inference-runner-0.sock.lock", false);
        check("*-?.s*", "a-b-1.sock", true);
        check("*", "", true);
        check("a", "b", false);
        check("a?", "a", false);
    }

    #[test]
    fn only_sockets_are_found_and_the_aggregate_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let bind = |name: &str| std::os::unix::net::UnixListener::bind(folder.path().join(name)).unwrap();
        let _open =
            [bind("inference-runner-1.sock"), bind("inference-runner-0.sock"), bind("model-runner.sock")];
        std::fs::write(folder.path().join("inference-runner-2.sock"), "").unwrap();
        let pattern = format!("{}/*.sock", folder.path().display());
        let found: Vec<_> =
            matching(&pattern).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
        assert_eq!(found, ["inference-runner-0.sock", "inference-runner-1.sock"]);
        assert_eq!(matching("/no/such/folder/*"), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_pattern_is_a_path() {
        assert_eq!(check("/run/a-*.sock"), Ok(()));
        for wrong in ["", "a.sock", "/run/", "/run/*/a.sock"] {
            assert!(check(wrong).is_err(), "{wrong}");
        }
    }
}
