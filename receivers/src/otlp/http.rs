//! OTLP over HTTP: `POST /v1/metrics`, in protobuf and in JSON.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use pipeline::component::BoxError;
use pipeline::net::auth::Denied;
use pipeline::net::body::{self, Encoding};
use pipeline::net::server::{HttpService, Incoming, unauthorized};
use pipeline::net::{Body, full};
use pipeline::otlp::{PartialSuccess, Status};
use pipeline::telemetry::ReceiverMetrics;
use tonic::Code;

use super::config::HttpConfig;
use super::intake::{Format, Intake, METRICS_ONLY, status, unreadable};
use crate::rejections::{Reason, Rejections};
use crate::serving::Extras;

/// Answers `POST /v1/metrics`.
pub(super) struct OtlpHttpService {
    shared: Arc<Shared>,
}

struct Shared {
    intake: Arc<Intake>,
    metrics: ReceiverMetrics,
    rejections: Rejections,
    body_bytes_max: usize,
    metrics_path: String,
    other_paths: [String; 2],
    encodings: Vec<Encoding>,
    extras: Extras,
}

/// An answer other than success.
struct Failure {
    code: StatusCode,
    status: Status,
    header: Option<Header>,
}

/// A header that says what would do.
#[derive(Debug, Clone, Copy)]
enum Header {
    Allow,
    AcceptEncoding,
    RetryAfter { seconds: u64 },
}

impl OtlpHttpService {
    pub(super) fn new(
        intake: Arc<Intake>,
        (metrics, rejections): (ReceiverMetrics, Rejections),
        config: &HttpConfig,
    ) -> Result<Self, BoxError> {
        let shared = Shared {
            intake,
            metrics,
            rejections,
            body_bytes_max: config.body_bytes_max(),
            metrics_path: config.metrics_url_path.clone(),
            other_paths: [config.traces_url_path.clone(), config.logs_url_path.clone()],
            encodings: config
                .compression_algorithms
                .iter()
                .filter_map(|name| Encoding::parse(name))
                .collect(),
            extras: Extras::new(&config.response_headers, config.cors.as_ref())?,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl HttpService for OtlpHttpService {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if let Some(response) = shared.extras.preflight(&parts) {
                return response;
            }
            let format = Format::of(&parts.headers);
            let response = match shared.export(&parts, body, format).await {
                Ok(partial_success) => success(&partial_success, format),
                Err(failure) => {
                    shared.rejections.add(Reason::of(failure.code), &failure.status.message);
                    failure.response(format)
                }
            };
            shared.extras.dress(&parts, response)
        })
    }

    fn deny(&self, request: &Parts, denied: &Denied) -> Response<Body> {
        // A browser asks what it may send before it sends credentials.
        if let Some(response) = self.shared.extras.preflight(request) {
            return response;
        }
        self.shared.rejections.add(Some(Reason::Unauthorized), &denied.to_string());
        let failure =
            Failure::new(StatusCode::UNAUTHORIZED, status(Code::Unauthenticated, denied.to_string()));
        let response = unauthorized(denied, failure.response(Format::of(&request.headers)));
        self.shared.extras.dress(request, response)
    }
}

impl Shared {
    async fn export(
        &self,
        parts: &Parts,
        body: Incoming,
        format: Option<Format>,
    ) -> Result<PartialSuccess, Failure> {
        self.check_target(parts)?;
        let format = format.ok_or_else(|| {
            let message = "expected the content type `application/x-protobuf` or `application/json`";
            Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, status(Code::InvalidArgument, message))
        })?;
        let encoding = self.encoding(&parts.headers)?;
        self.intake.ready(&self.metrics)?;
        let budget = self.intake.budget().of_request();
        let body = body::receive(body, encoding, self.body_bytes_max, &budget)
            .await
            .map_err(|error| unreadable(&error))?;
        Ok(self.intake.take(body, format, &self.metrics).await?)
    }

    fn check_target(&self, parts: &Parts) -> Result<(), Failure> {
        let path = parts.uri.path();
        if path != self.metrics_path {
            let message = if self.other_paths.iter().any(|other| other == path) {
                format!("{METRICS_ONLY}, at {}", self.metrics_path)
            } else {
                let path: String = path.chars().take(100).collect();
                format!("there is no {path}; metrics go to {}", self.metrics_path)
            };
            return Err(Failure::new(StatusCode::NOT_FOUND, status(Code::Unimplemented, message)));
        }
        if parts.method != Method::POST {
            let message = format!("expected the method POST, got {}", parts.method);
            let failure = Failure::new(StatusCode::METHOD_NOT_ALLOWED, status(Code::Unimplemented, message));
            return Err(Failure { header: Some(Header::Allow), ..failure });
        }
        Ok(())
    }

    fn encoding(&self, headers: &HeaderMap) -> Result<Encoding, Failure> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let encoding = match (values.next(), values.next()) {
            (None, _) => Some(Encoding::Identity),
            (Some(value), None) => value.to_str().ok().and_then(Encoding::parse),
            (Some(_), Some(_)) => None,
        };
        encoding.filter(|encoding| self.encodings.contains(encoding)).ok_or_else(|| {
            let message =
                "this content encoding is not taken; `gzip` and `zstd` are, unless configured otherwise";
            let failure =
                Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, status(Code::InvalidArgument, message));
            Failure { header: Some(Header::AcceptEncoding), ..failure }
        })
    }
}

impl Format {
    /// What the request says it is.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(CONTENT_TYPE)?.to_str().ok()?;
        let media_type = content_type.split(';').next()?.trim();
        if media_type.eq_ignore_ascii_case("application/x-protobuf") {
            Some(Self::Protobuf)
        } else if media_type.eq_ignore_ascii_case("application/json") {
            Some(Self::Json)
        } else {
            None
        }
    }

    fn content_type(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Protobuf => "application/x-protobuf",
            Self::Json => "application/json",
        })
    }
}

impl Failure {
    fn new(code: StatusCode, status: Status) -> Self {
        Self { code, status, header: None }
    }

    /// A `Status` in the request's encoding; in JSON where that is not known.
    fn response(self, format: Option<Format>) -> Response<Body> {
        let format = format.unwrap_or(Format::Json);
        let body = match format {
            Format::Protobuf => self.status.encode(),
            Format::Json => self.status.encode_json(),
        };
        let mut response = respond(format, body);
        *response.status_mut() = self.code;
        if let Some(header) = self.header {
            let (name, value) = header.name_and_value();
            response.headers_mut().insert(name, value);
        }
        response
    }
}

impl Header {
    fn name_and_value(self) -> (HeaderName, HeaderValue) {
        match self {
            Self::Allow => (ALLOW, HeaderValue::from_static("POST")),
            Self::AcceptEncoding => (ACCEPT_ENCODING, HeaderValue::from_static("gzip, zstd")),
            Self::RetryAfter { seconds } => (RETRY_AFTER, HeaderValue::from(seconds)),
        }
    }
}

impl From<Status> for Failure {
    fn from(status: Status) -> Self {
        let code = match Code::from_i32(status.code) {
            Code::InvalidArgument => StatusCode::BAD_REQUEST,
            Code::ResourceExhausted => StatusCode::PAYLOAD_TOO_LARGE,
            // Not 408, which senders do not repeat.
            Code::Cancelled | Code::DeadlineExceeded | Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let header = status.retry_delay.map(|delay| {
            let seconds = delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            Header::RetryAfter { seconds }
        });
        Self { code, status, header }
    }
}

fn success(partial_success: &PartialSuccess, format: Option<Format>) -> Response<Body> {
    let format = format.unwrap_or(Format::Protobuf);
    respond(
        format,
        match format {
            Format::Protobuf => partial_success.encode(),
            Format::Json => partial_success.encode_json(),
        },
    )
}

fn respond(format: Format, body: Vec<u8>) -> Response<Body> {
    let mut response = Response::new(full(body));
    response.headers_mut().insert(CONTENT_TYPE, format.content_type());
    response
}
