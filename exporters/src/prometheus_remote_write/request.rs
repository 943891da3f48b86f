//! A request: written of a plan, compressed, under its headers.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use pipeline::Batch;
use pipeline::component::ExportError;

use super::negotiation::Format;
use super::plan::Plan;
use super::{Counts, RemoteWrite, message, v1, v2};
use crate::push::compression::INLINE_SIZE_MAX;

static VERSION: HeaderName = HeaderName::from_static("x-prometheus-remote-write-version");

impl RemoteWrite {
    /// The message of what is planned, and what it holds.
    pub(super) fn write(&self, plan: &Plan, batch: &Batch) -> Result<(Vec<u8>, Counts), ExportError> {
        let points = plan.entries.len();
        let forms = self.memory.forms;
        let size_max = usize::try_from(self.body_size_max.0).unwrap_or(usize::MAX);
        let (written, body, counts) = match plan.format {
            Format::V1 => {
                let mut request = v1::Request::new(points, size_max);
                let written = message::write(plan, forms, batch, &mut request);
                let counts = request.counts;
                (written, request.finish(), counts)
            }
            Format::V2 => {
                let mut request = v2::Request::new(points, size_max);
                let written = message::write(plan, forms, batch, &mut request);
                let counts = request.counts;
                (written, request.finish(), counts)
            }
        };
        let is_too_large = written.is_err() || body.len() > size_max;
        if points > 0 {
            // At least so much where it was not written to its end.
            let size = if is_too_large { body.len().max(size_max) } else { body.len() };
            self.point_size.store(size.div_ceil(points), Ordering::Relaxed);
        }
        if is_too_large {
            let max = self.body_size_max;
            let reason = format!("the request is larger than `max_batch_size_bytes`, {max}");
            return Err(ExportError::Split { reason });
        }
        Ok((body, counts))
    }
}

/// The headers of a request with points.
pub(super) fn headers(format: Format) -> HeaderMap {
    HeaderMap::from_iter([
        (CONTENT_TYPE, format.content_type()),
        (CONTENT_ENCODING, HeaderValue::from_static("snappy")),
        (VERSION.clone(), format.version()),
    ])
}

/// Compresses a body as the protocol has it, a block without frames; a long one on a thread of its own.
pub(super) async fn compress(body: Vec<u8>) -> Result<Bytes, ExportError> {
    let is_long = body.len() > INLINE_SIZE_MAX;
    let compress = move || snap::raw::Encoder::new().compress_vec(&body);
    let failed = |error: &dyn std::fmt::Display| ExportError::Drop {
        reason: format!("cannot compress the request: {error}"),
    };
    let compressed = if is_long {
        tokio::task::spawn_blocking(compress).await.map_err(|error| failed(&error))?
    } else {
        compress()
    };
    compressed.map(Bytes::from).map_err(|error| failed(&error))
}
