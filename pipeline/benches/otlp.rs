//! What a pushed point costs: from bytes, to bytes, and what the generated types take for the same.
//!
//! `cargo bench -p inferometer-pipeline --bench otlp`; items are points.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher, black_box};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use pipeline::Registry;
use pipeline::otlp::{Decoder, encode, encode_json};
use prost::Message;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// Points in a request, and of a metric.
const SIZES: [(usize, usize); 3] = [(1_000, 100), (10_000, 10_000), (10_000, 1)];

/// What must hold for a benchmark to mean anything.
const GOOD: &str = "the request is good";

fn main() {
    divan::main();
}

fn text(key: &str, value: String) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    }
}

/// Gauges whose points have five text attributes and an integer, about 190 bytes each.
fn request((points, points_a_metric): (usize, usize)) -> ExportMetricsServiceRequest {
    let point = |index: usize| NumberDataPoint {
        attributes: vec![
            text("k8s.namespace.name", "inference".to_owned()),
            text("k8s.node.name", format!("gpu-node-{:04}", index / 64)),
            text("k8s.pod.name", format!("model-server-{index:06}")),
            text("model_name", "some-org/some-model-70b".to_owned()),
            KeyValue {
                key: "server.port".to_owned(),
                value: Some(AnyValue { value: Some(Value::IntValue(8000 + index as i64 % 8)) }),
                ..KeyValue::default()
            },
            text("worker", format!("{index}")),
        ],
        start_time_unix_nano: 1_700_000_000_000_000_000,
        time_unix_nano: 1_700_000_015_000_000_000,
        value: Some(number_data_point::Value::AsDouble(index as f64 * 0.25)),
        ..NumberDataPoint::default()
    };
    let metric = |index: usize| Metric {
        name: format!("gen_ai.server.metric_{index}"),
        description: "What it says, in a sentence of usual length.".to_owned(),
        unit: "s".to_owned(),
        data: Some(Data::Gauge(Gauge {
            data_points: (index * points_a_metric..(index + 1) * points_a_metric).map(point).collect(),
        })),
        ..Metric::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource {
                attributes: vec![text("host.name", "gpu-node-0001".to_owned())],
                ..Resource::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: (0..points / points_a_metric).map(metric).collect(),
                ..ScopeMetrics::default()
            }],
            ..ResourceMetrics::default()
        }],
    }
}

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Registry::new(1_000_000)))
}

#[divan::bench(args = SIZES)]
fn decode_met_before(bencher: Bencher, size: (usize, usize)) {
    let bytes = request(size).encode_to_vec();
    let decoder = decoder();
    decoder.decode(&bytes).expect(GOOD);
    bencher.counter(ItemsCount::new(size.0)).bench(|| decoder.decode(black_box(&bytes)).expect(GOOD));
}

#[divan::bench(args = SIZES)]
fn decode_first_sight(bencher: Bencher, size: (usize, usize)) {
    let bytes = request(size).encode_to_vec();
    bencher
        .counter(ItemsCount::new(size.0))
        .with_inputs(decoder)
        .bench_refs(|decoder| decoder.decode(black_box(&bytes)).expect(GOOD));
}

#[divan::bench(args = SIZES)]
fn encode_points(bencher: Bencher, size: (usize, usize)) {
    let batch = decoder().decode(&request(size).encode_to_vec()).expect(GOOD).batch;
    let mut buffer = Vec::new();
    bencher.counter(ItemsCount::new(size.0)).bench_local(|| {
        buffer.clear();
        encode(black_box(&batch), &mut buffer);
        buffer.len()
    });
}

#[divan::bench(args = SIZES)]
fn decode_json(bencher: Bencher, size: (usize, usize)) {
    let decoder = decoder();
    let batch = decoder.decode(&request(size).encode_to_vec()).expect(GOOD).batch;
    let mut text = Vec::new();
    encode_json(&batch, &mut text);
    bencher.counter(ItemsCount::new(size.0)).bench(|| decoder.decode_json(black_box(&text)).expect(GOOD));
}

#[divan::bench(args = SIZES)]
fn write_json(bencher: Bencher, size: (usize, usize)) {
    let batch = decoder().decode(&request(size).encode_to_vec()).expect(GOOD).batch;
    let mut buffer = Vec::new();
    bencher.counter(ItemsCount::new(size.0)).bench_local(|| {
        buffer.clear();
        encode_json(black_box(&batch), &mut buffer);
        buffer.len()
    });
}

#[divan::bench(args = SIZES)]
fn generated_types_decode(bencher: Bencher, size: (usize, usize)) {
    let bytes = request(size).encode_to_vec();
    bencher
        .counter(ItemsCount::new(size.0))
        .bench(|| ExportMetricsServiceRequest::decode(black_box(bytes.as_slice())).expect(GOOD));
}

#[divan::bench(args = SIZES)]
fn generated_types_encode(bencher: Bencher, size: (usize, usize)) {
    let request = request(size);
    bencher.counter(ItemsCount::new(size.0)).bench(|| black_box(&request).encode_to_vec());
}
