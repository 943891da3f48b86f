//! From the queue to the other side: attempts, waits between them, and what is given up.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::config::RetryConfig;
use super::journal::{Cause, Journal};
use super::parcel::Parcel;
use super::queue::Queue;
use super::size::Size;
use super::throttle::Throttle;
use crate::batch::Batch;
use crate::component::{ExportError, Exporter, Receipt};
use crate::telemetry::{ExporterMetrics, QueueLevels};

/// While draining no wait is longer than this: there may be no later.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// A wait the other side asks for that is longer than this is taken for a mistake.
const THROTTLE_MAX: Duration = Duration::from_hours(1);

/// What the consumers of one outbox share.
pub(super) struct Dispatch {
    pub(super) exporter: Arc<dyn Exporter>,
    pub(super) queue: Queue,
    pub(super) retry: RetryConfig,
    /// For one attempt; zero means none.
    pub(super) timeout: Duration,
    pub(super) throttle: Throttle,
    pub(super) metrics: ExporterMetrics,
    pub(super) levels: Option<Arc<QueueLevels>>,
    pub(super) journal: Journal,
}

/// Keeps the accounts right where a sender goes away while its batch is exported in its turn.
struct Cancelled<'a> {
    dispatch: &'a Dispatch,
    batch: &'a Batch,
}

/// What came of the attempts at one batch.
enum Fate {
    Delivered(Receipt),
    Dropped { cause: Cause, reason: String },
    Split { reason: String },
}

impl Dispatch {
    /// Sends what is queued, until the queue is closed and empty.
    pub(super) async fn consume(self: Arc<Self>) {
        while let Some(parcel) = self.queue.take().await {
            self.deliver(parcel).await;
        }
    }

    async fn deliver(&self, mut parcel: Parcel) {
        let whole = Size { points: 0, ..parcel.size };
        let mut is_exhausted = false;
        // A stack: the front half of a batch that was split lies on top.
        let mut parts = vec![parcel.merge()];
        while let Some(part) = parts.pop() {
            match self.try_until_decided(&part).await {
                Fate::Split { .. } if part.len() > 1 => {
                    let mut front = Arc::unwrap_or_clone(part);
                    let back = front.split_off(front.len() / 2);
                    parts.extend([Arc::new(back), Arc::new(front)]);
                }
                Fate::Split { reason } => self.lose(&part, Cause::Permanent, &reason),
                Fate::Dropped { cause, reason } => {
                    is_exhausted |= cause == Cause::Exhausted;
                    self.lose(&part, cause, &reason);
                }
                Fate::Delivered(receipt) => self.delivered(&part, receipt),
            }
        }
        self.queue.settle(whole, 0);
        for share in parcel.shares {
            share.settle(is_exhausted);
        }
    }

    /// Sends a batch once, in the caller's turn; whatever fails is lost.
    pub(super) async fn deliver_directly(&self, batch: &Batch, size: Size) {
        let cancelled = Cancelled { dispatch: self, batch };
        let outcome = self.attempt(batch).await;
        std::mem::forget(cancelled);
        match outcome {
            Ok(receipt) => self.delivered(batch, receipt),
            Err(error) => self.lose(batch, Cause::Permanent, &error.to_string()),
        }
        self.queue.settle(Size { points: 0, ..size }, 0);
    }

    async fn try_until_decided(&self, batch: &Batch) -> Fate {
        let mut backoff = Backoff::new(&self.retry);
        self.throttle.pass().await;
        let started = Instant::now();
        loop {
            let (after, reason) = match self.attempt(batch).await {
                Ok(receipt) => return Fate::Delivered(receipt),
                Err(ExportError::Drop { reason } | ExportError::Bad { reason }) => {
                    return Fate::Dropped { cause: Cause::Permanent, reason };
                }
                Err(ExportError::Split { reason }) => return Fate::Split { reason },
                Err(ExportError::Retry { after, reason }) => (after, reason),
            };
            let after = after.filter(|after| *after <= THROTTLE_MAX).unwrap_or_default();
            self.throttle.hold(after);
            if !self.retry.enabled {
                return Fate::Dropped { cause: Cause::Exhausted, reason };
            }
            let wait = self.shortened(backoff.next()).max(after);
            let elapsed_max = self.retry.max_elapsed_time;
            if !elapsed_max.is_zero() && started.elapsed() + wait > elapsed_max.0 {
                return Fate::Dropped { cause: Cause::Exhausted, reason };
            }
            self.journal.retry(&reason, wait);
            self.pause(wait).await;
            self.throttle.pass().await;
        }
    }

    fn shortened(&self, wait: Duration) -> Duration {
        if self.queue.closing.is_cancelled() { wait.min(DRAIN_WAIT_MAX) } else { wait }
    }

    /// Waits; a drain that begins meanwhile ends the wait.
    async fn pause(&self, wait: Duration) {
        let closing = &self.queue.closing;
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = closing.cancelled(), if !closing.is_cancelled() => {}
        }
    }

    /// One export, with its timeout. A panic of the exporter is an error of this batch, no more.
    async fn attempt(&self, batch: &Batch) -> Result<Receipt, ExportError> {
        let _in_flight = self.levels.as_ref().map(QueueLevels::in_flight);
        // In a block of its own, as the exporter may also panic before it returns its future.
        let export = AssertUnwindSafe(async { self.exporter.export(batch).await }).catch_unwind();
        let outcome = if self.timeout.is_zero() {
            export.await
        } else {
            let Ok(outcome) = tokio::time::timeout(self.timeout, export).await else {
                let reason = format!("no answer within {:?}", self.timeout);
                return Err(ExportError::Retry { after: None, reason });
            };
            outcome
        };
        outcome.unwrap_or_else(|panic| {
            Err(ExportError::Drop { reason: format!("the exporter panicked: {}", message_of(&*panic)) })
        })
    }

    fn delivered(&self, batch: &Batch, receipt: Receipt) {
        let points = batch.len() as u64;
        let rejected = receipt.rejected.min(points);
        self.metrics.sent(points - rejected);
        if rejected > 0 {
            self.metrics.send_failed(rejected, "rejected");
            self.journal.lost(
                Cause::Rejected,
                rejected,
                "these points were refused, the rest of the batch was taken",
            );
        }
        self.journal.works();
        self.queue.settle(Size { points, ..Size::default() }, points - rejected);
    }

    fn lose(&self, batch: &Batch, cause: Cause, reason: &str) {
        let points = batch.len() as u64;
        let word = if cause == Cause::Exhausted { "retries_exhausted" } else { "permanent" };
        self.metrics.send_failed(points, word);
        self.journal.lost(cause, points, reason);
        self.queue.settle(Size { points, ..Size::default() }, 0);
    }
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        self.dispatch.lose(self.batch, Cause::Permanent, "the sender went away");
        let size = self.dispatch.queue.measure(self.batch);
        self.dispatch.queue.settle(Size { points: 0, ..size }, 0);
    }
}

/// The text of a panic, where it has one.
pub(crate) fn message_of(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (_, Some(text)) => text,
        _ => "without a text",
    }
}
