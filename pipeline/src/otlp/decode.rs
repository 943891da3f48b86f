//! Walks a request's bytes down to its points.
//!
//! Nothing is built on the way: each level is found again by its raw bytes, and only what was never
//! seen is read. Fields may come in any order, and split, so a message is
//! passed over once for what its inner messages share, and once for them.

mod exponential;
mod head;
mod histogram;
mod number;
mod parts;
mod refused;
mod summary;

use std::borrow::Cow;
use std::hash::BuildHasher;
use std::sync::{Arc, PoisonError};

use self::parts::Parts;
use super::cache::{Cache, Context, Key, KnownSeries, MetricContext};
use super::context::{merge, read_attributes, read_metric, read_resource, read_scope};
use super::fault::Fault;
use super::rejections::{Reason, Rejections};
use super::single::Single;
use super::{Decoded, Decoder};
use crate::attributes::{ATTRIBUTE_TAG, Attributes};
use crate::batch::Batch;
use crate::cache::NONE;
use crate::metric::{Kind, Resource, Scope};
use crate::point::Point;
use crate::series::Series;
use crate::wire::{Reader, WireError, WireType};

/// About what a point takes on the wire, with what it shares with others.
const BYTES_A_POINT: usize = 200;

/// A request of somebody else may take so many times its size in memory, or what a large one takes if that is more:
/// buckets of exponential histograms have eight bytes each, and mostly one on the wire.
pub(super) const TIMES_MAX: usize = 4;
const ROOM_MIN: usize = 32 << 20;

/// So often the message of a metric with one point is learned anew.
const SINGLE_PATIENCE: u8 = 8;

/// What a request has come to so far.
struct Progress {
    batch: Batch,
    rejections: Rejections,
    repeated_keys: u64,
    /// What the rest may still take in memory, in bytes.
    room: usize,
}

/// Reads the metrics of one resource.
struct Walk<'a> {
    decoder: &'a Decoder,
    cache: &'a mut Cache,
    progress: &'a mut Progress,
    /// The metric whose points are being read: its context's slot and id.
    metric: u32,
    metric_id: u64,
    /// The series of the point before, after which the next is looked for first.
    series: u32,
}

/// Reads an `ExportMetricsServiceRequest`.
pub(super) fn request(decoder: &Decoder, request: &[u8]) -> Result<Decoded, Fault> {
    let batch = Batch::with_capacity(request.len() / BYTES_A_POINT);
    let room = request.len().saturating_mul(decoder.times_max).max(ROOM_MIN);
    let mut progress = Progress { batch, rejections: Rejections::default(), repeated_keys: 0, room };
    let mut reader = Reader::new(request);
    let mut index = 0;
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Bytes) => {
                resource_metrics(decoder, &mut progress, reader.bytes()?)
                    .map_err(|fault| fault.within_item("resource_metrics", index))?;
                index += 1;
            }
            (_, wire) => reader.skip(wire)?,
        }
    }
    let Progress { batch, rejections, repeated_keys, .. } = progress;
    Ok(Decoded { batch, rejected: rejections.count(), message: rejections.message(), repeated_keys })
}

fn resource_metrics(decoder: &Decoder, progress: &mut Progress, message: &[u8]) -> Result<(), Fault> {
    let (resource, schema_url) = shared_part(message)?;
    let key = Key { parent: 0, kind: 0, parts: [&resource, schema_url] };
    let hash = decoder.hasher.hash_one(key);
    // Bits the tables inside do not use, so that what meets in a shard does not also meet there.
    let shard = &decoder.shards[(hash >> 40) as usize % decoder.shards.len()];
    let mut cache = shard.lock().unwrap_or_else(PoisonError::into_inner);
    let mut walk = Walk { decoder, cache: &mut cache, progress, metric: NONE, metric_id: 0, series: NONE };
    let slot = walk.resource(&key, hash)?;
    let (id, resource) = {
        let context = walk.cache.resources.get(slot);
        walk.progress.repeated_keys += u64::from(context.repeated);
        (context.id, context.value.clone())
    };
    let (mut index, mut previous) = (0, NONE);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (2, WireType::Bytes) => {
                walk.scope_metrics(reader.bytes()?, id, &resource, &mut previous)
                    .map_err(|fault| fault.within_item("scope_metrics", index))?;
                index += 1;
            }
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(())
}

/// The resource or scope of a message around it, and its schema URL: fields 1 and 3 of both.
fn shared_part(message: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Fault> {
    let (mut shared, mut schema_url) = (Cow::Borrowed(&[][..]), &[][..]);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Bytes) => merge(&mut shared, reader.bytes()?),
            (3, WireType::Bytes) => schema_url = reader.bytes()?,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok((shared, schema_url))
}

impl Progress {
    /// Takes from what the request may take in memory.
    fn take_room(&mut self, bytes: usize) -> Result<(), WireError> {
        self.room = self.room.checked_sub(bytes).ok_or(WireError::TooLarge)?;
        Ok(())
    }
}

impl Walk<'_> {
    fn resource(&mut self, key: &Key<'_>, hash: u64) -> Result<u32, Fault> {
        if let Ok(slot) = self.cache.resources.find(NONE, || hash, |context| context.is(key)) {
            return Ok(slot);
        }
        let mut repeated = 0;
        let resource = read_resource(key.parts[0], key.parts[1], &mut repeated)?;
        let context = self.cache.context(key, self.decoder.registry.resource(resource), repeated);
        Ok(self.cache.keep_resource(hash, context))
    }

    fn scope_metrics(
        &mut self,
        message: &[u8],
        resource_id: u64,
        resource: &Arc<Resource>,
        previous: &mut u32,
    ) -> Result<(), Fault> {
        let (scope, schema_url) = shared_part(message)?;
        let key = Key { parent: resource_id, kind: 0, parts: [&scope, schema_url] };
        let hasher = &self.decoder.hasher;
        let slot = match self.cache.scopes.find(*previous, || hasher.hash_one(key), |scope| scope.is(&key)) {
            Ok(slot) => slot,
            Err(hash) => {
                let mut repeated = 0;
                let scope = read_scope(key.parts[0], key.parts[1], &mut repeated)?;
                let context = self.cache.context(&key, self.decoder.registry.scope(scope), repeated);
                self.cache.keep_scope(hash, context)
            }
        };
        *previous = slot;
        let (id, scope) = {
            let context = self.cache.scopes.get(slot);
            self.progress.repeated_keys += u64::from(context.repeated);
            (context.id, context.value.clone())
        };
        let mut index = 0;
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                (2, WireType::Bytes) => {
                    self.metric(reader.bytes()?, id, (resource, &scope))
                        .map_err(|fault| fault.within_item("metrics", index))?;
                    index += 1;
                }
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    fn metric(
        &mut self,
        message: &[u8],
        scope_id: u64,
        around: (&Arc<Resource>, &Arc<Scope>),
    ) -> Result<(), Fault> {
        if self.metric_like_last_time(message, scope_id) {
            return Ok(());
        }
        let parts = Parts::of(message)?;
        let Some(kind) = parts.kind() else { return self.refuse_metric(&parts) };
        if parts.points == 0 {
            // An empty envelope is no fault, but its text may be.
            return read_metric(&parts.header, kind, &mut 0).map(drop);
        }
        let key = Key { parent: scope_id, kind: parts.code(), parts: [&parts.header, &[]] };
        let hasher = &self.decoder.hasher;
        let found = self.cache.metrics.find(self.metric, || hasher.hash_one(key), |metric| metric.is(&key));
        let is_known = found.is_ok();
        self.metric = match found {
            Ok(slot) => slot,
            Err(hash) => {
                let mut repeated = 0;
                let metric = read_metric(&parts.header, kind, &mut repeated)?;
                let value = MetricContext {
                    resource: around.0.clone(),
                    scope: around.1.clone(),
                    metric: self.decoder.registry.metric(metric),
                    bounds: Arc::default(),
                    single: None,
                    single_patience: SINGLE_PATIENCE,
                };
                let context = self.cache.context(&key, value, repeated);
                let slot = self.cache.keep_metric(hash, context);
                self.cache.metrics.follow(self.metric, slot);
                slot
            }
        };
        let context = self.cache.metrics.get(self.metric);
        self.metric_id = context.id;
        self.progress.repeated_keys += u64::from(context.repeated);
        // A point that is kept takes more bytes than this, so what is reserved is in proportion.
        let points = parts.points.min(message.len() / 16);
        self.progress.take_room(points * size_of::<Point>())?;
        self.progress.batch.reserve(points);
        let before = self.progress.batch.len();
        self.points(&parts, kind)?;
        if is_known && parts.points == 1 && matches!(kind, Kind::Gauge | Kind::Sum { .. }) {
            self.learn_single(message, before);
        }
        Ok(())
    }

    /// Takes in the metric that followed last time, if nothing but times and value differ.
    #[inline]
    fn metric_like_last_time(&mut self, message: &[u8], scope_id: u64) -> bool {
        let is_like = |context: &Context<MetricContext>| context.single(scope_id, message).is_some();
        let Some(slot) = self.cache.metrics.predicted(self.metric, is_like) else { return false };
        let Some(point) =
            self.cache.metrics.get(slot).value.single.as_ref().and_then(|single| single.point(message))
        else {
            return false;
        };
        self.metric = slot;
        self.progress.batch.push(point);
        true
    }

    /// Remembers the message of a metric that was met before, and whose one point was taken in.
    fn learn_single(&mut self, message: &[u8], before: usize) {
        // Without a point there may be no series either.
        let [point] = &self.progress.batch.as_slice()[before..] else { return };
        let context = self.cache.metrics.get(self.metric);
        // What has to be counted each time is not learned.
        let is_plain = context.repeated == 0 && self.cache.series.get(self.series).repeated == 0;
        if context.value.single_patience > 0
            && is_plain
            && let Some(single) = Single::of(message, &point.series)
        {
            self.cache.keep_single(self.metric, single);
        }
    }

    fn refuse_metric(&mut self, parts: &Parts<'_>) -> Result<(), Fault> {
        let metric = read_metric(&parts.header, Kind::Gauge, &mut 0)?;
        if let Some((field, check)) = refused::check(parts.field) {
            let check = |_: &mut Self, point: &[u8]| check(point);
            self.each_point(parts, field, check)?;
        }
        let reason = if parts.field == 0 { Reason::NoData } else { Reason::NoTemporality };
        self.progress.rejections.add(parts.points as u64, &metric.name, reason);
        Ok(())
    }

    fn points(&mut self, parts: &Parts<'_>, kind: Kind) -> Result<(), Fault> {
        match kind {
            Kind::Gauge => self.each_point(parts, "gauge", Self::number_point),
            Kind::Sum { .. } => self.each_point(parts, "sum", Self::number_point),
            Kind::Histogram { .. } => self.each_point(parts, "histogram", Self::histogram_point),
            Kind::ExponentialHistogram { .. } => {
                self.each_point(parts, "exponential_histogram", Self::exponential_point)
            }
            Kind::Summary => self.each_point(parts, "summary", Self::summary_point),
        }
    }

    #[inline]
    fn each_point(
        &mut self,
        parts: &Parts<'_>,
        field: &str,
        mut read: impl FnMut(&mut Self, &[u8]) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let mut index = 0;
        for data in parts.data() {
            let mut reader = Reader::new(data);
            while let Some(tag) = reader.tag()? {
                match tag {
                    (1, WireType::Bytes) => {
                        read(self, reader.bytes()?)
                            .map_err(|fault| fault.within_item("data_points", index).within(field))?;
                        index += 1;
                    }
                    (_, wire) => reader.skip(wire)?,
                }
            }
        }
        Ok(())
    }

    /// The series of a point with these attributes, as they are on the wire; `None` if it was refused.
    #[inline]
    fn find_series(&mut self, attributes: &[u8]) -> Result<Option<Series>, Fault> {
        let metric_id = self.metric_id;
        let hasher = &self.decoder.hasher;
        let found = self.cache.series.find(
            self.series,
            || hasher.hash_one((metric_id, attributes)),
            |known| known.is(metric_id, attributes),
        );
        match found {
            Ok(slot) => {
                self.series = slot;
                let known = self.cache.series.get(slot);
                self.progress.repeated_keys += u64::from(known.repeated);
                Ok(Some(known.series.clone()))
            }
            Err(hash) => self.new_series(attributes, hash),
        }
    }

    #[cold]
    fn new_series(&mut self, attributes: &[u8], hash: u64) -> Result<Option<Series>, Fault> {
        let mut repeated = 0;
        let read = match Attributes::of_canonical(attributes) {
            Some(read) => read,
            None => read_run(attributes, &mut repeated)?,
        };
        self.progress.repeated_keys += u64::from(repeated);
        let context = &self.cache.metrics.get(self.metric).value;
        let registry = &self.decoder.registry;
        match registry.series(&context.resource, &context.scope, &context.metric, read) {
            Ok(series) => {
                let known = KnownSeries::new(self.metric_id, attributes, series.clone(), repeated);
                let slot = self.cache.keep_series(hash, known);
                self.cache.series.follow(self.series, slot);
                self.series = slot;
                Ok(Some(series))
            }
            Err(full) => {
                let metric = &context.metric.name;
                self.progress.rejections.add(1, metric, Reason::Full(full));
                Ok(None)
            }
        }
    }

    /// Refuses a point; its attributes are read all the same, since broken text spoils the request.
    #[cold]
    fn reject(&mut self, reason: Reason, attributes: &[u8]) -> Result<(), Fault> {
        let mut repeated = 0;
        read_run(attributes, &mut repeated)?;
        self.progress.repeated_keys += u64::from(repeated);
        let metric = &self.cache.metrics.get(self.metric).value.metric.name;
        self.progress.rejections.add(1, metric, reason);
        Ok(())
    }
}

/// Reads attributes as they follow each other in a point, whichever field a point of its kind has them in.
fn read_run(attributes: &[u8], repeated: &mut u32) -> Result<Attributes, Fault> {
    match Reader::new(attributes).tag()? {
        Some((field, _)) => read_attributes(attributes, field, repeated),
        None => Ok(Attributes::empty()),
    }
}
