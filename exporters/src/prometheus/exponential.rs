//! Exponential histograms: kept small, added up, and turned into classic buckets.

use pipeline::point::{Buckets, ExponentialHistogram};

/// How many buckets of either sign are kept; beyond that, resolution is given up.
pub(crate) const BUCKETS_MAX: i64 = 79;

/// A bucket of a classic histogram: its upper bound, and how many fell into it.
pub(crate) type Bucket = (f64, u64);

/// The same histogram with at most [`BUCKETS_MAX`] buckets of either sign.
pub(crate) fn bounded(histogram: &ExponentialHistogram) -> ExponentialHistogram {
    let shift =
        shift_to_fit(&[range(&histogram.positive, 0)]).max(shift_to_fit(&[range(&histogram.negative, 0)]));
    coarser(histogram, shift)
}

/// The same histogram at a scale of no more than `scale_max`.
pub(crate) fn limited(histogram: &ExponentialHistogram, scale_max: i32) -> ExponentialHistogram {
    let coarser = coarser(histogram, shift_of(histogram.scale, scale_max));
    // From far above it there are more steps than a shift may have; every one beyond has the same result.
    ExponentialHistogram { scale: histogram.scale.min(scale_max), ..coarser }
}

/// The same histogram with so many steps of resolution given up.
fn coarser(histogram: &ExponentialHistogram, shift: u32) -> ExponentialHistogram {
    ExponentialHistogram {
        count: histogram.count,
        sum: histogram.sum,
        min: histogram.min,
        max: histogram.max,
        scale: histogram.scale.saturating_sub(shift as i32),
        zero_count: histogram.zero_count,
        zero_threshold: histogram.zero_threshold,
        positive: joined([(&histogram.positive, shift), (&Buckets::default(), 0)]),
        negative: joined([(&histogram.negative, shift), (&Buckets::default(), 0)]),
    }
}

/// Adds a later delta, at the coarser resolution of the two.
pub(crate) fn add(total: &mut ExponentialHistogram, delta: &ExponentialHistogram) {
    let scale = total.scale.min(delta.scale);
    let mut shifts = [total.scale, delta.scale].map(|own| shift_of(own, scale));
    let fit =
        |left: &Buckets, right: &Buckets| shift_to_fit(&[range(left, shifts[0]), range(right, shifts[1])]);
    let more = fit(&total.positive, &delta.positive).max(fit(&total.negative, &delta.negative));
    shifts = shifts.map(|shift| shift.saturating_add(more));
    total.positive = joined([(&total.positive, shifts[0]), (&delta.positive, shifts[1])]);
    total.negative = joined([(&total.negative, shifts[0]), (&delta.negative, shifts[1])]);
    total.scale = scale.saturating_sub(more as i32);
    total.count = total.count.saturating_add(delta.count);
    total.zero_count = total.zero_count.saturating_add(delta.zero_count);
    total.zero_threshold = total.zero_threshold.max(delta.zero_threshold);
    total.sum = total.sum.zip(delta.sum).map(|(left, right)| left + right);
    (total.min, total.max) = (None, None);
}

/// The classic buckets in ascending order, without the last one that is above everything.
///
/// The upper bound of a bucket of negative numbers is the one nearer to zero.
pub(crate) fn classic(histogram: &ExponentialHistogram) -> Vec<Bucket> {
    let mut buckets: Vec<Bucket> = Vec::new();
    let negative = indexed(&histogram.negative);
    for (index, count) in negative.rev() {
        push(&mut buckets, -power(histogram.scale, index), count);
    }
    let threshold = if histogram.zero_threshold > 0.0 { histogram.zero_threshold } else { 0.0 };
    if histogram.zero_count > 0 || !buckets.is_empty() {
        push(&mut buckets, threshold, histogram.zero_count);
    }
    for (place, (index, count)) in indexed(&histogram.positive).enumerate() {
        if place == 0 {
            // Where the first bucket starts, so that a quantile in it can be told.
            push(&mut buckets, power(histogram.scale, index).max(threshold), 0);
        }
        push(&mut buckets, power(histogram.scale, index + 1), count);
    }
    if buckets.last().is_some_and(|(bound, _)| bound.is_infinite()) {
        buckets.pop();
    }
    buckets
}

/// How many values there were; where the buckets say otherwise they are believed.
pub(crate) fn total(histogram: &ExponentialHistogram) -> u64 {
    let counts = histogram.positive.counts.iter().chain(&histogram.negative.counts);
    counts.fold(histogram.zero_count, |total, count| total.saturating_add(*count))
}

/// Adds a bucket, or its count to the last one where rounding made their bounds equal.
fn push(buckets: &mut Vec<Bucket>, bound: f64, count: u64) {
    match buckets.last_mut() {
        Some((last, total)) if bound <= *last => *total = total.saturating_add(count),
        _ => buckets.push((bound, count)),
    }
}

/// `2 ^ (index * 2 ^ -scale)`, the lower bound of a bucket.
fn power(scale: i32, index: i64) -> f64 {
    let exponent = index as f64 * (-f64::from(scale)).exp2();
    if exponent.is_nan() { 1.0 } else { exponent.exp2() }
}

/// The buckets with their index, without empty ones at the ends.
pub(crate) fn indexed(buckets: &Buckets) -> impl DoubleEndedIterator<Item = (i64, u64)> {
    let first = buckets.counts.iter().position(|count| *count > 0).unwrap_or(0);
    let end = buckets.counts.iter().rposition(|count| *count > 0).map_or(first, |last| last + 1);
    let offset = i64::from(buckets.offset);
    buckets.counts[first..end]
        .iter()
        .enumerate()
        .map(move |(place, count)| (offset + (first + place) as i64, *count))
}

/// First and last index in use, after giving up `shift` steps of resolution.
fn range(buckets: &Buckets, shift: u32) -> Option<(i64, i64)> {
    let mut indexed = indexed(buckets).map(|(index, _)| index >> shift.min(63));
    let first = indexed.next()?;
    Some((first, indexed.next_back().unwrap_or(first)))
}

/// How many steps of resolution to give up until all ranges together fit.
fn shift_to_fit(ranges: &[Option<(i64, i64)>]) -> u32 {
    let first = ranges.iter().flatten().map(|(first, _)| *first).min().unwrap_or(0);
    let last = ranges.iter().flatten().map(|(_, last)| *last).max().unwrap_or(0);
    (0..63).find(|shift| (last >> shift) - (first >> shift) < BUCKETS_MAX).unwrap_or(63)
}

fn shift_of(own: i32, scale: i32) -> u32 {
    (i64::from(own) - i64::from(scale)).clamp(0, 63) as u32
}

/// Both together, at the resolutions that the shifts lead to; they fit.
fn joined(parts: [(&Buckets, u32); 2]) -> Buckets {
    let ranges = parts.map(|(buckets, shift)| range(buckets, shift));
    let Some(first) = ranges.iter().flatten().map(|(first, _)| *first).min() else {
        return Buckets::default();
    };
    let last = ranges.iter().flatten().map(|(_, last)| *last).max().unwrap_or(first);
    let mut counts = vec![0_u64; (last - first + 1) as usize];
    for (buckets, shift) in parts {
        for (index, count) in indexed(buckets) {
            let place = ((index >> shift.min(63)) - first) as usize;
            counts[place] = counts[place].saturating_add(count);
        }
    }
    Buckets { offset: i32::try_from(first).unwrap_or(if first < 0 { i32::MIN } else { i32::MAX }), counts }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogram {
        let positive = Buckets { offset, counts: counts.to_vec() };
        let count = counts.iter().sum();
        ExponentialHistogram { count, sum: Some(1.0), scale, positive, ..ExponentialHistogram::default() }
    }

    #[test]
    fn buckets_become_classic_ones() {
        let mut both = histogram(0, 1, &[0, 5, 0, 7, 0]);
        both.zero_count = 2;
        both.negative = Buckets { offset: 0, counts: vec![1, 3] };
        let expected = [(-2.0, 3), (-1.0, 1), (0.0, 2), (4.0, 0), (8.0, 5), (16.0, 0), (32.0, 7)];
        assert_eq!(classic(&both), expected);
        assert_eq!(classic(&histogram(1, 0, &[1])), [(1.0, 0), (2.0_f64.sqrt(), 1)]);
        assert_eq!(classic(&histogram(0, 0, &[])), []);
    }

    #[test]
    fn resolution_is_given_up_until_it_fits() {
        let wide = bounded(&histogram(3, -500, &[1; 1000]));
        assert!(wide.positive.counts.len() <= BUCKETS_MAX as usize);
        assert_eq!(wide.positive.counts.iter().sum::<u64>(), 1000);
        assert_eq!(wide.scale, -1);
    }

    #[test]
    fn deltas_add_up_at_the_coarser_resolution() {
        let mut total = histogram(1, 2, &[1, 2, 3, 4]);
        add(&mut total, &histogram(0, 1, &[10, 20]));
        assert_eq!((total.scale, total.count, total.sum), (0, 40, Some(2.0)));
        assert_eq!(total.positive, Buckets { offset: 1, counts: vec![13, 27] });
    }

    #[test]
    fn far_ends_neither_panic_nor_fill_the_memory() {
        for scale in [i32::MIN, -11, 0, 20, i32::MAX] {
            let mut total = bounded(&histogram(scale, i32::MAX, &[1, 1]));
            add(&mut total, &histogram(i32::MAX, i32::MIN, &[u64::MAX]));
            assert!(total.positive.counts.len() <= BUCKETS_MAX as usize);
            let buckets = classic(&total);
            assert!(buckets.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
    }
}
