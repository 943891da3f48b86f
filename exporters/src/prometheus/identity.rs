//! What a series is called on the page: family, type and labels.

use pipeline::{Kind, Metric, Series};

use super::escaping::Escaping;
use super::labels::{LabelRules, Labels};
use super::naming::{self, Naming, Suffix};

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
    pub(crate) has_target_info: bool,
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
    /// Whether anything is left of the name.
    pub(crate) fn has_name(&self, metric: &Metric) -> bool {
        self.family(metric, type_of(metric), Escaping::AllowUtf8).is_some()
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
        let labels = self.labels.of_series(series, escaping, reserved);
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
        // Names are within the old set already.
        Escaping::Underscores
    }
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
            match metric.metadata.get("prometheus.type").and_then(pipeline::ValueRef::as_str) {
                // The specification's text has it misspelt.
                Some("unknown" | "unkown") => MetricType::Unknown,
                Some("info") => MetricType::Info,
                Some("stateset") => MetricType::StateSet,
                _ => MetricType::Gauge,
            }
        }
    }
}
