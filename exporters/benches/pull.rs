//! What the pull endpoint costs: a point taken, and a line served over loopback.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::{Arc, OnceLock};

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::component::{Context, Exporter};
use pipeline::{Attributes, Batch, Clock, Kind, Metric, Point, Registry, Resource, Value};
use tokio::runtime::Runtime;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SERIES: usize = 100_000;

struct Fixture {
    runtime: Runtime,
    exporter: Arc<dyn Exporter>,
    address: SocketAddr,
    batch: Batch,
}

fn main() {
    divan::main();
}

fn fixture() -> &'static Fixture {
    static FIXTURE: OnceLock<Fixture> = OnceLock::new();
    FIXTURE.get_or_init(|| {
        let runtime = Runtime::new().expect("a runtime");
        let context = Context {
            id: "prometheus".to_owned(),
            registry: Arc::new(Registry::new(SERIES)),
            clock: Clock::system(),
            meter: NoopMeterProvider::new().meter("bench").into(),
            net: Arc::default(),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let entry = exporters::EXPORTERS.iter().find(|entry| entry.name == "prometheus").expect("listed");
        let section =
            config::Section::from_yaml("exporters.prometheus", "endpoint: 127.0.0.1:0").expect("YAML");
        let exporter = (entry.build)(&section, &context).expect("a valid section").exporter;
        let note = runtime.block_on(exporter.start()).expect("a free port").remove(0);
        let address = note.split('/').nth(2).and_then(|address| address.parse().ok()).expect("an address");
        let batch = gauges(&context.registry);
        runtime.block_on(exporter.export(&batch)).expect("never fails");
        Fixture { runtime, exporter, address, batch }
    })
}

fn gauges(registry: &Registry) -> Batch {
    let resource =
        Attributes::of_strings([("service.name", "vllm"), ("service.instance.id", "127.0.0.1:8000")]);
    let resource = registry.resource(Resource { attributes: resource, ..Resource::default() });
    let scope = registry.scope(pipeline::Scope::default());
    let point = |index: usize| {
        let metric = Metric::new(format!("vllm.metric.{}", index % 100), "s", Kind::Gauge);
        let (index, metric) = (index.to_string(), registry.metric(metric));
        let attributes =
            Attributes::of_strings([("model_name", "meta-llama/Llama-3.1-8B"), ("index", &index)]);
        let series = registry.series(&resource, &scope, &metric, attributes).expect("below the limit");
        Point::new(series, 1, Value::Double(index.len() as f64 + 0.123_456))
    };
    (0..SERIES).map(point).collect()
}

#[divan::bench]
fn update(bencher: Bencher) {
    let Fixture { runtime, exporter, batch, .. } = fixture();
    bencher
        .counter(ItemsCount::new(SERIES))
        .bench(|| runtime.block_on(exporter.export(batch)).expect("never fails"));
}

fn scrape(accept_encoding: &str) -> usize {
    let mut stream = TcpStream::connect(fixture().address).expect("it listens");
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept-Encoding: {accept_encoding}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut buffer = vec![0; 1 << 20];
    let mut total = 0;
    loop {
        match stream.read(&mut buffer).expect("it writes") {
            0 => return total,
            count => total += count,
        }
    }
}

#[divan::bench(args = ["identity", "gzip", "zstd"])]
fn page(bencher: Bencher, encoding: &str) {
    fixture();
    bencher.counter(ItemsCount::new(SERIES)).bench(|| scrape(encoding));
}
