//! Answers scrapes: the page is made while it is sent, a piece each time the connection takes one.

use std::io::{self, Write};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Empty};
use pipeline::component::BoxError;
use pipeline::net::Body;
use pipeline::net::body::Encoding;
use pipeline::net::server::HttpService;

use super::negotiation::Answer;
use super::page::{Options, Page};
use super::store::Shared;
use super::telemetry::Telemetry;

/// How much of the page is made at a time, and how long the store is locked for it: some microseconds.
const PIECE_SIZE: usize = 64 << 10;

/// Scrapes that may be under way at once; each holds a piece and the state of a compressor.
const SCRAPES_MAX: usize = 40;

/// Serves the page.
pub(crate) struct Endpoint {
    pub(crate) store: Shared,
    pub(crate) options: Options,
    pub(crate) empty_page: Arc<str>,
    pub(crate) is_open_metrics_enabled: bool,
    pub(crate) telemetry: Telemetry,
    pub(crate) under_way: Arc<AtomicUsize>,
}

impl HttpService for Endpoint {
    fn call(&self, request: Request<hyper::body::Incoming>) -> BoxFuture<'static, Response<Body>> {
        let response = self.answer(request.method(), request.headers());
        Box::pin(std::future::ready(response))
    }
}

impl Endpoint {
    pub(crate) fn answer(&self, method: &Method, headers: &http::HeaderMap) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = with_status(StatusCode::METHOD_NOT_ALLOWED);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let answer = Answer::of(headers, self.is_open_metrics_enabled);
        let mut response = with_status(StatusCode::OK);
        if method == Method::GET {
            let Some(permit) = Permit::take(&self.under_way) else {
                return with_status(StatusCode::SERVICE_UNAVAILABLE);
            };
            let Ok(encoder) = Encoder::new(answer.encoding) else {
                return with_status(StatusCode::INTERNAL_SERVER_ERROR);
            };
            self.telemetry.scraped();
            let page = Page::new(answer.format, answer.escaping, self.options);
            let page = page.or_say(self.empty_page.clone());
            let store = self.store.clone();
            let pieces = Pieces { store, page, buffer: Vec::new(), encoder: Some(encoder), _permit: permit };
            *response.body_mut() = pieces.boxed_unsync();
        }
        let headers = response.headers_mut();
        let content_type = HeaderValue::try_from(answer.content_type());
        headers.insert(CONTENT_TYPE, content_type.expect("made of fixed words"));
        headers.insert(VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        let encoding = match answer.encoding {
            Encoding::Gzip => "gzip",
            Encoding::Zstd => "zstd",
            Encoding::Identity => return response,
        };
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
        response
    }
}

fn with_status(status: StatusCode) -> Response<Body> {
    let empty = Empty::new().map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(empty);
    *response.status_mut() = status;
    response
}

/// One of the scrapes under way.
struct Permit(Arc<AtomicUsize>);

impl Permit {
    fn take(under_way: &Arc<AtomicUsize>) -> Option<Self> {
        let permit = Self(under_way.clone());
        (under_way.fetch_add(1, Ordering::Relaxed) < SCRAPES_MAX).then_some(permit)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of an answer.
struct Pieces {
    store: Shared,
    page: Page,
    buffer: Vec<u8>,
    /// Taken at the end of the page.
    encoder: Option<Encoder>,
    _permit: Permit,
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let piece = self.next_piece();
        Poll::Ready(piece.transpose().map(|piece| piece.map(Frame::data).map_err(Into::into)))
    }
}

impl Pieces {
    /// The next bytes to send; at least one, except at the end.
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        while let Some(mut encoder) = self.encoder.take() {
            self.buffer.clear();
            self.buffer.reserve(PIECE_SIZE + PIECE_SIZE / 4);
            let has_more = {
                let mut store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
                self.page.write(&mut store, &mut self.buffer, PIECE_SIZE)
            };
            let encoded = encoder.encode(&mut self.buffer)?;
            let encoded = if has_more {
                self.encoder = Some(encoder);
                encoded
            } else {
                encoder.finish(encoded)?
            };
            if !encoded.is_empty() {
                return Ok(Some(encoded.into()));
            }
        }
        Ok(None)
    }
}

/// Compresses the pieces of a page into one stream.
enum Encoder {
    Identity,
    // The fastest level: most of what could be saved is saved by it, for a fifth of the time.
    Gzip(GzEncoder<Vec<u8>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    fn new(encoding: Encoding) -> io::Result<Self> {
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(Vec::new(), Compression::fast())),
            Encoding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Encoding::Identity => Self::Identity,
        })
    }

    fn encode(&mut self, piece: &mut Vec<u8>) -> io::Result<Vec<u8>> {
        Ok(match self {
            Self::Identity => std::mem::take(piece),
            Self::Gzip(encoder) => {
                encoder.write_all(piece)?;
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(piece)?;
                std::mem::take(encoder.get_mut())
            }
        })
    }

    /// Puts the end of the stream behind what was encoded last.
    fn finish(self, mut encoded: Vec<u8>) -> io::Result<Vec<u8>> {
        match self {
            Self::Identity => {}
            Self::Gzip(encoder) => encoded.append(&mut encoder.finish()?),
            Self::Zstd(encoder) => encoded.append(&mut encoder.finish()?),
        }
        Ok(encoded)
    }
}
