use std::fs;
use std::path::PathBuf;

use super::*;

fn outside(path: &str) -> Option<PathBuf> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/fixtures").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

#[track_caller]
fn check(text: &str, format: Format, expected: Option<&str>) {
    let found = validate(text.as_bytes(), format).err().map(|errors| errors[0].to_string());
    match (found, expected) {
        (None, None) => {}
        (Some(found), Some(expected)) => assert!(found.contains(expected), "{text:?}: {found}"),
        (found, expected) => panic!("{text:?}: expected {expected:?}, got {found:?}"),
    }
}

#[test]
fn every_openmetrics_case_behaves_as_it_says() {
    let Some(root) = outside("openmetrics") else { return };
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (folder, is_valid) in [("valid", true), ("invalid", false)] {
        for case in fs::read_dir(root.join(folder)).unwrap() {
            let case = case.unwrap().path();
            let body = fs::read(case.join("metrics")).unwrap();
            let result = validate(&body, Format::OpenMetrics);
            seen += 1;
            if result.is_ok() != is_valid {
                wrong.push(format!("{}: {result:?}", case.display()));
            }
        }
    }
    assert!(seen >= 100, "{seen}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn openmetrics_families_are_whole() {
    let om = Format::OpenMetrics;
    check("# EOF\n", om, None);
    check("# EOF", om, None);
    check("a 1\n", om, Some("# EOF"));
    check("# EOF\n\n", om, Some("behind `# EOF`"));
    check("# TYPE a untyped\n# EOF\n", om, Some("no metric type"));
    check("# TYPE a gauge\na 1\n# TYPE b gauge\nb 1\na 2\n# EOF\n", om, Some("stand together"));
    check("# TYPE a counter\n# TYPE a_total gauge\n# EOF\n", om, Some("share a sample name"));
    check("# TYPE a counter\na_total 1\na_total 2\n# EOF\n", om, Some("two samples"));
    check("# TYPE a counter\na_total -1\n# EOF\n", om, Some("negative"));
    check("# TYPE a stateset\na 1\n# EOF\n", om, Some("label of its family"));
    check("# TYPE a histogram\na_bucket{le=\"+Inf\"} 1.5\n# EOF\n", om, Some("integer"));
    check(
        "# TYPE a histogram\na_bucket{le=\"+Inf\"} 2\na_count 3\na_sum 1\n# EOF\n",
        om,
        Some("not the count"),
    );
    check("# TYPE a_seconds gauge\n# UNIT a_seconds seconds\n# EOF\n", om, None);
    check("# TYPE a_seconds gauge\n# UNIT a_seconds s\n# EOF\n", om, Some("end in the unit"));
    check("{\"a.b\",c=\"d\"} 1\n# EOF\n", om, None);
}

#[test]
fn the_text_format_has_few_rules() {
    let text = Format::Text;
    check("", text, None);
    check("a 1", text, Some("line feed"));
    check("a 1\n", text, None);
    check("# HELP a x\n# HELP a x\na 1\n", text, Some("more than one HELP"));
    check("a 1\n# TYPE a gauge\n", text, Some("after the first sample"));
    check("a{b=\"\\q\"} 1\n", text, Some("escapes"));
    check("a 1\na 1\n", text, Some("two samples"));
    check("# TYPE a info\na 1\n", text, Some("no metric type"));
    check("a 1\r\n", text, Some("carriage return"));
}

#[test]
fn the_recorded_expositions_of_runners_are_valid_or_say_why() {
    let Some(root) = outside("edge") else { return };
    let body = fs::read(root.join("openmetrics-full.om")).unwrap();
    assert_eq!(validate(&body, Format::OpenMetrics).map(|summary| summary.samples), Ok(24));
    let body = fs::read(root.join("text-utf8-names.prom")).unwrap();
    assert_eq!(validate(&body, Format::Text).map(|summary| summary.samples), Ok(9));
    let body = fs::read(root.join("text-legal-nasty.prom")).unwrap();
    assert_eq!(validate(&body, Format::Text).map(|summary| summary.samples), Ok(78));
}
