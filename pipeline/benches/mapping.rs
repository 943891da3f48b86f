//! What a point costs that a mapping takes, and one that it does not.

use std::sync::Arc;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use pipeline::mapping::compiled::{
    Combine, Derive, From, Input, Inputs, Labels, Mapping, MappingKind, NameMatch, Part, Rule, Take,
    Template, Valid,
};
use pipeline::mapping::{Engine, Options};
use pipeline::point::Histogram;
use pipeline::{Attributes, Batch, Clock, Kind, Metric, Point, Registry, Temporality, Value};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SERIES: [usize; 3] = [1_000, 10_000, 100_000];

fn rule(from: &str, combine: Option<Combine>, derive: Option<Derive>) -> Rule {
    let labels = Labels { labels: Vec::new(), keep: vec![NameMatch::Exact("instance".to_owned())] };
    let input = Input {
        from: From::Metric(NameMatch::Exact(from.to_owned())),
        is_foreign: false,
        conditions: Vec::new(),
        runner: None,
        version: None,
        take: Take::Value,
        kind: None,
        unit: None,
        scale: None,
        offset: 0.0,
        valid: Valid::default(),
        is_whole: false,
        is_accumulated_twice: false,
        labels: if combine.is_some() { Labels::default() } else { labels },
    };
    Rule {
        metric: Some(Template(vec![Part::Text("out".to_owned())])),
        kind: None,
        unit: None,
        help: None,
        inputs: Inputs::Ranked(vec![vec![input]]),
        combine,
        derive,
        states: None,
        zero: Vec::new(),
        is_hidden: false,
        is_rest: false,
        place: String::new(),
    }
}

fn mapping(rule: Rule) -> Arc<Mapping> {
    Arc::new(Mapping {
        name: "bench".to_owned(),
        kind: MappingKind::Schema,
        about: String::new(),
        vocabulary: Vec::new(),
        detect: Vec::new(),
        keeps_unmapped: true,
        labels: Labels::default(),
        rules: vec![rule],
    })
}

fn points(registry: &Registry, metric: Metric, count: usize, value: impl Fn(usize) -> Value) -> Batch {
    let metric = registry.metric(metric);
    (0..count)
        .map(|index| {
            let attributes = Attributes::of_strings([("instance", index.to_string().as_str())]);
            let series = registry.series(&Arc::default(), &Arc::default(), &metric, attributes);
            Point::new(series.expect("there is room"), 1, value(index))
        })
        .collect()
}

fn through(bencher: Bencher, rule: Rule, kind: Kind, count: usize, value: impl Fn(usize) -> Value) {
    let registry = Arc::new(Registry::new(1_000_000));
    let points = points(&registry, Metric::new("in", "", kind), count, value);
    let mut engine = Engine::new(vec![mapping(rule)], Options::default(), registry, Clock::system());
    engine.process(&mut points.clone());
    bencher.counter(ItemsCount::new(count)).with_inputs(|| points.clone()).bench_local_values(|mut batch| {
        engine.process(&mut batch);
        batch
    });
}

fn integer(index: usize) -> Value {
    Value::Int(index as i64)
}

#[divan::bench(args = SERIES)]
fn one_to_one(bencher: Bencher, count: usize) {
    through(bencher, rule("in", None, None), Kind::Gauge, count, integer);
}

/// What no mapping can do without: a handle more to one series, and one less to another.
#[divan::bench(args = SERIES)]
fn handles_alone(bencher: Bencher, count: usize) {
    let registry = Registry::new(1_000_000);
    let [points, others] =
        ["in", "out"].map(|name| points(&registry, Metric::new(name, "", Kind::Gauge), count, integer));
    bencher.counter(ItemsCount::new(count)).with_inputs(|| points.clone()).bench_local_values(|mut batch| {
        for (point, other) in batch.iter_mut().zip(&others) {
            point.series = other.series.clone();
        }
        batch
    });
}

#[divan::bench(args = SERIES)]
fn not_mapped(bencher: Bencher, count: usize) {
    through(bencher, rule("other", None, None), Kind::Gauge, count, integer);
}

#[divan::bench(args = SERIES)]
fn sum(bencher: Bencher, count: usize) {
    through(bencher, rule("in", Some(Combine::Sum), None), Kind::COUNTER, count, integer);
}

#[divan::bench(args = SERIES)]
fn quantiles(bencher: Bencher, count: usize) {
    let derive = Derive::Quantiles { quantiles: vec![0.5, 0.99], window: Duration::from_mins(5) };
    let kind = Kind::Histogram { temporality: Temporality::Cumulative };
    let bounds: Arc<[f64]> = (1..=14).map(f64::from).collect();
    through(bencher, rule("in", Some(Combine::Sum), Some(derive)), kind, count, |_| {
        Value::Histogram(Box::new(Histogram {
            count: 15,
            sum: Some(9.0),
            bounds: bounds.clone(),
            bucket_counts: vec![1; 15],
            ..Histogram::default()
        }))
    });
}

fn main() {
    divan::main();
}
