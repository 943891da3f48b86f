//! What a person can do about what a backend says; its own words seldom tell.

use http::StatusCode;

/// Texts of backends, in lower case, and what would help.
const ADVICE: &[(&[&str], &str)] = &[
    (
        &["temporality"],
        "it takes no delta temporality: put the `delta_to_cumulative` processor before this exporter",
    ),
    (
        &["out of order", "out-of-order", "too old", "too-old", "out of bounds"],
        "it has later points of these series: let it take old ones (`out_of_order_time_window`), and let each \
         sender have a `service.instance.id` of its own",
    ),
    (
        &["duplicate sample", "duplicate-timestamp"],
        "two senders push the same series: give each a `service.instance.id` of its own",
    ),
    (&["receiver needs to be enabled"], "start it with that flag"),
    (
        &["unsupported path requested"],
        "it takes nothing there: see the path of `endpoint`; before 1.92 it has no OTLP, but takes `prometheus_remote_write`",
    ),
    (&["no org id"], "it wants to know the tenant: add `headers: {X-Scope-OrgID: ...}`"),
    (
        &["max-series-per-user", "max-series-per-metric"],
        "its limit on series is reached: raise it or send fewer",
    ),
    (&["label-name", "label-value", "label names per series"], "its limits on labels are passed"),
    (&["unsupported compression", "unsupported content-encoding"], "set `compression: gzip`"),
    (
        &["invalidcontenttype"],
        "it speaks no TLS at this port: write `http://` in `endpoint`, or for gRPC set `tls.insecure: true`",
    ),
    (
        &["unsupported content type", "unsupported content-type", "json encoding isn't supported"],
        "set `encoding: proto`",
    ),
];

/// What would help against what was said, where that is known.
pub(crate) fn advice(text: &str) -> Option<&'static str> {
    let text = text.to_lowercase();
    let known = ADVICE.iter().find(|(words, _)| words.iter().any(|word| text.contains(word)));
    known.map(|(_, advice)| *advice)
}

/// How it shows that a port does not speak gRPC, in lower case.
const NO_GRPC: &[&str] = &["frame with invalid size", "broken pipe", "grpc-status header missing"];

/// What would help against what is said of a call over gRPC, where that is known.
pub(crate) fn advice_on_grpc(text: &str) -> Option<&'static str> {
    let is_other = NO_GRPC.iter().any(|words| text.to_lowercase().contains(words));
    advice(text).or(is_other.then_some(
        "does this port speak gRPC? OTLP over HTTP has one of its own, mostly 4318, and the exporter `otlp_http`",
    ))
}

/// What would help against a status, whatever was said.
pub(crate) fn advice_on_status(status: StatusCode) -> Option<&'static str> {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Some("see `auth.authenticator`: the credentials are missing, wrong, or may not write metrics")
        }
        StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => {
            Some("see the path of `endpoint`, or name the backend with `preset`")
        }
        _ => None,
    }
}

/// What Prometheus says about points with a status that would be tried again, in lower case.
const ABOUT_POINTS: &[&str] = &[
    "temporality",
    "out of order",
    "out of bounds",
    "too old",
    "duplicate sample",
    "invalid label",
    "invalid metric",
    "normalization for",
    "cannot convert",
    "unsupported metric",
    "unsupported exemplar",
];

/// Whether a text is about what points are, whatever status it comes with: sent again, they would be the same.
pub(crate) fn is_about_points(text: &str) -> bool {
    let text = text.to_lowercase();
    ABOUT_POINTS.iter().any(|words| text.contains(words))
}

/// How backends speak of points that come too late for their series, in lower case.
const ABOUT_ORDER: &[&str] = &[
    "out of order",
    "out-of-order",
    "out of bounds",
    "too old",
    "too-old",
    "too far behind",
    "duplicate sample",
    "duplicate-timestamp",
];

/// Whether a text is about points that come too late, or twice.
pub(crate) fn is_about_order(text: &str) -> bool {
    let text = text.to_lowercase();
    ABOUT_ORDER.iter().any(|words| text.contains(words))
}

/// What Mimir's errors are called by, and what it says of a request of which nothing was stored.
const MIMIR: &str = "err-mimir-";
const MIMIR_OF_ALL: &[&str] = &["err-mimir-tenant-too-many-ha-clusters"];

/// Whether a text is about points that Mimir refused, while it stored the others of the request.
///
/// Its distributor passes on what is valid, and its ingesters keep what they can, whatever is wrong with the rest.
pub(crate) fn is_about_some(text: &str) -> bool {
    let text = text.to_lowercase();
    is_about_order(&text) || text.contains(MIMIR) && !MIMIR_OF_ALL.iter().any(|words| text.contains(words))
}

/// How many points a text says were refused (`3 samples ...`, `3 out of order`); at least one.
pub(crate) fn refused(text: &str) -> u64 {
    let words: Vec<&str> = text.split_whitespace().collect();
    let told = words.windows(2).find_map(|pair| {
        let is_counted = ["sample", "data", "point", "out", "duplicate", "too"]
            .iter()
            .any(|word| pair[1].starts_with(word));
        pair[0].parse().ok().filter(|_| is_counted)
    });
    told.unwrap_or(1).max(1)
}

/// Whether a text says that the request is too large, as VictoriaMetrics and the OpenTelemetry Collector do with a 400.
pub(crate) fn is_about_size(text: &str) -> bool {
    let text = text.to_lowercase();
    ["too big data size", "request body too large"].iter().any(|words| text.contains(words))
}

/// Whether a text is about the form of the request: no part of it would be taken.
pub(crate) fn is_about_form(text: &str) -> bool {
    let text = text.to_lowercase();
    ["unsupported co", "unsupported path", "encoding isn't supported", "no org id"]
        .iter()
        .any(|words| text.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_help_is_told_by_the_words_of_backends() {
        for (text, expected) in [
            (
                "otlp write receiver needs to be enabled with --web.enable-otlp-receiver",
                "start it with that flag",
            ),
            ("unsupported path requested: \"/opentelemetry/v1/metrics\"", "`prometheus_remote_write`"),
            ("no org id", "add `headers: {X-Scope-OrgID: ...}`"),
            ("err-mimir-sample-timestamp-too-old", "`out_of_order_time_window`"),
            (
                "TLS handshake failed: received corrupt message of type InvalidContentType",
                "`tls.insecure: true`",
            ),
        ] {
            assert!(advice(text).is_some_and(|advice| advice.contains(expected)), "{text}");
        }
        assert_eq!(advice("not found"), None);
    }

    #[test]
    fn a_port_that_does_not_speak_grpc_is_told_by_what_comes_of_it() {
        for text in [
            "no response from `a:1`: http2 error: connection error detected: frame with invalid size",
            "no response from `a:1`: broken pipe",
            "grpc-status header missing, mapped from HTTP status code 404",
        ] {
            assert!(advice_on_grpc(text).is_some_and(|advice| advice.contains("4318")), "{text}");
            assert_eq!(advice(text), None, "{text}");
        }
        assert!(advice_on_grpc("InvalidContentType").is_some_and(|advice| advice.contains("TLS")));
        assert_eq!(advice_on_grpc("the queue is full"), None);
    }

    #[test]
    fn a_path_that_takes_nothing_is_no_matter_of_points() {
        assert!(is_about_form("unsupported path requested: \"/opentelemetry/v1/metrics\""));
        assert!(!is_about_form("out of order sample"));
    }

    #[test]
    fn what_was_refused_is_counted_where_the_text_tells_and_is_one_at_least() {
        for (text, expected) in [
            (
                "err-mimir-sample-out-of-order: the affected sample has timestamp 1700000000 and is from series a",
                1,
            ),
            ("3 samples are out of order", 3),
            ("dropped 12 out of order samples", 12),
            ("0 samples too old", 1),
            ("", 1),
        ] {
            assert_eq!(refused(text), expected, "{text}");
        }
    }

    #[test]
    fn what_comes_too_late_is_known_by_the_words_of_backends() {
        for text in [
            "the sample has been rejected (err-mimir-sample-out-of-order)",
            "err-mimir-sample-timestamp-too-old",
            "err-mimir-sample-duplicate-timestamp",
            "Out of order sample from remote write",
            "duplicate sample for timestamp",
            "too old sample",
            "out of bounds",
            "entry too far behind",
        ] {
            assert!(is_about_order(text) && is_about_some(text), "{text}");
        }
        assert!(!is_about_order("err-mimir-label-invalid"));
    }

    #[test]
    fn what_mimir_refuses_of_a_request_is_known_by_its_names() {
        for text in [
            "per-user series limit of 150000 exceeded (err-mimir-max-series-per-user)",
            "received a series whose label value length exceeds the limit (err-mimir-label-value-too-long)",
            "received a sample whose timestamp is too far in the future (err-mimir-too-far-in-future)",
        ] {
            assert!(is_about_some(text), "{text}");
            assert_eq!(refused(text), 1, "{text}");
        }
        for text in ["too many HA clusters (err-mimir-tenant-too-many-ha-clusters)", "no org id", ""] {
            assert!(!is_about_some(text), "{text}");
        }
    }
}
