//! Schemas at the command line: mapping what was recorded, serving them, asking what feeds them.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use integration::{Collector, Target, binary, find_sample, get, wait_until};
use tempfile::TempDir;

const MINE: &str = "mapping: mine
kind: schema
about: What the tests make.
parameters:
  site: {about: Where it is., default: lab}
inputs:
  requests: {type: counter, unit: '{request}', about: Requests.}
  errors: {type: counter, unit: '{request}', about: Errors.}
labels:
  site: {parameter: site}
rules:
- metric: mine_requests_total
  type: counter
  unit: '{request}'
  help: Requests by model.
  from: {metric: requests, unit: '{request}'}
  combine: sum
  labels: {model: model_name}
- metric: mine_errors_total
  type: counter
  unit: '{request}'
  help: Errors.
  from: {metric: errors, unit: '{request}'}
  combine: sum
  labels: {}
- metric: mine_info
  type: gauge
  unit: '{x}'
  help: That it is there.
  constant: 1
facade: {port: 1}
endpoints:
- {path: /metrics}
";

const RECORDED: &str = "# TYPE requests_total counter\nrequests_total{model_name=\"m\"} 3\n";

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn run_in(folder: &Path, arguments: &[&str], input: &str) -> (Output, String) {
    let mut child = Command::new(binary())
        .args(arguments)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    (output, text)
}

#[track_caller]
fn check(arguments: &[&str], input: &str, code: i32, expected: &[&str]) -> String {
    let folder = folder(&[
        ("mine.yaml", MINE),
        ("a.prom", RECORDED),
        ("b.prom", RECORDED),
        ("bad.prom", "a 1\nb{ 2\n"),
    ]);
    let (output, text) = run_in(folder.path(), arguments, input);
    assert_eq!(output.status.code(), Some(code), "{text}");
    for part in expected {
        assert!(text.contains(part), "no `{part}` in:\n{text}");
    }
    text
}

const TOTAL: &str = "mine_requests_total{model=\"m\",site=\"lab\"} 3\n";

#[test]
fn what_was_recorded_is_mapped_from_files_and_standard_input() {
    let expected = [TOTAL, "# HELP mine_requests_total Requests by model.\n", "mine_info{site=\"lab\"} 1\n"];
    check(&["map", "--schema", "./mine.yaml", "a.prom"], "", 0, &expected);
    check(&["map", "--schema", "./mine.yaml"], RECORDED, 0, &expected);
    check(&["map", "--schema", "./mine.yaml", "-"], RECORDED, 0, &expected);
    let set = ["map", "--schema", "./mine.yaml", "--parameter", "site=x", "a.prom"];
    check(&set, "", 0, &["mine_requests_total{model=\"m\",site=\"x\"} 3\n"]);
}

#[test]
fn each_file_is_a_target_of_its_own() {
    let page = check(&["map", "--dialect", "none", "a.prom", "b.prom"], "", 0, &[]);
    for file in ["a.prom", "b.prom"] {
        let sample = find_sample(&page, "requests_total", &[&format!("instance=\"{file}\"")]);
        assert_eq!(sample, Some(3.0), "{page}");
    }
    let both = ["map", "--schema", "./mine.yaml", "a.prom", "b.prom"];
    check(&both, "", 0, &["mine_requests_total{model=\"m\",site=\"lab\"} 6\n"]);
    let resource = ["map", "--resource", "service.instance.id=x", "--output", "notation", "a.prom"];
    check(&resource, "", 0, &["service.instance.id=\"x\""]);
}

#[test]
fn what_is_printed_as_otlp_can_be_mapped_again() {
    let folder = folder(&[("mine.yaml", MINE)]);
    let (output, _) = run_in(folder.path(), &["map", "--dialect", "none", "--output", "otlp-json"], RECORDED);
    let json = String::from_utf8(output.stdout).unwrap();
    assert!(json.starts_with("{\"resourceMetrics\""), "{json}");
    check(&["map", "--schema", "./mine.yaml"], &json, 0, &[TOTAL]);
    check(&["map", "--schema", "./mine.yaml", "--input", "otlp-json"], &json, 0, &[TOTAL]);
}

#[test]
fn what_cannot_be_read_is_named_with_its_line() {
    check(
        &["map", "a.prom", "bad.prom", "none.prom"],
        "",
        1,
        &["bad.prom:2: ", "none.prom: cannot read the file"],
    );
    check(&["map", "--input", "otlp-json", "a.prom"], "", 1, &["a.prom: "]);
    check(&["map", "--input", "openmetrics", "a.prom"], "", 1, &["a.prom:", "`# EOF` is missing"]);
}

#[test]
fn names_that_are_not_there_are_usage_errors() {
    check(&["map", "--schema", "ainod"], "", 2, &["did you mean `ainode`?"]);
    check(&["map", "--dialect", "vlm"], "", 2, &["did you mean `vllm`?"]);
    check(&["map", "--schema", "./mine.yaml", "--parameter", "sit=x"], "", 2, &["parameters.sit"]);
    check(&["map", "--parameter", "a=b"], "", 2, &["--schema"]);
    check(&["schemas", "ainod"], "", 2, &["did you mean `ainode`?"]);
    for command in ["run", "validate", "print-config"] {
        check(&[command, "--schema", "ainod"], "", 2, &["did you mean `ainode`?"]);
        check(&[command, "--facade"], "", 2, &["--schema"]);
    }
}

#[test]
fn a_schema_is_configuration_that_flags_and_files_change() {
    let expected =
        ["metrics/mine:", "prometheus/mine:", "path: /mine/metrics", "originals: keep", "./mine.yaml"];
    check(&["print-config", "--schema", "./mine.yaml"], "", 0, &expected);
    let set = "exporters.prometheus/mine.path=/elsewhere";
    check(&["print-config", "--schema", "./mine.yaml", "--set", set], "", 0, &["path: /elsewhere"]);
    let facade = ["print-config", "--schema", "./mine.yaml", "--facade"];
    check(&facade, "", 0, &["endpoint: 127.0.0.1:1\n", "path: /metrics\n"]);
    check(&["validate", "--schema", "./mine.yaml"], "", 0, &["configuration is valid"]);
    let bad = "processors.schema/mine.parameters.sit=x";
    check(
        &["validate", "--schema", "./mine.yaml", "--set", bad],
        "",
        2,
        &["processors.schema/mine.parameters.sit"],
    );
}

#[test]
fn every_built_in_schema_can_be_listed_and_shown() {
    let listed = check(&["schemas"], "", 0, &["ainode", "gpustack", "Metrics: "]);
    for line in listed.lines() {
        let name = line.split(' ').next().unwrap();
        check(
            &["schemas", name, "--endpoint", "http://127.0.0.1:1"],
            "",
            0,
            &[name, "What is live cannot be said"],
        );
    }
    check(
        &["schemas", "./mine.yaml"],
        "",
        0,
        &["mine_requests_total counter [{request}]", "requests", "Parameter site"],
    );
}

#[test]
fn without_a_collector_nothing_can_be_explained() {
    check(
        &["explain", "a", "--endpoint", "http://127.0.0.1:1"],
        "",
        1,
        &["cannot ask the collector", "127.0.0.1:1"],
    );
    check(&["explain", "a", "--endpoint", "nonsense"], "", 1, &["expected a URL"]);
}

fn scraping(target: &Target, debug: &str) -> String {
    format!(
        "
receivers:
  prometheus: {{config: {{scrape_configs: [{{job_name: a, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{}']}}]}}]}}}}
exporters:
  debug: {{verbosity: {debug}}}
  prometheus/mine: {{endpoint: '127.0.0.1:0'}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [prometheus], exporters: [debug]}}
",
        target.address
    )
}

async fn wait_for_page(collector: &Collector, wanted: &[&str]) {
    let has_all = || async {
        let address = collector.address("pull endpoint at http://");
        let page = get(&address, "/mine/metrics").await.text();
        wanted.iter().all(|line| page.contains(line))
    };
    wait_until(&format!("{wanted:?}"), has_all, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_served_explained_and_reloaded() {
    let target = Target::start(RECORDED).await;
    let folder = folder(&[("mine.yaml", MINE)]);
    let schema = folder.path().join("mine.yaml").display().to_string();
    let mut collector = Collector::spawn(&scraping(&target, "basic"), &["--schema", &schema]);
    collector.wait_for_log("INFO ready").await;
    wait_for_page(&collector, &[TOTAL, "mine_info{site=\"lab\"} 1\n"]).await;

    let endpoint = format!("http://{}", collector.address("own metrics at http://"));
    let ask = |arguments: &[&str]| {
        let (output, text) = run_in(folder.path(), &[arguments, &["--endpoint", &endpoint]].concat(), "");
        (output.status.code(), text)
    };
    let (code, text) = ask(&["explain", "mine_requests_total"]);
    assert!(code == Some(0) && text.contains("processor schema/mine): 1 series"), "{text}");
    assert!(text.contains("requests") && text.contains("model_name=\"m\""), "{text}");
    let (code, text) = ask(&["explain", "mine_errors_total"]);
    assert!(code == Some(0) && text.contains("is missing"), "{text}");
    let (code, text) = ask(&["explain", "mine_request_total"]);
    assert!(code == Some(1) && text.contains("did you mean `mine_requests_total`?"), "{text}");
    let (code, text) = ask(&["schemas", "./mine.yaml"]);
    assert!(code == Some(0) && text.contains("mine_requests_total counter [{request}]: 1 series"), "{text}");
    let (code, text) = ask(&["schemas", "ainode"]);
    assert!(code == Some(0) && text.contains("start it with `--schema ainode`"), "{text}");

    collector.reload(&scraping(&target, "normal")).await;
    collector.wait_for_log("INFO reloaded").await;
    wait_for_page(&collector, &[TOTAL, "mine_info{site=\"lab\"} 1\n"]).await;
    assert!(collector.stop().await.success(), "{}", collector.log());
}
