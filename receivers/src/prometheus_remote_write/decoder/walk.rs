//! One way through a request.

mod exemplar;
mod native;

use std::hash::BuildHasher;
use std::sync::atomic::Ordering;

use pipeline::cache::NONE;
use pipeline::wire::{Reader, WireError, WireType};
use pipeline::{Batch, Point, Series, Value};

use super::{Decoded, Decoder, Known, Memory};
use crate::prometheus::text::Type;
use crate::prometheus_remote_write::labels::{Fault, LABEL_BYTES_MAX, Named, Shape};
use crate::prometheus_remote_write::message::{
    Layout, SAMPLES, Split, Told, Version, nanos, read_metadata, read_sample,
};
use crate::prometheus_remote_write::reason::Reason;
use crate::prometheus_remote_write::sample::is_stale;
use crate::prometheus_remote_write::symbols::{References, Symbols};

/// About what a sample takes on the wire, with its labels.
const BYTES_A_SAMPLE: usize = 200;

/// A request may take so many times its size in memory, or what a large one takes if that is more.
const TIMES_MAX: usize = 4;
const ROOM_MIN: usize = 64 << 20;

/// So many times its size may a request have written out of what it refers to, or what a large one has if that
/// is more: it is not kept, but takes time.
const COPIES_TIMES_MAX: usize = 64;
const COPIES_MIN: usize = 256 << 20;

/// A marker for what a series was called before stands this much before its next point.
const MARKER_NANOS: u64 = 1_000_000;

pub(super) struct Walk<'a> {
    decoder: &'a Decoder,
    memory: &'a mut Memory,
    decoded: Decoded,
    /// Markers that go before everything else: a series that is called otherwise now may be of a family whose
    /// others still have the name.
    first: Batch,
    /// What the rest may still take in memory, in bytes.
    room: usize,
    /// How much the rest may still have written out, in bytes.
    copies: usize,
    /// The series before, after which the next is looked for first.
    last: u32,
}

/// A series whose values are being read.
#[derive(Clone, Copy)]
struct Current<'a> {
    slot: u32,
    index: usize,
    told: Told<'a>,
    symbols: Option<&'a Symbols<'a>>,
}

/// When and since when a value was true.
struct Times {
    time: u64,
    start: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(decoder: &'a Decoder, memory: &'a mut Memory, bytes: usize) -> Self {
        let batch = Batch::with_capacity(bytes / BYTES_A_SAMPLE);
        let markers = std::mem::take(&mut memory.owed);
        let first = markers.iter().cloned().collect();
        let decoded = Decoded { batch, markers, ..Decoded::default() };
        let room = bytes.saturating_mul(TIMES_MAX).max(ROOM_MIN);
        let copies = bytes.saturating_mul(COPIES_TIMES_MAX).max(COPIES_MIN);
        Self { decoder, memory, decoded, first, room, copies, last: NONE }
    }

    pub(super) fn finish(mut self) -> Decoded {
        self.decoded.vain_exemplars = self.memory.waiting.in_vain.swap(0, Ordering::Relaxed);
        if !self.first.is_empty() {
            self.first.append(std::mem::take(&mut self.decoded.batch));
            self.decoded.batch = self.first;
        }
        self.decoded
    }

    pub(super) fn request_v1(&mut self, request: &[u8]) -> Result<(), WireError> {
        let layout = Version::V1.layout();
        let mut index = 0;
        let mut reader = Reader::new(request);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Bytes) => {
                    let Split { labels, rest } = Split::of(reader.bytes()?)?;
                    let told = Told::default();
                    match self.find(&labels)? {
                        Ok(slot) => {
                            self.values(Current { slot, index, told, symbols: None }, rest, layout)?;
                        }
                        Err(reason) => self.refuse(index, rest, layout, reason)?,
                    }
                    index += 1;
                }
                (3, WireType::Bytes) => {
                    let (name, told) = read_metadata(reader.bytes()?)?;
                    self.memory.families.tell(name, told);
                }
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    pub(super) fn request_v2(&mut self, request: &[u8]) -> Result<(), WireError> {
        let layout = Version::V2.layout();
        let symbols = Symbols::read(request, &mut self.room)?;
        let mut references = References::default();
        let mut index = 0;
        let mut reader = Reader::new(request);
        while let Some(tag) = reader.tag()? {
            match tag {
                (5, WireType::Bytes) => {
                    self.series_v2(index, reader.bytes()?, (&symbols, &mut references), layout)?;
                    index += 1;
                }
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    fn series_v2(
        &mut self,
        index: usize,
        message: &[u8],
        (symbols, references): (&Symbols<'_>, &mut References),
        layout: Layout,
    ) -> Result<(), WireError> {
        references.read(message)?;
        let told = References::check(message, layout)
            .map_err(Fault::Reason)
            .and_then(|()| references.resolve(symbols, &mut self.copies));
        let found = match told {
            Ok(told) => self.find(references.labels())?.map(|slot| (slot, told)),
            Err(Fault::Reason(reason)) => Err(reason),
            Err(Fault::Wire(error)) => return Err(error),
        };
        match found {
            Ok((slot, told)) => {
                self.values(Current { slot, index, told, symbols: Some(symbols) }, message, layout)
            }
            Err(reason) => self.refuse(index, message, layout, reason),
        }
    }

    /// The slot of the series with these labels.
    #[inline]
    fn find(&mut self, labels: &[u8]) -> Result<Result<u32, Reason>, WireError> {
        let hasher = &self.decoder.hasher;
        let found =
            self.memory.table.find(self.last, || hasher.hash_one(labels), |known| *known.labels == *labels);
        match found {
            Ok(slot) => {
                self.last = slot;
                Ok(Ok(slot))
            }
            Err(hash) => self.meet(labels, hash),
        }
    }

    #[cold]
    fn meet(&mut self, labels: &[u8], hash: u64) -> Result<Result<u32, Reason>, WireError> {
        if labels.len() > LABEL_BYTES_MAX {
            return Ok(Err(Reason::LabelsTooLong));
        }
        match Named::read(labels) {
            Ok(_) => {}
            Err(Fault::Wire(error)) => return Err(error),
            Err(Fault::Reason(reason)) => return Ok(Err(reason)),
        }
        let Memory { table, room, families, .. } = &mut *self.memory;
        // Its type is looked up as soon as it has a value.
        let known = Known::new(labels, families.generation().wrapping_sub(1));
        let slot = table.keep(hash, known, room);
        table.follow(self.last, slot);
        self.last = slot;
        Ok(Ok(slot))
    }

    /// Counts what a series that is none would have had.
    fn refuse(
        &mut self,
        index: usize,
        message: &[u8],
        layout: Layout,
        reason: Reason,
    ) -> Result<(), WireError> {
        let (mut values, mut exemplars) = (0, 0);
        let mut reader = Reader::new(message);
        while let Some((field, wire)) = reader.tag()? {
            reader.skip(wire)?;
            if field == SAMPLES || field == layout.histograms {
                values += 1;
            } else if field == layout.exemplars {
                exemplars += 1;
            }
        }
        self.decoded.failures.add(index, values, reason);
        self.decoded.dropped_exemplars += exemplars;
        Ok(())
    }

    #[inline]
    fn values(&mut self, current: Current<'_>, rest: &[u8], layout: Layout) -> Result<(), WireError> {
        self.type_series(current);
        let mut reader = Reader::new(rest);
        while let Some((field, wire)) = reader.tag()? {
            if wire != WireType::Bytes {
                reader.skip(wire)?;
                continue;
            }
            let message = reader.bytes()?;
            let taken = match field {
                SAMPLES => self.sample(current, message)?,
                field if field == layout.histograms => self.histogram(current, message)?,
                field if field == layout.exemplars => {
                    self.exemplar(current, message)?;
                    Ok(())
                }
                _ => Ok(()),
            };
            if let Err(reason) = taken {
                self.decoded.failures.add(current.index, 1, reason);
            }
        }
        Ok(())
    }

    /// Sees to it that the series has the type that is known of it now.
    #[inline]
    fn type_series(&mut self, current: Current<'_>) {
        let Memory { table, families, .. } = &mut *self.memory;
        let known = table.get_mut(current.slot);
        let mut kind = current.told.kind;
        if kind == Type::Unknown && known.generation != families.generation() {
            known.generation = families.generation();
            kind = Named::read(&known.labels).map_or(kind, |named| families.find(named.name).kind);
        }
        // What is not said now may have been said before.
        if kind != Type::Unknown && kind != known.kind {
            known.kind = kind;
            if let Some(former) = known.number.take() {
                known.former = Some(former);
            }
        }
    }

    #[inline]
    fn sample(&mut self, current: Current<'_>, message: &[u8]) -> Result<Result<(), Reason>, WireError> {
        let sample = read_sample(message)?;
        let Some(times) = Times::new(sample.time_millis, sample.start_millis) else {
            return Ok(Err(Reason::TimeOutOfRange));
        };
        if is_stale(sample.value) {
            return self.end(current, times.time);
        }
        self.push(current, Shape::Number, &times, Value::Double(sample.value))
            .map(|pushed| pushed.map(|()| self.decoded.written.samples += 1))
    }

    /// Ends a series; which sort of values it had is not said.
    fn end(&mut self, current: Current<'_>, time: u64) -> Result<Result<(), Reason>, WireError> {
        let known = self.memory.table.get_mut(current.slot);
        let shapes = [Shape::Exponential, Shape::Custom, Shape::Number];
        let lived = shapes.map(|shape| known.series(shape).is_some());
        let is_unknown = lived == [false; 3];
        let times = Times { time, start: 0 };
        for (shape, lived) in shapes.into_iter().zip(lived) {
            // One of a series never met here is a number, as most are.
            if lived || (is_unknown && shape == Shape::Number) {
                let pushed = self.push(current, shape, &times, Value::Empty)?;
                if pushed.is_err() {
                    return Ok(pushed);
                }
            }
        }
        self.decoded.written.samples += 1;
        Ok(Ok(()))
    }

    /// Makes a point; [`Value::Empty`] is a marker that the series has ended.
    #[inline]
    fn push(
        &mut self,
        current: Current<'_>,
        shape: Shape,
        times: &Times,
        value: Value,
    ) -> Result<Result<(), Reason>, WireError> {
        self.take_room(size_of::<Point>())?;
        let series = match self.series(current, shape, times.time) {
            Ok(series) => series,
            Err(Fault::Reason(reason)) => return Ok(Err(reason)),
            Err(Fault::Wire(error)) => return Err(error),
        };
        let mut point = match value {
            Value::Empty => Point::stale(series, times.time),
            value => Point { start_unix_nano: times.start, ..Point::new(series, times.time, value) },
        };
        let known = self.memory.table.get_mut(current.slot);
        if let Some(exemplar) = known.pending.take().and_then(|mut pending| pending.exemplar.take()) {
            self.decoded.waited_exemplars += 1;
            point.exemplars.push(exemplar);
        }
        known.place = (self.memory.request, self.decoded.batch.len() as u32);
        self.decoded.batch.push(point);
        Ok(Ok(()))
    }

    #[inline]
    fn series(&mut self, current: Current<'_>, shape: Shape, time: u64) -> Result<Series, Fault> {
        let known = self.memory.table.get_mut(current.slot);
        if let Some(series) = known.series(shape) {
            return Ok(series.clone());
        }
        self.make_series(current, shape, time)
    }

    #[cold]
    fn make_series(&mut self, current: Current<'_>, shape: Shape, time: u64) -> Result<Series, Fault> {
        let texts = self.memory.table.get(current.slot).labels.len() + current.told.help.len();
        self.take_room(texts)?;
        let Memory { table, families, request, .. } = &mut *self.memory;
        let known = table.get_mut(current.slot);
        // They were read before, when the series was met.
        let named = Named::read(&known.labels).map_err(|_| Reason::NoName)?;
        let told = if current.told.kind == Type::Unknown { families.find(named.name) } else { current.told };
        let told = Told { kind: known.kind, ..told };
        let series = named.series(&self.decoder.registry, told, shape)?;
        *known.series(shape) = Some(series.clone());
        if shape == Shape::Number
            && let Some(former) = known.former.take()
            && former != series
        {
            let marker = Point::stale(former, time.saturating_sub(MARKER_NANOS).max(1));
            self.decoded.markers.push(marker.clone());
            let is_behind_a_point = known.place.0 == *request;
            let batch = if is_behind_a_point { &mut self.decoded.batch } else { &mut self.first };
            batch.push(marker);
        }
        Ok(series)
    }

    /// Takes from what the request may take in memory.
    #[inline]
    fn take_room(&mut self, bytes: usize) -> Result<(), WireError> {
        self.room = self.room.checked_sub(bytes).ok_or(WireError::TooLarge)?;
        Ok(())
    }
}

impl Times {
    #[inline]
    fn new(time_millis: i64, start_millis: i64) -> Option<Self> {
        let time = nanos(time_millis)?;
        // A start behind its value is a mistake; the value is none the worse.
        let start = nanos(start_millis).filter(|start| *start <= time).unwrap_or(0);
        Some(Self { time, start })
    }
}
