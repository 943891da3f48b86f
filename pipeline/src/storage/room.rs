//! Room in the log: kept for a batch before anybody sees it, used when it is written.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::log::Shared;

/// What may still be written, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that are set aside in the file that is written.
    pub(super) active: u64,
    /// The same in the file that is made ahead.
    pub(super) spare: u64,
    /// Bytes that `max_size` leaves besides.
    pub(super) free: u64,
    /// What a segment holds.
    pub(super) segment: u64,
    /// What is kept for batches, and what waits to be written.
    pub(super) taken: u64,
    /// Why there is no segment set aside.
    pub(super) lack: Option<String>,
}

/// Room for so many bytes of records; given back when it is dropped.
pub struct Kept {
    shared: Arc<Shared>,
    // Changes only while the state is locked, where it is a part of what is taken.
    bytes: AtomicU64,
}

impl Room {
    /// Whether so many bytes more can be written, behind those that wait. No record lies in two files: what does not
    /// fit the file that is written goes to the next, and what is behind it, too.
    pub(super) fn has(&self, bytes: u64) -> bool {
        let room = self.active.max(self.spare);
        let taken = self.taken.saturating_add(bytes);
        // What is larger than a segment gets one of its own, behind what has room before it: one at a time, and until it is
        // written nothing else is let in, so that it waits for nobody.
        let is_large = bytes > self.segment && self.lack.is_none();
        taken <= room || is_large && self.taken <= room && taken <= self.free
    }

    /// So many bytes wait no longer.
    pub(super) fn give_back(&mut self, bytes: u64) {
        self.taken = self.taken.saturating_sub(bytes);
    }
}

impl Kept {
    pub(super) fn new(shared: Arc<Shared>, bytes: u64) -> Self {
        Self { shared, bytes: AtomicU64::new(bytes) }
    }

    /// How much is left of it.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Uses it for a record of so many bytes, as far as it goes; by how much it was too little. The state is locked.
    pub(super) fn use_up(&self, bytes: u64) -> u64 {
        let left = self.bytes();
        self.bytes.store(left.saturating_sub(bytes), Ordering::Relaxed);
        bytes.saturating_sub(left)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.shared.state().room.give_back(self.bytes());
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("bytes", &self.bytes()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(active: u64, spare: u64, taken: u64, bytes: u64, expected: bool) {
        let room = Room { active, spare, free: 500, segment: 100, taken, lack: None };
        assert_eq!(room.has(bytes), expected);
    }

    #[test]
    fn no_record_lies_in_two_files() {
        check(50, 100, 0, 50, true);
        check(50, 100, 0, 100, true);
        check(50, 100, 40, 60, true);
        check(50, 100, 60, 60, false);
        check(50, 0, 0, 60, false);
        check(50, 0, 20, 30, true);
        check(0, 0, 0, 1, false);
    }

    #[test]
    fn what_is_larger_than_a_segment_gets_one_of_its_own_behind_what_has_room() {
        check(50, 100, 0, 101, true);
        check(50, 100, 0, 500, true);
        check(50, 100, 0, 501, false);
        check(50, 100, 1, 101, true);
        check(50, 100, 100, 101, true);
        // Behind it there is room for nothing, not even for another.
        check(50, 100, 101, 101, false);
        check(50, 100, 101, 1, false);
        check(50, 100, 100, 401, false);
        check(0, 0, 0, 101, true);
        let lack = Some(String::from("the disk is full"));
        assert!(!Room { free: 500, segment: 100, lack, ..Room::default() }.has(101));
    }
}
