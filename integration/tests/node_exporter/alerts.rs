//! The alerts: they are valid, fire and resolve, and ask for what the schema makes.

use integration::{has_counterparts, promtool, root};

use crate::{made, type_of};

fn path(end: &str) -> String {
    root().join(format!("integration/alerts/node_exporter.{end}.yml")).display().to_string()
}

#[tokio::test]
async fn alerts_fire_and_resolve() {
    if !has_counterparts() {
        return;
    }
    for arguments in [["check", "rules", &path("rules")], ["test", "rules", &path("test")]] {
        let (code, said) = promtool(&arguments, None).await;
        assert_eq!(code, Some(0), "{arguments:?}: {said}");
    }
}

#[test]
fn every_alert_is_tested_and_asks_for_what_the_schema_makes() {
    let rules = std::fs::read_to_string(path("rules")).unwrap();
    let tests = std::fs::read_to_string(path("test")).unwrap();
    let alerts: Vec<_> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() > 20, "{alerts:?}");
    for alert in alerts {
        // Before it fires, while it does, and after.
        assert_eq!(tests.matches(&format!("alertname: {alert}\n")).count(), 1, "{alert}");
        assert_eq!(tests.matches(&format!("alertname: {alert}, exp_alerts: []")).count(), 2, "{alert}");
    }
    let made = made();
    let words = rules.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    let names: Vec<_> = words.filter(|word| word.starts_with("node_") && *word != "node_exporter").collect();
    assert!(names.len() > 30, "{names:?}");
    for name in names {
        assert!(type_of(&made, name).is_some(), "nothing makes {name}");
    }
}
