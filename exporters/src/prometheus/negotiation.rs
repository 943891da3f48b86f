//! What a scraper takes: the format, the escaping and the compression of an answer.

use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING};
use pipeline::net::body::Encoding;

use super::escaping::Escaping;

/// Entries of a header that are looked at; the rest is passed over.
const ENTRIES_MAX: usize = 64;

/// The text formats we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// `text/plain; version=0.0.4`.
    Text,
    /// The same with a choice of escaping: `text/plain; version=1.0.0`.
    EscapedText,
    /// `application/openmetrics-text; version=0.0.1`.
    EarlyOpenMetrics,
    OpenMetrics,
}

/// What an answer looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) format: Format,
    pub(crate) escaping: Escaping,
    pub(crate) encoding: Encoding,
}

impl Format {
    pub(crate) fn is_open_metrics(self) -> bool {
        matches!(self, Self::OpenMetrics | Self::EarlyOpenMetrics)
    }
}

impl Answer {
    /// Chooses what the scraper likes best of what we have; text 0.0.4 where it names nothing we have.
    pub(crate) fn of(headers: &HeaderMap, is_open_metrics_enabled: bool) -> Self {
        let accept = entries(headers, ACCEPT);
        let best = choose(&accept, |entry| format(entry, is_open_metrics_enabled));
        let (format, escaping) = best.unwrap_or((Format::Text, Escaping::Underscores));
        let encoding = choose(&entries(headers, ACCEPT_ENCODING), |entry| match entry.name {
            "*" | "" => None,
            name => Encoding::parse(name),
        });
        Self { format, escaping, encoding: encoding.unwrap_or(Encoding::Identity) }
    }

    pub(crate) fn content_type(self) -> String {
        let (kind, has_escaping) = match self.format {
            Format::Text => ("text/plain; version=0.0.4", false),
            Format::EscapedText => ("text/plain; version=1.0.0", true),
            Format::EarlyOpenMetrics => ("application/openmetrics-text; version=0.0.1", false),
            Format::OpenMetrics => ("application/openmetrics-text; version=1.0.0", true),
        };
        let escaping =
            if has_escaping { format!("; escaping={}", self.escaping.name()) } else { String::new() };
        format!("{kind}; charset=utf-8{escaping}")
    }
}

/// An entry of a header that lists choices.
#[derive(Debug)]
struct Entry<'a> {
    name: &'a str,
    parameters: &'a str,
    quality: f32,
}

impl<'a> Entry<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (name, parameters) = text.split_once(';').unwrap_or((text, ""));
        let mut entry = Self { name: name.trim(), parameters, quality: 1.0 };
        if let Some(quality) = entry.parameter("q") {
            entry.quality = quality.parse().ok().filter(|quality| (0.0..=1.0).contains(quality))?;
        }
        Some(entry)
    }

    fn parameter(&self, name: &str) -> Option<&'a str> {
        self.parameters.split(';').find_map(|parameter| {
            let (key, value) = parameter.split_once('=')?;
            key.trim().eq_ignore_ascii_case(name).then(|| value.trim().trim_matches('"'))
        })
    }
}

fn entries(headers: &HeaderMap, name: http::HeaderName) -> Vec<Entry<'_>> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).take(ENTRIES_MAX).filter_map(Entry::parse).collect()
}

/// The known choice of the highest quality, of equals the first.
fn choose<T>(entries: &[Entry], known: impl Fn(&Entry) -> Option<T>) -> Option<T> {
    let mut best: Option<(f32, T)> = None;
    for entry in entries.iter().filter(|entry| entry.quality > 0.0) {
        if best.as_ref().is_none_or(|(quality, _)| entry.quality > *quality)
            && let Some(choice) = known(entry)
        {
            best = Some((entry.quality, choice));
        }
    }
    best.map(|(_, choice)| choice)
}

fn format(entry: &Entry, is_open_metrics_enabled: bool) -> Option<(Format, Escaping)> {
    let version = entry.parameter("version");
    let escaping = entry.parameter("escaping").and_then(Escaping::parse).unwrap_or(Escaping::Underscores);
    if entry.name.eq_ignore_ascii_case("application/openmetrics-text") && is_open_metrics_enabled {
        return match version {
            Some("1.0.0") => Some((Format::OpenMetrics, escaping)),
            None | Some("0.0.1") => Some((Format::EarlyOpenMetrics, Escaping::Underscores)),
            Some(_) => None,
        };
    }
    let is_text =
        ["text/plain", "text/*", "*/*"].into_iter().any(|name| entry.name.eq_ignore_ascii_case(name));
    match version {
        None | Some("0.0.4") if is_text => Some((Format::Text, Escaping::Underscores)),
        Some("1.0.0") if is_text => Some((Format::EscapedText, escaping)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROMETHEUS_2: &str = "application/openmetrics-text;version=1.0.0,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_2_NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited,application/openmetrics-text;version=1.0.0;q=0.8,\
        application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    const PROMETHEUS_3: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
        text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
    const PROMETHEUS_3_NATIVE: &str = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;\
        encoding=delimited;escaping=allow-utf-8;q=0.6,\
        application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
        application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,\
        text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
    const VMAGENT: &str = "text/plain;version=0.0.4;q=1,*/*;q=0.1";
    const BROWSER: &str =
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

    const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
    const OPEN_METRICS: &str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=underscores";
    const OPEN_METRICS_UTF8: &str =
        "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping=allow-utf-8";

    fn answer(name: http::HeaderName, value: &str) -> Answer {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().unwrap());
        Answer::of(&headers, true)
    }

    #[track_caller]
    fn check(accept: &str, expected: &str) {
        assert_eq!(answer(ACCEPT, accept).content_type(), expected);
    }

    #[track_caller]
    fn check_encoding(accept_encoding: &str, expected: Encoding) {
        assert_eq!(answer(ACCEPT_ENCODING, accept_encoding).encoding, expected, "{accept_encoding}");
    }

    #[test]
    fn every_scraper_gets_the_best_it_asks_for() {
        check(PROMETHEUS_2, OPEN_METRICS);
        // There is no protobuf here, so the next best.
        check(PROMETHEUS_2_NATIVE, OPEN_METRICS);
        check(PROMETHEUS_3, OPEN_METRICS_UTF8);
        check(PROMETHEUS_3_NATIVE, OPEN_METRICS_UTF8);
        check(VMAGENT, TEXT);
        check(BROWSER, TEXT);
        check("*/*", TEXT);
        check("application/json", TEXT);
        check("", TEXT);
        assert_eq!(Answer::of(&HeaderMap::new(), true).content_type(), TEXT);
    }

    #[test]
    fn qualities_versions_and_case_are_heeded() {
        check("text/plain;q=0.5, Application/OpenMetrics-Text ; Version=1.0.0 ; Q=0.6", OPEN_METRICS);
        check("text/plain;q=0.6,application/openmetrics-text;version=1.0.0;q=0.6", TEXT);
        check("application/openmetrics-text;version=1.0.0;q=0,text/plain;q=0.1", TEXT);
        check("application/openmetrics-text;version=1.0.0;q=x,text/plain;q=0.1", TEXT);
        check("application/openmetrics-text", "application/openmetrics-text; version=0.0.1; charset=utf-8");
        check("application/openmetrics-text;version=2.0.0,text/plain;q=0.1", TEXT);
        check(
            "text/plain;version=1.0.0;escaping=dots",
            "text/plain; version=1.0.0; charset=utf-8; escaping=dots",
        );
        check("application/openmetrics-text;version=1.0.0;escaping=nonsense", OPEN_METRICS);
        let headers = HeaderMap::from_iter([(ACCEPT, PROMETHEUS_2.parse().unwrap())]);
        assert_eq!(Answer::of(&headers, false).content_type(), TEXT);
    }

    #[test]
    fn a_header_of_thousands_of_entries_is_read_to_a_limit() {
        let many = "a/b,".repeat(10_000) + PROMETHEUS_2;
        check(&many, TEXT);
    }

    #[test]
    fn compression_is_chosen_by_quality() {
        check_encoding("gzip", Encoding::Gzip);
        check_encoding("gzip, deflate, br", Encoding::Gzip);
        check_encoding("identity", Encoding::Identity);
        check_encoding("gzip;q=0", Encoding::Identity);
        check_encoding("gzip;q=0.5, zstd", Encoding::Zstd);
        check_encoding("*", Encoding::Identity);
        check_encoding("", Encoding::Identity);
    }
}
