//! The URL that metrics go to (OpenTelemetry specification, Endpoint URLs for OTLP/HTTP).

use http::Uri;

use crate::push::{CREDENTIALS_IN_URL, has_credentials};

/// What is wrong, and with which key.
type Wrong = (&'static str, String);

/// Where metrics are taken below a base URL.
const PATH: &str = "/v1/metrics";

/// A base URL that would do.
const EXAMPLE: &str = "http://collector:4318";

/// `metrics_endpoint` as it is given, or `v1/metrics` behind the base URL and exactly one slash.
pub(super) fn url(endpoint: &str, metrics_endpoint: &str) -> Result<Uri, Wrong> {
    if !metrics_endpoint.is_empty() {
        return parse("metrics_endpoint", metrics_endpoint, EXAMPLE);
    }
    if endpoint.is_empty() {
        let message =
            "is required: expected a URL such as `http://collector:4318`, or one in `metrics_endpoint`";
        return Err(("endpoint", message.to_owned()));
    }
    let base = parse("endpoint", endpoint, EXAMPLE)?;
    if base.query().is_some() || endpoint.contains('#') {
        let message = "expected a base URL without a query; a whole URL is given as `metrics_endpoint`";
        return Err(("endpoint", message.to_owned()));
    }
    let endpoint = endpoint.trim_end_matches('/');
    if base.path().trim_end_matches('/').ends_with(PATH) {
        let message =
            format!("`{PATH}` is put behind it: take it out, or give the whole URL as `metrics_endpoint`");
        return Err(("endpoint", message));
    }
    parse("endpoint", &format!("{endpoint}{PATH}"), EXAMPLE)
}

/// The URL for people: its query may be secret.
pub(crate) fn shown(url: &Uri) -> String {
    let scheme = url.scheme_str().unwrap_or_default();
    format!("{scheme}://{}{}", url.authority().map_or("", |authority| authority.as_str()), url.path())
}

/// A whole URL; `example` is what would do.
pub(crate) fn parse(key: &'static str, text: &str, example: &str) -> Result<Uri, Wrong> {
    if has_credentials(text) {
        return Err((key, CREDENTIALS_IN_URL.to_owned()));
    }
    let expected = || (key, format!("expected a URL such as `{example}`, got `{text}`"));
    let url: Uri = text.parse().map_err(|_| expected())?;
    let has_host = url.host().is_some_and(|host| !host.is_empty());
    match url.scheme_str() {
        Some("http" | "https") if has_host && url.port().is_none_or(|port| port.as_u16() > 0) => Ok(url),
        _ => Err(expected()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(endpoint: &str, metrics_endpoint: &str, expected: &str) {
        let shown = match url(endpoint, metrics_endpoint) {
            Ok(url) => url.to_string(),
            Err((key, message)) => format!("{key}: {message}"),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn a_base_gets_the_path_and_a_whole_url_stays() {
        check("http://collector:4318", "", "http://collector:4318/v1/metrics");
        check("http://collector:4318/", "", "http://collector:4318/v1/metrics");
        check("http://collector:4318/mycollector/", "", "http://collector:4318/mycollector/v1/metrics");
        check("https://a.example.com/otlp", "", "https://a.example.com/otlp/v1/metrics");
        check("http://a/xv1/metrics", "", "http://a/xv1/metrics/v1/metrics");
        check("https://a.example.com/otlp//", "", "https://a.example.com/otlp/v1/metrics");
        check("http://[::1]:4318", "", "http://[::1]:4318/v1/metrics");
        check("", "https://a.example.com/v1/mymetrics", "https://a.example.com/v1/mymetrics");
        check("", "https://a.example.com", "https://a.example.com/");
        check("http://b", "https://a.example.com/x/?y=z", "https://a.example.com/x/?y=z");
    }

    #[test]
    fn what_is_no_url_is_refused_with_what_would_do() {
        let expected = "expected a URL such as `http://collector:4318`";
        check("collector:4318", "", &format!("endpoint: {expected}, got `collector:4318`"));
        check("ftp://a", "", &format!("endpoint: {expected}, got `ftp://a`"));
        check("http://", "", &format!("endpoint: {expected}, got `http://`"));
        check("", "/v1/metrics", &format!("metrics_endpoint: {expected}, got `/v1/metrics`"));
        check("", "", &format!("endpoint: is required: {expected}, or one in `metrics_endpoint`"));
        check("https://user:hunter2@a", "", &format!("endpoint: {CREDENTIALS_IN_URL}"));
        let query = "expected a base URL without a query; a whole URL is given as `metrics_endpoint`";
        check("http://a/?b=c", "", &format!("endpoint: {query}"));
        let twice =
            "`/v1/metrics` is put behind it: take it out, or give the whole URL as `metrics_endpoint`";
        check("http://a/v1/metrics", "", &format!("endpoint: {twice}"));
        check("http://a/api/v1/otlp/v1/metrics/", "", &format!("endpoint: {twice}"));
    }

    #[test]
    fn a_shown_url_has_no_query() {
        assert_eq!(shown(&"https://a:1/b?token=hunter2".parse().unwrap()), "https://a:1/b");
    }
}
