//! Pushes metrics over OTLP/HTTP.
//!
//! ```yaml
//! exporters:
//!   otlp_http:
//!     endpoint: https://mimir.example.com/otlp
//! ```

mod config;
pub(crate) mod endpoint;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use ::config::{Problems, Section, Value};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderValue, Request, Response, Uri};
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::net::auth::{self, Authenticator};
use pipeline::net::body::{self, BodyError};
use pipeline::net::client::{ClientConfig, HttpClient, Protocol};
use pipeline::net::{Body, full};
use pipeline::otlp::PartialSuccess;
use pipeline::{Batch, Clock, delivery};

use tracing::warn;

use crate::otlp::Requests;
use crate::push::answer::Answer;
use crate::push::delta::Sieve;
use crate::push::preset::{Preset, Way};
use crate::push::{broken, printable};
use config::Config;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "otlp_http",
    aliases: &["otlphttp"],
    about: "Pushes metrics over OTLP/HTTP.",
    example: "endpoint: https://mimir.example.com/otlp\nheaders: {X-Scope-OrgID: tenant}\n",
    effective,
    build,
};

/// The text of an answer that is no success is waited for this long; its status says enough.
const EXPLANATION_WAIT: Duration = Duration::from_secs(1);

struct OtlpHttp {
    requests: Requests,
    url: Uri,
    headers: HeaderMap,
    level: i32,
    sieve: Sieve,
    authenticator: Option<Arc<Authenticator>>,
    client: OnceLock<HttpClient>,
    clock: Clock,
    config: Config,
}

fn effective(section: &Section) -> Result<Value, Problems> {
    let section = Preset::under(section, Way::OtlpHttp)?;
    let value = ::config::effective::<Config>(&section)?;
    let preset = section.read::<Config>()?.preset;
    Ok(Preset::complete(preset, value, Way::OtlpHttp))
}

fn build(section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let section = Preset::under(section, Way::OtlpHttp)?;
    section.build(|config| made(config, &section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let mut problems = config.tls.problems(section, "tls");
    problems.extend(config.sending_queue.problems(section));
    problems.extend(config.retry_on_failure.problems(section));
    if !config.proxy_url.is_empty() {
        let message = "proxies are not supported; remove it if the endpoint may be reached without one";
        problems.push(section.problem("proxy_url", message));
    }
    problems.extend(config.retry_statuses.problems(section));
    let url = endpoint::url(&config.base(), &config.metrics_endpoint);
    if let Ok(url) = &url
        && url.scheme_str() == Some("http")
        && config.tls.has_certificate()
    {
        let message = "a client certificate needs TLS, but the endpoint is plain `http`";
        problems.push(section.problem("tls.cert_file", message));
    }
    let url = url.map_err(|(key, message)| problems.push(section.problem(key, message)));
    let headers = config
        .headers
        .build(
            section,
            &["content-type", "content-encoding", "content-length", "transfer-encoding", "connection"],
        )
        .map_err(|found| problems.extend(found));
    let level = config
        .compression
        .level(config.compression_params, section)
        .map_err(|problem| problems.push(problem));
    let authenticator = auth::Config::find(config.auth.as_ref(), &context.net)
        .map_err(|message| problems.push(section.problem("auth.authenticator", message)));
    if let (Some(preset), Ok(headers)) = (config.preset, &headers)
        && let Some(message) =
            preset.unauthorized(config.auth.is_some() || headers.contains_key(AUTHORIZATION))
    {
        problems.push(section.problem("auth", message));
    }
    match (url, headers, level, authenticator) {
        (Ok(url), Ok(headers), Ok(level), Ok(authenticator)) if problems.is_empty() => {
            let delivery = Delivery::Queued(delivery::Config {
                sending_queue: config.sending_queue.clone(),
                retry_on_failure: config.retry_on_failure.clone(),
                timeout: config.timeout,
            });
            let requests = Requests::new(&context.id, config.max_request_size);
            let (client, clock) = (OnceLock::new(), context.clock.clone());
            let sieve = Sieve::new(config.delta, &context.id);
            let exporter =
                OtlpHttp { requests, url, headers, level, sieve, authenticator, client, clock, config };
            Ok(BuiltExporter { exporter: Arc::new(exporter), delivery })
        }
        _ => Err(Problems(problems)),
    }
}

impl OtlpHttp {
    async fn send(&self, batch: &Batch) -> Result<Receipt, ExportError> {
        let Some(client) = self.client.get() else {
            return Err(ExportError::Retry { after: None, reason: String::from("not started") });
        };
        let (batch, unsupported) = self.sieve.sift(batch);
        if batch.is_empty() {
            return Ok(Receipt { unsupported, ..Receipt::default() });
        }
        let message = self.requests.encode(&batch, self.config.encoding.encode())?;
        let message =
            self.config.compression.compress(message, self.level).await.map_err(|error| {
                ExportError::Drop { reason: format!("cannot compress the request: {error}") }
            })?;
        let response = client.send(self.request(message)?).await.map_err(|error| broken(&error))?;
        if response.status().is_success() {
            let partial_success = self.partial_success(response).await?;
            Ok(Receipt { unsupported, ..self.requests.receive(&batch, &partial_success) })
        } else {
            Err(self.failure(response).await)
        }
    }

    /// What is odd about the section, but may be meant.
    fn doubt(&self) -> Option<&'static str> {
        let has_authorization = self.authenticator.is_some() || self.headers.contains_key(AUTHORIZATION);
        self.config.preset?.doubt(self.headers.contains_key("x-scope-orgid"), has_authorization)
    }

    fn request(&self, message: Bytes) -> Result<Request<Body>, ExportError> {
        let mut request = Request::new(full(message));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.url.clone();
        let headers = request.headers_mut();
        headers.clone_from(&self.headers);
        headers.insert(CONTENT_TYPE, self.config.encoding.content_type());
        if let Some(name) = self.config.compression.name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        if let Some(authenticator) = &self.authenticator {
            authenticator.authorize(headers).map_err(|error| broken(&error))?;
        }
        Ok(request)
    }

    async fn partial_success(&self, response: Response<Body>) -> Result<PartialSuccess, ExportError> {
        let (head, body) = response.into_parts();
        let body = self.read(&head.headers, body).await.map_err(|error| match error {
            BodyError::Broken(reason) => {
                ExportError::Retry { after: None, reason: format!("answer broke off: {reason}") }
            }
            _ => ExportError::Drop { reason: format!("cannot read the answer: {error}") },
        })?;
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|text| text.to_ascii_lowercase().contains("json"));
        let partial_success =
            if is_json { PartialSuccess::decode_json(&body) } else { PartialSuccess::decode(&body) };
        // The status says that the points were taken; some backends answer in words of their own.
        Ok(partial_success.unwrap_or_else(|error| {
            tracing::debug!(exporter = self.requests.id, error = printable(&error.message), "answer ignored");
            PartialSuccess::default()
        }))
    }

    async fn failure(&self, response: Response<Body>) -> ExportError {
        let (head, body) = response.into_parts();
        let body = tokio::time::timeout(EXPLANATION_WAIT, self.read(&head.headers, body)).await;
        let body = body.ok().and_then(Result::ok).unwrap_or_default();
        let now = SystemTime::UNIX_EPOCH + Duration::from_nanos(self.clock.unix_nano());
        Answer { status: head.status, headers: &head.headers, body: &body }.judge(
            self.config.when_too_large,
            &self.config.retry_statuses,
            now,
        )
    }

    async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, BodyError> {
        let name = headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?"));
        let encoding = body::Encoding::parse(name)
            .ok_or_else(|| BodyError::Corrupt(format!("unknown encoding `{}`", printable(name))))?;
        let limit = usize::try_from(self.config.max_response_size.0).unwrap_or(usize::MAX);
        body::collect(body, encoding, limit).await
    }
}

impl Exporter for OtlpHttp {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async {
            if let Some(authenticator) = &self.authenticator {
                authenticator.ready_to_authorize()?;
            }
            if let Some(message) = self.doubt() {
                warn!(exporter = self.requests.id, "{message}");
            }
            let client = HttpClient::new(&ClientConfig {
                tls: self.config.tls.clone(),
                // HTTP/2 names the host in the URL, so only HTTP/1.1 can name another.
                protocol: if self.headers.contains_key(HOST) { Protocol::Http1 } else { Protocol::Auto },
                ..ClientConfig::default()
            })?;
            // Started once; a second client would only replace an equal one.
            let _ = self.client.set(client);
            Ok(vec![format!("OTLP/HTTP to {}", endpoint::shown(&self.url))])
        })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(self.send(batch))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
