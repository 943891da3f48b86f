//! Gives cumulative points that come without a start time one, by one of three strategies.

mod origin;
mod starts;

#[cfg(test)]
mod tests;

use config::{Duration, Problems, Section};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::origin::{FirstPoint, Origin};
use self::starts::Starts;
use super::streams::{Found, Report, Streams, time_max};
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::{BatchProcessor, Context, Entry, Processor, ProcessorEntry};
use crate::metric::{Kind, Temporality};
use crate::point::Point;
use crate::relabel::unanchored;
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "metric_start_time",
    aliases: &["metricstarttime"],
    ignored: &[],
    about: "Gives cumulative points that come without a start time one.",
    example: "
strategy: start_time_metric
gc_interval: 10m
start_time_metric_regex: ^.+_process_start_time_seconds$
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Where the start comes from.
    strategy: Strategy,
    /// After how long a silence a stream, or the start of a resource, is forgotten.
    gc_interval: Duration,
    /// The metric that tells the start, for `start_time_metric`; `process_start_time_seconds` where it is empty.
    start_time_metric_regex: String,
    /// How many streams, or starts of resources, are remembered.
    max_streams: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Strategy {
    /// The first point of a stream starts at its own time, and so do those after it, until one is less.
    TrueResetPoint,
    /// The first point of a stream is taken away from those after it.
    SubtractInitialPoint,
    /// Another metric of the same resource tells it.
    StartTimeMetric,
}

/// By what each stream itself has shown.
struct ByStream {
    streams: Streams<Origin>,
    first: FirstPoint,
    clock: Clock,
    report: Report,
}

/// By what another metric tells.
struct ByMetric {
    starts: Starts,
    report: Report,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            strategy: Strategy::TrueResetPoint,
            gc_interval: Duration(std::time::Duration::from_mins(10)),
            start_time_metric_regex: String::new(),
            max_streams: 1_000_000,
        }
    }
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config| made(&config, section, context))
}

fn made(config: &Config, section: &Section, context: &Context) -> Result<Processor, Problems> {
    let mut problems = Vec::new();
    if config.gc_interval.is_zero() {
        problems.push(section.problem("gc_interval", "needs to be more than 0"));
    }
    if config.max_streams == 0 {
        problems.push(section.problem("max_streams", "needs to be at least 1"));
    }
    let pattern = match config.start_time_metric_regex.as_str() {
        "" => "^process_start_time_seconds$",
        pattern => pattern,
    };
    let pattern = unanchored(pattern)
        .map_err(|message| problems.push(section.problem("start_time_metric_regex", message)));
    let (Ok(pattern), true) = (pattern, problems.is_empty()) else { return Err(Problems(problems)) };
    let report = Report::new(context);
    let first = match config.strategy {
        Strategy::TrueResetPoint => FirstPoint::Kept,
        Strategy::SubtractInitialPoint => FirstPoint::Subtracted,
        Strategy::StartTimeMetric => {
            let starts = Starts::new(pattern, config.max_streams, config.gc_interval.0);
            return Ok(Processor::Batch(Box::new(ByMetric { starts, report })));
        }
    };
    let streams = Streams::new(context.registry.clone(), config.max_streams, Some(config.gc_interval.0));
    Ok(Processor::Batch(Box::new(ByStream { streams, first, clock: context.clock.clone(), report })))
}

impl ByStream {
    /// Whether the point goes on.
    fn start(&mut self, point: &mut Point, now: Instant, time_max: u64) -> bool {
        if point.start_unix_nano != 0 {
            return true;
        }
        match self.streams.find(&point.series, now, counting_kind) {
            Found::Passes => true,
            Found::Stream(_) if point.is_stale() => true,
            // As where there is no room: nothing is learned of it.
            Found::Stream(_) if point.time_unix_nano > time_max => {
                let is_kept = self.first == FirstPoint::Kept;
                if !is_kept {
                    self.report.dropped("future");
                }
                is_kept
            }
            Found::Stream(stream) => {
                let before = Origin::time(stream.state.as_ref());
                let goes_on = self.first.start(point, &mut stream.state, &mut self.report);
                if Origin::time(stream.state.as_ref()) != before {
                    stream.heard(now);
                }
                goes_on
            }
            // Without a start it is still of use; with too much in it, it is not.
            Found::Refused(_) if self.first == FirstPoint::Kept => true,
            Found::Refused(reason) => {
                self.report.dropped(reason);
                false
            }
        }
    }
}

impl BatchProcessor for ByStream {
    fn process(&mut self, batch: &mut Batch) {
        batch.order_by_time();
        let now = Instant::now();
        let time_max = time_max(&self.clock);
        batch.retain(|point| self.start(point, now, time_max));
        self.report.flush(self.streams.tracked());
    }

    fn sweep(&mut self) {
        self.sweep_some(0, usize::MAX);
    }

    fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        let next = self.streams.sweep_some(from, count);
        self.report.flush(self.streams.tracked());
        next
    }

    fn lasts(&self) -> bool {
        true
    }
}

impl BatchProcessor for ByMetric {
    fn process(&mut self, batch: &mut Batch) {
        // It may come behind the points that it is for.
        for point in batch.iter() {
            self.starts.learn(point);
        }
        for point in batch {
            self.starts.start(point);
        }
        self.report.flush(self.starts.known());
    }

    fn sweep(&mut self) {
        self.starts.sweep();
        self.report.flush(self.starts.known());
    }

    fn lasts(&self) -> bool {
        true
    }
}

/// The kind of a series whose values never become less, but for a new start.
fn counting_kind(series: &Series) -> Option<Kind> {
    let kind = series.metric().kind;
    match kind {
        Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: true }
        | Kind::Histogram { temporality: Temporality::Cumulative }
        | Kind::ExponentialHistogram { temporality: Temporality::Cumulative }
        | Kind::Summary => Some(kind),
        _ => None,
    }
}
