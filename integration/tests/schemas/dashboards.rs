//! The dashboards: every expression is PromQL, and asks for what the schema makes.

use std::collections::BTreeSet;
use std::process::Command;

use integration::{binary, has_counterparts, root};
use serde_json::Value;

use crate::SCHEMAS;

/// The metrics of a schema that are shown, by their lines in `inferometer schemas`.
pub(crate) fn metrics(schema: &str) -> BTreeSet<String> {
    let output = Command::new(binary()).args(["schemas", schema]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text.lines().filter_map(|line| line.split_whitespace().next());
    let is_name =
        |name: &&str| name.contains('_') && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    names.filter(is_name).map(str::to_owned).collect()
}

/// Checks every name that begins as the schema's do, and counts them.
#[track_caller]
pub(crate) fn check_names(schema: &str, text: &str, known: &BTreeSet<String>) -> usize {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.split(|c| !is_part(c)).filter(|name| name.starts_with(&format!("{schema}_")));
    let mut count = 0;
    for name in names {
        let ends = ["", "_bucket", "_sum", "_count"];
        let is_known = ends.iter().any(|end| name.strip_suffix(end).is_some_and(|base| known.contains(base)));
        assert!(is_known, "{schema}: nothing makes {name}");
        count += 1;
    }
    count
}

fn dashboard(schema: &str) -> Value {
    let path = root().join(format!("integration/dashboards/{schema}.json"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn expressions(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_expression_asks_for_what_the_schema_makes() {
    for schema in SCHEMAS {
        let known = metrics(schema);
        assert!(known.len() > 10, "{schema}: {known:?}");
        for expression in expressions(&dashboard(schema)) {
            let asked = check_names(schema, &expression, &known);
            let is_of_process = expression.contains("process_") || expression.starts_with("up{");
            assert!(asked > 0 || is_of_process, "{schema}: {expression}");
        }
    }
}

#[test]
fn every_documented_panel_is_there() {
    let documented = [
        ("offgrid", "rate(offgrid_requests_total[5m])"),
        ("offgrid", "histogram_quantile(0.95, rate(offgrid_request_duration_seconds_bucket[5m]))"),
        ("offgrid", "rate(offgrid_tokens_output_total[5m])"),
        ("offgrid", "offgrid_active_sessions"),
        ("offgrid", "offgrid_memory_usage_bytes"),
        ("offgrid", "offgrid_model_loaded"),
        ("ai_cluster", "rate(ai_cluster_http_requests_total[5m])"),
        ("ai_cluster", "rate(ai_cluster_tokens_generated_total[5m])"),
    ];
    for (schema, expression) in documented {
        assert!(
            expressions(&dashboard(schema)).iter().any(|own| own == expression),
            "{schema}: {expression}"
        );
    }
}

#[test]
fn every_expression_can_be_parsed() {
    if !has_counterparts() {
        return;
    }
    let rules: Vec<_> = SCHEMAS.iter().flat_map(|schema| expressions(&dashboard(schema))).collect();
    let rules: Vec<_> = rules
        .iter()
        .enumerate()
        .map(|(at, expression)| serde_json::json!({"record": format!("x{at}"), "expr": expression}))
        .collect();
    let groups = serde_json::json!({"groups": [{"name": "dashboards", "rules": rules}]});
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), groups.to_string()).unwrap();
    let output = Command::new("promtool").args(["check", "rules"]).arg(file.path()).output().unwrap();
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success(), "{said}");
}

#[test]
fn dashboards_can_be_imported_anywhere() {
    for schema in SCHEMAS {
        let dashboard = dashboard(schema);
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{schema}: an id is there twice");
            let sources = panel["targets"].as_array().unwrap().iter().chain([panel]);
            for source in sources {
                assert_eq!(source["datasource"]["uid"], "${datasource}", "{schema}: {}", panel["title"]);
            }
        }
        assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    }
}
