//! A point as a classic histogram or a summary: what each of its series says.

use std::sync::Arc;

use pipeline::point::Exemplar;
use pipeline::{Kind, Point, Value};

use super::native::STALE;
use super::plan::{Entry, milliseconds};
use super::rendered::{Layout, Part};
use crate::prometheus::{exemplar, exponential, stored};

/// A point with what each of its series says.
pub(super) struct Classic<'a> {
    pub(super) point: &'a Point,
    pub(super) layout: Option<&'a Arc<Layout>>,
    /// A count a bound, each with those below it; or the value of each quantile.
    pub(super) values: Vec<f64>,
    /// `None` where it is not known.
    pub(super) sum: Option<f64>,
    pub(super) count: f64,
    /// In the order of their buckets.
    exemplars: Vec<(usize, &'a Exemplar)>,
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

    /// A marker for each series with these bounds.
    pub(super) fn ended(point: &'a Point, layout: &'a Arc<Layout>, entry: &Entry) -> Self {
        Self {
            point,
            layout: Some(layout),
            values: vec![STALE; layout.values.len()],
            sum: Some(STALE),
            count: STALE,
            exemplars: Vec::new(),
            time_ms: entry.time_ms,
            start_ms: 0,
        }
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
        let (time_ms, start_ms) = (entry.time_ms, start_ms(point));
        Self { point, layout, values, sum, count, exemplars: Vec::new(), time_ms, start_ms }
    }

    /// The same with its exemplars, each in its bucket.
    pub(super) fn with_exemplars(mut self) -> Self {
        if self.part() == Part::Bucket && !self.point.exemplars.is_empty() {
            let bounds = self.layout.map_or(&[][..], |layout| layout.finite());
            self.exemplars = exemplar::placed(&self.point.exemplars, bounds);
            self.exemplars.sort_by_key(|(bucket, _)| *bucket);
        }
        self
    }

    /// Those of one bucket, in the order in which they came.
    pub(super) fn exemplars_of(&self, bucket: usize) -> impl Iterator<Item = &'a Exemplar> {
        let from = self.exemplars.partition_point(|(other, _)| *other < bucket);
        let alike = self.exemplars[from..].iter().take_while(move |(other, _)| *other == bucket);
        alike.map(|(_, exemplar)| *exemplar)
    }
}

impl Layout {
    /// Without an infinite one at the end, whose bucket is there in any case.
    fn finite(&self) -> &[f64] {
        &self.values[..self.values.partition_point(|value| *value < f64::INFINITY)]
    }

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
