//! Alerts and a dashboard for GPUs and their machines: they are valid, ask for what there is, and alerts fire and resolve.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::Command;

use integration::{has_counterparts, promtool, root};
use serde_json::Value;

use crate::Page;
use crate::platforms::metrics;

const FILES: [&str; 2] = ["gpus", "dcgm_exporter"];

fn path(file: &str, end: &str) -> String {
    root().join(format!("integration/alerts/{file}.{end}.yml")).display().to_string()
}

fn rules(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(path(file, "rules")).unwrap();
    let rules: Value = serde_saphyr::from_str(&text).unwrap();
    let groups = rules["groups"].as_array().unwrap().iter();
    groups.flat_map(|group| group["rules"].as_array().unwrap().clone()).collect()
}

/// What the collector's own page calls the metrics of the conventions.
fn own_names() -> BTreeSet<String> {
    let text = std::fs::read_to_string(root().join("config/conventions.yaml")).unwrap();
    let conventions: Value = serde_saphyr::from_str(&text).unwrap();
    let mut lines = String::new();
    for (name, metric) in conventions["metrics"].as_object().unwrap() {
        let (unit, value) =
            (metric["unit"].as_str().unwrap(), "dataPoints\":[{\"asInt\":\"1\",\"timeUnixNano\":\"1\"}]");
        let sum = |is_monotonic| {
            format!("\"sum\":{{\"aggregationTemporality\":2,\"isMonotonic\":{is_monotonic},\"{value}}}")
        };
        let data = match metric["type"].as_str().unwrap() {
            "counter" => sum(true),
            "updown" => sum(false),
            "gauge" => format!("\"gauge\":{{\"{value}}}"),
            _ => continue,
        };
        write!(lines, "{{\"name\":\"{name}\",\"unit\":\"{unit}\",{data}}},").unwrap();
    }
    let lines = lines.trim_end_matches(',');
    let file = tempfile::NamedTempFile::with_suffix(".json").unwrap();
    std::fs::write(
        file.path(),
        format!("{{\"resourceMetrics\":[{{\"scopeMetrics\":[{{\"metrics\":[{lines}]}}]}}]}}"),
    )
    .unwrap();
    let output = Command::new(integration::binary()).arg("map").arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Page(String::from_utf8(output.stdout).unwrap()).families()
}

/// The words of an expression that are names of metrics.
fn names(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut names = BTreeSet::new();
    // Labels stand in brackets of either kind.
    let outside = regions(expression);
    for word in outside.split(|c| !is_part(c)) {
        let begins = ["hw_", "nvidia_", "gen_ai_", "system_", "DCGM_"];
        if begins.iter().any(|beginning| word.starts_with(beginning)) {
            names.insert(word.to_owned());
        }
    }
    names
}

/// The expression without matchers and lists of labels.
fn regions(expression: &str) -> String {
    let mut text = String::new();
    let mut rest = expression;
    let lists = ["by (", "on (", "without (", "{"];
    while let Some((at, list)) = lists.iter().filter_map(|list| Some((rest.find(list)?, list))).min() {
        text.push_str(&rest[..at]);
        text.push(' ');
        let end = if *list == "{" { '}' } else { ')' };
        rest = rest[at + list.len()..].split_once(end).unwrap().1;
    }
    text + rest
}

#[test]
fn names_are_found_outside_of_labels() {
    let names = names("max by (hw_id) (hw_power_watts{hw_type=\"gpu\"}) < on (hw_id) nvidia_x");
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["hw_power_watts", "nvidia_x"]);
}

#[test]
fn every_alert_asks_for_what_there_is_and_says_what_to_do() {
    let (own, of_dcgm) = (own_names(), metrics("dcgm_exporter").into_iter().collect::<BTreeSet<_>>());
    for file in FILES {
        let rules = rules(file);
        assert!(rules.len() > 10, "{file}: {}", rules.len());
        for rule in rules {
            let asked = names(rule["expr"].as_str().unwrap());
            assert!(!asked.is_empty(), "{rule}");
            for name in asked {
                assert!(own.contains(&name) || of_dcgm.contains(&name), "{file}: nothing is called {name}");
            }
            let runbook = rule["annotations"]["runbook"].as_str().unwrap();
            assert!(runbook.ends_with('.') && runbook.len() > 40, "{rule}");
            assert!(["critical", "warning", "info"].contains(&rule["labels"]["severity"].as_str().unwrap()));
        }
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires() {
    for file in FILES {
        let cases = std::fs::read_to_string(path(file, "test")).unwrap();
        for rule in rules(file) {
            let alert = rule["alert"].as_str().unwrap();
            assert!(cases.contains(&format!("{{alertname=\"{alert}\"}}")), "{file}: {alert}");
        }
    }
}

#[tokio::test]
async fn alerts_fire_and_resolve() {
    if !has_counterparts() {
        return;
    }
    for file in FILES {
        for arguments in [["check", "rules", &path(file, "rules")], ["test", "rules", &path(file, "test")]] {
            let (code, said) = promtool(&arguments, None).await;
            assert_eq!(code, Some(0), "{said}");
        }
    }
}

/// The expressions of the dashboard.
fn expressions() -> Vec<String> {
    let path = root().join("integration/dashboards/gpus.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "an id is there twice");
        for source in panel["targets"].as_array().unwrap().iter().chain([panel]) {
            assert_eq!(source["datasource"]["uid"], "${datasource}", "{}", panel["title"]);
            expressions.extend(source["expr"].as_str().map(str::to_owned));
        }
    }
    expressions
}

#[test]
fn every_panel_asks_for_what_there_is() {
    let own = own_names();
    let expressions = expressions();
    assert!(expressions.len() > 20, "{expressions:?}");
    for expression in expressions {
        let asked = names(&expression);
        assert!(!asked.is_empty(), "{expression}");
        for name in asked {
            assert!(own.contains(&name), "nothing is called {name}");
        }
    }
}

#[tokio::test]
async fn every_panel_can_be_parsed() {
    if !has_counterparts() {
        return;
    }
    let expressions = expressions().into_iter().enumerate();
    let rules: Vec<_> = expressions
        .map(|(at, expression)| {
            let expression = expression.replace("$__rate_interval", "1m");
            serde_json::json!({"record": format!("x{at}"), "expr": expression})
        })
        .collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    let groups = serde_json::json!({"groups": [{"name": "dashboard", "rules": rules}]});
    std::fs::write(file.path(), groups.to_string()).unwrap();
    let (code, said) = promtool(&["check", "rules", file.path().to_str().unwrap()], None).await;
    assert_eq!(code, Some(0), "{said}");
}
