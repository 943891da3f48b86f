//! Proves that in steady state a number point costs no allocation, on the way in and on the way out, and
//! that no request takes memory out of proportion.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, number_data_point,
};
use pipeline::mapping::{Engine, Options, load};
use pipeline::otlp::{Decoder, encode};
use pipeline::wire::put_bytes;
use pipeline::{Batch, Clock, Registry};
use prost::Message;

/// The system's allocator, which counts for each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
    static BYTES_PEAK: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    BYTES.set(BYTES.get() + bytes);
    BYTES_PEAK.set(BYTES_PEAK.get().max(BYTES.get()));
}

#[expect(unsafe_code, reason = "an allocator cannot be written without")]
// SAFETY: everything is handed on to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        count(layout.size() as isize);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    work();
    ALLOCATIONS.get() - before
}

/// The most memory held at a time, beyond what was held before.
fn peak(work: impl FnOnce()) -> usize {
    let before = BYTES.get();
    BYTES_PEAK.set(before);
    work();
    BYTES_PEAK.get().saturating_sub(before) as usize
}

/// A request of gauges with six attributes a point, not in order.
fn request(metrics: usize, points_a_metric: usize) -> Vec<u8> {
    let pair = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let point = |index: usize| NumberDataPoint {
        attributes: ["pod", "namespace", "node", "zone", "gpu", "model"]
            .map(|key| pair(key, format!("{key}-{index}")))
            .to_vec(),
        time_unix_nano: 1,
        value: Some(number_data_point::Value::AsDouble(1.0)),
        ..NumberDataPoint::default()
    };
    let metric = |index: usize| Metric {
        name: format!("metric.{index}"),
        data: Some(Data::Gauge(Gauge { data_points: (0..points_a_metric).map(point).collect() })),
        ..Metric::default()
    };
    let scope_metrics =
        vec![ScopeMetrics { metrics: (0..metrics).map(metric).collect(), ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

#[track_caller]
fn check(metrics: usize, points_a_metric: usize) {
    let points = metrics * points_a_metric;
    let bytes = request(metrics, points_a_metric);
    let decoder = Decoder::new(Arc::new(Registry::new(2 * points)));
    let mut batch = Batch::new();
    let mut buffer = Vec::new();
    // What a decoder may remember follows from the bound on series; at the bound not all of it fits.
    // The first decode resolves the series, the next ones learn where the times and values stand.
    for _ in 0..4 {
        batch = decoder.decode(&bytes).expect("a good request").batch;
        encode(&batch, &mut buffer);
    }
    let mut again = Batch::new();
    let decoding = allocations(|| again = decoder.decode(&bytes).expect("a good request").batch);
    assert_eq!(again.len(), points);
    let encoding = allocations(|| {
        buffer.clear();
        encode(&batch, &mut buffer);
    });
    // Growing lists allocate now and then, a few times for a whole request.
    assert!(decoding < 25, "{decoding} allocations to decode {points} points");
    assert!(encoding < 25, "{encoding} allocations to encode {points} points");
}

#[test]
fn a_number_point_met_before_costs_no_allocation() {
    check(1, 10_000);
    check(100, 100);
    check(10_000, 1);
}

/// Ten thousand gauges through a schema with one rule.
#[track_caller]
fn check_mapping(rule: &str, made: usize) {
    let text = format!(
        "mapping: test\nkind: schema\nabout: A test.\ninputs: {{metric.0: {{type: gauge, unit: '1', about: i.}}}}\nrules: [{rule}]\n"
    );
    let mapping = load("test.yaml", &text, &BTreeMap::new()).unwrap_or_else(|problems| panic!("{problems}"));
    let registry = Arc::new(Registry::new(100_000));
    let decoder = Decoder::new(registry.clone());
    let mut engine =
        Engine::new(vec![Arc::new(mapping.mapping)], Options::default(), registry, Clock::system());
    let bytes = request(1, 10_000);
    let mut batches: Vec<_> = (0..4).map(|_| decoder.decode(&bytes).expect("a good request").batch).collect();
    let mut last = batches.pop().expect("four were made");
    for batch in &mut batches {
        engine.process(batch);
    }
    let mapping = allocations(|| engine.process(&mut last));
    assert_eq!(last.len(), made);
    assert!(mapping < 25, "{mapping} allocations to map 10,000 points");
}

#[test]
fn a_mapped_point_met_before_costs_no_allocation() {
    let head = "metric: m, type: gauge, unit: '1', help: h., from: {metric: metric.0}";
    check_mapping(&format!("{{{head}, keep: ['*']}}"), 10_000);
    check_mapping(&format!("{{{head}, combine: sum}}"), 1);
    check_mapping("{metric: m, type: gauge, unit: '1', help: h., from: {metric: up}}", 0);
}

/// Fields of two bytes each, a million times, inside these fields.
fn million(tag: u8, fields: &[u32]) -> Vec<u8> {
    fields.iter().fold([tag, 0].repeat(1_000_000), |message, field| {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, *field, &message);
        bytes
    })
}

#[track_caller]
fn check_peak(request: &[u8]) {
    let decoder = Decoder::new(Arc::new(Registry::new(1000)));
    let bytes = peak(|| drop(decoder.decode(request)));
    assert!(bytes < 3 * request.len() + (8 << 20), "{bytes} bytes for {}", request.len());
}

#[test]
fn a_request_of_nothing_but_tags_takes_no_memory_out_of_proportion() {
    // Resources, scopes, metrics, data, points; attributes, entities and values of a resource.
    check_peak(&million(0x0a, &[]));
    check_peak(&million(0x12, &[1]));
    check_peak(&million(0x12, &[2, 1]));
    check_peak(&million(0x2a, &[2, 2, 1]));
    for data in [5, 7, 9, 10, 11] {
        check_peak(&million(0x0a, &[data, 2, 2, 1]));
    }
    check_peak(&million(0x0a, &[1, 1]));
    check_peak(&million(0x1a, &[1, 1]));
    check_peak(&million(0x0a, &[5, 2, 1, 1, 1]));
    check_peak(&million(0x0a, &[6, 2, 1, 1, 1]));
    // Exemplars and attributes of a point, quantiles of a summary.
    check_peak(&million(0x2a, &[1, 5, 2, 2, 1]));
    check_peak(&million(0x3a, &[1, 5, 2, 2, 1]));
    check_peak(&million(0x32, &[1, 11, 2, 2, 1]));
}

#[test]
fn what_is_remembered_of_a_series_is_small() {
    let check = |metrics: usize, points_a_metric: usize| {
        let bytes = request(metrics, points_a_metric);
        let decoder = Decoder::new(Arc::new(Registry::new(20_000)));
        let before = BYTES.get();
        drop(decoder.decode(&bytes).expect("a good request"));
        let held = (BYTES.get() - before) as usize / (metrics * points_a_metric);
        assert!(held < 600, "{held} bytes a series");
    };
    check(1, 20_000);
    check(200, 100);
}
