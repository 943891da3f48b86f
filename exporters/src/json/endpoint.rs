//! Answers requests: a page is made as a whole, and the store is free again before it is sent.

use std::sync::{Arc, Mutex, PoisonError};

use futures_util::future::BoxFuture;
use http::header::{ALLOW, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pipeline::Clock;
use pipeline::net::auth::Denied;
use pipeline::net::server::{HttpService, Incoming, unauthorized};
use pipeline::net::{Body, full};

use super::pages::Pages;
use super::render::Renderer;
use super::store::Store;
use super::tree::Tree;

/// Serves one of the pages.
pub(crate) struct Endpoint {
    pub(crate) store: Arc<Mutex<Store>>,
    pub(crate) pages: Arc<Pages>,
    /// Which.
    pub(crate) page: usize,
    pub(crate) clock: Clock,
}

impl HttpService for Endpoint {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let response = self.answer(request.method());
        Box::pin(std::future::ready(response))
    }

    fn deny(&self, _request: &Parts, denied: &Denied) -> Response<Body> {
        unauthorized(denied, failed(StatusCode::UNAUTHORIZED, "unauthorized"))
    }
}

impl Endpoint {
    pub(crate) fn answer(&self, method: &Method) -> Response<Body> {
        if method != Method::GET && method != Method::HEAD {
            let mut response = failed(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD are answered here");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        let (status, body) = self.render();
        // The range was checked when the page was read.
        json(StatusCode::from_u16(status).unwrap_or(StatusCode::OK), &body)
    }

    fn render(&self) -> (u16, Tree) {
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        let pages = &self.pages.pages;
        let renderer = Renderer { store: &store, pages, unix_nano: self.clock.unix_nano() };
        renderer.page(&pages[self.page])
    }
}

fn failed(status: StatusCode, reason: &str) -> Response<Body> {
    json(status, &Tree::Map(vec![("error".to_owned(), Tree::Text(reason.to_owned()))]))
}

fn json(status: StatusCode, body: &Tree) -> Response<Body> {
    let bytes = serde_json::to_vec(body).expect("keys are texts, and memory has no errors");
    let mut response = Response::new(full(bytes));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
