//! Native histograms: from spans and deltas to the buckets that OpenTelemetry has.

use pipeline::Value;
use pipeline::point::{Buckets, ExponentialHistogram, Histogram};
use pipeline::wire::{Reader, WireError, WireType};

use super::reason::Reason;
use super::sample::is_stale;

/// As many buckets may a histogram have on each side, with the empty ones between them.
const BUCKETS_MAX: usize = 10_000;

/// The schema of histograms with bounds of their own.
const CUSTOM_SCHEMA: i32 = -53;

/// The exponents of two between which doubles are.
const EXPONENT_MIN: f64 = -1074.0;
const EXPONENT_MAX: f64 = 1024.0;

/// The hint of histograms that may go down.
const GAUGE_HINT: u64 = 3;

/// The largest whole number that a double tells from its neighbours.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A histogram as it is written, the same in both protocols.
#[derive(Debug, Default)]
pub(super) struct NativeHistogram {
    pub(super) time_millis: i64,
    pub(super) start_millis: i64,
    is_float: bool,
    sum: f64,
    schema: i32,
    zero_threshold: f64,
    zero_count: u64,
    zero_count_float: f64,
    negative: Side,
    positive: Side,
    reset_hint: u64,
    custom_values: Items<f64>,
}

#[derive(Debug, Default)]
struct Side {
    /// Gaps and lengths.
    spans: Items<(i32, u32)>,
    deltas: Items<i64>,
    counts: Items<f64>,
}

/// No more than [`BUCKETS_MAX`] of something.
#[derive(Debug)]
struct Items<T> {
    items: Vec<T>,
    is_cut: bool,
}

/// What a histogram stands for.
#[derive(Debug, PartialEq)]
pub(super) enum Meaning {
    /// Its series has ended.
    Stale,
    Exponential(Value),
    Custom(Value),
}

impl<T> Default for Items<T> {
    fn default() -> Self {
        Self { items: Vec::new(), is_cut: false }
    }
}

impl<T> Items<T> {
    fn push(&mut self, item: T) {
        if self.items.len() < BUCKETS_MAX {
            self.items.push(item);
        } else {
            self.is_cut = true;
        }
    }
}

impl NativeHistogram {
    pub(super) fn read(message: &[u8]) -> Result<Self, WireError> {
        let mut histogram = Self::default();
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            histogram.take(tag, &mut reader)?;
        }
        Ok(histogram)
    }

    fn take(&mut self, tag: (u32, WireType), reader: &mut Reader<'_>) -> Result<(), WireError> {
        match tag {
            (1, WireType::Varint) => {
                // The count is what the buckets add up to.
                reader.varint()?;
                self.is_float = false;
            }
            (2, WireType::Fixed64) => {
                reader.fixed64()?;
                self.is_float = true;
            }
            (3, WireType::Fixed64) => self.sum = f64::from_bits(reader.fixed64()?),
            (4, WireType::Varint) => self.schema = zigzag(reader.varint()?) as i32,
            (5, WireType::Fixed64) => self.zero_threshold = f64::from_bits(reader.fixed64()?),
            (6, WireType::Varint) => self.zero_count = reader.varint()?,
            (7, WireType::Fixed64) => self.zero_count_float = f64::from_bits(reader.fixed64()?),
            (8, WireType::Bytes) => self.negative.spans.push(read_span(reader.bytes()?)?),
            (11, WireType::Bytes) => self.positive.spans.push(read_span(reader.bytes()?)?),
            (9, wire) => self.negative.deltas.read(wire, reader, |reader| reader.varint().map(zigzag))?,
            (12, wire) => self.positive.deltas.read(wire, reader, |reader| reader.varint().map(zigzag))?,
            (10, wire) => self.negative.counts.read(wire, reader, read_double)?,
            (13, wire) => self.positive.counts.read(wire, reader, read_double)?,
            (14, WireType::Varint) => self.reset_hint = reader.varint()?,
            (15, WireType::Varint) => self.time_millis = reader.varint()? as i64,
            (16, wire) => self.custom_values.read(wire, reader, read_double)?,
            (17, WireType::Varint) => self.start_millis = reader.varint()? as i64,
            (_, wire) => reader.skip(wire)?,
        }
        Ok(())
    }

    /// What it stands for, or why there is no form for it.
    pub(super) fn meaning(&self) -> Result<Meaning, Reason> {
        if is_stale(self.sum) {
            return Ok(Meaning::Stale);
        }
        if self.reset_hint == GAUGE_HINT {
            return Err(Reason::GaugeHistogram);
        }
        match self.schema {
            CUSTOM_SCHEMA => self.custom().map(Meaning::Custom),
            -4..=8 => self.exponential().map(Meaning::Exponential),
            _ => Err(Reason::UnknownSchema),
        }
    }

    fn exponential(&self) -> Result<Value, Reason> {
        let zero_count = if self.is_float { whole(self.zero_count_float)? } else { self.zero_count };
        let positive = self.positive.exponential(self.is_float, self.schema)?;
        let negative = self.negative.exponential(self.is_float, self.schema)?;
        let counts = positive.counts.iter().chain(&negative.counts);
        let count = total(counts, zero_count)?;
        Ok(Value::ExponentialHistogram(Box::new(ExponentialHistogram {
            count,
            sum: Some(self.sum),
            scale: self.schema,
            zero_count,
            zero_threshold: self.zero_threshold,
            positive,
            negative,
            ..ExponentialHistogram::default()
        })))
    }

    fn custom(&self) -> Result<Value, Reason> {
        if self.custom_values.is_cut {
            return Err(Reason::TooManyBuckets);
        }
        // The last bound may say what goes without saying.
        let bounds = match &*self.custom_values.items {
            [bounds @ .., last] if *last == f64::INFINITY => bounds,
            bounds => bounds,
        };
        if bounds.iter().any(|bound| bound.is_nan()) || !bounds.is_sorted_by(|left, right| left < right) {
            return Err(Reason::BoundsNotIncreasing);
        }
        let mut bucket_counts = vec![0; bounds.len() + 1];
        for (index, count) in self.positive.filled(self.is_float)? {
            let place = usize::try_from(index).ok().and_then(|index| bucket_counts.get_mut(index));
            *place.ok_or(Reason::SpansDoNotMatch)? = count;
        }
        if !self.negative.spans.items.is_empty() {
            return Err(Reason::SpansDoNotMatch);
        }
        let count = total(bucket_counts.iter(), 0)?;
        let histogram = Histogram {
            count,
            sum: Some(self.sum),
            bounds: bounds.into(),
            bucket_counts,
            ..Histogram::default()
        };
        Ok(Value::Histogram(Box::new(histogram)))
    }
}

impl Side {
    /// The buckets of this side without those that no double falls into.
    fn exponential(&self, is_float: bool, schema: i32) -> Result<Buckets, Reason> {
        let mut filled = self.filled(is_float)?;
        // Index i is what is above 2^((i - 1) * width), up to 2^(i * width).
        let width = (-f64::from(schema)).exp2();
        filled.retain(|(index, _)| ((index - 1) as f64) * width < EXPONENT_MAX);
        let (Some((first, _)), Some((last, _))) = (filled.first(), filled.last()) else {
            return Ok(Buckets::default());
        };
        let (first, last) = (*first, *last);
        if (first as f64) * width < EXPONENT_MIN {
            return Err(Reason::SpansDoNotMatch);
        }
        let len = usize::try_from(last - first + 1).ok().filter(|len| *len <= BUCKETS_MAX);
        let mut counts = vec![0; len.ok_or(Reason::TooManyBuckets)?];
        for (index, count) in filled {
            counts[(index - first) as usize] = count;
        }
        Ok(Buckets { offset: i32::try_from(first - 1).map_err(|_| Reason::SpansDoNotMatch)?, counts })
    }

    /// Indices and counts, in ascending order; empty buckets at the ends are left out.
    fn filled(&self, is_float: bool) -> Result<Vec<(i64, u64)>, Reason> {
        if self.spans.is_cut || self.deltas.is_cut || self.counts.is_cut {
            return Err(Reason::TooManyBuckets);
        }
        let counts = if is_float {
            self.counts.items.iter().map(|count| whole(*count)).collect::<Result<Vec<_>, _>>()?
        } else {
            absolute(&self.deltas.items)?
        };
        let mut filled = Vec::with_capacity(counts.len());
        let mut counts = counts.into_iter();
        let mut index = 0_i64;
        for (place, (gap, length)) in self.spans.items.iter().enumerate() {
            if place > 0 && *gap < 0 {
                return Err(Reason::SpansDoNotMatch);
            }
            index += i64::from(*gap);
            for _ in 0..*length {
                filled.push((index, counts.next().ok_or(Reason::SpansDoNotMatch)?));
                index += 1;
            }
        }
        if counts.next().is_some() {
            return Err(Reason::SpansDoNotMatch);
        }
        let end = filled.iter().rposition(|(_, count)| *count > 0).map_or(0, |last| last + 1);
        filled.truncate(end);
        let start = filled.iter().position(|(_, count)| *count > 0).unwrap_or(0);
        filled.drain(..start);
        Ok(filled)
    }
}

impl<T> Items<T> {
    /// Reads a repeated field, packed or one by one.
    fn read(
        &mut self,
        wire: WireType,
        reader: &mut Reader<'_>,
        read: impl Fn(&mut Reader<'_>) -> Result<T, WireError>,
    ) -> Result<(), WireError> {
        if wire != WireType::Bytes {
            self.push(read(reader)?);
            return Ok(());
        }
        let mut packed = Reader::new(reader.bytes()?);
        while !packed.is_empty() {
            self.push(read(&mut packed)?);
        }
        Ok(())
    }
}

fn read_span(message: &[u8]) -> Result<(i32, u32), WireError> {
    let (mut gap, mut length) = (0, 0);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Varint) => gap = zigzag(reader.varint()?) as i32,
            (2, WireType::Varint) => length = reader.varint()? as u32,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok((gap, length))
}

fn read_double(reader: &mut Reader<'_>) -> Result<f64, WireError> {
    reader.fixed64().map(f64::from_bits)
}

/// Each count is written as what it is above the one before.
fn absolute(deltas: &[i64]) -> Result<Vec<u64>, Reason> {
    let mut count = 0_i64;
    let counts = deltas.iter().map(|delta| {
        count = count.checked_add(*delta).ok_or(Reason::CountTooLarge)?;
        u64::try_from(count).map_err(|_| Reason::NegativeCount)
    });
    counts.collect()
}

/// The same as an integer; there is no other form for what is counted.
fn whole(count: f64) -> Result<u64, Reason> {
    if count < 0.0 {
        return Err(Reason::NegativeCount);
    }
    if count.fract() != 0.0 || !(0.0..=WHOLE_MAX).contains(&count) {
        return Err(Reason::FloatHistogram);
    }
    Ok(count as u64)
}

fn total<'a>(mut counts: impl Iterator<Item = &'a u64>, zero_count: u64) -> Result<u64, Reason> {
    counts.try_fold(zero_count, |sum, count| sum.checked_add(*count)).ok_or(Reason::CountTooLarge)
}

fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}
