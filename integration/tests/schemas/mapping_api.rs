//! GPUStack's pages and its API for the mapping, from a collector that scrapes.

use std::path::Path;

use integration::{
    Collector, Response, Target, find_sample, get, job, request, root, scraping, wait_until, with_pipeline,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::VLLM;

const TOKEN: &str = "canary";
const CONFIG: &str = "/gpustack/v2/metrics/config";
const RUNNING: &str = "gpustack:num_requests_running";

fn default_config() -> String {
    std::fs::read_to_string(root().join("config/schemas/gpustack.default-config.json")).unwrap()
}

/// The requests that run are now the files that vLLM has open: 11 instead of 5.
fn changed() -> String {
    let changed = default_config().replacen("\"vllm:num_requests_running\"", "\"process_open_fds\"", 1);
    assert_ne!(changed, default_config());
    changed
}

/// A collector that serves `gpustack`.
struct Served(Collector);

impl Served {
    async fn start(config: &str, more: &[&str]) -> Self {
        let ours = [
            "exporters.prometheus/gpustack.endpoint=127.0.0.1:0",
            "exporters.json/gpustack.endpoint=127.0.0.1:0",
            "processors.schema/gpustack.parameters.worker_name=gpu-node-1",
        ];
        let sets = ours.iter().chain(more).flat_map(|set| ["--set", set]);
        let arguments: Vec<_> = ["--schema", "gpustack"].into_iter().chain(sets).collect();
        let collector = Collector::spawn(config, &arguments);
        collector.wait_for_log("INFO ready").await;
        Self(collector)
    }

    /// With the API, and vLLM behind it; what is posted is kept in the folder.
    async fn with_api(runner: &Target, folder: &TempDir) -> Self {
        let config = format!(
            "extensions: {{bearer_token_auth: {{token: {TOKEN}}}}}\n{}",
            scraping(&[job("vllm", &runner.address, "")])
        );
        let config = config.replacen("service:\n", "service:\n  extensions: [bearer_token_auth]\n", 1);
        let file = folder.path().join("mapping.json");
        let file = format!("exporters.json/gpustack.runtime_config.file={}", file.display());
        let auth = "exporters.json/gpustack.runtime_config.auth.authenticator=bearer_token_auth";
        Self::start(&config, &[&file, auth]).await
    }

    async fn page(&self) -> String {
        let log = self.0.log();
        let line =
            log.lines().find(|line| line.contains("/gpustack/metrics") && line.contains("pull endpoint"));
        let address = line.unwrap().split("http://").nth(1).unwrap().split('/').next().unwrap().to_owned();
        get(&address, "/gpustack/metrics").await.text()
    }

    async fn ask(&self, line: &str, headers: &[&str], body: &str) -> Response {
        let address = self.0.address("JSON page at http://");
        request(&address, &format!("{line} HTTP/1.1"), headers, body.as_bytes()).await
    }

    async fn with_token(&self, method: &str, path: &str, body: &str) -> (u16, Value) {
        let token = format!("Authorization: Bearer {TOKEN}");
        let headers = [token.as_str(), "Content-Type: application/json"];
        let answer = self.ask(&format!("{method} {path}"), &headers, body).await;
        (answer.status, serde_json::from_slice(&answer.body).unwrap_or_default())
    }

    async fn wait_for(&self, name: &str, value: f64) {
        let holds = || async { find_sample(&self.page().await, name, &[]) == Some(value) };
        wait_until(&format!("`{name}` to be {value}"), holds, || self.0.log()).await;
    }
}

async fn vllm() -> Target {
    Target::start(std::fs::read(root().join("integration/fixtures").join(VLLM)).unwrap()).await
}

#[tokio::test]
async fn a_mapping_that_is_posted_holds_at_once_and_after_a_restart() {
    let (runner, folder) = (vllm().await, tempfile::tempdir().unwrap());
    let mut served = Served::with_api(&runner, &folder).await;
    served.wait_for(RUNNING, 5.0).await;
    let before = served.page().await;

    let default: Value = serde_json::from_str(&default_config()).unwrap();
    assert_eq!(served.with_token("GET", CONFIG, "").await, (200, default.clone()));
    assert_eq!(
        served.with_token("GET", "/gpustack/v2/metrics/default-config", "").await,
        (200, default.clone())
    );

    assert_eq!(served.with_token("POST", CONFIG, &default_config()).await, (200, json!({"status": "ok"})));
    let scrapes = runner.scrapes();
    wait_until("another scrape", || async { runner.scrapes() > scrapes + 1 }, || served.0.log()).await;
    assert_eq!(served.page().await, before, "the default changes nothing");

    assert_eq!(served.with_token("POST", CONFIG, &changed()).await, (200, json!({"status": "ok"})));
    served.wait_for(RUNNING, 11.0).await;
    let page = served.page().await;
    let labels = ["runtime=\"vLLM\"", "worker_name=\"gpu-node-1\""];
    assert_eq!(find_sample(&page, RUNNING, &labels), Some(11.0), "{page}");
    let lines = page.lines().filter(|line| line.starts_with(&format!("{RUNNING}{{")));
    assert_eq!(lines.count(), 1, "what it was made of before is gone:\n{page}");
    assert_eq!(find_sample(&page, "gpustack:num_requests_waiting", &[]), Some(2.0), "the rest stays");

    served.0.stop().await;
    let served = Served::with_api(&runner, &folder).await;
    served.wait_for(RUNNING, 11.0).await;
    let expected: Value = serde_json::from_str(&changed()).unwrap();
    assert_eq!(served.with_token("GET", CONFIG, "").await, (200, expected));

    assert_eq!(served.with_token("DELETE", CONFIG, "").await, (200, json!({"status": "ok"})));
    served.wait_for(RUNNING, 5.0).await;
    assert_eq!(served.with_token("GET", CONFIG, "").await, (200, default));
}

#[tokio::test]
async fn a_mapping_that_is_wrong_changes_nothing() {
    let (runner, folder) = (vllm().await, tempfile::tempdir().unwrap());
    let served = Served::with_api(&runner, &folder).await;
    served.wait_for(RUNNING, 5.0).await;
    let wrong = changed().replacen("\"<0.9.2\"", "\"below 0.9.2\"", 1);
    let (status, answer) = served.with_token("POST", CONFIG, &wrong).await;
    assert_eq!((status, answer["status"].as_str()), (400, Some("error")));
    assert_eq!(answer["problems"][0]["path"], "runtime_mapping.vLLM[\"below 0.9.2\"]", "{answer}");
    let scrapes = runner.scrapes();
    wait_until("another scrape", || async { runner.scrapes() > scrapes + 1 }, || served.0.log()).await;
    assert_eq!(find_sample(&served.page().await, RUNNING, &[]), Some(5.0));
    assert!(!Path::exists(&folder.path().join("mapping.json")));
}

#[tokio::test]
async fn only_who_has_the_token_may_see_or_change_the_mapping() {
    let (runner, folder) = (vllm().await, tempfile::tempdir().unwrap());
    let served = Served::with_api(&runner, &folder).await;
    for headers in [
        &["Content-Type: application/json"][..],
        &["Content-Type: application/json", "Authorization: Bearer x"],
    ] {
        for method in ["GET", "POST", "DELETE"] {
            let answer = served.ask(&format!("{method} {CONFIG}"), headers, &changed()).await;
            assert_eq!(answer.status, 401, "{method} {headers:?}");
        }
    }
    assert!(!Path::exists(&folder.path().join("mapping.json")));
    // Prometheus finds its targets without.
    served.wait_for(RUNNING, 5.0).await;
    let targets = served.ask("GET /gpustack/metrics/targets", &[], "").await;
    let targets: Value = serde_json::from_slice(&targets.body).unwrap();
    let labels = json!({"cluster_id": "1", "cluster_name": "default"});
    assert_eq!(targets, json!([{"labels": labels, "targets": ["127.0.0.1:10151"]}]));
}

#[tokio::test]
async fn without_an_authenticator_there_is_no_api() {
    let served = Served::start(&with_pipeline(&[], &[]), &[]).await;
    let answer = served.ask(&format!("GET {CONFIG}"), &[], "").await;
    assert_eq!(answer.status, 404);
    assert!(answer.text().contains("runtime_config.auth.authenticator"), "{}", answer.text());
}

#[tokio::test]
async fn this_machine_is_a_worker() {
    let host = [("host_metrics", "{collection_interval: 1s, initial_delay: 10ms}")];
    let served = Served::start(&with_pipeline(&host, &[]), &[]).await;
    let names = [
        "os_info",
        "kernel_info",
        "uptime_seconds",
        "cpu_cores",
        "cpu_utilization_rate",
        "memory_total_bytes",
        "memory_used_bytes",
        "memory_utilization_rate",
    ];
    for name in names.map(|name| format!("gpustack:worker_node_{name}")) {
        let labels = ["worker_name=\"gpu-node-1\"", "instance=\"127.0.0.1\""];
        let holds = || async { find_sample(&served.page().await, &name, &labels).is_some() };
        wait_until(&name, holds, || served.0.log()).await;
    }
    let cores = find_sample(&served.page().await, "gpustack:worker_node_cpu_cores", &[]).unwrap();
    let stat = std::fs::read_to_string("/proc/stat").unwrap();
    let is_cpu = |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| !rest.starts_with(' '));
    assert_eq!(cores, stat.lines().filter(is_cpu).count() as f64);
    let busy = find_sample(&served.page().await, "gpustack:worker_node_cpu_utilization_rate", &[]).unwrap();
    // Shares of a time are sums of many small ones.
    assert!((-1e-6..=100.0 + 1e-6).contains(&busy), "{busy}");
}
