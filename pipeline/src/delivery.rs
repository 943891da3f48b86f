//! Queue, batching, timeout, retry and drain: once, for every exporter.
//!
//! An [`Outbox`] is an exporter with all of that around it. Pipelines reserve room in every outbox that a
//! batch is for, and hand it over only when all have room; the outbox's consumers take it from there.

mod backoff;
mod bisect;
mod bound;
mod circuit;
mod claim;
mod config;
mod denial;
mod dispatch;
mod ending;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
mod journal;
mod leaving;
mod load;
mod loader;
mod on_disk;
mod parcel;
mod permit;
mod queue;
mod rate;
mod reply;
mod resources;
mod rest;
#[cfg(test)]
pub(crate) mod scripted;
mod select;
mod size;
mod spool;
#[cfg(test)]
pub(crate) mod told;
mod under_way;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use self::config::{BatchConfig, BatchSizer, QueueConfig, RetryConfig, Sizer, complete};
pub(crate) use self::dispatch::message_of;
pub use self::ending::Drained;
pub(crate) use self::load::Load;
pub(crate) use self::permit::{Copies, Permit};
pub(crate) use self::spool::{Write, Writes, commit, wait_for_others};

use self::bisect::Suspicion;
use self::circuit::Circuit;
use self::dispatch::Dispatch;
use self::journal::Journal;
use self::loader::Loader;
use self::queue::Queue;
use self::size::Size;
use self::spool::{Left, Spool};
use crate::component::{BoxError, BuiltExporter, Context, Delivery};
use crate::telemetry::{ExporterMetrics, QueueLevels};

/// How far from each other senders come back that were refused together.
const RETRY_AFTER_JITTER: f64 = 0.25;

/// What a sender is told at most to wait.
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
/// loses what is queued in memory; [`Outbox::drain`] is the end it should have.
pub struct Outbox {
    id: String,
    manner: Manner,
    dispatch: Arc<Dispatch>,
    /// Where the queue is on disk, if it is.
    spool: Option<Spool>,
    /// The same for all outboxes that go on with each other's queue.
    line: Arc<()>,
    /// It goes on with the queue of the outbox that it replaces, and sends nothing before that has ended.
    is_heir: bool,
    /// Cancelled when nobody before has the queue any more.
    has_inherited: CancellationToken,
    /// Who gets what is in memory.
    heir: Mutex<Option<Arc<Dispatch>>>,
    consumers: Mutex<JoinSet<()>>,
    loader: Mutex<JoinSet<()>>,
    drained: tokio::sync::Mutex<Option<Drained>>,
    /// The next start will not look where its queue is.
    is_retired: AtomicBool,
}

/// What a sender experiences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Direct,
    Queued { waits_for_room: bool, waits_for_result: bool },
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
        Self::start_after(context, built, None).await
    }

    /// Starts an exporter that replaces another with the same id, which [`Outbox::take_over`] then ends.
    pub async fn start_after(
        context: &Context,
        built: BuiltExporter,
        old: Option<&Self>,
    ) -> Result<(Arc<Self>, Vec<String>), BoxError> {
        let (manner, config) = Manner::of(built.delivery);
        let place = match &config.sending_queue.storage {
            Some(storage) => Some(open(context, storage, old).await?),
            None => None,
        };
        let mut notes = built.exporter.start().await?;
        let levels = (manner != Manner::Direct)
            .then(|| QueueLevels::register(&context.meter, &context.id, config.sending_queue.queue_size));
        let queue = match manner {
            Manner::Direct => Queue::unbounded(),
            Manner::Queued { .. } => Queue::new(&config.sending_queue, levels.clone())
                .merging_services(built.exporter.merges_services()),
        };
        let dispatch = Arc::new(Dispatch {
            exporter: built.exporter,
            queue,
            persists: place.is_some(),
            retry: config.retry_on_failure,
            timeout: config.timeout.0,
            circuit: Circuit::new(levels.clone()),
            suspicion: Suspicion::default(),
            taken: AtomicU64::default(),
            metrics: ExporterMetrics::new(&context.meter, &context.id),
            levels,
            journal: Journal::new(&context.id),
        });
        // In the same place on disk; what is in memory can be moved anywhere.
        let before = match &place {
            Some((_, None)) => old,
            _ => old.filter(|old| old.spool.is_none() && !old.is_direct() && manner != Manner::Direct),
        };
        if let Some(before) = before.filter(|before| before.spool.is_none()) {
            dispatch.queue.await_rest(&before.dispatch.queue);
        }
        let mut loader = JoinSet::new();
        let spool = place.map(|(spool, left)| {
            notes.extend(begin(&dispatch, &spool, left));
            let (registry, clock) = (context.registry.clone(), context.clock.clone());
            loader.extend(
                spool
                    .reader()
                    .map(|reader| Loader { dispatch: dispatch.clone(), reader, registry, clock }.run()),
            );
            spool
        });
        let has_inherited = CancellationToken::new();
        if before.is_none() {
            has_inherited.cancel();
        }
        let consumers = if manner == Manner::Direct { 0 } else { config.sending_queue.num_consumers.max(1) };
        let consumers = (0..consumers).map(|_| dispatch.clone().consume()).collect();
        let outbox = Self {
            id: context.id.clone(),
            manner,
            dispatch,
            spool,
            line: before.map_or_else(Arc::default, |before| before.line.clone()),
            is_heir: before.is_some(),
            has_inherited,
            heir: Mutex::default(),
            consumers: Mutex::new(consumers),
            loader: Mutex::new(loader),
            drained: tokio::sync::Mutex::default(),
            is_retired: AtomicBool::new(false),
        };
        Ok((Arc::new(outbox), notes))
    }

    pub(crate) fn is_direct(&self) -> bool {
        self.manner == Manner::Direct
    }

    /// Whether nothing new is taken any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.dispatch.queue.closing.is_cancelled()
    }
}

/// The place on disk, and what is left there; nothing of that as long as another outbox has the same place.
async fn open(
    context: &Context,
    storage: &str,
    old: Option<&Outbox>,
) -> Result<(Spool, Option<Left>), BoxError> {
    let log = context.storages.open(storage, &context.meter, &context.clock).await?;
    if let Some(old) = old.and_then(|old| old.spool.as_ref())
        && let Some(spool) = Spool::succeed(old, &log).await
    {
        return Ok((spool, None));
    }
    let (spool, left) = Spool::open(log, &context.id).await?;
    Ok((spool, Some(left)))
}

/// Takes what is left on disk into the accounts, or waits for another outbox to end first.
fn begin(dispatch: &Dispatch, spool: &Spool, left: Option<Left>) -> Option<String> {
    let Some(left) = left else {
        dispatch.queue.hold_back(spool.log().last());
        return None;
    };
    dispatch.queue.inherit(left, Size::default(), |_| false);
    let points = left.backlog.points;
    (points > 0).then(|| format!("{points} points wait on disk from before"))
}

impl Manner {
    /// With what the queue and the rest then keep to.
    fn of(delivery: Delivery) -> (Self, Config) {
        let mut config = match delivery {
            Delivery::Direct => {
                let timeout = ::config::Duration::default();
                return (Self::Direct, Config { timeout, ..Config::default() });
            }
            Delivery::Queued(config) => config,
        };
        let queue = &mut config.sending_queue;
        let manner = Self::Queued {
            waits_for_room: queue.block_on_overflow || !queue.enabled,
            waits_for_result: queue.wait_for_result || !queue.enabled,
        };
        if !queue.enabled {
            // Without a queue there is only what is under way.
            let num_consumers = queue.num_consumers.max(1);
            let queue_size = num_consumers as u64;
            *queue = QueueConfig { num_consumers, queue_size, ..QueueConfig::default() };
        }
        (manner, config)
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
