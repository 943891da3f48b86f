//! Points of histograms with explicit bounds.

use std::borrow::Cow;
use std::sync::Arc;

use super::super::context::merge;
use super::super::fault::Fault;
use super::super::rejections::Reason;
use super::Walk;
use super::head::{Head, Layout};
use crate::point::{Histogram, Value};
use crate::wire::{Reader, WireError, WireType};

pub(super) const LAYOUT: Layout = Layout { attributes: 9, exemplars: 8, flags: 10 };

/// The value while the point is read.
#[derive(Default)]
struct Fields<'a> {
    histogram: Histogram,
    /// Eight bytes an item, as a packed field has them.
    bounds: Cow<'a, [u8]>,
    bucket_counts: Cow<'a, [u8]>,
}

impl Walk<'_> {
    pub(super) fn histogram_point(&mut self, message: &[u8]) -> Result<(), Fault> {
        let mut head = Head::new(message, self.progress.room);
        let mut fields = Fields::default();
        let mut reader = Reader::new(message);
        loop {
            let start = message.len() - reader.rest().len();
            let Some(tag) = reader.tag()? else { break };
            let histogram = &mut fields.histogram;
            match tag {
                (4, WireType::Fixed64) => histogram.count = reader.fixed64()?,
                (5, WireType::Fixed64) => histogram.sum = Some(f64::from_bits(reader.fixed64()?)),
                (11, WireType::Fixed64) => histogram.min = Some(f64::from_bits(reader.fixed64()?)),
                (12, WireType::Fixed64) => histogram.max = Some(f64::from_bits(reader.fixed64()?)),
                (6, WireType::Bytes | WireType::Fixed64) => {
                    take_items(&mut fields.bucket_counts, tag.1, &mut reader)?;
                }
                (7, WireType::Bytes | WireType::Fixed64) => {
                    take_items(&mut fields.bounds, tag.1, &mut reader)?;
                }
                tag => head.take(&LAYOUT, tag, &mut reader, start)?,
            }
        }
        let value = match self.histogram(fields) {
            Err(_) if head.is_stale() => Ok(Value::Empty),
            Ok(histogram) if head.is_stale() && histogram == Histogram::default() => Ok(Value::Empty),
            Ok(histogram) => Ok(Value::Histogram(Box::new(histogram))),
            Err(reason) => Err(reason),
        };
        self.finish(&LAYOUT, head, value)
    }

    fn histogram(&mut self, fields: Fields<'_>) -> Result<Histogram, Reason> {
        let Fields { mut histogram, bounds, bucket_counts } = fields;
        let buckets = bucket_counts.len() / 8;
        if buckets != bounds.len() / 8 + 1 && !(buckets == 0 && bounds.is_empty()) {
            return Err(Reason::BucketsDoNotMatchBounds);
        }
        let total =
            items(&bucket_counts).try_fold(0_u64, |sum, item| sum.checked_add(u64::from_le_bytes(item)));
        if buckets > 0 && total != Some(histogram.count) {
            return Err(Reason::BucketsDoNotAddUp);
        }
        histogram.bounds = self.bounds(&bounds)?;
        histogram.bucket_counts = items(&bucket_counts).map(u64::from_le_bytes).collect();
        Ok(histogram)
    }

    /// The bounds, shared with the point before where they are the same.
    fn bounds(&mut self, bytes: &[u8]) -> Result<Arc<[f64]>, Reason> {
        let shared = &mut self.cache.metrics.get_mut(self.metric).value.bounds;
        let bounds = || items(bytes).map(f64::from_le_bytes);
        // A bit comparison would tell 0 from -0, which must both be carried as they are.
        if bounds().map(f64::to_bits).eq(shared.iter().map(|bound| bound.to_bits())) {
            return Ok(shared.clone());
        }
        if !bounds().is_sorted_by(|left, right| left < right) || bounds().any(f64::is_nan) {
            return Err(Reason::BoundsNotIncreasing);
        }
        *shared = bounds().collect();
        Ok(shared.clone())
    }
}

/// Takes the items of a repeated field of eight-byte numbers, packed or one by one.
fn take_items<'a>(
    into: &mut Cow<'a, [u8]>,
    wire: WireType,
    reader: &mut Reader<'a>,
) -> Result<(), WireError> {
    if wire == WireType::Fixed64 {
        let (item, _) = reader.rest().split_at_checked(8).ok_or(WireError::Truncated)?;
        reader.fixed64()?;
        merge(into, item);
        return Ok(());
    }
    let packed = reader.bytes()?;
    if !packed.len().is_multiple_of(8) {
        return Err(WireError::Truncated);
    }
    merge(into, packed);
    Ok(())
}

fn items(bytes: &[u8]) -> impl Iterator<Item = [u8; 8]> {
    bytes.as_chunks::<8>().0.iter().copied()
}
