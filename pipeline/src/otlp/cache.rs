//! What a decoder remembers: bytes it has seen before, and what they meant.
//!
//! A sender says the same things about its points in every request, in the same bytes and the same
//! order. So each level (resource, scope, metric, attributes of a point) is looked up by its raw bytes:
//! first where it followed last time, then by its hash, and only then is it read.

use std::sync::Arc;

use super::single::Single;
use crate::cache::{Room, Table, Weight};
use crate::metric::{Metric, Resource, Scope};
use crate::series::Series;

/// What one shard of a decoder remembers.
#[derive(Debug)]
pub(super) struct Cache {
    pub(super) resources: Table<Context<Arc<Resource>>>,
    pub(super) scopes: Table<Context<Arc<Scope>>>,
    pub(super) metrics: Table<Context<MetricContext>>,
    pub(super) series: Table<KnownSeries>,
    room: Arc<Room>,
    last_id: u64,
}

/// What some bytes meant in the context of what is around them.
#[derive(Debug)]
pub(super) struct Context<T> {
    /// Never used twice, so what belongs to a context that was forgotten can no longer be found.
    pub(super) id: u64,
    parent: u64,
    kind: u32,
    /// Where in `bytes` the second part of the key starts.
    split: u32,
    bytes: Box<[u8]>,
    /// Attributes in it that were replaced by others of the same key.
    pub(super) repeated: u32,
    pub(super) value: T,
}

/// The raw bytes that tell one context from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Key<'a> {
    /// The id of the context around, 0 for a resource.
    pub(super) parent: u64,
    pub(super) kind: u32,
    pub(super) parts: [&'a [u8]; 2],
}

/// Everything the points of a metric share.
#[derive(Debug)]
pub(super) struct MetricContext {
    pub(super) resource: Arc<Resource>,
    pub(super) scope: Arc<Scope>,
    pub(super) metric: Arc<Metric>,
    /// The bounds of its last histogram point; the next one's are nearly always the same.
    pub(super) bounds: Arc<[f64]>,
    /// Its last message, where that held one plain number.
    pub(super) single: Option<Single>,
    /// How often it may still be learned anew: a message that never comes again is not worth a copy.
    pub(super) single_patience: u8,
}

/// A series, by its metric's context and the raw bytes of its attributes.
#[derive(Debug)]
pub(super) struct KnownSeries {
    metric: u64,
    /// As in a context.
    pub(super) repeated: u32,
    /// `None` where they are the bytes the series keeps itself.
    attributes: Option<Box<[u8]>>,
    pub(super) series: Series,
}

impl Cache {
    pub(super) fn new(room: Arc<Room>) -> Self {
        Self {
            resources: Table::default(),
            scopes: Table::default(),
            metrics: Table::default(),
            series: Table::default(),
            room,
            last_id: 0,
        }
    }

    /// Makes a context of what was read, to be remembered with [`Table::keep`].
    pub(super) fn context<T>(&mut self, key: &Key<'_>, value: T, repeated: u32) -> Context<T> {
        self.last_id += 1;
        Context {
            id: self.last_id,
            parent: key.parent,
            kind: key.kind,
            split: key.parts[0].len() as u32,
            bytes: key.parts.concat().into(),
            repeated,
            value,
        }
    }

    pub(super) fn keep_resource(&mut self, hash: u64, context: Context<Arc<Resource>>) -> u32 {
        self.resources.keep(hash, context, &self.room)
    }

    pub(super) fn keep_scope(&mut self, hash: u64, context: Context<Arc<Scope>>) -> u32 {
        self.scopes.keep(hash, context, &self.room)
    }

    pub(super) fn keep_metric(&mut self, hash: u64, context: Context<MetricContext>) -> u32 {
        self.metrics.keep(hash, context, &self.room)
    }

    /// Remembers the message of a metric with one point, if there is room for it.
    pub(super) fn keep_single(&mut self, metric: u32, single: Single) {
        let context = self.metrics.get_mut(metric);
        if context.value.single_patience == 0 || Table::<Context<MetricContext>>::is_aside(metric) {
            return;
        }
        context.value.single_patience -= 1;
        if let Some(old) = context.value.single.take() {
            self.room.give_back(old.len());
        }
        if self.room.take(single.len()) {
            context.value.single = Some(single);
        }
    }

    pub(super) fn keep_series(&mut self, hash: u64, known: KnownSeries) -> u32 {
        self.series.keep(hash, known, &self.room)
    }

    /// What all shards together remember.
    #[cfg(test)]
    pub(super) fn used_bytes(&self) -> usize {
        self.room.used_bytes()
    }

    /// Forgets what was not asked for between so many sweeps.
    pub(super) fn sweep(&mut self, unused_sweeps_max: u32) {
        self.resources.sweep(&self.room, unused_sweeps_max);
        self.scopes.sweep(&self.room, unused_sweeps_max);
        self.metrics.sweep(&self.room, unused_sweeps_max);
        self.series.sweep(&self.room, unused_sweeps_max);
    }
}

impl Context<MetricContext> {
    /// The last message, if `message` differs from it in times and value only.
    #[inline]
    pub(super) fn single(&self, parent: u64, message: &[u8]) -> Option<&Single> {
        self.value.single.as_ref().filter(|single| self.parent == parent && single.is_like(message))
    }
}

impl<T> Context<T> {
    #[inline]
    pub(super) fn is(&self, key: &Key<'_>) -> bool {
        let (first, second) = self.bytes.split_at(self.split as usize);
        self.parent == key.parent && self.kind == key.kind && first == key.parts[0] && second == key.parts[1]
    }
}

impl KnownSeries {
    pub(super) fn new(metric: u64, attributes: &[u8], series: Series, repeated: u32) -> Self {
        let attributes = (series.attributes().as_bytes() != attributes).then(|| attributes.into());
        Self { metric, repeated, attributes, series }
    }

    #[inline]
    pub(super) fn is(&self, metric: u64, attributes: &[u8]) -> bool {
        self.metric == metric
            && match &self.attributes {
                Some(bytes) => **bytes == *attributes,
                None => self.series.attributes().as_bytes() == attributes,
            }
    }
}

impl<T: Extra> Weight for Context<T> {
    fn bytes(&self) -> usize {
        // What the context means is about as long as what it was written as.
        2 * self.bytes.len() + self.value.extra_bytes()
    }
}

/// What the meaning of a context takes beside what it was written as.
pub(super) trait Extra {
    fn extra_bytes(&self) -> usize {
        0
    }
}

impl Extra for Arc<Resource> {}

impl Extra for Arc<Scope> {}

impl Extra for MetricContext {
    fn extra_bytes(&self) -> usize {
        self.single.as_ref().map_or(0, Single::len)
    }
}

impl Weight for KnownSeries {
    fn bytes(&self) -> usize {
        self.attributes.as_ref().map_or(0, |bytes| bytes.len())
    }
}
