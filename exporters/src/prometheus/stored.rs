//! The last value of a series, as the page needs it; deltas are added up in it.

use std::collections::HashMap;
use std::sync::{Arc, Weak};

use pipeline::point::{ExponentialHistogram, Histogram, Summary};
use pipeline::{Kind, Value};

use super::exponential;
use super::number::canonical;

/// A value that can be written at any time.
#[derive(Debug)]
pub(crate) enum Stored {
    Int(i64),
    Double(f64),
    Histogram(Box<Classic>),
    Exponential(Box<ExponentialHistogram>),
    Summary(Box<Summary>),
}

/// A histogram with explicit bounds.
#[derive(Debug)]
pub(crate) struct Classic {
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) bounds: Arc<Bounds>,
    /// One a bound and one above the last; or empty.
    pub(crate) counts: Vec<u64>,
}

/// Bounds and their labels, shared between all series that have them.
#[derive(Debug)]
pub(crate) struct Bounds {
    pub(crate) values: Arc<[f64]>,
    /// `le="1.0"` for each finite bound.
    pub(crate) labels: Vec<Box<str>>,
}

/// Finds what is shared between all series with the same bounds.
#[derive(Debug)]
pub(crate) struct ByBounds<T> {
    shared: HashMap<Box<[u64]>, Weak<T>>,
    new: Pace,
}

/// Fewer new ones are not worth a look.
const PACE_MIN: usize = 16;

/// When a map of weak handles is to be rid of dead ones: as often as half of it is new, so that each handle is looked at
/// a few times, however large the map is.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    added: usize,
}

/// Finds the shared bounds.
pub(crate) type BoundsCache = ByBounds<Bounds>;

/// The value is not one that its metric may have, or contradicts itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Invalid;

impl Stored {
    pub(crate) fn new(kind: Kind, value: &Value, cache: &mut BoundsCache) -> Result<Self, Invalid> {
        match (kind, value) {
            (Kind::Gauge | Kind::Sum { .. }, Value::Int(value)) => Ok(Self::Int(*value)),
            (Kind::Gauge | Kind::Sum { .. }, Value::Double(value)) => Ok(Self::Double(*value)),
            (Kind::Histogram { .. }, Value::Histogram(histogram)) => {
                check(histogram)?;
                let bounds = cache.find(&histogram.bounds, Bounds::new);
                let mut classic = Classic { count: 0, sum: None, bounds, counts: Vec::new() };
                classic.fill(histogram);
                Ok(Self::Histogram(Box::new(classic)))
            }
            (Kind::ExponentialHistogram { .. }, Value::ExponentialHistogram(histogram)) => {
                Ok(Self::Exponential(Box::new(exponential::bounded(histogram))))
            }
            (Kind::Summary, Value::Summary(summary)) => Ok(Self::Summary(summary.clone())),
            _ => Err(Invalid),
        }
    }

    /// Takes a new value instead of the old one.
    #[inline]
    pub(crate) fn replace(&mut self, value: &Value, cache: &mut BoundsCache) -> Result<(), Invalid> {
        match (&mut *self, value) {
            (Self::Int(_) | Self::Double(_), Value::Double(value)) => *self = Self::Double(*value),
            (Self::Int(_) | Self::Double(_), Value::Int(value)) => *self = Self::Int(*value),
            (Self::Histogram(classic), Value::Histogram(histogram)) => {
                if classic.has_bounds(&histogram.bounds) {
                    check_counts(histogram)?;
                } else {
                    check(histogram)?;
                    classic.bounds = cache.find(&histogram.bounds, Bounds::new);
                }
                classic.fill(histogram);
            }
            (Self::Exponential(stored), Value::ExponentialHistogram(histogram)) => {
                **stored = exponential::bounded(histogram);
            }
            (Self::Summary(stored), Value::Summary(summary)) => stored.clone_from(summary),
            _ => return Err(Invalid),
        }
        Ok(())
    }

    /// Adds a delta; `false` where that cannot be, and counting has to start again from it.
    pub(crate) fn add(&mut self, value: &Value) -> Result<bool, Invalid> {
        match (&mut *self, value) {
            (Self::Int(total), Value::Int(value)) => {
                let sum = total.checked_add(*value);
                *total = sum.unwrap_or(*total);
                return Ok(sum.is_some());
            }
            (Self::Int(total), Value::Double(value)) => *self = Self::Double(*total as f64 + value),
            (Self::Double(total), Value::Double(value)) => *total += value,
            (Self::Double(total), Value::Int(value)) => *total += *value as f64,
            (Self::Histogram(classic), Value::Histogram(histogram)) => {
                check_counts(histogram)?;
                if !classic.has_bounds(&histogram.bounds) {
                    return Ok(false);
                }
                classic.add(histogram);
            }
            (Self::Exponential(total), Value::ExponentialHistogram(delta)) => exponential::add(total, delta),
            _ => return Err(Invalid),
        }
        Ok(true)
    }
}

impl Classic {
    #[inline]
    fn has_bounds(&self, bounds: &Arc<[f64]>) -> bool {
        Arc::ptr_eq(&self.bounds.values, bounds) || self.bounds.values == *bounds
    }

    fn fill(&mut self, histogram: &Histogram) {
        self.counts.clear();
        self.counts.extend_from_slice(&histogram.bucket_counts);
        self.sum = histogram.sum;
        self.count = total(histogram);
    }

    fn add(&mut self, histogram: &Histogram) {
        for (count, delta) in self.counts.iter_mut().zip(&histogram.bucket_counts) {
            *count = count.saturating_add(*delta);
        }
        self.sum = self.sum.zip(histogram.sum).map(|(left, right)| left + right);
        self.count = self.count.saturating_add(total(histogram));
    }
}

/// How many values there were; where the buckets say otherwise they are believed, as the page shows them.
pub(crate) fn total(histogram: &Histogram) -> u64 {
    if histogram.bucket_counts.is_empty() {
        return histogram.count;
    }
    histogram.bucket_counts.iter().fold(0, |total, count| total.saturating_add(*count))
}

/// Whether bounds and counts can be believed.
pub(crate) fn check(histogram: &Histogram) -> Result<(), Invalid> {
    let is_ascending = histogram.bounds.windows(2).all(|pair| pair[0] < pair[1]);
    let is_number = histogram.bounds.iter().all(|bound| !bound.is_nan());
    if is_ascending && is_number { check_counts(histogram) } else { Err(Invalid) }
}

fn check_counts(histogram: &Histogram) -> Result<(), Invalid> {
    let (bounds, counts) = (histogram.bounds.len(), histogram.bucket_counts.len());
    if counts == bounds + 1 || (bounds == 0 && counts == 0) { Ok(()) } else { Err(Invalid) }
}

impl Bounds {
    fn new(values: &Arc<[f64]>) -> Self {
        let finite = values.iter().filter(|value| **value != f64::INFINITY);
        let labels = finite.map(|value| format!("le=\"{}\"", canonical(*value)).into_boxed_str()).collect();
        Self { values: values.clone(), labels }
    }
}

impl<T> ByBounds<T> {
    pub(crate) fn find(&mut self, values: &Arc<[f64]>, make: impl FnOnce(&Arc<[f64]>) -> T) -> Arc<T> {
        let key: Box<[u64]> = values.iter().map(|value| value.to_bits()).collect();
        if let Some(shared) = self.shared.get(&key).and_then(Weak::upgrade) {
            return shared;
        }
        let made = Arc::new(make(values));
        if self.new.is_due(self.shared.len()) {
            self.shared.retain(|_, shared| shared.strong_count() > 0);
        }
        self.shared.insert(key, Arc::downgrade(&made));
        made
    }
}

impl<T> Default for ByBounds<T> {
    fn default() -> Self {
        Self { shared: HashMap::new(), new: Pace::default() }
    }
}

impl Pace {
    /// Counts one more of so many; says whether to look for dead ones now.
    pub(crate) fn is_due(&mut self, len: usize) -> bool {
        self.added += 1;
        let is_due = self.added > PACE_MIN.max(len / 2);
        if is_due {
            self.added = 0;
        }
        is_due
    }
}
