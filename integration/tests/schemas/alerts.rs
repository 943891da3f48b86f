//! The alerts of the documents: they are valid, fire and resolve, and ask for what the schemas make.

use std::process::Command;

use integration::{has_counterparts, root};

use crate::SCHEMAS;
use crate::dashboards::{check_names, metrics};

fn path(schema: &str, end: &str) -> String {
    root().join(format!("integration/alerts/{schema}.{end}.yml")).display().to_string()
}

#[track_caller]
fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{arguments:?}: {said}");
}

#[test]
fn alerts_fire_and_resolve() {
    if !has_counterparts() {
        return;
    }
    for schema in SCHEMAS {
        promtool(&["check", "rules", &path(schema, "rules")]);
        promtool(&["test", "rules", &path(schema, "test")]);
    }
}

#[test]
fn alerts_ask_for_what_the_schema_makes() {
    for schema in SCHEMAS {
        let text = std::fs::read_to_string(path(schema, "rules")).unwrap();
        let known = metrics(schema);
        assert_eq!(text.matches("- alert: ").count(), text.matches("expr:").count());
        let asked = check_names(schema, &text, &known);
        assert!(asked >= text.matches("- alert: ").count() - 1, "{schema}: only {asked} names were found");
    }
}
