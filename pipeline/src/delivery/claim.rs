//! What ties points in a queue to whoever wants to know of their end: a sender that waits, or a record on disk.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::reply::Share;
use crate::storage::{Reader, Sequence, Settler};

/// A record of the log, until the fate of all its points is decided.
#[derive(Debug)]
pub(super) struct Recorded {
    /// No reader: that holds its place, and another may want it while this is decided.
    settler: Settler,
    sequence: Sequence,
    points: u64,
    open_points: AtomicU64,
    /// It could not be written, or not yet, or not in time: its points are in memory alone, as they are when its file was
    /// deleted.
    is_lost: AtomicBool,
    /// It is known to be on disk. As long as it is neither, it is being written.
    is_on_disk: AtomicBool,
}

/// Points of a record.
#[derive(Debug)]
pub(super) struct Claim {
    record: Arc<Recorded>,
    points: u64,
}

/// Who is told when the fate of points is decided.
#[derive(Debug)]
pub(super) enum Tie {
    Sender(Share),
    Record(Claim),
}

impl Recorded {
    /// Counts on so many points; with none the record is settled by [`Recorded::settle`].
    pub(super) fn new(reader: &Reader, sequence: Sequence, points: u64) -> Arc<Self> {
        let (open_points, is_lost, is_on_disk) =
            (AtomicU64::new(points), AtomicBool::new(false), AtomicBool::new(false));
        Arc::new(Self { settler: reader.settler(), sequence, points, open_points, is_lost, is_on_disk })
    }

    pub(super) fn sequence(&self) -> Sequence {
        self.sequence
    }

    pub(super) fn claim(self: &Arc<Self>) -> Claim {
        Claim { record: self.clone(), points: self.points }
    }

    /// It is not on disk.
    pub(super) fn lose(&self) {
        self.is_on_disk.store(false, Ordering::Relaxed);
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// It is on disk, perhaps after all.
    pub(super) fn find(&self) {
        self.is_lost.store(false, Ordering::Relaxed);
        self.is_on_disk.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_on_disk(&self) -> bool {
        self.is_on_disk.load(Ordering::Relaxed) && !self.is_deleted()
    }

    fn is_deleted(&self) -> bool {
        self.settler.is_deleted(self.sequence)
    }

    /// How many of its points are not decided.
    pub(super) fn open_points(&self) -> u64 {
        self.open_points.load(Ordering::Acquire)
    }

    /// So many of its points were counted as lost at the end of their queue, or handed on; nobody settles them.
    pub(super) fn write_off(&self, points: u64) {
        let left = |open: u64| Some(open.saturating_sub(points));
        let _ = self.open_points.fetch_update(Ordering::AcqRel, Ordering::Acquire, left);
    }

    pub(super) fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed) || self.is_deleted()
    }

    /// Nothing of it is to be sent any more.
    pub(super) fn settle(&self) {
        self.settler.settle(self.sequence);
    }
}

impl Claim {
    pub(super) fn record(&self) -> &Arc<Recorded> {
        &self.record
    }

    /// Whether all of the record is still here.
    pub(super) fn is_whole(&self) -> bool {
        self.points == self.record.points
    }

    /// What is written off where it is in memory alone, and its queue ends.
    pub(super) fn lost(&self) -> Option<(&Arc<Recorded>, u64)> {
        self.record.is_lost().then_some((&self.record, self.points))
    }

    fn cut(&mut self, points: u64) -> Self {
        self.points -= points;
        Self { record: self.record.clone(), points }
    }

    pub(super) fn settle(self) {
        // The last one settles, whichever it is.
        if self.record.open_points.fetch_sub(self.points, Ordering::AcqRel) == self.points {
            self.record.settle();
        }
    }
}

impl Tie {
    /// Cuts off the tie of the first `points`.
    pub(super) fn cut(&mut self, points: u64) -> Self {
        match self {
            Self::Sender(share) => Self::Sender(share.cut(points)),
            Self::Record(claim) => Self::Record(claim.cut(points)),
        }
    }

    /// The fate of these points is decided.
    pub(super) fn settle(self, is_exhausted: bool) {
        match self {
            Self::Sender(share) => share.settle(is_exhausted),
            Self::Record(claim) => claim.settle(),
        }
    }

    /// What is left where points leave the queue that knows their record, which is nothing to settle any more.
    pub(super) fn without_record(self) -> Option<Self> {
        match self {
            Self::Sender(_) => Some(self),
            Self::Record(claim) => {
                claim.record.write_off(claim.points);
                None
            }
        }
    }

    pub(super) fn points(&self) -> u64 {
        match self {
            Self::Sender(share) => share.points,
            Self::Record(claim) => claim.points,
        }
    }

    pub(super) fn record(&self) -> Option<&Arc<Recorded>> {
        match self {
            Self::Sender(_) => None,
            Self::Record(claim) => Some(&claim.record),
        }
    }

    /// See [`Claim::lost`].
    pub(super) fn lost(&self) -> Option<(&Arc<Recorded>, u64)> {
        match self {
            Self::Sender(_) => None,
            Self::Record(claim) => claim.lost(),
        }
    }

    /// Whether the points are known to be on disk, too.
    pub(super) fn is_on_disk(&self) -> bool {
        self.record().is_some_and(|record| record.is_on_disk())
    }

    /// Whether the points are on disk, too, or on their way there.
    pub(super) fn is_recorded(&self) -> bool {
        self.record().is_some_and(|record| !record.is_lost())
    }
}
