//! Turns delta sums into gauges that say how much there was a second.

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::sync::Arc;

use config::{Problems, Section};
use serde::{Deserialize, Serialize};

use super::streams::{Report, of_kind};
use crate::batch::Batch;
use crate::component::{BatchProcessor, Context, Entry, Processor, ProcessorEntry};
use crate::growth::number;
use crate::metric::{Kind, Temporality};
use crate::per_series::PerSeries;
use crate::point::{Point, Value};
use crate::registry::{Full, Registry};
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "delta_to_rate",
    aliases: &["deltatorate"],
    ignored: &[],
    about: "Turns delta sums into rates a second.",
    example: "
metrics: [http.server.requests, http.server.bytes]
",
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// The names of the metrics.
    metrics: Vec<String>,
}

struct DeltaToRate {
    metrics: HashSet<String>,
    registry: Arc<Registry>,
    /// The gauge that each series becomes; `None` for those that pass.
    rates: PerSeries<Option<Series>>,
    report: Report,
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| {
        if config.metrics.is_empty() {
            return Err(section.problem("metrics", "needs the name of a metric").into());
        }
        Ok(Processor::Batch(Box::new(DeltaToRate {
            metrics: config.metrics.into_iter().collect(),
            registry: context.registry.clone(),
            rates: PerSeries::default(),
            report: Report::new(context),
        })))
    })
}

impl DeltaToRate {
    /// Whether the point goes on.
    fn convert(&mut self, point: &mut Point) -> bool {
        if self.rates.get(&point.series).is_none() {
            let Ok(rate) = self.rate_of(&point.series) else {
                self.report.dropped("series_limit");
                return false;
            };
            self.rates.insert(&point.series, rate);
        }
        let Some(Some(rate)) = self.rates.get(&point.series) else { return true };
        point.series = rate.clone();
        if point.is_stale() {
            return true;
        }
        let Some(sum) = number(&point.value) else {
            self.report.dropped("empty");
            return false;
        };
        let (start, time) = (point.start_unix_nano, point.time_unix_nano);
        if start == 0 || start >= time {
            self.report.dropped("no_interval");
            return false;
        }
        point.value = Value::Double(sum / ((time - start) as f64 / 1e9));
        true
    }

    fn rate_of(&self, series: &Series) -> Result<Option<Series>, Full> {
        let metric = series.metric();
        let is_delta = matches!(metric.kind, Kind::Sum { temporality: Temporality::Delta, .. });
        if !is_delta || !self.metrics.contains(&metric.name) {
            return Ok(None);
        }
        of_kind(&self.registry, series, Kind::Gauge).map(Some)
    }
}

impl BatchProcessor for DeltaToRate {
    fn process(&mut self, batch: &mut Batch) {
        batch.retain(|point| self.convert(point));
        self.report.flush(0);
    }

    fn sweep(&mut self) {
        self.rates.sweep();
    }

    fn sweep_some(&mut self, from: usize, count: usize) -> Option<usize> {
        self.rates.sweep_some(from, count)
    }
}
