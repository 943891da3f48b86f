//! The page of the documentation has every group and metric that there is.

use super::*;
use crate::nvml::groups::GROUPS;

/// The table as it ought to be.
fn table() -> String {
    let mut table = "| group | each | metrics | |\n|---|---|---|---|\n".to_owned();
    for group in GROUPS {
        let metric = |metric: &crate::recorder::Definition| {
            if metric.is_default { format!("`{}`", metric.name) } else { format!("*`{}`*", metric.name) }
        };
        let metrics: Vec<_> = group.metrics.iter().map(metric).collect();
        let name = if group.is_default { format!("`{}`", group.name) } else { format!("*`{}`*", group.name) };
        let each = match group.interval.as_secs() {
            0 => String::new(),
            seconds => format!("{seconds} s"),
        };
        writeln!(table, "| {name} | {each} | {} | {} |", metrics.join(", "), group.about).unwrap();
    }
    table
}

#[test]
fn the_page_has_every_group_and_metric() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/receivers/nvml.md");
    let page = fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("<!-- groups -->\n").unwrap();
    let (written, _) = rest.split_once("<!-- /groups -->").unwrap();
    let table = table();
    assert!(written == table, "{path} ought to have:\n{table}");
    for definition in states::STATES.iter().chain(rounds::DURATION) {
        assert!(page.contains(&format!("`{}`", definition.name)), "{}", definition.name);
    }
}
