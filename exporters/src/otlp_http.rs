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

use ::config::{Problems, Section, Value};
use futures_util::future::BoxFuture;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response};
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::net::Body;
use pipeline::net::auth;
use pipeline::net::client;
use pipeline::otlp::PartialSuccess;
use pipeline::{Batch, delivery};

use tracing::warn;

use crate::otlp::Requests;
use crate::push::answer::Answer;
use crate::push::delta::Sieve;
use crate::push::post::Post;
use crate::push::preset::{Preset, Way};
use crate::push::printable;
use config::Config;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "otlp_http",
    aliases: &["otlphttp"],
    ignored: &[("", &["traces_endpoint", "logs_endpoint", "profiles_endpoint"]), ("", client::IGNORED)],
    about: "Pushes metrics over OTLP/HTTP.",
    example: "endpoint: https://mimir.example.com/otlp\nheaders: {X-Scope-OrgID: tenant}\n",
    effective,
    build,
};

struct OtlpHttp {
    requests: Requests,
    post: Post,
    level: i32,
    sieve: Sieve,
    config: Config,
}

fn effective(section: &Section) -> Result<Value, Problems> {
    let section = Preset::under(section, Way::OtlpHttp)?;
    let value = delivery::complete(::config::effective::<Config>(&section)?);
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
            let post = Post {
                url,
                headers,
                tls: config.tls.clone(),
                authenticator,
                response_size_max: config.max_response_size,
                clock: context.clock.clone(),
                client: OnceLock::new(),
            };
            let sieve = Sieve::new(config.delta, &context.id);
            let exporter = OtlpHttp { requests, post, level, sieve, config };
            Ok(BuiltExporter { exporter: Arc::new(exporter), delivery })
        }
        _ => Err(Problems(problems)),
    }
}

impl OtlpHttp {
    async fn send(&self, batch: &Batch) -> Result<Receipt, ExportError> {
        let (batch, unsupported) = self.sieve.sift(batch);
        if batch.is_empty() {
            return Ok(Receipt { unsupported, ..Receipt::default() });
        }
        let message = self.requests.encode(&batch, self.config.encoding.encode())?;
        let message =
            self.config.compression.compress(message, self.level).await.map_err(|error| {
                ExportError::Drop { reason: format!("cannot compress the request: {error}") }
            })?;
        let response = self.post.send(message, self.request_headers()).await?;
        if response.status().is_success() {
            let partial_success = self.partial_success(response).await;
            Ok(Receipt { unsupported, ..self.requests.receive(&batch, &partial_success) })
        } else {
            let receipt = self.failure(&batch, response).await?;
            Ok(Receipt { unsupported, ..receipt })
        }
    }

    /// What is odd about the section, but may be meant.
    fn doubt(&self) -> Option<&'static str> {
        let Post { headers, authenticator, .. } = &self.post;
        let has_authorization = authenticator.is_some() || headers.contains_key(AUTHORIZATION);
        self.config.preset?.doubt(headers.contains_key("x-scope-orgid"), has_authorization)
    }

    fn request_headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([(CONTENT_TYPE, self.config.encoding.content_type())]);
        if let Some(name) = self.config.compression.name() {
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static(name));
        }
        headers
    }

    /// What a success says besides. The status says that the points were taken, so whatever cannot be read of the rest, they
    /// are not sent again; some backends answer in words of their own.
    async fn partial_success(&self, response: Response<Body>) -> PartialSuccess {
        let (head, body) = self.post.explanation(response).await;
        let content_type = head.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_json = content_type.is_some_and(|text| text.to_ascii_lowercase().contains("json"));
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                self.requests.unread(&error);
                return PartialSuccess::default();
            }
        };
        let partial_success =
            if is_json { PartialSuccess::decode_json(&body) } else { PartialSuccess::decode(&body) };
        partial_success.unwrap_or_else(|error| {
            tracing::debug!(exporter = self.requests.id, error = printable(&error.message), "answer ignored");
            PartialSuccess::default()
        })
    }

    /// What is left of a request that was not answered with a success.
    async fn failure(&self, batch: &Batch, response: Response<Body>) -> Result<Receipt, ExportError> {
        let (head, body) = self.post.explanation(response).await;
        let body = body.unwrap_or_default();
        let answer = Answer { status: head.status, headers: &head.headers, body: &body };
        if self.config.preset.is_some_and(Preset::stores_the_rest)
            && let Some(refused) = answer.too_late()
        {
            let rejected_data_points = i64::try_from(refused).unwrap_or(i64::MAX);
            let partial_success = PartialSuccess { rejected_data_points, error_message: answer.reason() };
            return Ok(self.requests.receive(batch, &partial_success));
        }
        Err(answer.judge(self.config.when_too_large, &self.config.retry_statuses, self.post.now()))
    }
}

impl Exporter for OtlpHttp {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async {
            if let Some(message) = self.doubt() {
                warn!(exporter = self.requests.id, "{message}");
            }
            self.post.start()?;
            Ok(vec![format!("OTLP/HTTP to {}", endpoint::shown(&self.post.url))])
        })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(self.send(batch))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
