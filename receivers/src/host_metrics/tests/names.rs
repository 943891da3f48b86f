//! Every metric has its line in the documentation, and its name is one of the conventions.

use pipeline::mapping::catalogue::catalogue;

use super::super::scrapers;
use crate::recorder::{Definition, UP_DOWN};

const PAGE: &str = include_str!("../../../../docs/receivers/host_metrics.md");
const CONVENTIONS: &str = include_str!("../../../../config/conventions.yaml");

fn kind(definition: &Definition) -> &'static str {
    match definition.kind {
        pipeline::Kind::COUNTER => "counter",
        UP_DOWN => "up and down",
        _ => "gauge",
    }
}

/// Metrics that stand for a table: their series have names that begin with theirs.
fn is_table(definition: &Definition) -> bool {
    CONVENTIONS.contains(&format!("`{}.", definition.name))
}

#[test]
fn every_metric_is_one_of_the_conventions_or_a_table_of_the_kernel() {
    for (scraper, definitions) in scrapers::all() {
        for definition in definitions {
            let name = definition.name;
            let Some(known) = catalogue().metrics.get(name) else {
                assert!(is_table(definition), "`{name}` of {scraper} is not in conventions.yaml");
                continue;
            };
            assert_eq!(known.unit, definition.unit, "unit of `{name}` of {scraper}");
        }
    }
}

#[test]
fn the_page_has_every_metric() {
    let mut tables = String::new();
    for (scraper, definitions) in scrapers::all() {
        let heading = format!("### `{scraper}`\n\n");
        tables += &heading;
        tables += "| metric | unit | kind | on | what |\n|---|---|---|---|---|\n";
        for definition in definitions {
            let Definition { name, alias, unit, is_default, description, .. } = definition;
            let also = if alias.is_empty() { String::new() } else { format!(" (`{alias}`)") };
            let rest = if is_table(definition) { ".*" } else { "" };
            let (kind, on) = (kind(definition), if *is_default { "yes" } else { "no" });
            // What the conventions say of hardware is mostly of GPUs.
            let is_ours = !name.starts_with("hw.");
            let known = catalogue().metrics.get(name).filter(|_| is_ours);
            let about = known.map_or(*description, |known| known.about.as_str());
            let line = format!("| `{name}{rest}`{also} | `{unit}` | {kind} | {on} | {about} |\n");
            tables += &line;
        }
        tables.push('\n');
    }
    assert!(PAGE.contains(&tables), "docs/receivers/host_metrics.md should have\n{tables}END OF TABLES");
}
