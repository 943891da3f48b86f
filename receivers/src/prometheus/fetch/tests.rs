use super::*;

#[track_caller]
fn check(content_type: &str, expected: Option<Format>) {
    assert_eq!(format_of(content_type), expected, "{content_type}");
}

#[test]
fn the_content_type_decides_the_parser() {
    check("text/plain", Some(Format::Text));
    check("text/plain; version=0.0.4", Some(Format::Text));
    check("Text/Plain;version=1.0.0; charset=utf-8; escaping=allow-utf-8", Some(Format::Text));
    check("application/openmetrics-text; version=1.0.0; charset=utf-8", Some(Format::OpenMetrics));
    check("application/openmetrics-text", Some(Format::OpenMetrics));
    check("", None);
    check("text/html", None);
    check("application/json", None);
    check("application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily", None);
}

#[test]
fn protocols_are_asked_for_in_their_order() {
    assert_eq!(accept(&[Protocol::PrometheusText004]), "text/plain;version=0.0.4;q=0.6,*/*;q=0.5");
}
