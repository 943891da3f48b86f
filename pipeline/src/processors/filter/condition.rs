//! A condition on a series: a tree that is parsed once and asked once a series.
//!
//! Known are `and`, `or`, `not`, parentheses, the comparisons, text, numbers, `true`, `false`, `nil`, the
//! constants of the metric types and temporalities, the paths below, and the functions `IsMatch`,
//! `HasPrefix`, `HasSuffix`, `IsString`, `IsInt`, `IsDouble`, `IsBool`, `HasAttrKeyOnDatapoint` and
//! `HasAttrOnDatapoint`.

use std::cmp::Ordering;

use regex::Regex;
use serde::{Deserialize, Serialize};

use super::parser;
use crate::attributes::Attributes;
use crate::metric::{Kind, Temporality};
use crate::processors::actions::text_of;
use crate::series::Series;
use crate::value::ValueRef;

/// What a path without a prefix belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Level {
    /// Nothing: every path says what it belongs to.
    #[default]
    Any,
    Resource,
    Scope,
    Metric,
    Datapoint,
}

#[derive(Debug)]
pub(super) struct Condition(Expression);

#[derive(Debug)]
pub(super) enum Expression {
    Or(Vec<Expression>),
    And(Vec<Expression>),
    Not(Box<Expression>),
    Compare(Operand, Comparison, Operand),
    Is(bool),
    IsMatch(Operand, Regex),
    HasPrefix(Operand, String),
    HasSuffix(Operand, String),
    IsType(Operand, ValueType),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ValueType {
    String,
    Int,
    Double,
    Bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Operand {
    Nil,
    String(String),
    Int(i64),
    Double(f64),
    Bool(bool),
    Path(Path),
}

/// What of a series is looked at.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Path {
    Name,
    Description,
    Unit,
    Type,
    Temporality,
    IsMonotonic,
    PointAttribute(String),
    ResourceAttribute(String),
    ScopeName,
    ScopeVersion,
    ScopeAttribute(String),
}

impl Condition {
    pub(super) fn parse(text: &str, level: Level) -> Result<Self, String> {
        parser::parse(text, level).map(Self)
    }

    pub(super) fn holds(&self, series: &Series) -> bool {
        self.0.holds(series)
    }
}

impl Expression {
    fn holds(&self, series: &Series) -> bool {
        match self {
            Self::Or(parts) => parts.iter().any(|part| part.holds(series)),
            Self::And(parts) => parts.iter().all(|part| part.holds(series)),
            Self::Not(part) => !part.holds(series),
            Self::Is(value) => *value,
            Self::Compare(left, comparison, right) => {
                comparison.holds(left.value(series), right.value(series))
            }
            Self::IsMatch(operand, regex) => text(operand, series).is_some_and(|text| regex.is_match(&text)),
            Self::HasPrefix(operand, prefix) => {
                text(operand, series).is_some_and(|text| text.starts_with(prefix.as_str()))
            }
            Self::HasSuffix(operand, suffix) => {
                text(operand, series).is_some_and(|text| text.ends_with(suffix.as_str()))
            }
            Self::IsType(operand, expected) => expected.is_of(operand.value(series)),
        }
    }
}

/// A value as text; nothing for what is not there.
fn text(operand: &Operand, series: &Series) -> Option<String> {
    match operand.value(series) {
        ValueRef::Empty => None,
        value => Some(text_of(&value.to_owned())),
    }
}

impl Comparison {
    /// Values of different types are unequal, and neither is less; numbers are one type.
    fn holds(self, left: ValueRef<'_>, right: ValueRef<'_>) -> bool {
        let order = match (left, right) {
            (ValueRef::Empty, ValueRef::Empty) => Some(Ordering::Equal),
            (ValueRef::String(left), ValueRef::String(right)) => Some(left.cmp(right)),
            (ValueRef::Bool(left), ValueRef::Bool(right)) => Some(left.cmp(&right)),
            (ValueRef::Bytes(left), ValueRef::Bytes(right)) => Some(left.cmp(right)),
            (ValueRef::Int(left), ValueRef::Int(right)) => Some(left.cmp(&right)),
            (ValueRef::Int(left), ValueRef::Double(right)) => (left as f64).partial_cmp(&right),
            (ValueRef::Double(left), ValueRef::Int(right)) => left.partial_cmp(&(right as f64)),
            (ValueRef::Double(left), ValueRef::Double(right)) => left.partial_cmp(&right),
            _ => None,
        };
        match self {
            Self::Equal => order == Some(Ordering::Equal),
            Self::NotEqual => order != Some(Ordering::Equal),
            Self::Less => order == Some(Ordering::Less),
            Self::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
            Self::Greater => order == Some(Ordering::Greater),
            Self::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
        }
    }
}

impl ValueType {
    fn is_of(self, value: ValueRef<'_>) -> bool {
        match self {
            Self::String => matches!(value, ValueRef::String(_)),
            Self::Int => matches!(value, ValueRef::Int(_)),
            Self::Double => matches!(value, ValueRef::Double(_)),
            Self::Bool => matches!(value, ValueRef::Bool(_)),
        }
    }
}

impl Operand {
    fn value<'a>(&'a self, series: &'a Series) -> ValueRef<'a> {
        match self {
            Self::Nil => ValueRef::Empty,
            Self::String(text) => ValueRef::String(text),
            Self::Int(number) => ValueRef::Int(*number),
            Self::Double(number) => ValueRef::Double(*number),
            Self::Bool(value) => ValueRef::Bool(*value),
            Self::Path(path) => path.value(series),
        }
    }
}

impl Path {
    fn value<'a>(&self, series: &'a Series) -> ValueRef<'a> {
        let attribute =
            |attributes: &'a Attributes, key: &str| attributes.get(key).unwrap_or(ValueRef::Empty);
        let (metric, scope) = (series.metric(), series.scope());
        match self {
            Self::Name => ValueRef::String(&metric.name),
            Self::Description => ValueRef::String(&metric.description),
            Self::Unit => ValueRef::String(&metric.unit),
            Self::Type => ValueRef::Int(type_number(metric.kind)),
            Self::Temporality => match metric.kind.temporality() {
                Some(Temporality::Delta) => ValueRef::Int(1),
                Some(Temporality::Cumulative) => ValueRef::Int(2),
                None => ValueRef::Empty,
            },
            Self::IsMonotonic => match metric.kind {
                Kind::Sum { is_monotonic, .. } => ValueRef::Bool(is_monotonic),
                _ => ValueRef::Empty,
            },
            Self::PointAttribute(key) => attribute(series.attributes(), key),
            Self::ResourceAttribute(key) => attribute(&series.resource().attributes, key),
            Self::ScopeName => ValueRef::String(&scope.name),
            Self::ScopeVersion => ValueRef::String(&scope.version),
            Self::ScopeAttribute(key) => attribute(&scope.attributes, key),
        }
    }
}

/// The numbers behind `METRIC_DATA_TYPE_...`.
fn type_number(kind: Kind) -> i64 {
    match kind {
        Kind::Gauge => 1,
        Kind::Sum { .. } => 2,
        Kind::Histogram { .. } => 3,
        Kind::ExponentialHistogram { .. } => 4,
        Kind::Summary => 5,
    }
}

/// The value of a named constant.
pub(super) fn constant(name: &str) -> Option<i64> {
    Some(match name {
        "METRIC_DATA_TYPE_NONE" | "AGGREGATION_TEMPORALITY_UNSPECIFIED" => 0,
        "METRIC_DATA_TYPE_GAUGE" | "AGGREGATION_TEMPORALITY_DELTA" => 1,
        "METRIC_DATA_TYPE_SUM" | "AGGREGATION_TEMPORALITY_CUMULATIVE" => 2,
        "METRIC_DATA_TYPE_HISTOGRAM" => 3,
        "METRIC_DATA_TYPE_EXPONENTIAL_HISTOGRAM" => 4,
        "METRIC_DATA_TYPE_SUMMARY" => 5,
        _ => return None,
    })
}
