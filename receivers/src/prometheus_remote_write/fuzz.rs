//! Bodies of fuzz targets, and what benchmarks read with.

use std::sync::Arc;

use pipeline::{Point, Registry, otlp};

use super::decoder::Decoder;
use super::message::Version;

/// Reads bytes as requests of both versions: what becomes points must survive being sent on as OTLP.
pub fn write_requests(request: &[u8]) {
    for version in [Version::V1, Version::V2] {
        let decoder = Decoder::new(Arc::new(Registry::new(1000)));
        // Again and again: what was met before is read in another way.
        for _ in 0..3 {
            let Ok(decoded) = decoder.decode(version, request) else { continue };
            let mut written = Vec::new();
            otlp::encode(&decoded.batch, &mut written);
            let read = otlp::Decoder::new(Arc::new(Registry::new(10_000))).decode(&written);
            let read = read.expect("what was written can be read");
            assert_eq!((read.batch.len(), read.rejected), (decoded.batch.len(), 0), "{}", read.message);
            let is_timed = |point: &Point| point.start_unix_nano <= point.time_unix_nano;
            assert!(decoded.batch.iter().all(is_timed));
            decoder.sweep();
        }
    }
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
