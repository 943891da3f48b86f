//! What an HTTP answer means for the batch that was sent.

use std::time::{Duration, SystemTime};

use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode, Uri};
use pipeline::component::ExportError;
use pipeline::otlp::Status;

use super::{TooLarge, printable};

/// Longer waits are not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);

/// An answer that is not a success.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    pub(crate) status: StatusCode,
    pub(crate) headers: &'a HeaderMap,
    /// Decompressed; empty where it could not be read.
    pub(crate) body: &'a [u8],
}

impl Answer<'_> {
    /// Only 429, 502, 503 and 504 are worth another attempt (OTLP specification, retryable response codes).
    pub(crate) fn judge(&self, too_large: TooLarge, now: SystemTime) -> ExportError {
        let reason = self.reason();
        match self.status.as_u16() {
            429 | 502 | 503 | 504 => ExportError::Retry { after: self.retry_after(now), reason },
            413 => too_large.judge(reason),
            _ => ExportError::Drop { reason },
        }
    }

    /// When the other side wants to be asked again.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let after = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        after.and_then(|text| parse_retry_after(text, now))
    }

    /// The status, and what was said with it.
    pub(crate) fn reason(&self) -> String {
        let status = self.status.as_u16();
        let name = self.status.canonical_reason().unwrap_or_default();
        let text = if self.status.is_redirection() { self.redirect() } else { self.text() };
        let head = format!("{status} {name}");
        if text.is_empty() { head.trim_end().to_owned() } else { format!("{}: {text}", head.trim_end()) }
    }

    /// Only the host: the rest of the URL may hold secrets.
    fn redirect(&self) -> String {
        let location = self.headers.get(LOCATION).and_then(|value| value.to_str().ok());
        let url = location.and_then(|location| location.parse::<Uri>().ok());
        match url.as_ref().and_then(Uri::host) {
            Some(host) => format!("redirects to `{}`, which is not followed", printable(host)),
            None => String::from("redirects are not followed"),
        }
    }

    /// What the other side says, whether as a `google.rpc.Status` or in plain text.
    fn text(&self) -> String {
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
        let status = match media_type.to_ascii_lowercase().as_str() {
            "application/x-protobuf" | "application/protobuf" => Status::decode(self.body).ok(),
            "application/json" => Status::decode_json(self.body).ok(),
            _ => None,
        };
        match status {
            Some(status) if !status.message.is_empty() => printable(&status.message),
            _ => printable(&String::from_utf8_lossy(self.body)),
        }
    }
}

/// Reads whole seconds or an HTTP date; what is not in the near future says nothing.
pub(crate) fn parse_retry_after(text: &str, now: SystemTime) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).ok()?,
    };
    believable(wait)
}

/// A wait that another side asked for, if it is one to keep.
pub(crate) fn believable(wait: Duration) -> Option<Duration> {
    (!wait.is_zero() && wait <= RETRY_AFTER_MAX).then_some(wait)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn now() -> SystemTime {
        httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap()
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_what_is_absurd_is_ignored() {
        let check = |text: &str, expected: Option<u64>| {
            assert_eq!(parse_retry_after(text, now()).map(|wait| wait.as_secs()), expected, "{text}");
        };
        check("30", Some(30));
        check(" 1 ", Some(1));
        check("3600", Some(3600));
        check("Sun, 06 Nov 1994 08:50:07 GMT", Some(30));
        check("Sunday, 06-Nov-94 08:50:07 GMT", Some(30));
        check("Sun Nov  6 08:50:07 1994", Some(30));
        check("0", None);
        check("-5", None);
        check("1.5", None);
        check("3601", None);
        check("99999999999999999999999", None);
        check("Sun, 06 Nov 1994 08:49:07 GMT", None);
        check("Mon, 07 Nov 1994 08:49:37 GMT", None);
        check("soon", None);
        check("", None);
    }

    fn judge(status: u16, headers: &[(http::HeaderName, &'static str)], body: &[u8]) -> ExportError {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: &headers, body }.judge(TooLarge::Drop, now())
    }

    #[test]
    fn four_statuses_are_retried_and_no_others() {
        for status in (300..600).chain([999]) {
            let is_retried = matches!(judge(status, &[], b""), ExportError::Retry { after: None, .. });
            assert_eq!(is_retried, matches!(status, 429 | 502 | 503 | 504), "{status}");
        }
        let after = judge(503, &[(RETRY_AFTER, "30")], b"");
        let expected = ExportError::Retry {
            after: Some(Duration::from_secs(30)),
            reason: String::from("503 Service Unavailable"),
        };
        assert_eq!(after, expected);
    }

    #[test]
    fn what_is_too_large_is_dropped_or_split_as_configured() {
        let answer = Answer { status: StatusCode::PAYLOAD_TOO_LARGE, headers: &HeaderMap::new(), body: b"" };
        assert!(matches!(answer.judge(TooLarge::Drop, now()), ExportError::Drop { .. }));
        assert!(matches!(answer.judge(TooLarge::Split, now()), ExportError::Split { .. }));
    }

    #[test]
    fn the_text_of_the_other_side_is_found_in_every_form() {
        let status = Status::new(3, "bad sample");
        let check = |content_type: &'static str, body: &[u8], expected: &str| {
            assert_eq!(judge(400, &[(CONTENT_TYPE, content_type)], body).to_string(), expected);
        };
        check("application/x-protobuf", &status.encode(), "400 Bad Request: bad sample");
        check("application/json; charset=utf-8", &status.encode_json(), "400 Bad Request: bad sample");
        check("text/plain", b"out of order\n", "400 Bad Request: out of order");
        check("application/json", b"out of order", "400 Bad Request: out of order");
        check("application/json", br#"{"error":"x"}"#, r#"400 Bad Request: {"error":"x"}"#);
        check("text/plain", b"", "400 Bad Request");
        check("text/plain", b"\x1b[2Ja\xff", "400 Bad Request: \\u{1b}[2Ja\u{fffd}");
    }

    #[test]
    fn a_redirect_shows_the_host_alone() {
        let reason = judge(307, &[(LOCATION, "https://other.example.com/x?token=hunter2")], b"").to_string();
        assert_eq!(reason, "307 Temporary Redirect: redirects to `other.example.com`, which is not followed");
        assert!(judge(302, &[], b"").to_string().ends_with("redirects are not followed"));
    }
}
