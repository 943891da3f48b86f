//! Chooses names by wildcards.

use serde::{Deserialize, Serialize};

/// Names to take and names to leave, with `*` for any text and `?` for any character.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Selection {
    pub(crate) included: Vec<String>,
    pub(crate) excluded: Vec<String>,
}

impl Selection {
    /// Whether the name is taken; none is where none is included.
    pub(crate) fn has(&self, name: &str) -> bool {
        !self.included.is_empty() && self.allows(name)
    }

    /// Whether the name is taken; all that are not excluded are where none is included.
    pub(crate) fn allows(&self, name: &str) -> bool {
        let matches = |patterns: &[String]| patterns.iter().any(|pattern| is_match(pattern, name));
        (self.included.is_empty() || matches(&self.included)) && !matches(&self.excluded)
    }

    /// Whether every name is allowed.
    pub(crate) fn is_open(&self) -> bool {
        self.included.is_empty() && self.excluded.is_empty()
    }
}

/// Whether `text` fits a pattern with `*` and `?`.
fn is_match(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut at, mut place) = (0, 0);
    // Where to go on when what follows the last `*` does not fit after all.
    let mut star = None;
    while place < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, place));
                at += 1;
            }
            Some(character) if *character == '?' || *character == text[place] => {
                at += 1;
                place += 1;
            }
            _ => match star {
                Some((star_at, star_place)) => {
                    star = Some((star_at, star_place + 1));
                    (at, place) = (star_at + 1, star_place + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_fit_whole_names() {
        for (pattern, text, expected) in [
            ("*", "", true),
            ("a*c", "abc", true),
            ("a*c", "abcd", false),
            ("*b*", "abc", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("a*b*c", "a-b-b-c", true),
            ("", "a", false),
        ] {
            assert_eq!(is_match(pattern, text), expected, "{pattern} {text}");
        }
    }
}
