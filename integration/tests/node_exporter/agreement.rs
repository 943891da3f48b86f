//! Every family of both, name by name: the same type, the same series, values between two that node_exporter says.

use std::collections::{BTreeMap, BTreeSet};

use integration::has_counterparts;

use crate::beside::{Beside, Round};
use crate::differences::{LABELS, ONLY_OURS, ONLY_THEIRS, OTHERWISE, SERIES, is_of, reason, tolerance};
use crate::page::Family;
use crate::report;

/// How often a family may be looked at until it agrees once: things come and go in between.
const ROUNDS: usize = 12;

/// A series of a family that agrees, as an example.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) kind: String,
    pub(crate) series: usize,
    pub(crate) labels: String,
    pub(crate) before: f64,
    pub(crate) ours: f64,
    pub(crate) after: f64,
}

/// What was found of each family.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) agreed: BTreeMap<String, Example>,
    /// Those of which only name and type are the same, with the reason.
    pub(crate) otherwise: BTreeMap<String, &'static str>,
    pub(crate) only_theirs: BTreeMap<String, &'static str>,
    pub(crate) only_ours: BTreeMap<String, &'static str>,
    /// What is wrong with the others, in the last round.
    pub(crate) faults: BTreeMap<String, String>,
}

#[tokio::test(flavor = "multi_thread")]
async fn both_say_the_same_of_this_machine() {
    if !has_counterparts() {
        return;
    }
    let beside = Beside::start().await;
    let mut found = Found::default();
    for _ in 0..ROUNDS {
        found.look(&beside.round().await);
        if found.faults.is_empty() {
            break;
        }
    }
    assert!(found.faults.is_empty(), "{:#?}\n{}", found.faults, beside.collector.log());
    assert!(found.agreed.len() > 150, "only {} families were compared", found.agreed.len());
    report::update("node_exporter-agreement", report::HEAD, &found);
}

impl Found {
    /// Looks at what has not agreed so far.
    pub(crate) fn look(&mut self, round: &Round) {
        self.faults.clear();
        let pages = [&round.before, &round.ours, &round.after];
        let names: BTreeSet<String> = pages.iter().flat_map(|page| page.0.keys().cloned()).collect();
        for name in names {
            if self.agreed.contains_key(&name) || self.otherwise.contains_key(&name) {
                continue;
            }
            let (before, after) = (round.before.0.get(&name), round.after.0.get(&name));
            match (before.zip(after), round.ours.0.get(&name)) {
                (Some((before, after)), Some(ours)) => {
                    self.compare(&name, [before, ours, after]);
                }
                (None, Some(_)) => match reason(ONLY_OURS, &name) {
                    Some(reason) => _ = self.only_ours.insert(name, reason),
                    None => _ = self.faults.insert(name, String::from("node_exporter has none of it")),
                },
                (_, None) => match reason(ONLY_THEIRS, &name) {
                    Some(reason) => _ = self.only_theirs.insert(name, reason),
                    None => _ = self.faults.insert(name, String::from("only node_exporter has it")),
                },
            }
        }
    }

    fn compare(&mut self, name: &str, families: [&Family; 3]) {
        let families = families.map(|family| without(family, name));
        let [before, ours, _] = &families;
        if before.kind != ours.kind {
            let fault = format!("it is {}, not {}", before.kind, ours.kind);
            self.faults.insert(name.to_owned(), fault);
            return;
        }
        if let Some(reason) = reason(OTHERWISE, name) {
            self.otherwise.insert(name.to_owned(), reason);
            return;
        }
        if let Some(fault) = fault(name, families.each_ref()) {
            self.faults.insert(name.to_owned(), fault);
        } else {
            self.agreed.insert(name.to_owned(), Example::of(families.each_ref()));
        }
    }
}

impl Example {
    /// The series that has moved most, which tells most.
    fn of([before, ours, after]: [&Family; 3]) -> Self {
        let at = |family: &Family, labels: &String| family.series.get(labels).copied().unwrap_or(f64::NAN);
        let moved = |labels: &String| {
            let by = at(after, labels) - at(before, labels);
            if by.is_finite() { by.abs() } else { 0.0 }
        };
        let most = ours.series.keys().max_by(|one, other| moved(one).total_cmp(&moved(other)));
        let labels = most.cloned().unwrap_or_default();
        Self {
            kind: ours.kind.clone(),
            series: ours.series.len(),
            before: at(before, &labels),
            ours: at(ours, &labels),
            after: at(after, &labels),
            labels,
        }
    }
}

/// The family without the labels that only one of them has.
fn without(family: &Family, name: &str) -> Family {
    let labels = LABELS.iter().filter(|(of, ..)| is_of(of, name)).map(|(_, label, _)| format!("{label}=\""));
    let starts: Vec<_> = labels.collect();
    if starts.is_empty() {
        return family.clone();
    }
    let cut = |labels: &String| {
        let kept = labels.split("\",").map(|label| label.trim_end_matches('"'));
        let kept = kept.filter(|label| !starts.iter().any(|start| label.starts_with(start.as_str())));
        kept.map(|label| format!("{label}\"")).collect::<Vec<_>>().join(",")
    };
    let series = family.series.iter().map(|(labels, value)| (cut(labels), *value)).collect();
    Family { kind: family.kind.clone(), series }
}

fn is_only_here(name: &str, labels: &str) -> bool {
    SERIES.iter().any(|(of, start, _)| *of == name && labels.starts_with(start))
}

/// What is wrong with a family that both have.
fn fault(name: &str, [before, ours, after]: [&Family; 3]) -> Option<String> {
    for (labels, value) in &ours.series {
        let (low, high) = match (before.series.get(labels), after.series.get(labels)) {
            (Some(one), Some(other)) => (one.min(*other), one.max(*other)),
            // It came or went in between.
            (Some(one), None) | (None, Some(one)) => (*one, *one),
            (None, None) if is_only_here(name, labels) => continue,
            (None, None) => return Some(format!("node_exporter has no {{{labels}}}, which is {value} here")),
        };
        // A counter cannot be anywhere but in between, but for the last digits of fractions.
        let (share, number) = if ours.kind == "counter" { (1e-9, 1e-9) } else { tolerance(name) };
        let room = share * low.abs().max(high.abs()) + number;
        if !(low - room..=high + room).contains(value) {
            return Some(format!("{{{labels}}} is {value}, and {low} to {high} there"));
        }
    }
    let missing = before.series.keys().filter(|labels| after.series.contains_key(*labels));
    let mut missing = missing.filter(|labels| !ours.series.contains_key(*labels));
    missing.next().map(|labels| format!("there is no {{{labels}}}"))
}

#[test]
fn a_value_outside_or_a_series_too_much_or_too_few_is_a_fault() {
    let family = |kind: &str, series: &[(&str, f64)]| Family {
        kind: kind.to_owned(),
        series: series.iter().map(|(labels, value)| ((*labels).to_owned(), *value)).collect(),
    };
    let (before, after) = (family("counter", &[("a", 1.0)]), family("counter", &[("a", 2.0)]));
    let check = |ours: &[(&str, f64)]| fault("x", [&before, &family("counter", ours), &after]);
    assert_eq!(check(&[("a", 1.5)]), None);
    assert!(check(&[("a", 2.1)]).unwrap().contains("is 2.1, and 1 to 2 there"));
    assert!(check(&[("a", 1.5), ("b", 0.0)]).unwrap().contains("has no {b}"));
    assert!(check(&[]).unwrap().contains("there is no {a}"));
}
