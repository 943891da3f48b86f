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
use crate::storage::{Backlog, Log, Reader, Sequence, Unwritable, WhenUnwritable};

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

/// A batch that is being written.
pub(crate) struct Write {
    sequence: Sequence,
    written: Option<BoxFuture<'static, Result<(), Unwritable>>>,
    queues: Queues,
}

type Queues = SmallVec<[(Arc<Outbox>, Arc<Recorded>, u64); 4]>;

impl Spool {
    /// Takes the place of the exporter with this id; what is not settled is for it.
    pub(super) async fn open(log: Arc<Log>, exporter: &str) -> Result<(Self, Left), BoxError> {
        let (reader, _) = log.reader(exporter)?;
        let (up_to, caught_up) = log.caught_up();
        caught_up.await;
        let left = Left { up_to, backlog: reader.backlog_until(up_to) };
        Ok((Self { log, reader: Mutex::new(Some(Arc::new(reader))) }, left))
    }

    /// Shares the place of an outbox that is to be replaced, if it is in this log.
    pub(super) fn succeed(old: &Self, log: &Arc<Log>) -> Option<Self> {
        let reader = old.reader().filter(|_| Arc::ptr_eq(&old.log, log))?;
        Some(Self { log: log.clone(), reader: Mutex::new(Some(reader)) })
    }

    pub(super) fn log(&self) -> &Arc<Log> {
        &self.log
    }

    pub(super) fn reader(&self) -> Option<Arc<Reader>> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// From here on nothing is appended for the outbox.
    pub(super) fn let_go(&self) {
        let _order = self.log.order();
        self.reader.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    /// Whether a batch of about this size would be written, or may wait in memory alone.
    pub(super) fn admit(&self, bytes: u64, has_memory: impl FnOnce() -> bool) -> Result<(), Unwritable> {
        match self.log.room(bytes) {
            Err(unwritable) if self.log.when_unwritable() == WhenUnwritable::Refuse || !has_memory() => {
                Err(unwritable)
            }
            _ => Ok(()),
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
    // Room was asked for before the processors saw the batch; there may be none meanwhile.
    if log.room(load.size.bytes).is_err() && log.when_unwritable() == WhenUnwritable::Memory {
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
    let append = log.append(&load.batch, &readers.iter().map(Arc::as_ref).collect::<Vec<_>>());
    let mut queues = Queues::new();
    for permit in permits {
        if let Some(reader) = permit.outbox.spool.as_ref().and_then(Spool::reader) {
            let record = Recorded::new(reader, append.sequence, load.size.points);
            permit.commit_recorded(load.clone(), &record);
            queues.push((permit.outbox.clone(), record, load.size.points));
        } else {
            permit.commit_unrecorded(load.clone());
        }
    }
    drop(order);
    Some(Write { sequence: append.sequence, written: Some(append.written), queues })
}

impl Write {
    /// Waits until the batch is as safe as the storage makes it. Where it could not be written it stays in the queues
    /// and is sent, as long as there is memory for that: a scrape is not made again, and processors that keep streams
    /// have seen it. But the sender hears that it is to try again.
    pub(crate) async fn finish(mut self) -> Result<(), Refused> {
        let Some(written) = &mut self.written else { return Ok(()) };
        let outcome = written.await;
        self.written = None;
        tell(&self.queues, self.sequence, &outcome);
        outcome.map_err(|unwritable| Refused {
            retry_after: jittered(UNWRITABLE_RETRY_AFTER, RETRY_AFTER_JITTER),
            reason: unwritable.reason,
        })
    }
}

impl Drop for Write {
    fn drop(&mut self) {
        // The sender went away; the queues still have to know.
        let (Some(written), Ok(runtime)) = (self.written.take(), tokio::runtime::Handle::try_current())
        else {
            return;
        };
        let (queues, sequence) = (std::mem::take(&mut self.queues), self.sequence);
        runtime.spawn(async move { tell(&queues, sequence, &written.await) });
    }
}

fn tell(queues: &Queues, sequence: Sequence, outcome: &Result<(), Unwritable>) {
    for (outbox, record, points) in queues {
        match outcome {
            Ok(()) => outbox.dispatch.queue.written(sequence),
            Err(unwritable) => {
                let lost = outbox.dispatch.queue.lose(record);
                if lost.withdrawn > 0 {
                    outbox.miss_unwritable(lost.withdrawn, &unwritable.reason);
                }
                if lost.withdrawn < *points {
                    outbox.unwritten(points - lost.withdrawn, &unwritable.reason);
                }
                if lost.dropped > 0 {
                    outbox.dispatch.metrics.send_failed(lost.dropped, "shutdown");
                }
            }
        }
    }
}
