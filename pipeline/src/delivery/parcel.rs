//! What waits in a queue, and what goes out in one request.

use std::sync::Arc;

use tokio::time::Instant;

use super::claim::{Recorded, Tie};
use super::config::BatchSizer;
use super::load::Load;
use super::resources::{Resources, Runs};
use super::size::{Size, encoded_size};
use crate::batch::Batch;
use crate::point::Point;

/// A batch in the queue, or what is left of one that was cut.
#[derive(Debug)]
pub(super) struct Piece {
    points: Points,
    pub(super) size: Size,
    /// In the order of the points.
    pub(super) runs: Runs,
    tie: Option<Tie>,
    /// When it came.
    pub(super) since: Instant,
}

#[derive(Debug)]
enum Points {
    /// As it came; other exporters may hold it, too.
    Whole(Arc<Batch>),
    /// The end of a batch that was cut. An iterator, as it is cut from the front without moving the rest.
    Rest(std::vec::IntoIter<Point>),
}

/// What goes out in one request.
#[derive(Debug, Default)]
pub(super) struct Parcel {
    /// Among those that were under way at any time.
    pub(super) number: u64,
    pieces: Vec<Points>,
    pub(super) size: Size,
    pub(super) resources: Resources,
    pub(super) ties: Vec<Tie>,
    /// When the oldest of it came.
    pub(super) since: Option<Instant>,
}

impl Piece {
    pub(super) fn new(load: Load, tie: Option<Tie>) -> Self {
        let Load { batch, size, runs } = load;
        Self { points: Points::Whole(batch), size, runs, tie, since: Instant::now() }
    }

    pub(super) fn tie(&self) -> Option<&Tie> {
        self.tie.as_ref()
    }

    /// The fate of what is left is decided.
    pub(super) fn settle(self) {
        if let Some(tie) = self.tie {
            tie.settle(false);
        }
    }

    /// As it goes to another queue: its record, if it had one, was not written.
    pub(super) fn without_record(self) -> Self {
        Self { tie: self.tie.and_then(Tie::without_record), ..self }
    }

    /// How many points there are of it in memory alone. What is being written may turn out to be; it waits to be known.
    pub(super) fn only_in_memory(&self) -> u64 {
        if self.tie.as_ref().is_some_and(Tie::is_recorded) { 0 } else { self.size.points }
    }

    /// Cuts off the front, as large as `room` allows; at least one point if `at_least_one`.
    ///
    /// The request is counted with its last piece.
    pub(super) fn cut(&mut self, room: u64, sizer: BatchSizer, at_least_one: bool) -> Option<Self> {
        let mut rest = std::mem::take(&mut self.points).into_rest();
        let (mut bytes, mut count) = (0, 0);
        for point in rest.as_slice() {
            let point_bytes = encoded_size(point);
            let total = match sizer {
                BatchSizer::Items => count as u64 + 1,
                BatchSizer::Bytes => bytes + point_bytes,
            };
            if total > room && !(at_least_one && count == 0) {
                break;
            }
            bytes += point_bytes;
            count += 1;
        }
        let front: Vec<Point> = rest.by_ref().take(count).collect();
        self.points = Points::Rest(rest);
        if front.is_empty() {
            return None;
        }
        let size = Size { requests: 0, points: count as u64, bytes };
        self.size -= size;
        let runs = self.runs.cut(count);
        let tie = self.tie.as_mut().map(|tie| tie.cut(size.points));
        Some(Self { points: Points::Rest(front.into_iter()), size, runs, tie, since: self.since })
    }
}

impl Parcel {
    pub(super) fn push(&mut self, piece: Piece) {
        self.size += piece.size;
        self.resources.extend(piece.runs.ids());
        self.since = Some(self.since.map_or(piece.since, |since| since.min(piece.since)));
        self.pieces.push(piece.points);
        self.ties.extend(piece.tie);
    }

    /// How many of its points are in memory alone, as far as is known.
    pub(super) fn only_in_memory(&self) -> u64 {
        let on_disk = self.ties.iter().filter(|tie| tie.is_on_disk()).map(Tie::points);
        self.size.points.saturating_sub(on_disk.sum())
    }

    /// The records it is of, with how many points of each.
    pub(super) fn records(&self) -> impl Iterator<Item = (Arc<Recorded>, u64)> {
        self.ties.iter().filter_map(|tie| tie.record().map(|record| (record.clone(), tie.points())))
    }

    /// One batch of all pieces. Points are moved where nobody else holds them.
    pub(super) fn merge(&mut self) -> Arc<Batch> {
        let mut pieces = std::mem::take(&mut self.pieces).into_iter();
        let Some(first) = pieces.next() else { return Arc::default() };
        if let (Points::Whole(batch), 0) = (&first, pieces.len()) {
            return batch.clone();
        }
        let mut merged: Batch = first.into_batch();
        for piece in pieces {
            merged.append(piece.into_batch());
        }
        Arc::new(merged)
    }
}

impl Points {
    fn into_batch(self) -> Batch {
        match self {
            Self::Whole(batch) => Arc::unwrap_or_clone(batch),
            Self::Rest(points) => points.collect(),
        }
    }

    fn into_rest(self) -> std::vec::IntoIter<Point> {
        match self {
            Self::Whole(batch) => Arc::unwrap_or_clone(batch).into_iter(),
            Self::Rest(points) => points,
        }
    }
}

impl Default for Points {
    fn default() -> Self {
        Self::Rest(Vec::new().into_iter())
    }
}

/// Divides a batch into so many, or fewer: all points of a series, or of a stream, are in one, in their order.
pub(super) fn divide(batch: Arc<Batch>, streams: Option<Vec<usize>>, parts: usize) -> Vec<Batch> {
    let streams = streams.unwrap_or_default();
    let mut divided: Vec<Batch> = (0..parts).map(|_| Batch::with_capacity(batch.len() / parts + 1)).collect();
    for (index, point) in Arc::unwrap_or_clone(batch).into_iter().enumerate() {
        let part = streams.get(index).copied().unwrap_or_else(|| point.series.slot()) % parts;
        divided[part].push(point);
    }
    divided.retain(|part| !part.is_empty());
    divided
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::scripted::points;

    #[test]
    fn a_stream_is_in_one_part_and_without_streams_a_series_is() {
        let batch = Arc::new([points("a", 0..3), points("b", 3..5)].concat().into_iter().collect::<Batch>());
        let sizes = |streams| divide(batch.clone(), streams, 2).iter().map(Batch::len).collect::<Vec<_>>();
        assert_eq!(sizes(Some(vec![7; 5])), [5]);
        assert_eq!(sizes(Some(vec![0, 1, 0, 1, 0])), [3, 2]);
        assert_eq!(sizes(None).iter().sum::<usize>(), 5);
        // A list that is too short leaves the others to their series.
        assert_eq!(sizes(Some(Vec::new())), sizes(None));
    }
}
