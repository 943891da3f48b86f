//! Body of a fuzz target: any answer to a push has a meaning that can be kept to.
//!
//! The target is one line that calls this; a test calls it with random bytes.

use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use pipeline::component::ExportError;
use tonic::{Code, Status};

use super::TooLarge;
use super::answer::{Answer, RetryStatuses};
use crate::{otlp_grpc, prometheus_remote_write};

/// A reason is what was said, escaped, with a status before and advice behind it.
const REASON_BYTES_MAX: usize = 2048;

/// Reads the bytes as an answer: a line with the status, lines with headers, an empty line, the body.
pub fn answers(bytes: &[u8]) {
    let (head, body) = split(bytes, b"\n\n");
    let (status, lines) = split(head, b"\n");
    let headers: HeaderMap = lines.split(|byte| *byte == b'\n').filter_map(header).collect();
    let status = std::str::from_utf8(status).ok().and_then(|text| text.trim().parse::<u16>().ok());
    let status =
        status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or(StatusCode::BAD_REQUEST);
    let answer = Answer { status, headers: &headers, body };
    for too_large in [TooLarge::Drop, TooLarge::Split] {
        for retried in [RetryStatuses::default(), RetryStatuses::of_remote_write()] {
            check(&answer.judge(too_large, &retried, SystemTime::UNIX_EPOCH));
        }
    }
    assert!(answer.too_late().is_none_or(|refused| refused > 0));
    prometheus_remote_write::fuzz_verdicts(&answer, check);
    let details = body.to_vec().into();
    let status = Status::with_details(Code::from(i32::from(status.as_u16() % 20)), answer.reason(), details);
    for retry_exhausted in [false, true] {
        check(&otlp_grpc::status::judge(&status, retry_exhausted));
    }
}

/// What is said may stand in a log, and no wait is longer than can be believed.
fn check(error: &ExportError) {
    let (ExportError::Retry { reason, .. }
    | ExportError::Bad { reason }
    | ExportError::Drop { reason }
    | ExportError::Denied { reason }
    | ExportError::Split { reason }) = error;
    check_reason(reason);
    if let ExportError::Retry { after: Some(after), .. } = error {
        assert!(!after.is_zero() && *after <= Duration::from_hours(1));
    }
}

pub(crate) fn check_reason(reason: &str) {
    assert!(reason.len() <= REASON_BYTES_MAX && !reason.contains(char::is_control), "{reason:?}");
}

fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let (name, value) = split(line, b":");
    let value = HeaderValue::from_bytes(value.trim_ascii()).ok()?;
    Some((HeaderName::from_bytes(name.trim_ascii()).ok()?, value))
}

/// What is before and behind the first of these; nothing where there is none.
fn split<'a>(bytes: &'a [u8], at: &[u8]) -> (&'a [u8], &'a [u8]) {
    let found = bytes.windows(at.len()).position(|window| window == at);
    found.map_or((bytes, &[]), |place| (&bytes[..place], &bytes[place + at.len()..]))
}

#[cfg(test)]
mod tests {
    #[test]
    fn any_answer_has_a_meaning() {
        let partly = "400\nx-prometheus-remote-write-samples-written: 18446744073709551615\n\n3 out of order";
        for answer in [
            "",
            "204",
            partly,
            "429\nretry-after: 99999999999\n\n",
            "503\nretry-after: Sun, 06 Nov 1994 08:49:37 GMT\n\n{\"error\":{\"message\":\"\\u0007\"}}",
            "302\nlocation: https://user:secret@host/\n\n",
            "500\ncontent-type: text/html\n\n<TITLE>\u{1b}[2J</title>",
        ] {
            super::answers(answer.as_bytes());
        }
        super::answers(&[b"413\n\n".as_slice(), &[0xff; 5000]].concat());
    }
}
