//! Asks a target for its exposition.

#[cfg(test)]
mod tests;

use std::fmt;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName, USER_AGENT};
use ::http::{HeaderMap, HeaderValue, StatusCode};
use bytes::Bytes;
use pipeline::errors::chain;
use pipeline::net::auth::Authenticator;
use pipeline::net::body::{self, BodyError, Encoding};
use pipeline::net::client::{HttpClient, PRODUCT, is_unreachable};

use super::config::{Global, HttpConfig, Protocol, ScrapeConfig};
use super::target::Target;
use super::text::{Format, Reason};

/// How the targets of a job are asked.
#[derive(Debug, Clone)]
pub(crate) struct Fetcher {
    client: HttpClient,
    headers: HeaderMap,
    secrets: HeaderMap,
    authenticator: Option<Arc<Authenticator>>,
    follow_redirects: bool,
    body_size_limit: usize,
    fallback: Option<Format>,
}

/// Why there is no exposition.
#[derive(Debug)]
pub(crate) enum FetchError {
    /// No connection.
    Unreachable(String),
    /// No answer, or none that could be read to its end.
    Request(String),
    Status(StatusCode),
    ContentType(String),
    ContentEncoding(String),
    Body(BodyError),
    Timeout(Duration),
}

const TIMEOUT: &str = "x-prometheus-scrape-timeout-seconds";

impl Fetcher {
    pub(crate) fn new(client: HttpClient, http: &HttpConfig, job: &ScrapeConfig, global: &Global) -> Self {
        let protocols = job.scrape_protocols.as_ref().unwrap_or(&global.scrape_protocols);
        let mut headers = HeaderMap::new();
        let encoding = if job.enable_compression { "gzip" } else { "identity" };
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(encoding));
        headers.insert(USER_AGENT, HeaderValue::from_static(PRODUCT));
        if let Ok(accept) = HeaderValue::try_from(accept(protocols)) {
            headers.insert(ACCEPT, accept);
        }
        let fallback = job.fallback_scrape_protocol.map(|protocol| match protocol {
            Protocol::OpenMetricsText001 | Protocol::OpenMetricsText100 => Format::OpenMetrics,
            _ => Format::Text,
        });
        Self {
            client,
            headers,
            secrets: http.headers.clone(),
            authenticator: http.authenticator.clone(),
            follow_redirects: job.follow_redirects,
            body_size_limit: job.body_size_limit(global).0 as usize,
            fallback,
        }
    }

    /// Asks once; the timeout is over everything, from connecting to the last byte of the body.
    pub(crate) async fn fetch(&self, target: &Target) -> Result<(Bytes, Format), FetchError> {
        let answer = tokio::time::timeout(target.timeout, self.ask(target)).await;
        answer.unwrap_or(Err(FetchError::Timeout(target.timeout)))
    }

    async fn ask(&self, target: &Target) -> Result<(Bytes, Format), FetchError> {
        let request = |error: pipeline::component::BoxError| FetchError::Request(chain(&*error));
        let mut headers = self.headers.clone();
        let seconds = target.timeout.as_secs_f64().to_string();
        headers.insert(TIMEOUT, HeaderValue::try_from(seconds).map_err(|error| request(error.into()))?);
        let mut secrets = self.secrets.clone();
        if let Some(authenticator) = &self.authenticator {
            authenticator.authorize(&mut secrets).map_err(request)?;
        }
        let answer = self.client.get(target.url.clone(), headers, secrets, self.follow_redirects).await;
        let (response, _) = answer.map_err(|error| {
            if is_unreachable(&*error) { FetchError::Unreachable(chain(&*error)) } else { request(error) }
        })?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        let (head, body) = response.into_parts();
        let encoding = text_of(&head.headers, &CONTENT_ENCODING);
        let encoding = Encoding::parse(&encoding)
            .ok_or_else(|| FetchError::ContentEncoding(Reason::excerpt(&encoding)))?;
        let content_type = text_of(&head.headers, &CONTENT_TYPE);
        let format = format_of(&content_type)
            .or(self.fallback)
            .ok_or_else(|| FetchError::ContentType(Reason::excerpt(&content_type)))?;
        let body = body::collect(body, encoding, self.body_size_limit).await;
        Ok((body.map_err(FetchError::Body)?, format))
    }
}

fn text_of(headers: &HeaderMap, name: &HeaderName) -> String {
    let value = headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
    String::from_utf8_lossy(value).into_owned()
}

/// The format a content type names; `None` where it names none of an exposition.
pub(crate) fn format_of(content_type: &str) -> Option<Format> {
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if media_type.eq_ignore_ascii_case("application/openmetrics-text") {
        return Some(Format::OpenMetrics);
    }
    media_type.eq_ignore_ascii_case("text/plain").then_some(Format::Text)
}

/// The header that asks for these formats, the first most.
fn accept(protocols: &[Protocol]) -> String {
    let mut header = String::new();
    // As Prometheus counts: one more than there are names, less one a name.
    let mut weight = 6;
    for protocol in protocols {
        let media_type = match protocol {
            Protocol::OpenMetricsText100 => "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8",
            Protocol::OpenMetricsText001 => "application/openmetrics-text;version=0.0.1",
            Protocol::PrometheusText100 => "text/plain;version=1.0.0;escaping=allow-utf-8",
            Protocol::PrometheusText004 => "text/plain;version=0.0.4",
            Protocol::PrometheusProto => continue,
        };
        let _ = write!(header, "{media_type};q=0.{weight},");
        weight -= 1;
    }
    let _ = write!(header, "*/*;q=0.{weight}");
    header
}

impl FetchError {
    pub(crate) fn is_too_large(&self) -> bool {
        matches!(self, Self::Body(BodyError::TooLarge { .. }))
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(reason) | Self::Request(reason) => f.write_str(reason),
            Self::Status(status) => write!(f, "the answer is {status}, not 200"),
            Self::ContentType(text) if text.is_empty() => f.write_str(
                "the answer has no content type; set `fallback_scrape_protocol` to say how to read it",
            ),
            Self::ContentType(text) => write!(
                f,
                "the content type `{text}` is no exposition's; set `fallback_scrape_protocol` to say how to read it"
            ),
            Self::ContentEncoding(text) => {
                write!(f, "the content encoding `{text}` is not known; `gzip` was asked for")
            }
            Self::Body(error @ BodyError::TooLarge { .. }) => write!(f, "{error}; raise `body_size_limit`"),
            Self::Body(error) => error.fmt(f),
            Self::Timeout(timeout) => {
                write!(f, "no complete answer within `{}`", config::Duration(*timeout))
            }
        }
    }
}
