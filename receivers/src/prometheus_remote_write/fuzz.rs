//! Bodies of fuzz targets, and what benchmarks read with.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use pipeline::net::body::{self, Budget};
use pipeline::{Batch, Point, Registry, otlp};
use tokio::runtime::{Builder, Runtime};

use super::decoder::Decoder;
use super::message::Version;

/// What the snappy block of a request may hold, in bytes.
const DECODED_BYTES_MAX: usize = 1 << 20;

/// Long blocks are decompressed on a thread of it.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().build().expect("a runtime can be made"));

/// Reads bytes as the bodies of requests, in a snappy block and without one; the points of what could be read.
pub fn requests(body: &[u8]) -> Vec<Batch> {
    let budget = Budget::new(4 * DECODED_BYTES_MAX);
    let block = RUNTIME.block_on(body::unsnap(Bytes::copy_from_slice(body), DECODED_BYTES_MAX, &budget));
    let mut batches = write_requests(body);
    if let Ok(request) = &block {
        batches.extend(write_requests(request));
    }
    drop(block);
    assert_eq!(budget.held(), 0);
    // The marker of a series may stand before the first millisecond, which the protocol cannot say.
    for batch in &mut batches {
        batch.retain(|point| point.time_unix_nano >= 1_000_000);
    }
    batches
}

/// Reads bytes as requests of both versions: what becomes points must survive being sent on as OTLP.
pub(super) fn write_requests(request: &[u8]) -> Vec<Batch> {
    let mut batches = Vec::new();
    for version in [Version::V1, Version::V2] {
        let decoder = Decoder::new(Arc::new(Registry::new(1000)));
        // Again and again: what was met before is read in another way.
        for _ in 0..3 {
            let Ok(decoded) = decoder.decode(version, request) else { continue };
            check(&decoded.batch);
            batches.push(decoded.batch);
            decoder.sweep();
        }
    }
    batches
}

/// Reads what an exporter wrote: nothing of it may be refused.
pub fn written_requests(is_v2: bool, request: &[u8]) {
    let version = if is_v2 { Version::V2 } else { Version::V1 };
    let decoder = Decoder::new(Arc::new(Registry::new(100_000)));
    let decoded = decoder.decode(version, request).expect("what was written can be read");
    assert_eq!(decoded.failures.message(), None);
}

fn check(batch: &Batch) {
    let mut written = Vec::new();
    otlp::encode(batch, &mut written);
    let read = otlp::Decoder::new(Arc::new(Registry::new(10_000))).decode(&written);
    let read = read.expect("what was written can be read");
    assert_eq!((read.batch.len(), read.rejected), (batch.len(), 0), "{}", read.message);
    let is_timed = |point: &Point| point.start_unix_nano <= point.time_unix_nano;
    assert!(batch.iter().all(is_timed));
}

/// Reads requests one after the other, as a receiver does.
#[derive(Debug)]
pub struct RemoteWriteBench {
    decoder: Decoder,
}

impl RemoteWriteBench {
    #[expect(clippy::new_without_default, reason = "the benchmark has no use for a default")]
    pub fn new() -> Self {
        Self { decoder: Decoder::new(Arc::new(Registry::new(1_000_000))) }
    }

    /// How many points a request of 1.0 gives, or of 2.0.
    pub fn read(&self, is_v2: bool, request: &[u8]) -> usize {
        let version = if is_v2 { Version::V2 } else { Version::V1 };
        self.decoder.decode(version, request).map_or(0, |decoded| decoded.batch.len())
    }
}
