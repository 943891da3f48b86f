//! What readings are recorded as: metrics, and the labels that tell their series apart.

use std::collections::BTreeMap;
use std::sync::Arc;

use pipeline::{Kind, Temporality};
use serde::{Deserialize, Serialize};

/// A metric a scraper can give.
#[derive(Debug)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    /// The OpenTelemetry Collector's name, where it has another; switches know both.
    pub(crate) alias: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
    pub(crate) is_default: bool,
    pub(crate) description: &'static str,
}

impl Definition {
    /// A metric that is on by default, and has no other name.
    pub(crate) const fn new(
        kind: Kind,
        name: &'static str,
        unit: &'static str,
        description: &'static str,
    ) -> Self {
        Self { name, alias: "", unit, kind, is_default: true, description }
    }

    pub(crate) const fn counter(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::COUNTER, name, unit, description)
    }

    pub(crate) const fn gauge(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(Kind::Gauge, name, unit, description)
    }

    pub(crate) const fn up_down(name: &'static str, unit: &'static str, description: &'static str) -> Self {
        Self::new(UP_DOWN, name, unit, description)
    }

    /// The same metric, read only where it is switched on.
    pub(crate) const fn off(self) -> Self {
        Self { is_default: false, ..self }
    }
}

/// A metric that has its name from a table of the kernel: the definition's, a dot, and the key.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) key: &'a str,
    pub(crate) unit: &'static str,
    pub(crate) kind: Kind,
}

/// A sum that goes up and down.
pub(crate) const UP_DOWN: Kind = Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: false };

/// The value of an attribute of a reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Label<'a> {
    Text(&'a str),
    Int(i64),
}

/// The attributes of a reading; the same in the same order each time.
pub(crate) type Labels<'a> = &'a [(&'static str, Label<'a>)];

/// A scraper's metrics, and which of them are on.
#[derive(Debug, Clone)]
pub(crate) struct Selection {
    pub(crate) definitions: &'static [Definition],
    pub(crate) is_on: Arc<[bool]>,
}

/// Which metrics are on, in a section: only what differs from the default.
pub(crate) type Switches = BTreeMap<String, Switch>;

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Switch {
    pub(crate) enabled: Option<bool>,
}

impl Selection {
    /// What is on by default, and otherwise as `switches` say, whose place in the section is `key`.
    pub(crate) fn of(
        definitions: &'static [Definition],
        switches: &Switches,
        key: &str,
        problems: &mut Vec<(String, String)>,
    ) -> Self {
        let mut is_on: Vec<_> = definitions.iter().map(|definition| definition.is_default).collect();
        for (metric, switch) in switches {
            let is_it = |definition: &Definition| {
                definition.name == metric || (!metric.is_empty() && definition.alias == metric)
            };
            if let Some(place) = definitions.iter().position(is_it) {
                is_on[place] = switch.enabled.unwrap_or(is_on[place]);
            } else {
                let known: Vec<_> = definitions.iter().map(|definition| definition.name).collect();
                let instead = config::instead(metric, &known).unwrap_or_default();
                problems.push((format!("{key}.{metric}"), format!("unknown metric; {instead}")));
            }
        }
        Self { definitions, is_on: is_on.into() }
    }
}
