//! Incoming HTTP: one listener an address, shared by whoever serves a path there.

mod activity;
mod address;
mod bound;
mod connection;
mod listener;
#[cfg(test)]
mod tests;
mod unix;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use tracing::warn;

use crate::component::BoxError;
use crate::net::auth::Denied;
use crate::net::{Body, Net, full, server_tls};

use address::Address;
/// A request's body as it comes from the connection.
pub use hyper::body::Incoming;

pub use address::{LocalAddress, check_endpoint};
pub(crate) use listener::Listeners;
use listener::{Listener, Route};

/// Keys of an OpenTelemetry Collector's HTTP servers that have no meaning here.
pub const IGNORED: &[&str] = &[
    "include_metadata",
    "read_timeout",
    "read_header_timeout",
    "write_timeout",
    "idle_timeout",
    "keep_alives_enabled",
];

/// Those that have none besides where nothing but a page is read.
pub const IGNORED_WHERE_READ: &[&str] =
    &["cors", "response_headers", "compression_algorithms", "max_request_body_size"];

/// How long a stopped address waits for its connections to close before it is done with them.
const CLOSE_TIME_MAX: Duration = Duration::from_secs(5);

/// Answers requests; errors are responses.
pub trait HttpService: Send + Sync + 'static {
    /// Called for each request that had the right credentials. A panic is answered with 500.
    fn call(&self, request: http::Request<Incoming>) -> BoxFuture<'static, Response<Body>>;

    /// The answer to a request without the right credentials; the default is plain text.
    fn deny(&self, _request: &Parts, denied: &Denied) -> Response<Body> {
        unauthorized(denied, text(StatusCode::UNAUTHORIZED, "unauthorized"))
    }
}

/// Where and how to listen.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Listen {
    /// `127.0.0.1:4318`; port 0 takes a free one; `localhost` is this machine in IPv4 and IPv6; no host
    /// is every interface; `unix:///run/x.sock` is a socket for the user and group of the collector.
    pub endpoint: String,
    /// The path served, exactly; empty for every path no other has (a gRPC server).
    pub path: String,
    pub tls: Option<server_tls::Config>,
    /// The id of the authenticator that requests must satisfy.
    pub authenticator: Option<String>,
    /// The component that listens. The same owner may serve its path anew while the old service still
    /// runs: the new one takes over at once, without a gap, and the old one goes on if the new one ends first.
    pub owner: String,
    /// The key of the configuration that changes the address, for errors.
    pub key: String,
}

/// A path being served; [`Served::stop`] ends it, and so does dropping it, without waiting.
#[derive(Debug)]
pub struct Served {
    /// The address in use, with the port that was taken.
    pub address: LocalAddress,
    route: Arc<Route>,
    listener: Arc<Listener>,
    listeners: Arc<Listeners>,
}

impl Net {
    /// Serves `service` on HTTP/1.1 and HTTP/2.
    ///
    /// Opens the address if nobody does yet. An error names the address, what stands in the way, and the
    /// key to change. With port 0, calls of the same owner and key share a port.
    pub async fn serve(&self, listen: Listen, service: Arc<dyn HttpService>) -> Result<Served, BoxError> {
        let authenticator = match &listen.authenticator {
            Some(id) => Some(self.find_authenticator(id)?),
            None => None,
        };
        if let Some(authenticator) = &authenticator {
            authenticator.ready_to_check()?;
        }
        let tls = match &listen.tls {
            Some(config) => Some(Arc::new(server_tls::Acceptor::load(config, &listen.key)?)),
            None => None,
        };
        let address = Address::resolve(&listen.endpoint).await.map_err(|reason| {
            format!("cannot listen on {}: {reason}; change `{}`", listen.endpoint, listen.key)
        })?;
        let any_certificate = listen.tls.as_ref().is_none_or(|tls| tls.client_ca_file.is_empty());
        if !address.is_loopback() && authenticator.is_none() && any_certificate {
            warn!(
                endpoint = %listen.endpoint, key = %listen.key,
                "listening beyond this machine without authentication"
            );
        }
        let route = Arc::new(Route::new(&listen, service, authenticator, tls));
        let listener = self.listeners.open(&address, &listen, route.clone())?;
        let address = listener.address().clone();
        Ok(Served { address, route, listener, listeners: self.listeners.clone() })
    }
}

impl Served {
    /// Takes nothing new, and returns when the requests under way have been answered.
    ///
    /// The address stays open as long as somebody else serves there.
    pub async fn stop(self) {
        let closed = self.listeners.withdraw(&self.listener, &self.route);
        self.route.finish().await;
        if closed {
            self.listener.finish(CLOSE_TIME_MAX).await;
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listeners.withdraw(&self.listener, &self.route);
    }
}

/// A short answer in plain text.
pub fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let mut text: String = text.into();
    text.push('\n');
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// Adds what tells the client which credentials would do.
pub fn unauthorized(denied: &Denied, mut response: Response<Body>) -> Response<Body> {
    if let Ok(challenge) = HeaderValue::from_str(&denied.challenge) {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}
