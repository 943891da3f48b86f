//! The fields that points of every kind have: attributes, times, flags, exemplars.

use std::borrow::Cow;

use super::super::context::read_attributes;
use super::super::fault::Fault;
use super::super::rejections::Reason;
use super::{ATTRIBUTE_TAG, Attributes, Walk};
use crate::point::{Exemplar, ExemplarValue, Exemplars, NO_RECORDED_VALUE, Point, Value};
use crate::wire::{Reader, WireError, WireType};

/// Which fields they are in a kind of point; start time and time are 2 and 3 in all.
pub(super) struct Layout {
    pub(super) attributes: u32,
    /// 0 where the kind has none.
    pub(super) exemplars: u32,
    pub(super) flags: u32,
}

/// What a point has beside its value.
pub(super) struct Head<'a> {
    message: &'a [u8],
    start_unix_nano: u64,
    pub(super) time_unix_nano: u64,
    flags: u32,
    exemplars: Vec<Exemplar>,
    /// What the exemplars take in memory, and what they may.
    taken: usize,
    room: usize,
    run: Run,
}

/// Where in a point its attributes are.
#[derive(Default)]
struct Run {
    start: usize,
    end: usize,
    /// Something stands between them.
    is_split: bool,
}

impl<'a> Head<'a> {
    #[inline]
    pub(super) fn new(message: &'a [u8], room: usize) -> Self {
        Self {
            message,
            start_unix_nano: 0,
            time_unix_nano: 0,
            flags: 0,
            exemplars: Vec::new(),
            taken: 0,
            room,
            run: Run::default(),
        }
    }

    /// Takes a field whose tag was just read; passes over what no point has.
    #[inline]
    pub(super) fn take(
        &mut self,
        layout: &Layout,
        (field, wire): (u32, WireType),
        reader: &mut Reader<'a>,
        start: usize,
    ) -> Result<(), Fault> {
        match wire {
            WireType::Bytes if field == layout.attributes => {
                reader.bytes()?;
                reader.skip_run((layout.attributes << 3 | 2) as u8);
                self.run.extend(start, self.message.len() - reader.rest().len());
            }
            WireType::Fixed64 if field == 2 => self.start_unix_nano = reader.fixed64()?,
            WireType::Fixed64 if field == 3 => self.time_unix_nano = reader.fixed64()?,
            WireType::Varint if field == layout.flags => self.flags = reader.varint()? as u32,
            WireType::Bytes if field == layout.exemplars => {
                let exemplar = read_exemplar(reader.bytes()?).map_err(|fault| fault.within("exemplars"))?;
                self.push_exemplar(exemplar)?;
            }
            wire => reader.skip(wire)?,
        }
        Ok(())
    }

    #[cold]
    fn push_exemplar(&mut self, exemplar: Option<Exemplar>) -> Result<(), WireError> {
        let Some(exemplar) = exemplar else { return Ok(()) };
        self.taken += size_of::<Exemplar>()
            + exemplar.attributes.as_bytes().len()
            + exemplar.trace_id.len()
            + exemplar.span_id.len();
        if self.taken > self.room {
            return Err(WireError::TooLarge);
        }
        self.exemplars.push(exemplar);
        Ok(())
    }

    /// The point only says that its series has ended (metrics data model, "No recorded value").
    #[inline]
    pub(super) fn is_stale(&self) -> bool {
        self.flags & NO_RECORDED_VALUE != 0
    }

    /// The attributes as they are on the wire, behind each other.
    #[inline]
    fn attributes(&self, layout: &Layout) -> Result<Cow<'a, [u8]>, WireError> {
        if self.run.is_split {
            return gather(self.message, layout.attributes).map(Cow::Owned);
        }
        Ok(Cow::Borrowed(&self.message[self.run.start..self.run.end]))
    }
}

impl Run {
    #[inline]
    fn extend(&mut self, start: usize, end: usize) {
        if self.end == 0 {
            self.start = start;
        } else if self.end != start {
            self.is_split = true;
        }
        self.end = end;
    }
}

impl Walk<'_> {
    /// Takes in a point, or says why not.
    #[inline]
    pub(super) fn finish(
        &mut self,
        layout: &Layout,
        head: Head<'_>,
        value: Result<Value, Reason>,
    ) -> Result<(), Fault> {
        if head.taken > 0 {
            self.progress.take_room(head.taken)?;
        }
        let attributes = head.attributes(layout)?;
        let value = match value {
            Ok(_) if head.time_unix_nano == 0 => return self.reject(Reason::NoTime, &attributes),
            Ok(value) => value,
            Err(reason) => return self.reject(reason, &attributes),
        };
        if let Some(series) = self.find_series(&attributes)? {
            self.progress.batch.push(Point {
                series,
                start_unix_nano: head.start_unix_nano,
                time_unix_nano: head.time_unix_nano,
                value,
                flags: head.flags,
                exemplars: Exemplars::new(head.exemplars),
            });
        }
        Ok(())
    }
}

/// Collects attributes that other fields stand between.
#[cold]
fn gather(message: &[u8], attributes: u32) -> Result<Vec<u8>, WireError> {
    let mut gathered = Vec::new();
    let mut reader = Reader::new(message);
    loop {
        let before = reader.rest();
        let Some((field, wire)) = reader.tag()? else { return Ok(gathered) };
        reader.skip(wire)?;
        if (field, wire) == (attributes, WireType::Bytes) {
            gathered.extend_from_slice(&before[..before.len() - reader.rest().len()]);
        }
    }
}

/// Reads an exemplar; `None` if it is not valid, which does not spoil its point.
#[cold]
pub(super) fn read_exemplar(message: &[u8]) -> Result<Option<Exemplar>, Fault> {
    let (mut time_unix_nano, mut value) = (0, None);
    let (mut trace_id, mut span_id): (&[u8], &[u8]) = (&[], &[]);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (2, WireType::Fixed64) => time_unix_nano = reader.fixed64()?,
            (3, WireType::Fixed64) => value = Some(ExemplarValue::Double(f64::from_bits(reader.fixed64()?))),
            (6, WireType::Fixed64) => value = Some(ExemplarValue::Int(reader.fixed64()? as i64)),
            (4, WireType::Bytes) => span_id = reader.bytes()?,
            (5, WireType::Bytes) => trace_id = reader.bytes()?,
            (_, wire) => reader.skip(wire)?,
        }
    }
    let attributes: Attributes = read_attributes(message, ATTRIBUTE_TAG as u32 >> 3, &mut 0)?;
    let is_valid = matches!(trace_id.len(), 0 | 16) && matches!(span_id.len(), 0 | 8);
    Ok(value.filter(|_| is_valid).map(|value| Exemplar {
        attributes,
        time_unix_nano,
        value,
        trace_id: trace_id.to_vec(),
        span_id: span_id.to_vec(),
    }))
}
