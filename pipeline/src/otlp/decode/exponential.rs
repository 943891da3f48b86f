//! Points of exponential histograms.

use std::borrow::Cow;

use super::super::context::merge;
use super::super::fault::Fault;
use super::super::rejections::Reason;
use super::Walk;
use super::head::{Head, Layout};
use crate::point::{Buckets, ExponentialHistogram, Value};
use crate::wire::{Reader, WireError, WireType};

pub(super) const LAYOUT: Layout = Layout { attributes: 1, exemplars: 11, flags: 10 };

/// The exponents of two between which doubles are: the smallest subnormal, and above the largest.
const EXPONENT_MIN: f64 = -1074.0;
const EXPONENT_MAX: f64 = 1024.0;

impl Walk<'_> {
    pub(super) fn exponential_point(&mut self, message: &[u8]) -> Result<(), Fault> {
        let mut head = Head::new(message, self.progress.room);
        let mut histogram = ExponentialHistogram::default();
        let (mut positive, mut negative) = (Cow::default(), Cow::default());
        let mut reader = Reader::new(message);
        loop {
            let start = message.len() - reader.rest().len();
            let Some(tag) = reader.tag()? else { break };
            match tag {
                (4, WireType::Fixed64) => histogram.count = reader.fixed64()?,
                (5, WireType::Fixed64) => histogram.sum = Some(f64::from_bits(reader.fixed64()?)),
                (6, WireType::Varint) => histogram.scale = zigzag(reader.varint()?),
                (7, WireType::Fixed64) => histogram.zero_count = reader.fixed64()?,
                (8, WireType::Bytes) => merge(&mut positive, reader.bytes()?),
                (9, WireType::Bytes) => merge(&mut negative, reader.bytes()?),
                (12, WireType::Fixed64) => histogram.min = Some(f64::from_bits(reader.fixed64()?)),
                (13, WireType::Fixed64) => histogram.max = Some(f64::from_bits(reader.fixed64()?)),
                (14, WireType::Fixed64) => histogram.zero_threshold = f64::from_bits(reader.fixed64()?),
                tag => head.take(&LAYOUT, tag, &mut reader, start)?,
            }
        }
        let room = &mut self.progress.room;
        histogram.positive =
            read_buckets(&positive, room).map_err(|error| Fault::from(error).within("positive"))?;
        histogram.negative =
            read_buckets(&negative, room).map_err(|error| Fault::from(error).within("negative"))?;
        let value = match check(&histogram) {
            Err(_) if head.is_stale() => Ok(Value::Empty),
            Ok(()) if head.is_stale() && histogram == ExponentialHistogram::default() => Ok(Value::Empty),
            Ok(()) => Ok(Value::ExponentialHistogram(Box::new(histogram))),
            Err(reason) => Err(reason),
        };
        self.finish(&LAYOUT, head, value)
    }
}

/// Reads buckets and takes what they need from `room`.
pub(super) fn read_buckets(message: &[u8], room: &mut usize) -> Result<Buckets, WireError> {
    let mut take_room = |counts: usize| {
        *room = room.checked_sub(counts * size_of::<u64>()).ok_or(WireError::TooLarge)?;
        Ok(())
    };
    let mut buckets = Buckets::default();
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Varint) => buckets.offset = zigzag(reader.varint()?),
            (2, WireType::Varint) => {
                take_room(1)?;
                buckets.counts.push(reader.varint()?);
            }
            (2, WireType::Bytes) => {
                let packed = reader.bytes()?;
                let counts = packed.iter().filter(|byte| **byte < 0x80).count();
                take_room(counts)?;
                buckets.counts.reserve(counts);
                let mut items = Reader::new(packed);
                while !items.is_empty() {
                    buckets.counts.push(items.varint()?);
                }
            }
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(buckets)
}

fn check(histogram: &ExponentialHistogram) -> Result<(), Reason> {
    let ExponentialHistogram { positive, negative, zero_count, count, scale, .. } = histogram;
    let mut counts = positive.counts.iter().chain(&negative.counts);
    let total = counts.try_fold(*zero_count, |sum, item| sum.checked_add(*item));
    if total != Some(*count) {
        return Err(Reason::BucketsDoNotAddUp);
    }
    if !is_in_range(positive, *scale) || !is_in_range(negative, *scale) {
        return Err(Reason::BucketsOutOfRange);
    }
    Ok(())
}

/// Whether each bucket that counts something holds at least one double.
fn is_in_range(buckets: &Buckets, scale: i32) -> bool {
    let is_filled = |count: &u64| *count > 0;
    let (Some(first), Some(last)) =
        (buckets.counts.iter().position(is_filled), buckets.counts.iter().rposition(is_filled))
    else {
        return true;
    };
    // A bucket of index i holds what is above 2^(i * width), up to 2^((i + 1) * width).
    let width = (-f64::from(scale)).exp2();
    let boundary = |index: i64| if index == 0 { 0.0 } else { index as f64 * width };
    let offset = i64::from(buckets.offset);
    boundary(offset + last as i64) < EXPONENT_MAX && boundary(offset + first as i64 + 1) >= EXPONENT_MIN
}

fn zigzag(value: u64) -> i32 {
    let value = value as u32;
    (value >> 1) as i32 ^ -((value & 1) as i32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_range(scale: i32, offset: i32, counts: &[u64], expected: bool) {
        let buckets = Buckets { offset, counts: counts.to_vec() };
        assert_eq!(is_in_range(&buckets, scale), expected);
    }

    #[test]
    fn buckets_beyond_the_doubles_are_out_of_range() {
        check_range(0, 1023, &[1], true);
        check_range(0, 1023, &[1, 1], false);
        check_range(0, 1023, &[1, 0], true);
        check_range(0, -1075, &[1], true);
        check_range(0, -1076, &[1], false);
        check_range(0, -1076, &[0, 1], true);
        check_range(-10, 0, &[1], true);
        check_range(-10, -1, &[1], true);
        check_range(-10, 1, &[1], false);
        check_range(-10, -3, &[1], false);
        check_range(20, i32::MAX, &[1], false);
        check_range(20, 1 << 30, &[], true);
        check_range(i32::MIN, 0, &[1], true);
        check_range(i32::MIN, 1, &[1], false);
        check_range(i32::MAX, i32::MIN, &[1], true);
    }
}
