//! What was on disk and is not there any more, as somebody has deleted files.

use std::ops::RangeInclusive;

use super::super::queue::Queue;
use super::super::size::Size;
use super::Unwritten;
use crate::storage::{Backlog, Sequence};

impl Queue {
    /// Somebody has deleted files: what should be on disk and is not there is lost; returns how many points. None where that
    /// is not known yet, as records are being written.
    pub(in crate::delivery) fn miss_deleted(
        &self,
        held: impl Fn(RangeInclusive<Sequence>) -> Backlog,
        is_end: bool,
    ) -> Option<u64> {
        let mut state = self.state();
        let on_disk = &state.on_disk;
        if !is_end && !on_disk.unwritten.values().all(Unwritten::is_final) {
            return None;
        }
        // What is handed on is reckoned with what is there.
        if on_disk.is_empty() || on_disk.is_held_back {
            return Some(0);
        }
        let written = on_disk.size.without(on_disk.unwritten_size);
        let there = held(on_disk.next..=on_disk.last);
        let requests = written.requests.saturating_sub(there.records);
        let missing = Size { requests, ..written.share(written.points.saturating_sub(there.points)) };
        let dropped = state.counts.dropped;
        state.miss(missing);
        state.level();
        self.publish(&state);
        let dropped = state.counts.dropped - dropped;
        drop(state);
        self.wake();
        self.room.notify_waiters();
        Some(dropped)
    }
}
