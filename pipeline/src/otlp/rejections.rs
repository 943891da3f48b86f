//! Which points were refused, and why, in few words.

use std::fmt;

use crate::registry::Full;

/// As many different reasons are told; more are only counted.
const NOTES_MAX: usize = 4;

/// As much of a metric's name is told, in bytes.
const NAME_MAX: usize = 60;

/// Counts refused points and keeps the first reasons.
#[derive(Debug, Default)]
pub(super) struct Rejections {
    count: u64,
    notes: Vec<Note>,
    has_more: bool,
}

#[derive(Debug, PartialEq)]
struct Note {
    metric: String,
    reason: Reason,
}

/// Why a point is not valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    NoData,
    NoTime,
    NoValue,
    NoTemporality,
    BoundsNotIncreasing,
    BucketsDoNotMatchBounds,
    BucketsDoNotAddUp,
    BucketsOutOfRange,
    QuantilesNotIncreasing,
    Full(Full),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoData => "has no data",
            Self::NoTime => "time_unix_nano is zero",
            Self::NoValue => "point has no value",
            Self::NoTemporality => "aggregation_temporality is neither delta nor cumulative",
            Self::BoundsNotIncreasing => "explicit_bounds are not strictly increasing",
            Self::BucketsDoNotMatchBounds => "bucket_counts do not have one more item than explicit_bounds",
            Self::BucketsDoNotAddUp => "bucket counts do not add up to count",
            Self::BucketsOutOfRange => "scale and index of a bucket leave the range of a double",
            Self::QuantilesNotIncreasing => "quantiles are not strictly increasing from 0 to 1",
            Self::Full(full) => return full.fmt(f),
        })
    }
}

impl Rejections {
    /// Refuses points of a metric.
    pub(super) fn add(&mut self, points: u64, metric: &str, reason: Reason) {
        self.count += points;
        let metric = &metric[..metric.floor_char_boundary(NAME_MAX)];
        if self.notes.iter().any(|note| note.reason == reason && note.metric == metric) {
            return;
        }
        if self.notes.len() == NOTES_MAX {
            self.has_more = true;
            return;
        }
        self.notes.push(Note { metric: metric.to_owned(), reason });
    }

    /// How many points were refused.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The first reasons; empty when there is nothing to say.
    pub(super) fn message(&self) -> String {
        let mut notes: Vec<_> =
            self.notes.iter().map(|note| format!("metric `{}`: {}", note.metric, note.reason)).collect();
        if self.has_more {
            notes.push("and more".to_owned());
        }
        notes.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_is_short_however_much_is_refused() {
        let mut rejections = Rejections::default();
        for index in 0..100_000 {
            rejections.add(1, &format!("{index}{}", "é".repeat(500)), Reason::NoTime);
        }
        assert_eq!(rejections.count(), 100_000);
        assert!(rejections.message().len() < 500);
        assert!(rejections.message().ends_with("; and more"));
    }

    #[test]
    fn a_reason_is_told_once() {
        let mut rejections = Rejections::default();
        rejections.add(2, "m", Reason::NoValue);
        rejections.add(1, "m", Reason::NoValue);
        rejections.add(0, "n", Reason::NoData);
        assert_eq!(rejections.count(), 3);
        assert_eq!(rejections.message(), "metric `m`: point has no value; metric `n`: has no data");
    }
}
