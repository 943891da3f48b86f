//! From the name and unit of a metric to the name that Prometheus users know.
//!
//! Follows what Prometheus itself does with OTLP metrics (`_ratio`, a doubled `total` removed), without
//! its known slips (`TiBy`, `kBy`, `subtotal`); [`Translation::Specification`] follows the text of the
//! OpenTelemetry specification where the two differ.

use serde::{Deserialize, Serialize};

use super::escaping::is_legacy;

/// The collector's `translation_strategy`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Strategy {
    #[default]
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    NoUTF8EscapingWithSuffixes,
    NoTranslation,
}

/// Who is followed where Prometheus and the specification disagree about a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Translation {
    #[default]
    Prometheus,
    Specification,
}

/// How names are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Naming {
    pub(crate) strategy: Strategy,
    pub(crate) translation: Translation,
    pub(crate) namespace: String,
}

/// The word behind the unit that says what the number is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Suffix {
    None,
    Total,
    /// For gauges: `_ratio` where the unit is `1`.
    RatioOfOne,
}

const UNITS: [(&str, &str); 32] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tebibytes"),
    ("kBy", "kilobytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("B", "bytes"),
    ("KB", "kilobytes"),
    ("MB", "megabytes"),
    ("GB", "gigabytes"),
    ("TB", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
    ("1", ""),
];

const PER_UNITS: [(&str, &str); 8] = [
    ("s", "second"),
    ("m", "minute"),
    ("min", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

impl Strategy {
    /// Whether names keep characters beyond the old set.
    pub(crate) fn keeps_utf8(self) -> bool {
        matches!(self, Self::NoUTF8EscapingWithSuffixes | Self::NoTranslation)
    }
}

impl Naming {
    /// The name, before the scraper's escaping; `None` where nothing is left of it.
    pub(crate) fn translate(&self, name: &str, unit: &str, suffix: Suffix) -> Option<String> {
        let translated = match self.strategy {
            Strategy::NoTranslation => self.in_namespace(name, "_"),
            Strategy::UnderscoreEscapingWithoutSuffixes => {
                from_tokens(&self.in_namespace(name, "_"), |character| character == '_').join("_")
            }
            Strategy::NoUTF8EscapingWithSuffixes => self.suffixed(name, unit, suffix),
            Strategy::UnderscoreEscapingWithSuffixes => match self.translation {
                Translation::Prometheus => self.tokens(name, unit, suffix).join("_"),
                Translation::Specification => {
                    from_tokens(&self.suffixed(name, unit, suffix), |_| false).join("_")
                }
            },
        };
        let is_named = translated.contains(|character: char| character != '_');
        is_named.then(|| guard_digit(translated, self.strategy))
    }

    fn in_namespace(&self, name: &str, separator: &str) -> String {
        if self.namespace.is_empty() {
            name.to_owned()
        } else {
            format!("{}{separator}{name}", self.namespace)
        }
    }

    /// As Prometheus does it: a unit or a `total` anywhere in the name counts as there.
    fn tokens(&self, name: &str, unit: &str, suffix: Suffix) -> Vec<String> {
        let mut tokens = from_tokens(name, |_| false);
        let Words { main, per } = unit_words(unit);
        // A unit may itself have several words.
        if !main.is_empty() && !tokens.contains(&main) {
            tokens.push(main);
        }
        if !per.is_empty() && !tokens.contains(&per) {
            tokens.push("per".to_owned());
            tokens.push(per);
        }
        if let Some(word) = suffix_word(suffix, unit) {
            tokens.retain(|token| token != word);
            tokens.push(word.to_owned());
        }
        let mut namespace = from_tokens(&self.namespace, |_| false);
        namespace.append(&mut tokens);
        namespace
    }

    /// As the specification does it: a suffix is added unless the name ends with it.
    fn suffixed(&self, name: &str, unit: &str, suffix: Suffix) -> String {
        let word = match self.translation {
            // The specification knows no `_ratio`.
            Translation::Specification if suffix == Suffix::RatioOfOne => None,
            _ => suffix_word(suffix, unit),
        };
        let mut stem = self.in_namespace(name, "_");
        if let Some(word) = word {
            stem.truncate(without_word(&stem, word).len());
        }
        let Words { main, per } = unit_words(unit);
        let per = if per.is_empty() { per } else { format!("per_{per}") };
        let unit = [main.as_str(), per.as_str()].into_iter().filter(|word| !word.is_empty());
        let unit = unit.collect::<Vec<_>>().join("_");
        for word in [unit.as_str(), word.unwrap_or_default()] {
            if !word.is_empty() && without_word(&stem, word).len() == stem.len() {
                stem.push('_');
                stem.push_str(word);
            }
        }
        stem
    }
}

/// The word of a unit for `# UNIT`, as it stands at the end of a name: `seconds`, `bytes_per_second`.
pub(crate) fn unit_word(unit: &str, suffix: Suffix) -> String {
    if suffix == Suffix::RatioOfOne && unit == "1" {
        return "ratio".to_owned();
    }
    let Words { main, per } = unit_words(unit);
    match (main.is_empty(), per.is_empty()) {
        (_, true) => main,
        (true, false) => format!("per_{per}"),
        (false, false) => format!("{main}_per_{per}"),
    }
}

struct Words {
    main: String,
    per: String,
}

fn unit_words(unit: &str) -> Words {
    let unit = without_braces(unit);
    let (main, per) = unit.split_once('/').unwrap_or((&unit, ""));
    Words { main: unit_in(&UNITS, main), per: unit_in(&PER_UNITS, per) }
}

fn unit_in(table: &[(&str, &str)], unit: &str) -> String {
    let unit = unit.trim();
    match table.iter().find(|(ucum, _)| *ucum == unit) {
        Some((_, word)) => (*word).to_owned(),
        None => from_tokens(unit, |_| false).join("_"),
    }
}

fn without_braces(unit: &str) -> String {
    let mut depth = 0_usize;
    let mut outside = String::with_capacity(unit.len());
    for character in unit.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            character if depth == 0 => outside.push(character),
            _ => {}
        }
    }
    outside
}

fn suffix_word(suffix: Suffix, unit: &str) -> Option<&'static str> {
    match suffix {
        Suffix::Total => Some("total"),
        Suffix::RatioOfOne if unit == "1" => Some("ratio"),
        Suffix::None | Suffix::RatioOfOne => None,
    }
}

/// The name without this last word and what separates it; the same where it does not end so.
fn without_word<'a>(name: &'a str, word: &str) -> &'a str {
    let stem = name.strip_suffix(word).and_then(|stem| stem.strip_suffix(|c: char| !c.is_alphanumeric()));
    stem.filter(|stem| !stem.is_empty()).unwrap_or(name)
}

/// Splits a name where a character is not legal, or `_` and not kept.
fn from_tokens(name: &str, keep: impl Fn(char) -> bool) -> Vec<String> {
    let is_legal = |character: char| character.is_ascii_alphanumeric() || character == ':' || keep(character);
    let tokens = name.split(|character| !is_legal(character)).filter(|token| !token.is_empty());
    tokens.map(str::to_owned).collect()
}

fn guard_digit(name: String, strategy: Strategy) -> String {
    if !strategy.keeps_utf8() && !is_legacy(&name) { format!("_{name}") } else { name }
}

#[cfg(test)]
mod tests;
