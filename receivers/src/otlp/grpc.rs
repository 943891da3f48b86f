//! OTLP over gRPC: one unary method, whose message stays bytes.
//!
//! The message is read here and not by tonic, whose server reads every message to the limit of each,
//! compressed or not, without a bound on all of them together; and which answers one that is too large
//! with a code that makes senders try for ever.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::future::BoxFuture;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use pipeline::net::Body;
use pipeline::net::auth::Denied;
use pipeline::net::body::{self, BodyError, Encoding};
use pipeline::net::server::{HttpService, Incoming, text, unauthorized};
use pipeline::otlp::Status;
use pipeline::telemetry::ReceiverMetrics;
use tonic::Code;

use super::intake::{Format, Intake, METRICS_ONLY, bad_request, status, unreadable};
use crate::rejections::{Reason, Rejections};

const EXPORT_METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";

/// What all services of the protocol's other signals begin with.
const COLLECTOR: &str = "/opentelemetry.proto.collector.";

/// What is said to who speaks another protocol.
const NO_GRPC: &str = "this port speaks gRPC; OTLP over HTTP has one of its own, usually 4318";

/// What messages may be compressed with.
const ENCODINGS: &str = "identity,gzip,zstd";

/// A flag and the length stand before each message.
const PREFIX_BYTES: usize = 5;

/// Answers `MetricsService/Export`.
pub(super) struct GrpcService {
    shared: Arc<Shared>,
}

struct Shared {
    intake: Arc<Intake>,
    metrics: ReceiverMetrics,
    rejections: Rejections,
    message_bytes_max: usize,
}

impl GrpcService {
    pub(super) fn new(
        intake: Arc<Intake>,
        (metrics, rejections): (ReceiverMetrics, Rejections),
        message_bytes_max: usize,
    ) -> Self {
        Self { shared: Arc::new(Shared { intake, metrics, rejections, message_bytes_max }) }
    }
}

impl HttpService for GrpcService {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            if !is_grpc(request.headers()) {
                shared.rejections.add(Some(Reason::Unsupported), NO_GRPC);
                return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, NO_GRPC);
            }
            match shared.export(request).await {
                Ok(message) => success(&message),
                Err(status) => {
                    shared.rejections.add(reason(&status), &status.message);
                    failure(&status)
                }
            }
        })
    }

    fn deny(&self, request: &Parts, denied: &Denied) -> Response<Body> {
        self.shared.rejections.add(Some(Reason::Unauthorized), &denied.to_string());
        if is_grpc(&request.headers) {
            return unauthorized(denied, failure(&status(Code::Unauthenticated, denied.to_string())));
        }
        unauthorized(denied, text(StatusCode::UNAUTHORIZED, denied.to_string()))
    }
}

impl Shared {
    async fn export(&self, request: Request<Incoming>) -> Result<Vec<u8>, Status> {
        let path = request.uri().path();
        if path != EXPORT_METRICS || request.method() != Method::POST {
            let path: String = path.chars().take(100).collect();
            return Err(if path.starts_with(COLLECTOR) {
                status(Code::Unimplemented, format!("{METRICS_ONLY}; there is no {path}"))
            } else {
                status(Code::Unimplemented, format!("there is no {path}; there is {EXPORT_METRICS}"))
            });
        }
        self.intake.ready(&self.metrics)?;
        let message = self.read(request).await?;
        let partial_success = self.intake.take(message, Format::Protobuf, &self.metrics).await?;
        Ok(partial_success.encode())
    }

    /// Reads the one message of a request, decompressed.
    async fn read(&self, request: Request<Incoming>) -> Result<Bytes, Status> {
        let (limit, budget) = (self.message_bytes_max, &self.intake.budget().of_request());
        let encoding = match request.headers().get("grpc-encoding").map(HeaderValue::to_str) {
            None => Encoding::Identity,
            Some(name) => name.ok().and_then(Encoding::parse).ok_or_else(|| {
                status(Code::Unimplemented, format!("unknown `grpc-encoding`; there is {ENCODINGS}"))
            })?,
        };
        let incoming = request.into_body();
        let received = body::receive(incoming, Encoding::Identity, limit + PREFIX_BYTES, budget).await;
        let mut message = received.map_err(|error| unreadable_message(&error, limit))?;
        if message.len() < PREFIX_BYTES {
            return Err(bad_request(String::from("the request has no message")));
        }
        let prefix = message.split_to(PREFIX_BYTES);
        let length = u32::from_be_bytes([prefix[1], prefix[2], prefix[3], prefix[4]]) as usize;
        if length > limit {
            return Err(too_large(limit));
        }
        if length != message.len() {
            let reason = format!("the message should have {length} bytes, but {} came", message.len());
            return Err(bad_request(reason));
        }
        match (prefix[0], encoding) {
            (0, _) => Ok(message),
            (1, Encoding::Identity) => {
                Err(status(Code::Internal, "the message is compressed, but `grpc-encoding` does not say how"))
            }
            (1, encoding) => body::decompress(message, encoding, limit, budget)
                .await
                .map_err(|error| unreadable_message(&error, limit)),
            (flag, _) => Err(bad_request(format!("the message has the unknown flag {flag}"))),
        }
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let tail = content_type.strip_prefix(b"application/grpc");
    // `application/grpc-web` is another protocol.
    tail.is_some_and(|tail| tail.is_empty() || tail.starts_with(b"+proto") || tail.starts_with(b";"))
}

/// What is wrong with a request; `None` where the same one may be taken later.
fn reason(status: &Status) -> Option<Reason> {
    match Code::from_i32(status.code) {
        Code::InvalidArgument | Code::Internal => Some(Reason::Invalid),
        Code::ResourceExhausted => Some(Reason::TooLarge),
        Code::Unimplemented => Some(Reason::Unsupported),
        _ => None,
    }
}

/// Speaks of the message, without the bytes that are around it.
fn unreadable_message(error: &BodyError, limit: usize) -> Status {
    match error {
        BodyError::TooLarge { .. } => too_large(limit),
        error => unreadable(error),
    }
}

fn too_large(limit: usize) -> Status {
    status(Code::ResourceExhausted, format!("message is larger than {limit} bytes"))
}

fn success(message: &[u8]) -> Response<Body> {
    let mut framed = BytesMut::with_capacity(PREFIX_BYTES + message.len());
    framed.put_u8(0);
    framed.put_u32(message.len() as u32);
    framed.put_slice(message);
    let trailers = HeaderMap::from_iter([(tonic::Status::GRPC_STATUS, HeaderValue::from_static("0"))]);
    let body = Full::new(framed.freeze()).with_trailers(async { Some(Ok(trailers)) });
    let body: Body = body.map_err(|never: std::convert::Infallible| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(ENCODINGS));
    response
}

fn failure(status: &Status) -> Response<Body> {
    let details = Bytes::from(status.encode());
    let status = tonic::Status::with_details(Code::from_i32(status.code), status.message.clone(), details);
    let mut response = status.into_http::<Empty<Bytes>>();
    response.headers_mut().insert("grpc-accept-encoding", HeaderValue::from_static(ENCODINGS));
    response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
}
