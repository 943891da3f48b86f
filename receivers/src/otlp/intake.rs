//! From a request's bytes to the pipeline and an answer, the same for every transport.

use std::time::Duration;

use bytes::Bytes;
use pipeline::Output;
use pipeline::component::Context;
use pipeline::net::body::{BodyError, Budget};
use pipeline::otlp::{DecodeError, Decoder, FieldViolation, PartialSuccess, Status};
use pipeline::telemetry::ReceiverMetrics;
use tonic::Code;

use crate::serving::RETRY_DELAY;

/// What is said of signals that are not metrics.
pub(super) const METRICS_ONLY: &str = "this collector takes metrics only";

/// Decodes requests and hands their points over.
#[derive(Debug)]
pub(super) struct Intake {
    decoder: Decoder,
    output: Output,
    budget: Budget,
}

/// How a request is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Protobuf,
    Json,
}

impl Intake {
    pub(super) fn new(context: &Context, output: Output) -> Self {
        Self { decoder: Decoder::new(context.registry.clone()), output, budget: context.net.budget().clone() }
    }

    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Forgets what belongs to series that are gone.
    pub(super) fn sweep(&self) {
        self.decoder.sweep();
    }

    /// Forgets all that was not needed lately, if memory is short.
    pub(super) fn forget_if_pressed(&self) {
        if self.output.is_pressed() {
            self.decoder.forget();
        }
    }

    /// Turns a request away before it is read, if it could not be taken.
    ///
    /// What has been read takes memory, many times its size on the wire, and what is refused then has cost the
    /// work of decoding it.
    pub(super) fn ready(&self, metrics: &ReceiverMetrics) -> Result<(), Status> {
        self.output.ready().map_err(|refused| {
            metrics.refused_request();
            try_later(refused.reason, refused.retry_after)
        })
    }

    /// Takes a request; returns when its points are in every exporter's queue, or why they are not.
    pub(super) async fn take(
        &self,
        request: Bytes,
        format: Format,
        metrics: &ReceiverMetrics,
    ) -> Result<PartialSuccess, Status> {
        let decoded = match format {
            Format::Protobuf => self.decoder.decode(&request),
            Format::Json => self.decoder.decode_json(&request),
        };
        // The bytes count against the budget until here.
        drop(request);
        let decoded = decoded.map_err(undecodable)?;
        if decoded.repeated_keys > 0 {
            metrics.duplicate_keys(decoded.repeated_keys);
        }
        let points = decoded.batch.len() as u64;
        if let Err(refused) = self.output.send(decoded.batch).await {
            metrics.refused(points);
            return Err(try_later(refused.reason, refused.retry_after));
        }
        metrics.accepted(points);
        if decoded.rejected > 0 {
            metrics.failed(decoded.rejected);
        }
        Ok(PartialSuccess {
            rejected_data_points: i64::try_from(decoded.rejected).unwrap_or(i64::MAX),
            error_message: decoded.message,
        })
    }
}

/// What is answered where a body could not be read.
pub(super) fn unreadable(error: &BodyError) -> Status {
    match error {
        // Without a time to try again, which would make it temporary.
        BodyError::TooLarge { .. } => status(Code::ResourceExhausted, error.to_string()),
        BodyError::Corrupt(_) => bad_request(error.to_string()),
        BodyError::Broken(_) => status(Code::Cancelled, error.to_string()),
        BodyError::Slow => status(Code::DeadlineExceeded, error.to_string()),
        BodyError::Busy => try_later(error.to_string(), RETRY_DELAY.0),
    }
}

pub(super) fn status(code: Code, message: impl Into<String>) -> Status {
    Status::new(code as i32, message)
}

/// The request itself is wrong: sending it again would not help.
pub(super) fn bad_request(message: String) -> Status {
    violation(String::from("request"), message.clone(), message)
}

fn undecodable(error: DecodeError) -> Status {
    let message = error.to_string();
    violation(error.field.unwrap_or_else(|| String::from("request")), error.message, message)
}

fn violation(field: String, description: String, message: String) -> Status {
    let field_violations = vec![FieldViolation { field, description }];
    Status { field_violations, ..status(Code::InvalidArgument, message) }
}

fn try_later(reason: String, retry_after: Duration) -> Status {
    let delay = retry_after.clamp(RETRY_DELAY.0, RETRY_DELAY.1);
    Status { retry_delay: Some(delay), ..status(Code::Unavailable, reason) }
}
