//! OTLP metrics: requests to points and back, in protobuf and in JSON, without intermediate trees.

mod cache;
mod context;
mod decode;
mod encode;
mod fault;
#[doc(hidden)]
pub mod fuzz;
mod group;
mod json;
mod rejections;
mod response;
mod single;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use foldhash::quality::RandomState;

use self::cache::Cache;
use crate::batch::Batch;
use crate::cache::Room;
use crate::registry::Registry;
use crate::wire::WireError;

pub use encode::{encode, encoded_len};
pub use json::encode_json;
pub use response::{FieldViolation, PartialSuccess, Status};

/// So many requests can be read at once, if they are of different resources.
const SHARDS: usize = 16;

/// Whatever was not asked for between so many sweeps is forgotten.
const UNUSED_SWEEPS_MAX: u32 = 5;

/// What a decoder may remember, for each series the registry may hold, in bytes.
const BYTES_A_SERIES: usize = 400;

/// The least it may remember.
const BYTES_MIN: usize = 1 << 20;

/// Turns requests into points. One decoder serves all connections of a receiver.
///
/// It remembers the series it has met by the bytes they came in, so that meeting them again costs a
/// look-up. What it remembers is shared between connections, by resource; a request holds on to the
/// part of one resource at a time, and never while anything is waited for. It is bounded in bytes: what
/// finds no room is read anew each time. [`Decoder::sweep`] makes it forget, and let go of series that
/// are no longer sent.
pub struct Decoder {
    registry: Arc<Registry>,
    hasher: RandomState,
    shards: Box<[Mutex<Cache>]>,
    /// A request may take so many times its size in memory.
    times_max: usize,
}

/// What a request held.
#[derive(Debug, Default)]
pub struct Decoded {
    pub batch: Batch,
    /// Points that were not valid, or that the bound on live series refused.
    pub rejected: u64,
    /// The first reasons in English, bounded in length; empty when there is nothing to say.
    pub message: String,
    /// Attributes that were dropped because another with the same key came after them.
    pub repeated_keys: u64,
}

/// Why a whole request could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodeError {
    /// The way to what is wrong, in the names of the encoding: `resource_metrics[0].schema_url`.
    pub field: Option<String>,
    /// Bounded in length, as is `field`.
    pub message: String,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(field) = &self.field {
            write!(f, "{field}: ")?;
        }
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

impl From<WireError> for DecodeError {
    fn from(error: WireError) -> Self {
        Self::new(error.to_string())
    }
}

impl DecodeError {
    fn new(message: impl Into<String>) -> Self {
        Self { field: None, message: message.into() }
    }
}

impl Decoder {
    pub fn new(registry: Arc<Registry>) -> Self {
        let room = Arc::new(Room::new((registry.live_max().saturating_mul(BYTES_A_SERIES)).max(BYTES_MIN)));
        let shards = (0..SHARDS).map(|_| Mutex::new(Cache::new(room.clone()))).collect();
        Self { registry, hasher: RandomState::default(), shards, times_max: decode::TIMES_MAX }
    }

    /// For requests that were in memory before and come from nobody else: they may take there what they took.
    pub(crate) fn trusting(self) -> Self {
        Self { times_max: usize::MAX, ..self }
    }

    /// Reads an `ExportMetricsServiceRequest`.
    pub fn decode(&self, request: &[u8]) -> Result<Decoded, DecodeError> {
        Ok(decode::request(self, request)?)
    }

    /// Reads the same in OTLP/JSON.
    ///
    /// Unknown members are passed over; what is mistyped or out of range is an error for the whole.
    pub fn decode_json(&self, request: &[u8]) -> Result<Decoded, DecodeError> {
        self.decode(&json::transcode(request)?)
    }

    /// Forgets what was not met since the fifth call before this one; the receiver calls it each minute.
    pub fn sweep(&self) {
        self.sweep_older(UNUSED_SWEEPS_MAX);
    }

    /// Forgets what was not met since the last call, of this or of [`Decoder::sweep`]: for when memory is short.
    pub fn forget(&self) {
        self.sweep_older(2);
    }

    fn sweep_older(&self, unused_sweeps_max: u32) {
        for shard in &self.shards {
            shard.lock().unwrap_or_else(PoisonError::into_inner).sweep(unused_sweeps_max);
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("registry", &self.registry).finish_non_exhaustive()
    }
}
