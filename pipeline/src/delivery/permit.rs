//! Room in an outbox: reserved before the processors see a batch, used when they have.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::backoff::jittered;
use super::claim::{Recorded, Tie};
use super::load::Load;
use super::queue::NoRoom;
use super::reply::{Reply, Share};
use super::size::Size;
use super::spool::Spool;
use super::{Manner, Outbox, RETRY_AFTER_JITTER, RETRY_AFTER_MAX};
use crate::batch::Batch;
use crate::output::Refused;
use crate::storage::Log;

/// What a sender is told when the collector is stopping; by then another one may answer.
const CLOSED_RETRY_AFTER: Duration = Duration::from_secs(5);

const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// How often a sender that waits asks again for room on disk.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// Room in an outbox, kept until it is used or dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) outbox: Arc<Outbox>,
    left: Size,
    replies: Vec<oneshot::Receiver<bool>>,
}

impl Outbox {
    /// Whether senders wait for room rather than being refused.
    pub(crate) fn waits_for_room(&self) -> bool {
        matches!(self.manner, Manner::Queued { waits_for_room: true, .. })
    }

    /// Keeps room for `batch`, `times` over; `None` means: wait for room and come again.
    pub(crate) fn reserve(self: &Arc<Self>, batch: &Batch, times: u64) -> Result<Option<Permit>, Refused> {
        let left = self.dispatch.queue.measure(batch).times(times);
        match self.keep_room(left) {
            Ok(permit) => Ok(Some(permit)),
            Err(NoRoom::Closed) => {
                let retry_after = jittered(CLOSED_RETRY_AFTER, RETRY_AFTER_JITTER);
                Err(Refused { retry_after, reason: format!("`{}` is stopping", self.id) })
            }
            Err(_) if self.waits_for_room() => Ok(None),
            Err(NoRoom::Full(retry_after)) => {
                self.miss_full(batch.len() as u64);
                let retry_after =
                    jittered(retry_after, RETRY_AFTER_JITTER).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
                Err(Refused { retry_after, reason: format!("the queue of `{}` is full", self.id) })
            }
            Err(NoRoom::Unwritable(reason)) => {
                self.miss_unwritable(batch.len() as u64, &reason);
                let retry_after = jittered(CLOSED_RETRY_AFTER, RETRY_AFTER_JITTER);
                Err(Refused { retry_after, reason })
            }
        }
    }

    /// Keeps room for a batch nobody waits for; without, the exporter goes without it, and that is counted.
    pub(crate) fn reserve_or_miss(self: &Arc<Self>, load: &Load) -> Option<Permit> {
        match self.keep_room(load.size) {
            Ok(permit) => return Some(permit),
            Err(NoRoom::Closed) => self.dispatch.metrics.enqueue_failed(load.size.points),
            Err(NoRoom::Full(_)) => self.miss_full(load.size.points),
            Err(NoRoom::Unwritable(reason)) => self.miss_unwritable(load.size.points, &reason),
        }
        None
    }

    fn keep_room(self: &Arc<Self>, size: Size) -> Result<Permit, NoRoom> {
        let queue = &self.dispatch.queue;
        queue.reserve(size)?;
        // From here on the room is given back, whatever happens.
        let permit = Permit { outbox: self.clone(), left: size, replies: Vec::new() };
        if let Some(spool) = &self.spool {
            let admitted = spool.admit(size.bytes, || queue.has_memory_for(size));
            admitted.map_err(|unwritable| NoRoom::Unwritable(unwritable.reason))?;
        }
        Ok(permit)
    }

    fn miss_full(&self, points: u64) {
        self.dispatch.metrics.enqueue_failed(points);
        self.dispatch.journal.full(points);
    }

    pub(super) fn miss_unwritable(&self, points: u64, reason: &str) {
        self.dispatch.metrics.enqueue_failed(points);
        self.dispatch.journal.unwritten(points, reason);
    }

    /// Waits until there is room for `batch`, `times` over, or never will be.
    pub(crate) async fn wait_for_room(&self, batch: &Batch, times: u64) {
        let queue = &self.dispatch.queue;
        let size = queue.measure(batch).times(times);
        queue.wait_for_room(size).await;
        while let Some(spool) = self.spool.as_ref().filter(|_| !self.is_closed()) {
            if spool.admit(size.bytes, || queue.has_memory_for(size)).is_ok() {
                break;
            }
            tokio::time::sleep(DISK_PAUSE).await;
        }
    }

    /// Exports a batch in the caller's turn; only where [`Outbox::is_direct`].
    pub(crate) async fn export(&self, batch: &Batch) {
        let queue = &self.dispatch.queue;
        let size = queue.measure(batch);
        if queue.reserve(size).is_err() {
            return self.dispatch.metrics.enqueue_failed(size.points);
        }
        queue.accept(size);
        self.dispatch.deliver_directly(batch, size).await;
    }

    /// Points are in the queue that are not on disk.
    pub(super) fn unwritten(&self, points: u64, reason: &str) {
        self.dispatch.metrics.unwritten(points);
        self.dispatch.journal.unwritten(points, reason);
    }
}

impl Permit {
    pub(crate) fn is_for(&self, outbox: &Arc<Outbox>) -> bool {
        Arc::ptr_eq(&self.outbox, outbox)
    }

    /// The log that the batch is to be written to first.
    pub(super) fn log(&self) -> Option<Arc<Log>> {
        self.outbox.spool.as_ref().map(|spool: &Spool| spool.log().clone())
    }

    /// Queues a batch in the room that was kept; never fails.
    pub(super) fn commit(&mut self, load: Load) {
        let waits = matches!(self.outbox.manner, Manner::Queued { waits_for_result: true, .. });
        let tie = waits.then(|| {
            let points = load.size.points;
            let (reply, receiver) = Reply::new(points);
            self.replies.push(receiver);
            Tie::Sender(Share { reply, points })
        });
        let points = load.size.points;
        let used = self.outbox.dispatch.queue.push(load, tie, self.left);
        self.use_up(points, used);
    }

    /// Queues a batch that is in the log.
    pub(super) fn commit_recorded(&mut self, load: Load, record: &Arc<Recorded>) {
        let used = self.outbox.dispatch.queue.push_recorded(load, record, self.left);
        self.left -= used;
    }

    /// Queues a batch that should be in the log, and cannot be written.
    pub(super) fn commit_unrecorded(&mut self, load: Load) {
        let points = load.size.points;
        self.outbox.unwritten(points, "there was no room on disk");
        let used = self.outbox.dispatch.queue.push_unrecorded(load, self.left);
        self.use_up(points, used);
    }

    fn use_up(&mut self, points: u64, used: Result<Size, Size>) {
        if used.is_err() {
            self.outbox.dispatch.metrics.send_failed(points, "shutdown");
        }
        let (Ok(used) | Err(used)) = used;
        self.left -= used;
    }

    /// Gives back at once what was not used. Where the outbox is set so, the future waits until the batch
    /// is sent; it is refused when the batch was given up for reasons that may pass.
    pub(crate) fn finish(mut self) -> impl Future<Output = Result<(), Refused>> {
        let replies = std::mem::take(&mut self.replies);
        let outbox = self.outbox.clone();
        drop(self);
        async move {
            for reply in replies {
                if !reply.await.unwrap_or(false) {
                    let reason = format!("`{}` could not be reached", outbox.id);
                    return Err(Refused { retry_after: RETRY_AFTER_MAX, reason });
                }
            }
            Ok(())
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.left != Size::default() {
            self.outbox.dispatch.queue.release(self.left);
        }
    }
}
