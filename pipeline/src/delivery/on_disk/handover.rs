//! A queue goes on with what another has left on disk.

use super::super::queue::Queue;
use super::super::size::Size;
use super::super::spool::Left;
use crate::storage::Sequence;

impl Queue {
    /// Nothing is read until [`Queue::inherit`]. What has no record comes behind the last that is in the log now.
    pub(in crate::delivery) fn hold_back(&self, last: Sequence) {
        let mut state = self.state();
        state.on_disk.is_held_back = true;
        state.on_disk.last = last;
    }

    pub(in crate::delivery) fn is_held_back(&self) -> bool {
        self.state().on_disk.is_held_back
    }

    /// What was handed to the queue and may be in the log; asked while nothing is added to it.
    pub(in crate::delivery) fn recorded(&self) -> Size {
        let on_disk = &self.state().on_disk;
        on_disk.size.without(on_disk.in_memory(|unwritten| unwritten.claim.is_none()))
    }

    /// What is left is for this queue, but for what of it was handed to the queue itself: of `recorded` that is what is
    /// in the log, and `holds` says which of the records are that are not known to be.
    pub(in crate::delivery) fn inherit(&self, left: Left, recorded: Size, holds: impl Fn(Sequence) -> bool) {
        let mut state = self.state();
        if state.has_ended {
            return;
        }
        let failed = state.on_disk.in_memory(|unwritten| {
            let sequence = unwritten.claim.as_ref().map(|claim| claim.record().sequence());
            sequence.is_some_and(|sequence| sequence <= left.up_to && !holds(sequence))
        });
        let all =
            Size { requests: left.backlog.records, points: left.backlog.points, bytes: left.backlog.bytes };
        let inherited = all.without(recorded.without(failed));
        // What was found is as it is encoded, what was handed over is an estimate.
        let inherited = Size { requests: inherited.requests, ..all.share(inherited.points) };
        state.counts.accepted += inherited.points;
        state.counts.held += inherited;
        state.on_disk.size += inherited;
        state.on_disk.next = 0;
        // The other may have been handed records behind the last of this one.
        state.on_disk.last = state.on_disk.last.max(left.up_to);
        state.on_disk.is_held_back = false;
        self.publish(&state);
        drop(state);
        self.wake();
    }
}
