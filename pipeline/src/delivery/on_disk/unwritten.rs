//! What cannot be written: it stays in memory alone, within a bound.

use std::sync::Arc;

use super::super::claim::{Claim, Recorded, Tie};
use super::super::queue::{Queue, State};
use super::super::size::Size;
use super::super::under_way::UnderWay;
use super::{LOADED_BYTES_MAX, Unwritten, cost};

/// What becomes of a record's points that cannot be written, where they do not stay in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::delivery) struct Lost {
    /// The queue has ended.
    pub(in crate::delivery) dropped: u64,
    /// They were not begun to be sent, and count as never taken: whoever has them hears of it.
    pub(in crate::delivery) withdrawn: u64,
}

impl Queue {
    /// The record could not be written yet. Until it is, its points are in memory alone.
    ///
    /// They are few: while there are any, the log has no room for others.
    pub(in crate::delivery) fn hold(&self, record: &Recorded) {
        let mut state = self.state();
        if !state.has_ended {
            record.lose();
        }
        state.on_disk.writing.remove(&record.sequence());
        drop(state);
        self.fate_is_known();
    }

    /// The record will not be written. Its points stay in memory alone, within a bound.
    pub(in crate::delivery) fn lose(&self, record: &Recorded) -> Lost {
        let mut state = self.state();
        record.lose();
        state.on_disk.writing.remove(&record.sequence());
        let mut lost = Lost::default();
        if state.has_ended {
            lost.dropped = record.open_points().min(state.counts.held.points);
            state.counts.held.points -= lost.dropped;
            state.counts.dropped += lost.dropped;
        } else if !state.on_disk.is_held_back && state.has_too_much_in_memory() {
            // As long as it is held back, what it will be handed on is reckoned with what it has.
            lost.withdrawn = state.withdraw(record);
        }
        self.publish(&state);
        drop(state);
        self.fate_is_known();
        lost
    }
}

impl State {
    /// Whether there is more than may be in memory alone.
    fn has_too_much_in_memory(&self) -> bool {
        // Mostly this is enough to know, and looks at nothing of what waits.
        let mut all = self.waiting.size();
        all += self.on_disk.unwritten_size;
        cost(all) > LOADED_BYTES_MAX && cost(self.only_in_memory()) > LOADED_BYTES_MAX
    }

    /// What would be lost if the process ended, but for what is under way.
    pub(in crate::delivery) fn only_in_memory(&self) -> Size {
        let mut size = self.waiting.only_in_memory();
        size += self.on_disk.in_memory(Unwritten::is_final);
        size
    }

    /// What is in memory alone is counted as lost: its records, should they never be written, are not counted again.
    /// Returns how many points.
    pub(in crate::delivery) fn write_off(&mut self) -> u64 {
        self.doubt();
        let under_way: u64 = self.under_way.values().map(UnderWay::only_in_memory).sum();
        let waiting = self.only_in_memory().points + self.rest.points();
        let lost = (waiting + under_way).min(self.counts.held.points);
        let ties = self.waiting.ties().filter_map(Tie::lost);
        let claims = self.on_disk.unwritten.values().filter_map(|unwritten| unwritten.claim.as_ref());
        for (record, points) in ties.chain(claims.filter_map(Claim::lost)) {
            record.write_off(points);
        }
        let under_way = self.under_way.values().flat_map(UnderWay::lost);
        under_way.for_each(|(record, points)| record.write_off(*points));
        lost
    }

    /// Takes back what waits of a record that was accepted; returns how many points.
    fn withdraw(&mut self, record: &Recorded) -> u64 {
        let is_of = |claim: &Claim| std::ptr::eq(Arc::as_ptr(claim.record()), record);
        let pieces =
            self.waiting.remove(|piece| matches!(piece.tie(), Some(Tie::Record(claim)) if is_of(claim)));
        let mut size = Size::default();
        for piece in pieces {
            size += piece.size;
            piece.settle();
        }
        if let Some(unwritten) = self.on_disk.remove((record.sequence(), 0)) {
            size += unwritten.load.size;
            unwritten.claim.into_iter().for_each(Claim::settle);
        }
        self.counts.accepted -= size.points;
        self.counts.held -= size;
        size.points
    }

    /// Has what will never be on disk wait with the rest: nothing more is read back that would go before it.
    pub(in crate::delivery) fn bring_in(&mut self) {
        let is_held_back = self.on_disk.is_held_back;
        // What it will be handed on is reckoned with what it has of the records.
        let goes =
            |unwritten: &Unwritten| unwritten.is_final() && !(is_held_back && unwritten.claim.is_some());
        let unwritten = self.on_disk.unwritten.iter();
        let keys: Vec<_> = unwritten.filter(|(_, unwritten)| goes(unwritten)).map(|(key, _)| *key).collect();
        for key in keys {
            if let Some(unwritten) = self.on_disk.remove(key) {
                self.wait(unwritten.load, unwritten.claim.map(Tie::Record), None);
            }
        }
    }
}
