//! The messages of remote write 1.0 and 2.0, as far as the two are alike: samples, labels, metadata.

use std::borrow::Cow;

use pipeline::wire::{Reader, WireError, WireType, put_bytes, put_varint, varint_len};

use crate::prometheus::text::Type;

/// Which of the two protocols a request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V1,
    V2,
}

/// Where a time series has what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Layout {
    pub(super) histograms: u32,
    pub(super) exemplars: u32,
}

/// The field of both protocols' samples.
pub(super) const SAMPLES: u32 = 2;

/// A number at a time, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Sample {
    pub(super) value: f64,
    pub(super) time_millis: i64,
    /// 0 where unknown.
    pub(super) start_millis: i64,
}

/// An exemplar whose labels have not been read.
#[derive(Debug, Clone, Default)]
pub(super) struct RawExemplar<'a> {
    /// Label messages in 1.0, references in 2.0; each in its field.
    pub(super) labels: Cow<'a, [u8]>,
    pub(super) value: f64,
    pub(super) time_millis: i64,
}

/// What a family's metadata says.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Told<'a> {
    pub(super) kind: Type,
    pub(super) help: &'a str,
    pub(super) unit: &'a str,
}

/// The labels of a series of 1.0 as they stand, and what is behind them.
pub(super) struct Split<'a> {
    pub(super) labels: Cow<'a, [u8]>,
    pub(super) rest: &'a [u8],
}

/// The tag of a label in a series of 1.0.
const LABEL_TAG: u8 = 0x0a;

impl Version {
    pub(super) fn layout(self) -> Layout {
        match self {
            Self::V1 => Layout { histograms: 4, exemplars: 3 },
            Self::V2 => Layout { histograms: 3, exemplars: 4 },
        }
    }
}

impl<'a> Split<'a> {
    /// Labels come first, nearly always; those that come later are put behind them.
    pub(super) fn of(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        reader.skip_run(LABEL_TAG);
        let end = message.len() - reader.rest().len();
        let mut split = Self { labels: Cow::Borrowed(&message[..end]), rest: reader.rest() };
        let mut is_run = true;
        loop {
            let start = message.len() - reader.rest().len();
            let Some((field, wire)) = reader.tag()? else { return Ok(split) };
            reader.skip(wire)?;
            let end = message.len() - reader.rest().len();
            if (field, wire) != (1, WireType::Bytes) {
                is_run = false;
            } else if is_run {
                split.labels = Cow::Borrowed(&message[..end]);
                split.rest = reader.rest();
            } else {
                split.labels.to_mut().extend_from_slice(&message[start..end]);
            }
        }
    }
}

/// The name and the value of a label of 1.0.
pub(super) fn read_label(message: &[u8]) -> Result<(&[u8], &[u8]), WireError> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Bytes) => name = reader.bytes()?,
            (2, WireType::Bytes) => value = reader.bytes()?,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok((name, value))
}

/// Writes a label as a series of 1.0 has it.
pub(super) fn put_label(buffer: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    let field = |bytes: &[u8]| 1 + varint_len(bytes.len() as u64) + bytes.len();
    buffer.push(LABEL_TAG);
    put_varint(buffer, (field(name) + field(value)) as u64);
    put_bytes(buffer, 1, name);
    put_bytes(buffer, 2, value);
}

#[inline]
pub(super) fn read_sample(message: &[u8]) -> Result<Sample, WireError> {
    let mut sample = Sample::default();
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Fixed64) => sample.value = f64::from_bits(reader.fixed64()?),
            (2, WireType::Varint) => sample.time_millis = reader.varint()? as i64,
            (3, WireType::Varint) => sample.start_millis = reader.varint()? as i64,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(sample)
}

pub(super) fn read_exemplar(message: &[u8]) -> Result<RawExemplar<'_>, WireError> {
    let mut exemplar = RawExemplar::default();
    let mut reader = Reader::new(message);
    loop {
        let start = message.len() - reader.rest().len();
        let Some((field, wire)) = reader.tag()? else { return Ok(exemplar) };
        match (field, wire) {
            (2, WireType::Fixed64) => exemplar.value = f64::from_bits(reader.fixed64()?),
            (3, WireType::Varint) => exemplar.time_millis = reader.varint()? as i64,
            (_, wire) => reader.skip(wire)?,
        }
        if field == 1 {
            let field = &message[start..message.len() - reader.rest().len()];
            if exemplar.labels.is_empty() {
                exemplar.labels = Cow::Borrowed(field);
            } else {
                exemplar.labels.to_mut().extend_from_slice(field);
            }
        }
    }
}

/// Reads the metadata of a family in 1.0, with its name.
pub(super) fn read_metadata(message: &[u8]) -> Result<(&str, Told<'_>), WireError> {
    let (mut name, mut told) = ("", Told::default());
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Varint) => told.kind = kind(reader.varint()?),
            (2, WireType::Bytes) => name = reader.string()?,
            (4, WireType::Bytes) => told.help = reader.string()?,
            (5, WireType::Bytes) => told.unit = reader.string()?,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok((name, told))
}

/// The type of this number, the same in both protocols.
pub(super) fn kind(number: u64) -> Type {
    match number {
        1 => Type::Counter,
        2 => Type::Gauge,
        3 => Type::Histogram,
        4 => Type::GaugeHistogram,
        5 => Type::Summary,
        6 => Type::Info,
        7 => Type::StateSet,
        _ => Type::Unknown,
    }
}

/// A time of the wire in nanoseconds since 1970; `None` where a point cannot have it.
pub(super) fn nanos(millis: i64) -> Option<u64> {
    u64::try_from(millis).ok().filter(|millis| *millis > 0)?.checked_mul(1_000_000)
}
