//! What is true of the list of groups, and `docs/receivers/nvml-metrics.md`, which is written from it.
//!
//! When a group changes, `INFEROMETER_UPDATE=1 cargo test -p inferometer-receivers nvml` writes the page anew.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use pipeline::Kind;

use super::super::*;

const CONVENTIONS: &str = include_str!("../../../../../config/conventions.yaml");

const INTRODUCTION: &str = "# What the receiver `nvml` reads

The groups of the receiver [`nvml`](nvml.md), and their metrics; this page is written from the code. Names, units and
attributes are those of the [conventions](../../config/conventions.yaml). What a board does not support is absent.

Each point has what tells the board from others, on an instance of MIG what tells it and its board. The metrics in
*italics* are off unless `groups.GROUP.metrics.METRIC.enabled` is `true`.

| group | read of | how often | |
|---|---|---|---|
";

#[test]
fn the_page_says_what_is_read() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/receivers/nvml-metrics.md");
    let rows: String = GROUPS.iter().map(row).collect();
    let sections: String = GROUPS.iter().map(section).collect();
    let page = INTRODUCTION.to_owned() + &rows + &sections;
    if std::env::var_os("INFEROMETER_UPDATE").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page,
        "docs/receivers/nvml-metrics.md is out of date; the top of this file says how to write it"
    );
}

fn row(group: &Group) -> String {
    let of = match group.of {
        Of::Boards => "boards",
        Of::Instances => "instances",
        Of::Both => "boards, instances",
    };
    let interval = match group.interval.as_secs() {
        0 => "`collection_interval`".to_owned(),
        seconds => format!("`{seconds}s`"),
    };
    let off = if group.is_default { "" } else { " Off unless it is switched on." };
    format!("| [`{0}`](#{0}) | {of} | {interval} | {1}{off} |\n", group.name, group.about)
}

fn section(group: &Group) -> String {
    let mut section = format!("\n## {}\n\n| metric | | unit | |\n|---|---|---|---|\n", group.name);
    for metric in group.metrics {
        let mark = if metric.is_default { "" } else { "*" };
        let (name, unit) = (metric.name, metric.unit);
        let kind = kind(metric);
        let _ = writeln!(section, "| {mark}`{name}`{mark} | {kind} | `{unit}` | {} |", metric.description);
    }
    section
}

fn kind(metric: &Definition) -> &'static str {
    match metric.kind {
        Kind::Gauge => "gauge",
        Kind::Sum { is_monotonic: true, .. } => "counter",
        _ => "up and down",
    }
}

#[test]
fn metrics_are_as_the_conventions_say() {
    for metric in GROUPS.iter().flat_map(|group| group.metrics) {
        let start = format!("  {}: {{", metric.name);
        let line = CONVENTIONS.lines().find(|line| line.starts_with(&start));
        let line = line.unwrap_or_else(|| panic!("{} has no convention", metric.name)).replace('"', "");
        let kind = if kind(metric) == "up and down" { "updown" } else { kind(metric) };
        let typed = format!("type: {kind}, unit: {}, ", metric.unit);
        assert!(line.contains(&typed), "{}: `{typed}` is not in `{line}`", metric.name);
        let about = format!("about: {}}}", metric.description.replace('"', ""));
        assert!(line.ends_with(&about), "{}: `{about}` is not in `{line}`", metric.name);
    }
}

#[test]
fn groups_are_told_apart_and_their_fields_have_metrics() {
    let names: BTreeSet<_> = GROUPS.iter().map(|group| group.name).collect();
    assert_eq!(names.len(), GROUPS.len());
    for group in GROUPS {
        let metrics: BTreeSet<_> = group.metrics.iter().map(|metric| metric.name).collect();
        assert_eq!(metrics.len(), group.metrics.len(), "{}", group.name);
        for reading in group.fields {
            assert!(reading.metric < group.metrics.len(), "{}: {:?}", group.name, reading.field);
        }
    }
}
