//! What the OTLP exporters do alike, whatever carries the request.

use std::time::Duration;

use config::ByteSize;
use pipeline::component::{ExportError, Receipt};
use pipeline::otlp::PartialSuccess;
use pipeline::{Batch, Quiet};
use tracing::warn;

use crate::push::printable;

/// The default of `max_request_size` (OTLP specification, OTLP/gRPC request).
pub(crate) const REQUEST_SIZE_MAX: ByteSize = ByteSize::mib(64);

/// The default of `max_response_size`.
pub(crate) const RESPONSE_SIZE_MAX: ByteSize = ByteSize::mib(4);

/// The least time between two lines about points that were rejected.
const REJECTION_PAUSE: Duration = Duration::from_mins(1);

/// Writes batches as requests, and reads what answers say of the points.
#[derive(Debug)]
pub(crate) struct Requests {
    /// The exporter's id.
    pub(crate) id: String,
    /// Before compression.
    pub(crate) request_size_max: ByteSize,
    /// When points were last said to be rejected.
    pub(crate) rejections: Quiet,
}

impl Requests {
    pub(crate) fn new(id: &str, request_size_max: ByteSize) -> Self {
        Self { id: id.to_owned(), request_size_max, rejections: Quiet::new(REJECTION_PAUSE) }
    }

    /// The batch as `encode` writes it, if that is not too large to be sent.
    pub(crate) fn encode(
        &self,
        batch: &Batch,
        encode: fn(&Batch, &mut Vec<u8>),
    ) -> Result<Vec<u8>, ExportError> {
        // What a point with a few attributes takes; it grows from there.
        let mut request = Vec::with_capacity(batch.len() * 128);
        encode(batch, &mut request);
        if request.len() as u64 > self.request_size_max.0 {
            let (size, max) = (request.len(), self.request_size_max);
            let reason = format!("request of {size} bytes is larger than `max_request_size`, {max}");
            return Err(ExportError::Split { reason });
        }
        Ok(request)
    }

    /// Counts and tells what the other side did not want of a batch it took.
    pub(crate) fn receive(&self, batch: &Batch, partial_success: &PartialSuccess) -> Receipt {
        let rejected =
            u64::try_from(partial_success.rejected_data_points).unwrap_or(0).min(batch.len() as u64);
        if !partial_success.is_full_success()
            && let Some(unsaid) = self.rejections.speak()
        {
            let message = printable(&partial_success.error_message);
            warn!(exporter = self.id, rejected, message, unsaid, "the other side did not take every point");
        }
        Receipt { rejected, ..Receipt::default() }
    }

    /// Tells that the answer to a batch that was taken cannot be read.
    pub(crate) fn unread(&self, error: &str) {
        if let Some(unsaid) = self.rejections.speak() {
            let message = "a request was taken, but what else was answered cannot be read: points may have been refused";
            warn!(exporter = self.id, error, unsaid, "{message}");
        }
    }
}
