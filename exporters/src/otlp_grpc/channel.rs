//! Carries tonic's calls over the connections all components use, with messages as bytes.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, BufMut, Bytes};
use futures_util::future::BoxFuture;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::BodyExt;
use pipeline::errors::chain;
use pipeline::net;
use pipeline::net::client::HttpClient;
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tower_service::Service;

/// One call's way to the other side.
#[derive(Debug, Clone)]
pub(super) struct Channel {
    client: HttpClient,
    is_answered: Answered,
}

/// Whether an answer has begun; tells an answer that is too large from a request that was.
#[derive(Debug, Clone, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

/// A response's body, with errors as statuses that say what to do.
pub(super) struct Answer {
    body: net::Body,
    is_answered: Answered,
    /// The status has come, or need not come.
    is_complete: bool,
}

/// Messages as they are.
#[derive(Debug, Clone, Copy)]
pub(super) struct Raw;

impl Answered {
    pub(super) fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Channel {
    pub(super) fn new(client: HttpClient) -> Self {
        Self { client, is_answered: Answered::default() }
    }

    pub(super) fn is_answered(&self) -> Answered {
        self.is_answered.clone()
    }
}

impl Service<Request<tonic::body::Body>> for Channel {
    type Response = Response<Answer>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Status>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let Self { client, is_answered } = self.clone();
        let request = request.map(|body| body.map_err(Into::into).boxed_unsync());
        Box::pin(async move {
            // Whatever kept a request from being answered may have gone at the next attempt.
            let response = client.send(request).await.map_err(|error| Status::unavailable(chain(&*error)))?;
            let has_status = response.headers().contains_key("grpc-status");
            if response.status() != StatusCode::OK && !has_status {
                // A proxy answers in its own words, which are no messages: what counts is its status.
                return Ok(response.map(|_| Answer { body: net::empty(), is_answered, is_complete: true }));
            }
            Ok(response.map(|body| Answer { body, is_answered, is_complete: has_status }))
        })
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(context));
        Poll::Ready(match frame {
            Some(Ok(frame)) => {
                if frame.is_data() {
                    self.is_answered.0.store(true, Ordering::Relaxed);
                } else {
                    self.is_complete = true;
                }
                Some(Ok(frame))
            }
            Some(Err(error)) => {
                self.is_complete = true;
                Some(Err(Status::unavailable(format!("answer broke off: {}", chain(&*error)))))
            }
            None if self.is_complete => None,
            None => {
                self.is_complete = true;
                Some(Err(Status::unavailable("answer broke off before its status")))
            }
        })
    }
}

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.reserve(message.len());
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
