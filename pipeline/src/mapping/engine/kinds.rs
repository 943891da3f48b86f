//! What a rule makes of a series: its kind, or nothing where the two do not go together.

use super::convert::Convert;
use super::rules::RuleState;
use crate::attributes::Attributes;
use crate::mapping::compiled::{Combine, Derive, Input, OutputKind, Rule, Take};
use crate::mapping::unit::factor;
use crate::mapping::{DIALECT, LITERAL};
use crate::metric::{Kind, Metric, Temporality};
use crate::value::AnyValue;

/// The key in a metric's metadata for the type that the exposition says.
const TYPE: &str = "prometheus.type";

/// How a series is read for a rule.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    /// What the converted values are.
    pub(super) kind: Kind,
    pub(super) unit: String,
    pub(super) convert: Convert,
}

/// `None`: the series is not what the input takes.
pub(super) fn reading(rule: &Rule, input: &Input, metric: &Metric) -> Option<Reading> {
    let own = input.kind.map_or(metric.kind, |kind| declared(kind, metric.kind));
    let counts = rule.combine == Some(Combine::Count);
    let take = if counts && input.take == Take::Value && !is_number(own) { Take::One } else { input.take };
    let temporality = own.temporality().unwrap_or(Temporality::Cumulative);
    let kind = match take {
        Take::Value if is_number(own) != is_number(metric.kind) => return None,
        Take::Value => own,
        Take::Count | Take::Sum if !is_number(metric.kind) => Kind::Sum { temporality, is_monotonic: true },
        Take::Mean if !is_number(metric.kind) => Kind::Gauge,
        Take::One => Kind::Gauge,
        Take::Age if is_number(own) && factor(&metric.unit, "s").is_none_or(|factor| factor == 1.0) => {
            Kind::Gauge
        }
        Take::Count | Take::Sum | Take::Mean | Take::Age => return None,
    };
    is_possible(rule, kind).then_some(())?;
    let (factor, unit) = unit(rule, input, metric, take);
    Some(Reading { kind, unit, convert: Convert::new(input, take, factor) })
}

/// What a series is that is said to be of a kind; how it adds up over time is its own.
fn declared(kind: OutputKind, own: Kind) -> Kind {
    let temporality = own.temporality().unwrap_or(Temporality::Cumulative);
    match kind {
        OutputKind::Counter => Kind::Sum { temporality, is_monotonic: true },
        OutputKind::UpDown => Kind::Sum { temporality, is_monotonic: false },
        OutputKind::Gauge | OutputKind::Untyped => Kind::Gauge,
        OutputKind::Histogram if matches!(own, Kind::ExponentialHistogram { .. }) => own,
        OutputKind::Histogram => Kind::Histogram { temporality },
        OutputKind::Summary => Kind::Summary,
    }
}

fn is_number(kind: Kind) -> bool {
    matches!(kind, Kind::Gauge | Kind::Sum { .. })
}

fn is_possible(rule: &Rule, kind: Kind) -> bool {
    let is_histogram = matches!(kind, Kind::Histogram { .. } | Kind::ExponentialHistogram { .. });
    match (&rule.derive, rule.combine) {
        (Some(Derive::Quantiles { .. }), _) => return is_histogram,
        (Some(Derive::Invert), _) => return matches!(kind, Kind::Histogram { .. }),
        (Some(Derive::Rate { .. }), _) => return is_number(kind),
        (None, Some(Combine::Sum)) if kind == Kind::Summary => return false,
        (None, Some(Combine::Min | Combine::Max | Combine::Mean | Combine::Count)) => return is_number(kind),
        (None, _) => {}
    }
    match rule.kind {
        None => true,
        Some(OutputKind::Counter | OutputKind::UpDown | OutputKind::Gauge | OutputKind::Untyped) => {
            is_number(kind)
        }
        Some(OutputKind::Histogram) => is_histogram,
        Some(OutputKind::Summary) => kind == Kind::Summary,
    }
}

/// What values are multiplied with, and the unit they are in then.
fn unit(rule: &Rule, input: &Input, metric: &Metric, take: Take) -> (f64, String) {
    let declared = input.unit.as_deref().unwrap_or_default();
    let own = match take {
        Take::Count | Take::One => "1",
        Take::Age => "s",
        _ if metric.unit.is_empty() => declared,
        _ => metric.unit.as_str(),
    };
    let Some(unit) = &rule.unit else {
        let own = if matches!(take, Take::Count | Take::One) { "" } else { own };
        return (input.scale.unwrap_or(1.0), own.to_owned());
    };
    // A series that says something else than it is said to be is believed to be what the file says.
    let factor = factor(own, unit).or_else(|| factor(declared, unit));
    (input.scale.or(factor).unwrap_or(1.0), unit.clone())
}

/// The metric of the output series.
pub(super) fn output_metric(state: &RuleState, name: String, reading: &Reading, input: &Metric) -> Metric {
    let rule = &state.rule;
    let mut metric = Metric::new(name, reading.unit.clone(), output_kind(state, reading.kind));
    metric.description = rule.help.clone().unwrap_or_else(|| input.description.clone());
    metric
}

/// What a schema's metric says of itself: its name is literal, and its type may be nobody's business.
pub(super) fn literal(rule: &Rule) -> Attributes {
    let untyped = (rule.kind == Some(OutputKind::Untyped)).then(|| (TYPE.to_owned(), "unknown".into()));
    Attributes::new([(LITERAL.to_owned(), AnyValue::Bool(true))].into_iter().chain(untyped))
}

/// What a dialect's metric says beside what it said before.
pub(super) fn made_by(dialect: &str, before: Vec<(String, AnyValue)>) -> Attributes {
    Attributes::new(before.into_iter().chain([(DIALECT.to_owned(), dialect.into())]))
}

pub(super) fn output_kind(state: &RuleState, kind: Kind) -> Kind {
    let rule = &state.rule;
    // Only one to one do points of a delta stay what they are.
    let temporality = match kind.temporality() {
        Some(temporality) if !state.is_combined() => temporality,
        _ => Temporality::Cumulative,
    };
    match rule.kind {
        Some(OutputKind::Counter) => Kind::Sum { temporality, is_monotonic: true },
        Some(OutputKind::UpDown) => Kind::Sum { temporality, is_monotonic: false },
        Some(OutputKind::Gauge | OutputKind::Untyped) => Kind::Gauge,
        Some(OutputKind::Histogram) => histogram(kind, temporality),
        Some(OutputKind::Summary) => Kind::Summary,
        None => match (&rule.derive, rule.combine) {
            (Some(Derive::Rate { .. }), _) => Kind::Gauge,
            (Some(Derive::Quantiles { .. }), _) => Kind::Summary,
            (_, Some(Combine::Min | Combine::Max | Combine::Mean | Combine::Count)) => Kind::Gauge,
            _ if state.is_combined() => cumulative(kind),
            _ => kind,
        },
    }
}

fn histogram(kind: Kind, temporality: Temporality) -> Kind {
    match kind {
        Kind::ExponentialHistogram { .. } => Kind::ExponentialHistogram { temporality },
        _ => Kind::Histogram { temporality },
    }
}

fn cumulative(kind: Kind) -> Kind {
    let temporality = Temporality::Cumulative;
    match kind {
        Kind::Sum { is_monotonic, .. } => Kind::Sum { temporality, is_monotonic },
        Kind::Histogram { .. } => Kind::Histogram { temporality },
        Kind::ExponentialHistogram { .. } => Kind::ExponentialHistogram { temporality },
        Kind::Gauge | Kind::Summary => kind,
    }
}
