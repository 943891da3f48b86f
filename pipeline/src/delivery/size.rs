//! How large batches are, in everything a queue may count.

use std::ops::{AddAssign, SubAssign};

use crate::batch::Batch;
use crate::point::{Buckets, Point, Value};

/// An amount of batches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Size {
    pub(super) requests: u64,
    pub(super) points: u64,
    /// Zero where nobody counts bytes.
    pub(super) bytes: u64,
}

impl Size {
    pub(super) fn of(batch: &Batch, with_bytes: bool) -> Self {
        let bytes = if with_bytes { batch.iter().map(encoded_size).sum() } else { 0 };
        Self { requests: 1, points: batch.len() as u64, bytes }
    }

    pub(super) fn times(self, factor: u64) -> Self {
        Self { requests: self.requests * factor, points: self.points * factor, bytes: self.bytes * factor }
    }

    /// So many of the points, with their share of the bytes.
    pub(super) fn share(self, points: u64) -> Self {
        let points = points.min(self.points);
        let bytes = u128::from(self.bytes) * u128::from(points) / u128::from(self.points.max(1));
        Self { points, bytes: u64::try_from(bytes).unwrap_or(u64::MAX), ..self }
    }

    /// What is left of each.
    pub(super) fn without(self, other: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(other.requests),
            points: self.points.saturating_sub(other.points),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    /// The smaller of each.
    pub(super) fn min(self, other: Self) -> Self {
        Self {
            requests: self.requests.min(other.requests),
            points: self.points.min(other.points),
            bytes: self.bytes.min(other.bytes),
        }
    }
}

impl AddAssign for Size {
    fn add_assign(&mut self, other: Self) {
        self.requests += other.requests;
        self.points += other.points;
        self.bytes += other.bytes;
    }
}

impl SubAssign for Size {
    fn sub_assign(&mut self, other: Self) {
        debug_assert!(self.requests >= other.requests && self.points >= other.points);
        self.requests = self.requests.saturating_sub(other.requests);
        self.points = self.points.saturating_sub(other.points);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }
}

/// About what a point takes in OTLP: exact to a few bytes for numbers; for the rest every count is taken
/// as eight bytes. What points share (resource, scope, metric) is left out.
pub(super) fn encoded_size(point: &Point) -> u64 {
    // Two fixed times with their tags, the value with its tag, and the point's own tag and length.
    const FRAME: usize = 9 + 9 + 9 + 3;
    let value = match &point.value {
        Value::Empty | Value::Int(_) | Value::Double(_) => 0,
        Value::Histogram(histogram) => 27 + 8 * (histogram.bounds.len() + histogram.bucket_counts.len()),
        Value::ExponentialHistogram(histogram) => {
            let counts = |buckets: &Buckets| 8 * buckets.counts.len();
            50 + counts(&histogram.positive) + counts(&histogram.negative)
        }
        Value::Summary(summary) => 9 + 20 * summary.quantiles.len(),
    };
    let exemplars: usize =
        point.exemplars.iter().map(|exemplar| 48 + exemplar.attributes.as_bytes().len()).sum();
    (FRAME + point.series.attributes().as_bytes().len() + value + exemplars) as u64
}
