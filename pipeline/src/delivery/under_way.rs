//! A request that is under way, as the accounts have it.

use std::sync::Arc;

use tokio::time::Instant;

use super::claim::Recorded;
use super::parcel::Parcel;

/// What of a request is not decided.
#[derive(Debug)]
pub(super) struct UnderWay {
    /// When the oldest of it came.
    pub(super) since: Instant,
    points: u64,
    open_points: u64,
    /// With how many of the points are of each: its write may fail yet.
    records: Vec<(Arc<Recorded>, u64)>,
}

impl UnderWay {
    pub(super) fn of(parcel: &Parcel) -> Self {
        Self {
            since: parcel.since.unwrap_or_else(Instant::now),
            points: parcel.size.points,
            open_points: parcel.size.points,
            records: parcel.records().collect(),
        }
    }

    pub(super) fn settle(&mut self, points: u64) {
        self.open_points = self.open_points.saturating_sub(points);
    }

    /// The records of it that are not on disk, with how many of the points are of each.
    pub(super) fn lost(&self) -> impl Iterator<Item = &(Arc<Recorded>, u64)> {
        self.records.iter().filter(|(record, _)| record.is_lost())
    }

    /// How many of its points are not decided and in memory alone, at most.
    pub(super) fn only_in_memory(&self) -> u64 {
        let on_disk = self.records.iter().filter(|(record, _)| !record.is_lost()).map(|(_, points)| points);
        self.points.saturating_sub(on_disk.sum()).min(self.open_points)
    }
}
