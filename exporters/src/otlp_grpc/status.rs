//! What a gRPC status means for the batch that was sent.

use std::time::Duration;

use pipeline::component::ExportError;
use pipeline::otlp;
use tonic::{Code, Status};

use crate::push::advice::advice_on_grpc;
use crate::push::answer::believable;
use crate::push::printable;

/// Details longer than this are not read: `RetryInfo` takes a few dozen bytes.
const DETAILS_SIZE_MAX: usize = 16 << 10;

/// Retries the codes that the OTLP specification says to (Failures, OTLP/gRPC).
///
/// `RESOURCE_EXHAUSTED` without `RetryInfo` is retried where `retry_exhausted` says so: the specification would drop
/// the batch, but it is also what a collector answers whose memory is full for now.
pub(crate) fn judge(status: &Status, retry_exhausted: bool) -> ExportError {
    let reason = reason(status);
    let after = retry_delay(status);
    match status.code() {
        // The size of a request does not change by sending it again, whatever code says so.
        _ if is_too_large(status) => ExportError::Drop { reason },
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => ExportError::Retry { after: after.and_then(believable), reason },
        Code::ResourceExhausted if retry_exhausted || after.is_some() => {
            ExportError::Retry { after: after.and_then(believable), reason }
        }
        Code::InvalidArgument => ExportError::Bad { reason },
        Code::Unauthenticated | Code::PermissionDenied | Code::Unimplemented => {
            ExportError::Denied { reason }
        }
        _ => ExportError::Drop { reason },
    }
}

/// How gRPC libraries, and our own receiver, say that a message is larger than they take; in lower case.
const TOO_LARGE: &[&str] = &[
    "message length too large",
    "larger than max",
    "message is larger than",
    "message exceeds",
    "exceeds maximum",
    "exceeds the maximum",
    "exceeds the configured maximum",
    "size limit",
];

/// Whether a message was larger than its reader takes.
pub(super) fn is_too_large(status: &Status) -> bool {
    let message = status.message().to_lowercase();
    matches!(status.code(), Code::OutOfRange | Code::ResourceExhausted)
        && retry_delay(status).is_none()
        && TOO_LARGE.iter().any(|text| message.contains(text))
}

/// `UNAVAILABLE: what the other side said`.
pub(super) fn reason(status: &Status) -> String {
    let name = name(status.code());
    let message = printable(status.message());
    let advice = advice_on_grpc(&message).map(|advice| format!(" ({advice})")).unwrap_or_default();
    if message.is_empty() { name.to_owned() } else { format!("{name}: {message}{advice}") }
}

fn retry_delay(status: &Status) -> Option<Duration> {
    let details = status.details();
    if details.is_empty() || details.len() > DETAILS_SIZE_MAX {
        return None;
    }
    otlp::Status::decode(details).ok()?.retry_delay
}

fn name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_retry_info(code: Code, seconds: u64) -> Status {
        let details = otlp::Status {
            code: code as i32,
            retry_delay: Some(Duration::from_secs(seconds)),
            ..otlp::Status::default()
        };
        Status::with_details(code, "busy", details.encode().into())
    }

    #[test]
    fn each_code_is_retried_or_not_as_the_specification_says() {
        let check = |code: Code, plainly: bool, with_info: bool| {
            let is_retried = |status: &Status| matches!(judge(status, false), ExportError::Retry { .. });
            assert_eq!(is_retried(&Status::new(code, "")), plainly, "{code:?}");
            assert_eq!(is_retried(&with_retry_info(code, 30)), with_info, "{code:?} with RetryInfo");
        };
        check(Code::Ok, false, false);
        check(Code::Cancelled, true, true);
        check(Code::Unknown, false, false);
        check(Code::InvalidArgument, false, false);
        check(Code::DeadlineExceeded, true, true);
        check(Code::NotFound, false, false);
        check(Code::AlreadyExists, false, false);
        check(Code::PermissionDenied, false, false);
        check(Code::ResourceExhausted, false, true);
        check(Code::FailedPrecondition, false, false);
        check(Code::Aborted, true, true);
        check(Code::OutOfRange, true, true);
        check(Code::Unimplemented, false, false);
        check(Code::Internal, false, false);
        check(Code::Unavailable, true, true);
        check(Code::DataLoss, true, true);
        check(Code::Unauthenticated, false, false);
        for code in [Code::Unauthenticated, Code::PermissionDenied, Code::Unimplemented] {
            assert!(matches!(judge(&Status::new(code, ""), false), ExportError::Denied { .. }), "{code:?}");
        }
    }

    #[test]
    fn exhaustion_without_a_delay_is_retried_where_the_section_says_so() {
        let status = Status::new(Code::ResourceExhausted, "data refused due to high memory usage");
        assert!(matches!(judge(&status, true), ExportError::Retry { after: None, .. }));
        assert!(matches!(judge(&status, false), ExportError::Drop { .. }));
    }

    #[test]
    fn what_is_called_invalid_may_be_the_fault_of_a_few_points() {
        assert!(matches!(judge(&Status::new(Code::InvalidArgument, ""), true), ExportError::Bad { .. }));
    }

    #[test]
    fn a_delay_is_kept_when_it_can_be_believed() {
        let after = |status: &Status| match judge(status, false) {
            ExportError::Retry { after, .. } => after.map(|after| after.as_secs()),
            other => panic!("{other:?}"),
        };
        assert_eq!(after(&with_retry_info(Code::Unavailable, 30)), Some(30));
        assert_eq!(after(&with_retry_info(Code::ResourceExhausted, 30)), Some(30));
        assert_eq!(after(&with_retry_info(Code::ResourceExhausted, 0)), None);
        assert_eq!(after(&with_retry_info(Code::ResourceExhausted, 1_000_000)), None);
    }

    #[test]
    fn details_that_are_too_long_or_broken_say_nothing() {
        let mut details = with_retry_info(Code::ResourceExhausted, 30).details().to_vec();
        details.extend([b'x'; 3]);
        let broken = Status::with_details(Code::ResourceExhausted, "", details.into());
        assert!(matches!(judge(&broken, false), ExportError::Drop { .. }));
        let text = otlp::Status {
            message: "x".repeat(DETAILS_SIZE_MAX),
            retry_delay: Some(Duration::from_secs(1)),
            ..otlp::Status::default()
        };
        let long = Status::with_details(Code::Unavailable, "", text.encode().into());
        assert!(matches!(judge(&long, false), ExportError::Retry { after: None, .. }));
    }

    #[test]
    fn what_is_too_large_is_not_sent_again_as_it_is() {
        for (code, message) in [
            (
                Code::OutOfRange,
                "Error, decoded message length too large: found 5 bytes, the limit is: 4 bytes",
            ),
            (Code::ResourceExhausted, "grpc: received message larger than max (5 vs. 4)"),
            (Code::ResourceExhausted, "gRPC message exceeds maximum size 4194304: 5000000"),
            (Code::ResourceExhausted, "Received message exceeds the maximum configured message size."),
            (Code::ResourceExhausted, "Message is larger than 4 bytes"),
        ] {
            let status = Status::new(code, message);
            assert!(is_too_large(&status));
            assert!(matches!(judge(&status, true), ExportError::Drop { .. }));
        }
        assert!(!is_too_large(&Status::new(Code::Unavailable, "larger than max")));
        for message in ["data refused due to high memory usage", "the queue is full", "quota exceeded"] {
            assert!(!is_too_large(&Status::new(Code::ResourceExhausted, message)), "{message}");
        }
    }

    #[test]
    fn the_reason_is_the_code_and_the_escaped_text() {
        assert_eq!(reason(&Status::new(Code::Internal, "a\nb")), "INTERNAL: a\\nb");
        assert_eq!(reason(&Status::new(Code::Internal, "")), "INTERNAL");
    }
}
