//! Queue, batching, timeout, retry and drain: once, for every exporter.
//!
//! An [`Outbox`] is an exporter with all of that around it. Pipelines reserve room in every outbox that a
//! batch is for, and hand it over only when all have room; the outbox's consumers take it from there.

mod backoff;
mod bisect;
mod circuit;
mod config;
mod dispatch;
mod journal;
mod load;
mod parcel;
mod queue;
mod rate;
mod reply;
mod resources;
#[cfg(test)]
pub(crate) mod scripted;
mod select;
mod size;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use self::config::{BatchConfig, BatchSizer, QueueConfig, RetryConfig, Sizer};
pub(crate) use self::dispatch::message_of;
pub(crate) use self::load::Load;

use self::backoff::jittered;
use self::bisect::Suspicion;
use self::circuit::Circuit;
use self::dispatch::Dispatch;
use self::journal::Journal;
use self::queue::{NoRoom, Queue};
use self::reply::{Reply, Share};
use self::size::Size;
use crate::batch::Batch;
use crate::component::{BoxError, BuiltExporter, Context, Delivery};
use crate::output::Refused;
use crate::telemetry::{ExporterMetrics, QueueLevels};

/// How long an exporter may take to close what it opened.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What a sender is told when the collector is stopping; by then another one may answer.
const CLOSED_RETRY_AFTER: Duration = Duration::from_secs(5);

/// How far from each other senders come back that were refused together.
const RETRY_AFTER_JITTER: f64 = 0.25;
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);
const RETRY_AFTER_MAX: Duration = Duration::from_secs(30);

/// How an exporter is delivered to; filled from its `sending_queue`, `retry_on_failure` and `timeout` keys.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub sending_queue: QueueConfig,
    pub retry_on_failure: RetryConfig,
    /// For one attempt; zero means none.
    pub timeout: ::config::Duration,
}

/// An exporter with its queue and the tasks that empty it.
///
/// One exporter has one outbox, however many pipelines lead to it. Dropping it ends its tasks at once and
/// loses what is queued; [`Outbox::drain`] is the end it should have.
pub struct Outbox {
    id: String,
    manner: Manner,
    dispatch: Arc<Dispatch>,
    consumers: Mutex<JoinSet<()>>,
    drained: tokio::sync::Mutex<Option<Drained>>,
}

/// What a sender experiences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Direct,
    Queued { waits_for_room: bool, waits_for_result: bool },
}

/// What a drain achieved, in points since the start of the outbox and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    pub delivered: u64,
    /// Given up before the end, for any reason; counted when it happened.
    pub dropped: u64,
    /// Still in the queue when the time was over.
    pub undelivered: u64,
}

/// Room in an outbox, kept until it is used or dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    outbox: Arc<Outbox>,
    left: Size,
    replies: Vec<oneshot::Receiver<bool>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            sending_queue: QueueConfig::default(),
            retry_on_failure: RetryConfig::default(),
            timeout: ::config::Duration::from_secs(5),
        }
    }
}

impl Outbox {
    /// Starts the exporter (opens what it needs) and its tasks. Returns what a person should be told.
    pub async fn start(
        context: &Context,
        built: BuiltExporter,
    ) -> Result<(Arc<Self>, Vec<String>), BoxError> {
        let notes = built.exporter.start().await?;
        let (manner, mut config) = match built.delivery {
            Delivery::Direct => {
                (Manner::Direct, Config { timeout: ::config::Duration::default(), ..Config::default() })
            }
            Delivery::Queued(config) => (Manner::of(&config.sending_queue), config),
        };
        if !config.sending_queue.enabled {
            // Without a queue there is only what is under way.
            let num_consumers = config.sending_queue.num_consumers.max(1);
            let queue_size = num_consumers as u64;
            config.sending_queue = QueueConfig { num_consumers, queue_size, ..QueueConfig::default() };
        }
        let levels = (manner != Manner::Direct)
            .then(|| QueueLevels::register(&context.meter, &context.id, config.sending_queue.queue_size));
        let queue = match manner {
            Manner::Direct => Queue::unbounded(),
            Manner::Queued { .. } => Queue::new(&config.sending_queue, levels.clone()),
        };
        let dispatch = Arc::new(Dispatch {
            exporter: built.exporter,
            queue,
            retry: config.retry_on_failure,
            timeout: config.timeout.0,
            circuit: Circuit::new(levels.clone()),
            suspicion: Suspicion::default(),
            metrics: ExporterMetrics::new(&context.meter, &context.id),
            levels,
            journal: Journal::new(&context.id),
        });
        let mut consumers = JoinSet::new();
        if manner != Manner::Direct {
            for _ in 0..config.sending_queue.num_consumers.max(1) {
                consumers.spawn(dispatch.clone().consume());
            }
        }
        let outbox = Self {
            id: context.id.clone(),
            manner,
            dispatch,
            consumers: Mutex::new(consumers),
            drained: tokio::sync::Mutex::default(),
        };
        Ok((Arc::new(outbox), notes))
    }

    /// Takes nothing new, sends what is queued until `deadline`, stops the exporter.
    ///
    /// What cannot be sent by then is counted as `shutdown` and reported. A pause that the other side asked
    /// for is kept, even if it outlasts the deadline. Draining again returns what the first time returned.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        let mut drained = self.drained.lock().await;
        if let Some(drained) = *drained {
            return drained;
        }
        let queue = &self.dispatch.queue;
        queue.close();
        self.dispatch.circuit.hurry();
        let mut consumers =
            std::mem::take(&mut *self.consumers.lock().unwrap_or_else(PoisonError::into_inner));
        let emptied = async {
            while consumers.join_next().await.is_some() {}
            queue.wait_until_empty().await;
        };
        // Whether the time was enough is in the accounts.
        let _ = tokio::time::timeout_at(deadline, emptied).await;
        consumers.shutdown().await;
        let counts = queue.end();
        let undelivered = counts.held.points;
        if undelivered > 0 {
            self.dispatch.metrics.send_failed(undelivered, "shutdown");
            tracing::error!(exporter = self.id, points = undelivered, "points left undelivered at the end");
        }
        let stop = AssertUnwindSafe(async { self.dispatch.exporter.stop().await }).catch_unwind();
        if !matches!(tokio::time::timeout(STOP_MAX, stop).await, Ok(Ok(()))) {
            tracing::warn!(exporter = self.id, "exporter did not stop in order");
        }
        *drained.insert(Drained { delivered: counts.delivered, dropped: counts.dropped, undelivered })
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.manner == Manner::Direct
    }

    /// Whether nothing new is taken any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.dispatch.queue.closing.is_cancelled()
    }

    /// Whether senders wait for room rather than being refused.
    pub(crate) fn waits_for_room(&self) -> bool {
        matches!(self.manner, Manner::Queued { waits_for_room: true, .. })
    }

    /// Keeps room for `batch`, `times` over; `None` means: wait for room and come again.
    pub(crate) fn reserve(self: &Arc<Self>, batch: &Batch, times: u64) -> Result<Option<Permit>, Refused> {
        let queue = &self.dispatch.queue;
        let left = queue.measure(batch).times(times);
        match queue.reserve(left) {
            Ok(()) => Ok(Some(Permit { outbox: self.clone(), left, replies: Vec::new() })),
            Err(NoRoom::Full(_)) if self.waits_for_room() => Ok(None),
            Err(NoRoom::Full(retry_after)) => {
                let points = batch.len() as u64;
                self.dispatch.metrics.enqueue_failed(points);
                self.dispatch.journal.full(points);
                let retry_after =
                    jittered(retry_after, RETRY_AFTER_JITTER).clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX);
                Err(Refused { retry_after, reason: format!("the queue of `{}` is full", self.id) })
            }
            Err(NoRoom::Closed) => Err(self.closed()),
        }
    }

    fn closed(&self) -> Refused {
        let retry_after = jittered(CLOSED_RETRY_AFTER, RETRY_AFTER_JITTER);
        Refused { retry_after, reason: format!("`{}` is stopping", self.id) }
    }

    /// Waits until there is room for `batch`, `times` over, or never will be.
    pub(crate) async fn wait_for_room(&self, batch: &Batch, times: u64) {
        let queue = &self.dispatch.queue;
        queue.wait_for_room(queue.measure(batch).times(times)).await;
    }

    /// Queues a batch if there is room; if not, the exporter goes without it, and that is counted.
    pub(crate) fn offer(&self, load: Load) {
        let size = load.size;
        match self.dispatch.queue.reserve(size) {
            Ok(()) => {
                self.push(load, None, size);
            }
            Err(no_room) => self.miss(size.points, no_room),
        }
    }

    /// Exports a batch in the caller's turn; only where [`Outbox::is_direct`].
    pub(crate) async fn export(&self, batch: &Batch) {
        let queue = &self.dispatch.queue;
        let size = queue.measure(batch);
        if let Err(no_room) = queue.reserve(size) {
            return self.miss(size.points, no_room);
        }
        queue.accept(size);
        self.dispatch.deliver_directly(batch, size).await;
    }

    fn miss(&self, points: u64, no_room: NoRoom) {
        self.dispatch.metrics.enqueue_failed(points);
        if no_room != NoRoom::Closed {
            self.dispatch.journal.full(points);
        }
    }

    /// Returns how much of `reserved` was used.
    fn push(&self, load: Load, share: Option<Share>, reserved: Size) -> Size {
        let points = load.size.points;
        match self.dispatch.queue.push(load, share, reserved) {
            Ok(used) => used,
            Err(used) => {
                self.dispatch.metrics.send_failed(points, "shutdown");
                used
            }
        }
    }
}

impl Manner {
    fn of(config: &QueueConfig) -> Self {
        Self::Queued {
            waits_for_room: config.block_on_overflow || !config.enabled,
            waits_for_result: config.wait_for_result || !config.enabled,
        }
    }
}

impl Permit {
    pub(crate) fn is_for(&self, outbox: &Arc<Outbox>) -> bool {
        Arc::ptr_eq(&self.outbox, outbox)
    }

    /// Queues a batch in the room that was kept; never fails.
    pub(crate) fn commit(&mut self, load: Load) {
        let waits = matches!(self.outbox.manner, Manner::Queued { waits_for_result: true, .. });
        let share = waits.then(|| {
            let points = load.size.points;
            let (reply, receiver) = Reply::new(points);
            self.replies.push(receiver);
            Share { reply, points }
        });
        let left = std::mem::take(&mut self.left);
        let used = self.outbox.push(load, share, left);
        self.left = left;
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

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("id", &self.id)
            .field("counts", &self.dispatch.queue.counts())
            .finish_non_exhaustive()
    }
}
