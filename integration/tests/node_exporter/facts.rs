//! What is known of node_exporter's metrics, in `integration/conformance/node_exporter.yaml`, and what the schema makes.

use std::collections::{BTreeMap, BTreeSet};

use integration::root;
use serde::Deserialize;

use crate::page::Page;
use crate::{made, type_of};

#[derive(Debug, Deserialize)]
struct Facts {
    metrics: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fact {
    pub(crate) name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    labels: BTreeSet<String>,
    /// What reads it in node_exporter.
    #[serde(rename = "collector")]
    _collector: String,
    /// The usual dashboard asks for it.
    #[serde(default, rename = "dashboard")]
    pub(crate) is_asked: bool,
    /// Why it is not made.
    pub(crate) absent: Option<String>,
}

pub(crate) fn facts() -> Vec<Fact> {
    let path = root().join("integration/conformance/node_exporter.yaml");
    let facts: Facts = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    facts.metrics
}

/// Those that are not made, with the reason.
pub(crate) fn absent() -> BTreeMap<String, String> {
    facts().into_iter().filter_map(|fact| Some((fact.name, fact.absent?))).collect()
}

pub(crate) fn wanted() -> Vec<String> {
    facts().into_iter().map(|fact| fact.name).collect()
}

/// Labels that series of our page have beyond those that are known, and metrics of another type.
pub(crate) fn faults(page: &Page) -> Vec<String> {
    let mut faults = Vec::new();
    for fact in facts() {
        let Some(family) = page.0.get(&fact.name) else { continue };
        if family.kind != fact.kind {
            faults.push(format!("{} is a {}, not a {}", fact.name, fact.kind, family.kind));
        }
        for labels in family.series.keys() {
            let names = labels.split("\",").filter_map(|label| Some(label.split_once('=')?.0));
            let unknown = names.filter(|name| !fact.labels.contains(*name));
            // What the firmware tells is more than is written down.
            let unknown: Vec<_> = unknown.filter(|_| fact.name != "node_dmi_info").collect();
            if !unknown.is_empty() {
                faults.push(format!("{} has {unknown:?}: {labels}", fact.name));
            }
        }
    }
    faults
}

#[test]
fn the_schema_makes_what_is_known_and_says_why_not() {
    let made = made();
    let facts = facts();
    assert!(facts.len() > 300, "{}", facts.len());
    for fact in facts {
        let found = type_of(&made, &fact.name);
        match (&fact.absent, found) {
            (Some(_), Some(_)) => panic!("{} is said to be absent, and is made", fact.name),
            (Some(_), None) => {}
            (None, None) => panic!("nothing makes {}", fact.name),
            (None, Some(kind)) => assert_eq!(kind, fact.kind, "{}", fact.name),
        }
    }
}

#[test]
fn a_name_belongs_to_the_pattern_that_has_it() {
    let made = BTreeMap::from([
        (String::from("node_a_${1}_total"), String::from("counter")),
        (String::from("node_a_${1}"), String::from("gauge")),
        (String::from("node_n_${1}_${2}"), String::from("untyped")),
    ]);
    for (name, expected) in [
        ("node_a_x_y_total", Some("counter")),
        ("node_a_x", Some("gauge")),
        ("node_a_", None),
        ("node_n_Tcp_InSegs", Some("untyped")),
        ("node_n_Tcp", None),
        ("node_b_x", None),
    ] {
        assert_eq!(type_of(&made, name), expected, "{name}");
    }
}
