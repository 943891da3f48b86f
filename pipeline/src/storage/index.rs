//! What is known of a segment in memory: where its records are, and which of them each reader still holds.

use super::Backlog;
use super::Sequence;
use super::records::{Entry, Records};

/// A reader's number in memory, an index into the places.
pub(super) type Slot = usize;

/// A file with records.
#[derive(Debug)]
pub(super) struct Segment {
    pub(super) name: String,
    /// The last record, or what would be before the first.
    pub(super) last: Sequence,
    /// What it takes on disk.
    pub(super) bytes: u64,
    /// Whether records may still be added.
    pub(super) is_active: bool,
    /// The disk could not read all of it, so there may be more in it than is known.
    pub(super) has_unreadable: bool,
    /// It could not be deleted when nobody needed it any more.
    pub(super) is_stuck: bool,
    records: Records,
    holds: Vec<Hold>,
    /// How many records are held, once for each reader.
    held: u64,
}

/// What one reader holds of a segment.
#[derive(Debug)]
struct Hold {
    slot: Slot,
    /// A bit for each record that is for this reader and not settled.
    bits: Vec<u64>,
    backlog: Backlog,
}

impl Segment {
    /// The name of the file whose first record is this one.
    pub(super) fn file_name(first: Sequence) -> String {
        format!("{first:020}.log")
    }

    pub(super) fn new(first: Sequence, bytes: u64, is_active: bool) -> Self {
        let name = Self::file_name(first);
        let (records, holds) = (Records::default(), Vec::new());
        let last = first.saturating_sub(1);
        let (has_unreadable, is_stuck) = (false, false);
        Self { name, last, bytes, is_active, has_unreadable, is_stuck, records, holds, held: 0 }
    }

    /// Adds a record behind all others, held by these readers.
    pub(super) fn push(&mut self, mut entry: Entry, slots: impl Iterator<Item = Slot>) {
        // What is old is found by halving, so times may not go backwards.
        entry.written = entry.written.max(self.newest());
        let at = self.records.len();
        self.last = entry.sequence;
        self.records.push(entry);
        for slot in slots {
            let index = self.holds.iter().position(|hold| hold.slot == slot).unwrap_or_else(|| {
                self.holds.push(Hold { slot, bits: Vec::new(), backlog: Backlog::default() });
                self.holds.len() - 1
            });
            let hold = &mut self.holds[index];
            hold.bits.resize(at / 64 + 1, 0);
            hold.bits[at / 64] |= 1 << (at % 64);
            hold.backlog += entry.backlog();
            self.held += 1;
        }
    }

    /// Lets go of a record for a reader; what it let go of, if it held it.
    pub(super) fn settle(&mut self, slot: Slot, sequence: Sequence) -> Option<Backlog> {
        let (at, entry) = self.records.find(sequence);
        let entry = entry?;
        let hold = self.holds.iter_mut().find(|hold| hold.slot == slot)?;
        if !hold.has(at) {
            return None;
        }
        hold.bits[at / 64] &= !(1 << (at % 64));
        let gone = entry.backlog();
        hold.backlog -= gone;
        self.held -= 1;
        Some(gone)
    }

    /// Lets go of all a reader holds; ranges of what was settled, and how much it was.
    pub(super) fn settle_all(&mut self, slot: Slot) -> Option<(Vec<(Sequence, Sequence)>, Backlog)> {
        let ranges = if self.has_unreadable {
            // What is between them may be held as soon as it can be read.
            self.held_by(slot, 0).map(|entry| (entry.sequence, entry.sequence)).collect()
        } else {
            vec![(self.records.first()?.sequence, self.last)]
        };
        let hold = self.holds.iter_mut().find(|hold| hold.slot == slot && hold.backlog.records > 0)?;
        hold.bits.fill(0);
        let gone = std::mem::take(&mut hold.backlog);
        self.held -= gone.records;
        Some((ranges, gone))
    }

    /// The record cannot be read any more.
    pub(super) fn damage(&mut self, sequence: Sequence) {
        if let (at, Some(_)) = self.records.find(sequence) {
            self.records.damage(at);
        }
    }

    /// The records that a reader holds, from this one on.
    pub(super) fn held_by(&self, slot: Slot, from: Sequence) -> impl Iterator<Item = Entry> {
        let hold = self.holds.iter().find(|hold| hold.slot == slot && hold.backlog.records > 0);
        let start = hold.and_then(|hold| hold.first(self.records.find(from).0));
        let all = start.map(|start| (start..).zip(self.records.from(start)));
        let held = all.into_iter().flatten().filter(move |(at, _)| hold.is_some_and(|hold| hold.has(*at)));
        held.map(|(_, entry)| entry)
    }

    /// The first record that was written to it, or what would be.
    pub(super) fn first(&self) -> Sequence {
        self.records.first().map_or(self.last + 1, |first| first.sequence)
    }

    pub(super) fn holds(&self, slot: Slot) -> bool {
        self.holders().any(|holder| holder == slot)
    }

    /// The readers that hold something of it.
    pub(super) fn holders(&self) -> impl Iterator<Item = Slot> {
        self.holds.iter().filter(|hold| hold.backlog.records > 0).map(|hold| hold.slot)
    }

    /// How much a reader holds.
    pub(super) fn backlog(&self, slot: Slot) -> Backlog {
        self.holds.iter().find(|hold| hold.slot == slot).map(|hold| hold.backlog).unwrap_or_default()
    }

    /// How many records are held, once for each reader.
    pub(super) fn held(&self) -> u64 {
        self.held
    }

    /// Nobody needs it any more.
    pub(super) fn is_done(&self) -> bool {
        !self.is_active && self.held == 0
    }

    /// The first that any reader holds.
    pub(super) fn oldest_held(&self) -> Option<Entry> {
        let at = self.holds.iter().filter_map(|hold| hold.first(0)).min()?;
        self.records.get(at)
    }

    /// When its last record was written.
    pub(super) fn newest(&self) -> u32 {
        self.records.newest()
    }

    /// The last record that was written by then.
    pub(super) fn last_by(&self, written: u32) -> Option<Sequence> {
        let after = self.records.partition_point(|entry| entry.written <= written);
        self.records.get(after.checked_sub(1)?).map(|entry| entry.sequence)
    }

    /// Nothing is added any more, and the file takes so much.
    pub(super) fn seal(&mut self, bytes: u64) {
        (self.is_active, self.bytes) = (false, bytes);
        self.records.close();
        self.holds.iter_mut().for_each(|hold| hold.bits.shrink_to_fit());
    }
}

impl Hold {
    /// The first at this place or behind it that is held.
    fn first(&self, at: usize) -> Option<usize> {
        let mut word = at / 64;
        let mut bits = self.bits.get(word)? & u64::MAX << (at % 64);
        while bits == 0 {
            word += 1;
            bits = *self.bits.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    fn has(&self, at: usize) -> bool {
        self.bits.get(at / 64).is_some_and(|bits| bits & 1 << (at % 64) != 0)
    }
}
