//! The exporter's own counters: what it holds, what it left out and why, how often it was asked.

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;
use pipeline::telemetry::{Gauge, Meter, Observed};
use pipeline::{Attributes, Scope, Series, ValueRef, errors};
use tracing::warn;

use super::page::POINT_SIZE_MAX;
use super::store::Entry;
use super::view::View;

/// Why a point is not on the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// Older than the one shown.
    OutOfOrder,
    /// A delta that counts again what was counted.
    Misaligned,
    /// Another series has the same name and labels, and a newer point.
    Collision,
    /// Its name belongs to a metric of another type.
    TypeConflict,
    /// Nothing is left of its name.
    InvalidName,
    /// No value, or one that contradicts itself.
    InvalidPoint,
    TooManySeries,
    /// A value that OpenMetrics does not allow; it is in the text format.
    NotOpenMetrics,
    /// Another resource has the same job and instance.
    TargetConflict,
    /// Its lines together are longer than those of one point may be.
    TooLarge,
}

const REASONS: [(Reason, &str); 10] = [
    (Reason::OutOfOrder, "out_of_order"),
    (Reason::Misaligned, "misaligned_delta"),
    (Reason::Collision, "collision"),
    (Reason::TypeConflict, "type_conflict"),
    (Reason::InvalidName, "invalid_name"),
    (Reason::InvalidPoint, "invalid_point"),
    (Reason::TooManySeries, "max_series"),
    (Reason::NotOpenMetrics, "not_openmetrics"),
    (Reason::TargetConflict, "target_conflict"),
    (Reason::TooLarge, "too_large"),
];

/// What was left out since it was last reported.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    counts: [u64; REASONS.len()],
    has_warned: bool,
    has_warned_of_types: bool,
    has_warned_of_size: bool,
}

impl Drops {
    #[cold]
    pub(crate) fn count(&mut self, reason: Reason) {
        self.counts[reason as usize] += 1;
    }

    /// Counts a series whose labels another one has; says so the first time.
    #[cold]
    pub(crate) fn collide(&mut self, view: &View, id: u32, entries: [Option<&Entry>; 2]) {
        self.count(Reason::Collision);
        if !std::mem::replace(&mut self.has_warned, true)
            && let [Some(one), Some(other)] = entries
        {
            let (difference, remedy) = difference(&one.series, &other.series);
            warn!(
                family = view.family_name(id).as_deref(),
                difference,
                "two series have the same name and labels, and only the newest point is shown; {remedy}"
            );
        }
    }

    /// Says the first time that a metric has the name of one of another type.
    #[cold]
    pub(crate) fn hide(&mut self, view: &View, id: u32) {
        if !std::mem::replace(&mut self.has_warned_of_types, true) {
            warn!(
                family = view.family_name(id).as_deref(),
                "two metrics of different types have the same name, and only the first is shown"
            );
        }
    }

    /// Counts what a page leaves out; says the first time that something is too large, as no page will have it.
    #[cold]
    pub(crate) fn leave(&mut self, reason: Reason, series: Option<&Series>) {
        self.count(reason);
        if reason == Reason::TooLarge && !std::mem::replace(&mut self.has_warned_of_size, true) {
            warn!(
                metric = series.map(|series| shown(&series.metric().name)),
                "the lines of a point, each with all its labels, are longer than {POINT_SIZE_MAX} together: it is not shown; \
                 fewer buckets or shorter labels would do"
            );
        }
    }

    /// Points left out, all reasons together, since the last report.
    pub(crate) fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    #[cfg(test)]
    pub(crate) fn get(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    fn take(&mut self) -> [u64; REASONS.len()] {
        std::mem::take(&mut self.counts)
    }
}

/// The instruments.
#[derive(Debug, Clone)]
pub(crate) struct Telemetry {
    held: Arc<Held>,
    dropped: Counter<u64>,
    scrapes: Counter<u64>,
}

/// How many series the store holds.
#[derive(Debug)]
struct Held {
    series: AtomicU64,
    exporter: KeyValue,
}

impl Telemetry {
    pub(crate) fn new(meter: &Meter, id: &str) -> Self {
        let held =
            Arc::new(Held { series: AtomicU64::new(0), exporter: KeyValue::new("exporter", id.to_owned()) });
        meter.observe(&held);
        Self {
            held,
            dropped: meter
                .u64_counter("otelcol_exporter_prometheus_dropped_points")
                .with_description("Points that are not on the pull endpoint, by reason.")
                .with_unit("{datapoints}")
                .build(),
            scrapes: meter
                .u64_counter("otelcol_exporter_prometheus_scrapes")
                .with_description("Requests answered by the pull endpoint.")
                .with_unit("{requests}")
                .build(),
        }
    }

    /// Reports what the store holds and what it has left out.
    pub(crate) fn report(&self, series: usize, drops: &mut Drops) {
        self.held.series.store(series as u64, Ordering::Relaxed);
        if drops.total() > 0 {
            for ((_, reason), count) in REASONS.into_iter().zip(drops.take()).filter(|(_, count)| *count > 0)
            {
                self.dropped.add(count, &[self.held.exporter.clone(), KeyValue::new("reason", reason)]);
            }
        }
    }

    pub(crate) fn scraped(&self) {
        self.scrapes.add(1, self.held.attributes());
    }
}

impl Observed for Held {
    const GAUGES: &'static [Gauge<Self>] = &[Gauge {
        name: "otelcol_exporter_prometheus_series",
        unit: "{series}",
        about: "Series held for the pull endpoint.",
        read: |held| Some(held.series.load(Ordering::Relaxed)),
    }];

    fn attributes(&self) -> &[KeyValue] {
        slice::from_ref(&self.exporter)
    }
}

/// In what two series of equal name and labels differ, and what would keep them apart.
fn difference(one: &Series, other: &Series) -> (String, &'static str) {
    let (resource, other_resource) = (&one.resource().attributes, &other.resource().attributes);
    if resource != other_resource {
        return (
            format!("resource: {}", differing(resource, other_resource)),
            "`resource_constant_labels` can make labels of what their resources differ in",
        );
    }
    let both = |what: &str, one: &str, other: &str| format!("{what}: {} or {}", shown(one), shown(other));
    let (scope, other_scope) = (one.scope(), other.scope());
    if scope.name != other_scope.name || scope.version != other_scope.version {
        let named = |scope: &Scope| format!("{} {}", scope.name, scope.version).trim().to_owned();
        let remedy = "`without_scope_info: false` keeps their scopes apart";
        return (both("scope", &named(scope), &named(other_scope)), remedy);
    }
    if one.metric().name != other.metric().name {
        let remedy = "their metrics are one name in Prometheus: rename one with a `relabel` processor, or choose \
                      another `translation_strategy`";
        return (both("metric", &one.metric().name, &other.metric().name), remedy);
    }
    if one.attributes() != other.attributes() {
        return (
            format!("attributes: {}", differing(one.attributes(), other.attributes())),
            "their attributes are one label in Prometheus: rename one with an `attributes` processor",
        );
    }
    let (unit, other_unit) = (&one.metric().unit, &other.metric().unit);
    if unit != other_unit {
        return (both("unit", unit, other_unit), "let whoever reports the metric give it one unit");
    }
    (String::from("kind, description or schema"), "let whoever reports the metric describe it in one way")
}

/// So many attributes are named; more help nobody.
const ATTRIBUTES_MAX: usize = 4;

/// `host.name a or b, os.type linux or none`
fn differing(one: &Attributes, other: &Attributes) -> String {
    let only_other = other.iter().filter(|(key, _)| one.get(key).is_none());
    let keys = one.iter().chain(only_other).map(|(key, _)| key);
    let differing = keys.filter(|key| one.get(key) != other.get(key)).take(ATTRIBUTES_MAX);
    let value = |attributes: &Attributes, key: &str| match attributes.get(key) {
        None => String::from("none"),
        Some(ValueRef::String(text)) => shown(text),
        Some(value) => shown(&format!("{value:?}")),
    };
    let texts: Vec<_> =
        differing.map(|key| format!("{} {} or {}", shown(key), value(one, key), value(other, key))).collect();
    texts.join(", ")
}

/// What comes from outside, short enough for a line.
fn shown(text: &str) -> String {
    errors::printable(text, 64)
}

#[cfg(test)]
mod tests {
    use pipeline::{Registry, notation};

    use super::*;

    #[track_caller]
    fn check(text: &str, difference_expected: &str, remedy_expected: &str) {
        let batch = notation::parse(text, &Registry::new(10)).unwrap();
        let series: Vec<_> = batch.iter().map(|point| &point.series).collect();
        let (difference, remedy) = difference(series[0], series[1]);
        assert_eq!(difference, difference_expected);
        assert!(remedy.contains(remedy_expected), "{remedy}");
    }

    #[test]
    fn what_collides_is_told_by_what_differs() {
        check(
            "resource{a=\"1\",b=\"2\"}\ngauge x{} = 1\nresource{a=\"1\",c=\"3\"}\ngauge x{} = 1",
            "resource: b 2 or none, c none or 3",
            "resource_constant_labels",
        );
        check("gauge a.b{} = 1\ngauge a_b{} = 1", "metric: a.b or a_b", "relabel");
        check("gauge a{b=\"1\"} = 1\ngauge a{c=\"1\"} = 1", "attributes: b 1 or none, c none or 1", "rename");
    }
}
