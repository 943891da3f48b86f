//! Measures and writes points.

use super::{field_len, integer_len, optional_len, put_attributes, put_integer, put_start};
use crate::attributes::ATTRIBUTE_TAG;
use crate::metric::Kind;
use crate::point::{
    Buckets, Exemplar, ExemplarValue, ExponentialHistogram, Histogram, Point, Summary, Value,
};
use crate::wire::{put_varint, varint_len};

/// What a field of eight bytes takes with its tag.
const FIXED_LEN: usize = 9;

/// The tags that differ between the kinds of point.
struct Tags {
    attributes: u8,
    exemplars: u8,
    flags: u8,
}

/// The length of a point's message.
#[inline]
pub(super) fn len(point: &Point) -> usize {
    point.series.attributes().as_bytes().len()
        + fixed_len(point.start_unix_nano)
        + fixed_len(point.time_unix_nano)
        + integer_len(u64::from(point.flags))
        + value_len(fitting_value(point))
        + exemplars(point).map(|exemplar| field_len(exemplar_len(exemplar))).sum::<usize>()
}

/// Writes a point as a field of its data.
#[inline]
pub(super) fn put(buffer: &mut Vec<u8>, point: &Point) {
    put_start(buffer, 0x0a, len(point));
    let tags = tags(point.series.metric().kind);
    let attributes = point.series.attributes();
    if tags.attributes == ATTRIBUTE_TAG {
        buffer.extend_from_slice(attributes.as_bytes());
    } else {
        put_attributes(buffer, tags.attributes, attributes);
    }
    put_fixed(buffer, 0x11, point.start_unix_nano);
    put_fixed(buffer, 0x19, point.time_unix_nano);
    match fitting_value(point) {
        Value::Empty => {}
        Value::Int(value) => put_always(buffer, 0x31, *value as u64),
        Value::Double(value) => put_always(buffer, 0x21, value.to_bits()),
        Value::Histogram(histogram) => put_histogram(buffer, histogram),
        Value::ExponentialHistogram(histogram) => put_exponential(buffer, histogram),
        Value::Summary(summary) => put_summary(buffer, summary),
    }
    put_integer(buffer, tags.flags, u64::from(point.flags));
    for exemplar in exemplars(point) {
        put_start(buffer, tags.exemplars, exemplar_len(exemplar));
        put_exemplar(buffer, exemplar);
    }
}

#[inline]
fn tags(kind: Kind) -> Tags {
    match kind {
        Kind::Gauge | Kind::Sum { .. } | Kind::Summary => {
            Tags { attributes: ATTRIBUTE_TAG, exemplars: 0x2a, flags: 0x40 }
        }
        Kind::Histogram { .. } => Tags { attributes: 0x4a, exemplars: 0x42, flags: 0x50 },
        Kind::ExponentialHistogram { .. } => Tags { attributes: 0x0a, exemplars: 0x5a, flags: 0x50 },
    }
}

/// The value, unless it is of another kind than the metric: its fields would be read as others.
#[inline]
pub(in crate::otlp) fn fitting_value(point: &Point) -> &Value {
    let fits = match point.series.metric().kind {
        Kind::Gauge | Kind::Sum { .. } => matches!(point.value, Value::Int(_) | Value::Double(_)),
        Kind::Histogram { .. } => matches!(point.value, Value::Histogram(_)),
        Kind::ExponentialHistogram { .. } => matches!(point.value, Value::ExponentialHistogram(_)),
        Kind::Summary => matches!(point.value, Value::Summary(_)),
    };
    debug_assert!(fits || point.value == Value::Empty, "a point has its metric's kind of value");
    if fits { &point.value } else { &Value::Empty }
}

/// The exemplars; a summary has no field for them.
#[inline]
pub(in crate::otlp) fn exemplars(point: &Point) -> impl Iterator<Item = &Exemplar> {
    let is_summary = point.series.metric().kind == Kind::Summary;
    (!is_summary && !point.exemplars.is_empty()).then(|| point.exemplars.iter()).into_iter().flatten()
}

#[inline]
fn value_len(value: &Value) -> usize {
    match value {
        Value::Empty => 0,
        Value::Int(_) | Value::Double(_) => FIXED_LEN,
        Value::Histogram(histogram) => histogram_len(histogram),
        Value::ExponentialHistogram(histogram) => exponential_len(histogram),
        Value::Summary(summary) => summary_len(summary),
    }
}

fn histogram_len(histogram: &Histogram) -> usize {
    fixed_len(histogram.count)
        + FIXED_LEN * [histogram.sum, histogram.min, histogram.max].iter().flatten().count()
        + optional_len(histogram.bucket_counts.len() * 8)
        + optional_len(histogram.bounds.len() * 8)
}

fn put_histogram(buffer: &mut Vec<u8>, histogram: &Histogram) {
    put_fixed(buffer, 0x21, histogram.count);
    put_option(buffer, 0x29, histogram.sum);
    put_packed(buffer, 0x32, histogram.bucket_counts.iter().copied());
    put_packed(buffer, 0x3a, histogram.bounds.iter().map(|bound| bound.to_bits()));
    put_option(buffer, 0x59, histogram.min);
    put_option(buffer, 0x61, histogram.max);
}

fn exponential_len(histogram: &ExponentialHistogram) -> usize {
    fixed_len(histogram.count)
        + FIXED_LEN * [histogram.sum, histogram.min, histogram.max].iter().flatten().count()
        + integer_len(zigzag(histogram.scale))
        + fixed_len(histogram.zero_count)
        + optional_len(buckets_len(&histogram.positive))
        + optional_len(buckets_len(&histogram.negative))
        + fixed_len(histogram.zero_threshold.to_bits())
}

fn put_exponential(buffer: &mut Vec<u8>, histogram: &ExponentialHistogram) {
    put_fixed(buffer, 0x21, histogram.count);
    put_option(buffer, 0x29, histogram.sum);
    put_integer(buffer, 0x30, zigzag(histogram.scale));
    put_fixed(buffer, 0x39, histogram.zero_count);
    put_buckets(buffer, 0x42, &histogram.positive);
    put_buckets(buffer, 0x4a, &histogram.negative);
    put_option(buffer, 0x61, histogram.min);
    put_option(buffer, 0x69, histogram.max);
    put_fixed(buffer, 0x71, histogram.zero_threshold.to_bits());
}

fn buckets_len(buckets: &Buckets) -> usize {
    integer_len(zigzag(buckets.offset)) + optional_len(counts_len(buckets))
}

fn counts_len(buckets: &Buckets) -> usize {
    buckets.counts.iter().map(|count| varint_len(*count)).sum()
}

fn put_buckets(buffer: &mut Vec<u8>, tag: u8, buckets: &Buckets) {
    let length = buckets_len(buckets);
    if length == 0 {
        return;
    }
    put_start(buffer, tag, length);
    put_integer(buffer, 0x08, zigzag(buckets.offset));
    if !buckets.counts.is_empty() {
        put_start(buffer, 0x12, counts_len(buckets));
        for count in &buckets.counts {
            put_varint(buffer, *count);
        }
    }
}

fn zigzag(value: i32) -> u64 {
    u64::from((value << 1 ^ value >> 31) as u32)
}

fn summary_len(summary: &Summary) -> usize {
    fixed_len(summary.count)
        + fixed_len(summary.sum.to_bits())
        + summary.quantiles.iter().map(|quantile| field_len(quantile_len(quantile))).sum::<usize>()
}

fn quantile_len((quantile, value): &(f64, f64)) -> usize {
    fixed_len(quantile.to_bits()) + fixed_len(value.to_bits())
}

fn put_summary(buffer: &mut Vec<u8>, summary: &Summary) {
    put_fixed(buffer, 0x21, summary.count);
    put_fixed(buffer, 0x29, summary.sum.to_bits());
    for pair @ (quantile, value) in &summary.quantiles {
        put_start(buffer, 0x32, quantile_len(pair));
        put_fixed(buffer, 0x09, quantile.to_bits());
        put_fixed(buffer, 0x11, value.to_bits());
    }
}

fn exemplar_len(exemplar: &Exemplar) -> usize {
    exemplar.attributes.as_bytes().len()
        + fixed_len(exemplar.time_unix_nano)
        + FIXED_LEN
        + optional_len(exemplar.span_id.len())
        + optional_len(exemplar.trace_id.len())
}

fn put_exemplar(buffer: &mut Vec<u8>, exemplar: &Exemplar) {
    put_fixed(buffer, 0x11, exemplar.time_unix_nano);
    match exemplar.value {
        ExemplarValue::Double(value) => put_always(buffer, 0x19, value.to_bits()),
        ExemplarValue::Int(value) => put_always(buffer, 0x31, value as u64),
    }
    for (tag, id) in [(0x22, &exemplar.span_id), (0x2a, &exemplar.trace_id)] {
        if !id.is_empty() {
            put_start(buffer, tag, id.len());
            buffer.extend_from_slice(id);
        }
    }
    buffer.extend_from_slice(exemplar.attributes.as_bytes());
}

/// The length of an eight-byte field that is left out when all its bits are zero.
#[inline]
fn fixed_len(bits: u64) -> usize {
    if bits == 0 { 0 } else { FIXED_LEN }
}

#[inline]
fn put_fixed(buffer: &mut Vec<u8>, tag: u8, bits: u64) {
    if bits != 0 {
        put_always(buffer, tag, bits);
    }
}

#[inline]
fn put_always(buffer: &mut Vec<u8>, tag: u8, bits: u64) {
    let mut field = [tag; FIXED_LEN];
    field[1..].copy_from_slice(&bits.to_le_bytes());
    buffer.extend_from_slice(&field);
}

fn put_option(buffer: &mut Vec<u8>, tag: u8, value: Option<f64>) {
    if let Some(value) = value {
        put_always(buffer, tag, value.to_bits());
    }
}

fn put_packed(buffer: &mut Vec<u8>, tag: u8, items: impl ExactSizeIterator<Item = u64>) {
    if items.len() > 0 {
        put_start(buffer, tag, items.len() * 8);
        for item in items {
            buffer.extend_from_slice(&item.to_le_bytes());
        }
    }
}
