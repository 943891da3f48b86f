//! What a queue holds on disk alone, and how it comes back into memory, in order.
//!
//! A queue with a storage keeps the newest batches in memory as long as they are few. Once there are more, they are
//! forgotten until what is before them has been worked off: then they are read back. All that is kept of them is
//! how much they are, and where in the log they begin.

mod deleted;
mod handover;
mod unwritten;
mod writing;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::time::Instant;

use super::claim::{Claim, Recorded, Tie};
use super::load::Load;
use super::parcel::Piece;
use super::queue::{Queue, State};
use super::size::Size;
use crate::storage::Sequence;

/// What waits in memory is no more than this, by an estimate, unless it is a single batch.
const LOADED_BYTES_MAX: u64 = 16 << 20;

/// About what a point takes in memory besides what it takes encoded.
const POINT_BYTES: u64 = 64;

/// About what a batch takes besides its points.
const BATCH_BYTES: u64 = 512;

/// What of a queue is on disk alone.
#[derive(Debug, Default)]
pub(super) struct OnDisk {
    /// Records, their points, and about their bytes; those in `unwritten` included.
    size: Size,
    /// What is in `unwritten`.
    unwritten_size: Size,
    /// The first record that may be of it.
    next: Sequence,
    /// The last that was handed to the queue, or was in the log when it began.
    last: Sequence,
    /// The last that was ever in memory.
    seen: Sequence,
    /// What is not known to be on disk, by its place in the order.
    unwritten: BTreeMap<(Sequence, u64), Unwritten>,
    /// The records whose fate is not known yet, wherever their points are.
    writing: BTreeMap<Sequence, Arc<Recorded>>,
    /// How many of `unwritten` never had a record; they follow the last record there was.
    without_record: u64,
    /// Another outbox still reads the log: nothing is read until it has ended.
    is_held_back: bool,
}

#[derive(Debug)]
struct Unwritten {
    load: Load,
    claim: Option<Claim>,
}

/// Where to read on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) next: Sequence,
    /// What there must be to read; not known while records are being written.
    written: Option<Size>,
}

/// A record that was read back.
pub(super) struct Loaded {
    pub(super) record: Arc<Recorded>,
    /// What it had when it was written.
    pub(super) points: u64,
    pub(super) since: Instant,
    /// What came of it; nothing where it cannot be read.
    pub(super) load: Option<Load>,
}

impl Unwritten {
    /// Whether it never will be.
    fn is_final(&self) -> bool {
        self.claim.as_ref().is_none_or(|claim| claim.record().is_lost())
    }
}

impl OnDisk {
    pub(super) fn is_empty(&self) -> bool {
        self.size.requests == 0
    }

    fn add(&mut self, load: Load, claim: Option<Claim>) {
        let key = if let Some(claim) = &claim {
            (claim.record().sequence(), 0)
        } else {
            self.without_record += 1;
            (self.last, self.without_record)
        };
        if self.is_empty() && !self.is_held_back {
            self.next = claim.as_ref().map_or(self.seen + 1, |claim| claim.record().sequence());
        }
        self.size += load.size;
        self.unwritten_size += load.size;
        self.unwritten.insert(key, Unwritten { load, claim });
    }

    /// How much of what is not known to be on disk is so.
    fn in_memory(&self, is_so: impl Fn(&Unwritten) -> bool) -> Size {
        let mut size = Size::default();
        for unwritten in self.unwritten.values().filter(|unwritten| is_so(unwritten)) {
            size += unwritten.load.size;
        }
        size
    }

    /// Takes out the first that is not known to be on disk, if its place is before `end`.
    fn pop_before(&mut self, end: (Sequence, u64)) -> Option<Unwritten> {
        let (key, _) = self.unwritten.first_key_value().filter(|(key, _)| **key < end)?;
        self.remove(*key)
    }

    fn remove(&mut self, key: (Sequence, u64)) -> Option<Unwritten> {
        let unwritten = self.unwritten.remove(&key)?;
        self.size -= unwritten.load.size;
        self.unwritten_size -= unwritten.load.size;
        Some(unwritten)
    }

    /// A record of so many points comes back or is given up; returns what was counted for it.
    ///
    /// Its bytes are its share by points: what they were counted as, by an estimate or as they were found encoded at
    /// the start, is not known of each, and so the last one leaves nothing over.
    fn take_out(&mut self, points: u64) -> Size {
        let written = self.size.without(self.unwritten_size);
        let out = Size { requests: 1, ..written.share(points) }.min(written);
        self.size -= out;
        out
    }
}

impl Queue {
    /// Takes in a batch that is in the log, using up to `reserved` of what was promised; returns what it used.
    ///
    /// To be called in the order of the log.
    pub(super) fn push_recorded(&self, load: Load, record: &Arc<Recorded>, reserved: Size) -> Size {
        let mut state = self.state();
        let used = state.accept(load.size, reserved);
        state.on_disk.last = record.sequence();
        // After the end it is for the next start.
        if !state.has_ended {
            state.on_disk.writing.insert(record.sequence(), record.clone());
            state.keep(load, Some(record.claim()));
        }
        self.publish(&state);
        drop(state);
        self.wake();
        used
    }

    /// Takes in a batch that is in no log, though the queue has one.
    pub(super) fn push_unrecorded(&self, load: Load, reserved: Size) -> Result<Size, Size> {
        let mut state = self.state();
        let used = state.accept(load.size, reserved);
        if state.has_ended {
            state.counts.held -= load.size;
            state.counts.dropped += load.size.points;
            return Err(used);
        }
        state.keep(load, None);
        self.publish(&state);
        drop(state);
        self.wake();
        Ok(used)
    }

    fn wake(&self) {
        self.work.notify_one();
        self.to_load.notify_one();
    }

    /// Whether so much more may wait in memory alone.
    pub(super) fn has_memory_for(&self, size: Size) -> bool {
        let state = self.state();
        let mut total = state.waiting.size();
        total += state.on_disk.unwritten_size;
        total += size;
        cost(total) <= LOADED_BYTES_MAX
    }

    /// The record is on disk.
    pub(super) fn written(&self, record: &Recorded) {
        let mut state = self.state();
        record.find();
        state.on_disk.writing.remove(&record.sequence());
        if let Some(unwritten) = state.on_disk.unwritten.remove(&(record.sequence(), 0)) {
            state.on_disk.unwritten_size -= unwritten.load.size;
        }
        drop(state);
        self.fate_is_known();
    }

    /// Where to read on, if anything is to be read now.
    pub(super) fn wanted(&self) -> Option<Wanted> {
        let state = self.state();
        let on_disk = &state.on_disk;
        if on_disk.is_empty() || on_disk.is_held_back || cost(state.waiting.size()) > LOADED_BYTES_MAX / 2 {
            return None;
        }
        let is_known = on_disk.unwritten.values().all(Unwritten::is_final);
        let written = is_known.then(|| on_disk.size.without(on_disk.unwritten_size));
        Some(Wanted { next: on_disk.next, written })
    }

    pub(super) fn has_nothing_on_disk(&self) -> bool {
        self.state().on_disk.is_empty()
    }

    /// Takes back what was read from there on, none where there was none; returns how many points are lost.
    pub(super) fn loaded(&self, wanted: Wanted, records: Vec<Loaded>) -> u64 {
        let mut state = self.state();
        let dropped = state.counts.dropped;
        let is_end = records.is_empty();
        for loaded in records {
            let sequence = loaded.record.sequence();
            while let Some(unwritten) = state.on_disk.pop_before((sequence, 0)) {
                state.wait(unwritten.load, unwritten.claim.map(Tie::Record), None);
            }
            // What is on its way to the queue comes by itself.
            if state.on_disk.is_empty() || sequence > state.on_disk.last {
                break;
            }
            state.on_disk.next = sequence + 1;
            if let Some(unwritten) = state.on_disk.pop_before((sequence, 1)) {
                state.wait(unwritten.load, unwritten.claim.map(Tie::Record), None);
            } else {
                state.take_back(loaded);
            }
        }
        if is_end {
            if let Some(missing) = wanted.written {
                state.miss(missing);
            }
            // Where nothing can be before them.
            if state.on_disk.size.requests == state.on_disk.unwritten.len() as u64 {
                while let Some(unwritten) = state.on_disk.pop_before((Sequence::MAX, u64::MAX)) {
                    state.wait(unwritten.load, unwritten.claim.map(Tie::Record), None);
                }
            }
        }
        state.level();
        self.publish(&state);
        let dropped = state.counts.dropped - dropped;
        drop(state);
        self.work.notify_one();
        self.room.notify_waiters();
        dropped
    }

    /// Gives up what waits in memory and was not begun, up to this record; returns how many points.
    pub(super) fn give_up_waiting(&self, up_to: Sequence) -> u64 {
        let mut state = self.state();
        let given_up = state.waiting.remove(|piece| match piece.tie() {
            Some(Tie::Record(claim)) => claim.is_whole() && claim.record().sequence() <= up_to,
            _ => false,
        });
        let mut points = 0;
        for piece in given_up {
            points += piece.size.points;
            state.settle(piece.size, 0);
            piece.settle();
        }
        while let Some(unwritten) = state.on_disk.pop_before((up_to, 1)) {
            points += unwritten.load.size.points;
            state.settle(unwritten.load.size, 0);
            unwritten.claim.into_iter().for_each(Claim::settle);
        }
        self.publish(&state);
        drop(state);
        self.room.notify_waiters();
        points
    }

    /// Where to look for what is to be given up on disk, up to this record.
    pub(super) fn on_disk_up_to(&self, up_to: Sequence) -> Option<Sequence> {
        let on_disk = &self.state().on_disk;
        (!on_disk.is_empty() && !on_disk.is_held_back && on_disk.next <= up_to).then_some(on_disk.next)
    }

    /// Forgets records that were on disk alone; returns how many points are lost.
    pub(super) fn give_up_on_disk(&self, records: Vec<Loaded>) -> u64 {
        let mut state = self.state();
        let dropped = state.counts.dropped;
        for loaded in records {
            let sequence = loaded.record.sequence();
            if state.on_disk.is_empty() || sequence > state.on_disk.last {
                break;
            }
            state.on_disk.next = sequence + 1;
            state.take_back(Loaded { load: None, ..loaded });
        }
        state.level();
        self.publish(&state);
        let dropped = state.counts.dropped - dropped;
        drop(state);
        self.room.notify_waiters();
        dropped
    }
}

impl State {
    fn keep(&mut self, load: Load, claim: Option<Claim>) {
        let is_within = cost(self.waiting.size()) + cost(load.size) <= LOADED_BYTES_MAX;
        let fits = is_within || self.waiting.is_empty();
        if self.on_disk.is_empty() && !self.on_disk.is_held_back && fits {
            self.wait(load, claim.map(Tie::Record), None);
        } else {
            self.on_disk.add(load, claim);
        }
    }

    fn wait(&mut self, load: Load, tie: Option<Tie>, since: Option<Instant>) {
        if let Some(Tie::Record(claim)) = &tie {
            self.on_disk.seen = self.on_disk.seen.max(claim.record().sequence());
        }
        let mut piece = Piece::new(load, tie);
        piece.since = since.unwrap_or(piece.since);
        self.waiting.push(piece);
    }

    /// A record comes back from the disk, or what is left of it.
    fn take_back(&mut self, loaded: Loaded) {
        let Loaded { record, points, since, load } = loaded;
        let was = self.on_disk.take_out(points);
        self.counts.held -= was;
        let came = load.as_ref().map_or(0, |load| load.size.points);
        if let Some(load) = load.filter(|_| came > 0) {
            self.counts.held += load.size;
            self.wait(load, Some(Tie::Record(record.claim())), Some(since));
        } else {
            record.settle();
        }
        self.counts.dropped += was.points.saturating_sub(came);
        self.counts.accepted += came.saturating_sub(was.points);
    }

    /// So much should have been on disk and is not.
    fn miss(&mut self, missing: Size) {
        let missing = missing.min(self.on_disk.size);
        self.on_disk.size -= missing;
        self.counts.held -= missing;
        self.counts.dropped += missing.points;
    }

    /// Where nothing is left, what estimates have left over goes, too.
    fn level(&mut self) {
        if self.on_disk.is_empty() {
            let rest = std::mem::take(&mut self.on_disk.size);
            self.counts.held -= rest;
            self.counts.dropped += rest.points;
        }
    }
}

/// About what a batch takes in memory.
fn cost(size: Size) -> u64 {
    let besides = size.points.saturating_mul(POINT_BYTES).saturating_add(size.requests * BATCH_BYTES);
    size.bytes.saturating_add(besides)
}
