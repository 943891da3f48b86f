//! Streams of cumulative points, most of them sensible.

use super::BEGUN;
use crate::choices::Choices;
use crate::point::{Buckets, ExponentialHistogram, Histogram, Value};
use crate::{Attributes, Kind, Metric, Point, Registry, Resource, Scope, Series, Temporality};

/// As many streams there are; two of each shape.
pub(super) const SHAPES: usize = 8;

/// Numbers that are none, or too large to be counted with.
const DOUBLES: [f64; 6] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, f64::MAX, -0.0, -1.0];

/// A stream, and its last point.
pub(super) struct Stream {
    series: Series,
    time: u64,
    value: Value,
    /// Whether what its histograms count in buckets is what they count together.
    pub(super) is_consistent: bool,
}

impl Stream {
    pub(super) fn new(index: usize, registry: &Registry) -> Self {
        let temporality = Temporality::Cumulative;
        let (kind, value) = match index % 4 {
            0 => (Kind::Sum { temporality, is_monotonic: true }, Value::Int(0)),
            1 => (Kind::Sum { temporality, is_monotonic: true }, Value::Double(0.0)),
            2 => (Kind::Histogram { temporality }, Value::Histogram(Box::default())),
            _ => (
                Kind::ExponentialHistogram { temporality },
                Value::ExponentialHistogram(Box::new(ExponentialHistogram {
                    scale: 3,
                    ..Default::default()
                })),
            ),
        };
        let resource = registry.resource(Resource::default());
        let scope = registry.scope(Scope::default());
        let metric = registry.metric(Metric::new(index.to_string(), "", kind));
        let series = registry.series(&resource, &scope, &metric, Attributes::default());
        Self { series: series.expect("there is room"), time: BEGUN, value, is_consistent: index >= 4 }
    }

    pub(super) fn name(&self) -> &str {
        &self.series.metric().name
    }

    /// The next point: mostly a little later and a little more.
    pub(super) fn point(&mut self, choices: &mut Choices<'_>) -> Point {
        let time = match choices.below(16) {
            0 => self.time,
            1 => self.time.saturating_sub(choices.byte().into()),
            2 => choices.number(),
            later => self.time.saturating_add(later as u64),
        };
        if choices.below(32) == 31 {
            return Point::stale(self.series.clone(), time);
        }
        let start = match choices.below(8) {
            0 => 0,
            1 => choices.number(),
            2 => time,
            3 => self.time,
            4 => self.time.saturating_add(1),
            _ => BEGUN,
        };
        if choices.below(16) == 0 {
            self.value = emptied(&self.value);
        }
        add(&mut self.value, choices, self.is_consistent);
        if time < BEGUN + 1_000_000 {
            self.time = time;
        }
        Point { start_unix_nano: start, ..Point::new(self.series.clone(), time, self.value.clone()) }
    }
}

/// Whether what is counted in buckets is what is counted together.
pub(super) fn is_consistent(value: &Value) -> bool {
    match value {
        Value::Histogram(histogram) => histogram.bucket_counts.iter().sum::<u64>() == histogram.count,
        Value::ExponentialHistogram(histogram) => {
            let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
            counts.sum::<u64>() + histogram.zero_count == histogram.count
        }
        _ => true,
    }
}

/// What whoever counts begins anew with.
fn emptied(value: &Value) -> Value {
    match value {
        Value::Int(_) => Value::Int(0),
        Value::Double(_) => Value::Double(0.0),
        Value::Histogram(_) => Value::Histogram(Box::default()),
        _ => Value::ExponentialHistogram(Box::new(ExponentialHistogram { scale: 3, ..Default::default() })),
    }
}

fn add(value: &mut Value, choices: &mut Choices<'_>, is_sensible: bool) {
    match value {
        Value::Int(value) if is_sensible => *value += choices.below(100) as i64,
        Value::Int(value) => *value = value.wrapping_add(choices.number() as i64),
        Value::Double(value) if is_sensible => *value += choices.below(100) as f64,
        Value::Double(value) => {
            *value = match choices.below(16) {
                special @ 0..6 => DOUBLES[special],
                _ => choices.number() as f64 / 16.0,
            };
        }
        Value::Histogram(histogram) => add_buckets(histogram, choices, is_sensible),
        Value::ExponentialHistogram(histogram) => add_exponential(histogram, choices, is_sensible),
        Value::Empty | Value::Summary(_) => {}
    }
}

fn add_buckets(histogram: &mut Histogram, choices: &mut Choices<'_>, is_sensible: bool) {
    if histogram.bucket_counts.is_empty() || choices.below(32) == 0 {
        let bounds = choices.below(4);
        histogram.bounds = (0..bounds).map(|bound| bound as f64).collect();
        histogram.bucket_counts = vec![0; bounds + 1];
        histogram.count = 0;
    }
    for count in &mut histogram.bucket_counts {
        let more = if is_sensible { choices.below(8) as u64 } else { choices.number() };
        *count = count.wrapping_add(more);
        histogram.count = histogram.count.wrapping_add(more);
    }
    histogram.sum = sum(choices, histogram.sum);
}

fn add_exponential(histogram: &mut ExponentialHistogram, choices: &mut Choices<'_>, is_sensible: bool) {
    let more =
        |choices: &mut Choices<'_>| if is_sensible { choices.below(8) as u64 } else { choices.number() };
    match choices.below(8) {
        0 => histogram.scale = choices.below(40) as i32 - 12,
        1 => histogram.positive.offset = choices.number() as i32,
        2 => histogram.negative.offset = -(choices.below(64) as i32),
        3 => histogram.zero_threshold = choices.number() as f64 / 4.0,
        4 => {
            let zero = more(choices);
            histogram.zero_count = histogram.zero_count.wrapping_add(zero);
        }
        5 => grow(&mut histogram.negative, more(choices), choices.below(20)),
        _ => grow(&mut histogram.positive, more(choices), choices.below(20)),
    }
    let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    histogram.count = counts.fold(histogram.zero_count, |sum, count| sum.wrapping_add(*count));
    histogram.sum = sum(choices, histogram.sum);
}

fn grow(buckets: &mut Buckets, more: u64, at: usize) {
    buckets.counts.resize(buckets.counts.len().max(at + 1), 0);
    buckets.counts[at] = buckets.counts[at].wrapping_add(more);
}

fn sum(choices: &mut Choices<'_>, before: Option<f64>) -> Option<f64> {
    match choices.below(16) {
        special @ 0..6 => Some(DOUBLES[special]),
        6 => None,
        more => Some(before.unwrap_or(0.0) + more as f64),
    }
}
