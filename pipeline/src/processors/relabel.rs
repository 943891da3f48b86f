//! Renames metrics and rewrites or drops series by Prometheus relabelling rules.
//!
//! A rule sees the metric's name as `__name__`, the point's attributes as labels, and, where the point has
//! no attribute of that name, the resource's `service.name` (behind `service.namespace` and a slash, where
//! there is one) as `job` and its `service.instance.id` as `instance`. These two are there to be read: what
//! a rule writes into them is not kept.

use std::sync::Arc;

use config::{Problems, Section};
use serde::{Deserialize, Serialize};

use super::actions::text_of;
use crate::attributes::Attributes;
use crate::component::{Context, Entry, Processor, ProcessorEntry, SeriesProcessor};
use crate::metric::Metric;
use crate::registry::{Full, Registry};
use crate::relabel::{Labels, RuleConfig, Rules};
use crate::series::Series;
use crate::value::AnyValue;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "relabel",
    aliases: &[],
    ignored: &[],
    about: "Renames metrics and rewrites or drops series by Prometheus relabelling rules.",
    example: r#"
rules:
  - {source_labels: [__name__], regex: "debug_.*", action: drop}
  - {source_labels: [hw.id], regex: "GPU-(.{8}).*", target_label: gpu, replacement: "$1"}
  - {regex: internal_.*, action: labeldrop}
"#,
    effective: config::effective::<Config>,
    build,
};

const NAME: &str = "__name__";

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What is done, in order; each rule as in Prometheus' `metric_relabel_configs`.
    rules: Vec<RuleConfig>,
}

struct RelabelProcessor {
    rules: Rules,
    registry: Arc<Registry>,
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<Processor, Problems> {
    if config.rules.is_empty() {
        return Err(section.problem("rules", "needs at least one rule").into());
    }
    let rules = Rules::compile(&config.rules).map_err(|messages| {
        let problem = |(index, message)| section.problem(&format!("rules[{index}]"), message);
        Problems(messages.into_iter().map(problem).collect())
    })?;
    Ok(Processor::Series(Box::new(RelabelProcessor { rules, registry: context.registry.clone() })))
}

impl SeriesProcessor for RelabelProcessor {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        let before = series.attributes().to_pairs();
        let mut labels: Labels = before.iter().map(|(key, value)| (key.as_str(), text_of(value))).collect();
        let lent = lent_labels(series, &labels);
        for (name, value) in &lent {
            labels.set(*name, value.as_str());
        }
        labels.set(NAME, series.metric().name.as_str());
        if !self.rules.apply(&mut labels) {
            return Ok(None);
        }
        // A series without a name cannot be; one whose name a rule took away keeps it.
        let name = labels.remove(NAME).unwrap_or_else(|| series.metric().name.clone());
        for (lent, _) in &lent {
            labels.remove(lent);
        }
        let attributes = attributes_of(labels, &before);
        if name == series.metric().name && attributes == *series.attributes() {
            return Ok(Some(series.clone()));
        }
        let metric = if name == series.metric().name {
            series.metric().clone()
        } else {
            self.registry.metric(Metric { name, ..series.metric().as_ref().clone() })
        };
        self.registry.series(series.resource(), series.scope(), &metric, attributes).map(Some)
    }
}

/// The labels the resource gives for reading.
fn lent_labels(series: &Series, own: &Labels) -> Vec<(&'static str, String)> {
    let attributes = &series.resource().attributes;
    let text = |key| attributes.get(key).map(|value| text_of(&value.to_owned()));
    let job = text("service.name").map(|name| match text("service.namespace") {
        Some(namespace) if !namespace.is_empty() => format!("{namespace}/{name}"),
        _ => name,
    });
    let lent = [("job", job), ("instance", text("service.instance.id"))];
    lent.into_iter()
        .filter_map(|(name, value)| value.map(|value| (name, value)))
        .filter(|(name, value)| !own.contains(name) && !value.is_empty())
        .collect()
}

/// Labels as attributes: an unchanged one keeps its type, and an attribute of empty text, which a label
/// cannot show, stays; labels the rules made for themselves (`__...`) go.
fn attributes_of(labels: Labels, before: &[(String, AnyValue)]) -> Attributes {
    let original = |name: &str| before.iter().find(|(key, _)| key == name).map(|(_, value)| value);
    let mut pairs: Vec<_> = before.iter().filter(|(_, value)| text_of(value).is_empty()).cloned().collect();
    for (name, value) in labels {
        match original(&name) {
            Some(typed) if text_of(typed) == value => pairs.push((name, typed.clone())),
            None if name.starts_with("__") => {}
            _ => pairs.push((name, value.into())),
        }
    }
    Attributes::new(pairs)
}
