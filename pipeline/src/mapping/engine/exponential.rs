//! Exponential histograms: what they have grown by, and their sum at the coarser scale.

use crate::point::{Buckets, ExponentialHistogram};

/// A sum whose buckets would be more is made coarser.
const BUCKETS_MAX: i64 = 1024;
/// All that there is lies in one or two buckets by then.
const SCALE_MIN: i32 = -11;

/// `None` where the histogram has started anew.
pub(super) fn grown(
    now: &ExponentialHistogram,
    before: &ExponentialHistogram,
) -> Option<ExponentialHistogram> {
    let scale = now.scale.min(before.scale);
    let (mut now, before) = (coarser(now, scale), coarser(before, scale));
    now.count = now.count.checked_sub(before.count)?;
    now.zero_count = now.zero_count.checked_sub(before.zero_count)?;
    now.sum = now.sum.zip(before.sum).map(|(now, before)| now - before);
    subtract(&mut now.positive, &before.positive)?;
    subtract(&mut now.negative, &before.negative)?;
    Some(now)
}

pub(super) fn add(sum: &mut ExponentialHistogram, growth: &ExponentialHistogram) {
    let mut scale = sum.scale.min(growth.scale);
    let is_wide = |scale| {
        let (sum, growth) = (&*sum, growth);
        let width = |own: &Buckets, other: &Buckets| {
            let ends =
                [(own, sum.scale), (other, growth.scale)].map(|(buckets, from)| span(buckets, from - scale));
            let (low, high) = ends
                .iter()
                .flatten()
                .fold((i64::MAX, i64::MIN), |(low, high), (from, to)| (low.min(*from), high.max(*to)));
            high.saturating_sub(low)
        };
        width(&sum.positive, &growth.positive) > BUCKETS_MAX
            || width(&sum.negative, &growth.negative) > BUCKETS_MAX
    };
    while scale > SCALE_MIN && is_wide(scale) {
        scale -= 1;
    }
    if is_wide(scale) {
        return;
    }
    let growth = coarser(growth, scale);
    *sum = coarser(sum, scale);
    sum.count = sum.count.saturating_add(growth.count);
    sum.zero_count = sum.zero_count.saturating_add(growth.zero_count);
    sum.zero_threshold = sum.zero_threshold.max(growth.zero_threshold);
    sum.sum = sum.sum.zip(growth.sum).map(|(sum, growth)| sum + growth);
    sum.min = sum.min.zip(growth.min).map(|(sum, growth)| sum.min(growth));
    sum.max = sum.max.zip(growth.max).map(|(sum, growth)| sum.max(growth));
    add_buckets(&mut sum.positive, &growth.positive);
    add_buckets(&mut sum.negative, &growth.negative);
}

/// Where buckets begin and end after so many halvings of the resolution; `None` for none.
fn span(buckets: &Buckets, halvings: i32) -> Option<(i64, i64)> {
    let shift = halvings.clamp(0, 62);
    let from = i64::from(buckets.offset);
    let last = from + buckets.counts.len() as i64 - 1;
    (!buckets.counts.is_empty()).then_some((from >> shift, (last >> shift) + 1))
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
    for (index, count) in buckets.counts.iter().enumerate() {
        let into = ((i64::from(buckets.offset) + index as i64) >> shift) - from;
        counts[into as usize] = counts[into as usize].saturating_add(*count);
    }
    Buckets { offset: from as i32, counts }
}

fn subtract(now: &mut Buckets, before: &Buckets) -> Option<()> {
    for (index, count) in before.counts.iter().enumerate().filter(|(_, count)| **count > 0) {
        let at = i64::from(before.offset) + index as i64 - i64::from(now.offset);
        let own = now.counts.get_mut(usize::try_from(at).ok()?)?;
        *own = own.checked_sub(*count)?;
    }
    Some(())
}

fn add_buckets(sum: &mut Buckets, growth: &Buckets) {
    let (Some((from, to)), own) = (span(growth, 0), span(sum, 0)) else { return };
    let (low, high) = own.map_or((from, to), |(own_from, own_to)| (own_from.min(from), own_to.max(to)));
    let mut counts = vec![0_u64; (high - low) as usize];
    for buckets in [&*sum, growth] {
        for (index, count) in buckets.counts.iter().enumerate() {
            let into = (i64::from(buckets.offset) + index as i64 - low) as usize;
            counts[into] = counts[into].saturating_add(*count);
        }
    }
    *sum = Buckets { offset: low as i32, counts };
}
