//! One target being scraped: asking, reading, reporting, and saying what changed.

#[cfg(test)]
mod tests;

use foldhash::HashSet;
use futures_util::future::BoxFuture;
use pipeline::component::Scraper;
use pipeline::succession::Term;
use pipeline::telemetry::{ReceiverMetrics, ScraperMetrics};
use pipeline::{Batch, Point};
use tokio::time::Instant;
use tracing::{debug, error, info, warn};

use super::fetch::{FetchError, Fetcher};
use super::points::Counts;
use super::reader::{ReadError, Reader, Reading};
use super::report::{Extra, Report, Reporter};
use super::target::Target;

/// Scrapes one target.
#[derive(Debug)]
pub(crate) struct TargetScraper {
    target: Target,
    fetcher: Fetcher,
    reader: Reader,
    metrics: Metrics,
    reporter: Reporter,
    /// Why the target is not to be asked at all: its job has more targets than allowed.
    refusal: Option<String>,
    /// `None` before the first scrape.
    is_up: Option<bool>,
    /// How the last scrape ended; `None` before the first.
    outcome: Option<Outcome>,
    has_warned: bool,
    succession: Option<Succession>,
}

/// How a scrape ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Up,
    /// No complete answer in time: overloaded, as far as one can tell.
    Slow,
    /// No answer, or none that could be read.
    Down,
}

/// What a target counts in.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    pub(crate) receiver: ReceiverMetrics,
    pub(crate) scraper: ScraperMetrics,
}

/// What leads from a target to the same target of the receiver before and after.
#[derive(Debug)]
struct Succession {
    term: Term,
    key: String,
}

impl TargetScraper {
    pub(crate) fn new(
        target: Target,
        fetcher: Fetcher,
        mut reader: Reader,
        metrics: Metrics,
        extra: Option<Extra>,
    ) -> Self {
        Self {
            reporter: Reporter::new(extra, reader.resolver()),
            target,
            fetcher,
            reader,
            metrics,
            refusal: None,
            is_up: None,
            outcome: None,
            has_warned: false,
            succession: None,
        }
    }

    /// Claims the target under its key: what the receiver before leaves of it comes here.
    pub(crate) fn succeeding(mut self, term: &Term, key: String) -> Self {
        term.claim(&key);
        self.succession = Some(Succession { term: term.clone(), key });
        self
    }

    /// Never asks the target, and says why.
    pub(crate) fn refused(mut self, reason: String) -> Self {
        self.refusal = Some(reason);
        self
    }

    async fn scrape_at(&mut self, time_unix_nano: u64) -> Batch {
        let started = Instant::now();
        let has_inherited = self.inherit();
        let mut report = Report::default();
        let mut is_slow = false;
        let answer = match &self.refusal {
            Some(reason) => Err(reason.clone()),
            None => match self.fetcher.fetch(&self.target).await {
                Ok(answer) => Ok(answer),
                Err(error) => {
                    is_slow = matches!(error, FetchError::Timeout(_));
                    report.body_size_bytes = if error.is_too_large() { -1.0 } else { 0.0 };
                    Err(printable(&error))
                }
            },
        };
        let (mut batch, cause) = match answer {
            Ok((body, format)) => {
                report.body_size_bytes = body.len() as f64;
                let Reading { batch, counts, error } = self.reader.read(&body, format, time_unix_nano);
                report.counts = counts;
                (batch, error.as_ref().map(ReadError::to_string))
            }
            Err(cause) => (self.reader.end_all(time_unix_nano), Some(cause)),
        };
        report.is_up = cause.is_none();
        self.outcome = Some(match (report.is_up, is_slow) {
            (true, _) => Outcome::Up,
            (false, true) => Outcome::Slow,
            (false, false) => Outcome::Down,
        });
        report.duration_seconds = started.elapsed().as_secs_f64();
        self.say_state(cause.as_deref());
        self.count(&report);
        let resolver = self.reader.resolver();
        let refused = self.reporter.report(&report, resolver, time_unix_nano, &mut batch);
        self.metrics.receiver.refused(refused as u64);
        if has_inherited {
            let reporter = &self.reporter;
            batch.retain(|point| !point.is_stale() || reporter.series().all(|own| *own != point.series));
        }
        self.metrics.receiver.accepted(batch.len() as u64);
        batch
    }

    /// Takes over what the receiver before has left of this target; `true` where it has left something.
    fn inherit(&mut self) -> bool {
        let Some(Succession { term, key }) = &self.succession else { return false };
        let inherited = term.inherited(key);
        let has_inherited = !inherited.is_empty();
        self.reader.inherit(inherited);
        has_inherited
    }

    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.outcome
    }

    /// The markers of all its series: the target is no longer scraped, while the receiver runs on.
    pub(crate) fn end(mut self, time_unix_nano: u64) -> Batch {
        self.inherit();
        let mut batch = self.reader.end_all(time_unix_nano);
        let own = self.reporter.series().filter(|_| self.is_up.is_some());
        batch.append(own.map(|series| Point::stale(series.clone(), time_unix_nano)).collect());
        batch
    }

    /// Leaves the target's series to the receiver that follows; gives the markers of those it does not go
    /// on with.
    pub(crate) fn retire(mut self, time_unix_nano: u64) -> Batch {
        self.inherit();
        let Some(Succession { term, key }) = &self.succession else { return Batch::new() };
        let mut series: HashSet<_> =
            self.reader.end_all(time_unix_nano).into_iter().map(|point| point.series).collect();
        if self.is_up.is_some() {
            series.extend(self.reporter.series().cloned());
        }
        let series = series.into_iter().collect();
        term.leave(key, series).into_iter().map(|series| Point::stale(series, time_unix_nano)).collect()
    }

    /// Logs that the target has gone, or has come back: once each.
    fn say_state(&mut self, cause: Option<&str>) {
        let was_up = self.is_up.replace(cause.is_none());
        let (job, instance) = (self.target.label("job"), self.target.label("instance"));
        let url = self.target.shown_url();
        match (was_up, cause) {
            (None | Some(true), Some(cause)) => error!(job, instance, url, cause, "scrape failed"),
            (Some(false), None) => info!(job, instance, url, "scrape works again"),
            (_, Some(cause)) => debug!(job, instance, url, cause, "scrape failed again"),
            _ => {}
        }
    }

    /// Counts what was read and what of it gives no point, and warns of the latter the first time.
    fn count(&mut self, report: &Report) {
        let counts = &report.counts;
        let mut lost = 0;
        for (reason, count) in counts.losses() {
            if count > 0 {
                self.metrics.scraper.dropped(count as u64, reason);
                lost += count;
            }
        }
        let unread = if report.is_up { 0 } else { counts.scraped };
        self.metrics.scraper.scraped(counts.points as u64);
        self.metrics.scraper.errored((lost + counts.refused + unread) as u64);
        self.metrics.receiver.failed(lost as u64);
        self.metrics.receiver.refused(counts.refused as u64);
        let is_odd = lost + counts.refused + counts.late_starts + counts.unknown_types > 0;
        if is_odd && !std::mem::replace(&mut self.has_warned, true) {
            self.warn(counts);
        }
    }

    fn warn(&self, counts: &Counts) {
        warn!(
            job = self.target.label("job"),
            instance = self.target.label("instance"),
            duplicates = counts.duplicates,
            incomplete_histograms = counts.incomplete,
            gauge_histograms = counts.unsupported,
            out_of_time = counts.out_of_time,
            over_series_limit = counts.refused,
            starts_dropped = counts.late_starts,
            unknown_types = counts.unknown_types,
            "parts of a scrape were dropped; from now on they are only counted"
        );
    }
}

impl Scraper for TargetScraper {
    fn scrape(&mut self, time_unix_nano: u64) -> BoxFuture<'_, Batch> {
        Box::pin(self.scrape_at(time_unix_nano))
    }
}

/// What a server says of itself must not break the log.
fn printable(error: &FetchError) -> String {
    const LENGTH_MAX: usize = 1024;
    let text = error.to_string();
    text.chars()
        .map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c })
        .take(LENGTH_MAX)
        .collect()
}
