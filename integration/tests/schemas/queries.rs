//! What the dashboards of the platforms ask for: metrics that are made, and data from a real Prometheus.

use std::collections::BTreeSet;
use std::path::PathBuf;

use integration::{
    Collector, Prometheus, Replay, has_counterparts, job, request, root, wait_until, with_pipeline,
};
use serde_json::Value;

use crate::platforms::{MINDIE, WORKER, metrics};
use crate::{LLAMA_CPP, SGLANG, VLLM};

const DASHBOARDS: [(&str, &str); 3] =
    [("gpustack-worker", "gpustack"), ("gpustack-model", "gpustack"), ("model_runner", "model_runner")];

fn fixture(path: &str) -> PathBuf {
    root().join("integration/fixtures").join(path)
}

/// GPUStack's own questions.
fn published() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("integration/queries/gpustack.txt")).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

fn dashboard(name: &str) -> Value {
    let text = std::fs::read_to_string(root().join(format!("integration/dashboards/{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn expressions(name: &str) -> Vec<String> {
    let dashboard = dashboard(name);
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    targets.map(|target| target["expr"].as_str().unwrap().to_owned()).collect()
}

/// The expression with everything in the place of the variables.
fn filled(expression: &str) -> String {
    let variables = ["cluster_name", "worker_name", "model_name", "model_instance_name", "backend", "model"];
    let mut filled = expression.replace("$__rate_interval", "15s");
    for name in variables {
        for operator in ["=", "=~"] {
            filled = filled.replace(&format!("{name}{operator}\"${name}\""), &format!("{name}=~\".+\""));
        }
    }
    assert!(!filled.contains('$'), "{filled}");
    filled
}

fn names(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words =
        expression.split(|c| !is_part(c)).filter(|word| word.contains(':') || word.starts_with("llama_"));
    let family = |word: &str| {
        let ends = ["_bucket", "_sum", "_count"];
        ends.iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word).to_owned()
    };
    words.map(family).collect()
}

#[test]
fn every_question_is_about_what_a_schema_makes() {
    let published = published();
    assert!(published.len() > 50, "{}", published.len());
    let asked =
        DASHBOARDS.iter().flat_map(|(name, schema)| expressions(name).into_iter().map(move |e| (*schema, e)));
    for (schema, expression) in asked.chain(published.into_iter().map(|expression| ("gpustack", expression)))
    {
        let known = metrics(schema);
        let names = names(&expression);
        assert!(!names.is_empty(), "{expression}");
        for name in names {
            // The runners' own are passed on.
            let is_passed =
                schema == "model_runner" && (name.starts_with("llamacpp:") || name.starts_with("vllm:"));
            assert!(is_passed || known.contains(&name), "{schema}: nothing makes {name}");
        }
    }
}

#[test]
fn dashboards_can_be_imported_anywhere() {
    for (name, _) in DASHBOARDS {
        let dashboard = dashboard(name);
        let mut ids = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(ids.insert(panel["id"].as_u64().unwrap()), "{name}: an id is there twice");
            for source in panel["targets"].as_array().unwrap().iter().chain([panel]) {
                assert_eq!(source["datasource"]["uid"], "${datasource}", "{name}: {}", panel["title"]);
            }
        }
        assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");
    }
}

#[tokio::test]
async fn every_question_has_an_answer() {
    if !has_counterparts() {
        return;
    }
    let mut runners = Vec::new();
    let speculating = "runners/vllm-0.33.0-spec-lora.constructed.prom";
    for path in [VLLM, speculating, SGLANG, MINDIE, LLAMA_CPP] {
        runners.push(Replay::start(&fixture(path)).await);
    }
    let jobs: Vec<_> =
        runners.iter().enumerate().map(|(at, one)| job(&format!("r{at}"), &one.address, "")).collect();
    let section = format!("{{config: {{scrape_configs: [{}]}}}}", jobs.join(", "));
    let sets = [
        "exporters.prometheus/gpustack.endpoint=127.0.0.1:0",
        "exporters.json/gpustack.endpoint=127.0.0.1:0",
        "exporters.prometheus/model_runner.endpoint=127.0.0.1:0",
        // Without the targets of `/metrics/targets` the series tell the cluster themselves.
        "processors.schema/gpustack.parameters.series_cluster_id='1'",
        "processors.schema/gpustack.parameters.series_cluster_name=default",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<_> =
        ["--schema", "gpustack", "--schema", "model_runner"].into_iter().chain(sets).collect();
    let collector = Collector::spawn(&with_pipeline(&[("prometheus", &section)], &[]), &arguments);
    collector.wait_for_log("INFO ready").await;

    let log = collector.log();
    let address = |path: &str| {
        let line = log.lines().find(|line| line.contains("pull endpoint at") && line.contains(path)).unwrap();
        line.split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned()
    };
    let jobs = ["gpustack", "model_runner"].map(|schema| {
        let path = format!("/{schema}/metrics");
        let targets = format!("static_configs: [{{targets: ['{}']}}]", address(&path));
        format!("{{job_name: {schema}, metrics_path: {path}, {targets}}}")
    });
    let config = format!("global: {{scrape_interval: 1s}}\nscrape_configs: [{}]\n", jobs.join(", "));
    let prometheus = Prometheus::start(&config);

    let worker = std::fs::read(fixture(WORKER)).unwrap();
    let http = collector.address("HTTP on http://");
    let pushed =
        request(&http, "POST /v1/metrics HTTP/1.1", &["Content-Type: application/json"], &worker).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());

    let asked = DASHBOARDS.iter().flat_map(|(name, _)| expressions(name)).chain(published());
    let mut open: BTreeSet<String> = asked.map(|expression| filled(&expression)).collect();
    let all = open.len();
    let open = tokio::sync::Mutex::new(&mut open);
    let answered = || async {
        let mut open = open.lock().await;
        for expression in open.clone() {
            let values = prometheus.values(&expression).await;
            if values.iter().any(|(_, value)| value.is_finite()) {
                open.remove(&expression);
            }
        }
        open.is_empty()
    };
    let left = || format!("of {all} without an answer: {:#?}", open.try_lock().map(|open| open.clone()));
    wait_until("an answer to every question", answered, left).await;
}
