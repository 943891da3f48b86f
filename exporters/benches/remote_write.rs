//! What a point costs on its way into a request of Remote Write, in either version.

use std::sync::Arc;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use exporters::RemoteWriteBodies;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::component::Context;
use pipeline::point::Histogram;
use pipeline::{Attributes, Batch, Clock, Kind, Metric, Point, Registry, Resource, Temporality, Value};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

/// As many as one request has by default.
const POINTS: usize = 2000;

const VERSIONS: [&str; 2] = ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"];

fn main() {
    divan::main();
}

fn bodies(registry: &Arc<Registry>, version: &str) -> RemoteWriteBodies {
    let context = Context {
        id: "prometheus_remote_write".to_owned(),
        registry: registry.clone(),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("bench").into(),
        net: Arc::default(),
        mappings: Arc::default(),
        storages: Arc::default(),
    };
    let settings =
        format!("endpoint: http://localhost/\nprotobuf_message: {version}\nmax_batch_size_bytes: 100MB");
    let section = config::Section::from_yaml("exporters.prometheus_remote_write", &settings).expect("YAML");
    RemoteWriteBodies::new(&section, &context).expect("a valid section")
}

fn batch(registry: &Registry, kind: Kind, value: impl Fn(usize) -> Value) -> Batch {
    let resource =
        Attributes::of_strings([("service.name", "vllm"), ("service.instance.id", "127.0.0.1:8000")]);
    let resource = registry.resource(Resource { attributes: resource, ..Resource::default() });
    let scope = registry.scope(pipeline::Scope { name: "receiver".to_owned(), ..Default::default() });
    let point = |index: usize| {
        let metric = registry.metric(Metric::new(format!("vllm.metric.{}", index % 100), "s", kind));
        let number = index.to_string();
        let attributes =
            Attributes::of_strings([("model_name", "meta-llama/Llama-3.1-8B"), ("index", &number)]);
        let series = registry.series(&resource, &scope, &metric, attributes).expect("below the limit");
        Point::new(series, 1, value(index))
    };
    (0..POINTS).map(point).collect()
}

/// Writes the batch again and again, each time a second later; `finish` is what is done with the bodies.
fn write<T>(
    bencher: Bencher,
    version: &str,
    kind: Kind,
    value: impl Fn(usize) -> Value,
    finish: fn(&[u8]) -> T,
) {
    let registry = Arc::new(Registry::new(POINTS));
    let bodies = bodies(&registry, version);
    let mut batch = batch(&registry, kind, value);
    bencher.counter(ItemsCount::new(POINTS)).bench_local(|| {
        batch.iter_mut().for_each(|point| point.time_unix_nano += 1_000_000_000);
        let body = bodies.write(&batch);
        assert!(!body.is_empty());
        finish(&body)
    });
}

fn compress(body: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(body).expect("a body is short enough")
}

fn double(index: usize) -> Value {
    Value::Double(index as f64 + 0.123_456)
}

#[divan::bench(args = VERSIONS)]
fn numbers(bencher: Bencher, version: &str) {
    write(bencher, version, Kind::Gauge, double, <[u8]>::len);
}

#[divan::bench(args = VERSIONS)]
fn numbers_compressed(bencher: Bencher, version: &str) {
    write(bencher, version, Kind::Gauge, double, compress);
}

#[divan::bench(args = VERSIONS)]
fn histograms_of_ten_buckets(bencher: Bencher, version: &str) {
    let kind = Kind::Histogram { temporality: Temporality::Cumulative };
    let bounds: Arc<[f64]> = (0..9).map(f64::from).collect();
    let histogram = |index: usize| {
        Value::Histogram(Box::new(Histogram {
            count: 10,
            sum: Some(index as f64),
            bounds: bounds.clone(),
            bucket_counts: vec![1; 10],
            ..Histogram::default()
        }))
    };
    write(bencher, version, kind, histogram, <[u8]>::len);
}
