//! Writes a batch as an `ExportMetricsServiceRequest`.
//!
//! Lengths stand before what they measure, so everything is measured first, then written once, in
//! order, into a buffer that is large enough. Fields that a message has once come before those it may
//! repeat, so that nothing has to be remembered for the end of it.

pub(super) mod point;

use super::group::{Level, Run, runs};
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::wire::{put_varint, varint_len};

/// The bytes a run adds to each of the messages around it.
#[derive(Debug, Clone, Copy, Default)]
struct Lengths {
    data: usize,
    metric: usize,
    scope_metrics: usize,
    resource_metrics: usize,
}

/// Appends the batch as an `ExportMetricsServiceRequest`.
pub fn encode(batch: &Batch, buffer: &mut Vec<u8>) {
    let runs = runs(batch);
    let (lengths, total) = measure(&runs, batch);
    buffer.reserve(total);
    let end = buffer.len() + total;
    for (run, lengths) in runs.iter().zip(&lengths) {
        put_run(buffer, run, lengths);
        for point in &batch.as_slice()[run.points.clone()] {
            point::put(buffer, point);
        }
    }
    debug_assert_eq!(buffer.len(), end, "measured as written");
}

/// How many bytes [`encode`] appends.
pub fn encoded_len(batch: &Batch) -> usize {
    measure(&runs(batch), batch).1
}

/// Measures from the inside out, hence from the end; lengths are with the run that starts a message.
fn measure(runs: &[Run<'_>], batch: &Batch) -> (Vec<Lengths>, usize) {
    let mut lengths = vec![Lengths::default(); runs.len()];
    let mut open = Lengths::default();
    let mut total = 0;
    for (run, lengths) in runs.iter().zip(&mut lengths).rev() {
        let points = &batch.as_slice()[run.points.clone()];
        open.data += points.iter().map(|point| field_len(point::len(point))).sum::<usize>();
        if run.level >= Level::Metric {
            let metric = run.series.metric();
            lengths.data = kind_len(metric.kind) + std::mem::take(&mut open.data);
            lengths.metric = metric_len(metric) + field_len(lengths.data);
            open.metric += field_len(lengths.metric);
        }
        if run.level >= Level::Scope {
            let scope = run.series.scope();
            lengths.scope_metrics = optional_len(scope_len(scope))
                + optional_len(scope.schema_url.len())
                + std::mem::take(&mut open.metric);
            open.scope_metrics += field_len(lengths.scope_metrics);
        }
        if run.level == Level::Resource {
            let resource = run.series.resource();
            lengths.resource_metrics = optional_len(resource_len(resource))
                + optional_len(resource.schema_url.len())
                + std::mem::take(&mut open.scope_metrics);
            total += field_len(lengths.resource_metrics);
        }
    }
    (lengths, total)
}

/// Writes what is around the points of a run, as far as it is new.
fn put_run(buffer: &mut Vec<u8>, run: &Run<'_>, lengths: &Lengths) {
    if run.level == Level::Resource {
        let resource = run.series.resource();
        put_start(buffer, 0x0a, lengths.resource_metrics);
        put_resource(buffer, resource);
        put_text(buffer, 0x1a, &resource.schema_url);
    }
    if run.level >= Level::Scope {
        let scope = run.series.scope();
        put_start(buffer, 0x12, lengths.scope_metrics);
        put_scope(buffer, scope);
        put_text(buffer, 0x1a, &scope.schema_url);
    }
    if run.level >= Level::Metric {
        put_start(buffer, 0x12, lengths.metric);
        put_metric(buffer, run.series.metric(), lengths.data);
    }
}

fn resource_len(resource: &Resource) -> usize {
    resource.attributes.as_bytes().len()
        + integer_len(u64::from(resource.dropped_attributes_count))
        + resource.entity_refs.iter().map(|entity| field_len(entity.len())).sum::<usize>()
}

fn put_resource(buffer: &mut Vec<u8>, resource: &Resource) {
    let length = resource_len(resource);
    if length == 0 {
        return;
    }
    put_start(buffer, 0x0a, length);
    put_attributes(buffer, 0x0a, &resource.attributes);
    put_integer(buffer, 0x10, u64::from(resource.dropped_attributes_count));
    for entity in &resource.entity_refs {
        put_start(buffer, 0x1a, entity.len());
        buffer.extend_from_slice(entity);
    }
}

fn scope_len(scope: &Scope) -> usize {
    optional_len(scope.name.len())
        + optional_len(scope.version.len())
        + scope.attributes.as_bytes().len()
        + integer_len(u64::from(scope.dropped_attributes_count))
}

fn put_scope(buffer: &mut Vec<u8>, scope: &Scope) {
    let length = scope_len(scope);
    if length == 0 {
        return;
    }
    put_start(buffer, 0x0a, length);
    put_text(buffer, 0x0a, &scope.name);
    put_text(buffer, 0x12, &scope.version);
    put_attributes(buffer, 0x1a, &scope.attributes);
    put_integer(buffer, 0x20, u64::from(scope.dropped_attributes_count));
}

fn metric_len(metric: &Metric) -> usize {
    optional_len(metric.name.len())
        + optional_len(metric.description.len())
        + optional_len(metric.unit.len())
        + metric.metadata.as_bytes().len()
}

/// Writes a metric up to where its points start.
fn put_metric(buffer: &mut Vec<u8>, metric: &Metric, data_len: usize) {
    put_text(buffer, 0x0a, &metric.name);
    put_text(buffer, 0x12, &metric.description);
    put_text(buffer, 0x1a, &metric.unit);
    put_attributes(buffer, 0x62, &metric.metadata);
    let tag = match metric.kind {
        Kind::Gauge => 0x2a,
        Kind::Sum { .. } => 0x3a,
        Kind::Histogram { .. } => 0x4a,
        Kind::ExponentialHistogram { .. } => 0x52,
        Kind::Summary => 0x5a,
    };
    put_start(buffer, tag, data_len);
    if let Some(temporality) = metric.kind.temporality() {
        let number = match temporality {
            Temporality::Delta => 1,
            Temporality::Cumulative => 2,
        };
        buffer.extend_from_slice(&[0x10, number]);
    }
    if is_monotonic(metric.kind) {
        buffer.extend_from_slice(&[0x18, 1]);
    }
}

/// The length of what [`put_metric`] writes inside the data.
fn kind_len(kind: Kind) -> usize {
    2 * usize::from(kind.temporality().is_some()) + 2 * usize::from(is_monotonic(kind))
}

fn is_monotonic(kind: Kind) -> bool {
    matches!(kind, Kind::Sum { is_monotonic: true, .. })
}

/// The length of a length-delimited field; all tags here are one byte.
#[inline]
fn field_len(length: usize) -> usize {
    1 + varint_len(length as u64) + length
}

/// The same for a field that is left out when empty.
#[inline]
fn optional_len(length: usize) -> usize {
    if length == 0 { 0 } else { field_len(length) }
}

/// The length of a varint field that is left out when zero.
#[inline]
fn integer_len(value: u64) -> usize {
    if value == 0 { 0 } else { 1 + varint_len(value) }
}

#[inline]
fn put_start(buffer: &mut Vec<u8>, tag: u8, length: usize) {
    buffer.push(tag);
    put_varint(buffer, length as u64);
}

fn put_text(buffer: &mut Vec<u8>, tag: u8, text: &str) {
    if !text.is_empty() {
        put_start(buffer, tag, text.len());
        buffer.extend_from_slice(text.as_bytes());
    }
}

#[inline]
fn put_integer(buffer: &mut Vec<u8>, tag: u8, value: u64) {
    if value != 0 {
        buffer.push(tag);
        put_varint(buffer, value);
    }
}

/// Writes attributes under another tag than the one they are kept with.
fn put_attributes(buffer: &mut Vec<u8>, tag: u8, attributes: &Attributes) {
    for message in attributes.messages() {
        put_start(buffer, tag, message.len());
        buffer.extend_from_slice(message);
    }
}
