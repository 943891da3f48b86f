//! Outgoing HTTP: one pool a component, over TCP, TLS or a Unix socket.

mod connector;
mod redirect;
mod resolver;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::header::USER_AGENT;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt;
use hyper_util::client::legacy::{self, Client};
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::component::BoxError;
use crate::net::Body;
use crate::net::client_tls::{self, Certificates};
use connector::Connector;

/// What requests say they come from.
pub const PRODUCT: &str = concat!("inferometer/", env!("CARGO_PKG_VERSION"));

/// Keys of an OpenTelemetry Collector's HTTP clients that have no meaning here.
pub const IGNORED: &[&str] = &[
    "max_idle_conns",
    "max_idle_conns_per_host",
    "max_conns_per_host",
    "idle_conn_timeout",
    "disable_keep_alives",
    "http2_read_idle_timeout",
    "http2_ping_timeout",
    "force_attempt_http2",
    "read_buffer_size",
    "write_buffer_size",
    "cookies",
];

/// A response's head, and its trailers, may be this long; what is longer ends the request.
const HEAD_SIZE_MAX: usize = 64 << 10;

/// A connection nobody used for this long is closed.
const IDLE_MAX: Duration = Duration::from_secs(90);

/// Connections kept for later use, a host.
const IDLE_CONNECTIONS_MAX: usize = 32;

/// A request over HTTP/2 that hears nothing for this long makes the connection be asked whether it lives.
/// Nothing is asked between requests: servers take that amiss.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// A connection that does not answer that within this time is given up, and the next request opens another.
const PING_MAX: Duration = Duration::from_secs(10);

/// How an [`HttpClient`] connects.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientConfig {
    pub tls: client_tls::Config,
    pub protocol: Protocol,
    /// Overrides the connection's target: requests go to this Unix socket, whatever their authority.
    pub unix_socket: Option<PathBuf>,
    /// How long resolving and connecting may take, where it is to be less than 10 seconds.
    pub connect_timeout: Option<Duration>,
}

/// Which HTTP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Protocol {
    /// HTTP/2 where TLS negotiates it, HTTP/1.1 otherwise.
    #[default]
    Auto,
    Http1,
    /// From the first byte, as gRPC does.
    Http2,
}

/// Sends requests; clones share the pool.
#[derive(Clone)]
pub struct HttpClient {
    client: Client<Connector, Body>,
    unix_socket: Option<PathBuf>,
    target: Option<Uri>,
}

impl HttpClient {
    /// Reads certificates; connects to nothing yet.
    ///
    /// The system's certificate authorities are read with the first connection that needs them.
    pub fn new(config: &ClientConfig) -> Result<Self, BoxError> {
        Self::connecting_to(config, None)
    }

    /// The same, with all connections to the host and port of `target`, whatever the requests' authority.
    ///
    /// With TLS, the certificate must be for the requests' host.
    pub fn connecting_to(config: &ClientConfig, target: Option<Uri>) -> Result<Self, BoxError> {
        let protocols: &[&str] = match config.protocol {
            Protocol::Auto => &["h2", "http/1.1"],
            Protocol::Http1 => &["http/1.1"],
            Protocol::Http2 => &["h2"],
        };
        let certificates = Arc::new(Certificates::new(config.tls.clone(), protocols));
        if certificates.config().has_files() {
            certificates.current()?;
        }
        let client = Client::builder(TokioExecutor::new())
            .timer(TokioTimer::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(IDLE_CONNECTIONS_MAX)
            .http1_max_buf_size(HEAD_SIZE_MAX)
            .http2_max_header_list_size(HEAD_SIZE_MAX as u32)
            .http2_keep_alive_interval(SILENCE_MAX)
            .http2_keep_alive_timeout(PING_MAX)
            .http2_only(config.protocol == Protocol::Http2)
            .build(Connector::new(certificates, config, target.clone()));
        Ok(Self { client, unix_socket: config.unix_socket.clone(), target })
    }

    /// Sends one request to an absolute URL (`http`, `https`); redirects are handed back, not followed.
    ///
    /// Returns with the response's head. Has no timeout of its own but for connecting: drop it. An error's
    /// chain of causes names the other side and what went wrong there, and no credentials.
    pub async fn send(&self, mut request: Request<Body>) -> Result<Response<Body>, BoxError> {
        let peer = self.peer(request.uri());
        if request.uri().authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(format!("the URL of `{peer}` carries credentials, which belong into headers").into());
        }
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(PRODUCT));
        match self.client.request(request).await {
            Ok(response) => Ok(response.map(|body| body.map_err(Into::into).boxed_unsync())),
            Err(error) => Err(SendError { peer, error }.into()),
        }
    }

    /// Where a request goes, for people: without scheme, credentials, path and query.
    fn peer(&self, url: &Uri) -> String {
        let url = self.target.as_ref().unwrap_or(url);
        match (&self.unix_socket, url.host(), url.port_u16()) {
            (Some(path), _, _) => path.display().to_string(),
            (None, Some(host), Some(port)) => format!("{host}:{port}"),
            (None, host, _) => host.unwrap_or_default().to_owned(),
        }
    }
}

/// Whether an error of [`HttpClient::send`] says that no connection could be had.
pub fn is_unreachable(error: &(dyn Error + Send + Sync + 'static)) -> bool {
    error.downcast_ref::<SendError>().is_some_and(|error| error.error.is_connect())
}

/// A request that got no response.
#[derive(Debug)]
struct SendError {
    peer: String,
    error: legacy::Error,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let doing = if self.error.is_connect() { "cannot connect to" } else { "no response from" };
        write!(f, "{doing} `{}`", self.peer)
    }
}

impl Error for SendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The pool's own error says no more than which of the two texts above applies.
        self.error.source()
    }
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").field("unix_socket", &self.unix_socket).finish_non_exhaustive()
    }
}
