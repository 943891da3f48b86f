//! The alerts on delivery: they are valid, fire and resolve, and name what is there; so do all pages.

use std::path::{Path, PathBuf};

use integration::{has_counterparts, promtool, root};

fn rules() -> PathBuf {
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

/// All files of these kinds in a folder and below it.
fn files(folder: &Path, kinds: &[&str]) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let below = entries.flat_map(|path| if path.is_dir() { files(&path, kinds) } else { vec![path] });
    below
        .filter(|path| path.extension().is_some_and(|kind| kinds.iter().any(|wanted| kind == *wanted)))
        .collect()
}

/// What is in quotes in the sources of the collector.
fn sources() -> String {
    let crates = ["src", "pipeline/src", "receivers/src", "exporters/src"];
    let paths = crates.iter().flat_map(|folder| files(&root().join(folder), &["rs"]));
    paths.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

#[test]
fn log_lines_that_runbooks_name_are_logged() {
    let sources = sources();
    let mut seen = 0;
    for path in files(&root().join("integration/alerts"), &["yml"]) {
        let text = std::fs::read_to_string(&path).unwrap();
        for sentence in text.split(['.', '\n']).filter(|sentence| sentence.contains("log line")) {
            for line in sentence.split('`').skip(1).step_by(2) {
                seen += 1;
                assert!(sources.contains(&format!("\"{line}")), "{}: nobody logs `{line}`", path.display());
            }
        }
    }
    assert!(seen >= 3, "{seen}");
}

#[test]
fn metrics_that_pages_and_rules_name_are_counted() {
    let sources = sources();
    // The page of the pull endpoint is counted by names that begin alike.
    let is_counted = |name: &str| {
        let begins = |(at, _)| sources.contains(&format!("\"{}_{{name}}\"", &name[..at]));
        sources.contains(&format!("\"{name}\"")) || name.match_indices('_').any(begins)
    };
    for folder in ["docs", "integration/alerts"] {
        for path in files(&root().join(folder), &["md", "yml"]) {
            let text = std::fs::read_to_string(&path).unwrap();
            let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            let names = words.filter(|word| word.starts_with("otelcol_") || word.starts_with("inferometer_"));
            for name in names.filter(|name| !name.ends_with('_')) {
                assert!(is_counted(name), "{} names {name}, which is nowhere", path.display());
            }
        }
    }
}
