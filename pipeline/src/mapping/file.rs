//! A mapping as it stands in its file, see `docs/mapping.md`; what it means is checked by `check`.

mod endpoints;
mod forms;

use config::Duration;
use serde::Deserialize;

use super::compiled::{Combine, MappingKind, OutputKind, Take, Valid};

pub use endpoints::{Endpoint, Facade, Format};
pub use forms::{Condition, Label, OneOrMany, Ordered, Zero};

/// A whole file.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MappingFile {
    /// Its name, also that of the file.
    pub mapping: String,
    pub kind: MappingKind,
    /// What it is for, in one sentence.
    pub about: String,
    /// What its user may set.
    #[serde(default)]
    pub parameters: Ordered<Parameter>,
    /// Metrics that the rules use and the conventions lack.
    #[serde(default)]
    pub inputs: Ordered<InputMetric>,
    /// On every metric; those of a rule win.
    #[serde(default)]
    pub labels: Ordered<Label>,
    /// Attributes that every metric keeps under their own names.
    #[serde(default)]
    pub keep: Vec<String>,
    /// What becomes of series that no rule takes.
    pub unmapped: Option<Unmapped>,
    /// Names that are the runner's; only in a dialect.
    #[serde(default)]
    pub vocabulary: Vec<String>,
    /// Names that prove that a target speaks the dialect; only in a dialect.
    #[serde(default)]
    pub detect: Vec<String>,
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// The pages; only in a schema.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Where the pages are; only in a schema.
    #[serde(default)]
    pub facade: Option<Facade>,
    /// What its pipeline takes, in the place of what the pipeline `metrics` takes; only in a schema. Each is a kind
    /// of receiver with its section, which that receiver reads.
    #[serde(default)]
    pub receivers: Ordered<serde_json::Value>,
}

/// Something the user of a mapping may set.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    pub about: String,
    /// Without one the parameter must be set.
    pub default: Option<String>,
}

/// A metric the rules use that the conventions lack.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputMetric {
    #[serde(rename = "type")]
    pub kind: OutputKind,
    #[serde(default)]
    pub unit: Option<String>,
    #[serde(default)]
    pub about: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unmapped {
    Keep,
    Drop,
}

/// What makes a metric.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rule {
    pub metric: Option<String>,
    #[serde(rename = "type")]
    pub kind: Option<OutputKind>,
    pub unit: Option<String>,
    pub help: Option<String>,
    /// In order of preference.
    pub from: Option<OneOrMany<Input>>,
    pub combine: Option<Combine>,
    pub labels: Ordered<Label>,
    pub keep: Vec<String>,
    /// The window.
    pub rate: Option<Duration>,
    pub quantiles: Option<Vec<f64>>,
    /// Of the quantiles.
    pub window: Option<Duration>,
    pub invert: bool,
    pub states: Option<States>,
    pub ratio: Option<Ratio>,
    pub difference: Option<Difference>,
    pub constant: Option<f64>,
    pub zero: Zero,
    pub hidden: bool,
    pub rest: bool,
    /// Alone: series that are taken, and nothing is made of.
    pub drop: Option<OneOrMany<Input>>,
}

/// Series that a rule takes, or several inputs that belong together.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Input {
    /// Alone: inputs that belong together.
    pub all: Option<Vec<Input>>,
    pub metric: Option<String>,
    pub prefix: Option<String>,
    pub pattern: Option<String>,
    #[serde(rename = "where")]
    pub conditions: Ordered<Condition>,
    pub runner: Option<String>,
    pub version: Option<String>,
    pub take: Take,
    #[serde(rename = "type")]
    pub kind: Option<OutputKind>,
    pub unit: Option<String>,
    pub scale: Option<f64>,
    pub offset: f64,
    pub valid: Valid,
    /// Rounded to whole numbers.
    pub whole: bool,
    pub repair: Option<Repair>,
    pub labels: Ordered<Label>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    AccumulatedTwice,
}

/// The map form of a label.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LabelMap {
    pub from: Option<OneOrMany<String>>,
    pub value: Option<String>,
    pub parameter: Option<String>,
    pub template: Option<String>,
    pub translate: Ordered<String>,
    pub default: Option<String>,
    pub lower_tail: bool,
}

/// The map form of a condition.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionMap {
    pub one_of: Option<OneOrMany<String>>,
    pub prefix: Option<String>,
    pub pattern: Option<String>,
    pub not: Option<OneOrMany<String>>,
    pub present: Option<bool>,
    pub at_least: Option<f64>,
    pub below: Option<f64>,
    pub or_absent: bool,
}

/// The state of a series, as a label.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct States {
    pub label: String,
    /// The first that holds.
    pub of: Vec<State>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    pub state: String,
    pub value: Option<Valid>,
    pub silent: Option<Duration>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ratio {
    pub of: String,
    pub to: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    pub of: String,
    pub less: String,
}

#[cfg(test)]
mod tests;
