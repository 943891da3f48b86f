//! The contracts: what a receiver, a processor and an exporter are, and how they are listed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use config::{Problems, Section};
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::batch::Batch;
use crate::clock::Clock;
use crate::delivery;
use crate::mapping;
use crate::net::Net;
use crate::output::{Output, Refused};
use crate::registry::{Full, Registry};
use crate::series::Series;
use crate::storage::Storages;
use crate::succession::Term;
use crate::telemetry::Meter;

/// An error that only travels to whoever prints it.
pub type BoxError = Box<dyn Error + Send + Sync>;

/// What every component is given when it is built.
#[derive(Debug, Clone)]
pub struct Context {
    /// The component's id in the file: `kind` or `kind/name`.
    pub id: String,
    /// Where series are resolved, and counted against the bound on live ones.
    pub registry: Arc<Registry>,
    /// The wall clock; durations are measured with `tokio`'s.
    pub clock: Clock,
    /// For the collector's own telemetry.
    pub meter: Meter,
    /// Listeners, outgoing connections, authenticators.
    pub net: Arc<Net>,
    /// The mappings at work.
    pub mappings: Arc<mapping::Live>,
    /// Where queues are kept on disk.
    pub storages: Arc<Storages>,
}

/// A way in.
///
/// Built from its section of the file (pure: nothing is opened; a check of the file builds too), then
/// started once, then told to stop once. What it reads it hands to its [`Output`].
pub trait Receiver: Send {
    /// Gives the receiver its term, before it is started.
    ///
    /// For what remembers series from one batch to the next: in `start` it claims what it goes on with, and
    /// when its work ends it leaves its series to the term and sends markers of those that have ended.
    /// Others need not care.
    fn begin(&mut self, term: Term) {
        let _ = term;
    }

    /// Opens what it needs, and returns the work to be driven until `stop` is cancelled.
    ///
    /// Called once, after every exporter has been started. An error ends the start of the collector, or
    /// fails a reload: it must name what could not be had and the key to change. The work ends soon after
    /// `stop`; it first finishes handing over what it has accepted, and takes nothing new. In a reload the
    /// receiver with the new section starts while the old one still runs.
    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>>;
}

/// A started receiver.
pub struct Running {
    /// What a person should be told: `gRPC on 127.0.0.1:4317`.
    pub notes: Vec<String>,
    /// Runs in a task of its own, until `stop` is cancelled.
    pub work: BoxFuture<'static, ()>,
}

/// Something that is asked on a timer; the timer is in [`scraper`](crate::scraper).
pub trait Scraper: Send {
    /// Asks once. `time_unix_nano` is the time all points of this scrape carry.
    ///
    /// Whatever goes wrong is in the batch (an `up` of 0, stale markers) and in the counters, never an
    /// error: a scraper is asked again at the next tick, whatever happened.
    fn scrape(&mut self, time_unix_nano: u64) -> BoxFuture<'_, Batch>;
}

/// A step between the ways in and the ways out; synchronous, run by the task that brings the batch.
pub enum Processor {
    /// A function of the series: asked once a series, remembered by the pipeline.
    Series(Box<dyn SeriesProcessor>),
    /// A function of the batch, with state of its own.
    Batch(Box<dyn BatchProcessor>),
    /// Turns batches away at the door, before any processor has seen them.
    Gate(Arc<dyn Gate>),
    /// How the exporters of the pipeline merge what waits, where they do not say so themselves.
    Merge(delivery::BatchConfig),
}

/// Says whether a pipeline takes anything at all now.
///
/// One gate stands in every pipeline that names it, wherever in the list of processors it stands.
pub trait Gate: Send + Sync {
    /// Asked before a push is read, and again before its batch is taken; so it may cost next to nothing.
    fn admit(&self) -> Result<(), Refused>;

    /// Counts points that were let in, and for which every exporter had room.
    fn accepted(&self, points: u64);

    /// Counts points that were kept out.
    fn refused(&self, points: u64);

    /// Whether what is remembered only to be quicker is to be forgotten now.
    fn is_pressed(&self) -> bool {
        false
    }

    /// How many bytes of requests may be read at once, where the gate has to do with that.
    fn room_bytes(&self) -> Option<u64> {
        None
    }
}

/// Changes what a series is called, or drops it; looks at nothing else.
///
/// The pipeline asks once for each series and remembers the answer, so the answer may not change.
pub trait SeriesProcessor: Send {
    /// The series to use instead (perhaps the same), or `None` to drop its points.
    ///
    /// `Full` says that the new series would be one too many: its points are dropped, and it is asked again.
    fn process(&self, series: &Series) -> Result<Option<Series>, Full>;
}

/// Changes points.
pub trait BatchProcessor: Send {
    /// Changes the batch where it is.
    ///
    /// Called under the pipeline's lock: whoever brings a batch waits, so it may not block.
    fn process(&mut self, batch: &mut Batch);

    /// Called at the start and every few seconds: what is to be sent though no batch brought it.
    ///
    /// It goes through the processors behind this one, and to the exporters.
    fn tick(&mut self) -> Batch {
        Batch::new()
    }

    /// Called now and then: forget what belongs to series that are gone.
    fn sweep(&mut self);

    /// Sweeps a part, about `count` things from the one at `from` on; returns where to go on, or `None` at the end.
    ///
    /// Called in the place of [`sweep`](Self::sweep), with the lock let go in between. For who remembers much.
    fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        let _ = (from, count);
        self.sweep();
        None
    }

    /// Whether it goes on over a reload that leaves its section as it is, for the sake of what it remembers.
    ///
    /// For one that depends on nothing but its section and its context.
    fn lasts(&self) -> bool {
        false
    }
}

/// A way out.
///
/// Sends once. Queue, batching, timeout, retry and drain are around it, see [`delivery`].
pub trait Exporter: Send + Sync {
    /// Opens what it needs, once, before any receiver is started. Returns what a person should be told.
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>>;

    /// Sends one batch; cancelled by being dropped when its timeout is over.
    ///
    /// Called from several tasks at once where the delivery has several consumers.
    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>>;

    /// Into how many requests a batch of so many points is divided, by series, that may be under way at once.
    fn parts(&self, points: usize) -> usize {
        let _ = points;
        1
    }

    /// For each point of a batch that is divided, a number that is the same for points that are one series to the other
    /// side; `None` where series are the same there as here.
    fn streams(&self, batch: &Batch) -> Option<Vec<usize>> {
        let _ = batch;
        None
    }

    /// Whether resources of one service are one to the other side where they tell no `service.instance.id`: no two of them are
    /// under way at once then, as is so for those of one instance in any case.
    fn merges_services(&self) -> bool {
        false
    }

    /// Called once after the last export: close what was opened.
    fn stop(&self) -> BoxFuture<'_, ()>;
}

/// What became of a batch that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Receipt {
    /// Points the other side took the request with, but refused; never sent again.
    pub rejected: u64,
    /// Points left out because the other side's protocol has no form for them.
    pub unsupported: u64,
    /// Points left out because a later one of their series was sent before.
    pub out_of_order: u64,
}

/// Why a batch was not sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportError {
    /// Send it again later; not before `after`, where the other side said so.
    Retry { after: Option<Duration>, reason: String },
    /// Sending it again would not help: its points are lost, and counted.
    Drop { reason: String },
    /// The other side wants nothing from us as things are set, for the credentials, the path or the form, which says nothing
    /// of the points: what is on disk waits there until that is mended, and the rest is lost, and counted.
    Denied { reason: String },
    /// The other side calls it bad, which may be because of a few of its points.
    Bad { reason: String },
    /// It is too large: send its halves.
    Split { reason: String },
}

impl fmt::Display for ExportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Retry { reason, .. }
        | Self::Drop { reason }
        | Self::Denied { reason }
        | Self::Bad { reason }
        | Self::Split { reason }) = self;
        f.write_str(reason)
    }
}

impl Error for ExportError {}

/// An exporter, and how it wants to be delivered to.
pub struct BuiltExporter {
    /// Not started yet.
    pub exporter: Arc<dyn Exporter>,
    /// What stands before it.
    pub delivery: Delivery,
}

/// How batches come to an exporter.
#[derive(Debug, Clone, PartialEq)]
pub enum Delivery {
    /// In the pipeline's own turn: for what never waits and never fails.
    Direct,
    /// Through a queue, with batching, timeout and retry.
    Queued(delivery::Config),
}

impl Delivery {
    /// Merges what waits by this rule, where the exporter has a queue and no rule of its own.
    pub fn merge(&mut self, rule: &delivery::BatchConfig) {
        if let Self::Queued(config) = self {
            config.sending_queue.batch.get_or_insert_with(|| rule.clone());
        }
    }
}

/// A line of the list of receivers; likewise for processors and exporters.
pub struct Entry<T> {
    /// The name in the file.
    pub name: &'static str,
    /// Older names, which work and warn.
    pub aliases: &'static [&'static str],
    /// Keys (dotted) that an OpenTelemetry Collector has and that have no meaning here: they are taken out of the section
    /// before it is read, with a warning, so that its files can be used as they are. What they hold is not looked at.
    /// Each list stands with the key (dotted) of what its keys are in, which is empty for the section itself.
    pub ignored: &'static [(&'static str, &'static [&'static str])],
    /// One sentence for `inferometer components`.
    pub about: &'static str,
    /// A section that works, as YAML; a test parses it.
    pub example: &'static str,
    /// The section with every default filled in and every secret hidden; empty is what has no value unless one is given.
    pub effective: fn(&Section) -> Result<config::Value, Problems>,
    /// Reads the section and makes the component; opens nothing.
    pub build: fn(&Section, &Context) -> Result<T, Problems>,
}

impl<T> Entry<T> {
    /// The keys of [`Entry::ignored`], each with what it is in.
    pub fn ignored_paths(&self) -> impl Iterator<Item = String> {
        let in_part = |part: &'static str, key: &'static str| match part {
            "" => key.to_owned(),
            _ => format!("{part}.{key}"),
        };
        self.ignored.iter().flat_map(move |(part, keys)| keys.iter().map(move |key| in_part(part, key)))
    }
}

/// A line of `RECEIVERS`.
pub type ReceiverEntry = Entry<Box<dyn Receiver>>;
/// A line of `PROCESSORS`.
pub type ProcessorEntry = Entry<Processor>;
/// A line of `EXPORTERS`.
pub type ExporterEntry = Entry<BuiltExporter>;

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("notes", &self.notes).finish_non_exhaustive()
    }
}

impl fmt::Debug for Processor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Series(_) => "Processor::Series",
            Self::Batch(_) => "Processor::Batch",
            Self::Gate(_) => "Processor::Gate",
            Self::Merge(_) => "Processor::Merge",
        })
    }
}

impl fmt::Debug for BuiltExporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BuiltExporter").field("delivery", &self.delivery).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Entry<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}
