//! One request with every kind of metric, and what should be found of it.

use std::time::{SystemTime, UNIX_EPOCH};

use integration::{Collector, request, wait_until, with_pipeline};

/// Now, in nanoseconds, so that no backend takes it for old.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64
}

/// A counter of 42, a gauge of 61.5, an explicit histogram of 6 and an exponential one of 7 values, of one resource.
pub(crate) fn everything() -> String {
    resource(&[
        sum("shop.requests", 2, "42", now()),
        format!(
            r#"{{"name":"gpu.temperature","unit":"Cel","gauge":{{"dataPoints":[{{"timeUnixNano":"{}","asDouble":61.5,
            "attributes":[{{"key":"gpu","value":{{"stringValue":"0"}}}}]}}]}}}}"#,
            now()
        ),
        format!(
            r#"{{"name":"shop.latency","unit":"s","histogram":{{"aggregationTemporality":2,"dataPoints":[{{
            "startTimeUnixNano":"{}","timeUnixNano":"{}","count":"6","sum":3.25,"explicitBounds":[0.1,1],
            "bucketCounts":["1","3","2"]}}]}}}}"#,
            now() - 1_000_000_000,
            now()
        ),
        format!(
            r#"{{"name":"shop.size","unit":"By","exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{
            "startTimeUnixNano":"{}","timeUnixNano":"{}","count":"7","sum":20.5,"scale":0,"zeroCount":"1",
            "positive":{{"offset":0,"bucketCounts":["2","4"]}}}}]}}}}"#,
            now() - 1_000_000_000,
            now()
        ),
    ])
}

/// A sum of this temporality (1 is delta, 2 cumulative) at a time.
pub(crate) fn sum(name: &str, temporality: u8, value: &str, time: u64) -> String {
    format!(
        r#"{{"name":"{name}","unit":"1","sum":{{"aggregationTemporality":{temporality},"isMonotonic":true,"dataPoints":[
        {{"startTimeUnixNano":"{}","timeUnixNano":"{time}","asInt":"{value}"}}]}}}}"#,
        time - 1_000_000_000
    )
}

/// The request with these metrics.
pub(crate) fn resource(metrics: &[String]) -> String {
    let attribute =
        |key: &str, value: &str| format!(r#"{{"key":"{key}","value":{{"stringValue":"{value}"}}}}"#);
    let attributes = [
        attribute("service.namespace", "shop"),
        attribute("service.name", "cart"),
        attribute("service.instance.id", "i-1"),
        attribute("rack", "r7"),
    ];
    format!(
        r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{}]}},"scopeMetrics":[{{"metrics":[{}]}}]}}]}}"#,
        attributes.join(","),
        metrics.join(",")
    )
}

/// Pushes a request to the collector, which takes it.
pub(crate) async fn push(collector: &Collector, body: &str) {
    let address = collector.address("HTTP on http://");
    let headers = ["Content-Type: application/json"];
    let answer = request(&address, "POST /v1/metrics HTTP/1.1", &headers, body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}\n{}", answer.text(), collector.log());
}

/// A collector with this exporter, and everything pushed to it.
pub(crate) async fn pushed(exporter: &str, section: &str) -> Collector {
    let collector = Collector::start(&with_pipeline(&[], &[(exporter, section)])).await;
    push(&collector, &everything()).await;
    collector
}

/// Waits until an exporter has given up this many points for this reason.
pub(crate) async fn wait_for_given_up(collector: &Collector, exporter: &str, reason: &str, points: f64) {
    let exporter = format!("exporter=\"{exporter}\"");
    let reason = format!("error_type=\"{reason}\"");
    let is_counted = || async {
        let name = "otelcol_exporter_send_failed_metric_points";
        collector.own_sample(name, &[&exporter, &reason]).await == Some(points)
    };
    wait_until(&format!("{points} points given up: {reason}"), is_counted, || collector.log()).await;
}
