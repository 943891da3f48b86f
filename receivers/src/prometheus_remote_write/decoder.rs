//! From a request's bytes to points; a known series costs a look-up.
//!
//! A series is known by the bytes of its labels as 1.0 writes them. What 2.0 says by reference is written so
//! first, so that a sender which changes from one to the other goes on with the same series.

mod walk;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

use foldhash::quality::RandomState;
use pipeline::cache::{Room, Table, Weight};
use pipeline::point::Exemplar;
use pipeline::wire::WireError;
use pipeline::{Batch, Point, Registry, Series};

use super::families::Families;
use super::labels::Shape;
use super::message::Version;
use super::reason::Failures;
use crate::prometheus::text::Type;
use walk::Walk;

/// What may be remembered for each series the registry may hold, in bytes.
const BYTES_A_SERIES: usize = 400;

/// The least that may be remembered.
const BYTES_MIN: usize = 1 << 20;

/// Whatever was not asked for between so many sweeps is forgotten.
const UNUSED_SWEEPS_MAX: u32 = 5;

/// As many exemplars may wait for a point of their series.
const PENDING_MAX: usize = 10_000;

/// As many markers are kept that a pipeline would not take.
const OWED_MAX: usize = 100_000;

/// Turns requests into points. One decoder serves all connections of a receiver.
///
/// It remembers the series it has met, bounded in bytes: what finds no room is read anew each time.
pub(super) struct Decoder {
    registry: Arc<Registry>,
    hasher: RandomState,
    memory: Mutex<Memory>,
}

/// What a request held.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) batch: Batch,
    pub(super) written: Written,
    pub(super) failures: Failures,
    pub(super) dropped_exemplars: u64,
    /// Exemplars of the batch that came with an earlier request.
    pub(super) waited_exemplars: u64,
    /// Exemplars that came with an earlier request, and for which no sample ever did.
    pub(super) vain_exemplars: u64,
    /// The markers of the batch that no sender would send again.
    pub(super) markers: Vec<Point>,
}

/// How much of a request was stored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) samples: u64,
    pub(super) histograms: u64,
    pub(super) exemplars: u64,
}

struct Memory {
    table: Table<Known>,
    room: Room,
    families: Families,
    waiting: Arc<Waiting>,
    owed: Vec<Point>,
    /// Counts requests, to tell whose points a series' place is among.
    request: u32,
}

/// A series of the other side; values of different shapes are different series here.
struct Known {
    labels: Box<[u8]>,
    kind: Type,
    /// The generation of the families in which its type was looked up.
    generation: u32,
    number: Option<Series>,
    exponential: Option<Series>,
    custom: Option<Series>,
    /// What its numbers were called before their type was known.
    former: Option<Series>,
    /// The request in which it had its last point, and where that stands in the batch.
    place: (u32, u32),
    /// An exemplar that came without a point.
    pending: Option<Box<Pending>>,
}

/// An exemplar that waits for a point; it is counted as lost if none comes.
struct Pending {
    exemplar: Option<Exemplar>,
    waiting: Arc<Waiting>,
}

/// How many exemplars wait, and how many have waited in vain.
#[derive(Debug, Default)]
struct Waiting {
    now: AtomicUsize,
    in_vain: AtomicU64,
}

/// Why a request could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) error: WireError,
    /// Exemplars of earlier requests that were lost with it.
    pub(super) lost_exemplars: u64,
    /// Markers for which there was no room until the next request.
    pub(super) lost_markers: u64,
}

impl Decoder {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        let room = Room::new(registry.live_max().saturating_mul(BYTES_A_SERIES).max(BYTES_MIN));
        let memory = Memory {
            table: Table::default(),
            room,
            families: Families::default(),
            waiting: Arc::default(),
            owed: Vec::new(),
            request: 0,
        };
        Self { registry, hasher: RandomState::default(), memory: Mutex::new(memory) }
    }

    /// Reads a write request. An error is for the whole: nothing of it is to be stored.
    ///
    /// Waits while another is read: not for where others are kept from running by it.
    pub(super) fn decode(&self, version: Version, request: &[u8]) -> Result<Decoded, Broken> {
        self.decode_with(self.locked(), version, request)
    }

    /// Reads a write request, unless another is being read.
    pub(super) fn try_decode(&self, version: Version, request: &[u8]) -> Option<Result<Decoded, Broken>> {
        let memory = match self.memory.try_lock() {
            Ok(memory) => memory,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(self.decode_with(memory, version, request))
    }

    fn locked(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decode_with(
        &self,
        mut memory: MutexGuard<'_, Memory>,
        version: Version,
        request: &[u8],
    ) -> Result<Decoded, Broken> {
        memory.request = memory.request.wrapping_add(1);
        let mut walk = Walk::new(self, &mut memory, request.len());
        let read = match version {
            Version::V1 => walk.request_v1(request),
            Version::V2 => walk.request_v2(request),
        };
        let decoded = walk.finish();
        match read {
            Ok(()) => Ok(decoded),
            Err(error) => {
                let lost_exemplars = decoded.waited_exemplars + decoded.vain_exemplars;
                let lost_markers = memory.owe(decoded.markers);
                Err(Broken { error, lost_exemplars, lost_markers })
            }
        }
    }

    /// Takes back the markers of a batch that was not taken: they are sent with the next one. Returns for how
    /// many there is no room.
    #[must_use]
    pub(super) fn owe(&self, markers: Vec<Point>) -> u64 {
        // Most requests have none, and need not wait.
        if markers.is_empty() { 0 } else { self.locked().owe(markers) }
    }

    /// Does something while nothing can be read.
    #[cfg(test)]
    pub(super) fn while_locked<T>(&self, work: impl FnOnce() -> T) -> T {
        let _memory = self.locked();
        work()
    }

    /// Forgets what was not met since the fifth call before this one; the receiver calls it each minute.
    pub(super) fn sweep(&self) {
        let mut memory = self.locked();
        let Memory { table, room, families, .. } = &mut *memory;
        table.sweep(room, UNUSED_SWEEPS_MAX);
        families.sweep();
    }

    /// Forgets series not met since the last call, of this or of [`Decoder::sweep`]: for when memory is short.
    pub(super) fn forget(&self) {
        let mut memory = self.locked();
        let Memory { table, room, .. } = &mut *memory;
        table.sweep(room, 2);
    }
}

impl Memory {
    fn owe(&mut self, markers: Vec<Point>) -> u64 {
        self.owed.extend(markers);
        let lost = self.owed.len().saturating_sub(OWED_MAX);
        self.owed.truncate(OWED_MAX);
        lost as u64
    }
}

impl Pending {
    /// `None` where too many wait already.
    fn new(exemplar: Exemplar, waiting: &Arc<Waiting>) -> Option<Self> {
        if waiting.now.fetch_add(1, Ordering::Relaxed) >= PENDING_MAX {
            waiting.now.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(Self { exemplar: Some(exemplar), waiting: waiting.clone() })
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.waiting.now.fetch_sub(1, Ordering::Relaxed);
        if self.exemplar.is_some() {
            self.waiting.in_vain.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Known {
    fn new(labels: &[u8], generation: u32) -> Self {
        Self {
            labels: labels.into(),
            kind: Type::Unknown,
            generation,
            number: None,
            exponential: None,
            custom: None,
            former: None,
            place: (0, 0),
            pending: None,
        }
    }

    fn series(&mut self, shape: Shape) -> &mut Option<Series> {
        match shape {
            Shape::Number => &mut self.number,
            Shape::Exponential => &mut self.exponential,
            Shape::Custom => &mut self.custom,
        }
    }
}

impl Weight for Known {
    fn bytes(&self) -> usize {
        self.labels.len()
    }
}

impl Written {
    pub(super) fn points(self) -> u64 {
        self.samples + self.histograms
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("registry", &self.registry).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
