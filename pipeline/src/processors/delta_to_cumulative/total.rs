//! What the points of a delta stream add up to.

use serde::{Deserialize, Serialize};

use crate::growth::exponential::{self, combined};
use crate::growth::{have_same_buckets, number};
use crate::point::{Histogram, Point, Value};
use crate::processors::streams::Report;

/// An exponential histogram becomes coarser rather than longer than this, of either sign.
const BUCKETS_MAX: i64 = 160;

/// What is done where a point begins later than the one before has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Gaps {
    /// It is added: most senders leave out what did not change.
    Add,
    /// The sum begins anew: something may have been lost.
    Reset,
}

/// What has been added up of a stream.
pub(super) struct Total {
    start_unix_nano: u64,
    time_unix_nano: u64,
    value: Value,
}

/// Why a point cannot be added.
enum Misfit {
    /// The sum begins anew with it.
    Reset(&'static str),
    Drop(&'static str),
}

/// Why a histogram cannot be added: what is no number, or infinite, would stay in the sum for ever.
pub(super) fn unusable(value: &Value) -> Option<&'static str> {
    let sum = match value {
        Value::Histogram(histogram) => histogram.sum,
        Value::ExponentialHistogram(histogram) => histogram.sum,
        _ => None,
    };
    sum.is_some_and(|sum| !sum.is_finite()).then_some("not_finite")
}

fn is_too_large(left: Option<f64>, right: Option<f64>) -> bool {
    left.zip(right).is_some_and(|(left, right)| !(left + right).is_finite())
}

/// Adds a point and makes it tell the sum; `false` where it is to be dropped.
pub(super) fn add(point: &mut Point, total: &mut Option<Total>, gaps: Gaps, report: &mut Report) -> bool {
    if point.start_unix_nano > point.time_unix_nano {
        point.start_unix_nano = 0;
    }
    let outcome = match total {
        Some(total) => total.add(point, gaps),
        None => Err(Misfit::Reset("first")),
    };
    match outcome {
        Ok(()) => {}
        Err(Misfit::Drop(reason)) => {
            report.dropped(reason);
            return false;
        }
        Err(Misfit::Reset(reason)) => match Total::beginning(point, total.as_ref()) {
            Ok(begun) => {
                if total.replace(begun).is_some() {
                    report.reset(reason);
                }
            }
            Err(reason) => {
                report.dropped(reason);
                return false;
            }
        },
    }
    if let Some(total) = total {
        point.start_unix_nano = total.start_unix_nano;
        point.value.clone_from(&total.value);
    }
    true
}

impl Total {
    /// The sum that begins with this point.
    fn beginning(point: &Point, before: Option<&Self>) -> Result<Self, &'static str> {
        let value = match &point.value {
            Value::ExponentialHistogram(histogram) => {
                let fitted = exponential::fitted(histogram, BUCKETS_MAX).map_err(|_| "out_of_range")?;
                Value::ExponentialHistogram(Box::new(fitted))
            }
            value => value.clone(),
        };
        // Without a start it goes on where the one before has ended, or counts nothing before its time.
        let start_unix_nano = match (point.start_unix_nano, before) {
            (0, Some(before)) => before.time_unix_nano,
            (0, None) => point.time_unix_nano,
            (start, _) => start,
        };
        Ok(Self { start_unix_nano, time_unix_nano: point.time_unix_nano, value })
    }

    fn add(&mut self, point: &Point, gaps: Gaps) -> Result<(), Misfit> {
        let (start, time) = (point.start_unix_nano, point.time_unix_nano);
        if time <= self.time_unix_nano {
            let is_again = time == self.time_unix_nano;
            return Err(Misfit::Drop(if is_again { "duplicate" } else { "out_of_order" }));
        }
        // Without a start a point is taken for the next one.
        if start != 0 && start < self.time_unix_nano {
            return Err(Misfit::Drop("overlap"));
        }
        if start > self.time_unix_nano && gaps == Gaps::Reset {
            return Err(Misfit::Reset("gap"));
        }
        self.add_value(&point.value)?;
        self.time_unix_nano = time;
        Ok(())
    }

    fn add_value(&mut self, delta: &Value) -> Result<(), Misfit> {
        match (&mut self.value, delta) {
            (Value::Int(sum), Value::Int(delta)) => {
                *sum = sum.checked_add(*delta).ok_or(Misfit::Reset("overflow"))?;
            }
            (sum @ (Value::Int(_) | Value::Double(_)), Value::Int(_) | Value::Double(_)) => {
                let parts = number(sum).zip(number(delta));
                let added = parts.map_or(0.0, |(sum, delta)| sum + delta);
                if !added.is_finite() {
                    return Err(Misfit::Reset("overflow"));
                }
                *sum = Value::Double(added);
            }
            (Value::Histogram(sum), Value::Histogram(delta)) => add_histogram(sum, delta)?,
            (Value::ExponentialHistogram(sum), Value::ExponentialHistogram(delta)) => {
                if sum.count.checked_add(delta.count).is_none() || is_too_large(sum.sum, delta.sum) {
                    return Err(Misfit::Reset("overflow"));
                }
                exponential::add(sum, delta, BUCKETS_MAX).map_err(|_| Misfit::Drop("out_of_range"))?;
            }
            _ => return Err(Misfit::Reset("type_changed")),
        }
        Ok(())
    }
}

fn add_histogram(sum: &mut Histogram, delta: &Histogram) -> Result<(), Misfit> {
    if !have_same_buckets(sum, delta) {
        return Err(Misfit::Reset("bounds_changed"));
    }
    if is_too_large(sum.sum, delta.sum) {
        return Err(Misfit::Reset("overflow"));
    }
    let counts = (sum.count, delta.count);
    sum.count = sum.count.checked_add(delta.count).ok_or(Misfit::Reset("overflow"))?;
    sum.sum = combined(counts, sum.sum, delta.sum, |sum, delta| sum + delta);
    sum.min = combined(counts, sum.min, delta.min, f64::min);
    sum.max = combined(counts, sum.max, delta.max, f64::max);
    for (sum, delta) in sum.bucket_counts.iter_mut().zip(&delta.bucket_counts) {
        // No bucket counts more than all together.
        *sum = sum.saturating_add(*delta);
    }
    Ok(())
}
