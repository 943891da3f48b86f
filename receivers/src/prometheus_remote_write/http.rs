//! `POST /api/v1/write`: from a request to the pipeline, and what is answered.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ACCEPT_ENCODING, ALLOW, CONTENT_ENCODING, CONTENT_TYPE, RETRY_AFTER};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use pipeline::Output;
use pipeline::component::{BoxError, Context};
use pipeline::net::auth::Denied;
use pipeline::net::body::{self, BodyError, Budget, Encoding};
use pipeline::net::server::{HttpService, Incoming, text, unauthorized};
use pipeline::net::{Body, full};
use pipeline::output::Refused;
use pipeline::telemetry::ReceiverMetrics;
use pipeline::wire::WireError;

use super::config::Config;
use super::decoder::{Broken, Decoded, Decoder, Written};
use super::message::Version;
use crate::rejections::{Reason, Rejections};
use crate::serving::{Extras, RETRY_DELAY};

/// What 2.0 answers tell of what was stored.
const WRITTEN: [&str; 3] = [
    "x-prometheus-remote-write-samples-written",
    "x-prometheus-remote-write-histograms-written",
    "x-prometheus-remote-write-exemplars-written",
];

/// A larger request takes longer to read than others are to wait for.
const INLINE_BYTES_MAX: usize = 100 << 10;

/// Answers write requests of both versions.
pub(super) struct WriteService {
    shared: Arc<Shared>,
}

struct Shared {
    decoder: Arc<Decoder>,
    output: Output,
    budget: Budget,
    metrics: ReceiverMetrics,
    rejections: Rejections,
    body_bytes_max: usize,
    decoded_bytes_max: usize,
    extras: Extras,
}

/// What was read and is on its way. All of it is sent again if it does not arrive, also because the sender went
/// away meanwhile; but for what is not in the request, which is kept for the next one.
struct Unsent {
    shared: Arc<Shared>,
    decoded: Decoded,
    is_sent: bool,
}

/// What a request comes to.
#[derive(Debug)]
struct Answer {
    status: StatusCode,
    /// Why it is no success; empty where it is one.
    reason: String,
    /// Told to whoever speaks 2.0.
    written: Option<Written>,
    header: Option<Header>,
}

/// A header that says what would do.
#[derive(Debug, Clone, Copy)]
enum Header {
    Allow,
    AcceptEncoding,
    RetryAfter { seconds: u64 },
}

impl WriteService {
    pub(super) fn new(
        context: &Context,
        decoder: Arc<Decoder>,
        output: Output,
        config: &Config,
    ) -> Result<Self, BoxError> {
        let metrics = ReceiverMetrics::new(&context.meter, &context.id, "http");
        let shared = Shared {
            decoder,
            output,
            budget: context.net.budget().clone(),
            rejections: Rejections::new(&context.id, "http", metrics.clone()),
            metrics,
            body_bytes_max: config.body_bytes_max(),
            decoded_bytes_max: config.decoded_bytes_max(),
            extras: Extras::new(&config.response_headers, config.cors.as_ref())?,
        };
        Ok(Self { shared: Arc::new(shared) })
    }
}

impl HttpService for WriteService {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let shared = self.shared.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            if let Some(response) = shared.extras.preflight(&parts) {
                return response;
            }
            let answer = shared.write(&parts, body).await.unwrap_or_else(|answer| {
                shared.rejections.add(Reason::of(answer.status), &answer.reason);
                answer
            });
            shared.extras.dress(&parts, answer.response())
        })
    }

    fn deny(&self, request: &Parts, denied: &Denied) -> Response<Body> {
        // A browser asks what it may send before it sends credentials.
        if let Some(response) = self.shared.extras.preflight(request) {
            return response;
        }
        self.shared.rejections.add(Some(Reason::Unauthorized), &denied.to_string());
        let response = unauthorized(denied, text(StatusCode::UNAUTHORIZED, denied.to_string()));
        self.shared.extras.dress(request, response)
    }
}

impl Shared {
    async fn write(self: &Arc<Self>, parts: &Parts, body: Incoming) -> Result<Answer, Answer> {
        let version = version_of(parts)?;
        // Whoever is to come back later need not send the body now.
        if let Err(refused) = self.output.ready() {
            self.metrics.refused_request();
            return Err(Answer::later(refused));
        }
        let budget = self.budget.of_request();
        let block = body::receive(body, Encoding::Identity, self.body_bytes_max, &budget)
            .await
            .map_err(|error| Answer::unreadable(&error))?;
        let request = body::unsnap(block, self.decoded_bytes_max, &budget)
            .await
            .map_err(|error| Answer::unreadable(&error))?;
        self.store(version, request).await
    }

    async fn store(self: &Arc<Self>, version: Version, request: Bytes) -> Result<Answer, Answer> {
        let mut unsent = self.decode(version, request).await?;
        let Decoded { batch, written, failures, dropped_exemplars, vain_exemplars, .. } = &mut unsent.decoded;
        let (written, dropped_exemplars) = (*written, *dropped_exemplars + *vain_exemplars);
        let (batch, failures) = (std::mem::take(batch), std::mem::take(failures));
        self.output.send(batch).await.map_err(Answer::later)?;
        unsent.sent();
        self.metrics.accepted(written.points());
        self.metrics.failed(failures.count);
        self.metrics.dropped_exemplars(dropped_exemplars);
        let answer = match failures.message() {
            None => Answer::new(StatusCode::NO_CONTENT, ""),
            Some(reason) => Answer::new(StatusCode::BAD_REQUEST, format!("not stored: {reason}")),
        };
        Ok(Answer { written: (version == Version::V2).then_some(written), ..answer })
    }
}

impl Shared {
    /// Reads a request here, where that is quickly done, or else where nobody is kept from running by it.
    async fn decode(self: &Arc<Self>, version: Version, request: Bytes) -> Result<Unsent, Answer> {
        if request.len() <= INLINE_BYTES_MAX
            && let Some(decoded) = self.decoder.try_decode(version, &request)
        {
            return self.decoded(decoded);
        }
        let shared = self.clone();
        // What comes of it takes care of itself if nobody waits for it any more.
        let work = move || {
            let decoded = shared.decoder.decode(version, &request);
            // The bytes count against the budget until here.
            drop(request);
            shared.decoded(decoded)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|_| Err(Answer::broken()))
    }

    fn decoded(self: &Arc<Self>, decoded: Result<Decoded, Broken>) -> Result<Unsent, Answer> {
        match decoded {
            Ok(decoded) => Ok(Unsent { shared: self.clone(), decoded, is_sent: false }),
            Err(broken) => {
                self.metrics.dropped_exemplars(broken.lost_exemplars);
                self.metrics.failed(broken.lost_markers);
                Err(Answer::undecodable(broken.error))
            }
        }
    }
}

impl Unsent {
    /// The pipelines have it.
    fn sent(mut self) {
        self.is_sent = true;
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if self.is_sent {
            return;
        }
        let Shared { decoder, metrics, .. } = &*self.shared;
        metrics.dropped_exemplars(self.decoded.waited_exemplars + self.decoded.vain_exemplars);
        metrics.refused(self.decoded.written.points());
        let markers = std::mem::take(&mut self.decoded.markers);
        metrics.failed(decoder.owe(markers));
    }
}

/// Which version a request speaks; an answer where it is not a write request of any.
fn version_of(parts: &Parts) -> Result<Version, Answer> {
    if parts.method != Method::POST {
        let answer = Answer::new(
            StatusCode::METHOD_NOT_ALLOWED,
            format!("expected the method POST, got {}", parts.method),
        );
        return Err(Answer { header: Some(Header::Allow), ..answer });
    }
    let version = content_type(&parts.headers).ok_or_else(|| {
        Answer::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "expected the content type `application/x-protobuf`, without `proto` or with \
             `proto=prometheus.WriteRequest` or `proto=io.prometheus.write.v2.Request`",
        )
    })?;
    let mut encodings = parts.headers.get_all(CONTENT_ENCODING).iter();
    let is_snappy = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"snappy");
    // Without the header it can only be what the protocol prescribes.
    if encodings.any(|value| !is_snappy(value)) {
        let answer =
            Answer::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected the content encoding `snappy`");
        return Err(Answer { header: Some(Header::AcceptEncoding), ..answer });
    }
    Ok(version)
}

fn content_type(headers: &HeaderMap) -> Option<Version> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Some(Version::V1) };
    let mut parts = value.to_str().ok()?.split(';').map(str::trim);
    if !parts.next()?.eq_ignore_ascii_case("application/x-protobuf") {
        return None;
    }
    let mut version = Version::V1;
    for part in parts {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        if name.trim().eq_ignore_ascii_case("proto") {
            version = match value.trim().trim_matches('"') {
                "prometheus.WriteRequest" => Version::V1,
                "io.prometheus.write.v2.Request" => Version::V2,
                _ => return None,
            };
        }
    }
    Some(version)
}

impl Answer {
    fn new(status: StatusCode, reason: impl Into<String>) -> Self {
        Self { status, reason: reason.into(), written: None, header: None }
    }

    /// Nothing was stored; all of it may be sent again.
    fn later(refused: Refused) -> Self {
        Self::try_later(refused.reason, refused.retry_after)
    }

    fn try_later(reason: String, after: Duration) -> Self {
        let after = after.clamp(RETRY_DELAY.0, RETRY_DELAY.1);
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        Self {
            header: Some(Header::RetryAfter { seconds }),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    }

    fn unreadable(error: &BodyError) -> Self {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Corrupt(_) => StatusCode::BAD_REQUEST,
            // Not 408, which senders do not repeat.
            BodyError::Broken(_) | BodyError::Slow => StatusCode::SERVICE_UNAVAILABLE,
            BodyError::Busy => return Self::try_later(error.to_string(), RETRY_DELAY.0),
        };
        Self::new(status, error.to_string())
    }

    /// Reading it has ended in a bug, or the process is about to end.
    fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "the request could not be read")
    }

    fn undecodable(error: WireError) -> Self {
        let status = match error {
            WireError::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::BAD_REQUEST,
        };
        Self::new(status, format!("cannot read the request: {error}"))
    }

    fn response(self) -> Response<Body> {
        let mut response = if self.reason.is_empty() {
            let mut response = Response::new(full(""));
            *response.status_mut() = self.status;
            response
        } else {
            text(self.status, self.reason)
        };
        let headers = response.headers_mut();
        match self.header {
            Some(Header::Allow) => _ = headers.insert(ALLOW, HeaderValue::from_static("POST")),
            Some(Header::AcceptEncoding) => {
                headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("snappy"));
            }
            Some(Header::RetryAfter { seconds }) => {
                headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
            }
            None => {}
        }
        if let Some(Written { samples, histograms, exemplars }) = self.written {
            for (name, count) in WRITTEN.into_iter().zip([samples, histograms, exemplars]) {
                headers.insert(name, HeaderValue::from(count));
            }
        }
        response
    }
}

#[cfg(test)]
mod tests;
