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
use crate::storage::{Kept, Log};

/// What a sender is told when the collector is stopping; by then another one may answer.
const CLOSED_RETRY_AFTER: Duration = Duration::from_secs(5);

const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// Processors may make a batch larger than it was when room was asked for, by one part in so many.
const GROWTH: u64 = 8;

/// More exporters than these share a storage hardly ever; a few bytes are kept for each.
const READERS: usize = 32;

/// How often a sender that waits asks again for room on disk.
const DISK_PAUSE: Duration = Duration::from_secs(1);

/// Room in an outbox, kept until it is used or dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    pub(super) outbox: Arc<Outbox>,
    left: Size,
    /// Room in the log, together with all that share it.
    pub(super) kept: Option<Arc<Kept>>,
    replies: Vec<oneshot::Receiver<bool>>,
}

/// How often a batch comes to an outbox, and how often it is written to the outbox's log, which others may share.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Copies {
    pub(crate) queued: u64,
    pub(crate) written: u64,
}

impl Outbox {
    /// Whether what is written for the one is written for the other, too.
    pub(crate) fn shares_log(&self, other: &Self) -> bool {
        let logs = self.spool.as_ref().zip(other.spool.as_ref());
        logs.is_some_and(|(own, other)| Arc::ptr_eq(own.log(), other.log()))
    }

    /// Whether senders wait for room rather than being refused.
    pub(crate) fn waits_for_room(&self) -> bool {
        matches!(self.manner, Manner::Queued { waits_for_room: true, .. })
    }

    /// Keeps room for `batch`, beside the permits it has for others; `None` means: wait for room and come again.
    pub(crate) fn reserve(
        self: &Arc<Self>,
        batch: &Batch,
        copies: Copies,
        others: &[Permit],
    ) -> Result<Option<Permit>, Refused> {
        let left = self.dispatch.queue.measure(batch).times(copies.queued);
        match self.keep_room(left, others, || written_len(batch, copies)) {
            Ok(permit) => Ok(Some(permit)),
            Err(NoRoom::Closed) => {
                let retry_after = jittered(CLOSED_RETRY_AFTER, RETRY_AFTER_JITTER);
                Err(Refused { retry_after, reason: format!("`{}` is stopping", self.id) })
            }
            Err(_) if self.waits_for_room() => Ok(None),
            Err(NoRoom::Full(retry_after)) => {
                let points = batch.len() as u64;
                self.dispatch.metrics.enqueue_failed(points);
                self.dispatch.journal.full(points);
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
    pub(crate) fn reserve_or_miss(self: &Arc<Self>, load: &Load, others: &[Permit]) -> Option<Permit> {
        match self.keep_room(load.size, others, || Log::record_len(&load.batch, READERS)) {
            Ok(permit) => return Some(permit),
            Err(NoRoom::Closed) => self.dispatch.metrics.enqueue_failed(load.size.points),
            Err(NoRoom::Full(_)) => {
                self.dispatch.metrics.enqueue_failed(load.size.points);
                self.dispatch.journal.overflow(load.size.points);
            }
            Err(NoRoom::Unwritable(reason)) => self.miss_unwritable(load.size.points, &reason),
        }
        None
    }

    fn keep_room(
        self: &Arc<Self>,
        size: Size,
        others: &[Permit],
        written_len: impl FnOnce() -> u64,
    ) -> Result<Permit, NoRoom> {
        let queue = &self.dispatch.queue;
        queue.reserve(size)?;
        // From here on the room is given back, whatever happens.
        let mut permit = Permit { outbox: self.clone(), left: size, kept: None, replies: Vec::new() };
        if let Some(spool) = &self.spool {
            // What is written for one is written for all that share the log.
            let mut sharing = others.iter().filter(|other| other.outbox.shares_log(self));
            permit.kept = sharing.find_map(|other| other.kept.clone());
            if permit.kept.is_none() {
                let admitted = spool.admit(written_len(), || queue.has_memory_for(size));
                permit.kept = admitted.map_err(|unwritable| NoRoom::Unwritable(unwritable.reason))?;
            }
        }
        Ok(permit)
    }

    pub(super) fn miss_unwritable(&self, points: u64, reason: &str) {
        self.dispatch.metrics.enqueue_failed(points);
        self.dispatch.journal.unwritten(points, reason);
    }

    /// Waits until there is room for `batch`, or never will be.
    pub(crate) async fn wait_for_room(&self, batch: &Batch, copies: Copies) {
        let queue = &self.dispatch.queue;
        let size = queue.measure(batch).times(copies.queued);
        queue.wait_for_room(size).await;
        while let Some(spool) = self.spool.as_ref().filter(|_| !self.is_closed()) {
            if spool.admit(written_len(batch, copies), || queue.has_memory_for(size)).is_ok() {
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

/// What a batch takes in a log when processors have seen it, as far as can be known before.
fn written_len(batch: &Batch, copies: Copies) -> u64 {
    let len = Log::record_len(batch, READERS);
    len.saturating_add(len / GROWTH).saturating_mul(copies.written)
}
