//! Reads the host: processor, memory, disks, file systems, network, processes.
//!
//! Everything comes from `/proc`, `/sys`, `/etc` and the mount points, under `root_path` where the host's
//! are mounted elsewhere. Names, units and attributes are those of the semantic conventions
//! (`system.*`, `process.*`); what they do not name has the name the OpenTelemetry Collector gives it.
//! What cannot be read is absent, never zero.

mod cgroup;
mod clock;
mod config;
mod connections;
mod cpu;
mod cpu_facts;
mod disk;
mod filesystem;
mod hardware;
mod host;
mod hwmon;
mod infiniband;
mod interfaces;
mod linux;
mod load;
mod lookup;
mod memory;
mod mounts;
mod mountstats;
mod network;
mod nfs;
mod nfs_procedures;
mod numa;
mod paging;
mod pressure;
mod probe;
mod process;
mod process_stat;
mod processes;
mod scrapers;
mod system;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ::config::{Problems, Section};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pipeline::component::{BoxError, Context, Entry, Receiver, ReceiverEntry, Running, Scraper};
use pipeline::scraper::{self, Schedule};
use pipeline::succession::Term;
use pipeline::telemetry::ReceiverMetrics;
use pipeline::{Batch, Clock, Output, Point, Registry, Resource, Scope};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use self::config::Config;
use self::host::{AtWork, Host, Plan};
use crate::machine::root::{numbers, value_of};
use crate::recorder::{Owner, Recorder, Selection};

pub(crate) const ENTRY: ReceiverEntry = Entry {
    name: "host_metrics",
    aliases: &["hostmetrics"],
    ignored: &[],
    about: "Reads the host: processor, memory, disks, file systems, network, processes.",
    example: r"
collection_interval: 15s
scrapers:
  cpu:
    metrics:
      system.cpu.utilization: {enabled: true}
  load:
  memory:
  paging:
  disk:
    exclude: {devices: [^loop], match_type: regexp}
  filesystem:
    exclude_mount_points: {mount_points: [/var/lib/kubelet/*], match_type: regexp}
  network:
    exclude: {interfaces: [lo], match_type: strict}
  processes:
  process:
  system:
",
    effective: ::config::effective::<Config>,
    build,
};

struct HostMetrics {
    schedule: Schedule,
    timeout: Duration,
    plan: Plan,
    context: Context,
    term: Term,
}

/// The host between two scrapes, or at work on a thread that may block.
enum State {
    Idle(Box<Host>),
    Working(JoinHandle<(Box<Host>, Batch)>),
}

struct HostScraper {
    /// `None` only while a scrape hands it on.
    state: Option<State>,
    timeout: Duration,
    plan: Plan,
    context: Context,
    /// What the host at work is reading.
    at_work: AtWork,
    metrics: ReceiverMetrics,
    term: Term,
}

/// What is claimed of the receiver before: there is one host.
const CLAIM: &str = "host";

fn build(section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    let plan = Plan::of(&config).map_err(|messages| {
        Problems(messages.into_iter().map(|(key, message)| section.problem(&key, message)).collect())
    })?;
    let interval = config.collection_interval.0;
    Ok(Box::new(HostMetrics {
        schedule: Schedule { interval, first: config.initial_delay.0 },
        timeout: if config.timeout.is_zero() { interval } else { config.timeout.0 },
        plan,
        context: context.clone(),
        term: Term::default(),
    }))
}

impl Receiver for HostMetrics {
    fn begin(&mut self, term: Term) {
        self.term = term;
    }

    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        async move {
            let notes = vec![self.plan.describe()];
            let clock = self.context.clock.clone();
            let schedule = self.schedule;
            self.term.claim(CLAIM);
            let mut scraper = HostScraper::new(self.plan, self.timeout, self.context);
            scraper.term = self.term;
            let work = async move {
                scraper::run_until(&mut scraper, schedule, &clock, &output, &stop).await;
                output.offer(scraper.retire(clock.unix_nano())).await;
            };
            let work = work.boxed();
            Ok(Running { notes, work })
        }
        .boxed()
    }
}

impl HostScraper {
    fn new(plan: Plan, timeout: Duration, context: Context) -> Self {
        let at_work = AtWork::default();
        let host = Box::new(Host::new(&plan, &context, at_work.clone()));
        let metrics = ReceiverMetrics::new(&context.meter, &context.id, "");
        let state = Some(State::Idle(host));
        Self { state, timeout, plan, context, at_work, metrics, term: Term::default() }
    }

    async fn ask(&mut self, time_unix_nano: u64) -> Batch {
        let state = self.state.take();
        let mut work = match state {
            // Nothing new is begun while the last reading hangs: it is waited for instead.
            Some(State::Working(work)) => work,
            Some(State::Idle(mut host)) => {
                host.inherit(self.term.inherited(CLAIM));
                begin(host, time_unix_nano)
            }
            None => {
                let host = Host::new(&self.plan, &self.context, self.at_work.clone());
                begin(Box::new(host), time_unix_nano)
            }
        };
        match tokio::time::timeout(self.timeout, &mut work).await {
            Ok(Ok((host, batch))) => {
                self.state = Some(State::Idle(host));
                self.metrics.accepted(batch.len() as u64);
                batch
            }
            Ok(Err(failure)) => {
                error!(receiver = self.context.id, %failure, "reading the host failed; starting anew");
                Batch::new()
            }
            Err(_) => {
                let scraper = self.at_work.part();
                warn!(receiver = self.context.id, scraper, timeout = ?self.timeout, "reading the host takes too long");
                self.state = Some(State::Working(work));
                Batch::new()
            }
        }
    }
}

impl HostScraper {
    /// Leaves the series to the receiver that follows; gives the markers of those that have ended.
    fn retire(self, time_unix_nano: u64) -> Batch {
        // What a thread that hangs has of the host stays with it.
        let Some(State::Idle(mut host)) = self.state else { return Batch::new() };
        host.inherit(self.term.inherited(CLAIM));
        let ended = self.term.leave(CLAIM, host.drain());
        ended.into_iter().map(|series| Point::stale(series, time_unix_nano)).collect()
    }
}

/// Reads on a thread that may block.
fn begin(mut host: Box<Host>, time_unix_nano: u64) -> JoinHandle<(Box<Host>, Batch)> {
    tokio::task::spawn_blocking(move || {
        let batch = host.scrape(time_unix_nano);
        (host, batch)
    })
}

impl Scraper for HostScraper {
    fn scrape(&mut self, time_unix_nano: u64) -> BoxFuture<'_, Batch> {
        self.ask(time_unix_nano).boxed()
    }
}

/// Reads this machine for a benchmark, with the scrapers that are given in YAML.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "it holds what reads, which shows nothing")]
pub struct HostBench {
    host: Host,
    time_unix_nano: u64,
}

#[doc(hidden)]
impl HostBench {
    /// # Panics
    /// When `scrapers` is no section of the file.
    pub fn new(scrapers: &str) -> Self {
        let yaml = format!("{{scrapers: {scrapers}}}");
        let config: Result<Config, _> = Section::from_yaml("host", &yaml).and_then(|section| section.read());
        let plan = Plan::of(&config.expect("a benchmark writes a section"));
        let context = Context {
            id: "host".to_owned(),
            registry: Arc::new(Registry::new(1_000_000)),
            clock: Clock::starting_at(0),
            meter: opentelemetry::global::meter("bench").into(),
            net: Arc::default(),
            mappings: Arc::default(),
            storages: Arc::default(),
        };
        let host =
            Host::new(&plan.expect("a benchmark names metrics that are there"), &context, AtWork::default());
        Self { host, time_unix_nano: 0 }
    }

    /// Gives the number of points.
    pub fn scrape(&mut self) -> usize {
        self.time_unix_nano += 1;
        self.host.scrape(self.time_unix_nano).len()
    }
}

/// The body of the fuzz target: any text as each of the files that need more than splitting at blanks.
#[doc(hidden)]
pub fn fuzz_files(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let _ = (mounts::parse(&text), mountstats::parse(&text), process_stat::Stat::parse(&text));
    let name = text.split_whitespace().next().unwrap_or_default();
    let _ = (numbers(&text), value_of(&text, name), pressure::lines(&text).count());
    let registry = Arc::new(Registry::new(10_000));
    let owner = Owner {
        id: 0,
        resource: registry.resource(Resource::default()),
        attributes: Arc::default(),
        start_unix_nano: 0,
    };
    let mut recorder = Recorder::new(registry, Scope::default(), owner.clone());
    let is_on = linux::METRICS.iter().map(|_| true).collect();
    recorder.begin(0);
    recorder.turn_to(&Selection { definitions: linux::METRICS, is_on }, &owner);
    linux::fuzz(&text, &mut recorder);
    recorder.finish();
}
