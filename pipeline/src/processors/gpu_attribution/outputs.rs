//! The series of what is derived, and their ends.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::machine::{Identity, Model};
use super::{MODEL, PROVIDER};
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::mapping::catalogue::catalogue;
use crate::mapping::compiled::OutputKind;
use crate::metric::{Kind, Metric, Temporality};
use crate::point::{Point, Value};
use crate::registry::Registry;
use crate::series::Series;
use crate::value::AnyValue;

/// What is derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Output {
    Memory,
    Claim,
    Utilization,
    Energy,
    EnergyPerToken,
    GenerationRate,
    Idle,
}

/// What, of which GPU (where it is of one), for whom.
pub(super) type Key = (Output, Option<Arc<str>>, Model);

/// A derived value.
#[derive(Debug)]
pub(super) struct Made {
    key: Key,
    identity: Identity,
    start_unix_nano: u64,
    value: Value,
}

/// What is out.
#[derive(Debug)]
pub(super) struct Outputs {
    registry: Arc<Registry>,
    known: BTreeMap<Key, Known>,
}

#[derive(Debug)]
struct Known {
    series: Series,
    is_current: bool,
}

impl Output {
    fn name(self) -> &'static str {
        match self {
            Self::Memory => "gen_ai.server.gpu.memory.usage",
            Self::Claim => "gen_ai.server.gpu.memory.claim",
            Self::Utilization => "gen_ai.server.gpu.utilization",
            Self::Energy => "gen_ai.server.gpu.energy",
            Self::EnergyPerToken => "gen_ai.server.gpu.energy_per_token",
            Self::GenerationRate => "gen_ai.server.gpu.generation.rate",
            Self::Idle => "gen_ai.server.gpu.idle",
        }
    }

    fn metric(self) -> Metric {
        let known = catalogue().metrics.get(self.name()).expect("a test looks each up in the conventions");
        let kind = match known.kind {
            OutputKind::Counter => Kind::COUNTER,
            OutputKind::UpDown => Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: false },
            _ => Kind::Gauge,
        };
        Metric::new(self.name(), known.unit.clone(), kind).with_description(known.about.clone())
    }
}

impl Made {
    pub(super) fn of(key: Key, identity: &Identity, value: Value) -> Self {
        Self { key, identity: identity.clone(), start_unix_nano: 0, value }
    }

    /// What is counted, since when.
    pub(super) fn since(self, start_unix_nano: u64) -> Self {
        Self { start_unix_nano, ..self }
    }
}

impl Outputs {
    pub(super) fn new(registry: Arc<Registry>) -> Self {
        Self { registry, known: BTreeMap::new() }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The points of what is told now, and markers of what was told before and is not any more.
    pub(super) fn update(&mut self, derived: Vec<Made>, now: u64) -> Batch {
        let mut batch = Batch::with_capacity(derived.len());
        for known in self.known.values_mut() {
            known.is_current = false;
        }
        for made in derived {
            let Some(series) = self.series(&made) else { continue };
            let known = Known { series: series.clone(), is_current: true };
            // A GPU that is described otherwise now is another series.
            if let Some(before) = self.known.insert(made.key, known)
                && before.series != series
            {
                batch.push(Point::stale(before.series, now));
            }
            batch
                .push(Point { start_unix_nano: made.start_unix_nano, ..Point::new(series, now, made.value) });
        }
        self.known.retain(|_, known| {
            if !known.is_current {
                batch.push(Point::stale(known.series.clone(), now));
            }
            known.is_current
        });
        batch
    }

    /// `None` where there is no room for another series: the registry counts that.
    fn series(&self, made: &Made) -> Option<Series> {
        let (output, _, model) = &made.key;
        let mut pairs = made.identity.attributes.clone();
        pairs.push((MODEL.to_owned(), AnyValue::from(&*model.name)));
        pairs.extend(model.provider.as_ref().map(|name| (PROVIDER.to_owned(), AnyValue::from(&**name))));
        let metric = self.registry.metric(output.metric());
        let identity = &made.identity;
        self.registry.series(&identity.resource, &identity.scope, &metric, Attributes::new(pairs)).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_conventions_have_every_derived_metric_and_no_other() {
        use Output::*;
        let all = [Memory, Claim, Utilization, Energy, EnergyPerToken, GenerationRate, Idle];
        let names: Vec<_> = all.map(|output| output.metric().name).into();
        let conventions = &catalogue().metrics.0;
        let expected: Vec<_> = conventions
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| name.starts_with("gen_ai.server.gpu."))
            .collect();
        assert_eq!(names, expected);
    }
}
