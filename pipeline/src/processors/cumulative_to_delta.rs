//! Turns cumulative sums and histograms into deltas.
//!
//! Of each stream the last value is remembered. A point says how much was added since the one before; a value
//! that has started anew meanwhile was added whole.

mod differ;

#[cfg(test)]
mod tests;

use config::{Duration, Problem, Problems, Section};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use self::differ::{Differ, InitialValue, Outcome};
use super::matcher::{MatchType, Names};
use super::streams::{Found, Report, Streams, time_max};
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::{BatchProcessor, Context, Entry, Processor, ProcessorEntry};
use crate::metric::{Kind, Temporality};
use crate::point::Point;
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "cumulative_to_delta",
    aliases: &["cumulativetodelta"],
    ignored: &[],
    about: "Turns cumulative sums and histograms into deltas.",
    example: r#"
include:
  metrics: ["^http\\.", "^gen_ai\\."]
  match_type: regexp
exclude:
  metric_types: [histogram]
max_staleness: 1h
"#,
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Only these metrics; all where it is missing.
    include: Option<MatchConfig>,
    /// None of these metrics; wins over `include`.
    exclude: Option<MatchConfig>,
    /// After how long a silence a stream is forgotten; 0 for never.
    max_staleness: Duration,
    /// What is made of the first point of a stream.
    initial_value: InitialValue,
    /// How many streams are remembered; the points of others are dropped.
    max_streams: usize,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MatchConfig {
    /// One of these names.
    metrics: Vec<String>,
    match_type: Option<MatchType>,
    /// One of these types.
    metric_types: Vec<MetricType>,
    /// Settings of a cache of patterns; taken for compatibility, there is none.
    regexp: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum MetricType {
    Sum,
    Histogram,
    ExponentialHistogram,
}

struct CumulativeToDelta {
    selection: Selection,
    streams: Streams<differ::Last>,
    differ: Differ,
    clock: Clock,
    report: Report,
}

struct Selection {
    include: Option<Match>,
    exclude: Option<Match>,
}

struct Match {
    names: Names,
    types: Vec<MetricType>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            include: None,
            exclude: None,
            max_staleness: Duration(std::time::Duration::from_hours(1)),
            initial_value: InitialValue::Auto,
            max_streams: 1_000_000,
        }
    }
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config| made(&config, section, context))
}

fn made(config: &Config, section: &Section, context: &Context) -> Result<Processor, Problems> {
    let mut problems = Vec::new();
    let mut compile = |config: &Option<MatchConfig>, key: &str| {
        config.as_ref().map(|config| config.compile(section, key, &mut problems))
    };
    let selection = Selection {
        include: compile(&config.include, "include"),
        exclude: compile(&config.exclude, "exclude"),
    };
    if config.max_streams == 0 {
        problems.push(section.problem("max_streams", "needs to be at least 1"));
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    let age_max = (!config.max_staleness.is_zero()).then_some(config.max_staleness.0);
    Ok(Processor::Batch(Box::new(CumulativeToDelta {
        selection,
        streams: Streams::new(context.registry.clone(), config.max_streams, age_max),
        differ: Differ { initial_value: config.initial_value, begun_unix_nano: context.clock.unix_nano() },
        clock: context.clock.clone(),
        report: Report::new(context),
    })))
}

impl MatchConfig {
    fn compile(&self, section: &Section, key: &str, problems: &mut Vec<Problem>) -> Match {
        let mut wrong =
            |at: &str, message: &str| problems.push(section.problem(&format!("{key}.{at}"), message));
        // A list that could not be read has been told of already.
        let has_types = section.has(&format!("{key}.metric_types"));
        if self.metrics.is_empty() && !has_types {
            wrong("metrics", "needs `metrics` or `metric_types`");
        }
        let match_type = match (self.match_type, self.metrics.is_empty()) {
            (None, false) => {
                wrong("match_type", "expected `strict` or `regexp`");
                MatchType::Strict
            }
            (given, _) => given.unwrap_or(MatchType::Strict),
        };
        let names = Names::compile(&self.metrics, match_type).unwrap_or_else(|messages| {
            for (index, message) in messages {
                wrong(&format!("metrics[{index}]"), &message);
            }
            Names::default()
        });
        Match { names, types: self.metric_types.clone() }
    }
}

impl Match {
    fn fits(&self, name: &str, of: MetricType) -> bool {
        (self.names.is_empty() || self.names.contain(name))
            && (self.types.is_empty() || self.types.contains(&of))
    }
}

impl Selection {
    /// What becomes of the metric; `None` where it is left as it is.
    fn delta_kind(&self, series: &Series) -> Option<Kind> {
        let metric = series.metric();
        let temporality = Temporality::Delta;
        let (of, delta) = match metric.kind {
            Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: true } => {
                (MetricType::Sum, Kind::Sum { temporality, is_monotonic: true })
            }
            Kind::Histogram { temporality: Temporality::Cumulative } => {
                (MetricType::Histogram, Kind::Histogram { temporality })
            }
            Kind::ExponentialHistogram { temporality: Temporality::Cumulative } => {
                (MetricType::ExponentialHistogram, Kind::ExponentialHistogram { temporality })
            }
            _ => return None,
        };
        let fits = |selection: &Match| selection.fits(&metric.name, of);
        (self.include.as_ref().is_none_or(fits) && !self.exclude.as_ref().is_some_and(fits)).then_some(delta)
    }
}

impl CumulativeToDelta {
    /// Whether the point goes on.
    fn convert(&mut self, point: &mut Point, now: Instant, time_max: u64) -> bool {
        let stream = match self.streams.find(&point.series, now, |series| self.selection.delta_kind(series)) {
            Found::Passes => return true,
            Found::Stream(stream) => stream,
            Found::Refused(reason) => {
                self.report.dropped(reason);
                return false;
            }
        };
        point.series = stream.output.clone();
        if point.is_stale() {
            // It is only silent, as far as is known: what it counted so far stays.
            point.start_unix_nano = 0;
            return true;
        }
        if point.time_unix_nano > time_max {
            self.report.dropped("future");
            return false;
        }
        let before = differ::Last::time(stream.state.as_ref());
        let outcome = Differ::convert(point, &mut stream.state, &mut self.report);
        if differ::Last::time(stream.state.as_ref()) != before {
            stream.heard(now);
        }
        match outcome {
            Outcome::Delta => true,
            Outcome::First => self.keeps_first(point, now, time_max),
            Outcome::Dropped => false,
        }
    }

    #[cold]
    fn keeps_first(&mut self, point: &Point, now: Instant, time_max: u64) -> bool {
        // No stream that was forgotten then had begun later, nor could it have been further ahead of the clock.
        let forgotten = self.streams.forgotten().map_or(0, |forgotten| {
            let ago = u64::try_from(now.duration_since(forgotten).as_nanos()).unwrap_or(u64::MAX);
            time_max.saturating_sub(ago)
        });
        let keeps = self.differ.keeps_first(point, forgotten);
        if !keeps {
            self.report.dropped("first");
        }
        keeps
    }
}

impl BatchProcessor for CumulativeToDelta {
    fn process(&mut self, batch: &mut Batch) {
        batch.order_by_time();
        let now = Instant::now();
        let time_max = time_max(&self.clock);
        batch.retain(|point| self.convert(point, now, time_max));
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
