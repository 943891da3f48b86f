//! The pages of the documents, from a collector that scrapes.

use std::time::Duration;

use integration::{Collector, Target, get, job, root, scraping, wait_until};
use serde_json::{Value, json};

use crate::{VLLM, offgrid_job};

fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(root().join("integration/fixtures").join(path)).unwrap()
}

/// A collector that serves a schema on a port of its own.
struct Served {
    collector: Collector,
    schema: &'static str,
}

impl Served {
    async fn start(schema: &'static str, jobs: &[String]) -> Self {
        let endpoint = |exporter: &str| format!("exporters.{exporter}/{schema}.endpoint=127.0.0.1:0");
        let (text, json) = (endpoint("prometheus"), endpoint("json"));
        let labels = format!("processors.dialect/{schema}.allow_labels=[node_id]");
        let arguments = ["--schema", schema, "--set", &text, "--set", &json, "--set", &labels];
        let collector = Collector::spawn(&scraping(jobs), &arguments);
        collector.wait_for_log("INFO ready").await;
        Self { collector, schema }
    }

    /// The status and the body of a page in JSON.
    async fn json(&self, path: &str) -> (u16, Value) {
        let log = self.collector.log();
        let line = log.lines().find(|line| line.contains("JSON page at http://")).unwrap();
        let address = line.split("JSON page at http://").nth(1).unwrap().split('/').next().unwrap();
        let response = get(address, &format!("/{}{path}", self.schema)).await;
        (response.status, serde_json::from_slice(&response.body).unwrap_or_default())
    }

    /// The page once it says `value` under `pointer`: it is an exporter of its own, and has a point a moment
    /// before or after the page of the metrics.
    async fn json_that_says(&self, path: &str, pointer: &str, value: Value) -> (u16, Value) {
        let holds = || async { self.json(path).await.1.pointer(pointer) == Some(&value) };
        wait_until(&format!("{value} under {pointer} of {path}"), holds, || self.collector.log()).await;
        self.json(path).await
    }

    async fn text(&self) -> String {
        let log = self.collector.log();
        let end = format!("/{}/metrics", self.schema);
        let line = log.lines().find(|line| line.contains("pull endpoint at") && line.contains(&end)).unwrap();
        let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
        get(address, &end).await.text()
    }

    async fn wait_for_line(&self, line: &str) {
        let holds = || async { self.text().await.lines().any(|own| own == line) };
        wait_until(&format!("`{line}`"), holds, || self.collector.log()).await;
    }
}

#[tokio::test]
async fn ainode_answers_as_documented() {
    let runner = Target::start(fixture(VLLM)).await;
    let served = Served::start("ainode", &[job("vllm", &runner.address, "")]).await;
    served.wait_for_line("ainode_requests_total 40").await;
    let (status, requests) = served.json_that_says("/api/metrics/requests", "/total", json!(40)).await;
    assert_eq!(status, 200);
    assert!(requests["tokens_per_second"].is_number(), "{requests}");
    let expected = json!({
        "total": 40, "errors": 0, "by_model": {"meta-llama/Llama-3.1-8B-Instruct": 40}, "tokens_generated": 6904,
        "latency_ms": {"p50": 4125, "p95": 9230.77, "p99": 9846.15},
        "tokens_per_second": requests["tokens_per_second"],
    });
    assert_eq!(requests, expected);
    let (status, gpu) = served.json("/api/metrics/gpu").await;
    assert_eq!((status, gpu), (200, json!({"error": "no GPU can be read"})));
    let (_, all) = served.json("/api/metrics").await;
    assert_eq!((&all["requests"]["total"], &all["gpu"]["error"]), (&json!(40), &json!("no GPU can be read")));
    assert!(all["uptime_seconds"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn ainode_tells_gpus_in_mebibytes() {
    let text = "# TYPE \"hw.gpu.utilization\" gauge\n{\"hw.gpu.utilization\",\"hw.id\"=\"0\"} 0.5\n\
                # TYPE \"hw.gpu.memory.usage\" gauge\n{\"hw.gpu.memory.usage\",\"hw.id\"=\"0\"} 1073741824\n\
                # TYPE \"hw.gpu.memory.limit\" gauge\n{\"hw.gpu.memory.limit\",\"hw.id\"=\"0\"} 85899345920\n";
    let gpus = Target::start(text).await;
    let served = Served::start("ainode", &[job("gpus", &gpus.address, "")]).await;
    served.wait_for_line("ainode_gpu_available 1").await;
    let expected = json!({
        "utilization_percent": 50, "memory_used_mb": 1024, "memory_total_mb": 81920, "temperature_c": null,
    });
    let gpu = served.json_that_says("/api/metrics/gpu", "/utilization_percent", json!(50)).await;
    assert_eq!(gpu, (200, expected));
}

#[tokio::test]
async fn offgrid_answers_as_documented() {
    let own = Target::start(fixture("apps/offgrid.constructed.prom")).await;
    let served = Served::start("offgrid", &[offgrid_job(&own.address)]).await;
    served.wait_for_line("offgrid_model_loaded 1").await;
    let (status, stats) = served.json_that_says("/v1/system/stats", "/models_loaded", json!(1)).await;
    let expected = json!({
        "cpu_percent": null, "memory_bytes": 52428800, "memory_total": null, "heap_alloc": 52428800,
        "goroutines": null, "gc_cycles": null, "models_loaded": 1, "rag_documents": 5, "active_sessions": 3,
        "total_users": 2, "admin_users": null, "uptime_seconds": null, "requests_total": 19,
        "websocket_connections": null, "tokens_generated": 2048, "errors_total": 5, "avg_latency_ms": 5329.97,
    });
    let mut stats_without = stats.clone();
    stats_without["avg_latency_ms"] = expected["avg_latency_ms"].clone();
    assert_eq!((status, &stats_without), (200, &expected));
    // 74.62 seconds for 14 requests.
    assert_eq!(stats["avg_latency_ms"], json!(5330));
    assert_eq!(served.json("/health").await, (200, json!({"status": "ok"})));
    let page = served.text().await;
    assert!(!page.contains("stats_"), "helpers are not shown:\n{page}");
}

#[tokio::test]
async fn offgrid_is_ready_while_a_model_is_loaded() {
    let runner = Target::start(fixture(VLLM)).await;
    let served = Served::start("offgrid", &[job("vllm", &runner.address, "")]).await;
    served.wait_for_line("offgrid_model_loaded 1").await;
    let ready = served.json_that_says("/ready", "/status", json!("ready")).await;
    assert_eq!(ready, (200, json!({"status": "ready"})));
    runner.serve(503, "", "");
    served.wait_for_line("offgrid_model_loaded 0").await;
    let not_ready = served.json_that_says("/ready", "/status", json!("not_ready")).await;
    assert_eq!(not_ready, (503, json!({"status": "not_ready"})));
}

#[tokio::test]
async fn offgrid_is_not_ready_before_anything_is_known() {
    let nobody = Target::start("").await;
    let served = Served::start("offgrid", &[job("nobody", &nobody.address, "")]).await;
    served.wait_for_line("offgrid_model_loaded 0").await;
    assert_eq!(served.json("/ready").await, (503, json!({"status": "not_ready"})));
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_degraded_and_its_cluster_tells() {
    let [one, other] = [Target::start(fixture(VLLM)).await, Target::start(fixture(VLLM)).await];
    let jobs = [job("one", &one.address, ""), job("other", &other.address, "")];
    let served = Served::start("ai_cluster", &jobs).await;
    served.wait_for_line("ai_cluster_cluster_nodes_total{status=\"healthy\"} 2").await;
    other.serve(500, "", "");
    served.wait_for_line("ai_cluster_cluster_nodes_total{status=\"degraded\"} 1").await;
    served.wait_for_line("ai_cluster_cluster_nodes_total{status=\"healthy\"} 1").await;
    let (status, body) = served.json_that_says("/cluster/status", "/stats/healthyNodes", json!(1)).await;
    assert_eq!(status, 200);
    assert_eq!(body["stats"]["totalNodes"], json!(2));
    assert_eq!(body["stats"]["healthyNodes"], json!(1));
    let nodes = body["nodes"].as_array().unwrap();
    let node = |id: &str| nodes.iter().find(|node| node["id"] == json!(id)).unwrap();
    assert_eq!(node(&one.address)["status"], json!("healthy"));
    assert_eq!(node(&one.address)["metrics"]["activeRequests"], json!(7));
    assert_eq!(node(&other.address)["status"], json!("degraded"));
    let (status, health) = served.json("/health").await;
    assert_eq!((status, &health["status"]), (200, &json!("healthy")));
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let told = Duration::from_millis(health["timestamp"].as_u64().unwrap());
    assert!(now.abs_diff(told) < Duration::from_mins(1), "{told:?}");
}

#[tokio::test]
async fn nodes_are_called_as_their_targets_say() {
    let runner = Target::start(fixture(VLLM)).await;
    let relabel = ", relabel_configs: [{target_label: node_id, replacement: worker_1}]";
    let served = Served::start("ai_cluster", &[job("workers", &runner.address, relabel)]).await;
    served.wait_for_line("ai_cluster_cluster_active_requests{node_id=\"worker_1\"} 7").await;
    served.json_that_says("/cluster/status", "/nodes/0/id", json!("worker_1")).await;
}
