//! Runners and an application that have trouble when they are told to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use integration::{Peer, Reply, request};
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

const GIB: u64 = 1 << 30;

#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    is_troubled: Arc<AtomicBool>,
    are_down: Arc<AtomicBool>,
}

/// What a runner has counted.
#[derive(Debug, Default)]
struct Counted {
    fast: u64,
    failed: u64,
}

impl Inputs {
    pub(crate) fn trouble(&self, is_troubled: bool) {
        self.is_troubled.store(is_troubled, Ordering::Relaxed);
    }

    pub(crate) fn all_down(&self, are_down: bool) {
        self.are_down.store(are_down, Ordering::Relaxed);
    }

    fn is_troubled(&self) -> bool {
        self.is_troubled.load(Ordering::Relaxed)
    }

    /// A vLLM: in trouble its requests fail after half a minute, or it does not answer at all if it is not the first.
    pub(crate) async fn runner(&self, number: usize) -> Peer {
        let (inputs, counted) = (self.clone(), Mutex::new(Counted::default()));
        Peer::start(move |_| {
            let is_troubled = inputs.is_troubled();
            if inputs.are_down.load(Ordering::Relaxed) || (is_troubled && number > 0) {
                return Reply::new(503, "", "");
            }
            let mut counted = counted.lock().unwrap();
            counted.fast += u64::from(!is_troubled) * 10;
            counted.failed += u64::from(is_troubled) * 10;
            Reply::page(page(&counted))
        })
        .await
    }
}

fn page(counted: &Counted) -> String {
    let Counted { fast, failed } = counted;
    let (all, sum) = (fast + failed, *fast as f64 * 0.5 + *failed as f64 * 30.0);
    let own = "engine=\"0\",model_name=\"m\"";
    format!(
        "# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{{own}}} 1
# TYPE vllm:request_success_total counter
vllm:request_success_total{{{own},finished_reason=\"stop\"}} {fast}
vllm:request_success_total{{{own},finished_reason=\"error\"}} {failed}
# TYPE vllm:e2e_request_latency_seconds histogram
vllm:e2e_request_latency_seconds_bucket{{{own},le=\"1.0\"}} {fast}
vllm:e2e_request_latency_seconds_bucket{{{own},le=\"10.0\"}} {fast}
vllm:e2e_request_latency_seconds_bucket{{{own},le=\"60.0\"}} {all}
vllm:e2e_request_latency_seconds_bucket{{{own},le=\"+Inf\"}} {all}
vllm:e2e_request_latency_seconds_sum{{{own}}} {sum}
vllm:e2e_request_latency_seconds_count{{{own}}} {all}
"
    )
}

/// Pushes twice a second what an application says that has, or has not, trouble.
pub(crate) fn push(endpoint: &str, inputs: &Inputs) -> AbortOnDropHandle<()> {
    let (endpoint, inputs) = (endpoint.to_owned(), inputs.clone());
    let start = nanoseconds();
    AbortOnDropHandle::new(tokio::spawn(async move {
        let (mut answered, mut limited, mut failed) = (0, 0, 0);
        loop {
            let is_troubled = inputs.is_troubled();
            answered += 5;
            limited += u64::from(is_troubled) * 10;
            failed += u64::from(is_troubled) * 2;
            let requests = [(200, answered), (429, limited), (500, failed)];
            let body = body(is_troubled, &requests, &start);
            let headers = ["Content-Type: application/json"];
            request(&endpoint, "POST /v1/metrics HTTP/1.1", &headers, body.to_string().as_bytes()).await;
            sleep(Duration::from_millis(500)).await;
        }
    }))
}

fn nanoseconds() -> String {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos().to_string()
}

fn body(is_troubled: bool, requests: &[(u64, u64)], start: &str) -> Value {
    let now = nanoseconds();
    let either = |bad: u64, good: u64| if is_troubled { bad } else { good };
    let gpu = [("hw.type", json!("gpu")), ("hw.id", json!("0")), ("hw.name", json!("NVIDIA H100"))];
    let gauge = |name: &str, unit: &str, value: u64, pairs: &[(&str, Value)]| {
        let point = json!({"timeUnixNano": now, "asInt": value.to_string(), "attributes": attributes(pairs)});
        json!({"name": name, "unit": unit, "gauge": {"dataPoints": [point]}})
    };
    let points: Vec<Value> = requests
        .iter()
        .map(|(status, count)| {
            let pairs = [
                ("http.request.method", json!("POST")),
                ("http.route", json!("/v1/chat/completions")),
                ("http.response.status_code", json!(status)),
                ("api_key.id", json!("team-a")),
            ];
            json!({
                "startTimeUnixNano": start, "timeUnixNano": now, "attributes": attributes(&pairs),
                "count": count.to_string(), "sum": *count as f64 * 0.05,
                "explicitBounds": [0.1], "bucketCounts": [count.to_string(), "0"],
            })
        })
        .collect();
    let metrics = json!([
        gauge("hw.temperature", "Cel", either(88, 60), &gpu),
        gauge("hw.gpu.memory.usage", "By", either(78, 40) * GIB, &gpu),
        gauge("hw.gpu.memory.limit", "By", 80 * GIB, &gpu),
        gauge("process.memory.usage", "By", either(5, 1) * GIB, &[]),
        {
            "name": "http.server.request.duration", "unit": "s",
            "histogram": {"aggregationTemporality": 2, "dataPoints": points},
        },
    ]);
    let resource = json!({"attributes": attributes(&[("service.name", json!("offgrid"))])});
    json!({"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": metrics}]}]})
}

fn attributes(pairs: &[(&str, Value)]) -> Vec<Value> {
    let value = |value: &Value| match value {
        Value::Number(number) => json!({"intValue": number.to_string()}),
        other => json!({"stringValue": other}),
    };
    pairs.iter().map(|(key, of)| json!({"key": key, "value": value(of)})).collect()
}
