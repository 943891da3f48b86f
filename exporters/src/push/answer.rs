//! What an HTTP answer means for the batch that was sent.

use std::time::{Duration, SystemTime};

use config::{Problem, Section};
use http::header::{CONTENT_TYPE, LOCATION, RETRY_AFTER};
use http::{HeaderMap, StatusCode, Uri};
use pipeline::component::ExportError;
use serde::{Deserialize, Serialize};

use super::advice::{
    advice, advice_on_status, is_about_form, is_about_order, is_about_points, is_about_size, is_about_some,
    refused,
};
use super::{TooLarge, printable, words};

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

/// The `retry_statuses` key: the HTTP statuses after which the same request is worth another attempt.
///
/// By default those that the OTLP specification calls retryable, and no others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RetryStatuses(Vec<u16>);

impl Default for RetryStatuses {
    fn default() -> Self {
        Self(vec![429, 502, 503, 504])
    }
}

impl RetryStatuses {
    pub(crate) fn contains(&self, status: u16) -> bool {
        self.0.contains(&status)
    }

    /// Those of Remote Write: 429, and all that say it is the server's fault.
    pub(crate) fn of_remote_write() -> Self {
        Self([429].into_iter().chain(500..600).collect())
    }

    /// What is wrong with them.
    pub(crate) fn problems(&self, section: &Section) -> Vec<Problem> {
        let wrong = self.0.iter().enumerate().filter(|(_, status)| !(400..600).contains(*status));
        wrong
            .map(|(index, status)| {
                let message = format!("expected a status from 400 to 599, got `{status}`");
                section.problem(&format!("retry_statuses[{index}]"), message)
            })
            .collect()
    }
}

impl Answer<'_> {
    /// What becomes of the batch.
    ///
    /// A 400 may be the fault of a few points, and so may be what a backend says about points with a status that is
    /// tried again otherwise: it would say so for ever. What is about the credentials, the path or the form is not about
    /// the points at all.
    pub(crate) fn judge(&self, too_large: TooLarge, retried: &RetryStatuses, now: SystemTime) -> ExportError {
        let text = self.text();
        let reason = self.reason_for(&text);
        match self.status.as_u16() {
            413 => too_large.judge(reason),
            400 if is_about_size(&text) => too_large.judge(reason),
            500 if is_about_points(&text) => ExportError::Bad { reason },
            status if retried.contains(status) => ExportError::Retry { after: self.retry_after(now), reason },
            400 if !is_about_form(&text) => ExportError::Bad { reason },
            300..=399 | 400 | 401 | 403..=405 | 407 | 415 => ExportError::Denied { reason },
            _ => ExportError::Drop { reason },
        }
    }

    /// How many points a 400 says come too late; `None` where it is about something else.
    pub(crate) fn too_late(&self) -> Option<u64> {
        let text = self.text();
        (self.status == StatusCode::BAD_REQUEST && is_about_order(&text)).then(|| refused(&text))
    }

    /// How many points a 400 says were refused by Mimir, which takes the others; `None` where it is about all.
    pub(crate) fn refused_of_some(&self) -> Option<u64> {
        let text = self.text();
        (self.status == StatusCode::BAD_REQUEST && is_about_some(&text)).then(|| refused(&text))
    }

    /// When the other side wants to be asked again.
    pub(crate) fn retry_after(&self, now: SystemTime) -> Option<Duration> {
        let after = self.headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
        after.and_then(|text| parse_retry_after(text, now))
    }

    /// `400 Bad Request: what the other side said (what would help)`.
    pub(crate) fn reason(&self) -> String {
        self.reason_for(&self.text())
    }

    fn reason_for(&self, text: &str) -> String {
        let name = self.status.canonical_reason().unwrap_or_default();
        let mut reason = format!("{} {name}", self.status.as_u16());
        reason.truncate(reason.trim_end().len());
        // Many say no more than what the status is called.
        if !text.is_empty() && !text.eq_ignore_ascii_case(name) {
            reason.push_str(": ");
            reason.push_str(text);
        }
        if let Some(advice) = advice(text).or_else(|| advice_on_status(self.status)) {
            reason.push_str(" (");
            reason.push_str(advice);
            reason.push(')');
        }
        reason
    }

    fn text(&self) -> String {
        if self.status.is_redirection() {
            return self.redirect();
        }
        let content_type = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        printable(&words::said(content_type.unwrap_or_default(), self.body))
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
        judge_by(&RetryStatuses::default(), status, headers, body)
    }

    fn judge_by(
        retried: &RetryStatuses,
        status: u16,
        headers: &[(http::HeaderName, &'static str)],
        body: &[u8],
    ) -> ExportError {
        let headers: HeaderMap =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_static(value))).collect();
        let status = StatusCode::from_u16(status).unwrap();
        Answer { status, headers: &headers, body }.judge(TooLarge::Drop, retried, now())
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
    fn a_400_may_be_the_fault_of_a_few_points_unless_it_is_about_the_whole_request() {
        assert!(matches!(judge(400, &[], b"out of order sample"), ExportError::Bad { .. }));
        assert!(matches!(judge(400, &[], b""), ExportError::Bad { .. }));
        for body in ["unsupported compression: zstd", "unsupported content type: x", "no org id"] {
            assert!(matches!(judge(400, &[], body.as_bytes()), ExportError::Denied { .. }), "{body}");
        }
        for body in
            ["too big data size exceeding -opentelemetry.maxRequestSize", "http: request body too large"]
        {
            assert!(matches!(judge(400, &[], body.as_bytes()), ExportError::Drop { .. }), "{body}");
            let headers = HeaderMap::new();
            let answer = Answer { status: StatusCode::BAD_REQUEST, headers: &headers, body: body.as_bytes() };
            let split = answer.judge(TooLarge::Split, &RetryStatuses::default(), now());
            assert!(matches!(split, ExportError::Split { .. }), "{body}");
        }
        for status in [301, 307, 401, 403, 404, 405, 407, 415] {
            assert!(matches!(judge(status, &[], b""), ExportError::Denied { .. }), "{status}");
        }
        assert!(matches!(judge(422, &[], b""), ExportError::Drop { .. }));
    }

    #[test]
    fn more_statuses_are_retried_where_the_section_says_so_but_not_what_is_about_points() {
        let retried = RetryStatuses(vec![500, 503]);
        let judge = |status, body: &[u8]| judge_by(&retried, status, &[], body);
        assert!(matches!(judge(500, b"write to WAL: no space left"), ExportError::Retry { .. }));
        assert!(matches!(judge(429, b""), ExportError::Drop { .. }));
        let text = br#"invalid temporality and type combination for metric "a""#;
        assert!(matches!(judge(500, text), ExportError::Bad { .. }));
    }

    #[test]
    fn statuses_that_are_no_failures_are_refused() {
        let section = Section::from_yaml("exporters.x", "retry_statuses: [429, 200]").unwrap();
        let problems = RetryStatuses(vec![429, 200]).problems(&section);
        let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let expected =
            "exporters.x:1:23: exporters.x.retry_statuses[1]: expected a status from 400 to 599, got `200`";
        assert_eq!(shown, [expected]);
    }

    #[test]
    fn what_is_too_large_is_dropped_or_split_as_configured() {
        let answer = Answer { status: StatusCode::PAYLOAD_TOO_LARGE, headers: &HeaderMap::new(), body: b"" };
        let retried = RetryStatuses::default();
        assert!(matches!(answer.judge(TooLarge::Drop, &retried, now()), ExportError::Drop { .. }));
        assert!(matches!(answer.judge(TooLarge::Split, &retried, now()), ExportError::Split { .. }));
    }

    #[test]
    fn what_would_help_stands_behind_what_was_said() {
        let check = |status: u16, body: &str, expected: &str| {
            let reason = judge(status, &[], body.as_bytes()).to_string();
            assert!(reason.contains(body) && reason.contains(expected), "{reason}");
        };
        check(400, "invalid temporality and type combination", "`delta_to_cumulative`");
        check(400, "err-mimir-sample-out-of-order", "`out_of_order_time_window`");
        check(400, "unsupported compression: zstd", "set `compression: gzip`");
        check(401, "no org id", "X-Scope-OrgID");
        check(401, "authentication error", "`auth.authenticator`");
        check(404, "page not found", "`preset`");
        assert_eq!(judge(400, &[], b"odd").to_string(), "400 Bad Request: odd");
    }

    #[test]
    fn a_redirect_shows_the_host_alone() {
        let reason = judge(307, &[(LOCATION, "https://other.example.com/x?token=hunter2")], b"").to_string();
        assert_eq!(reason, "307 Temporary Redirect: redirects to `other.example.com`, which is not followed");
        assert!(judge(302, &[], b"").to_string().ends_with("redirects are not followed"));
    }

    #[test]
    fn what_was_said_may_stand_in_a_log() {
        let status = pipeline::otlp::Status::new(3, "bad sample");
        let protobuf = [(CONTENT_TYPE, "application/x-protobuf")];
        assert_eq!(judge(400, &protobuf, &status.encode()).to_string(), "400 Bad Request: bad sample");
        assert_eq!(judge(400, &[], b"\x1b[2Ja\xff").to_string(), "400 Bad Request: \\u{1b}[2Ja\u{fffd}");
    }

    #[test]
    fn what_a_status_is_called_is_said_once() {
        let answer = |body: &'static [u8]| {
            let headers = HeaderMap::new();
            Answer { status: StatusCode::METHOD_NOT_ALLOWED, headers: &headers, body }.reason()
        };
        let expected =
            "405 Method Not Allowed (see the path of `endpoint`, or name the backend with `preset`)";
        assert_eq!(answer(b"Method not allowed\n"), expected);
        assert_eq!(answer(b""), expected);
        assert!(answer(b"POST only").starts_with("405 Method Not Allowed: POST only ("));
    }
}
