//! Native histograms: from dense counts to spans and deltas.

use std::sync::Arc;

use pipeline::point::{Buckets, ExponentialHistogram, Histogram};
use pipeline::{Point, Value};

use super::rendered::put_packed;
use super::wire::{put_double, put_integer, put_start, zigzag};
use crate::prometheus::{exponential, stored};
use pipeline::wire::varint_len;

/// The bits of a value that says its series has ended.
pub(super) const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// The schemas that receivers know.
const SCHEMAS: std::ops::RangeInclusive<i32> = -4..=8;

/// The schema whose bounds are given one by one.
const CUSTOM: i32 = -53;

/// What counts as zero where nothing is said.
const ZERO_THRESHOLD: f64 = 1e-128;

/// A histogram with integer counts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Native {
    pub(super) time_ms: i64,
    pub(super) start_ms: i64,
    count: u64,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    negative: Spans,
    positive: Spans,
    /// The finite bounds of [`CUSTOM`].
    bounds: Option<Arc<[f64]>>,
}

/// Runs of buckets that follow each other, and each count less the one before.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Spans {
    /// The distance from the end of the one before, and the length.
    pub(super) spans: Vec<(i32, u32)>,
    pub(super) deltas: Vec<i64>,
}

/// Whether a point of a histogram with explicit bounds has a native form.
pub(super) fn has_form(point: &Point) -> bool {
    match &point.value {
        _ if point.is_stale() => true,
        Value::Histogram(histogram) => Native::of_explicit(histogram).is_some(),
        _ => false,
    }
}

impl Native {
    /// `None` where there is no schema for it, no sum, or an index or count that has no form.
    pub(super) fn of_exponential(histogram: &ExponentialHistogram) -> Option<Self> {
        let sum = histogram.sum?;
        if histogram.scale < *SCHEMAS.start() {
            return None;
        }
        let coarser;
        let histogram = if histogram.scale > *SCHEMAS.end() {
            coarser = exponential::limited(histogram, *SCHEMAS.end());
            &coarser
        } else {
            histogram
        };
        let total = |buckets: &Buckets| {
            buckets.counts.iter().try_fold(0_u64, |total, count| total.checked_add(*count))
        };
        // Where the total says otherwise the buckets are believed: receivers refuse what does not add up.
        let count = total(&histogram.positive)?
            .checked_add(total(&histogram.negative)?)?
            .checked_add(histogram.zero_count)?;
        // Their bounds are named by the upper one here, and by the lower one there.
        let spans = |buckets| {
            Spans::new(exponential::indexed(buckets).map(|(index, count)| (index.saturating_add(1), count)))
        };
        let is_set = histogram.zero_threshold > 0.0 && histogram.zero_threshold.is_finite();
        Some(Self {
            time_ms: 0,
            start_ms: 0,
            count,
            sum,
            schema: histogram.scale,
            zero_threshold: if is_set { histogram.zero_threshold } else { ZERO_THRESHOLD },
            zero_count: histogram.zero_count,
            negative: spans(&histogram.negative)?,
            positive: spans(&histogram.positive)?,
            bounds: None,
        })
    }

    /// With the bounds as they are; `None` without a sum, or where a count has no form.
    pub(super) fn of_explicit(histogram: &Histogram) -> Option<Self> {
        let sum = histogram.sum?;
        let finite = histogram.bounds.iter().take_while(|bound| **bound < f64::INFINITY).count();
        if histogram.bounds.first() == Some(&f64::NEG_INFINITY) {
            return None;
        }
        let bounds = if finite == histogram.bounds.len() {
            histogram.bounds.clone()
        } else {
            histogram.bounds[..finite].into()
        };
        let counts = if histogram.bucket_counts.is_empty() {
            vec![histogram.count]
        } else {
            // What is above an infinite bound is nowhere.
            let (low, high) = histogram.bucket_counts.split_at(finite);
            let above = high.iter().try_fold(0_u64, |total, count| total.checked_add(*count))?;
            low.iter().copied().chain([above]).collect()
        };
        let counts = counts.iter().enumerate().map(|(index, count)| (index as i64, *count));
        Some(Self {
            time_ms: 0,
            start_ms: 0,
            count: stored::total(histogram),
            sum,
            schema: CUSTOM,
            zero_threshold: 0.0,
            zero_count: 0,
            negative: Spans::default(),
            positive: Spans::new(counts)?,
            bounds: Some(bounds),
        })
    }

    /// A marker that the series has ended.
    pub(super) fn stale() -> Self {
        Self {
            time_ms: 0,
            start_ms: 0,
            count: 0,
            sum: STALE,
            schema: 0,
            zero_threshold: 0.0,
            zero_count: 0,
            negative: Spans::default(),
            positive: Spans::default(),
            bounds: None,
        }
    }

    pub(super) fn at(self, time_ms: i64, start_ms: i64) -> Self {
        Self { time_ms, start_ms, ..self }
    }

    /// Writes the message; both versions have the same, but for the start.
    pub(super) fn put(&self, buffer: &mut Vec<u8>, has_start: bool) {
        // Written even where they are zero: that they are there says that counts are integers.
        buffer.push(0x08);
        pipeline::wire::put_varint(buffer, self.count);
        put_double(buffer, 0x19, self.sum);
        put_integer(buffer, 0x20, zigzag(self.schema.into()));
        put_double(buffer, 0x29, self.zero_threshold);
        buffer.push(0x30);
        pipeline::wire::put_varint(buffer, self.zero_count);
        self.negative.put(buffer, 0x42, 0x4a);
        self.positive.put(buffer, 0x5a, 0x62);
        put_integer(buffer, 0x78, self.time_ms as u64);
        if let Some(bounds) = self.bounds.as_deref().filter(|bounds| !bounds.is_empty()) {
            buffer.extend_from_slice(&[0x82, 0x01]);
            pipeline::wire::put_varint(buffer, bounds.len() as u64 * 8);
            for bound in bounds {
                buffer.extend_from_slice(&bound.to_le_bytes());
            }
        }
        if has_start && self.start_ms != 0 {
            buffer.extend_from_slice(&[0x88, 0x01]);
            pipeline::wire::put_varint(buffer, self.start_ms as u64);
        }
    }
}

impl Spans {
    /// Of counts by ascending index; `None` where an index or a count is beyond what can be written.
    pub(super) fn new(counts: impl Iterator<Item = (i64, u64)>) -> Option<Self> {
        let mut spans = Self::default();
        let (mut next, mut before) = (0_i64, 0_i64);
        for (index, count) in counts.filter(|(_, count)| *count > 0) {
            let count = i64::try_from(count).ok()?;
            i32::try_from(index).ok()?;
            match spans.spans.last_mut() {
                Some((_, length)) if index == next => *length += 1,
                _ => spans.spans.push((i32::try_from(index - next).ok()?, 1)),
            }
            spans.deltas.push(count - before);
            (next, before) = (index + 1, count);
        }
        Some(spans)
    }

    fn put(&self, buffer: &mut Vec<u8>, span_tag: u8, delta_tag: u8) {
        for (offset, length) in &self.spans {
            let (offset, length) = (zigzag((*offset).into()), u64::from(*length));
            let offset_size = if offset == 0 { 0 } else { 1 + varint_len(offset) };
            put_start(buffer, span_tag, offset_size + 1 + varint_len(length));
            put_integer(buffer, 0x08, offset);
            put_integer(buffer, 0x10, length);
        }
        put_packed(buffer, delta_tag, self.deltas.iter().map(|delta| zigzag(*delta)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exponential(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogram {
        let positive = Buckets { offset, counts: counts.to_vec() };
        let count = counts.iter().sum();
        ExponentialHistogram { count, sum: Some(1.0), scale, positive, ..ExponentialHistogram::default() }
    }

    fn explicit(bounds: &[f64], counts: &[u64]) -> Histogram {
        Histogram {
            count: counts.iter().sum(),
            sum: Some(1.0),
            bounds: bounds.into(),
            bucket_counts: counts.to_vec(),
            ..Histogram::default()
        }
    }

    #[test]
    fn the_worked_examples_of_the_specification_come_out() {
        let native = Native::of_exponential(&exponential(0, 3, &[10, 0, 0, 20, 5, 2])).unwrap();
        assert_eq!(native.positive.spans, [(4, 1), (2, 3)]);
        assert_eq!(native.positive.deltas, [10, 10, -15, -3]);
        assert_eq!((native.schema, native.count, native.zero_threshold), (0, 37, 1e-128));
        let native =
            Native::of_explicit(&explicit(&[-2.0, -1.0, 0.0, 1.0, 2.0], &[10, 0, 0, 20, 5, 2])).unwrap();
        assert_eq!(native.positive.spans, [(0, 1), (2, 3)]);
        assert_eq!(native.positive.deltas, [10, 10, -15, -3]);
        assert_eq!(native.bounds.as_deref(), Some(&[-2.0, -1.0, 0.0, 1.0, 2.0][..]));
        assert_eq!((native.schema, native.count), (-53, 37));
    }

    #[test]
    fn a_scale_is_made_coarser_down_to_8_and_below_minus_4_there_is_no_form() {
        let native = Native::of_exponential(&exponential(9, 0, &[1, 2, 3, 4])).unwrap();
        assert_eq!(native.schema, 8);
        assert_eq!((native.positive.spans, native.positive.deltas), (vec![(1, 2)], vec![3, 4]));
        for scale in [71, 72, 1000, i32::MAX] {
            let native = Native::of_exponential(&exponential(scale, -1, &[1, 2])).unwrap();
            assert_eq!((native.schema, native.positive.spans), (8, vec![(0, 2)]), "{scale}");
        }
        assert!(Native::of_exponential(&exponential(-4, 0, &[1])).is_some());
        assert_eq!(Native::of_exponential(&exponential(-5, 0, &[1])), None);
    }

    #[test]
    fn without_a_sum_there_is_no_native_histogram() {
        let histogram = ExponentialHistogram { sum: None, ..exponential(0, 0, &[1]) };
        assert_eq!(Native::of_exponential(&histogram), None);
        let histogram = Histogram { sum: None, ..explicit(&[1.0], &[1, 2]) };
        assert_eq!(Native::of_explicit(&histogram), None);
    }

    #[test]
    fn far_ends_have_no_form_and_do_not_panic() {
        assert_eq!(Native::of_exponential(&exponential(0, i32::MAX, &[1])), None);
        assert!(Native::of_exponential(&exponential(0, i32::MIN, &[1])).is_some());
        assert_eq!(Native::of_exponential(&exponential(0, 0, &[u64::MAX])), None);
        assert!(Native::of_exponential(&exponential(i32::MAX, i32::MAX, &[1, 1])).is_some());
    }

    #[test]
    fn a_threshold_that_is_set_is_kept_and_an_infinite_bound_is_none() {
        let histogram =
            ExponentialHistogram { zero_threshold: 0.5, zero_count: 3, ..exponential(0, 0, &[1]) };
        let native = Native::of_exponential(&histogram).unwrap();
        assert_eq!((native.zero_threshold, native.zero_count, native.count), (0.5, 3, 4));
        let native = Native::of_explicit(&explicit(&[1.0, f64::INFINITY], &[1, 2, 0])).unwrap();
        assert_eq!(native.bounds.as_deref(), Some(&[1.0][..]));
        assert_eq!(native.positive.deltas, [1, 1]);
    }
}
