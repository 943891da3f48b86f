//! An open log, as those use it who write to it and read from it.

use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};
use tracing::warn;

use super::answer::Answer;
use super::config::{Config, WhenUnwritable};
use super::disk::Disk;
use super::format::head_len;
use super::levels::Levels;
use super::state::{Command, Pending, State};
use super::writer::Writer;
use super::{Append, Backlog, Kept, Reader, Sequence, Unwritable, recover};
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::BoxError;
use crate::otlp::encoded_len;
use crate::quiet::Quiet;
use crate::telemetry::Meter;

/// How long closing waits for the disk: nobody was answered for what is not written by then.
const CLOSE_MAX: Duration = Duration::from_secs(3);

/// How long to wait for a disk that is asked whether the files are there.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// A log in a folder of its own; one process at a time may hold it.
///
/// Dropping the last handle waits until all that was added is written, and lets go of the folder. A disk that hangs is
/// not waited for: then the folder is let go of when the disk comes back, or with the process.
pub struct Log {
    pub(super) shared: Arc<Shared>,
    /// Closed when the writer has ended.
    writer: Mutex<Receiver<()>>,
}

/// What the log, its readers and its writer share.
pub(super) struct Shared {
    pub(super) id: String,
    pub(super) disk: Arc<dyn Disk>,
    pub(super) time: Time,
    pub(super) levels: Levels,
    /// Writing fails.
    pub(super) failures: Quiet,
    /// Something else fails that the disk is asked for.
    pub(super) troubles: Quiet,
    /// There is no room within the limits.
    pub(super) fulls: Quiet,
    /// Reading fails.
    pub(super) damages: Quiet,
    /// Files were deleted by somebody else.
    pub(super) deletions: Quiet,
    /// How many.
    pub(super) deleted: watch::Sender<usize>,
    order: Mutex<()>,
    state: Mutex<State>,
    wake: Condvar,
}

/// The wall clock for what is written, and one that only goes forwards for how old things are.
#[derive(Clone)]
pub(super) struct Time {
    pub(super) clock: Clock,
    /// Since the log was opened, or before.
    pub(super) steady: Arc<dyn Fn() -> Duration + Send + Sync>,
    /// What the wall clock would say at the steady clock's zero.
    unix_start: u64,
}

impl Time {
    pub(super) fn new(clock: Clock, steady: Arc<dyn Fn() -> Duration + Send + Sync>) -> Self {
        let unix_start = (clock.unix_nano() / 1_000_000_000).saturating_sub(steady().as_secs());
        Self { clock, steady, unix_start }
    }

    pub(super) fn system(clock: Clock) -> Self {
        let start = Instant::now();
        Self::new(clock, Arc::new(move || start.elapsed()))
    }

    /// The steady clock in seconds since 1970: the wall clock may have been moved since the log was opened.
    pub(super) fn unix_seconds(&self) -> u32 {
        u32::try_from(self.unix_start + (self.steady)().as_secs()).unwrap_or(u32::MAX)
    }
}

impl Log {
    /// Opens the log on this disk, whatever has happened to it.
    pub(super) fn open(
        id: &str,
        config: Config,
        disk: Arc<dyn Disk>,
        time: Time,
        meter: &Meter,
    ) -> Result<Self, BoxError> {
        let levels = Levels::new(meter, id);
        let state = recover::recover(id, config, &*disk, &time, &levels)?;
        let minute = Duration::from_mins(1);
        let shared = Arc::new(Shared {
            id: id.to_owned(),
            disk,
            time,
            levels,
            failures: Quiet::new(minute),
            troubles: Quiet::new(minute),
            fulls: Quiet::new(minute),
            damages: Quiet::new(minute),
            deletions: Quiet::new(minute),
            deleted: watch::Sender::new(0),
            order: Mutex::default(),
            state: Mutex::new(state),
            wake: Condvar::new(),
        });
        meter.observe(&shared);
        let mut writer = Writer::new(shared.clone());
        writer.begin();
        let (at_work, ended) = mpsc::channel::<()>();
        std::thread::Builder::new().name(String::from("storage")).spawn(move || {
            // Even if it panics, which is said when it comes up.
            let _at_work = at_work;
            writer.run();
        })?;
        Ok(Self { shared, writer: Mutex::new(ended) })
    }

    /// Keeps to the limits of this configuration from now on.
    pub(super) fn apply(&self, config: &Config) {
        self.shared.state().config = config.clone();
        self.shared.wake();
    }

    /// Whether there was ever anything for the exporter with this id.
    pub fn knows(&self, exporter: &str) -> bool {
        self.shared.state().knows(exporter)
    }

    /// The place of the exporter with this id, and what it has not settled. It must be free: an exporter that was
    /// replaced first lets go of it.
    pub fn reader(self: &Arc<Self>, exporter: &str) -> Result<(Reader, Backlog), BoxError> {
        let now = (self.shared.time.steady)();
        let (slot, backlog) = self.shared.state().claim(exporter, now)?;
        Ok((Reader::new(self.clone(), slot), backlog))
    }

    /// Whether records of so many bytes would be written.
    ///
    /// Answered from what is known, without touching the disk. Behind a full queue that waits for the disk there is
    /// no room either.
    pub fn room(&self, bytes: u64) -> Result<(), Unwritable> {
        self.shared.state().has_room(bytes, &self.shared.disk.path())
    }

    /// The same, and keeps the room for what comes when the processors have seen the batch.
    pub fn keep(&self, bytes: u64) -> Result<Kept, Unwritable> {
        let mut state = self.shared.state();
        state.has_room(bytes, &self.shared.disk.path())?;
        state.room.taken += bytes;
        drop(state);
        Ok(Kept::new(self.shared.clone(), bytes))
    }

    /// What a record of this batch takes, for so many readers.
    pub fn record_len(batch: &Batch, readers: usize) -> u64 {
        (head_len(readers) + encoded_len(batch)) as u64
    }

    /// The folder, for messages.
    pub fn path(&self) -> String {
        self.shared.disk.path()
    }

    /// What is to become of new batches while there is no room.
    pub fn when_unwritable(&self) -> WhenUnwritable {
        self.shared.state().config.when_unwritable
    }

    /// Held by whoever appends until every queue knows of the record: so each queue hears of its records in the
    /// order in which they are in the log.
    pub fn order(&self) -> MutexGuard<'_, ()> {
        self.shared.order.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last record that was added.
    pub fn last(&self) -> Sequence {
        self.shared.state().last
    }

    /// The last record that was added, and what ends when the fate of all up to it is known: they are written or have
    /// failed, for which what cannot be written now is given up, and what readers have settled before the call is settled.
    pub fn caught_up(&self) -> (Sequence, impl Future<Output = ()> + Send + use<>) {
        let (answer, answered) = oneshot::channel();
        let last = self.ask(Command::Tell(answer));
        // A writer that has stopped knows of all that it will ever do.
        (last, async move { drop(answered.await) })
    }

    /// Sees whether somebody has deleted files of it, so that nothing is said to be there that is not. Waits for the
    /// disk, but not for long.
    pub fn look(&self) {
        let (asks, answered) = mpsc::channel();
        let mut state = self.shared.state();
        if !state.has_stopped {
            state.looks.push(asks);
        }
        drop(state);
        self.shared.wake();
        // The answer is that nobody is there to answer.
        let _ = answered.recv_timeout(LOOK_MAX);
    }

    /// As if a record were added that nobody reads: it is written when all before it is.
    pub fn barrier(&self) -> Append {
        let (answer, written) = Answer::new();
        Append { sequence: self.ask(Command::Barrier(answer)), written }
    }

    /// Returns the last record that was added before.
    fn ask(&self, command: Command) -> Sequence {
        let mut state = self.shared.state();
        let last = state.last;
        state.ask(command);
        drop(state);
        self.shared.wake();
        last
    }

    /// Adds a record for these readers, behind all that were added before, in the room that was kept for it.
    ///
    /// Returns at once. It is written even if nobody waits for that.
    pub fn append(&self, batch: &Arc<Batch>, readers: &[&Reader], kept: Option<&Kept>) -> Append {
        debug_assert!(readers.iter().all(|reader| reader.is_of(self)), "a reader is of another log");
        let (answer, written) = Answer::new();
        let bytes = Self::record_len(batch, readers.len());
        let mut state = self.shared.state();
        state.last += 1;
        let sequence = state.last;
        if let Some(group) = state.group(readers.iter().map(|reader| reader.slot()).collect()) {
            state.room.taken += kept.map_or(bytes, |kept| kept.use_up(bytes));
            state.ask(Command::Append(Pending { sequence, batch: batch.clone(), group, bytes, answer }));
        } else {
            answer.failed("too many exporters share a storage");
        }
        drop(state);
        self.shared.wake();
        Append { sequence, written }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.shared.state().is_closed = true;
        self.shared.wake();
        let writer = self.writer.get_mut().unwrap_or_else(PoisonError::into_inner);
        if writer.recv_timeout(CLOSE_MAX) == Err(RecvTimeoutError::Timeout) {
            let (storage, path) = (&self.shared.id, self.shared.disk.path());
            warn!(%storage, %path, "the disk hangs: storage is not closed in order, and is read again at the next start");
        }
    }
}

impl Shared {
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something to do for the writer.
    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Waits until there may be something to do.
    pub(super) fn wait<'a>(&self, state: MutexGuard<'a, State>, at_most: Duration) -> MutexGuard<'a, State> {
        self.wake.wait_timeout(state, at_most).unwrap_or_else(PoisonError::into_inner).0
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log").field("id", &self.shared.id).finish_non_exhaustive()
    }
}
