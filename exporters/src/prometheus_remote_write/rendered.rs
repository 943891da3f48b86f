//! A series as requests name it, rendered once.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pipeline::Point;
use pipeline::wire::{Reader, put_varint, varint_len};

use super::plan::milliseconds;
use super::wire::{put_bytes, put_start};
use crate::prometheus::identity::MetricType;
use crate::prometheus::labels::Labels;
use crate::prometheus::number::canonical;

/// What the series of one metric share.
#[derive(Debug)]
pub(super) struct Family {
    /// The name of each [`Part`].
    names: [Box<str>; 4],
    pub(super) metric_type: MetricType,
    pub(super) unit: Box<str>,
    pub(super) help: Box<str>,
}

/// Which of a family's series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Under the family's own name.
    Whole,
    Bucket,
    Sum,
    Count,
}

/// The name and labels of a series.
#[derive(Debug)]
pub(super) struct Rendered {
    pub(super) family: Arc<Family>,
    /// `Label` messages as a `TimeSeries` of 1.0 has them, sorted, without those that are added when written.
    labels: Box<[u8]>,
    /// Where the name belongs among them.
    name_at: usize,
    /// Where `le` or `quantile` belongs.
    extra_at: usize,
    pub(super) order: Arc<Order>,
    /// In which plan it was last seen, and as which item.
    pub(super) stamp: AtomicU64,
    /// The time of the marker that was its last point; [`LIVING`] where that was none.
    ended_ms: AtomicI64,
    /// Of the last histogram or summary that was sent: what a stale marker ends.
    layout: Mutex<Option<Arc<Layout>>>,
    /// Whether the last point that was sent had no native form, where it was to have one.
    is_classic: AtomicBool,
}

/// What was sent of a series, under whatever names.
#[derive(Debug)]
pub(super) struct Order {
    /// The time of the last point that the other side took.
    pub(super) sent_ms: AtomicI64,
}

/// A series that no marker has ended.
const LIVING: i64 = i64::MIN;

/// The bounds of buckets, or quantiles, and their text.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) values: Arc<[f64]>,
    pub(super) texts: Box<[Box<str>]>,
}

impl Family {
    pub(super) fn new(name: &str, metric_type: MetricType, unit: &str, help: &str) -> Self {
        let names = ["", "_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}").into());
        Self { names, metric_type, unit: unit.into(), help: help.into() }
    }

    pub(super) fn name(&self, part: Part) -> &str {
        &self.names[part as usize]
    }

    /// The names its series may have.
    pub(super) fn parts(&self) -> &'static [Part] {
        match self.metric_type {
            // As a native histogram it has its own name.
            MetricType::Histogram => &[Part::Whole, Part::Bucket, Part::Sum, Part::Count],
            MetricType::Summary => &[Part::Whole, Part::Sum, Part::Count],
            _ => &[Part::Whole],
        }
    }

    /// The label that tells its buckets or quantiles apart.
    pub(super) fn extra(&self) -> &'static str {
        if self.metric_type == MetricType::Summary { "quantile" } else { "le" }
    }
}

impl Order {
    pub(super) fn new() -> Self {
        Self { sent_ms: AtomicI64::new(i64::MIN) }
    }
}

impl Layout {
    pub(super) fn new(values: &Arc<[f64]>) -> Self {
        Self {
            values: values.clone(),
            texts: values.iter().map(|value| canonical(*value).into_boxed_str()).collect(),
        }
    }
}

impl Rendered {
    pub(super) fn new(family: Arc<Family>, labels: &Labels, order: Arc<Order>) -> Self {
        let mut bytes = Vec::new();
        let (mut name_at, mut extra_at) = (None, None);
        for (name, value) in labels {
            if name.as_str() > NAME {
                name_at.get_or_insert(bytes.len());
            }
            if name.as_str() > family.extra() {
                extra_at.get_or_insert(bytes.len());
            }
            put_label(&mut bytes, name, value);
        }
        let end = bytes.len();
        Self {
            family,
            labels: bytes.into(),
            name_at: name_at.unwrap_or(end),
            extra_at: extra_at.unwrap_or(end),
            order,
            stamp: AtomicU64::new(0),
            ended_ms: AtomicI64::new(LIVING),
            layout: Mutex::new(None),
            is_classic: AtomicBool::new(false),
        }
    }

    /// Notes that a point of it is to be sent: a marker ends it, a value behind the marker says that it lives.
    #[inline]
    pub(super) fn meet(&self, point: &Point) {
        let ended_ms = self.ended_ms.load(Ordering::Relaxed);
        let is_stale = point.is_stale();
        if is_stale || ended_ms != LIVING {
            let time_ms = milliseconds(point.time_unix_nano);
            // An attempt that is made again brings points from before the marker.
            if time_ms > ended_ms {
                self.ended_ms.store(if is_stale { time_ms } else { LIVING }, Ordering::Relaxed);
            }
        }
    }

    /// Whether a marker was its last point: its name and labels are free.
    pub(super) fn is_ended(&self) -> bool {
        self.ended_ms.load(Ordering::Relaxed) != LIVING
    }

    /// All labels of one of its series, as a `TimeSeries` of 1.0 has them.
    pub(super) fn put_labels(&self, buffer: &mut Vec<u8>, part: Part, extra: Option<&str>) {
        buffer.extend_from_slice(&self.labels[..self.name_at]);
        put_label(buffer, NAME, self.family.name(part));
        buffer.extend_from_slice(&self.labels[self.name_at..self.extra_at]);
        if let Some(value) = extra {
            put_label(buffer, self.family.extra(), value);
        }
        buffer.extend_from_slice(&self.labels[self.extra_at..]);
    }

    /// The encoded labels before the name, up to `le`, and behind it.
    pub(super) fn chunks(&self) -> [&[u8]; 3] {
        let (before, behind) = self.labels.split_at(self.name_at);
        let (between, behind) = behind.split_at(self.extra_at - self.name_at);
        [before, between, behind]
    }

    pub(super) fn has_labels_of(&self, other: &Self) -> bool {
        self.labels == other.labels
    }

    pub(super) fn labels(&self) -> &[u8] {
        &self.labels
    }

    pub(super) fn layout(&self) -> Option<Arc<Layout>> {
        self.layout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn is_classic(&self) -> bool {
        self.is_classic.load(Ordering::Relaxed)
    }

    /// Notes in which form the last point was sent.
    pub(super) fn turn(&self, is_classic: bool) {
        self.is_classic.store(is_classic, Ordering::Relaxed);
    }

    pub(super) fn remember(&self, layout: &Arc<Layout>) {
        *self.layout.lock().unwrap_or_else(PoisonError::into_inner) = Some(layout.clone());
    }
}

/// The label that holds the name.
pub(super) const NAME: &str = "__name__";

/// Writes a `Label` of 1.0 as a field of a `TimeSeries` or an `Exemplar`.
pub(super) fn put_label(buffer: &mut Vec<u8>, name: &str, value: &str) {
    let length = [name, value].map(|text| 1 + varint_len(text.len() as u64) + text.len());
    put_start(buffer, 0x0a, length[0] + length[1]);
    put_bytes(buffer, 0x0a, name.as_bytes());
    put_bytes(buffer, 0x12, value.as_bytes());
}

/// Takes the first of some encoded labels, with its tag and length.
pub(super) fn next_label<'a>(labels: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut reader = Reader::new(labels);
    reader.tag().ok()??;
    reader.bytes().ok()?;
    let (label, rest) = labels.split_at(labels.len() - reader.rest().len());
    *labels = rest;
    Some(label)
}

/// Name and value of an encoded label.
pub(super) fn read_label(label: &[u8]) -> Option<(&str, &str)> {
    let mut reader = Reader::new(label);
    reader.tag().ok()??;
    let mut reader = Reader::new(reader.bytes().ok()?);
    reader.tag().ok()??;
    let name = reader.string().ok()?;
    reader.tag().ok()??;
    Some((name, reader.string().ok()?))
}

/// Writes numbers as a packed field.
pub(super) fn put_packed(buffer: &mut Vec<u8>, tag: u8, numbers: impl Iterator<Item = u64> + Clone) {
    let length: usize = numbers.clone().map(varint_len).sum();
    if length > 0 {
        put_start(buffer, tag, length);
        numbers.for_each(|number| put_varint(buffer, number));
    }
}
