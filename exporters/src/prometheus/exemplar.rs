//! Exemplars as OpenMetrics writes them: rendered once, at most one a bucket, never too long.

use pipeline::ValueRef;
use pipeline::point::{Exemplar, ExemplarValue, Exemplars};

use super::labels::push_quoted;
use super::number::{push_double, push_int, push_seconds};
use crate::attribute;

/// How many code points the names and values of an exemplar's labels may have together.
const LENGTH_MAX: usize = 128;

/// An exemplar, ready to be put behind its line.
#[derive(Debug, PartialEq)]
pub(crate) struct Kept {
    /// The place of its bucket among the bounds; 0 for a counter.
    pub(crate) bucket: usize,
    /// ` # {trace_id="..."} 0.5 1700000000.1`
    pub(crate) text: Box<str>,
}

/// Keeps the latest exemplar of each bucket, in the order of the buckets.
pub(crate) fn kept(exemplars: &Exemplars, bounds: &[f64]) -> Box<[Kept]> {
    let mut placed = placed(exemplars, bounds);
    // Of equal times the one that came last stays last.
    placed.sort_by_key(|(bucket, exemplar)| (*bucket, exemplar.time_unix_nano));
    let latest = placed.chunk_by(|left, right| left.0 == right.0).filter_map(|alike| alike.last());
    let render = |(bucket, exemplar): &(usize, &Exemplar)| Kept {
        bucket: *bucket,
        text: render(exemplar).into_boxed_str(),
    };
    latest.map(render).collect()
}

/// Each exemplar with the place of its bucket, which is found by halving: a push may have tens of thousands of both.
pub(crate) fn placed<'a>(exemplars: &'a Exemplars, bounds: &[f64]) -> Vec<(usize, &'a Exemplar)> {
    let place = |value: f64| match value {
        // It is in no bucket but the one that has everything.
        _ if value.is_nan() => bounds.len(),
        _ => bounds.partition_point(|bound| *bound < value),
    };
    exemplars.iter().map(|exemplar| (place(value(exemplar)), exemplar)).collect()
}

pub(crate) fn value(exemplar: &Exemplar) -> f64 {
    match exemplar.value {
        ExemplarValue::Int(value) => value as f64,
        ExemplarValue::Double(value) => value,
    }
}

fn render(exemplar: &Exemplar) -> String {
    let mut text = String::from(" # {");
    for (index, (name, value)) in labels(exemplar).iter().enumerate() {
        text.push_str(if index == 0 { "" } else { "," });
        text.push_str(name);
        text.push('=');
        push_quoted(&mut text, value);
    }
    text.push_str("} ");
    let mut number = Vec::new();
    match exemplar.value {
        ExemplarValue::Int(value) => push_int(&mut number, value),
        ExemplarValue::Double(value) => push_double(&mut number, value),
    }
    if exemplar.time_unix_nano > 0 {
        number.push(b' ');
        push_seconds(&mut number, exemplar.time_unix_nano);
    }
    text.push_str(&String::from_utf8_lossy(&number));
    text
}

/// The ids first, which win over attributes of their name; then the shortest attributes, as long as they fit.
pub(crate) fn labels(exemplar: &Exemplar) -> Vec<(String, String)> {
    let mut labels: Vec<(String, String)> = Vec::new();
    for (name, id) in [("trace_id", &exemplar.trace_id), ("span_id", &exemplar.span_id)] {
        if (1..=16).contains(&id.len()) {
            labels.push((name.to_owned(), hex(id)));
        }
    }
    let mut others: Vec<_> = exemplar.attributes.iter().map(|(key, value)| label(key, value)).collect();
    others.sort_by_key(|(name, value)| length(name, value));
    let mut total: usize = labels.iter().map(|(name, value)| length(name, value)).sum();
    for (name, value) in others {
        let is_taken = labels.iter().any(|(other, _)| *other == name);
        total += if is_taken { 0 } else { length(&name, &value) };
        if total > LENGTH_MAX {
            break;
        }
        if !is_taken {
            labels.push((name, value));
        }
    }
    labels
}

fn hex(id: &[u8]) -> String {
    let digits = id.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.filter_map(|digit| char::from_digit(digit.into(), 16)).collect()
}

fn label(key: &str, value: ValueRef<'_>) -> (String, String) {
    let legal = |character: char| if character.is_ascii_alphanumeric() { character } else { '_' };
    let mut name: String = key.chars().map(legal).collect();
    if !name.starts_with(|character: char| character.is_ascii_alphabetic()) {
        name.insert_str(0, "key_");
    }
    // Prometheus takes a NUL here for the end of the page, and refuses all of it.
    (name, attribute::text(value).replace('\0', "\u{fffd}"))
}

fn length(name: &str, value: &str) -> usize {
    name.chars().count() + value.chars().count()
}

#[cfg(test)]
mod tests {
    use pipeline::{Registry, notation};

    use super::*;
    use crate::testing::{histogram_with_exemplars, in_time};

    #[track_caller]
    fn check(exemplars: &str, bounds: &[f64], expected: &[(usize, &str)]) {
        let batch = notation::parse(&format!("counter a = 1 {exemplars}"), &Registry::new(1)).unwrap();
        let kept = kept(&batch.iter().next().unwrap().exemplars, bounds);
        let found: Vec<_> = kept.iter().map(|kept| (kept.bucket, &*kept.text)).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn the_latest_of_each_bucket_is_kept() {
        check(
            "exemplar 0.5 @2000000000 exemplar 1 @1000000000 exemplar 5.0 exemplar 0.1 @1500000000",
            &[1.0, 2.0],
            &[(0, " # {} 0.5 2"), (2, " # {} 5")],
        );
        check(
            "exemplar 5 @1000000000 exemplar 7 @1000000000 exemplar nan @1000000000 exemplar 1 @1000000000",
            &[1.0, 2.0],
            &[(0, " # {} 1 1"), (2, " # {} NaN 1")],
        );
    }

    #[test]
    fn many_exemplars_find_their_many_buckets() {
        const BOUNDS: usize = 200_000;
        let buckets = in_time(|| {
            let batch = histogram_with_exemplars(BOUNDS);
            let bounds: Vec<_> = (0..BOUNDS).map(|index| index as f64).collect();
            let kept = kept(&batch.as_slice()[0].exemplars, &bounds);
            kept.iter().map(|kept| kept.bucket).collect::<Vec<_>>()
        });
        assert!(buckets.into_iter().eq(0..=BOUNDS));
    }

    #[test]
    fn a_nul_does_not_end_the_page() {
        check("exemplar 1 {a=\"b\0c\"}", &[], &[(0, " # {a=\"b\u{fffd}c\"} 1")]);
    }

    #[test]
    fn ids_win_and_long_attributes_go_first() {
        check(
            &format!(
                "exemplar 1 {{trace_id=\"x\",a.b=\"é\",long=\"{}\"}} trace 0x0102 span 0x03",
                "é".repeat(100)
            ),
            &[],
            &[(0, " # {trace_id=\"0102\",span_id=\"03\",a_b=\"é\"} 1")],
        );
        let text = "é".repeat(LENGTH_MAX - 1);
        check(&format!("exemplar 1 {{a=\"{text}\"}}"), &[], &[(0, &format!(" # {{a=\"{text}\"}} 1"))]);
        check(&format!("exemplar 1 {{a=\"{text}é\"}}"), &[], &[(0, " # {} 1")]);
    }
}
