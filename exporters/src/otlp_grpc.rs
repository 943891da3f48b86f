//! Pushes metrics over OTLP/gRPC.
//!
//! ```yaml
//! exporters:
//!   otlp_grpc:
//!     endpoint: https://collector.example.com:4317
//! ```

mod channel;
mod endpoint;
pub(crate) mod status;
#[cfg(test)]
mod tests;

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use config::{ByteSize, Duration, Problems, Section};
use futures_util::future::BoxFuture;
use http::HeaderMap;
use http::uri::PathAndQuery;
use pipeline::component::{
    BoxError, BuiltExporter, Context, Delivery, Entry, ExportError, Exporter, ExporterEntry, Receipt,
};
use pipeline::delivery::{QueueConfig, RetryConfig};
use pipeline::net::auth::{self, Authenticator};
use pipeline::net::client::{ClientConfig, HttpClient, Protocol};
use pipeline::net::client_tls;
use pipeline::otlp::PartialSuccess;
use pipeline::{Batch, delivery, otlp};
use serde::{Deserialize, Serialize};
use tonic::client::Grpc;
use tonic::codec::CompressionEncoding;
use tonic::metadata::MetadataMap;

use crate::otlp::{REQUEST_SIZE_MAX, RESPONSE_SIZE_MAX, Requests};
use crate::push::compression::Compression;
use crate::push::headers::Headers;
use crate::push::{TooLarge, broken, printable};
use channel::{Channel, Raw};
use endpoint::Endpoint;

pub(crate) const ENTRY: ExporterEntry = Entry {
    name: "otlp_grpc",
    aliases: &["otlp"],
    ignored: &[(
        "",
        &["balancer_name", "keepalive", "wait_for_ready", "read_buffer_size", "write_buffer_size"],
    )],
    about: "Pushes metrics over OTLP/gRPC.",
    example: "endpoint: collector.example.com:4317\ncompression: zstd\n",
    effective: |section| Ok(delivery::complete(config::effective::<Config>(section)?)),
    build,
};

const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// `host:port`, with `http://` for plain text or `https://` for TLS before it; or `unix:///path`.
    endpoint: String,
    tls: client_tls::Config,
    compression: Compression,
    /// Metadata of each request.
    headers: Headers,
    auth: Option<auth::Config>,
    /// For one attempt; zero means none.
    timeout: Duration,
    sending_queue: QueueConfig,
    retry_on_failure: RetryConfig,
    /// Before compression; larger batches are split.
    max_request_size: ByteSize,
    /// After decompression; larger answers are failures.
    max_response_size: ByteSize,
    /// What to do when the other side says that a request is too large.
    when_too_large: TooLarge,
    /// Sends again after `RESOURCE_EXHAUSTED` without `RetryInfo`, which the specification calls permanent.
    retry_resource_exhausted: bool,
    /// What requests name as their host, and the certificate must be for; the endpoint's where empty.
    authority: String,
}

struct OtlpGrpc {
    requests: Requests,
    endpoint: Endpoint,
    headers: HeaderMap,
    authenticator: Option<Arc<Authenticator>>,
    client: OnceLock<HttpClient>,
    config: Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: client_tls::Config::default(),
            compression: Compression::Gzip,
            headers: Headers::default(),
            auth: None,
            timeout: Duration::from_secs(5),
            sending_queue: QueueConfig::default(),
            retry_on_failure: RetryConfig::default(),
            max_request_size: REQUEST_SIZE_MAX,
            max_response_size: RESPONSE_SIZE_MAX,
            when_too_large: TooLarge::Drop,
            retry_resource_exhausted: true,
            authority: String::new(),
        }
    }
}

fn build(section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    section.build(|config| made(config, section, context))
}

fn made(config: Config, section: &Section, context: &Context) -> Result<BuiltExporter, Problems> {
    let mut problems = config.tls.problems(section, "tls");
    problems.extend(config.sending_queue.problems(section));
    problems.extend(config.retry_on_failure.problems(section));
    let endpoint = Endpoint::parse(&config.endpoint, config.tls.insecure);
    if let Err(message) = &endpoint {
        problems.push(section.problem("endpoint", message));
    }
    if let Ok(endpoint) = &endpoint
        && !endpoint.is_tls()
        && config.tls.has_certificate()
    {
        let message = "a client certificate needs TLS, but the endpoint is plain text";
        problems.push(section.problem("tls.cert_file", message));
    }
    let authority = config.authority.as_str();
    let endpoint = endpoint.and_then(|endpoint| {
        endpoint.under(authority).inspect_err(|message| problems.push(section.problem("authority", message)))
    });
    let headers =
        config.headers.build(section, &["content-type", "te", "host", "content-length", "user-agent"]);
    let authenticator = auth::Config::find(config.auth.as_ref(), &context.net)
        .map_err(|message| section.problem("auth.authenticator", message));
    match (endpoint, headers, authenticator) {
        (Ok(endpoint), Ok(headers), Ok(authenticator)) if problems.is_empty() => {
            let delivery = Delivery::Queued(delivery::Config {
                sending_queue: config.sending_queue.clone(),
                retry_on_failure: config.retry_on_failure.clone(),
                timeout: config.timeout,
            });
            let requests = Requests::new(&context.id, config.max_request_size);
            let client = OnceLock::new();
            let exporter = OtlpGrpc { requests, endpoint, headers, authenticator, client, config };
            Ok(BuiltExporter { exporter: Arc::new(exporter), delivery })
        }
        (_, headers, authenticator) => {
            problems.extend(headers.err().into_iter().flatten());
            problems.extend(authenticator.err());
            Err(Problems(problems))
        }
    }
}

impl OtlpGrpc {
    async fn send(&self, batch: &Batch) -> Result<Receipt, ExportError> {
        let Some(client) = self.client.get() else {
            return Err(ExportError::Retry { after: None, reason: String::from("not started") });
        };
        if batch.is_empty() {
            return Ok(Receipt::default());
        }
        let message = self.requests.encode(batch, otlp::encode)?;
        let request = self.request(message.into())?;
        let channel = Channel::new(client.clone());
        let is_answered = channel.is_answered();
        let mut grpc = Grpc::with_origin(channel, self.endpoint.origin.clone())
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd)
            .max_decoding_message_size(
                usize::try_from(self.config.max_response_size.0).unwrap_or(usize::MAX),
            );
        grpc = match self.config.compression {
            Compression::Gzip => grpc.send_compressed(CompressionEncoding::Gzip),
            Compression::Zstd => grpc.send_compressed(CompressionEncoding::Zstd),
            Compression::None => grpc,
        };
        match grpc.unary(request, PathAndQuery::from_static(EXPORT), Raw).await {
            Ok(response) => {
                let partial_success = PartialSuccess::decode(response.get_ref()).unwrap_or_else(|error| {
                    // The status says that the points were taken.
                    let error = printable(&error.to_string());
                    tracing::debug!(exporter = self.requests.id, error, "answer ignored");
                    PartialSuccess::default()
                });
                Ok(self.requests.receive(batch, &partial_success))
            }
            Err(status) if status::is_too_large(&status) && !is_answered.get() => {
                Err(self.config.when_too_large.judge(status::reason(&status)))
            }
            Err(status) => Err(status::judge(&status, self.config.retry_resource_exhausted)),
        }
    }

    fn request(&self, message: Bytes) -> Result<tonic::Request<Bytes>, ExportError> {
        let mut headers = self.headers.clone();
        if let Some(authenticator) = &self.authenticator {
            authenticator.authorize(&mut headers).map_err(|error| broken(&error))?;
        }
        let mut request = tonic::Request::new(message);
        *request.metadata_mut() = MetadataMap::from_headers(headers);
        if !self.config.timeout.is_zero() {
            request.set_timeout(self.config.timeout.0);
        }
        Ok(request)
    }
}

impl Exporter for OtlpGrpc {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async {
            if let Some(authenticator) = &self.authenticator {
                authenticator.ready_to_authorize()?;
            }
            let config = ClientConfig {
                tls: self.config.tls.clone(),
                protocol: Protocol::Http2,
                unix_socket: self.endpoint.unix_socket.clone(),
                ..ClientConfig::default()
            };
            let client = HttpClient::connecting_to(&config, self.endpoint.target.clone())?;
            // Started once; a second client would only replace an equal one.
            let _ = self.client.set(client);
            Ok(vec![format!("OTLP/gRPC to {}", self.endpoint)])
        })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(self.send(batch))
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}
