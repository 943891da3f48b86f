//! Values that add up over time: what one has grown by, and whether it was started anew meanwhile.

pub(crate) mod exponential;

#[cfg(test)]
mod tests;

use crate::point::{Histogram, Summary, Value};

/// What a value has grown by; `None` where it has started anew, or the two cannot be compared.
pub(crate) fn grown(now: &Value, before: &Value) -> Option<Value> {
    match (now, before) {
        (Value::Int(now), Value::Int(before)) => {
            (now >= before).then(|| Value::Int(now.saturating_sub(*before)))
        }
        (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => {
            let (now, before) = (number(now)?, number(before)?);
            (now >= before).then_some(Value::Double(now - before))
        }
        (Value::Histogram(now), Value::Histogram(before)) => {
            Some(Value::Histogram(Box::new(histogram_grown(now, before)?)))
        }
        (Value::ExponentialHistogram(now), Value::ExponentialHistogram(before)) => {
            Some(Value::ExponentialHistogram(Box::new(exponential::grown(now, before)?)))
        }
        (Value::Summary(now), Value::Summary(before)) => {
            let summary = Summary {
                count: now.count.checked_sub(before.count)?,
                sum: now.sum - before.sum,
                quantiles: now.quantiles.clone(),
            };
            Some(Value::Summary(Box::new(summary)))
        }
        _ => None,
    }
}

/// Whether a value is less than it was, or is counted by other bounds: it has started anew.
///
/// Without the cost of a difference, as far as that is possible.
pub(crate) fn has_restarted(now: &Value, before: &Value) -> bool {
    match (now, before) {
        (Value::Int(now), Value::Int(before)) => now < before,
        (Value::Histogram(now), Value::Histogram(before)) => {
            let mut counts = now.bucket_counts.iter().zip(&before.bucket_counts);
            !have_same_buckets(now, before)
                || now.count < before.count
                || counts.any(|(now, before)| now < before)
        }
        (Value::Summary(now), Value::Summary(before)) => now.count < before.count,
        // What is no number is not less than anything.
        (Value::Int(_) | Value::Double(_), Value::Int(_) | Value::Double(_)) => number(now) < number(before),
        (now, before) => grown(now, before).is_none(),
    }
}

/// Whether two histograms count by the same bounds.
pub(crate) fn have_same_buckets(left: &Histogram, right: &Histogram) -> bool {
    left.bounds == right.bounds && left.bucket_counts.len() == right.bucket_counts.len()
}

/// The least and the greatest of all time say nothing of a part of it.
pub(crate) fn without_extremes(mut value: Value) -> Value {
    match &mut value {
        Value::Histogram(histogram) => (histogram.min, histogram.max) = (None, None),
        Value::ExponentialHistogram(histogram) => (histogram.min, histogram.max) = (None, None),
        _ => {}
    }
    value
}

/// The value of a single number.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Int(value) => Some(*value as f64),
        Value::Double(value) => Some(*value),
        _ => None,
    }
}

/// What a sum has grown by; of one that is no number, or infinite, nobody can tell.
fn less(now: Option<f64>, before: Option<f64>) -> Option<f64> {
    now.zip(before).map(|(now, before)| now - before).filter(|growth| growth.is_finite())
}

fn histogram_grown(now: &Histogram, before: &Histogram) -> Option<Histogram> {
    if !have_same_buckets(now, before) {
        return None;
    }
    let counts = now.bucket_counts.iter().zip(&before.bucket_counts);
    Some(Histogram {
        count: now.count.checked_sub(before.count)?,
        sum: less(now.sum, before.sum),
        min: now.min,
        max: now.max,
        bounds: now.bounds.clone(),
        bucket_counts: counts.map(|(now, before)| now.checked_sub(*before)).collect::<Option<_>>()?,
    })
}
