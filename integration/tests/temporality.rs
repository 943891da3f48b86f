//! Deltas of the stock Python SDK are added up, over gaps and a reload, and a Prometheus reads exact sums.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use integration::{Collector, Prometheus, has_counterparts, request, root, wait_until};
use tokio::process::Command;

/// Rounds of `deltas.py` in one run.
const ROUNDS: u32 = 10;

fn config(extra_exporter: &str, extra_name: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  delta_to_cumulative:
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
{extra_exporter}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [delta_to_cumulative], exporters: [prometheus{extra_name}]}}
"
    )
}

async fn push_deltas(endpoint: &str) {
    let python = root().join("integration/.venv/bin/python");
    let script = root().join("integration/counterparts/deltas.py");
    let rounds = ROUNDS.to_string();
    let output = Command::new(python).arg(script).args([endpoint, &rounds]).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// What Prometheus must answer after so many runs of the script.
fn expected(runs: u32) -> Vec<(&'static str, f64)> {
    let (runs, rounds) = (f64::from(runs), f64::from(ROUNDS));
    let every_third = f64::from(ROUNDS.div_ceil(3));
    let doubled: f64 = (1..=ROUNDS).map(|number| f64::from(2_u32.pow(number))).sum();
    vec![
        ("deltas_requests_total{route=\"/a\"}", 2.0 * rounds * runs),
        ("deltas_requests_total{route=\"/b\"}", 5.0 * every_third * runs),
        ("deltas_bytes_total", 0.25 * rounds * runs),
        ("deltas_queue", 2.0 * rounds * runs),
        ("deltas_latency_seconds_bucket{le=\"0.1\"}", rounds * runs),
        ("deltas_latency_seconds_bucket{le=\"1.0\"}", 2.0 * rounds * runs),
        ("deltas_latency_seconds_bucket{le=\"+Inf\"}", 3.0 * rounds * runs),
        ("deltas_latency_seconds_count", 3.0 * rounds * runs),
        ("deltas_exponential_seconds_count", 2.0 * rounds * runs),
        ("deltas_exponential_seconds_sum", (rounds + doubled) * runs),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn deltas_of_the_stock_sdk_add_up_exactly_in_prometheus() {
    if !has_counterparts() {
        return;
    }
    let collector = Collector::start(&config("", "")).await;
    let endpoint = format!("http://{}/v1/metrics", collector.address("HTTP on http://"));
    let target = collector.address("pull endpoint at http://");
    let prometheus = Prometheus::start(&format!(
        "scrape_configs: [{{job_name: i, scrape_interval: 1s, honor_labels: true, static_configs: [{{targets: ['{target}']}}]}}]"
    ));
    for run in 1..=3 {
        if run == 3 {
            // The sums go on where the processor's section stays.
            collector.reload(&config("  debug:", ", debug")).await;
            collector.wait_for_log("reloaded").await;
        }
        push_deltas(&endpoint).await;
        for (query, value) in expected(run) {
            let answered = || async {
                prometheus.values(query).await.iter().any(|(_, found)| (found - value).abs() < 1e-9)
            };
            wait_until(&format!("{query} to be {value} in run {run}"), answered, || collector.log()).await;
        }
    }
    for (name, labels) in [
        ("inferometer_processor_stream_resets", "processor=\"delta_to_cumulative\""),
        ("inferometer_processor_dropped_metric_points", "processor=\"delta_to_cumulative\""),
    ] {
        assert_eq!(collector.own_sample(name, &[labels]).await, None, "{name}");
    }
    for name in ["inferometer_processor_streams", "otelcol_deltatocumulative_streams_tracked"] {
        let labels = ["processor=\"delta_to_cumulative\""];
        assert_eq!(collector.own_sample(name, &labels).await, Some(6.0), "{name}");
    }
}

/// A request with one delta, or one cumulative value, of `requests`, in seconds of November 2023.
async fn push(collector: &Collector, temporality: u8, value: u32, start: u32, time: u32) {
    let at = |seconds: u32| format!("17{seconds:08}000000000");
    let body = format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"requests","sum":{{"isMonotonic":true,
        "aggregationTemporality":{temporality},"dataPoints":[{{"asInt":"{value}","startTimeUnixNano":"{}",
        "timeUnixNano":"{}"}}]}}}}]}}]}}]}}"#,
        at(start),
        at(time)
    );
    let address = collector.address("HTTP on http://");
    let json = ["Content-Type: application/json"];
    let answer = request(&address, "POST /v1/metrics HTTP/1.1", &json, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_processors_remember_stays_over_a_reload_that_leaves_them_as_they_are() {
    let collector = Collector::start(&config("", "")).await;
    let is = |value: f64| collector.wait_for_sample("requests_total", &[], value);
    push(&collector, 1, 5, 0, 10).await;
    is(5.0).await;
    collector.reload(&config("  debug:", ", debug")).await;
    collector.wait_for_log("reloaded").await;
    push(&collector, 1, 3, 10, 20).await;
    is(8.0).await;
    // Sent again, it is not added again.
    push(&collector, 1, 3, 10, 20).await;
    push(&collector, 1, 1, 20, 30).await;
    is(9.0).await;
    // With another section the sum begins anew.
    let changed = config("", "").replace("delta_to_cumulative:\n", "delta_to_cumulative: {max_stale: 1m}\n");
    collector.reload(&changed).await;
    let reloads = || async { collector.log().matches("reloaded").count() == 2 };
    wait_until("the second reload", reloads, || collector.log()).await;
    push(&collector, 1, 2, 30, 40).await;
    is(2.0).await;
}
