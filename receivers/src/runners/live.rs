//! A page of a runner that is being scraped, by a task of its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use pipeline::component::{BoxError, Context, Scraper};
use pipeline::scraper::{self, Schedule};
use pipeline::succession::Term;
use pipeline::{AnyValue, Batch, Output};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::Place;
use super::found::{Found, Page};
use super::runner::{Runner, Runners};
use crate::prometheus::Job;
use crate::prometheus::config::Global;
use crate::prometheus::scrape::{Metrics, Outcome, TargetScraper};
use crate::prometheus::target::Target;

/// What all pages share.
pub(crate) struct Shared {
    pub(crate) context: Context,
    pub(crate) metrics: Metrics,
    pub(crate) term: Term,
    pub(crate) output: Output,
    pub(crate) stop: CancellationToken,
}

/// A page that is scraped until it is ended, or until the receiver is told to stop.
#[derive(Debug)]
pub(crate) struct Live {
    /// Who it is: another runner, version or model is another.
    pub(crate) key: String,
    health: Arc<Health>,
    gone: CancellationToken,
}

/// How the scrapes of a page go.
#[derive(Debug, Default)]
struct Health(Mutex<State>);

#[derive(Debug, Default, Clone, Copy)]
struct State {
    outcome: Option<Outcome>,
    down_since: Option<Instant>,
    /// Whose names were on the page last.
    dialects: Runners,
}

/// A scraper that notes how it goes.
struct Watched {
    scraper: TargetScraper,
    health: Arc<Health>,
}

impl Live {
    /// Begins to scrape what [`target`] gave.
    pub(crate) fn start(
        (target, scraper): (Target, TargetScraper),
        shared: &Shared,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let key = target.identity.key();
        let scraper = scraper.succeeding(&shared.term, key.clone());
        let health = Arc::new(Health::default());
        let gone = shared.stop.child_token();
        let mut watched = Watched { scraper, health: health.clone() };
        // At once: a runner that was just found is of interest now.
        let schedule = Schedule { interval: target.interval, first: Duration::ZERO };
        let (clock, output) = (shared.context.clock.clone(), shared.output.clone());
        let (stop, ending) = (shared.stop.clone(), gone.clone());
        tasks.spawn(async move {
            scraper::run_until(&mut watched, schedule, &clock, &output, &ending).await;
            let Watched { scraper, .. } = watched;
            let now = clock.unix_nano();
            let ended = if stop.is_cancelled() { scraper.retire(now) } else { scraper.end(now) };
            output.offer(ended).await;
        });
        Self { key, health, gone }
    }

    /// Ends the scraping; its series get their markers.
    pub(crate) fn end(&self) {
        self.gone.cancel();
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.health.lock().outcome
    }

    /// Whose names its page had last; of a page that was not read yet, nobody's.
    pub(crate) fn dialects(&self) -> Runners {
        self.health.lock().dialects
    }

    pub(crate) fn is_down_for(&self, patience: Duration) -> bool {
        self.health.lock().down_since.is_some_and(|since| since.elapsed() >= patience)
    }
}

impl Health {
    fn note(&self, outcome: Option<Outcome>, batch: &Batch) {
        let mut state = self.lock();
        state.outcome = outcome;
        if outcome == Some(Outcome::Up) {
            state.down_since = None;
            state.dialects = dialects(batch);
        } else {
            state.down_since.get_or_insert_with(Instant::now);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Scraper for Watched {
    fn scrape(&mut self, time_unix_nano: u64) -> BoxFuture<'_, Batch> {
        Box::pin(async move {
            let batch = self.scraper.scrape(time_unix_nano).await;
            self.health.note(self.scraper.outcome(), &batch);
            batch
        })
    }
}

/// Whose names are in a batch.
fn dialects(batch: &Batch) -> Runners {
    let mut runners = Runners::default();
    for point in batch.iter().filter(|point| !point.is_stale()) {
        if let Some(runner) = Runner::of_metric(&point.series.metric().name) {
            runners.insert(runner);
        }
    }
    runners
}

/// The target that a page is, and what scrapes it.
pub(crate) fn target(
    place: &Place,
    found: &Found,
    page: &Page,
    shared: &Shared,
) -> Result<(Target, TargetScraper), BoxError> {
    let mut config = place.job();
    found.runner.name().clone_into(&mut config.job_name);
    config.metrics_path.clone_from(&page.path);
    if let (true, Some(model)) = (page.is_routed, &page.model) {
        let one = |text: &str| vec![text.to_owned()];
        config.params =
            BTreeMap::from([("model".to_owned(), one(model)), ("autoload".to_owned(), one("false"))]);
        // One address, several instances.
        for group in &mut config.static_configs {
            group.labels.insert("instance".to_owned(), format!("{}/{model}", place.address()));
        }
    }
    let global = Global::default();
    let job = Job::new(&config, &global)?;
    let (mut targets, problems) = job.targets();
    let mut target = targets.pop().ok_or_else(|| problems.join(", "))?;
    target.identity.resource.extend(attributes(found, page));
    let scraper = job.scraper(target.clone(), &shared.context.registry, shared.metrics.clone())?;
    Ok((target, scraper))
}

/// What the resource says besides the address.
fn attributes(found: &Found, page: &Page) -> Vec<(String, AnyValue)> {
    let name = found.runner.name();
    let told = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let attributes = [
        ("inferometer.runner", told(name)),
        ("gen_ai.provider.name", told(name)),
        ("service.version", told(&found.version)),
        ("gen_ai.request.model", page.model.clone()),
        ("gen_ai.operation.name", found.operation.map(str::to_owned)),
    ];
    let known = attributes.into_iter().filter_map(|(key, value)| Some((key, value?)));
    known.map(|(key, value)| (key.to_owned(), AnyValue::from(value.as_str()))).collect()
}
