//! Changes the attributes of points by a list of actions.

use std::sync::Arc;

use config::{Problem, Problems, Section};
use serde::{Deserialize, Serialize};

use super::actions::{self, Action, ActionConfig};
use super::matcher::{AttributeConfig, MatchType, Names, Pairs};
use crate::attributes::Attributes;
use crate::component::{Context, Entry, Processor, ProcessorEntry, SeriesProcessor};
use crate::registry::{Full, Registry};
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "attributes",
    aliases: &[],
    ignored: &[],
    about: "Inserts, changes, deletes, hashes, extracts and converts attributes of points.",
    example: r#"
include:
  match_type: regexp
  metric_names: ["^gen_ai\\."]
actions:
  - {key: environment, value: production, action: insert}
  - {key: gpu, from_attribute: hw.id, action: upsert}
  - {key: user, action: hash}
  - {pattern: "^internal_", action: delete}
"#,
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Only these metrics; all where it is missing.
    include: Option<MatchConfig>,
    /// None of these metrics; wins over `include`.
    exclude: Option<MatchConfig>,
    /// What is done, in order.
    actions: Vec<ActionConfig>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MatchConfig {
    match_type: Option<MatchType>,
    /// One of these names.
    metric_names: Vec<String>,
    /// All of these attributes of the resource.
    resources: Vec<AttributeConfig>,
    /// Settings of a cache of patterns; taken for compatibility, there is none.
    regexp: Option<serde_json::Value>,
}

struct AttributesProcessor {
    include: Option<Match>,
    exclude: Option<Match>,
    actions: Vec<Action>,
    registry: Arc<Registry>,
}

struct Match {
    metric_names: Names,
    resources: Pairs,
}

fn build(section: &Section, context: &Context) -> Result<Processor, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<Processor, Problems> {
    let mut problems = Vec::new();
    let include = config.include.as_ref().map(|include| include.compile(section, "include", &mut problems));
    let exclude = config.exclude.as_ref().map(|exclude| exclude.compile(section, "exclude", &mut problems));
    let actions = actions::compile(&config.actions, "actions").unwrap_or_else(|messages| {
        problems.extend(messages.into_iter().map(|(key, message)| section.problem(&key, message)));
        Vec::new()
    });
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Processor::Series(Box::new(AttributesProcessor {
        include,
        exclude,
        actions,
        registry: context.registry.clone(),
    })))
}

impl MatchConfig {
    fn compile(&self, section: &Section, key: &str, problems: &mut Vec<Problem>) -> Match {
        let Some(match_type) = self.match_type else {
            problems.push(section.problem(&format!("{key}.match_type"), "expected `strict` or `regexp`"));
            return Match { metric_names: Names::default(), resources: Pairs::default() };
        };
        if self.metric_names.is_empty() && self.resources.is_empty() {
            problems.push(section.problem(key, "needs `metric_names` or `resources`"));
        }
        let mut note = |list: &str, messages: Vec<(usize, String)>| {
            problems.extend(
                messages
                    .into_iter()
                    .map(|(index, message)| section.problem(&format!("{key}.{list}[{index}]"), message)),
            );
        };
        let metric_names = Names::compile(&self.metric_names, match_type)
            .map_err(|messages| note("metric_names", messages))
            .unwrap_or_default();
        let resources = Pairs::compile(&self.resources, match_type)
            .map_err(|messages| note("resources", messages))
            .unwrap_or_default();
        Match { metric_names, resources }
    }
}

impl Match {
    fn is_met(&self, series: &Series) -> bool {
        (self.metric_names.is_empty() || self.metric_names.contain(&series.metric().name))
            && self.resources.are_in(&series.resource().attributes)
    }
}

impl SeriesProcessor for AttributesProcessor {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        let is_included = self.include.as_ref().is_none_or(|include| include.is_met(series));
        let is_excluded = self.exclude.as_ref().is_some_and(|exclude| exclude.is_met(series));
        if !is_included || is_excluded {
            return Ok(Some(series.clone()));
        }
        let mut pairs = series.attributes().to_pairs();
        for action in &self.actions {
            action.apply(&mut pairs);
        }
        let attributes = Attributes::new(pairs);
        if attributes == *series.attributes() {
            return Ok(Some(series.clone()));
        }
        self.registry.series(series.resource(), series.scope(), series.metric(), attributes).map(Some)
    }
}
