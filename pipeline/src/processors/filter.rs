//! Drops series by name, resource attributes or conditions.
//!
//! A condition is written in the OpenTelemetry Transformation Language, as far as it speaks about what a
//! series is: see [`condition`]. What it says about a value is refused when the file is read.

mod condition;
mod lexer;
mod parser;

#[cfg(test)]
mod tests;

use config::{Problem, Problems, Section};
use serde::{Deserialize, Serialize};

use self::condition::{Condition, Level};
use super::matcher::{AttributeConfig, MatchType, Names, Pairs};
use crate::component::{Context, Entry, Processor, ProcessorEntry, SeriesProcessor};
use crate::registry::Full;
use crate::series::Series;

pub(super) const ENTRY: ProcessorEntry = Entry {
    name: "filter",
    aliases: &[],
    ignored: &[],
    about: "Drops series by name, resource attributes or conditions.",
    example: r#"
metrics:
  metric:
    - name == "system.paging.faults"
    - IsMatch(name, "^debug[.]") and resource.attributes["host.name"] != "lab-1"
  datapoint:
    - attributes["network.interface.name"] == "lo"
"#,
    effective: config::effective::<Config>,
    build,
};

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// Taken for compatibility: a condition is checked when the file is read and cannot fail later.
    error_mode: ErrorMode,
    metrics: MetricsConfig,
    /// Conditions of any level; each path says which (`metric.name`, `datapoint.attributes["k"]`).
    metric_conditions: Vec<ConditionsConfig>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ErrorMode {
    #[default]
    Ignore,
    Silent,
    Propagate,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MetricsConfig {
    /// Drops everything else.
    include: Option<MatchConfig>,
    /// Drops these.
    exclude: Option<MatchConfig>,
    /// Drops what any of these conditions holds for; `attributes` are the resource's.
    resource: Vec<String>,
    /// The same; paths are the metric's.
    metric: Vec<String>,
    /// The same; `attributes` are the point's.
    datapoint: Vec<String>,
    /// Settings of a cache of patterns; taken for compatibility, there is none.
    regexp: Option<serde_json::Value>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MatchConfig {
    match_type: Option<MatchType>,
    /// One of these names.
    metric_names: Vec<String>,
    /// All of these attributes of the resource.
    resource_attributes: Vec<AttributeConfig>,
}

/// A condition by itself, or several with their level.
#[derive(Debug, Serialize, Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct ConditionsConfig {
    context: Level,
    conditions: Vec<String>,
}

struct Filter {
    include: Option<Match>,
    exclude: Option<Match>,
    conditions: Vec<Condition>,
}

struct Match {
    metric_names: Names,
    resource_attributes: Pairs,
}

fn build(section: &Section, _context: &Context) -> Result<Processor, Problems> {
    section.build(|config| made(config, section))
}

fn made(config: Config, section: &Section) -> Result<Processor, Problems> {
    let metrics = &config.metrics;
    let mut problems = Vec::new();
    let mut compile = |config: &Option<MatchConfig>, key: &str| {
        config.as_ref().and_then(|config| config.compile(section, key, &mut problems))
    };
    let include = compile(&metrics.include, "metrics.include");
    let exclude = compile(&metrics.exclude, "metrics.exclude");
    let mut lists = vec![
        ("metrics.resource".to_owned(), Level::Resource, &metrics.resource),
        ("metrics.metric".to_owned(), Level::Metric, &metrics.metric),
        ("metrics.datapoint".to_owned(), Level::Datapoint, &metrics.datapoint),
    ];
    for (index, group) in config.metric_conditions.iter().enumerate() {
        lists.push((format!("metric_conditions[{index}]"), group.context, &group.conditions));
    }
    let mut conditions = Vec::new();
    for (key, level, texts) in lists {
        for (index, text) in texts.iter().enumerate() {
            match Condition::parse(text, level) {
                Ok(condition) => conditions.push(condition),
                Err(message) => problems.push(section.problem(&format!("{key}[{index}]"), message)),
            }
        }
    }
    if problems.is_empty() && include.is_none() && exclude.is_none() && conditions.is_empty() {
        problems.push(section.problem("", "has nothing to filter by: set `metrics` or `metric_conditions`"));
    }
    if !problems.is_empty() {
        return Err(Problems(problems));
    }
    Ok(Processor::Series(Box::new(Filter { include, exclude, conditions })))
}

impl MatchConfig {
    fn compile(&self, section: &Section, key: &str, problems: &mut Vec<Problem>) -> Option<Match> {
        let Some(match_type) = self.match_type else {
            problems.push(section.problem(
                &format!("{key}.match_type"),
                "expected `strict` or `regexp`; for expressions use a list of conditions",
            ));
            return None;
        };
        if self.metric_names.is_empty() && self.resource_attributes.is_empty() {
            problems.push(section.problem(key, "needs `metric_names` or `resource_attributes`"));
        }
        let mut note = |list: &str, messages: Vec<(usize, String)>| {
            for (index, message) in messages {
                problems.push(section.problem(&format!("{key}.{list}[{index}]"), message));
            }
        };
        let metric_names = Names::compile(&self.metric_names, match_type)
            .map_err(|messages| note("metric_names", messages))
            .ok();
        let resource_attributes = Pairs::compile(&self.resource_attributes, match_type)
            .map_err(|messages| note("resource_attributes", messages))
            .ok();
        Some(Match { metric_names: metric_names?, resource_attributes: resource_attributes? })
    }
}

impl TryFrom<serde_json::Value> for ConditionsConfig {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Group {
            #[serde(default)]
            context: Level,
            conditions: Vec<String>,
            #[serde(default, rename = "error_mode")]
            _error_mode: ErrorMode,
        }
        if let serde_json::Value::String(text) = value {
            return Ok(Self { context: Level::Any, conditions: vec![text] });
        }
        let group: Group = serde_json::from_value(value).map_err(|error| {
            format!("expected a condition, or a map of `context` and `conditions`: {error}")
        })?;
        Ok(Self { context: group.context, conditions: group.conditions })
    }
}

impl Filter {
    fn keeps(&self, series: &Series) -> bool {
        let name = &series.metric().name;
        let resource = &series.resource().attributes;
        // To be included a series must fit every given list; to be excluded one is enough.
        let is_included = self.include.as_ref().is_none_or(|include| {
            (include.metric_names.is_empty() || include.metric_names.contain(name))
                && include.resource_attributes.are_in(resource)
        });
        let is_excluded = self.exclude.as_ref().is_some_and(|exclude| {
            exclude.metric_names.contain(name)
                || (!exclude.resource_attributes.is_empty() && exclude.resource_attributes.are_in(resource))
        });
        is_included && !is_excluded && !self.conditions.iter().any(|condition| condition.holds(series))
    }
}

impl SeriesProcessor for Filter {
    fn process(&self, series: &Series) -> Result<Option<Series>, Full> {
        Ok(self.keeps(series).then(|| series.clone()))
    }
}

/// The body of the fuzz target: any text as a condition, asked about a series where it can be read.
#[doc(hidden)]
pub fn fuzz_condition(bytes: &[u8]) {
    const POINTS: &str = "resource {service.name=\"a\", n=7}\nscope \"s\" \"1\" {x=0x00ff}\n\
                          delta counter m{a=\"b\", c=1.5, d=true, e=[1, {f=null}]} [By] = 1";
    let registry = crate::registry::Registry::new(1);
    let batch = crate::notation::parse(POINTS, &registry).expect("the points are well written");
    let text = String::from_utf8_lossy(bytes);
    for level in [Level::Any, Level::Resource, Level::Scope, Level::Metric, Level::Datapoint] {
        match Condition::parse(&text, level) {
            Ok(condition) => {
                let _ = batch.iter().filter(|point| condition.holds(&point.series)).count();
            }
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
}
