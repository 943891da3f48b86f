//! What a backend took: how often each numbered point came, and whether any came out of turn.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{metric, number_data_point};

/// A point of the load, as its attributes and value name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub source: String,
    pub lane: String,
    pub number: i64,
}

/// How often a point was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Times {
    pub taken: u64,
    /// Of these, how often the sender was not told.
    pub unanswered: u64,
}

/// The memory of a backend, shared by all the places that are the same backend.
#[derive(Debug, Default)]
pub struct Account {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    seen: HashMap<String, HashMap<i64, Times>>,
    // The highest number of each series, by source and lane.
    highest: HashMap<(String, String), i64>,
    totals: Totals,
}

/// Sums over all requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Points in requests that were answered well, repeated ones too.
    pub answered: u64,
    /// Points in requests that were taken without an answer.
    pub unanswered: u64,
    /// Points that came for the first time behind a later one of their series.
    pub reordered: u64,
    /// The points of the largest request.
    pub largest: u64,
}

impl Account {
    /// Takes a request's points; `is_answered` where the sender is going to be told so.
    pub fn take(&self, points: &[Point], is_answered: bool) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let count = points.len() as u64;
        let sum = if is_answered { &mut state.totals.answered } else { &mut state.totals.unanswered };
        *sum += count;
        state.totals.largest = state.totals.largest.max(count);
        for point in points {
            let times = state.seen.entry(point.source.clone()).or_default().entry(point.number).or_default();
            times.taken += 1;
            times.unanswered += u64::from(!is_answered);
            let series = (point.source.clone(), point.lane.clone());
            let highest = state.highest.entry(series).or_insert(i64::MIN);
            // A point that comes again was counted as such, wherever it comes.
            state.totals.reordered += u64::from(times.taken == 1 && point.number < *highest);
            *highest = point.number.max(*highest);
        }
    }

    /// How often each point of this source was taken.
    pub fn of(&self, source: &str) -> HashMap<i64, Times> {
        self.lock().seen.get(source).cloned().unwrap_or_default()
    }

    /// How often each point was taken, by source and number.
    pub fn seen(&self) -> HashMap<(String, i64), u64> {
        let state = self.lock();
        let of = |(source, points): (&String, &HashMap<i64, Times>)| {
            let source = source.clone();
            points
                .iter()
                .map(move |(number, times)| ((source.clone(), *number), times.taken))
                .collect::<Vec<_>>()
        };
        state.seen.iter().flat_map(of).collect()
    }

    /// How many different points were taken.
    pub fn distinct(&self) -> usize {
        self.lock().seen.values().map(HashMap::len).sum()
    }

    pub fn totals(&self) -> Totals {
        self.lock().totals
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The points of the load in an OTLP request; others are not looked at.
pub(crate) fn otlp_points(request: &ExportMetricsServiceRequest) -> Vec<Point> {
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    let gauges = scopes.flat_map(|scope| &scope.metrics).filter_map(|metric| match &metric.data {
        Some(metric::Data::Gauge(gauge)) => Some(gauge),
        _ => None,
    });
    let points = gauges.flat_map(|gauge| &gauge.data_points).filter_map(|point| {
        let number = match point.value? {
            number_data_point::Value::AsInt(number) => number,
            number_data_point::Value::AsDouble(number) => number as i64,
        };
        let source = text(&point.attributes, "src")?;
        Some(Point { source, lane: text(&point.attributes, "lane").unwrap_or_default(), number })
    });
    points.collect()
}

fn text(attributes: &[KeyValue], key: &str) -> Option<String> {
    let pair = attributes.iter().find(|pair| pair.key == key)?;
    match pair.value.as_ref()?.value.as_ref()? {
        any_value::Value::StringValue(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a backend that has been told so calls this point bad: one in a thousand.
pub(crate) fn is_poison(point: &Point) -> bool {
    point.number % POISON_EVERY == POISON_EVERY - 1
}

/// How many points there are to one that is called bad.
const POISON_EVERY: i64 = 997;
