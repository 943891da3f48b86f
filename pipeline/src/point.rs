//! A measurement: a series, times and a value.

use std::sync::Arc;

use crate::attributes::Attributes;
use crate::series::Series;

/// One data point of the OTLP metric data model, whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    pub series: Series,
    /// When counting started, in nanoseconds since 1970; 0 where unknown.
    pub start_unix_nano: u64,
    /// When the value was true, in nanoseconds since 1970.
    pub time_unix_nano: u64,
    pub value: Value,
    /// `DataPointFlags`; test bits with a mask, as more may come.
    pub flags: u32,
    pub exemplars: Exemplars,
}

/// The flag of a point that says its series has ended (a stale marker).
pub const NO_RECORDED_VALUE: u32 = 1;

/// The value of a point; which variant is right follows from the metric's [`Kind`](crate::Kind).
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// No value: a stale marker.
    Empty,
    Int(i64),
    Double(f64),
    Histogram(Box<Histogram>),
    ExponentialHistogram(Box<ExponentialHistogram>),
    Summary(Box<Summary>),
}

/// Counts by explicit bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Histogram {
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    /// Upper bounds, inclusive, strictly increasing; shared between the points of a series.
    pub bounds: Arc<[f64]>,
    /// One count a bound, and one above the last; or empty together with `bounds`.
    pub bucket_counts: Vec<u64>,
}

/// Counts by exponentially growing bounds.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ExponentialHistogram {
    pub count: u64,
    pub sum: Option<f64>,
    pub min: Option<f64>,
    pub max: Option<f64>,
    pub scale: i32,
    pub zero_count: u64,
    pub zero_threshold: f64,
    pub positive: Buckets,
    pub negative: Buckets,
}

/// Dense counts from an offset on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Buckets {
    pub offset: i32,
    pub counts: Vec<u64>,
}

/// Count, sum and quantiles as a client computed them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Summary {
    pub count: u64,
    pub sum: f64,
    /// Pairs of quantile (0 to 1, ascending) and value.
    pub quantiles: Vec<(f64, f64)>,
}

/// A sample that stands for many, with what tells where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    pub attributes: Attributes,
    pub time_unix_nano: u64,
    pub value: ExemplarValue,
    /// Empty or 16 bytes.
    pub trace_id: Vec<u8>,
    /// Empty or 8 bytes.
    pub span_id: Vec<u8>,
}

/// What was measured, in the type it was measured in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ExemplarValue {
    Int(i64),
    Double(f64),
}

/// The exemplars of a point; a word when there are none, as nearly always.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Exemplars(Option<Box<List>>);

#[derive(Debug, Clone, PartialEq)]
struct List {
    exemplars: Vec<Exemplar>,
}

impl Exemplars {
    /// What nearly all points have; costs no allocation.
    pub const NONE: Self = Self(None);

    pub fn new(exemplars: Vec<Exemplar>) -> Self {
        Self((!exemplars.is_empty()).then(|| Box::new(List { exemplars })))
    }

    /// Adds one behind the others.
    pub fn push(&mut self, exemplar: Exemplar) {
        match &mut self.0 {
            Some(list) => list.exemplars.push(exemplar),
            None => *self = Self::new(vec![exemplar]),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Exemplar> {
        self.0.iter().flat_map(|list| &list.exemplars)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }
}

impl Point {
    /// A point with a value and a time, and nothing else.
    #[inline]
    pub fn new(series: Series, time_unix_nano: u64, value: Value) -> Self {
        Self { series, start_unix_nano: 0, time_unix_nano, value, flags: 0, exemplars: Exemplars::NONE }
    }

    /// A marker that the series has ended.
    pub fn stale(series: Series, time_unix_nano: u64) -> Self {
        Self { flags: NO_RECORDED_VALUE, ..Self::new(series, time_unix_nano, Value::Empty) }
    }

    /// Whether the point only says that its series has ended.
    pub fn is_stale(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }
}
