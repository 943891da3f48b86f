//! What is known of a segment in memory: where its records are, and which of them each reader still holds.

use super::Backlog;
use super::Sequence;
use super::format::head_len;

/// A reader's number in memory, an index into the places.
pub(super) type Slot = usize;

/// A record of a segment; 32 bytes, as there may be millions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) sequence: Sequence,
    pub(super) offset: u32,
    /// Of the request, in bytes.
    pub(super) length: u32,
    pub(super) points: u32,
    /// In seconds since 1970, by a clock that only goes forwards.
    pub(super) written: u32,
    /// Which readers it is for, an index into the groups.
    pub(super) group: u16,
    pub(super) is_damaged: bool,
}

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
    entries: Vec<Entry>,
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

impl Entry {
    /// Of head and request, in bytes.
    pub(super) fn record_len(&self, readers: usize) -> usize {
        head_len(readers) + self.length as usize
    }

    pub(super) fn backlog(&self) -> Backlog {
        Backlog { records: 1, points: u64::from(self.points), bytes: u64::from(self.length) }
    }
}

impl Segment {
    /// The name of the file whose first record is this one.
    pub(super) fn file_name(first: Sequence) -> String {
        format!("{first:020}.log")
    }

    pub(super) fn new(first: Sequence, bytes: u64, is_active: bool) -> Self {
        let name = Self::file_name(first);
        let (entries, holds) = (Vec::new(), Vec::new());
        let last = first.saturating_sub(1);
        Self { name, last, bytes, is_active, has_unreadable: false, entries, holds, held: 0 }
    }

    /// Adds a record behind all others, held by these readers.
    pub(super) fn push(&mut self, mut entry: Entry, slots: impl Iterator<Item = Slot>) {
        // What is old is found by halving, so times may not go backwards.
        entry.written = entry.written.max(self.newest());
        let at = self.entries.len();
        self.last = entry.sequence;
        self.entries.push(entry);
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
        let at = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence).ok()?;
        let hold = self.holds.iter_mut().find(|hold| hold.slot == slot)?;
        if !hold.has(at) {
            return None;
        }
        hold.bits[at / 64] &= !(1 << (at % 64));
        let gone = self.entries[at].backlog();
        hold.backlog -= gone;
        self.held -= 1;
        Some(gone)
    }

    /// Lets go of all a reader holds; the ranges of records, and how much it was.
    pub(super) fn settle_all(&mut self, slot: Slot) -> Option<((Sequence, Sequence), Backlog)> {
        let range = (self.entries.first()?.sequence, self.last);
        let hold = self.holds.iter_mut().find(|hold| hold.slot == slot && hold.backlog.records > 0)?;
        hold.bits.fill(0);
        let gone = std::mem::take(&mut hold.backlog);
        self.held -= gone.records;
        Some((range, gone))
    }

    /// The record cannot be read any more.
    pub(super) fn damage(&mut self, sequence: Sequence) {
        if let Ok(at) = self.entries.binary_search_by_key(&sequence, |entry| entry.sequence) {
            self.entries[at].is_damaged = true;
        }
    }

    /// The records that a reader holds, from this one on.
    pub(super) fn held_by(&self, slot: Slot, from: Sequence) -> impl Iterator<Item = &Entry> {
        let start = self.entries.partition_point(|entry| entry.sequence < from);
        let hold = self.holds.iter().find(|hold| hold.slot == slot && hold.backlog.records > 0);
        let all = if hold.is_some() { &self.entries[start..] } else { &[] };
        let held = all.iter().zip(start..).filter(move |(_, at)| hold.is_some_and(|hold| hold.has(*at)));
        held.map(|(entry, _)| entry)
    }

    /// The ranges of this segment's records, from this one on, that a reader has settled or that are not for it.
    pub(super) fn settled_by(&self, slot: Slot, from: Sequence) -> Vec<(Sequence, Sequence)> {
        let mut ranges = Vec::new();
        // What is before this segment is for others to say.
        let mut start = from.max(self.entries.first().map_or(0, |entry| entry.sequence));
        for entry in self.held_by(slot, from) {
            if entry.sequence > start {
                ranges.push((start, entry.sequence - 1));
            }
            start = entry.sequence + 1;
        }
        if start <= self.last {
            ranges.push((start, self.last));
        }
        ranges
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
    pub(super) fn oldest_held(&self) -> Option<&Entry> {
        let first = |hold: &Hold| {
            let word = hold.bits.iter().position(|bits| *bits != 0)?;
            Some(word * 64 + hold.bits[word].trailing_zeros() as usize)
        };
        self.holds.iter().filter_map(first).min().map(|at| &self.entries[at])
    }

    /// When its last record was written.
    pub(super) fn newest(&self) -> u32 {
        self.entries.last().map_or(0, |entry| entry.written)
    }

    /// The last record that was written by then.
    pub(super) fn last_by(&self, written: u32) -> Option<Sequence> {
        let after = self.entries.partition_point(|entry| entry.written <= written);
        after.checked_sub(1).map(|at| self.entries[at].sequence)
    }
}

impl Hold {
    fn has(&self, at: usize) -> bool {
        self.bits.get(at / 64).is_some_and(|bits| bits & 1 << (at % 64) != 0)
    }
}
