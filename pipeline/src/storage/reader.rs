//! One exporter's place in an open log: it reads what it has not settled, and settles it.

use std::fmt;
use std::io;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::io::Errno;
use tokio::sync::watch;
use tracing::error;

use super::format::Head;
use super::index::Slot;
use super::log::{Log, Shared};
use super::records::Entry;
use super::state::Suspect;
use super::{Backlog, GiveUp, Record, Sequence};
use crate::component::BoxError;
use crate::errors::Caused;

/// How long the disk may say that it cannot read a record before the record is taken for lost.
const SUSPECT_FOR: Duration = Duration::from_secs(10);

/// More records than this are not read at once.
const RECORDS_MAX: usize = 4096;

/// One exporter's place in a log; dropping it frees the place, and keeps what it holds.
pub struct Reader {
    log: Arc<Log>,
    slot: Slot,
}

/// Settles what is one reader's, and knows of it, also when that has let go of its place.
#[derive(Debug, Clone)]
pub struct Settler {
    log: Arc<Log>,
    slot: Slot,
}

/// Where a record is.
struct Found {
    name: String,
    entry: Entry,
    len: usize,
}

impl Reader {
    pub(super) fn new(log: Arc<Log>, slot: Slot) -> Self {
        Self { log, slot }
    }

    pub(super) fn slot(&self) -> Slot {
        self.slot
    }

    pub(super) fn is_of(&self, log: &Log) -> bool {
        std::ptr::eq(&raw const *self.log, log)
    }

    /// Reads records that are not settled, from this one on, up to about so many bytes (but at least one, where
    /// there is one); empty at the end. What is not written yet is not read.
    ///
    /// An error says that the disk cannot be read now; reading again later may succeed.
    pub async fn read(&self, from: Sequence, bytes_max: u64) -> Result<Vec<Record>, BoxError> {
        let (shared, slot) = (self.log.shared.clone(), self.slot);
        tokio::task::spawn_blocking(move || read(&shared, slot, from, bytes_max)).await?
    }

    /// The same, in the thread that calls.
    #[cfg(any(test, fuzzing))]
    pub(super) fn read_here(&self, from: Sequence, bytes_max: u64) -> Result<Vec<Record>, BoxError> {
        read(&self.log.shared, self.slot, from, bytes_max)
    }

    /// Whether the record is written and not settled.
    pub fn holds(&self, sequence: Sequence) -> bool {
        holds(&self.log.shared, self.slot, sequence)
    }

    /// See [`Settler::settle`].
    #[cfg(any(test, fuzzing))]
    pub(super) fn settle(&self, sequence: Sequence) {
        self.settler().settle(sequence);
    }

    /// For whoever outlives the reader.
    pub fn settler(&self) -> Settler {
        Settler { log: self.log.clone(), slot: self.slot }
    }

    /// What is not settled now, of what is written.
    pub fn backlog(&self) -> Backlog {
        self.log.shared.state().places[self.slot].backlog
    }

    /// The same, of the records up to and with this one.
    pub fn backlog_until(&self, last: Sequence) -> Backlog {
        self.backlog_within(0..=last)
    }

    /// The same, of these records.
    pub fn backlog_within(&self, records: RangeInclusive<Sequence>) -> Backlog {
        self.log.shared.state().backlog_within(self.slot, records)
    }

    /// How many files were deleted by somebody else: each change says that what was held may be held no more.
    pub fn deleted(&self) -> watch::Receiver<usize> {
        self.log.shared.deleted.subscribe()
    }

    /// How long ago the oldest record was written that is not settled.
    pub fn oldest_age(&self) -> Option<Duration> {
        let state = self.log.shared.state();
        let written = state.first_held(self.slot)?.written;
        Some(Duration::from_secs(u64::from(self.log.shared.time.unix_seconds().saturating_sub(written))))
    }

    /// What the log asks the reader to give up; each change is one request.
    pub fn pressure(&self) -> watch::Receiver<Option<GiveUp>> {
        self.log.shared.state().places[self.slot].pressure.subscribe()
    }
}

impl Settler {
    /// The fate of the record is decided; it will not be read again, not even after a crash of the process.
    pub fn settle(&self, sequence: Sequence) {
        self.log.shared.state().settle(self.slot, sequence);
        self.log.shared.wake();
    }

    /// Whether the record was written, and its file deleted by somebody else.
    pub fn is_deleted(&self, sequence: Sequence) -> bool {
        // Mostly this is enough to know.
        *self.log.shared.deleted.borrow() > 0 && self.log.shared.state().gone.contains(sequence)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let now = (self.log.shared.time.steady)();
        let mut state = self.log.shared.state();
        let place = &mut state.places[self.slot];
        place.is_claimed = false;
        place.unclaimed_since = now;
    }
}

impl fmt::Debug for Reader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader").field("log", &self.log).field("slot", &self.slot).finish()
    }
}

fn read(shared: &Shared, slot: Slot, from: Sequence, bytes_max: u64) -> Result<Vec<Record>, BoxError> {
    let mut records = Vec::new();
    let mut open = None;
    // Whether there may be something to clear once a read succeeds.
    let mut is_suspicious = true;
    for found in find(shared, slot, from, bytes_max) {
        if open.as_ref().is_none_or(|(name, _)| *name != found.name) {
            match shared.disk.open(&found.name) {
                Ok(file) => open = Some((found.name.clone(), file)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    // It may have been settled and deleted since it was found.
                    if holds(shared, slot, found.entry.sequence) {
                        records.push(damaged(shared, &found, "the file is gone"));
                    }
                    continue;
                }
                // What was read up to here is a beginning.
                Err(_) if !records.is_empty() && !is_known_lost(shared, slot, &found) => return Ok(records),
                Err(error) if !is_own_lack(&error) && is_lost(shared, slot, &found) => {
                    is_suspicious = true;
                    records.push(damaged(shared, &found, "its file cannot be opened"));
                    continue;
                }
                Err(error) => return Err(Caused::new(format!("cannot open `{}`", found.name), error).into()),
            }
        }
        let Some((_, file)) = &open else { continue };
        let mut bytes = vec![0; found.len];
        match file.read_at(&mut bytes, u64::from(found.entry.offset)) {
            Ok(()) => {
                records.push(
                    whole(&found.entry, bytes)
                        .unwrap_or_else(|| damaged(shared, &found, "its checksum is wrong")),
                );
                if std::mem::take(&mut is_suspicious) {
                    clear(shared, slot);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                records.push(damaged(shared, &found, "the file is cut off"));
            }
            Err(_) if !records.is_empty() && !is_known_lost(shared, slot, &found) => return Ok(records),
            Err(_) if is_lost(shared, slot, &found) => {
                is_suspicious = true;
                records.push(damaged(shared, &found, "the disk cannot read it"));
            }
            Err(error) => return Err(Caused::new(format!("cannot read `{}`", found.name), error).into()),
        }
    }
    Ok(records)
}

fn find(shared: &Shared, slot: Slot, from: Sequence, bytes_max: u64) -> Vec<Found> {
    let state = shared.state();
    let (mut found, mut bytes) = (Vec::new(), 0);
    let first = state.segments.partition_point(|segment| segment.last < from);
    for segment in state.segments.range(first..) {
        for entry in segment.held_by(slot, from) {
            let len = entry.record_len(state.groups[usize::from(entry.group)].len());
            bytes += u64::from(entry.length);
            if !found.is_empty() && bytes > bytes_max || found.len() == RECORDS_MAX {
                return found;
            }
            found.push(Found { name: segment.name.clone(), entry, len });
        }
    }
    found
}

fn holds(shared: &Shared, slot: Slot, sequence: Sequence) -> bool {
    let state = shared.state();
    let index = state.segments.partition_point(|segment| segment.last < sequence);
    let entry = state.segments.get(index).and_then(|segment| segment.held_by(slot, sequence).next());
    entry.is_some_and(|entry| entry.sequence == sequence)
}

/// The record, if its bytes are what was written.
fn whole(entry: &Entry, bytes: Vec<u8>) -> Option<Record> {
    let head = Head::parse(&bytes).filter(|head| head.sequence == entry.sequence)?;
    let bytes = Bytes::from(bytes);
    let request = bytes.get(head.len()..).filter(|request| crc32fast::hash(request) == head.checksum)?;
    Some(Record {
        sequence: head.sequence,
        points: u64::from(head.points),
        written_unix_nano: head.written_unix_nano,
        request: bytes.slice_ref(request),
        is_damaged: false,
    })
}

/// The record without its request. What is damaged is counted and said once.
fn damaged(shared: &Shared, found: &Found, reason: &str) -> Record {
    let entry = &found.entry;
    if !entry.is_damaged {
        let mut state = shared.state();
        let index = state.segments.partition_point(|segment| segment.last < entry.sequence);
        if let Some(segment) = state.segments.get_mut(index) {
            segment.damage(entry.sequence);
        }
        drop(state);
        shared.levels.damaged(1, found.len as u64);
        if let Some(suppressed) = shared.damages.speak() {
            let (storage, path) = (&shared.id, shared.disk.path());
            let (file, offset, bytes, points) = (&found.name, entry.offset, found.len, entry.points);
            error!(%storage, %path, %file, offset, bytes, points, %reason, suppressed, "a record is lost");
        }
    }
    Record {
        sequence: entry.sequence,
        points: u64::from(entry.points),
        written_unix_nano: u64::from(entry.written) * 1_000_000_000,
        request: Bytes::new(),
        is_damaged: true,
    }
}

/// Whether the disk has failed at this record for long enough, or at the one before it in the same file.
fn is_lost(shared: &Shared, slot: Slot, found: &Found) -> bool {
    if is_known_lost(shared, slot, found) {
        return true;
    }
    let now = (shared.time.steady)();
    let suspect = &mut shared.state().places[slot].suspect;
    match suspect {
        Some(suspect) if suspect.sequence == found.entry.sequence => {
            suspect.is_lost = now.saturating_sub(suspect.since) >= SUSPECT_FOR;
            suspect.is_lost
        }
        _ => {
            let (file, sequence) = (found.name.clone(), found.entry.sequence);
            *suspect = Some(Suspect { file, sequence, since: now, is_lost: false });
            false
        }
    }
}

/// Whether a record of this file was lost, and none was read since.
fn is_known_lost(shared: &Shared, slot: Slot, found: &Found) -> bool {
    let suspect = &shared.state().places[slot].suspect;
    suspect.as_ref().is_some_and(|suspect| suspect.is_lost && suspect.file == found.name)
}

/// The disk can be read: the next that fails is waited for again.
fn clear(shared: &Shared, slot: Slot) {
    let suspect = &mut shared.state().places[slot].suspect;
    if suspect.as_ref().is_some_and(|suspect| suspect.is_lost) {
        *suspect = None;
    }
}

/// Whether it is this process or the system that can open no more files, whichever they are.
pub(super) fn is_own_lack(error: &io::Error) -> bool {
    matches!(Errno::from_io_error(error), Some(Errno::MFILE | Errno::NFILE | Errno::NOMEM))
}
