//! What a point costs on its way through a pipeline to an exporter that does nothing.
//!
//! A batch holds 1000 points; its cloning is not measured. Allocations are counted a batch.

use std::collections::HashMap;
use std::sync::Arc;

use config::Section;
use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use opentelemetry::metrics::{MeterProvider, NoopMeterProvider};
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, ExportError, Exporter, Processor, Receipt, SeriesProcessor,
};
use pipeline::delivery::Outbox;
use pipeline::net::Net;
use pipeline::output::Output;
use pipeline::pipelines::{FanOut, Pipeline};
use pipeline::processors::PROCESSORS;
use pipeline::{Attributes, Batch, Clock, Full, Kind, Metric, Point, Registry, Series, Temporality, Value};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const POINTS: usize = 1000;

struct Nothing;

/// Appends to the name.
struct Rename(Arc<Registry>);

/// Looks and leaves as it is.
struct Keep;

impl Exporter for Nothing {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn export<'a>(&'a self, _: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(async { Ok(Receipt::default()) })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

impl SeriesProcessor for Rename {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        let mut metric = Metric::clone(series.metric());
        metric.name.push_str("_renamed");
        let metric = self.0.metric(metric);
        self.0.series(series.resource(), series.scope(), &metric, series.attributes().clone()).map(Some)
    }
}

impl SeriesProcessor for Keep {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        Ok(Some(series.clone()))
    }
}

fn context(registry: &Arc<Registry>) -> Context {
    Context {
        id: "bench".to_owned(),
        registry: registry.clone(),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("bench").into(),
        net: Arc::new(Net::new(HashMap::new())),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn points(registry: &Registry) -> Batch {
    let metric = registry.metric(Metric::new("requests", "{request}", Kind::COUNTER));
    (0..POINTS)
        .map(|index| {
            let attributes = Attributes::of_strings([("instance", index.to_string().as_str())]);
            let series = registry.series(&Arc::default(), &Arc::default(), &metric, attributes);
            Point::new(series.expect("there is room"), 1, Value::Int(index as i64))
        })
        .collect()
}

fn through(bencher: Bencher, registry: &Arc<Registry>, processors: Vec<Processor>) {
    let context = context(registry);
    let built = BuiltExporter { exporter: Arc::new(Nothing), delivery: Delivery::Direct };
    let started = Outbox::start(&context, built).now_or_never().expect("nothing waits");
    let (outbox, _) = started.expect("nothing fails");
    let named = processors.into_iter().map(|processor| ("p".to_owned(), processor)).collect();
    let pipeline = Arc::new(Pipeline::new(&context, named, vec![outbox]));
    let output = Output::new(FanOut(vec![pipeline]));
    let points = points(registry);
    let send = |batch: Batch| output.send(batch).now_or_never().expect("nothing waits");
    send(points.clone()).expect("nothing is full");
    bencher.counter(ItemsCount::new(POINTS)).with_inputs(|| points.clone()).bench_local_values(send);
}

#[divan::bench(args = [0, 1, 4])]
fn kept_by(bencher: Bencher, processors: usize) {
    let registry = Arc::new(Registry::new(100_000));
    through(bencher, &registry, (0..processors).map(|_| Processor::Series(Box::new(Keep))).collect());
}

#[divan::bench(args = [0, 1, 4])]
fn renamed_by(bencher: Bencher, processors: usize) {
    let registry = Arc::new(Registry::new(100_000));
    let rename = |_| Processor::Series(Box::new(Rename(registry.clone())));
    through(bencher, &registry, (0..processors).map(rename).collect());
}

/// Points that are neither of a GPU nor of a runner, and pass.
#[divan::bench]
fn passing_gpu_attribution(bencher: Bencher) {
    let registry = Arc::new(Registry::new(100_000));
    let entry = PROCESSORS.iter().find(|entry| entry.name == "gpu_attribution").expect("it is listed");
    let section = Section::from_yaml("processors.gpu_attribution", "").expect("nothing is written");
    let processor = (entry.build)(&section, &context(&registry)).expect("the defaults work");
    through(bencher, &registry, vec![processor]);
}

/// Sums in steady state, each batch later than the one before.
#[divan::bench(args = ["cumulative_to_delta", "delta_to_cumulative"])]
fn converted_by(bencher: Bencher, name: &str) {
    let registry = Arc::new(Registry::new(100_000));
    let entry = PROCESSORS.iter().find(|entry| entry.name == name).expect("it is listed");
    let section = Section::from_yaml("processors.bench", "").expect("nothing is written");
    let processor = (entry.build)(&section, &context(&registry)).expect("the defaults work");
    let Processor::Batch(mut processor) = processor else { panic!("it is one for batches") };
    let temporality =
        if name == "cumulative_to_delta" { Temporality::Cumulative } else { Temporality::Delta };
    let metric =
        registry.metric(Metric::new("requests", "{request}", Kind::Sum { temporality, is_monotonic: true }));
    let points: Batch = (0..POINTS)
        .map(|index| {
            let attributes = Attributes::of_strings([("instance", index.to_string().as_str())]);
            let series = registry.series(&Arc::default(), &Arc::default(), &metric, attributes);
            Point::new(series.expect("there is room"), 1, Value::Int(1))
        })
        .collect();
    let mut time = 1;
    let inputs = || {
        time += 1;
        let mut batch = points.clone();
        for point in &mut batch {
            point.time_unix_nano = time;
            point.value = Value::Int(time as i64);
        }
        batch
    };
    bencher.counter(ItemsCount::new(POINTS)).with_inputs(inputs).bench_local_values(|mut batch| {
        processor.process(&mut batch);
        batch
    });
}

fn main() {
    divan::main();
}
