//! Values stay what they are, however they travel, and every page is valid, whatever was pushed.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::io::Write;
use std::process::{Command, Stdio};

use integration::{
    Collector, binary, get_with, has_counterparts, random_requests, request, wait_until, with_pipeline,
};
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;

const OPENMETRICS: &str = "Accept: application/openmetrics-text;version=1.0.0";
const TEXT: &str = "Accept: text/plain;version=0.0.4";

/// Gives the text to a command; whether it is content, and what it says.
fn judge(command: &mut Command, text: &[u8]) -> (Option<i32>, String) {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    // Who stops reading has something to say.
    let _ = child.stdin.take().unwrap().write_all(text);
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Both formats of the page pass the strict check.
async fn check_pages(collector: &Collector) {
    let address = collector.address("pull endpoint at http://");
    for (format, accept, start) in
        [("text", TEXT, "text/plain"), ("openmetrics", OPENMETRICS, "application/openmetrics-text")]
    {
        let answer = get_with(&address, "/metrics", &[accept]).await;
        assert!(answer.header("content-type").unwrap().starts_with(start));
        assert!(answer.body.len() > 100_000, "{} bytes", answer.body.len());
        let (code, verdict) =
            judge(Command::new(binary()).args(["validate", "--exposition", format]), &answer.body);
        assert_eq!(code, Some(0), "{format}: {verdict}{}", excerpt(&answer.text(), &verdict));
        if format == "text" && has_counterparts() {
            let (code, verdict) = judge(Command::new("promtool").args(["check", "metrics"]), &answer.body);
            assert!(matches!(code, Some(0 | 3)), "{verdict}");
        }
    }
}

/// The lines around the one that a verdict names.
fn excerpt(page: &str, verdict: &str) -> String {
    let (_, rest) = verdict.split_once("line ").unwrap_or_default();
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    let line: usize = digits.parse().unwrap_or(0);
    page.lines().skip(line.saturating_sub(6)).take(8).map(|line| format!("\n> {line}")).collect()
}

async fn check_random(seed: u64, exporter: &str) {
    let config = with_pipeline(&[], &[("prometheus/b", exporter)])
        .replace("prometheus: {endpoint: '127.0.0.1:0'}\n", "debug: {}\n");
    let config = config.replace("exporters: [prometheus,", "exporters: [debug,");
    let collector = Collector::start(&config).await;
    let endpoint = format!("http://{}", collector.address("gRPC on "));
    let mut client = MetricsServiceClient::connect(endpoint).await.unwrap();
    for request in random_requests(seed, 8) {
        client.export(request).await.unwrap_or_else(|status| panic!("seed {seed}: {status}"));
    }
    check_pages(&collector).await;
    assert!(!collector.log().contains("panic"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_valid_whatever_was_pushed() {
    for seed in [1, 2, 3] {
        check_random(seed, "{endpoint: '127.0.0.1:0'}").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_valid_with_every_option() {
    let options = "resource_to_telemetry_conversion: {enabled: true}, send_timestamps: true, created_timestamps: true, \
                   const_labels: {le: x, a_b: y}, namespace: 1n";
    for (seed, strategy) in [(4, "UnderscoreEscapingWithSuffixes"), (5, "UnderscoreEscapingWithoutSuffixes")]
    {
        let section = format!("{{endpoint: '127.0.0.1:0', {options}, translation_strategy: {strategy}}}");
        check_random(seed, &section).await;
    }
}

/// One metric of each kind, with values that are easily lost on the way.
const EVERYTHING: &str = r#"{"resourceMetrics": [{
  "resource": {"attributes": [
    {"key": "service.name", "value": {"stringValue": "s"}},
    {"key": "list", "value": {"arrayValue": {"values": [{"intValue": "1"}, {"stringValue": "b"}, {"boolValue": true}]}}},
    {"key": "map", "value": {"kvlistValue": {"values": [{"key": "k", "value": {"doubleValue": 0.5}}]}}},
    {"key": "bytes", "value": {"bytesValue": "AP8="}},
    {"key": "empty", "value": {}}]},
  "scopeMetrics": [{"scope": {"name": "scope", "version": "1", "attributes": [{"key": "x", "value": {"stringValue": "y"}}]},
   "schemaUrl": "https://example.com/schema", "metrics": [
   {"name": "gauge.int", "unit": "By", "description": "Two\nlines.", "metadata": [{"key": "m", "value": {"stringValue": "d"}}],
    "gauge": {"dataPoints": [
     {"timeUnixNano": "1700000000000000001", "asInt": "9223372036854775807", "attributes": [{"key": "a", "value": {"stringValue": "max"}}]},
     {"timeUnixNano": "1700000000000000001", "asInt": "-9223372036854775808", "attributes": [{"key": "a", "value": {"stringValue": "min"}}]},
     {"timeUnixNano": "1700000000000000001", "asInt": "9007199254740993", "attributes": [{"key": "a", "value": {"intValue": "-1"}}]},
     {"timeUnixNano": "1700000000000000001", "flags": 1, "attributes": [{"key": "a", "value": {"stringValue": "none"}}]}]}},
   {"name": "gauge.double", "gauge": {"dataPoints": [
     {"timeUnixNano": "1700000000000000002", "asDouble": "NaN", "attributes": [{"key": "a", "value": {"boolValue": true}}]},
     {"timeUnixNano": "1700000000000000002", "asDouble": "Infinity", "attributes": [{"key": "a", "value": {"boolValue": false}}]},
     {"timeUnixNano": "1700000000000000002", "asDouble": "-Infinity", "attributes": [{"key": "a", "value": {"doubleValue": 1}}]},
     {"timeUnixNano": "1700000000000000002", "asDouble": -0.0, "attributes": [{"key": "a", "value": {"stringValue": "\u00e9\ud83e\udd80\"\\\n"}}]},
     {"timeUnixNano": "1700000000000000002", "asDouble": 5e-324, "attributes": [{"key": "a", "value": {"stringValue": ""}}]},
     {"timeUnixNano": "1700000000000000002", "asDouble": 1.7976931348623157e308},
     {"timeUnixNano": "1700000000000000002", "asDouble": 0.1, "attributes": [{"key": "b", "value": {"stringValue": "tenth"}}],
      "exemplars": [{"timeUnixNano": "1699999999999999999", "asDouble": 0.25, "traceId": "0102030405060708090a0b0c0d0e0f10", "spanId": "0102030405060708",
       "filteredAttributes": [{"key": "f", "value": {"stringValue": "v"}}]}]}]}},
   {"name": "sum", "sum": {"aggregationTemporality": 2, "isMonotonic": true, "dataPoints": [
     {"startTimeUnixNano": "1600000000000000000", "timeUnixNano": "1700000000000000003", "asInt": "7",
      "exemplars": [{"timeUnixNano": "1699999999999999999", "asInt": "3"}]}]}},
   {"name": "delta", "sum": {"aggregationTemporality": 1, "dataPoints": [
     {"startTimeUnixNano": "1600000000000000000", "timeUnixNano": "1700000000000000003", "asDouble": 1e-9}]}},
   {"name": "histogram", "unit": "s", "histogram": {"aggregationTemporality": 2, "dataPoints": [
     {"startTimeUnixNano": "1600000000000000000", "timeUnixNano": "1700000000000000004", "count": "18446744073709551615", "sum": 1.5, "min": -1, "max": 9,
      "bucketCounts": ["1", "18446744073709551613", "1"], "explicitBounds": [0.1, 1]},
     {"startTimeUnixNano": "1600000000000000000", "timeUnixNano": "1700000000000000004", "count": "2", "attributes": [{"key": "a", "value": {"stringValue": "no buckets"}}]}]}},
   {"name": "exponential", "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": [
     {"startTimeUnixNano": "1600000000000000000", "timeUnixNano": "1700000000000000005", "count": "10", "sum": 3, "scale": -3, "zeroCount": "1", "zeroThreshold": 1e-9,
      "positive": {"offset": -5, "bucketCounts": ["1", "0", "2"]}, "negative": {"offset": 3, "bucketCounts": ["6"]}}]}},
   {"name": "summary", "summary": {"dataPoints": [
     {"startTimeUnixNano": "1600000000000000000", "timeUnixNano": "1700000000000000006", "count": "4", "sum": 2.5,
      "quantileValues": [{"quantile": 0.5, "value": 0.1}, {"quantile": 1, "value": "NaN"}]}]}}]}]}]}"#;

const DEBUG: (&str, &str) = ("debug", "{verbosity: detailed, sampling_initial: 1000}");

/// Everything that was printed, a line each, sorted; batches may be cut and ordered differently.
fn printed(collector: &Collector) -> Vec<String> {
    let output = collector.output();
    let mut lines: Vec<String> = output.lines().map(str::to_owned).collect();
    lines.retain(|line| !line.contains(" points, ") && !line.is_empty());
    lines.sort();
    lines.dedup();
    lines
}

async fn page(collector: &Collector) -> Vec<String> {
    let address = collector.address("pull endpoint at http://");
    let mut lines: Vec<String> =
        get_with(&address, "/metrics", &[OPENMETRICS]).await.text().lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn every_value_is_the_same_behind_each_protocol() {
    let second = with_pipeline(&[], &[DEBUG]);
    let (a, b, c) =
        tokio::join!(Collector::start(&second), Collector::start(&second), Collector::start(&second));
    let batch = "sending_queue: {batch: {flush_timeout: 20ms, min_size: 1}}";
    let http = |collector: &Collector, more: &str| {
        format!(
            "{{endpoint: 'http://{}', {more}, {batch}}}",
            collector.address("HTTP on http://").trim_end_matches('/')
        )
    };
    let first = Collector::start(&with_pipeline(
        &[],
        &[
            DEBUG,
            ("otlp_http/json", &http(&a, "encoding: json, compression: none")),
            ("otlp_http/proto", &http(&b, "encoding: proto, compression: zstd")),
            ("otlp_grpc", &format!("{{endpoint: 'http://{}', {batch}}}", c.address("gRPC on "))),
        ],
    ))
    .await;
    let json = "Content-Type: application/json";
    let answer = request(
        &first.address("HTTP on http://"),
        "POST /v1/metrics HTTP/1.1",
        &[json],
        EVERYTHING.as_bytes(),
    )
    .await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "{}"));
    let whole = |collector: &Collector| collector.output().contains("summary ");
    let here = || async { whole(&first) };
    wait_until("the points to be printed", here, || first.log()).await;
    let expected = printed(&first);
    let expected_page = page(&first).await;
    for value in [
        "9223372036854775807",
        "-9223372036854775808",
        "9007199254740993",
        "= nan @",
        "= inf @",
        "= -inf @",
        "= -0.0 @",
        "= stale @",
        "5e-324",
        "1.7976931348623157e+308",
        "18446744073709551613",
        "1700000000000000006",
        "0102030405060708090a0b0c0d0e0f10",
    ] {
        assert!(expected.iter().any(|line| line.contains(value)), "no {value} in {expected:#?}");
    }
    for (protocol, second) in [("JSON", &a), ("protobuf", &b), ("gRPC", &c)] {
        let there = || async { whole(second) };
        wait_until(&format!("the points to come over {protocol}"), there, || second.log()).await;
        assert_eq!(printed(second), expected, "{protocol}");
        assert_eq!(page(second).await, expected_page, "{protocol}");
    }
}
