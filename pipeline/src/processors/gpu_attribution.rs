//! Says which model a process on a GPU serves, and what GPUs do for each model.
//!
//! It watches two kinds of series that pass: what the scraped runners say, and what is read of GPUs. Nothing of
//! either is held back. A point that is neither costs one look-up.

mod derive;
mod machine;
mod outputs;
mod role;
mod runners;
mod window;

use std::collections::HashMap;
use std::sync::Arc;

use config::{Problems, Section};
use serde::{Deserialize, Serialize};

use self::machine::Machine;
use self::outputs::Outputs;
use self::role::{Role, Watch};
use self::runners::Runners;
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::clock::Clock;
use crate::component::{BatchProcessor, Context, Entry, Processor, ProcessorEntry};
use crate::per_series::PerSeries;
use crate::point::{Point, Value};
use crate::registry::Registry;
use crate::series::Series;
use crate::value::AnyValue;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "gpu_attribution",
    aliases: &[],
    ignored: &[],
    about: "Says which model a process on a GPU serves, and what GPUs do for each model.",
    example: "
derive: true
",
    effective: config::effective::<Config>,
    build,
};

/// A source that was not heard of for so long is gone.
const LIVE: u64 = 300 * SECOND;
const SECOND: u64 = 1_000_000_000;

/// Where a process and its relatives listen, the nearest first: for us, and of no use to others.
const PORTS: &str = "inferometer.process.ports";
const PORT: &str = "server.port";
/// What the metrics of processes begin with.
const PROCESS: &str = "hw.gpu.process.";
const MODEL: &str = "gen_ai.request.model";
const PROVIDER: &str = "gen_ai.provider.name";

#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Whether `gen_ai.server.gpu.*` is made; without it only the points of processes are completed.
    derive: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { derive: true }
    }
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config: Config| {
        let made = GpuAttribution::new(context.registry.clone(), context.clock.clone(), config.derive);
        Ok(Processor::Batch(Box::new(made)))
    })
}

struct GpuAttribution {
    registry: Arc<Registry>,
    clock: Clock,
    derives: bool,
    /// What each series is to us; most are nothing.
    roles: PerSeries<Option<Box<Watch>>>,
    /// Tells series apart that follow each other in one role.
    sources: u64,
    runners: Runners,
    machine: Machine,
    outputs: Outputs,
    /// Markers for series of processes that are called otherwise now.
    ended: Vec<Point>,
    /// Whether a process's series ends in this batch.
    ends: bool,
}

impl GpuAttribution {
    fn new(registry: Arc<Registry>, clock: Clock, derives: bool) -> Self {
        Self {
            outputs: Outputs::new(registry.clone()),
            registry,
            clock,
            derives,
            roles: PerSeries::default(),
            sources: 0,
            runners: Runners::default(),
            machine: Machine::default(),
            ended: Vec::new(),
            ends: false,
        }
    }

    fn point(&mut self, point: &mut Point, now: u64) {
        match self.roles.get_mut(&point.series) {
            Some(None) => return,
            // Whom it was about was forgotten meanwhile, or is new.
            Some(Some(watch)) if watch.role.is_known(&self.runners, &self.machine) => {}
            Some(Some(_)) | None => {
                let role = Role::of(&point.series, &mut self.runners, &mut self.machine, now);
                let before = self.roles.remove(&point.series).flatten();
                let renamed = before.and_then(|before| before.renamed);
                self.sources += 1;
                let source = self.sources;
                let watch = role.map(|role| Box::new(Watch { role, source, last: None, renamed }));
                self.roles.insert(&point.series, watch);
            }
        }
        let Some(Some(watch)) = self.roles.get_mut(&point.series) else { return };
        watch.take(point, &mut self.runners, &mut self.machine, now);
        let Role::Process { process, .. } = &watch.role else { return };
        let as_of = (self.runners.changes, self.machine.changes);
        let is_current = |known: &(u64, u64)| *known == as_of || point.is_stale();
        if watch.renamed.as_ref().is_none_or(|(known, _)| !is_current(known)) {
            let serves = self.machine.runner_of(process, &self.runners);
            let series = serving(&point.series, serves.map(|id| self.runners.get(id)), &self.registry);
            // It was out under another name.
            if let Some((_, before)) = watch.renamed.replace((as_of, series.clone()))
                && before != series
            {
                let before = before.unwrap_or_else(|| point.series.clone());
                self.ended.push(Point::stale(before, point.time_unix_nano));
            }
        }
        if let Some((_, Some(series))) = &watch.renamed {
            point.series = series.clone();
        }
        self.ends |= point.is_stale();
    }
}

impl BatchProcessor for GpuAttribution {
    fn process(&mut self, batch: &mut Batch) {
        let now = self.clock.unix_nano();
        for point in &mut *batch {
            self.point(point, now);
        }
        if self.ends || !self.ended.is_empty() {
            batch.extend(self.ended.drain(..));
            self.ends = false;
            drop_overtaken(batch);
        }
    }

    fn tick(&mut self) -> Batch {
        let now = self.clock.unix_nano();
        self.runners.forget_silent(now);
        self.machine.forget_silent(now);
        if !self.derives {
            return Batch::new();
        }
        let derived = derive::derive(&mut self.machine, &self.runners, now);
        self.outputs.update(derived, now)
    }

    fn sweep(&mut self) {
        self.roles.sweep();
    }
}

/// Leaves out the ends of series that go on: two series of a process may go on as one, as where a port of it is
/// new, and then the end of the first comes with the values of the second.
fn drop_overtaken(batch: &mut Batch) {
    let is_of_process = |point: &Point| point.series.metric().name.starts_with(PROCESS);
    let values = batch.iter().filter(|point| !point.is_stale() && is_of_process(point));
    let values: HashMap<Series, u64> =
        values.map(|point| (point.series.clone(), point.time_unix_nano)).collect();
    batch.retain(|point| {
        !point.is_stale() || values.get(&point.series).is_none_or(|time| *time < point.time_unix_nano)
    });
}

/// The series of a process, with what it serves; `None` where nothing changes or there is no room for another.
fn serving(series: &Series, runner: Option<(i64, &runners::Runner)>, registry: &Registry) -> Option<Series> {
    let mut pairs = series.attributes().to_pairs();
    let before = pairs.len();
    pairs.retain(|(key, _)| key != PORTS);
    let mut is_changed = pairs.len() != before;
    if let Some((port, runner)) = runner {
        let mut put = |key: &str, value: AnyValue| {
            pairs.retain(|(other, _)| other != key);
            pairs.push((key.to_owned(), value));
        };
        put(PORT, AnyValue::Int(port));
        if let Some(model) = runner.model() {
            put(MODEL, model.into());
        }
        if let Some(provider) = &runner.provider {
            put(PROVIDER, AnyValue::from(&**provider));
        }
        is_changed = true;
    }
    if !is_changed {
        return None;
    }
    let attributes = Attributes::new(pairs);
    let made = registry.series(series.resource(), series.scope(), series.metric(), attributes).ok()?;
    // What is the same all the same must not hold itself, or it would never be gone.
    (made != *series).then_some(made)
}

fn number(value: &Value) -> Option<f64> {
    let number = match value {
        Value::Int(value) => *value as f64,
        Value::Double(value) => *value,
        _ => return None,
    };
    number.is_finite().then_some(number)
}

#[cfg(test)]
mod tests;
