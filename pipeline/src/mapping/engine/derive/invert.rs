//! The histogram of 1/x.

use crate::point::{Histogram, Value};

/// Bounds are inverted and stand the other way round; the sum is estimated from the middles of the buckets.
pub(in crate::mapping::engine) fn inverted(value: &Value) -> Option<Value> {
    let Value::Histogram(histogram) = value else { return None };
    let invertible = |bound: f64| bound > 0.0 && bound.is_finite() && (1.0 / bound).is_finite();
    // What lies at or below a bound of 0 has no inverse of its own: it stays in the last bucket.
    let skipped = histogram.bounds.iter().take_while(|bound| !invertible(**bound)).count();
    let kept: Vec<f64> =
        histogram.bounds[skipped..].iter().copied().filter(|bound| invertible(*bound)).collect();
    let mut counts = vec![0_u64; kept.len() + 1];
    if histogram.bucket_counts.is_empty() {
        counts[kept.len()] = histogram.count;
    }
    for (index, count) in histogram.bucket_counts.iter().enumerate() {
        let from = index.saturating_sub(skipped).min(kept.len());
        counts[kept.len() - from] += count;
    }
    let bounds: Vec<f64> = kept.iter().rev().map(|bound| 1.0 / bound).collect();
    let invert = |number: Option<f64>| number.filter(|number| invertible(*number)).map(|number| 1.0 / number);
    Some(Value::Histogram(Box::new(Histogram {
        count: histogram.count,
        sum: Some(sum(&kept, &counts)),
        min: invert(histogram.max),
        max: invert(histogram.min),
        bounds: bounds.into(),
        bucket_counts: counts,
    })))
}

/// By the inverse of the middle of each bucket of x; above the highest bound, x is taken as that bound, and
/// below the lowest the middle is half of it.
fn sum(bounds: &[f64], inverted_counts: &[u64]) -> f64 {
    let counts = inverted_counts.iter().rev();
    let middle = |index: usize| match (index.checked_sub(1).map(|below| bounds[below]), bounds.get(index)) {
        (Some(lower), Some(upper)) => f64::midpoint(lower, *upper),
        (None, Some(upper)) => upper / 2.0,
        (Some(lower), None) => lower,
        (None, None) => f64::INFINITY,
    };
    counts.enumerate().map(|(index, count)| *count as f64 / middle(index)).sum()
}
