//! Exponential histograms: what they have grown by, and their sum at the coarser scale.

use crate::point::{Buckets, ExponentialHistogram};

/// All that there is lies in one or two buckets by then.
const SCALE_MIN: i32 = -11;

/// A sum would take more buckets than it may, at any scale; it is as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooWide;

/// `None` where the histogram has started anew.
pub(crate) fn grown(
    now: &ExponentialHistogram,
    before: &ExponentialHistogram,
) -> Option<ExponentialHistogram> {
    let scale = now.scale.min(before.scale);
    let (mut now, mut before) = (coarser(now, scale), coarser(before, scale));
    share_zero(&mut now, &mut before);
    now.count = now.count.checked_sub(before.count)?;
    now.zero_count = now.zero_count.checked_sub(before.zero_count)?;
    now.sum = super::less(now.sum, before.sum);
    subtract(&mut now.positive, &before.positive)?;
    subtract(&mut now.negative, &before.negative)?;
    Some(now)
}

/// Adds to a sum, which becomes coarser rather than longer than `buckets_max` of either sign.
pub(crate) fn add(
    sum: &mut ExponentialHistogram,
    growth: &ExponentialHistogram,
    buckets_max: i64,
) -> Result<(), TooWide> {
    let scale = fitting(&[sum, growth], buckets_max)?;
    let mut growth = coarser(growth, scale);
    *sum = coarser(sum, scale);
    share_zero(sum, &mut growth);
    let counts = (sum.count, growth.count);
    sum.sum = combined(counts, sum.sum, growth.sum, |sum, growth| sum + growth);
    sum.min = combined(counts, sum.min, growth.min, f64::min);
    sum.max = combined(counts, sum.max, growth.max, f64::max);
    sum.count = sum.count.saturating_add(growth.count);
    sum.zero_count = sum.zero_count.saturating_add(growth.zero_count);
    add_buckets(&mut sum.positive, &growth.positive);
    add_buckets(&mut sum.negative, &growth.negative);
    Ok(())
}

/// The histogram with at most `buckets_max` buckets of either sign.
pub(crate) fn fitted(
    histogram: &ExponentialHistogram,
    buckets_max: i64,
) -> Result<ExponentialHistogram, TooWide> {
    fitting(&[histogram], buckets_max).map(|scale| coarser(histogram, scale))
}

/// What two parts say together; one that has counted nothing has nothing to say.
pub(crate) fn combined(
    (left_count, right_count): (u64, u64),
    left: Option<f64>,
    right: Option<f64>,
    combine: impl FnOnce(f64, f64) -> f64,
) -> Option<f64> {
    match (left_count, right_count) {
        (_, 0) => left.or(right),
        (0, _) => right,
        _ => left.zip(right).map(|(left, right)| combine(left, right)),
    }
}

/// The finest scale at which these have room in so many buckets.
fn fitting(histograms: &[&ExponentialHistogram], buckets_max: i64) -> Result<i32, TooWide> {
    let mut scale = histograms.iter().map(|histogram| histogram.scale).min().unwrap_or(0);
    let is_wide = |scale: i32| {
        let width = |side: fn(&ExponentialHistogram) -> &Buckets| {
            let spans = histograms
                .iter()
                .filter_map(|histogram| span(side(histogram), histogram.scale.saturating_sub(scale)));
            let (low, high) =
                spans.fold((i64::MAX, i64::MIN), |(low, high), (from, to)| (low.min(from), high.max(to)));
            high.saturating_sub(low)
        };
        width(|histogram| &histogram.positive) > buckets_max
            || width(|histogram| &histogram.negative) > buckets_max
    };
    while is_wide(scale) {
        if scale <= SCALE_MIN {
            return Err(TooWide);
        }
        scale -= 1;
    }
    Ok(scale)
}

/// Where the buckets that count something begin and end after so many halvings of the resolution; `None` where
/// there are none.
fn span(buckets: &Buckets, halvings: i32) -> Option<(i64, i64)> {
    let shift = halvings.clamp(0, 62);
    let is_filled = |count: &u64| *count > 0;
    let first = buckets.counts.iter().position(is_filled)? as i64;
    let last = buckets.counts.iter().rposition(is_filled)? as i64;
    let offset = i64::from(buckets.offset);
    Some(((offset + first) >> shift, ((offset + last) >> shift) + 1))
}

fn coarser(histogram: &ExponentialHistogram, scale: i32) -> ExponentialHistogram {
    let halvings = histogram.scale.saturating_sub(scale);
    let mut histogram = histogram.clone();
    if halvings > 0 {
        histogram.positive = halved(&histogram.positive, halvings);
        histogram.negative = halved(&histogram.negative, halvings);
        histogram.scale = scale;
    }
    histogram
}

fn halved(buckets: &Buckets, halvings: i32) -> Buckets {
    let Some((from, to)) = span(buckets, halvings) else { return Buckets::default() };
    let shift = halvings.clamp(0, 62);
    let mut counts = vec![0_u64; (to - from) as usize];
    for (index, count) in filled(buckets) {
        let into = (index >> shift) - from;
        counts[into as usize] = counts[into as usize].saturating_add(count);
    }
    Buckets { offset: from as i32, counts }
}

/// The indexes and counts of buckets that count something.
fn filled(buckets: &Buckets) -> impl Iterator<Item = (i64, u64)> {
    let offset = i64::from(buckets.offset);
    let counts = buckets.counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counts.map(move |(index, count)| (offset + index as i64, *count))
}

/// Brings two histograms of one scale to the same zero bucket: the wider one, and wide enough to cut no other.
fn share_zero(left: &mut ExponentialHistogram, right: &mut ExponentialHistogram) {
    if left.zero_threshold == right.zero_threshold {
        return;
    }
    let mut threshold = left.zero_threshold.max(right.zero_threshold);
    loop {
        let wider = uncut(right, uncut(left, threshold));
        // Also ends for what is no number.
        if wider.partial_cmp(&threshold) != Some(std::cmp::Ordering::Greater) {
            break;
        }
        threshold = wider;
    }
    widen_zero(left, threshold);
    widen_zero(right, threshold);
}

/// The threshold, or the upper bound of the bucket that it would cut in two.
fn uncut(histogram: &ExponentialHistogram, threshold: f64) -> f64 {
    let cut =
        [&histogram.positive, &histogram.negative].into_iter().flat_map(filled).find_map(|(index, _)| {
            let upper = bound(histogram.scale, index + 1);
            (bound(histogram.scale, index) < threshold && threshold < upper).then_some(upper)
        });
    cut.unwrap_or(threshold)
}

fn widen_zero(histogram: &mut ExponentialHistogram, threshold: f64) {
    let ExponentialHistogram { scale, zero_count, positive, negative, .. } = histogram;
    for buckets in [positive, negative] {
        let offset = i64::from(buckets.offset);
        for (index, count) in buckets.counts.iter_mut().enumerate() {
            if *count > 0 && bound(*scale, offset + index as i64) < threshold {
                *zero_count = zero_count.saturating_add(std::mem::take(count));
            }
        }
    }
    histogram.zero_threshold = threshold;
}

/// What a bucket's values are above; at most this is in the bucket before.
fn bound(scale: i32, index: i64) -> f64 {
    // The width of a bucket may be infinite, and zero times that is no number.
    if index == 0 { 1.0 } else { (index as f64 * (-f64::from(scale)).exp2()).exp2() }
}

fn subtract(now: &mut Buckets, before: &Buckets) -> Option<()> {
    for (index, count) in filled(before) {
        let at = index - i64::from(now.offset);
        let own = now.counts.get_mut(usize::try_from(at).ok()?)?;
        *own = own.checked_sub(count)?;
    }
    Some(())
}

fn add_buckets(sum: &mut Buckets, growth: &Buckets) {
    let spans = [span(sum, 0), span(growth, 0)];
    let join = |(low, high): (i64, i64), (from, to): (i64, i64)| (low.min(from), high.max(to));
    let Some((low, high)) = spans.into_iter().flatten().reduce(join) else {
        *sum = Buckets::default();
        return;
    };
    let mut counts = vec![0_u64; (high - low) as usize];
    for (index, count) in [&*sum, growth].into_iter().flat_map(filled) {
        let into = (index - low) as usize;
        counts[into] = counts[into].saturating_add(count);
    }
    *sum = Buckets { offset: low as i32, counts };
}
