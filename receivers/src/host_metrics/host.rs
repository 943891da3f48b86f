//! What is read of the host, in order, and what becomes of a scraper that fails.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use pipeline::component::Context;
use pipeline::telemetry::ScraperMetrics;
use pipeline::{Batch, Scope, Series};
use tracing::{info, warn};

use super::config::Config;
use super::linux;
use super::lookup::Message;
use super::scrapers::{Chosen, Make, Scrapers};
use crate::machine::identity;
use crate::machine::root::{Root, value_of};
use crate::recorder::{Label, Owner, Recorder, Selection};

/// Parts that ask servers and devices, and may wait for them for long; they are read last.
const MAY_BLOCK: [&str; 4] = ["filesystem", "nfs", "infiniband", "hardware"];

/// One part of the host.
pub(super) trait Part: Send {
    /// Reads and records; an error means that nothing more of it could be read this time.
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String>;
}

/// What is to be read, checked.
#[derive(Clone)]
pub(super) struct Plan {
    root: Root,
    parts: Vec<Planned>,
}

#[derive(Clone)]
struct Planned {
    name: &'static str,
    selection: Selection,
    make: Make,
}

/// Which part is being read, for others to see while it hangs.
#[derive(Clone, Default)]
pub(super) struct AtWork(Arc<Mutex<&'static str>>);

impl AtWork {
    fn begin(&self, part: &'static str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = part;
    }

    /// Empty before the first.
    pub(super) fn part(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The host, with what is remembered of it from scrape to scrape.
pub(super) struct Host {
    id: String,
    root: Root,
    recorder: Recorder,
    owner: Owner,
    at_work: AtWork,
    parts: Vec<Scraped>,
}

struct Scraped {
    name: &'static str,
    selection: Selection,
    part: Box<dyn Part>,
    metrics: ScraperMetrics,
    took: Duration,
    /// What was wrong the last time; logged when it changes.
    errors: Vec<String>,
}

impl Plan {
    /// Reads what is meant from the section, or tells everything that is wrong with it.
    pub(super) fn of(config: &Config) -> Result<Self, Vec<Message>> {
        let mut problems = Vec::new();
        if config.collection_interval.is_zero() {
            problems.push(("collection_interval".to_owned(), "must be above zero".to_owned()));
        }
        let usual = Scrapers::usual();
        let scrapers = if config.scrapers.are_none() { &usual } else { &config.scrapers };
        let mut parts = Vec::new();
        for Chosen { name, metrics, switches, make } in scrapers.chosen(&mut problems) {
            let key = format!("scrapers.{name}.metrics");
            let selection = Selection::of(metrics, switches, &key, &mut problems);
            parts.push(Planned { name, selection, make });
        }
        // In the order of the list but for these, so that the others were read when one of these hangs.
        parts.sort_by_key(|planned| MAY_BLOCK.iter().position(|name| *name == planned.name));
        let root = Root::new(&config.root_path);
        if problems.is_empty() { Ok(Self { root, parts }) } else { Err(problems) }
    }

    /// For the one who starts the collector.
    pub(super) fn describe(&self) -> String {
        let names: Vec<_> = self.parts.iter().map(|planned| planned.name).collect();
        format!("reading {} under {}", names.join(", "), self.root.path("").display())
    }
}

impl Host {
    pub(super) fn new(plan: &Plan, context: &Context, at_work: AtWork) -> Self {
        let resource = context.registry.resource(identity::resource(&plan.root));
        let owner = Owner { id: 0, resource, attributes: Arc::default(), start_unix_nano: 0 };
        let scope = Scope {
            name: "inferometer/receivers/host_metrics".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Scope::default()
        };
        let scraped = |planned: &Planned| Scraped {
            name: planned.name,
            selection: planned.selection.clone(),
            part: (planned.make)(),
            metrics: ScraperMetrics::new(&context.meter, &context.id, planned.name),
            took: Duration::ZERO,
            errors: Vec::new(),
        };
        Self {
            id: context.id.clone(),
            root: plan.root.clone(),
            recorder: Recorder::new(context.registry.clone(), scope, owner.clone()),
            owner,
            at_work,
            parts: plan.parts.iter().map(scraped).collect(),
        }
    }

    pub(super) fn scrape(&mut self, time_unix_nano: u64) -> Batch {
        self.learn_start();
        self.recorder.begin(time_unix_nano);
        for scraped in &mut self.parts {
            let began = Instant::now();
            self.at_work.begin(scraped.name);
            self.recorder.turn_to(&scraped.selection, &self.owner);
            if let Err(message) = scraped.part.read(&self.root, &mut self.recorder) {
                let lost = scraped.selection.is_on.iter().filter(|is_on| **is_on).count();
                self.recorder.error(lost as u64, message);
            }
            let tally = self.recorder.take_tally();
            scraped.metrics.scraped(tally.scraped);
            scraped.metrics.errored(tally.errored);
            scraped.note(&self.id, tally.errors);
            scraped.took = began.elapsed();
        }
        self.record_scrapers();
        self.recorder.finish()
    }

    /// Tells with the kernel's tables how each scraper fared, as those who read them expect it.
    fn record_scrapers(&mut self) {
        let is_linux = |scraped: &&Scraped| std::ptr::eq(scraped.selection.definitions, linux::METRICS);
        let Some(linux) = self.parts.iter().find(is_linux) else { return };
        self.recorder.turn_to(&linux.selection, &self.owner);
        for scraped in &self.parts {
            let labels = [("linux.scraper", Label::Text(scraped.name))];
            self.recorder.double(linux::SCRAPER_DURATION, &labels, scraped.took.as_secs_f64());
            self.recorder.int(linux::SCRAPER_SUCCESS, &labels, u64::from(scraped.errors.is_empty()));
        }
    }

    /// See [`Recorder::inherit`].
    pub(super) fn inherit(&mut self, series: Vec<Series>) {
        self.recorder.inherit(series);
    }

    /// See [`Recorder::drain`].
    pub(super) fn drain(&mut self) -> Vec<Series> {
        self.recorder.drain()
    }

    /// The host's counters count from when it was started.
    ///
    /// Learned once: the kernel derives it from the wall clock, and it would move with it.
    fn learn_start(&mut self) {
        if self.owner.start_unix_nano == 0 {
            let text = self.root.read_optional("proc/stat").unwrap_or_default();
            let seconds = value_of(&text, "btime").unwrap_or(0);
            self.owner.start_unix_nano = seconds.saturating_mul(1_000_000_000);
        }
    }
}

impl Scraped {
    fn note(&mut self, receiver: &str, errors: Vec<String>) {
        let new: BTreeSet<_> = errors.iter().collect();
        let old: BTreeSet<_> = self.errors.iter().collect();
        if new == old {
            return;
        }
        if errors.is_empty() {
            info!(receiver, scraper = self.name, "reading works again");
        } else {
            let errors = errors.join("; ");
            warn!(receiver, scraper = self.name, errors, "not everything could be read");
        }
        self.errors = errors;
    }
}

#[cfg(test)]
impl Host {
    pub(super) fn errors(&self) -> Vec<(&'static str, String)> {
        let errors = |scraped: &Scraped| {
            scraped.errors.iter().map(|error| (scraped.name, error.clone())).collect::<Vec<_>>()
        };
        self.parts.iter().flat_map(errors).collect()
    }
}
