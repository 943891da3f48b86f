//! One connection: HTTP/1.1 or HTTP/2, with deadlines, and a service behind each request.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{CONTENT_TYPE, SERVER};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body::{Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::task_tracker::TaskTrackerToken;
use tracing::{debug, error};

use super::activity::{Activity, HEAD_TIME_MAX, UnderWay};
use super::listener::Listener;
use super::text;
use super::watched::Watched;
use crate::component::BoxError;
use crate::net::client::PRODUCT;
use crate::net::{Body, empty};

/// What all headers of a request may have together; more is answered with 431.
const HEADERS_BYTES_MAX: usize = 64 * 1024;

/// How long a connection that is to end may take for it.
const FAREWELL_TIME_MAX: Duration = Duration::from_secs(1);

/// A response body that keeps its request under way until it has been sent.
struct Tracked {
    body: Body,
    _token: TaskTrackerToken,
    under_way: UnderWay,
}

pub(super) async fn serve<S>(listener: Arc<Listener>, stream: S)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Some(acceptor) = listener.tls() else {
        return drive(listener, stream).await;
    };
    match tokio::time::timeout(HEAD_TIME_MAX, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => drive(listener, stream).await,
        Ok(Err(error)) => debug!(address = %listener.address(), %error, "TLS handshake failed"),
        Err(_) => debug!(address = %listener.address(), "TLS handshake took too long"),
    }
}

async fn drive<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(listener: Arc<Listener>, stream: S) {
    let activity = Arc::new(Activity::new());
    let stop = listener.stopped().clone();
    let io = TokioIo::new(Watched::new(stream, activity.clone()));
    let service = {
        let activity = activity.clone();
        service_fn(move |request| answer(listener.clone(), activity.clone(), request))
    };
    let builder = builder();
    let mut connection = pin!(builder.serve_connection(io, service));
    let ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop.cancelled() => None,
        () = activity.expired() => None,
    };
    let Some(ended) = ended else {
        connection.as_mut().graceful_shutdown();
        tokio::select! {
            _ = connection.as_mut() => {}
            () = farewell(&activity) => debug!("closed a connection that did not end by itself"),
        }
        return;
    };
    if let Err(error) = ended {
        debug!(%error, "connection failed");
    }
}

/// Returns when a connection that was told to end has had its time: requests under way may finish.
async fn farewell(activity: &Activity) {
    loop {
        tokio::time::sleep(FAREWELL_TIME_MAX).await;
        if !activity.is_busy() {
            return;
        }
        // Busy, but with nobody at the other end.
        if activity.is_expired() {
            return;
        }
    }
}

fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    // The time for headers is kept by `Activity`: hyper's would also end idle connections.
    builder.http1().timer(TokioTimer::new()).header_read_timeout(None).max_buf_size(HEADERS_BYTES_MAX);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(HEADERS_BYTES_MAX as u32)
        .max_concurrent_streams(100)
        .max_frame_size(64 * 1024)
        .max_send_buf_size(256 * 1024)
        .max_pending_accept_reset_streams(20)
        .max_local_error_reset_streams(100)
        .keep_alive_interval(Duration::from_secs(30))
        .keep_alive_timeout(Duration::from_secs(10));
    builder
}

async fn answer(
    listener: Arc<Listener>,
    activity: Arc<Activity>,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let under_way = activity.begin(request.version());
    let path = request.uri().path();
    let Some((route, token)) = listener.route(path) else {
        return Ok(as_ours(not_found(&listener, &request)));
    };
    let denied = route.authenticator.as_ref().and_then(|auth| auth.check(request.headers()).err());
    let response = if let Some(denied) = denied {
        route.service.deny(&request.into_parts().0, &denied)
    } else {
        let service = route.service.clone();
        let call = async move { service.call(request).await };
        AssertUnwindSafe(call).catch_unwind().await.unwrap_or_else(|_| {
            error!(path = %route.path, "a request made its service panic");
            text(StatusCode::INTERNAL_SERVER_ERROR, "internal error")
        })
    };
    under_way.offers();
    Ok(as_ours(response).map(|body| Tracked { body, _token: token, under_way }.boxed_unsync()))
}

fn as_ours(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().entry(SERVER).or_insert(HeaderValue::from_static(PRODUCT));
    response
}

fn not_found(listener: &Listener, request: &Request<Incoming>) -> Response<Body> {
    if listener.stopped().is_cancelled() {
        let content_type = request.headers().get(CONTENT_TYPE).map_or(&[][..], HeaderValue::as_bytes);
        if content_type.starts_with(b"application/grpc") {
            return stopping_grpc();
        }
        return text(StatusCode::SERVICE_UNAVAILABLE, "stopping");
    }
    let path = request.uri().path();
    let path: String = path.chars().take(100).collect();
    let known = listener.paths().join(", ");
    text(StatusCode::NOT_FOUND, format!("nothing is served at {path}; there is {known}"))
}

/// What a gRPC client takes for "try again": to some of them, a plain 503 is an error for good.
fn stopping_grpc() -> Response<Body> {
    let mut response = Response::new(empty());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert("grpc-status", HeaderValue::from_static("14"));
    headers.insert("grpc-message", HeaderValue::from_static("stopping"));
    response
}

impl http_body::Body for Tracked {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let frame = Pin::new(&mut self.body).poll_frame(context);
        // Asked for only where the client takes more.
        match frame {
            Poll::Ready(_) => self.under_way.offers(),
            Poll::Pending => self.under_way.makes(),
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
