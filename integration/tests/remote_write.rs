//! A real Prometheus takes what is pushed with Remote Write, and answers with the same values.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use integration::{Collector, Prometheus, get, has_counterparts, request, wait_until};
use serde_json::{Value, json};

const FLAGS: &[&str] =
    &["--web.enable-remote-write-receiver", "--enable-feature=native-histograms,exemplar-storage"];

/// The samples of a page or of an answer: value by name and labels.
type Samples = BTreeMap<BTreeMap<String, String>, f64>;

fn config(prometheus: &Prometheus, more: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
  prometheus_remote_write: {{endpoint: 'http://{}/api/v1/write', {more}}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [prometheus, prometheus_remote_write]}}
",
        prometheus.address
    )
}

/// Metrics of every kind, as they were so many seconds ago.
fn metrics(ago: u64, value: u64, is_gone: bool) -> Value {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let (start, time) = (format!("{}000000000", now - 600), format!("{}000000000", now - ago));
    let times = json!({"startTimeUnixNano": start, "timeUnixNano": time});
    let point = |more: Value| {
        let mut point = times.clone();
        point.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        point
    };
    let attribute = |key: &str, value: &str| json!({"key": key, "value": {"stringValue": value}});
    let exemplar =
        json!({"asDouble": 0.5, "timeUnixNano": time, "traceId": "0102030405060708090a0b0c0d0e0f10"});
    let flags = if is_gone { json!({"flags": 1}) } else { json!({"asDouble": 7.25}) };
    json!({"resourceMetrics": [{
        "resource": {"attributes": [
            attribute("service.name", "vllm"),
            attribute("service.instance.id", "i1"),
            attribute("host.name", "h"),
        ]},
        "scopeMetrics": [{"scope": {"name": "test"}, "metrics": [
            {"name": "hits", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
                point(json!({"asInt": value, "attributes": [attribute("model.name", "m\"1")], "exemplars": [exemplar]}))
            ]}},
            {"name": "heat", "unit": "Cel", "gauge": {"dataPoints": [point(json!({"asDouble": 36.6}))]}},
            {"name": "gone", "gauge": {"dataPoints": [point(flags)]}},
            {"name": "wait", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
                point(json!({"count": 10, "sum": 2.5, "bucketCounts": [3, 6, 1], "explicitBounds": [0.5, 2]}))
            ]}},
            {"name": "sizes", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
                point(json!({"count": 40, "sum": 1500.5, "scale": 0, "zeroCount": 3,
                    "positive": {"offset": 3, "bucketCounts": [10, 0, 0, 20, 5, 2]}}))
            ]}},
            {"name": "took", "summary": {"dataPoints": [
                point(json!({"count": 5, "sum": 2, "quantileValues": [{"quantile": 0.99, "value": 1.5}]}))
            ]}},
            {"name": "delta", "sum": {"aggregationTemporality": 1, "isMonotonic": true, "dataPoints": [
                point(json!({"asInt": 1}))
            ]}},
        ]}],
    }]})
}

async fn push(collector: &Collector, metrics: &Value) {
    let address = collector.address("HTTP on http://");
    let headers = ["Content-Type: application/json"];
    let answer =
        request(&address, "POST /v1/metrics HTTP/1.1", &headers, metrics.to_string().as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// What the pull endpoint shows.
fn page(text: &str) -> Samples {
    let mut samples = Samples::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (head, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = head.split_once('{').unwrap_or((head, ""));
        let mut all = BTreeMap::from([(String::from("__name__"), name.to_owned())]);
        for label in labels.trim_end_matches('}').split(',').filter(|label| !label.is_empty()) {
            let (name, value) = label.split_once('=').unwrap();
            all.insert(name.to_owned(), value[1..value.len() - 1].replace("\\\"", "\""));
        }
        samples.insert(all, value.parse().unwrap());
    }
    samples
}

/// What Prometheus has of numbers now.
async fn stored(prometheus: &Prometheus) -> Samples {
    let labels = |labels: Value| serde_json::from_value(labels).unwrap();
    let values = prometheus.values("{job=\"vllm\"}").await;
    values
        .into_iter()
        .filter(|(_, value)| !value.is_nan())
        .map(|(found, value)| (labels(found), value))
        .collect()
}

async fn value(prometheus: &Prometheus, expression: &str) -> Option<f64> {
    prometheus.values(expression).await.first().map(|(_, value)| *value)
}

async fn check_everything(prometheus: &Prometheus, more: &str) -> Collector {
    let collector = Collector::start(&config(prometheus, more)).await;
    push(&collector, &metrics(30, 3, false)).await;
    push(&collector, &metrics(15, 17, true)).await;
    let arrived = || async { value(prometheus, "hits_total").await == Some(17.0) };
    wait_until("the second value", arrived, || collector.log()).await;

    // The same numbers under the same names and labels as on the pull endpoint.
    let mut pulled = page(&collector.page().await);
    // There they are classic, here they are native.
    pulled.retain(|labels, _| !labels["__name__"].starts_with("sizes_"));
    let delta = |labels: &BTreeMap<String, String>| labels["__name__"] == "delta_total";
    pulled.retain(|labels, _| !delta(labels));
    assert!(pulled.len() > 10, "{pulled:?}");
    assert_eq!(stored(prometheus).await, pulled);

    assert_eq!(value(prometheus, "histogram_count(sizes)").await, Some(40.0));
    assert_eq!(value(prometheus, "histogram_sum(sizes)").await, Some(1500.5));
    let median = value(prometheus, "histogram_quantile(0.5, sizes)").await.unwrap();
    assert!((64.0..=128.0).contains(&median), "{median}");
    // Gone from its marker on, and there before it.
    assert_eq!(value(prometheus, "gone").await, None);
    assert_eq!(value(prometheus, "max_over_time(gone[2m])").await, Some(7.25));
    assert_eq!(value(prometheus, "count_over_time(hits_total[2m])").await, Some(2.0));
    let exemplars = exemplars(prometheus).await;
    assert!(exemplars.contains("0102030405060708090a0b0c0d0e0f10"), "{exemplars}");

    // Six points of the seven in each push; deltas have no form.
    let exporter = r#"exporter="prometheus_remote_write""#;
    let own = async |name: &str, labels: &[&str]| {
        let labels = [&[exporter], labels].concat();
        collector.own_sample(&format!("otelcol_exporter_{name}_metric_points"), &labels).await
    };
    let counted = || async {
        let unsupported = own("send_failed", &[r#"error_type="unsupported""#]).await;
        (own("sent", &[]).await, unsupported) == (Some(12.0), Some(2.0))
    };
    wait_until("every point to be counted", counted, || collector.log()).await;
    assert!(collector.log().contains("points have no form in Remote Write"), "{}", collector.log());
    collector
}

async fn exemplars(prometheus: &Prometheus) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let path = format!("/api/v1/query_exemplars?query=hits_total&start={}&end={now}", now - 300);
    get(&prometheus.address, &path).await.text()
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_has_what_was_pushed_with_1_0() {
    if !has_counterparts() {
        return;
    }
    let prometheus = Prometheus::start_with("prometheus", "", FLAGS);
    check_everything(&prometheus, "").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_does_not_know_2_0_gets_1_0() {
    if !has_counterparts() {
        return;
    }
    let prometheus = Prometheus::start_with("prometheus", "", FLAGS);
    let collector = check_everything(&prometheus, "protobuf_message: io.prometheus.write.v2.Request").await;
    assert!(collector.log().contains("does not know Remote Write 2.0"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_3_has_what_was_pushed_with_2_0() {
    let Ok(binary) = std::env::var("INFEROMETER_PROMETHEUS3") else {
        eprintln!("skipped: INFEROMETER_PROMETHEUS3 does not name a Prometheus 3");
        return;
    };
    let prometheus = Prometheus::start_with(&binary, "", FLAGS);
    let collector = check_everything(&prometheus, "protobuf_message: io.prometheus.write.v2.Request").await;
    assert!(!collector.log().contains("does not know Remote Write 2.0"), "{}", collector.log());
}
