//! Opens connections: TCP or a Unix socket, with TLS on top where the URL says `https`.

use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::Uri;
use http::uri::Scheme;
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio_rustls::TlsConnector;
use tower_service::Service;

use super::ClientConfig;
use super::resolver::Resolver;
use crate::component::BoxError;
use crate::errors::Caused;
use crate::net::client_tls::Certificates;

/// For everything until the first request can be written: name, TCP, TLS.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// How long an idle connection stays unasked whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// A connection on which nothing is acknowledged for this long is gone. Without it a pooled HTTP/2
/// connection to a host that vanished is used for a quarter of an hour.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// Opens connections for the pool.
#[derive(Clone)]
pub(super) struct Connector {
    tcp: HttpConnector<Resolver>,
    certificates: Arc<Certificates>,
    unix_socket: Option<PathBuf>,
    /// Where to connect, whatever the URL.
    target: Option<Uri>,
}

/// An open connection.
pub(super) struct Stream {
    io: Box<dyn Io>,
    is_http2: bool,
}

trait Io: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Io for T {}

impl Connector {
    pub(super) fn new(certificates: Arc<Certificates>, config: &ClientConfig, target: Option<Uri>) -> Self {
        let mut tcp = HttpConnector::new_with_resolver(Resolver::default());
        tcp.enforce_http(false);
        tcp.set_connect_timeout(Some(
            config.connect_timeout.map_or(CONNECT_MAX, |timeout| timeout.min(CONNECT_MAX)),
        ));
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        Self { tcp, certificates, unix_socket: config.unix_socket.clone(), target }
    }

    async fn connect(mut self, url: Uri) -> Result<TokioIo<Stream>, BoxError> {
        let is_tls = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => true,
            Some(scheme) if *scheme == Scheme::HTTP => false,
            _ => return Err("expected a URL that starts with `http://` or `https://`".into()),
        };
        let host = url.host().unwrap_or_default().to_owned();
        let io: Box<dyn Io> = match &self.unix_socket {
            Some(path) => Box::new(UnixStream::connect(path).await?),
            None => Box::new(self.tcp.call(self.target.clone().unwrap_or(url)).await?.into_inner()),
        };
        if is_tls {
            self.handshake(io, &host).await
        } else {
            Ok(TokioIo::new(Stream { io, is_http2: false }))
        }
    }

    async fn handshake(self, io: Box<dyn Io>, host: &str) -> Result<TokioIo<Stream>, BoxError> {
        let name = self.certificates.config().server_name(host)?;
        // Reads files.
        let config = tokio::task::spawn_blocking(move || self.certificates.current()).await??;
        let stream = TlsConnector::from(config)
            .connect(name, io)
            .await
            .map_err(|error| Caused::new("TLS handshake failed", error))?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        Ok(TokioIo::new(Stream { io: Box::new(stream), is_http2 }))
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, url: Uri) -> Self::Future {
        let connecting = self.clone().connect(url);
        Box::pin(async move {
            match tokio::time::timeout(CONNECT_MAX, connecting).await {
                Ok(connected) => connected,
                Err(_) => Err(format!("no connection within {} seconds", CONNECT_MAX.as_secs()).into()),
            }
        })
    }
}

impl Connection for Stream {
    fn connected(&self) -> Connected {
        let connected = Connected::new();
        if self.is_http2 { connected.negotiated_h2() } else { connected }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, buffer)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(context, buffers)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}
