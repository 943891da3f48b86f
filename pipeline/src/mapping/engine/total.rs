//! Sums that never go backwards: what a cumulative value has grown by, and how growth adds up.

use crate::growth::{exponential, grown};
use crate::point::{Histogram, Value};

/// A sum of exponential histograms whose buckets would be more is made coarser.
const BUCKETS_MAX: i64 = 1024;

/// What a value has grown by; all of it, where it has started anew meanwhile.
pub(super) fn increase(now: &Value, before: Option<&Value>) -> Value {
    before.and_then(|before| grown(now, before)).unwrap_or_else(|| at_least_zero(now))
}

fn at_least_zero(value: &Value) -> Value {
    match value {
        Value::Int(number) => Value::Int((*number).max(0)),
        Value::Double(number) => Value::Double(number.max(0.0)),
        other => other.clone(),
    }
}

/// Whether a sum can go on with the growth of another source, and loses nothing by it.
pub(super) fn can_go_on(total: &Value, with: &Value) -> bool {
    match (total, with) {
        (Value::Histogram(total), Value::Histogram(with)) => {
            total.bounds == with.bounds || total.bounds.is_empty()
        }
        (Value::Histogram(_), _) | (_, Value::Histogram(_)) => false,
        _ => true,
    }
}

/// Adds growth to a sum; growth of another kind than the sum is left out.
pub(super) fn add(total: &mut Option<Value>, growth: Value) {
    let Some(sum) = total else {
        *total = Some(growth);
        return;
    };
    match (sum, growth) {
        (Value::Int(sum), Value::Int(growth)) => *sum = sum.saturating_add(growth),
        (Value::Double(sum), Value::Double(growth)) => *sum += growth,
        (Value::Double(sum), Value::Int(growth)) => *sum += growth as f64,
        (sum @ Value::Int(_), Value::Double(growth)) => {
            let before = crate::growth::number(sum).unwrap_or_default();
            *sum = Value::Double(before + growth);
        }
        (Value::Histogram(sum), Value::Histogram(growth)) => add_histogram(sum, &growth),
        (Value::ExponentialHistogram(sum), Value::ExponentialHistogram(growth)) => {
            // At the coarsest scale all that a double can be has room.
            let _ = exponential::add(sum, &growth, BUCKETS_MAX);
        }
        _ => {}
    }
}

fn add_histogram(sum: &mut Histogram, growth: &Histogram) {
    if sum.count == 0 && sum.bounds.is_empty() {
        // A zero from the start says nothing of bounds.
        *sum = Histogram { sum: growth.sum, ..growth.clone() };
        return;
    }
    sum.count = sum.count.saturating_add(growth.count);
    sum.sum = sum.sum.zip(growth.sum).map(|(sum, growth)| sum + growth);
    sum.min = sum.min.zip(growth.min).map(|(sum, growth)| sum.min(growth));
    sum.max = sum.max.zip(growth.max).map(|(sum, growth)| sum.max(growth));
    if sum.bounds == growth.bounds && sum.bucket_counts.len() == growth.bucket_counts.len() {
        for (sum, growth) in sum.bucket_counts.iter_mut().zip(&growth.bucket_counts) {
            *sum = sum.saturating_add(*growth);
        }
        return;
    }
    let common: Vec<f64> = sum.bounds.iter().copied().filter(|bound| growth.bounds.contains(bound)).collect();
    let (own, other) = (at_bounds(sum, &common), at_bounds(growth, &common));
    sum.bucket_counts = own.iter().zip(&other).map(|(own, other)| own.saturating_add(*other)).collect();
    sum.bounds = common.into();
}

/// The counts between fewer bounds, all of which the histogram has.
fn at_bounds(histogram: &Histogram, bounds: &[f64]) -> Vec<u64> {
    let mut counts = vec![0_u64; bounds.len() + 1];
    if histogram.bucket_counts.is_empty() {
        counts[bounds.len()] = histogram.count;
    }
    for (index, count) in histogram.bucket_counts.iter().enumerate() {
        let into = match histogram.bounds.get(index) {
            Some(bound) => bounds.partition_point(|common| common < bound),
            None => bounds.len(),
        };
        counts[into] = counts[into].saturating_add(*count);
    }
    counts
}
