//! A real OpenTelemetry Collector, which passes on what it gets in JSON, so that it can be compared.

use std::path::Path;

use integration::{Collector, Peer, Reply, Server, free_address, peer, wait_until, with_pipeline};
use serde_json::{Value, json};

use crate::sample::{now, push, pushed, resource, sum};

/// A collector that passes on to `next`; also the address where it takes gRPC.
pub(crate) async fn start(program: &Path, next: &Peer) -> (Server, String) {
    let grpc = free_address();
    let config = format!(
        "receivers:
  otlp:
    protocols:
      grpc: {{endpoint: '{grpc}', max_recv_msg_size_mib: 1}}
      http: {{endpoint: '{{address}}', max_request_body_size: 100000}}
exporters: {{otlp_http: {{endpoint: '{}', encoding: json, compression: none, sending_queue: {{enabled: false}}}}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines: {{metrics: {{receivers: [otlp], exporters: [otlp_http]}}}}
",
        next.url()
    );
    // What is asked by GET is there once it answers 405.
    let files = [("config.yaml", &*config)];
    let server = Server::start_until(program, &files, &["--config=config.yaml"], ("/v1/metrics", 405)).await;
    (server, grpc)
}

/// Takes what the collector passes on.
pub(crate) async fn next() -> Peer {
    Peer::saying(Reply::new(200, "Content-Type: application/json\r\n", "{}")).await
}

/// The metric of this name as it was passed on, with its resource.
pub(crate) fn metric(next: &Peer, name: &str) -> Option<(Value, Value)> {
    let requests = next.seen();
    let bodies = requests.iter().filter_map(|seen| serde_json::from_slice::<Value>(&seen.body).ok());
    let resources = bodies.flat_map(|body| body["resourceMetrics"].as_array().cloned().unwrap_or_default());
    resources.into_iter().find_map(|resource| {
        let metrics =
            resource["scopeMetrics"].as_array()?.iter().filter_map(|scope| scope["metrics"].as_array());
        let metric = metrics.flatten().find(|metric| metric["name"] == name)?.clone();
        Some((metric, resource["resource"].clone()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_real_collector_passes_on_everything_as_it_was_pushed() {
    let Some(program) = peer("otelcol") else { return };
    for exporter in ["otlp_grpc", "otlp_http"] {
        let next = next().await;
        let (server, grpc) = start(&program, &next).await;
        let address = if exporter == "otlp_grpc" { &grpc } else { &server.address };
        let section = format!("{{endpoint: 'http://{address}', compression: zstd}}");
        let collector = pushed(exporter, &section).await;
        let all = || async { metric(&next, "shop.size").is_some() };
        wait_until("everything", all, || format!("{}\n{}", collector.log(), server.log())).await;
        let (sum, resource) = metric(&next, "shop.requests").unwrap();
        assert_eq!(sum["sum"]["dataPoints"][0]["asInt"], "42");
        assert_eq!(sum["sum"]["aggregationTemporality"], 2);
        let rack = json!({"key": "rack", "value": {"stringValue": "r7"}});
        assert!(resource["attributes"].as_array().unwrap().contains(&rack), "{resource}");
        let (gauge, _) = metric(&next, "gpu.temperature").unwrap();
        assert_eq!(
            (&gauge["gauge"]["dataPoints"][0]["asDouble"], &gauge["unit"]),
            (&json!(61.5), &json!("Cel"))
        );
        let (histogram, _) = metric(&next, "shop.latency").unwrap();
        let point = &histogram["histogram"]["dataPoints"][0];
        assert_eq!(point["bucketCounts"], json!(["1", "3", "2"]));
        assert_eq!((&point["count"], &point["sum"]), (&json!("6"), &json!(3.25)));
        let (exponential, _) = metric(&next, "shop.size").unwrap();
        let point = &exponential["exponentialHistogram"]["dataPoints"][0];
        assert_eq!(point["positive"]["bucketCounts"], json!(["2", "4"]));
        assert_eq!((&point["count"], &point["zeroCount"]), (&json!("7"), &json!("1")));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_its_limits_is_divided_until_it_fits() {
    let Some(program) = peer("otelcol") else { return };
    // A request of more than 2 MiB, in few points.
    let long = "x".repeat(60_000);
    let name = |index: u32| format!("m{index}.{long}");
    let metrics: Vec<String> = (0..40).map(|index| sum(&name(index), 2, "5", now())).collect();
    for exporter in ["otlp_grpc", "otlp_http"] {
        let next = next().await;
        let (server, grpc) = start(&program, &next).await;
        let address = if exporter == "otlp_grpc" { &grpc } else { &server.address };
        let section = format!("{{endpoint: 'http://{address}', when_too_large: split}}");
        let collector = Collector::start(&with_pipeline(&[], &[(exporter, &section)])).await;
        push(&collector, &resource(&metrics)).await;
        let all = || async { (0..40).all(|index| metric(&next, &name(index)).is_some()) };
        wait_until("everything", all, || format!("{}\n{}", collector.log(), server.log())).await;
    }
}
