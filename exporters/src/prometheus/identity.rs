//! What a series is called on the page: family, type and labels.
//!
//! A metric made by a schema is called as the schema says: nothing is added to its name, and its labels are its
//! attributes alone.

use pipeline::mapping::LITERAL;
use pipeline::{Kind, Metric, Series, ValueRef};

use super::escaping::{Escaping, is_legacy, is_legacy_label};
use super::labels::{LabelRules, Labels};
use super::naming::{self, Naming, Strategy, Suffix, Translation};
use super::selection::Selection;

/// The types that a family may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum MetricType {
    Counter,
    Gauge,
    Unknown,
    Info,
    StateSet,
    Histogram,
    Summary,
}

/// How series are named; follows from the configuration.
#[derive(Debug, Clone)]
pub(crate) struct Rules {
    pub(crate) naming: Naming,
    pub(crate) labels: LabelRules,
    /// For metrics whose names are literal.
    pub(crate) literal_labels: LabelRules,
    pub(crate) has_target_info: bool,
    /// Which families are on the page.
    pub(crate) metrics: Selection,
}

/// What a person chooses about names and labels.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names {
    pub(crate) strategy: Strategy,
    pub(crate) translation: Translation,
    pub(crate) namespace: String,
    pub(crate) preserve_multiple_underscores: bool,
    pub(crate) has_scope: bool,
    pub(crate) constant: Vec<(String, String)>,
    pub(crate) promoted: Selection,
    pub(crate) has_target_info: bool,
    pub(crate) metrics: Selection,
}

/// A series as the page shows it.
#[derive(Debug)]
pub(crate) struct Identity {
    /// As the text format has it, with `_total` and `_info`.
    pub(crate) family: String,
    pub(crate) metric_type: MetricType,
    pub(crate) unit: String,
    pub(crate) labels: Labels,
}

impl Rules {
    pub(crate) fn new(names: Names) -> Self {
        let labels = LabelRules {
            keeps_utf8: names.strategy.keeps_utf8(),
            preserve_multiple_underscores: names.preserve_multiple_underscores,
            has_target: true,
            has_scope: names.has_scope,
            constant: names.constant,
            promoted: names.promoted,
        };
        let literal_labels = LabelRules {
            keeps_utf8: true,
            has_target: false,
            has_scope: false,
            promoted: Selection::default(),
            ..labels.clone()
        };
        let naming =
            Naming { strategy: names.strategy, translation: names.translation, namespace: names.namespace };
        Self {
            naming,
            labels,
            literal_labels,
            has_target_info: names.has_target_info,
            metrics: names.metrics,
        }
    }

    /// Whether anything is left of the name.
    pub(crate) fn has_name(&self, metric: &Metric) -> bool {
        self.family(metric, type_of(metric), Escaping::AllowUtf8).is_some()
    }

    /// Whether the page is to have the series.
    pub(crate) fn wants(&self, series: &Series) -> bool {
        let identify = || self.identify(series, Escaping::AllowUtf8);
        self.metrics.is_open() || identify().is_none_or(|identity| self.metrics.allows(&identity.family))
    }

    /// `None` where nothing is left of the name.
    pub(crate) fn identify(&self, series: &Series, escaping: Escaping) -> Option<Identity> {
        let metric = series.metric();
        let mut metric_type = type_of(metric);
        let reserved = match metric_type {
            MetricType::Histogram => Some("le"),
            MetricType::Summary => Some("quantile"),
            _ => None,
        };
        let rules = if is_literal(metric) { &self.literal_labels } else { &self.labels };
        let labels = rules.of_series(series, escaping, reserved);
        let mut family = self.family(metric, metric_type, escaping)?;
        if metric_type == MetricType::StateSet && !labels.contains_key(&family) {
            // The state is told by a label of the family's name; without it this is only a number.
            metric_type = MetricType::Gauge;
            family = self.family(metric, metric_type, escaping)?;
        }
        let unit = naming::unit_word(&metric.unit, suffix(metric, metric_type));
        Some(Identity { family, metric_type, unit, labels })
    }

    fn family(&self, metric: &Metric, metric_type: MetricType, escaping: Escaping) -> Option<String> {
        if is_literal(metric) {
            return (!metric.name.is_empty()).then(|| escaping.metric(&metric.name).into_owned());
        }
        let has_unit = !matches!(metric_type, MetricType::Info | MetricType::StateSet);
        let unit = if has_unit { metric.unit.as_str() } else { "" };
        let name = self.naming.translate(&metric.name, unit, suffix(metric, metric_type))?;
        let mut name = escaping.metric(&name).into_owned();
        if metric_type == MetricType::Info && !name.ends_with("_info") {
            name.push_str("_info");
        }
        Some(name)
    }

    /// The escaping whose page is the same as with the one asked for.
    pub(crate) fn canonical(&self, escaping: Escaping) -> Escaping {
        if escaping == Escaping::Dots || self.naming.strategy.keeps_utf8() {
            return escaping;
        }
        // Names are within the old set already, but for literal ones, of which the store takes care.
        Escaping::Underscores
    }
}

/// Whether the metric, and the labels of its series, are called as they are.
pub(crate) fn is_literal(metric: &Metric) -> bool {
    metric.metadata.get(LITERAL) == Some(ValueRef::Bool(true))
}

/// Whether a literal name or label of the series looks different from one escaping to the next.
pub(crate) fn is_escaped(series: &Series) -> bool {
    let mut labels = series.attributes().iter();
    is_literal(series.metric())
        && (!is_legacy(&series.metric().name) || !labels.all(|(label, _)| is_legacy_label(label)))
}

fn suffix(metric: &Metric, metric_type: MetricType) -> Suffix {
    match (metric.kind, metric_type) {
        (_, MetricType::Counter) => Suffix::Total,
        (Kind::Gauge, MetricType::Gauge) => Suffix::RatioOfOne,
        _ => Suffix::None,
    }
}

fn type_of(metric: &Metric) -> MetricType {
    match metric.kind {
        Kind::Sum { is_monotonic: true, .. } => MetricType::Counter,
        Kind::Histogram { .. } | Kind::ExponentialHistogram { .. } => MetricType::Histogram,
        Kind::Summary => MetricType::Summary,
        Kind::Gauge | Kind::Sum { .. } => {
            match metric.metadata.get("prometheus.type").and_then(ValueRef::as_str) {
                // The specification's text has it misspelt.
                Some("unknown" | "unkown") => MetricType::Unknown,
                Some("info") => MetricType::Info,
                Some("stateset") => MetricType::StateSet,
                _ => MetricType::Gauge,
            }
        }
    }
}
