//! The last value of each series of the metrics that the pages name.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use pipeline::{Point, Series, Temporality, Value};
use tokio::time::Instant;

use crate::attribute;

/// Names and values; attributes of the resource are called `resource:NAME`.
pub(crate) type Labels = BTreeMap<String, String>;

/// What the exporter remembers.
#[derive(Debug)]
pub(crate) struct Store {
    /// By the metric's name; has all names that are wanted, and no others.
    metrics: HashMap<String, HashMap<Series, Entry>>,
    series_max: usize,
    live: usize,
    /// Series there ever were; tells the order they came in.
    seen: u64,
}

/// A series with its last value.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) labels: Labels,
    pub(crate) kept: Kept,
    time_unix_nano: u64,
    received: Instant,
    order: u64,
}

/// As much of a value as pages can show.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kept {
    Number(f64),
    /// Of a histogram or a summary; only the latter has quantiles.
    Distribution {
        count: f64,
        sum: Option<f64>,
        quantiles: Vec<(f64, f64)>,
    },
}

/// The store is full.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Store {
    pub(crate) fn new(metrics: BTreeSet<String>, series_max: usize) -> Self {
        let metrics = metrics.into_iter().map(|name| (name, HashMap::new())).collect();
        Self { metrics, series_max, live: 0, seen: 0 }
    }

    /// Takes a point, if a page names its metric.
    pub(crate) fn update(&mut self, point: &Point, now: Instant) -> Result<(), Full> {
        let Some(series) = self.metrics.get_mut(&point.series.metric().name) else { return Ok(()) };
        if point.is_stale() {
            self.live -= usize::from(series.remove(&point.series).is_some());
            return Ok(());
        }
        let Some(kept) = Kept::of(&point.value) else { return Ok(()) };
        if let Some(entry) = series.get_mut(&point.series) {
            entry.replace(point, kept, now);
            return Ok(());
        }
        if self.live >= self.series_max {
            return Err(Full);
        }
        self.live += 1;
        self.seen += 1;
        let labels = labels(&point.series);
        let time_unix_nano = point.time_unix_nano;
        let entry = Entry { labels, kept, time_unix_nano, received: now, order: self.seen };
        series.insert(point.series.clone(), entry);
        Ok(())
    }

    /// Forgets the series last heard of before `limit`.
    pub(crate) fn expire(&mut self, limit: Instant) {
        for series in self.metrics.values_mut() {
            series.retain(|_, entry| entry.received >= limit);
        }
        self.live = self.metrics.values().map(HashMap::len).sum();
    }

    /// How many series are held.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.live
    }

    /// The series of a metric that fit, by their labels.
    pub(crate) fn series(&self, metric: &str, fits: impl Fn(&Labels) -> bool) -> Vec<&Entry> {
        let series = self.metrics.get(metric).into_iter().flat_map(HashMap::values);
        let mut fitting: Vec<_> = series.filter(|entry| fits(&entry.labels)).collect();
        fitting.sort_by(|one, other| by_labels(&one.labels, &other.labels).then(one.order.cmp(&other.order)));
        fitting
    }
}

impl Entry {
    fn replace(&mut self, point: &Point, kept: Kept, now: Instant) {
        let is_delta = point.series.metric().kind.temporality() == Some(Temporality::Delta);
        if point.time_unix_nano < self.time_unix_nano {
            return;
        }
        self.kept = if is_delta { self.kept.plus(kept) } else { kept };
        self.time_unix_nano = point.time_unix_nano;
        self.received = now;
    }
}

impl Kept {
    fn of(value: &Value) -> Option<Self> {
        let distribution = |count: u64, sum, quantiles: &[(f64, f64)]| {
            Some(Self::Distribution { count: count as f64, sum, quantiles: quantiles.to_vec() })
        };
        match value {
            Value::Empty => None,
            Value::Int(value) => Some(Self::Number(*value as f64)),
            Value::Double(value) => Some(Self::Number(*value)),
            Value::Histogram(histogram) => distribution(histogram.count, histogram.sum, &[]),
            Value::ExponentialHistogram(histogram) => distribution(histogram.count, histogram.sum, &[]),
            Value::Summary(summary) => distribution(summary.count, Some(summary.sum), &summary.quantiles),
        }
    }

    /// Adds a delta.
    fn plus(&self, delta: Self) -> Self {
        match (self, delta) {
            (Self::Number(total), Self::Number(value)) => Self::Number(total + value),
            (
                Self::Distribution { count: total, sum: total_sum, .. },
                Self::Distribution { count, sum, quantiles },
            ) => {
                let sum = total_sum.zip(sum).map(|(total, sum)| total + sum);
                Self::Distribution { count: total + count, sum, quantiles }
            }
            (_, other) => other,
        }
    }
}

fn labels(series: &Series) -> Labels {
    let resource = series.resource().attributes.iter();
    let resource = resource.map(|(name, value)| (format!("resource:{name}"), attribute::text(value)));
    let own = series.attributes().iter().map(|(name, value)| (name.to_owned(), attribute::text(value)));
    resource.chain(own).filter(|(_, value)| !value.is_empty()).collect()
}

fn by_labels(one: &Labels, other: &Labels) -> Ordering {
    let pairs = one.iter().zip(other);
    let mut orders = pairs.map(|((name, value), (other_name, other_value))| {
        name.cmp(other_name).then_with(|| natural(value, other_value))
    });
    orders.find(|order| order.is_ne()).unwrap_or_else(|| one.len().cmp(&other.len()))
}

/// Compares whole numbers by size, all else as text.
pub(crate) fn natural(one: &str, other: &str) -> Ordering {
    match (one.parse::<u64>(), other.parse::<u64>()) {
        (Ok(one_number), Ok(other_number)) => one_number.cmp(&other_number).then_with(|| one.cmp(other)),
        // Numbers first, so that the order is one.
        (Ok(_), Err(_)) => Ordering::Less,
        (Err(_), Ok(_)) => Ordering::Greater,
        (Err(_), Err(_)) => one.cmp(other),
    }
}
