use pipeline::{Attributes, Kind, Metric, Point, Registry, Resource, Scope, Temporality, point};

use super::*;

/// A key of the effective section, as JSON.
fn effective(yaml: &str, key: &str) -> serde_json::Value {
    let section = Section::from_yaml("exporters.test", yaml).unwrap();
    let value = (ENTRY.effective)(&section).unwrap();
    serde_json::to_value(value).unwrap()[key].take()
}

#[test]
fn a_preset_is_what_the_section_says_otherwise() {
    let check = |yaml: &str, key: &str, expected: serde_json::Value| {
        assert_eq!(effective(yaml, key), expected, "{yaml}: {key}");
    };
    let bare = "endpoint: http://p:9090";
    check(bare, "retry_statuses", serde_json::json!([429, 502, 503, 504]));
    check(bare, "endpoint", "http://p:9090".into());
    check(bare, "delta", "send".into());
    let prometheus = "{preset: prometheus, endpoint: 'http://p:9090'}";
    check(prometheus, "preset", "prometheus".into());
    check(prometheus, "endpoint", "http://p:9090/api/v1/otlp".into());
    check(prometheus, "retry_statuses", serde_json::json!([429, 500, 502, 503, 504]));
    check(prometheus, "max_request_size", "32MiB".into());
    check(prometheus, "when_too_large", "split".into());
    check(prometheus, "delta", "drop".into());
    let own = "{preset: prometheus, endpoint: 'http://p:9090/x', retry_statuses: [503], delta: send}";
    check(own, "endpoint", "http://p:9090/x".into());
    check(own, "retry_statuses", serde_json::json!([503]));
    check(own, "delta", "send".into());
    check(own, "when_too_large", "split".into());
    for (preset, path, size) in [
        ("mimir", "otlp", "64MiB"),
        ("victoriametrics", "opentelemetry", "64MiB"),
        ("grafana_cloud", "otlp", "4MiB"),
    ] {
        let yaml = format!("{{preset: {preset}, endpoint: 'http://h', auth: {{authenticator: a}}}}");
        check(&yaml, "endpoint", format!("http://h/{path}").into());
        check(&yaml, "max_request_size", size.into());
    }
}

#[test]
fn how_long_a_batch_is_tried_is_told_by_where_its_queue_is() {
    let elapsed = |yaml: &str| effective(yaml, "retry_on_failure")["max_elapsed_time"].take();
    assert_eq!(elapsed("endpoint: http://p"), "5m");
    let queue = "sending_queue: {storage: file_storage}";
    assert_eq!(elapsed(&format!("{{endpoint: 'http://p', {queue}}}")), "0s");
    let given = "retry_on_failure: {max_elapsed_time: 1h}";
    assert_eq!(elapsed(&format!("{{endpoint: 'http://p', {queue}, {given}}}")), "1h");
}

#[test]
fn what_is_effective_says_the_same_again() {
    let yaml = "{preset: mimir, endpoint: 'http://m'}";
    let section = Section::from_yaml("exporters.test", yaml).unwrap();
    let printed = |section: &Section| {
        let value = (ENTRY.effective)(section).unwrap();
        ::config::render_yaml(&::config::without_absent(value))
    };
    let once = printed(&section);
    let again = Section::from_yaml("exporters.test", &once).unwrap();
    assert_eq!(printed(&again), once);
}

#[test]
fn what_a_preset_cannot_do_without_is_named() {
    let cloud = "preset: grafana_cloud, endpoint: 'https://otlp-gateway-x.grafana.net/otlp'";
    let found = problems(&ENTRY, &format!("{{{cloud}}}"));
    assert!(
        found.len() == 1 && found[0].starts_with("exporters.test.auth: Grafana Cloud wants"),
        "{found:?}"
    );
    assert!(found[0].contains("instance id") && found[0].contains("token"), "{found:?}");
    let with = |more: &str| problems(&ENTRY, &format!("{{{cloud}, {more}}}"));
    assert_eq!(with(&format!("auth: {{authenticator: {AUTHENTICATOR}}}")), Vec::<String>::new());
    assert_eq!(with("headers: {Authorization: Basic eA==}"), Vec::<String>::new());
    let wrong = problems(&ENTRY, "{preset: grafana, endpoint: 'http://a'}");
    assert!(wrong.len() == 1 && wrong[0].contains("grafana_cloud"), "{wrong:?}");
    let status = problems(&ENTRY, "{preset: mimir, endpoint: 'http://a', retry_statuses: [1000]}");
    assert!(status.len() == 1 && status[0].contains("retry_statuses[0]"), "{status:?}");
}

#[tokio::test]
async fn a_500_is_retried_for_prometheus_unless_it_is_about_the_points() {
    let more = "preset: prometheus";
    let full = "write to WAL: no space left on device";
    let reason = outcome(Reply::new(500, "", full), more).await;
    assert_eq!(reason, format!("retry: 500 Internal Server Error: {full}"));
    let delta = r#"invalid temporality and type combination for metric "a""#;
    let reason = outcome(Reply::new(500, "", delta), more).await;
    assert!(reason.starts_with(&format!("bad: 500 Internal Server Error: {delta} (")), "{reason}");
}

/// A point of a sum with each temporality.
fn both() -> Batch {
    let registry = Registry::new(10);
    let point = |temporality| {
        let metric = Arc::new(Metric::new("requests", "1", Kind::Sum { temporality, is_monotonic: true }));
        let (resource, scope) = (Arc::new(Resource::default()), Arc::new(Scope::default()));
        let series = registry.series(&resource, &scope, &metric, Attributes::default()).unwrap();
        Point::new(series, 1_700_000_000_000_000_000, point::Value::Int(1))
    };
    [Temporality::Delta, Temporality::Cumulative].into_iter().map(point).collect()
}

#[tokio::test]
async fn delta_is_left_out_where_it_would_cost_the_rest() {
    let server = Scripted::start(Reply::new(200, "", "")).await;
    let exporter = |more: &str| {
        let yaml = format!("endpoint: {}\ncompression: none\n{more}", server.url());
        async move { start(&ENTRY, &yaml).await }
    };
    let sums = |body: &[u8]| {
        let request = ExportMetricsServiceRequest::decode(body).unwrap();
        request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics[0].metrics).count()
    };
    let receipt = exporter("").await.export(&both()).await;
    assert_eq!((receipt, sums(&server.last().body)), (Ok(Receipt::default()), 2));
    let exporter = exporter("preset: mimir").await;
    let left_out = Ok(Receipt { unsupported: 1, ..Receipt::default() });
    assert_eq!((exporter.export(&both()).await, sums(&server.last().body)), (left_out.clone(), 1));
    let delta: Batch = both().into_iter().take(1).collect();
    let before = server.seen.lock().unwrap().len();
    assert_eq!(exporter.export(&delta).await, left_out);
    assert_eq!(server.seen.lock().unwrap().len(), before);
}
