//! The alerts on delivery: they are valid, fire and resolve, and ask for metrics that are documented.

use integration::{has_counterparts, promtool, root};

fn rules() -> std::path::PathBuf {
    root().join("integration/alerts/delivery.rules.yml")
}

#[tokio::test]
async fn alerts_fire_and_resolve() {
    if !has_counterparts() {
        return;
    }
    let test = root().join("integration/alerts/delivery.test.yml");
    for arguments in
        [["check", "rules", &*rules().to_string_lossy()], ["test", "rules", &*test.to_string_lossy()]]
    {
        let (code, said) = promtool(&arguments, None).await;
        assert_eq!(code, Some(0), "{said}");
    }
}

#[test]
fn alerts_ask_for_what_is_documented() {
    let page = std::fs::read_to_string(root().join("docs/telemetry.md")).unwrap();
    let text = std::fs::read_to_string(rules()).unwrap();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names: Vec<&str> =
        words.filter(|word| word.starts_with("otelcol_") || word.starts_with("inferometer_")).collect();
    assert!(names.len() >= text.matches("- alert: ").count(), "{names:?}");
    for name in names {
        assert!(page.contains(&format!("`{name}`")), "docs/telemetry.md does not name {name}");
    }
}
