//! The pages in JSON, with the keys and types of the documents and the values of the inputs.

use integration::get;
use serde_json::{Value, json};

use crate::queries::{DEEPSEEK, LLAMA, QWEN};
use crate::world::{AGE, World};

/// What a key of a page must hold.
enum Expected {
    Is(Value),
    /// A whole number that is at least this.
    Whole(f64),
    /// A number that is at least this.
    Number(f64),
}

use Expected::{Is, Number, Whole};

type Keys = Vec<(&'static str, Expected)>;

pub(crate) async fn check(world: &World) -> Vec<String> {
    let mut faults = Vec::new();
    let pages = [
        (3000, "/api/metrics", ainode()),
        (3000, "/api/metrics/gpu", gpus("")),
        (3000, "/api/metrics/requests", requests("")),
        (11611, "/v1/system/stats", offgrid()),
        (11611, "/health", vec![("/status", Is(json!("ok")))]),
        (11611, "/ready", vec![("/status", Is(json!("ready")))]),
        (8080, "/health", vec![("/status", Is(json!("healthy"))), ("/timestamp", Whole(1.7e12))]),
        (8080, "/cluster/status", cluster()),
    ];
    for (port, path, keys) in pages {
        let answer = get(&format!("{}:{port}", world.host), path).await;
        let page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let is_json = answer.header("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if answer.status != 200 || !is_json {
            faults.push(format!("{path} answers {} with {:?}", answer.status, answer.headers));
        }
        faults.extend(keys.iter().filter_map(|(key, expected)| {
            let found = page.pointer(key);
            (!expected.holds(found)).then(|| format!("{path} has {found:?} under {key}: {page}"))
        }));
    }
    faults.extend(same_as_the_metrics(world).await);
    faults.extend(targets(world).await);
    faults
}

impl Expected {
    fn holds(&self, found: Option<&Value>) -> bool {
        let Some(found) = found else { return false };
        match self {
            Is(value) => found == value,
            Whole(least) => found.as_u64().is_some_and(|number| number as f64 >= *least),
            Number(least) => found.as_f64().is_some_and(|number| number >= *least),
        }
    }
}

fn ainode() -> Keys {
    let mut keys: Keys = vec![("/uptime_seconds", Number(AGE as f64))];
    keys.extend(gpus("/gpu"));
    keys.extend(requests("/requests"));
    keys
}

fn gpus(at: &str) -> Keys {
    let keys = match at {
        "" => ["/utilization_percent", "/memory_used_mb", "/memory_total_mb", "/temperature_c"],
        _ => {
            ["/gpu/utilization_percent", "/gpu/memory_used_mb", "/gpu/memory_total_mb", "/gpu/temperature_c"]
        }
    };
    keys.into_iter().zip([75, 158 << 10, 160 << 10, 88].map(|value| Is(json!(value)))).collect()
}

fn requests(at: &str) -> Keys {
    // A slash within a key is written `~1` in a pointer.
    let keys = match at {
        "" => [
            "/total",
            "/errors",
            "/by_model/Qwen~1Qwen3-8B",
            "/tokens_generated",
            "/latency_ms/p50",
            "/latency_ms/p95",
            "/latency_ms/p99",
            "/tokens_per_second",
        ],
        _ => [
            "/requests/total",
            "/requests/errors",
            "/requests/by_model/Qwen~1Qwen3-8B",
            "/requests/tokens_generated",
            "/requests/latency_ms/p50",
            "/requests/latency_ms/p95",
            "/requests/latency_ms/p99",
            "/requests/tokens_per_second",
        ],
    };
    let least = [
        Whole(124.0),
        Whole(4.0),
        Whole(40.0),
        Whole(21_228.0),
        Number(3000.0),
        Number(8000.0),
        Number(9000.0),
    ];
    keys.into_iter().zip(least.into_iter().chain([Number(1.0)])).collect()
}

fn offgrid() -> Keys {
    vec![
        ("/cpu_percent", Number(0.0)),
        ("/memory_bytes", Is(json!(5_u64 << 30))),
        ("/memory_total", Whole(1e8)),
        ("/heap_alloc", Is(json!(45_000_000))),
        ("/goroutines", Is(json!(15))),
        ("/gc_cycles", Is(json!(42))),
        ("/models_loaded", Is(json!(1))),
        ("/rag_documents", Is(json!(12))),
        ("/active_sessions", Is(json!(3))),
        ("/total_users", Is(json!(9))),
        ("/admin_users", Is(json!(1))),
        ("/uptime_seconds", Whole(AGE as f64)),
        ("/requests_total", Whole(19.0)),
        ("/websocket_connections", Is(json!(2))),
        ("/tokens_generated", Whole(21_228.0)),
        ("/errors_total", Whole(13.0)),
        // 4 of 0.25 s, 14 of 0.05 s and one of 3 s in each second.
        ("/avg_latency_ms", Number(240.0)),
    ]
}

fn cluster() -> Keys {
    vec![
        ("/stats/totalNodes", Is(json!(4))),
        ("/stats/healthyNodes", Is(json!(4))),
        ("/stats/totalCapacity", Whole(1.0)),
        ("/stats/activeRequests", Is(json!(23))),
        ("/nodes/0/id", Is(json!("worker_1"))),
        ("/nodes/0/type", Is(json!("worker"))),
        ("/nodes/0/status", Is(json!("healthy"))),
        ("/nodes/0/host", Is(json!("127.0.0.1"))),
        ("/nodes/0/metrics/activeRequests", Is(json!(7))),
        ("/nodes/0/metrics/tokensPerSecond", Number(300.0)),
        ("/nodes/3/id", Is(json!("worker_4"))),
    ]
}

/// A number in JSON lies between what the metric says before and after.
async fn same_as_the_metrics(world: &World) -> Vec<String> {
    let page = || async { get(&format!("{}:3000", world.host), "/metrics").await.text() };
    let value = |page: &str, name: &str, labels: &[&str]| {
        integration::find_sample(page, name, labels).unwrap_or(f64::NAN)
    };
    let before = page().await;
    let json = get(&format!("{}:3000", world.host), "/api/metrics/requests").await;
    let after = page().await;
    let json: Value = serde_json::from_slice(&json.body).unwrap_or_default();
    let models = [LLAMA, QWEN, DEEPSEEK];
    let mut all = vec![
        (String::from("/total"), "ainode_requests_total", String::new()),
        (String::from("/tokens_generated"), "ainode_tokens_generated_total", String::new()),
        (String::from("/errors"), "ainode_request_errors_total", String::new()),
    ];
    all.extend(models.map(|model| {
        let key = format!("/by_model/{}", model.replace('/', "~1"));
        (key, "ainode_requests_by_model_total", format!("model=\"{model}\""))
    }));
    let differs = all.into_iter().filter_map(|(key, name, label)| {
        let (low, high) = (value(&before, name, &[&label]), value(&after, name, &[&label]));
        let found = json.pointer(&key).and_then(Value::as_f64).unwrap_or(f64::NAN);
        // It is rounded.
        let is_between = found >= low - 0.5 && found <= high + 0.5;
        (!is_between).then(|| format!("{key} is {found}, and {name} between {low} and {high}"))
    });
    differs.collect()
}

/// What GPUStack tells Prometheus to scrape, and whether it was.
async fn targets(world: &World) -> Vec<String> {
    let worker = format!("{}:10151", world.host);
    let answer = get(&format!("{}:10161", world.host), "/metrics/targets").await;
    let page: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let expected = json!([{"labels": {"cluster_id": "1", "cluster_name": "default"}, "targets": [worker]}]);
    let mut faults = Vec::new();
    if page != expected {
        faults.push(format!("/metrics/targets: expected {expected}, found {page}"));
    }
    let up = world.prometheus.values("up{job=\"gpustack-worker-discovery\"}").await;
    let is_found = |(labels, value): &(Value, f64)| {
        labels["instance"] == worker.as_str() && labels["cluster_name"] == "default" && *value == 1.0
    };
    if up.len() != 1 || !up.iter().all(is_found) {
        faults.push(format!("the worker is not scraped: {up:?}"));
    }
    faults
}
