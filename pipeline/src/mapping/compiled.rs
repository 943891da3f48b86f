//! A mapping as the engine applies it: everything resolved that follows from the file and its parameters.

use std::time::Duration;

use regex::Regex;
use serde::Deserialize;

/// A dialect or a schema, checked.
#[derive(Debug, Clone)]
pub struct Mapping {
    pub name: String,
    pub kind: MappingKind,
    pub about: String,
    /// Names that belong to the dialect; empty in a schema.
    pub vocabulary: Vec<NameMatch>,
    /// Names that prove that a resource speaks the dialect.
    pub detect: Vec<NameMatch>,
    /// Whether series that no rule takes stay.
    pub keeps_unmapped: bool,
    /// What every rule has, for rules that are added later.
    pub labels: Labels,
    /// A rule whose inputs are other rules comes behind them.
    pub rules: Vec<Rule>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MappingKind {
    Dialect,
    Schema,
}

/// Chooses names.
#[derive(Debug, Clone)]
pub enum NameMatch {
    Exact(String),
    Prefix(String),
    /// Anchored at both ends.
    Pattern(Regex),
}

/// What makes a metric.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `None` for a rule that only takes series away.
    pub metric: Option<Template>,
    /// `None`: as the input.
    pub kind: Option<OutputKind>,
    /// `None`: as the input.
    pub unit: Option<String>,
    /// `None`: as the input.
    pub help: Option<String>,
    pub inputs: Inputs,
    /// `None`: a series in, a series out.
    pub combine: Option<Combine>,
    pub derive: Option<Derive>,
    pub states: Option<States>,
    /// The label sets that are there at zero from the start.
    pub zero: Vec<Vec<(String, String)>>,
    pub is_hidden: bool,
    pub is_rest: bool,
    /// Where it stands, for people: `vllm.yaml:12`.
    pub place: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputKind {
    Counter,
    /// A sum that may fall.
    UpDown,
    Gauge,
    Histogram,
    Summary,
    /// A number of which nobody says how it adds up: the exposition says `untyped`.
    Untyped,
}

/// Where a rule's values come from.
#[derive(Debug, Clone)]
pub enum Inputs {
    /// In order of preference; those of one element belong together.
    Ranked(Vec<Vec<Input>>),
    /// Of two rules, by index.
    Ratio {
        of: usize,
        to: usize,
    },
    Difference {
        of: usize,
        less: usize,
    },
    Constant {
        value: f64,
        labels: Labels,
    },
}

/// Series that a rule takes.
#[derive(Debug, Clone)]
pub struct Input {
    pub from: From,
    /// Whether the name lies outside the dialect's vocabulary: taken only from resources that speak the dialect.
    pub is_foreign: bool,
    pub conditions: Vec<Condition>,
    /// Only series that come from there.
    pub runner: Option<Runner>,
    pub version: Option<crate::mapping::version::Range>,
    pub take: Take,
    /// What the series is, whatever it says of itself.
    pub kind: Option<OutputKind>,
    /// The unit a series has that says none.
    pub unit: Option<String>,
    /// Instead of what follows from the units.
    pub scale: Option<f64>,
    pub offset: f64,
    pub valid: Valid,
    /// Whether numbers are rounded to whole ones, last of all.
    pub is_whole: bool,
    pub is_accumulated_twice: bool,
    /// All labels of the output: the rule's, with those of this input over them.
    pub labels: Labels,
}

/// What an input is read from.
#[derive(Debug, Clone)]
pub enum From {
    Metric(NameMatch),
    /// Another rule of the mapping, by index, before this one.
    Rule(usize),
}

/// Whether a series comes from a runner: a dialect has made it, or its resource speaks one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Runner {
    /// Of this dialect.
    Named(String),
    /// Of any.
    Any,
    /// From something else: an application that pushes.
    Absent,
}

/// What is taken of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Take {
    #[default]
    Value,
    Count,
    Sum,
    Mean,
    One,
    /// Now less the value, a time in seconds since 1970.
    Age,
}

/// Values outside are absent; NaN and the infinities always are.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Valid {
    pub at_least: Option<f64>,
    pub below: Option<f64>,
}

/// An attribute, and what must hold of it.
#[derive(Debug, Clone)]
pub struct Condition {
    pub of: Place,
    pub test: Test,
    /// Series without the attribute (or with an empty one) meet the condition.
    pub or_absent: bool,
}

/// All of what is set must hold of the value as text.
#[derive(Debug, Clone, Default)]
pub struct Test {
    pub one_of: Option<Vec<String>>,
    pub prefix: Option<String>,
    pub pattern: Option<Regex>,
    pub none_of: Vec<String>,
    pub present: Option<bool>,
    pub at_least: Option<f64>,
    pub below: Option<f64>,
}

/// Where an attribute is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Point(String),
    Resource(String),
    Scope(String),
}

/// The labels of an output.
#[derive(Debug, Clone, Default)]
pub struct Labels {
    pub labels: Vec<Label>,
    /// Attributes of the point that are kept under their own names.
    pub keep: Vec<NameMatch>,
}

#[derive(Debug, Clone)]
pub struct Label {
    pub name: String,
    /// The first that gives something.
    pub from: Vec<Template>,
    /// The first that fits; a value that none fits stays.
    pub translate: Vec<(NameMatch, String)>,
    pub is_lower_tail: bool,
    pub default: Option<String>,
}

/// Text with places to be filled in; gives nothing where one of them has nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template(pub Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Text(String),
    Attribute(Place),
    /// The name of the metric.
    Name,
    /// A group of the input's pattern.
    Group(usize),
}

/// How inputs with equal labels become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Combine {
    Sum,
    Min,
    Max,
    Mean,
    Count,
}

/// What is made of the combined value.
#[derive(Debug, Clone, PartialEq)]
pub enum Derive {
    /// The increase of a counter a second.
    Rate { window: Duration },
    /// Of a histogram.
    Quantiles { quantiles: Vec<f64>, window: Duration },
    /// A histogram of 1/x.
    Invert,
}

/// A label that tells the state of each series.
#[derive(Debug, Clone)]
pub struct States {
    pub label: String,
    /// The first that holds.
    pub of: Vec<(String, StateTest)>,
}

#[derive(Debug, Clone)]
pub enum StateTest {
    Value(Valid),
    /// No value of at least 1 for so long.
    Silent(Duration),
    Otherwise,
}
