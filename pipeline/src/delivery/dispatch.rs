//! From the queue to the other side: attempts, waits between them, and what is given up.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::bisect::{Suspicion, Verdict};
use super::circuit::{Circuit, Wait};
use super::config::RetryConfig;
use super::denial::Denials;
use super::journal::{Cause, Journal};
use super::parcel::{Parcel, divide};
use super::queue::Queue;
use super::size::Size;
use crate::batch::Batch;
use crate::component::{ExportError, Exporter, Receipt};
use crate::telemetry::{ExporterMetrics, QueueLevels};

/// While draining no wait is longer than this: there may be no later.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(1);

/// A wait the other side asks for that is longer than this is taken for a mistake.
const THROTTLE_MAX: Duration = Duration::from_hours(1);

/// A request that got no answer in time so often in a row is sent in halves, if it is large.
const LATE_MAX: u32 = 2;

/// What was answered in such a part of the timeout was no effort.
const QUICK: u32 = 4;

/// What the consumers of one outbox share.
pub(super) struct Dispatch {
    pub(super) exporter: Arc<dyn Exporter>,
    pub(super) queue: Queue,
    /// Whether what is not sent at the end waits on disk.
    pub(super) persists: bool,
    pub(super) retry: RetryConfig,
    /// For one attempt; zero means none.
    pub(super) timeout: Duration,
    pub(super) circuit: Circuit,
    pub(super) suspicion: Suspicion,
    /// How many requests the other side took.
    pub(super) taken: AtomicU64,
    pub(super) metrics: ExporterMetrics,
    pub(super) levels: Option<Arc<QueueLevels>>,
    pub(super) journal: Journal,
}

/// Keeps the accounts right where a sender goes away while its batch is exported in its turn.
struct Cancelled<'a> {
    dispatch: &'a Dispatch,
    batch: &'a Batch,
}

/// What goes out together.
#[derive(Debug, Default)]
pub(super) struct Request<'a> {
    /// None for what is sent in its sender's turn.
    pub(super) parcel: Option<&'a Parcel>,
    /// Some of it is decided.
    pub(super) is_begun: AtomicBool,
}

/// The front half of a batch that was split lies on top. With until when each is tried, once it was.
type Stack = Vec<(Arc<Batch>, Option<Instant>)>;

/// What came of the attempts at one batch.
enum Fate {
    Delivered(Receipt),
    Dropped {
        cause: Cause,
        reason: String,
    },
    Split {
        reason: String,
    },
    Bad {
        reason: String,
    },
    /// Again no answer in time, and it is large.
    Slow,
    /// Not decided: it is on disk, and another will send it.
    Left,
}

/// What came of a request, or of a part of one.
#[derive(Debug, Default)]
struct End {
    /// Points were given up after retries.
    is_exhausted: bool,
    /// What is not decided, of each part.
    left: Vec<Stack>,
}

impl Dispatch {
    /// Sends what is queued, until the queue is closed and empty.
    pub(super) async fn consume(self: Arc<Self>) {
        while let Some(parcel) = self.queue.take().await {
            self.deliver(parcel).await;
        }
    }

    async fn deliver(&self, mut parcel: Parcel) {
        let batch = parcel.merge();
        let request = Request { parcel: Some(&parcel), is_begun: AtomicBool::new(false) };
        // A panic of the exporter is an error of what it was asked for, no more.
        let parts = catch_unwind(AssertUnwindSafe(|| self.exporter.parts(batch.len()))).unwrap_or(1);
        // Points of one series stay together, so each part has its own way and its own time.
        let parts = if parts > 1 {
            let streams = catch_unwind(AssertUnwindSafe(|| self.exporter.streams(&batch))).unwrap_or(None);
            divide(batch, streams, parts).into_iter().map(|part| vec![(Arc::new(part), None)]).collect()
        } else {
            vec![vec![(batch, None)]]
        };
        let mut end = self.deliver_parts(&request, parts).await;
        if !end.left.is_empty() {
            self.queue.know_what_is_handed_on().await;
        }
        if !end.left.is_empty() && self.must_end(&request) {
            // After these were left another part was decided, or a write has failed.
            let left = std::mem::take(&mut end.left);
            end = end.and(self.deliver_parts(&request, left).await);
        }
        if !end.left.is_empty() && self.queue.handed_on.is_cancelled() {
            // The front of each lies on top.
            let left = end.left.into_iter().flat_map(|part| part.into_iter().rev().map(|(batch, _)| batch));
            return self.queue.put_back(parcel, left.collect(), end.is_exhausted);
        }
        if !end.left.is_empty() {
            return self.queue.leave(&parcel);
        }
        self.queue.done(&parcel);
        for tie in parcel.ties {
            tie.settle(end.is_exhausted);
        }
    }

    async fn deliver_parts(&self, request: &Request<'_>, parts: Vec<Stack>) -> End {
        let parts = parts.into_iter().map(|part| self.deliver_part(request, part));
        join_all(parts).await.into_iter().fold(End::default(), End::and)
    }

    /// Returns when it is decided what becomes of each point, or is left to another.
    async fn deliver_part(&self, request: &Request<'_>, mut parts: Stack) -> End {
        let mut end = End::default();
        let points = parts.iter().map(|(part, _)| part.len()).sum();
        let mut search = self.suspicion.search(points);
        while let Some((part, mut deadline)) = parts.pop() {
            let (cause, reason) = match self.try_until_decided(request, &part, &mut deadline).await {
                Fate::Delivered(receipt) => {
                    search.good();
                    self.delivered(request, &part, receipt);
                    continue;
                }
                Fate::Left => {
                    parts.push((part, deadline));
                    end.left.push(parts);
                    return end;
                }
                Fate::Slow => {
                    // It may have been taken all the same, so its time goes on.
                    parts.extend(halves(part).map(|half| (half, deadline)));
                    continue;
                }
                Fate::Split { .. } if part.len() > 1 => {
                    parts.extend(halves(part).map(|half| (half, None)));
                    continue;
                }
                Fate::Bad { reason } => match search.bad(part.len()) {
                    Verdict::Halve => {
                        parts.extend(halves(part).map(|half| (half, None)));
                        continue;
                    }
                    Verdict::Drop => (Cause::Permanent, reason),
                    Verdict::DropAll => {
                        for (other, _) in parts.drain(..) {
                            self.lose(request, &other, Cause::Permanent, &reason);
                        }
                        (Cause::Permanent, reason)
                    }
                },
                Fate::Split { reason } => (Cause::Permanent, reason),
                Fate::Dropped { cause, reason } => (cause, reason),
            };
            end.is_exhausted |= cause == Cause::Exhausted;
            self.lose(request, &part, cause, &reason);
        }
        end
    }

    /// Sends a batch once, in the caller's turn; whatever fails is lost.
    pub(super) async fn deliver_directly(&self, batch: &Batch, size: Size) {
        let cancelled = Cancelled { dispatch: self, batch };
        let outcome = self.attempt(batch).await;
        std::mem::forget(cancelled);
        match outcome {
            Ok(receipt) => self.delivered(&Request::default(), batch, receipt),
            Err(error) => self.lose(&Request::default(), batch, Cause::Permanent, &error.to_string()),
        }
        self.queue.settle(Size { points: 0, ..size }, 0);
    }

    async fn try_until_decided(
        &self,
        request: &Request<'_>,
        batch: &Batch,
        deadline: &mut Option<Instant>,
    ) -> Fate {
        let mut backoff = Backoff::new(&self.retry);
        let (mut reason, mut late, mut denials) = (String::new(), 0, Denials::default());
        for attempt in 0_u64.. {
            let pass = tokio::select! {
                biased;
                () = self.is_left(request) => return Fate::Left,
                pass = self.circuit.pass(*deadline) => pass,
            };
            let Some(pass) = pass else { break };
            if attempt > 0 {
                self.metrics.retried();
            } else if deadline.is_none() {
                let elapsed_max = self.retry.elapsed_max(self.persists);
                *deadline = elapsed_max.map(|max| Instant::now() + max);
            }
            let (began, taken) = (Instant::now(), self.taken.load(Ordering::Relaxed));
            let outcome =
                self.attempt(batch).await.map_err(|error| denials.judge(error, self.persists, taken));
            let is_late = !self.timeout.is_zero() && began.elapsed() >= self.timeout;
            let is_large = is_late && self.queue.too_slow(batch);
            late = if is_late { late + 1 } else { 0 };
            let Err(ExportError::Retry { after, reason: failure }) = outcome else {
                if outcome.is_ok() && began.elapsed() < self.timeout / QUICK {
                    self.queue.quick(batch);
                }
                pass.answered();
                return Fate::of(outcome);
            };
            reason = failure;
            let after = after.filter(|after| *after <= THROTTLE_MAX).unwrap_or_default();
            self.circuit.hold(after);
            if self.persists && self.is_closing() {
                // It will be there at the next start; waiting for the other side would only delay the end.
                self.queue.leaving.cancel();
            }
            if self.queue.leaving.is_cancelled() && !self.must_end(request) {
                self.journal.retry(&reason, after);
                return Fate::Left;
            }
            if !self.retry.enabled {
                break;
            }
            let most = if self.is_closing() { DRAIN_WAIT_MAX } else { Duration::MAX };
            let wait = pass.failed(&mut backoff, after, most);
            let (Wait::Own(pause) | Wait::Shared(pause)) = wait;
            if deadline.is_some_and(|deadline| Instant::now() + pause > deadline) {
                break;
            }
            self.journal.retry(&reason, pause);
            if let Wait::Own(pause) = wait {
                self.pause(pause).await;
            }
            if is_large && late >= LATE_MAX {
                return Fate::Slow;
            }
        }
        Fate::Dropped { cause: Cause::Exhausted, reason }
    }

    fn is_closing(&self) -> bool {
        self.queue.closing.is_cancelled()
    }

    /// Waits; a drain that begins meanwhile ends the wait.
    async fn pause(&self, wait: Duration) {
        let (closing, leaving) = (&self.queue.closing, &self.queue.leaving);
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = leaving.cancelled(), if !leaving.is_cancelled() => {}
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

    fn delivered(&self, request: &Request<'_>, batch: &Batch, receipt: Receipt) {
        let points = batch.len() as u64;
        let mut sent = points;
        let failures = [
            (Cause::Rejected, receipt.rejected),
            (Cause::Unsupported, receipt.unsupported),
            (Cause::OutOfOrder, receipt.out_of_order),
        ];
        for (cause, count) in failures {
            let count = count.min(sent);
            if count > 0 {
                sent -= count;
                self.metrics.send_failed(count, cause.word());
                self.journal.left_out(cause, count);
            }
        }
        self.metrics.sent(sent);
        self.journal.works();
        self.taken.fetch_add(1, Ordering::Relaxed);
        self.queue.settle_of(request.number(), Size { points, ..Size::default() }, sent);
        request.is_begun.store(true, Ordering::Relaxed);
    }

    fn lose(&self, request: &Request<'_>, batch: &Batch, cause: Cause, reason: &str) {
        let points = batch.len() as u64;
        self.metrics.send_failed(points, cause.word());
        self.journal.lost(cause, points, reason, batch.iter().next());
        self.queue.settle_of(request.number(), Size { points, ..Size::default() }, 0);
        request.is_begun.store(true, Ordering::Relaxed);
    }
}

impl Request<'_> {
    /// In the queue; zero for what is sent in its sender's turn.
    fn number(&self) -> u64 {
        self.parcel.map_or(0, |parcel| parcel.number)
    }
}

impl End {
    fn and(mut self, other: Self) -> Self {
        self.is_exhausted |= other.is_exhausted;
        self.left.extend(other.left);
        self
    }
}

impl Fate {
    fn of(outcome: Result<Receipt, ExportError>) -> Self {
        match outcome {
            Ok(receipt) => Self::Delivered(receipt),
            Err(ExportError::Split { reason }) => Self::Split { reason },
            Err(ExportError::Bad { reason }) => Self::Bad { reason },
            Err(error) => Self::Dropped { cause: Cause::Permanent, reason: error.to_string() },
        }
    }
}

/// The back half first, as they go on a stack.
fn halves(batch: Arc<Batch>) -> [Arc<Batch>; 2] {
    let mut front = Arc::unwrap_or_clone(batch);
    let back = front.split_off(front.len() / 2);
    [Arc::new(back), Arc::new(front)]
}

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        self.dispatch.lose(&Request::default(), self.batch, Cause::Permanent, "the sender went away");
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
