//! The real counterparts: a Prometheus that scrapes, promtool that judges, the stock Python SDK that pushes.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use integration::{
    Collector, Prometheus, get, has_counterparts, promtool, random_requests, root, wait_until,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use tokio::process::Command;

fn config(exporters: &str, names: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, http: {{endpoint: '127.0.0.1:0'}}}}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
{exporters}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [prometheus{names}]}}
"
    )
}

async fn push(protocol: &str, endpoint: &str, compression: &str) {
    let python = root().join("integration/.venv/bin/python");
    let script = root().join("integration/counterparts/push.py");
    let output =
        Command::new(python).arg(script).args([protocol, endpoint, compression]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Every value that `push.py` records, as the page must show it.
async fn check_values(collector: &Collector, service: &str) {
    let job = format!("job=\"{service}\"");
    let expected: &[(&str, &[&str], f64)] = &[
        ("sdk_requests_total", &["route=\"/a\""], 3.0),
        ("sdk_requests_total", &["route=\"/b\""], 4.0),
        ("sdk_bytes_total", &[], 1.5),
        ("sdk_queue", &["queue=\"q\""], -2.0),
        ("sdk_temperature_celsius", &[r#"sensor="s\"1\"""#], 36.6),
        ("sdk_latency_seconds_bucket", &["le=\"0.1\""], 1.0),
        ("sdk_latency_seconds_bucket", &["le=\"1.0\""], 3.0),
        ("sdk_latency_seconds_bucket", &["le=\"10.0\""], 4.0),
        ("sdk_latency_seconds_bucket", &["le=\"+Inf\""], 5.0),
        ("sdk_latency_seconds_count", &[], 5.0),
        ("sdk_latency_seconds_sum", &[], 56.05),
        ("sdk_exponential_seconds_count", &[], 4.0),
        ("sdk_exponential_seconds_sum", &[], 7.0),
        ("sdk_exponential_seconds_bucket", &["le=\"+Inf\""], 4.0),
    ];
    for (name, labels, value) in expected {
        let labels = [&[job.as_str()], *labels].concat();
        collector.wait_for_sample(name, &labels, *value).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_of_the_stock_sdk_is_found_here_and_behind_a_second_collector() {
    if !has_counterparts() {
        return;
    }
    let second = Collector::start(&config("", "")).await;
    let grpc = second.address("gRPC on ");
    let http = second.address("HTTP on http://");
    let exporters = format!(
        "  otlp_grpc: {{endpoint: 'http://{grpc}', sending_queue: {{batch: {{flush_timeout: 50ms}}}}}}
  otlp_http: {{endpoint: 'http://{http}', encoding: json, sending_queue: {{batch: {{flush_timeout: 50ms}}}}}}"
    );
    for (protocol, compression, onward) in [
        ("grpc", "none", "otlp_grpc"),
        ("grpc", "gzip", "otlp_http"),
        ("http", "none", "otlp_http"),
        ("http", "gzip", "otlp_grpc"),
    ] {
        let first = Collector::start(&config(&exporters, &format!(", {onward}"))).await;
        let endpoint = match protocol {
            "grpc" => format!("http://{}", first.address("gRPC on ")),
            _ => format!("http://{}/v1/metrics", first.address("HTTP on http://")),
        };
        push(protocol, &endpoint, compression).await;
        let service = format!("sdk-{protocol}-{compression}");
        check_values(&first, &service).await;
        check_values(&second, &service).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_accepts_the_page() {
    if !has_counterparts() {
        return;
    }
    let collector = Collector::start(
        "
receivers:
  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}}}
  host_metrics: {collection_interval: 1s, initial_delay: 0s}
exporters:
  prometheus: {endpoint: '127.0.0.1:0'}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [otlp, host_metrics], exporters: [prometheus]}
",
    )
    .await;
    push("grpc", &format!("http://{}", collector.address("gRPC on ")), "none").await;
    let has_both = || async {
        let page = collector.page().await;
        page.contains("sdk_requests_total") && page.contains("system_memory_usage_bytes")
    };
    wait_until("the host and the push on the page", has_both, || collector.log()).await;
    let page = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(page.path(), collector.page().await).unwrap();
    let (code, verdict) = promtool(&["check", "metrics"], Some(page.path())).await;
    // It exits with 3 for names it would have chosen otherwise, and with 1 for a page it cannot read.
    assert!(matches!(code, Some(0 | 3)), "{verdict}");
    assert!(!verdict.contains("error"), "{verdict}");
}

/// A Prometheus that scrapes this address each second.
fn scraping(target: &str) -> Prometheus {
    Prometheus::start(&format!(
        "scrape_configs: [{{job_name: i, scrape_interval: 1s, honor_labels: true, static_configs: [{{targets: ['{target}']}}]}}]"
    ))
}

async fn answers(prometheus: &Prometheus, query: &str, value: f64) -> bool {
    prometheus.values(query).await.iter().any(|(_, found)| *found == value)
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_whatever_was_pushed() {
    if !has_counterparts() {
        return;
    }
    let collector = Collector::start(&config("", "")).await;
    let endpoint = format!("http://{}", collector.address("gRPC on "));
    let mut client = MetricsServiceClient::connect(endpoint).await.unwrap();
    for request in random_requests(7, 8) {
        client.export(request).await.unwrap();
    }
    // It asks for OpenMetrics.
    let target = collector.address("pull endpoint at http://");
    let prometheus = scraping(&target);
    let is_up = || async { answers(&prometheus, "up{job=\"i\"}", 1.0).await };
    let refused = || async { answers(&prometheus, "up{job=\"i\"}", 0.0).await };
    let decided = || async { is_up().await || refused().await };
    wait_until("Prometheus to scrape the page", decided, || collector.log()).await;
    if !is_up().await {
        let targets = get(&prometheus.address, "/api/v1/targets").await.text();
        panic!("Prometheus does not read the page: {targets}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_and_answers_promql() {
    if !has_counterparts() {
        return;
    }
    let collector = Collector::start(&config("", "")).await;
    push("grpc", &format!("http://{}", collector.address("gRPC on ")), "none").await;
    check_values(&collector, "sdk-grpc-none").await;
    let prometheus = scraping(&collector.address("pull endpoint at http://"));
    for (query, value) in [
        ("sum(sdk_requests_total)", 7.0),
        ("sdk_temperature_celsius", 36.6),
        ("histogram_quantile(0.5,sdk_latency_seconds_bucket)", 0.775),
        ("count(target_info)", 1.0),
    ] {
        let answered = || async { answers(&prometheus, query, value).await };
        wait_until(&format!("{query} to be {value}"), answered, || collector.log()).await;
    }
}
