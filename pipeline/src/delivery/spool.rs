//! A queue's place on disk, and how batches get there: once for all queues that share a log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use smallvec::SmallVec;

use super::backoff::jittered;
use super::claim::Recorded;
use super::load::Load;
use super::{Outbox, Permit, RETRY_AFTER_JITTER};
use crate::component::BoxError;
use crate::output::Refused;
use crate::storage::{Append, Backlog, Kept, Late, Log, Reader, Sequence, Unwritable, WhenUnwritable};

/// What a sender is told whose batch could not be written.
const UNWRITABLE_RETRY_AFTER: Duration = Duration::from_secs(10);

/// An outbox's place in a log.
#[derive(Debug)]
pub(super) struct Spool {
    log: Arc<Log>,
    // None once the outbox has ended, so that another may take the place.
    reader: Mutex<Option<Arc<Reader>>>,
}

/// What of a place is not settled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Left {
    /// As far as this was looked at.
    pub(super) up_to: Sequence,
    pub(super) backlog: Backlog,
}

/// Batches that are being written, until they are as safe as the storage makes them.
pub(crate) type Writes = SmallVec<[Write; 1]>;

/// A batch that is being written, or what waits for all that were before it.
pub(crate) struct Write {
    fate: Fate,
    /// Whether its sender waits for a disk that takes nothing.
    waits: bool,
}

/// What becomes of a batch, and who is to know.
struct Fate {
    progress: Progress,
    queues: Queues,
}

enum Progress {
    First(BoxFuture<'static, Result<(), Late>>),
    /// The first attempt has failed.
    Again(BoxFuture<'static, Result<(), Unwritable>>),
    Decided(Result<(), Unwritable>),
}

type Queues = SmallVec<[(Arc<Outbox>, Arc<Recorded>, u64); 4]>;

impl Spool {
    /// Takes the place of the exporter with this id; what is not settled is for it.
    pub(super) async fn open(log: Arc<Log>, exporter: &str) -> Result<(Self, Left), BoxError> {
        let is_known = log.knows(exporter);
        let (reader, _) = log.reader(exporter)?;
        let left = if is_known {
            let (up_to, caught_up) = log.caught_up();
            caught_up.await;
            Left { up_to, backlog: reader.backlog_until(up_to) }
        } else {
            // Nothing is on its way to the disk for one that was never here, and what is for others is not given up.
            Left { up_to: log.last(), backlog: Backlog::default() }
        };
        Ok((Self { log, reader: Mutex::new(Some(Arc::new(reader))) }, left))
    }

    /// Shares the place of an outbox that is to be replaced, if it is in this log. As long as the disk hangs, nobody can go
    /// on with what is there: this waits for it, and the old one goes on meanwhile.
    pub(super) async fn succeed(old: &Self, log: &Arc<Log>) -> Option<Self> {
        if !Arc::ptr_eq(&old.log, log) {
            return None;
        }
        old.wait_for_disk().await;
        let reader = old.reader()?;
        Some(Self { log: log.clone(), reader: Mutex::new(Some(reader)) })
    }

    pub(super) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    pub(super) fn reader(&self) -> Option<Arc<Reader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the disk has answered, whatever it says, for all that it was given.
    pub(super) async fn wait_for_disk(&self) {
        let _ = self.log.barrier().written.await;
    }

    /// From here on nothing is appended for the outbox.
    pub(super) fn let_go(&self) {
        let _order = self.log.order();
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Room for records of so many bytes; none where what cannot be written may wait in memory alone.
    pub(super) fn admit(
        &self,
        bytes: u64,
        has_memory: impl FnOnce() -> bool,
    ) -> Result<Option<Arc<Kept>>, Unwritable> {
        match self.log.keep(bytes) {
            Ok(kept) => Ok(Some(Arc::new(kept))),
            Err(unwritable) if self.log.when_unwritable() == WhenUnwritable::Refuse || !has_memory() => {
                Err(unwritable)
            }
            Err(_) => Ok(None),
        }
    }
}

/// Hands a batch to queues that have room for it, those with a log by way of their log.
pub(crate) fn commit(load: &Load, permits: Vec<&mut Permit>, writes: &mut Writes) {
    let (mut recorded, in_memory): (Vec<_>, Vec<_>) =
        permits.into_iter().partition(|permit| permit.outbox.spool.is_some());
    for permit in in_memory {
        permit.commit(load.clone());
    }
    while let Some(log) = recorded.first().and_then(|permit| permit.log()) {
        let (group, rest) = recorded
            .into_iter()
            .partition(|permit| permit.log().is_some_and(|other| Arc::ptr_eq(&other, &log)));
        recorded = rest;
        writes.extend(record(load, &log, group));
    }
}

/// Writes one record for all of these.
fn record(load: &Load, log: &Arc<Log>, permits: Vec<&mut Permit>) -> Option<Write> {
    let kept = permits.iter().find_map(|permit| permit.kept.clone());
    // Room was kept before the processors saw the batch; they may have made it larger, and the disk may have failed.
    let lacks = || {
        let kept = kept.as_ref().map_or(0, |kept| kept.bytes());
        Log::record_len(&load.batch, permits.len()).saturating_sub(kept)
    };
    if log.when_unwritable() == WhenUnwritable::Memory && log.room(lacks()).is_err() {
        for permit in permits {
            permit.commit_unrecorded(load.clone());
        }
        return None;
    }
    // No queue may hear of a later record first, and none may let go of its place meanwhile.
    let order = log.order();
    let mut readers = Vec::with_capacity(permits.len());
    for permit in &permits {
        readers.extend(permit.outbox.spool.as_ref().and_then(Spool::reader));
    }
    let readers: Vec<&Reader> = readers.iter().map(Arc::as_ref).collect();
    let append = log.append(&load.batch, &readers, kept.as_deref());
    let mut queues = Queues::new();
    for permit in permits {
        if let Some(reader) = permit.outbox.spool.as_ref().and_then(Spool::reader) {
            let record = Recorded::new(&reader, append.sequence, load.size.points);
            permit.commit_recorded(load.clone(), &record);
            queues.push((permit.outbox.clone(), record, load.size.points));
        } else {
            permit.commit_unrecorded(load.clone());
        }
    }
    drop(order);
    Some(Write::new(log, append, queues))
}

/// For a batch of which the processors have left nothing: they may have seen it before, and what they made of it then may
/// be on its way to the disk yet. Whoever is told that all is well now will not send it again.
pub(crate) fn wait_for_others<'a>(permits: impl Iterator<Item = &'a Permit>, writes: &mut Writes) {
    let mut logs: SmallVec<[Arc<Log>; 1]> = SmallVec::new();
    for log in permits.filter_map(Permit::log) {
        if !logs.iter().any(|other| Arc::ptr_eq(other, &log)) {
            writes.push(Write::new(&log, log.barrier(), Queues::new()));
            logs.push(log);
        }
    }
}

impl Write {
    fn new(log: &Log, append: Append, queues: Queues) -> Self {
        let waits = log.when_unwritable() == WhenUnwritable::Refuse;
        Self { fate: Fate { progress: Progress::First(append.written), queues }, waits }
    }

    /// Waits until the batch is as safe as the storage makes it. That may take as long as the disk takes nothing: the
    /// processors have seen the batch, and those that remember would not take it for new if it were sent again.
    ///
    /// It is refused where it will never be written. Then it stays in the queues and is sent all the same, as long as
    /// there is memory for that.
    pub(crate) async fn finish(mut self) -> Result<(), Refused> {
        self.fate.first().await;
        if self.waits {
            self.fate.all().await;
        }
        let Progress::Decided(Err(unwritable)) = &self.fate.progress else { return Ok(()) };
        Err(Refused {
            retry_after: jittered(UNWRITABLE_RETRY_AFTER, RETRY_AFTER_JITTER),
            reason: unwritable.reason.clone(),
        })
    }
}

impl Fate {
    async fn first(&mut self) {
        let Progress::First(written) = &mut self.progress else { return };
        self.progress = match written.await {
            Ok(()) => Progress::Decided(Ok(())),
            Err(late) => {
                hold(&self.queues, &late.unwritable);
                return self.progress = Progress::Again(late.written);
            }
        };
        tell(&self.queues, &Ok(()));
    }

    async fn all(&mut self) {
        self.first().await;
        let Progress::Again(written) = &mut self.progress else { return };
        let outcome = written.await;
        tell(&self.queues, &outcome);
        self.progress = Progress::Decided(outcome);
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        // The sender went away; the queues still have to know.
        let progress = std::mem::replace(&mut self.fate.progress, Progress::Decided(Ok(())));
        let is_decided = matches!(progress, Progress::Decided(_));
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        if !is_decided && !self.fate.queues.is_empty() {
            // Not a `Write`: a runtime that is ending drops it at once, and so here again and again.
            let mut fate = Fate { progress, queues: std::mem::take(&mut self.fate.queues) };
            runtime.spawn(async move { fate.all().await });
        }
    }
}

/// The batch is not on disk yet, and may be sent before.
fn hold(queues: &Queues, unwritable: &Unwritable) {
    for (outbox, record, points) in queues {
        outbox.dispatch.queue.hold(record);
        outbox.unwritten(*points, &unwritable.reason);
    }
}

fn tell(queues: &Queues, outcome: &Result<(), Unwritable>) {
    for (outbox, record, _) in queues {
        match outcome {
            Ok(()) => outbox.dispatch.queue.written(record),
            Err(unwritable) => {
                let lost = outbox.dispatch.queue.lose(record);
                if lost.withdrawn > 0 {
                    outbox.miss_unwritable(lost.withdrawn, &unwritable.reason);
                }
                if lost.dropped > 0 {
                    outbox.dispatch.metrics.send_failed(lost.dropped, "shutdown");
                }
            }
        }
    }
}
