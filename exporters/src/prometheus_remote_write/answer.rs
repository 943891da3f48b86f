//! What an answer means for the request it is to.

use std::time::SystemTime;

use http::HeaderMap;
use pipeline::component::ExportError;

use super::{Counts, Format};
use crate::push::TooLarge;
use crate::push::answer::{Answer, RetryStatuses};

/// What an answer says was taken, in headers that only receivers of 2.0 send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Written {
    samples: Option<u64>,
    histograms: Option<u64>,
    exemplars: Option<u64>,
}

/// What becomes of the points.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Taken,
    /// So many samples and histograms were refused, and the rest was taken.
    PartlyTaken {
        refused: u64,
        reason: String,
    },
    /// The other side does not know this format.
    UnknownFormat {
        reason: String,
    },
    Failed(ExportError),
}

impl Written {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let number = |what: &str| {
            let value = headers.get(format!("x-prometheus-remote-write-{what}-written"))?;
            value.to_str().ok()?.trim().parse().ok()
        };
        Self { samples: number("samples"), histograms: number("histograms"), exemplars: number("exemplars") }
    }

    fn is_there(self) -> bool {
        self != Self::default()
    }

    /// How much of what was sent a success leaves out; what it says nothing of is written.
    fn missing(self, sent: Counts) -> u64 {
        let missing = |sent: u64, written: Option<u64>| sent.saturating_sub(written.unwrap_or(sent));
        missing(sent.samples, self.samples) + missing(sent.histograms, self.histograms)
    }

    /// How much of what was sent was not taken.
    fn refused(self, sent: Counts) -> u64 {
        let missing = |sent: u64, written: Option<u64>| sent.saturating_sub(written.unwrap_or(0));
        missing(sent.samples, self.samples) + missing(sent.histograms, self.histograms)
    }
}

/// What is known beforehand about the other side, and wanted of it.
#[derive(Debug)]
pub(super) struct Terms {
    pub(super) too_large: TooLarge,
    pub(super) retried: RetryStatuses,
    /// With a 400 because of some points it has stored the others.
    pub(super) stores_the_rest: bool,
}

/// Judges an answer to a request in this format (Remote Write 1.0 and 2.0, retries and partial writes).
pub(super) fn judge(
    answer: &Answer<'_>,
    (format, sent): (Format, Counts),
    terms: &Terms,
    now: SystemTime,
) -> Verdict {
    let written = Written::read(answer.headers);
    let status = answer.status.as_u16();
    match (format, status) {
        // A receiver of 1.0 finds nothing it knows in such a message, and is content.
        (Format::V2, 200..=299) if !written.is_there() => {
            let reason = format!("{status}, but without saying what was written, as receivers of 1.0 answer");
            Verdict::UnknownFormat { reason }
        }
        (Format::V2, 200..=299) => match written.missing(sent) {
            0 => Verdict::Taken,
            refused => {
                let reason = format!("{status}, but not all of the request was written");
                Verdict::PartlyTaken { refused, reason }
            }
        },
        (Format::V1, 200..=299) => Verdict::Taken,
        (Format::V2, 415) => Verdict::UnknownFormat { reason: answer.reason() },
        (Format::V2, 400) if written.is_there() => {
            Verdict::PartlyTaken { refused: written.refused(sent), reason: answer.reason() }
        }
        _ => match answer.refused_of_some().filter(|_| terms.stores_the_rest) {
            Some(refused) => Verdict::PartlyTaken { refused, reason: answer.reason() },
            None => Verdict::Failed(answer.judge(terms.too_large, &terms.retried, now)),
        },
    }
}

/// Judges an answer to any request, as any exporter does: no more is refused than was sent, where that is told by number.
#[cfg(any(test, fuzzing))]
pub(crate) fn fuzz_verdicts(answer: &Answer<'_>, check: impl Fn(&ExportError)) {
    use crate::push::fuzz::check_reason;

    let sent = Counts { samples: 5, histograms: 2, exemplars: 1 };
    for (format, stores_the_rest) in
        [(Format::V1, false), (Format::V1, true), (Format::V2, false), (Format::V2, true)]
    {
        let retried = RetryStatuses::of_remote_write();
        let terms = Terms { too_large: TooLarge::Split, retried, stores_the_rest };
        match judge(answer, (format, sent), &terms, SystemTime::UNIX_EPOCH) {
            Verdict::Taken => assert!(answer.status.is_success()),
            Verdict::PartlyTaken { refused, reason } => {
                let is_told = format == Format::V2 && Written::read(answer.headers).is_there();
                assert!(refused <= sent.samples + sent.histograms || !is_told);
                check_reason(&reason);
            }
            Verdict::UnknownFormat { reason } => {
                assert_eq!(format, Format::V2);
                check_reason(&reason);
            }
            Verdict::Failed(error) => check(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderName, HeaderValue, StatusCode};

    use super::*;

    const SENT: Counts = Counts { samples: 5, histograms: 2, exemplars: 1 };

    fn terms() -> Terms {
        let retried = RetryStatuses::of_remote_write();
        Terms { too_large: TooLarge::Drop, retried, stores_the_rest: false }
    }

    fn verdict(format: Format, status: u16, headers: &[(&'static str, &'static str)]) -> String {
        let headers: HeaderMap = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect();
        let answer =
            Answer { status: StatusCode::from_u16(status).unwrap(), headers: &headers, body: b"text" };
        match judge(&answer, (format, SENT), &terms(), SystemTime::UNIX_EPOCH) {
            Verdict::Taken => String::from("taken"),
            Verdict::PartlyTaken { refused, .. } => format!("{refused} refused"),
            Verdict::UnknownFormat { .. } => String::from("unknown format"),
            Verdict::Failed(ExportError::Retry { after, .. }) => format!("retry {after:?}"),
            Verdict::Failed(ExportError::Bad { .. }) => String::from("bad"),
            Verdict::Failed(ExportError::Drop { reason }) => format!("drop {reason}"),
            Verdict::Failed(ExportError::Split { .. }) => String::from("split"),
            Verdict::Failed(ExportError::Denied { .. }) => String::from("denied"),
        }
    }

    const SAMPLES: &str = "x-prometheus-remote-write-samples-written";
    const HISTOGRAMS: &str = "x-prometheus-remote-write-histograms-written";
    const EXEMPLARS: &str = "x-prometheus-remote-write-exemplars-written";

    #[test]
    fn every_status_of_1_0_has_its_meaning() {
        let check = |status, expected: &str| {
            let verdict = verdict(Format::V1, status, &[]);
            // Advice may stand behind what was said.
            assert!(verdict == expected || verdict.starts_with(&format!("{expected} (")), "{verdict}");
        };
        for status in [200, 202, 204, 299] {
            check(status, "taken");
        }
        for status in [500, 501, 502, 503, 504, 507, 529, 599, 429] {
            check(status, "retry None");
        }
        check(400, "bad");
        check(401, "denied");
        check(403, "denied");
        check(404, "denied");
        check(408, "drop 408 Request Timeout: text");
        check(413, "drop 413 Payload Too Large: text");
        check(415, "denied");
        check(422, "drop 422 Unprocessable Entity: text");
        check(301, "denied");
        check(307, "denied");
    }

    #[test]
    fn headers_of_2_0_say_nothing_about_1_0() {
        assert_eq!(verdict(Format::V1, 400, &[(SAMPLES, "3")]), "bad");
        assert_eq!(verdict(Format::V1, 200, &[(SAMPLES, "3")]), "taken");
    }

    #[test]
    fn every_status_of_2_0_has_its_meaning() {
        let check = |status, headers: &[(&'static str, &'static str)], expected: &str| {
            assert_eq!(verdict(Format::V2, status, headers), expected, "{status} {headers:?}");
        };
        check(204, &[], "unknown format");
        check(200, &[("x-other", "1")], "unknown format");
        check(415, &[], "unknown format");
        check(204, &[(SAMPLES, "5"), (HISTOGRAMS, "2"), (EXEMPLARS, "1")], "taken");
        check(204, &[(EXEMPLARS, "0")], "taken");
        check(204, &[(SAMPLES, "5")], "taken");
        check(204, &[(SAMPLES, "3"), (HISTOGRAMS, "1"), (EXEMPLARS, "0")], "3 refused");
        check(200, &[(SAMPLES, "0"), (HISTOGRAMS, "0")], "7 refused");
        check(400, &[], "bad");
        check(400, &[(SAMPLES, "3"), (HISTOGRAMS, "2"), (EXEMPLARS, "0")], "2 refused");
        check(400, &[(SAMPLES, "5")], "2 refused");
        check(400, &[(SAMPLES, "0"), (HISTOGRAMS, "0")], "7 refused");
        check(400, &[(SAMPLES, "9"), (HISTOGRAMS, "9")], "0 refused");
        check(500, &[(SAMPLES, "3")], "retry None");
        check(429, &[], "retry None");
    }

    #[test]
    fn a_time_to_come_back_is_kept() {
        let second = Duration::from_secs(7);
        for status in [429, 500, 503] {
            assert_eq!(
                verdict(Format::V1, status, &[("retry-after", "7")]),
                format!("retry {:?}", Some(second))
            );
        }
    }

    #[test]
    fn what_is_too_large_is_split_where_that_is_wanted() {
        let headers = HeaderMap::new();
        let answer = Answer { status: StatusCode::PAYLOAD_TOO_LARGE, headers: &headers, body: b"" };
        let terms = Terms { too_large: TooLarge::Split, ..terms() };
        let verdict = judge(&answer, (Format::V1, SENT), &terms, SystemTime::UNIX_EPOCH);
        assert!(matches!(verdict, Verdict::Failed(ExportError::Split { .. })));
        let body = b"too big data size exceeding -maxInsertRequestSize";
        let answer = Answer { status: StatusCode::BAD_REQUEST, headers: &headers, body };
        let verdict = judge(&answer, (Format::V1, SENT), &terms, SystemTime::UNIX_EPOCH);
        assert!(matches!(verdict, Verdict::Failed(ExportError::Split { .. })));
    }

    #[test]
    fn who_stores_the_rest_is_not_asked_again_because_of_some_points() {
        let headers = HeaderMap::new();
        let judged = |stores_the_rest, body: &[u8]| {
            let answer = Answer { status: StatusCode::BAD_REQUEST, headers: &headers, body };
            let terms = Terms { stores_the_rest, ..terms() };
            judge(&answer, (Format::V1, SENT), &terms, SystemTime::UNIX_EPOCH)
        };
        let late = b"the sample has been rejected (err-mimir-sample-out-of-order)";
        assert!(matches!(judged(true, late), Verdict::PartlyTaken { refused: 1, .. }));
        assert!(matches!(judged(true, b"2 samples are too old"), Verdict::PartlyTaken { refused: 2, .. }));
        let limit = b"per-user series limit of 150000 exceeded (err-mimir-max-series-per-user)";
        assert!(matches!(judged(true, limit), Verdict::PartlyTaken { refused: 1, .. }));
        assert!(matches!(judged(false, limit), Verdict::Failed(ExportError::Bad { .. })));
        assert!(matches!(judged(true, b"invalid label"), Verdict::Failed(ExportError::Bad { .. })));
        assert!(matches!(judged(false, late), Verdict::Failed(ExportError::Bad { .. })));
    }
}
