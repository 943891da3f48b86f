//! A point as a classic histogram or a summary: what each of its series says.

use std::sync::Arc;

use pipeline::{Kind, Point, Value};

use super::native::STALE;
use super::plan::{Entry, milliseconds};
use super::rendered::{Layout, Part};
use crate::prometheus::{exponential, stored};

/// A point with what each of its series says.
pub(super) struct Classic<'a> {
    pub(super) point: &'a Point,
    pub(super) layout: Option<&'a Arc<Layout>>,
    /// A count a bound, each with those below it; or the value of each quantile.
    pub(super) values: Vec<f64>,
    /// `None` where it is not known.
    pub(super) sum: Option<f64>,
    pub(super) count: f64,
    pub(super) time_ms: i64,
    pub(super) start_ms: i64,
}

impl<'a> Classic<'a> {
    pub(super) fn is_summary(&self) -> bool {
        self.point.series.metric().kind == Kind::Summary
    }

    /// Which of its series has a bound or quantile.
    pub(super) fn part(&self) -> Part {
        if self.is_summary() { Part::Whole } else { Part::Bucket }
    }

    pub(super) fn new(point: &'a Point, entry: &'a Entry) -> Self {
        let layout = entry.layout.as_ref();
        let bounds = layout.map_or(0, |layout| layout.values.len());
        let (values, sum, count) = match &point.value {
            _ if point.is_stale() => (vec![STALE; bounds], Some(STALE), STALE),
            Value::Histogram(histogram) => {
                let counts = histogram.bucket_counts.iter().copied();
                (cumulative(counts).take(bounds).collect(), histogram.sum, stored::total(histogram) as f64)
            }
            Value::ExponentialHistogram(histogram) => {
                let histogram = exponential::bounded(histogram);
                let buckets = exponential::classic(&histogram);
                let counts = buckets.iter().map(|(_, count)| *count);
                let total = exponential::total(&histogram).max(histogram.count);
                (cumulative(counts).collect(), histogram.sum, total as f64)
            }
            Value::Summary(summary) => {
                let values = summary.quantiles.iter().map(|(_, value)| *value).collect();
                (values, Some(summary.sum), summary.count as f64)
            }
            _ => (Vec::new(), None, 0.0),
        };
        Self { point, layout, values, sum, count, time_ms: entry.time_ms, start_ms: start_ms(point) }
    }
}

impl Layout {
    pub(super) fn pairs(&self) -> impl Iterator<Item = (f64, &str)> {
        self.values.iter().copied().zip(self.texts.iter().map(AsRef::as_ref))
    }
}

pub(super) fn same(left: Option<&Arc<Layout>>, right: Option<&Arc<Layout>>) -> bool {
    left.map(Arc::as_ptr) == right.map(Arc::as_ptr)
}

fn cumulative(counts: impl Iterator<Item = u64>) -> impl Iterator<Item = f64> {
    counts.scan(0_u64, |total, count| {
        *total = total.saturating_add(count);
        Some(*total as f64)
    })
}

/// When counting started; not after the point, and not zero where it is known.
pub(super) fn start_ms(point: &Point) -> i64 {
    let start_ms = milliseconds(point.start_unix_nano);
    match point.start_unix_nano {
        0 => 0,
        _ if start_ms > milliseconds(point.time_unix_nano) => 0,
        _ => start_ms.max(1),
    }
}
