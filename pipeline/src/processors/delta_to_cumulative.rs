//! Turns delta sums and histograms into cumulative ones, by adding up what comes.

mod telemetry;
mod total;

#[cfg(test)]
mod tests;

use config::{Duration, Problems, Section};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::telemetry::Telemetry;
use self::total::{Gaps, Total};
use super::streams::{Found, Report, Streams, is_negative, time_max, unusable};
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::{BatchProcessor, Context, Entry, Processor, ProcessorEntry};
use crate::metric::{Kind, Temporality};
use crate::point::Point;
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "delta_to_cumulative",
    aliases: &["deltatocumulative"],
    ignored: &[],
    about: "Turns delta sums and histograms into cumulative ones.",
    example: "
max_stale: 10m
max_streams: 100000
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// After how long a silence a stream is forgotten, and begun anew when it is heard of again.
    max_stale: Duration,
    /// How many streams are added up; the points of others are dropped.
    max_streams: usize,
    /// What is done where time is missing between two points of a stream.
    gaps: Gaps,
}

struct DeltaToCumulative {
    streams: Streams<Total>,
    gaps: Gaps,
    clock: Clock,
    report: Report,
    telemetry: Telemetry,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_stale: Duration(std::time::Duration::from_mins(5)),
            max_streams: 1_000_000,
            gaps: Gaps::Add,
        }
    }
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| {
        let mut problems = Vec::new();
        if config.max_stale.is_zero() {
            problems.push(section.problem("max_stale", "needs to be more than 0"));
        }
        if config.max_streams == 0 {
            problems.push(section.problem("max_streams", "needs to be at least 1"));
        }
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let Config { max_stale, max_streams, gaps } = config;
        Ok(Processor::Batch(Box::new(DeltaToCumulative {
            streams: Streams::new(context.registry.clone(), max_streams, Some(max_stale.0)),
            gaps,
            clock: context.clock.clone(),
            report: Report::new(context),
            telemetry: Telemetry::new(context, max_streams, max_stale.0),
        })))
    })
}

impl DeltaToCumulative {
    /// Whether the point goes on.
    fn convert(&mut self, point: &mut Point, now: Instant, time_max: u64) -> bool {
        let Some(kind) = cumulative_kind(&point.series) else { return true };
        self.telemetry.came();
        let stream = match self.streams.find(&point.series, now, |_| Some(kind)) {
            Found::Passes => return true,
            Found::Stream(stream) => stream,
            Found::Refused(reason) => {
                self.report.dropped(reason);
                return false;
            }
        };
        let output = stream.output.clone();
        if point.is_stale() {
            point.start_unix_nano = 0;
            let input = std::mem::replace(&mut point.series, output);
            self.streams.end(&input);
            return true;
        }
        let is_monotonic = matches!(kind, Kind::Sum { is_monotonic: true, .. });
        let unusable = unusable(&point.value)
            .or_else(|| total::unusable(&point.value))
            .or_else(|| (point.time_unix_nano > time_max).then_some("future"))
            .or_else(|| (is_monotonic && is_negative(&point.value)).then_some("negative"));
        if let Some(reason) = unusable {
            self.report.dropped(reason);
            return false;
        }
        point.series = output;
        let is_added = total::add(point, &mut stream.state, self.gaps, &mut self.report);
        if is_added {
            stream.heard(now);
        }
        is_added
    }
}

impl BatchProcessor for DeltaToCumulative {
    fn process(&mut self, batch: &mut Batch) {
        batch.order_by_time();
        let now = Instant::now();
        let time_max = time_max(&self.clock);
        batch.retain(|point| self.convert(point, now, time_max));
        self.telemetry.flush(&self.report, self.streams.tracked());
        self.report.flush(self.streams.tracked());
    }

    fn sweep(&mut self) {
        self.sweep_some(0, usize::MAX);
    }

    fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        let next = self.streams.sweep_some(from, count);
        self.telemetry.flush(&self.report, self.streams.tracked());
        self.report.flush(self.streams.tracked());
        next
    }

    fn lasts(&self) -> bool {
        true
    }
}

/// What is made of the series; `None` where it is no delta.
fn cumulative_kind(series: &Series) -> Option<Kind> {
    let temporality = Temporality::Cumulative;
    match series.metric().kind {
        Kind::Sum { temporality: Temporality::Delta, is_monotonic } => {
            Some(Kind::Sum { temporality, is_monotonic })
        }
        Kind::Histogram { temporality: Temporality::Delta } => Some(Kind::Histogram { temporality }),
        Kind::ExponentialHistogram { temporality: Temporality::Delta } => {
            Some(Kind::ExponentialHistogram { temporality })
        }
        _ => None,
    }
}
