//! Quantiles of what a histogram has counted within a sliding window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::point::{Histogram, Summary, Value};

/// The window slides in steps of this part of it.
const STEPS: u64 = 30;

#[derive(Debug)]
pub(in crate::mapping::engine) struct Quantiles {
    wanted: Vec<f64>,
    window_nano: u64,
    /// Times and counts, oldest first; the first may be older than the window.
    snapshots: VecDeque<(u64, Histogram)>,
}

impl Quantiles {
    /// What is there at first counts as new.
    pub(super) fn new(quantiles: Vec<f64>, window: Duration, now: u64) -> Self {
        let window_nano = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { wanted: quantiles, window_nano, snapshots: VecDeque::from([(now, Histogram::default())]) }
    }

    /// `None` until something was counted.
    pub(super) fn apply(&mut self, value: &Value, now: u64) -> Option<Value> {
        let histogram = match value {
            Value::Histogram(histogram) => histogram,
            Value::Summary(_) => return Some(value.clone()),
            _ => return None,
        };
        if histogram.count == 0 {
            return None;
        }
        let since = now.saturating_sub(self.window_nano);
        while self.snapshots.get(1).is_some_and(|(time, _)| *time <= since) {
            self.snapshots.pop_front();
        }
        let recent = match self.snapshots.front() {
            Some((_, before)) => difference(histogram, before),
            None => histogram.bucket_counts.clone(),
        };
        let is_due = self.snapshots.back().is_none_or(|(time, last)| {
            now.saturating_sub(*time) >= self.window_nano / STEPS && last.count != histogram.count
        });
        if is_due {
            self.snapshots.push_back((now, (**histogram).clone()));
        }
        let pair = |quantile: &f64| Some((*quantile, quantile_of(*quantile, &histogram.bounds, &recent)?));
        Some(Value::Summary(Box::new(Summary {
            count: histogram.count,
            sum: histogram.sum.unwrap_or_default(),
            quantiles: self.wanted.iter().filter_map(pair).collect(),
        })))
    }
}

/// What the buckets have counted since; where the bounds are others now, all of it.
fn difference(now: &Histogram, before: &Histogram) -> Vec<u64> {
    if now.bounds != before.bounds {
        return now.bucket_counts.clone();
    }
    let before = before.bucket_counts.iter().copied().chain(std::iter::repeat(0));
    now.bucket_counts.iter().zip(before).map(|(now, before)| now.saturating_sub(before)).collect()
}

/// By linear interpolation within the bucket, which for the first begins at 0; in the last it is the highest
/// bound. `None` where nothing was counted.
pub(super) fn quantile_of(quantile: f64, bounds: &[f64], counts: &[u64]) -> Option<f64> {
    let total: u64 = counts.iter().sum();
    let rank = quantile * total as f64;
    if total == 0 || bounds.is_empty() {
        return None;
    }
    let mut below = 0.0;
    for (index, count) in counts.iter().enumerate() {
        let count = *count as f64;
        if below + count < rank || count == 0.0 {
            below += count;
            continue;
        }
        let Some(&upper) = bounds.get(index) else { break };
        let lower = match index {
            0 if upper <= 0.0 => return Some(upper),
            0 => 0.0,
            _ => bounds[index - 1],
        };
        return Some(lower + (upper - lower) * ((rank - below) / count).clamp(0.0, 1.0));
    }
    bounds.last().copied()
}
