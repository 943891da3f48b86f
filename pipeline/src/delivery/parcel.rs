//! What waits in a queue, and what goes out in one request.

use std::sync::Arc;

use tokio::time::Instant;

use super::config::BatchSizer;
use super::reply::Share;
use super::size::{Size, encoded_size};
use crate::batch::Batch;
use crate::point::Point;

/// A batch in the queue, or what is left of one that was cut.
#[derive(Debug)]
pub(super) struct Piece {
    points: Points,
    pub(super) size: Size,
    share: Option<Share>,
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
    pieces: Vec<Points>,
    pub(super) size: Size,
    pub(super) shares: Vec<Share>,
}

impl Piece {
    pub(super) fn new(batch: Arc<Batch>, size: Size, share: Option<Share>) -> Self {
        Self { points: Points::Whole(batch), size, share, since: Instant::now() }
    }

    /// Cuts off the front, as large as `room` allows; at least one point if `at_least_one`.
    ///
    /// The request is counted with its last piece.
    pub(super) fn cut(&mut self, room: u64, sizer: BatchSizer, at_least_one: bool) -> Option<Self> {
        let mut rest = std::mem::take(&mut self.points).into_rest();
        let (mut bytes, mut count) = (0, 0);
        for point in rest.as_slice() {
            let point_bytes = if self.size.bytes > 0 { encoded_size(point) } else { 0 };
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
        let share = self.share.as_mut().map(|share| share.cut(size.points));
        Some(Self { points: Points::Rest(front.into_iter()), size, share, since: self.since })
    }
}

impl Parcel {
    pub(super) fn push(&mut self, piece: Piece) {
        self.size += piece.size;
        self.pieces.push(piece.points);
        self.shares.extend(piece.share);
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

impl From<Piece> for Parcel {
    fn from(piece: Piece) -> Self {
        let mut parcel = Self::default();
        parcel.push(piece);
        parcel
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
