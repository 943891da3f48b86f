//! Every family of both, name by name: the same type, the same series, values between two that node_exporter says.

use std::collections::{BTreeMap, BTreeSet};

use integration::has_counterparts;

use crate::beside::{Beside, Round};
use crate::differences::{
    LABELS, NOT_MADE, ONLY_OURS, ONLY_THEIRS, OTHERWISE, SERIES, ZEROS, is_of, reason, tolerance,
};
use crate::page::Family;
use crate::{made, report, type_of};

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
    /// What the schema makes: of this, all must be there that node_exporter has.
    made: BTreeMap<String, String>,
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
    let mut found = Found::new();
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
    pub(crate) fn new() -> Self {
        Self { made: made(), ..Self::default() }
    }

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
                (_, None) => {
                    let theirs = before.or(after);
                    match self.why_only_theirs(&name, theirs) {
                        Some(reason) => _ = self.only_theirs.insert(name, reason),
                        None => _ = self.faults.insert(name, String::from("only node_exporter has it")),
                    }
                }
            }
        }
    }

    /// Why a family need not be here; which others there are depends on the machine and on node_exporter's version.
    fn why_only_theirs(&self, name: &str, theirs: Option<&Family>) -> Option<&'static str> {
        let is_nothing = || theirs.is_some_and(|family| family.series.values().all(|value| *value == 0.0));
        let nothing = || reason(ZEROS, name).filter(|_| is_nothing());
        let not_made = || type_of(&self.made, name).is_none().then_some(NOT_MADE);
        reason(ONLY_THEIRS, name).or_else(nothing).or_else(not_made)
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
        let (share, number) = match ours.kind.as_str() {
            "counter" if may_fall(name, labels) => (1e-9, 3.0),
            "counter" => (1e-9, 1e-9),
            _ => tolerance(name),
        };
        let room = share * low.abs().max(high.abs()) + number;
        if !(low - room..=high + room).contains(value) {
            return Some(format!("{{{labels}}} is {value}, and {low} to {high} there"));
        }
    }
    let may_lack = |value: f64| value == 0.0 && reason(ZEROS, name).is_some();
    let told = before.series.iter().filter(|(_, value)| !may_lack(**value)).map(|(labels, _)| labels);
    let missing = told.filter(|labels| after.series.contains_key(*labels));
    let mut missing = missing.filter(|labels| !ours.series.contains_key(*labels));
    missing.next().map(|labels| format!("there is no {{{labels}}}"))
}

/// The kernel estimates these anew at each reading, and takes some of it back; each holds to the highest it has read.
fn may_fall(name: &str, labels: &str) -> bool {
    let modes = ["mode=\"idle\"", "mode=\"iowait\""];
    name == "node_cpu_seconds_total" && modes.iter().any(|mode| labels.contains(mode))
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

#[test]
fn what_may_be_left_out_is_what_is_nothing_and_what_the_schema_does_not_make() {
    let family = |value: f64| {
        let series = BTreeMap::from([(String::from("a"), 1.0), (String::from("b"), value)]);
        Family { kind: String::from("counter"), series }
    };
    let ours = Family { kind: String::from("counter"), series: BTreeMap::from([(String::from("a"), 1.0)]) };
    let check = |name: &str, value: f64| fault(name, [&family(value), &ours, &family(value)]);
    assert_eq!(check("node_interrupts_total", 0.0), None);
    assert!(check("node_interrupts_total", 1.0).unwrap().contains("there is no {b}"));
    assert!(check("node_filesystem_readonly", 0.0).unwrap().contains("there is no {b}"));

    let made = ["node_filesystem_files", "node_load1"].map(|name| (name.to_owned(), String::from("gauge")));
    let found = Found { made: BTreeMap::from(made), ..Found::default() };
    let nothing = Family { kind: String::new(), series: BTreeMap::from([(String::new(), 0.0)]) };
    assert_eq!(found.why_only_theirs("node_of_a_later_version", Some(&nothing)), Some(NOT_MADE));
    assert_eq!(found.why_only_theirs("node_load1", Some(&nothing)), None);
    assert!(found.why_only_theirs("node_filesystem_files", Some(&nothing)).is_some());
    assert_eq!(found.why_only_theirs("node_filesystem_files", Some(&family(1.0))), None);
}
