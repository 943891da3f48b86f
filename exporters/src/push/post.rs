//! Posts bodies to one URL, and reads what is answered.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use config::ByteSize;
use http::header::{CONTENT_ENCODING, HOST};
use http::{HeaderMap, Method, Request, Response, Uri, response};
use pipeline::Clock;
use pipeline::component::{BoxError, ExportError};
use pipeline::net::auth::Authenticator;
use pipeline::net::body::{self, BodyError};
use pipeline::net::client::{ClientConfig, HttpClient, Protocol};
use pipeline::net::{Body, client_tls, full};

use super::{broken, printable};

/// The text of an answer is waited for this long; its status says enough.
const EXPLANATION_WAIT: Duration = Duration::from_secs(1);

/// One destination.
pub(crate) struct Post {
    pub(crate) url: Uri,
    /// Sent with each request.
    pub(crate) headers: HeaderMap,
    pub(crate) tls: client_tls::Config,
    pub(crate) authenticator: Option<Arc<Authenticator>>,
    /// After decompression; larger answers are not read.
    pub(crate) response_size_max: ByteSize,
    pub(crate) clock: Clock,
    pub(crate) client: OnceLock<HttpClient>,
}

impl Post {
    /// Reads certificates and checks credentials; connects to nothing yet.
    pub(crate) fn start(&self) -> Result<(), BoxError> {
        if let Some(authenticator) = &self.authenticator {
            authenticator.ready_to_authorize()?;
        }
        let client = HttpClient::new(&ClientConfig {
            tls: self.tls.clone(),
            // HTTP/2 names the host in the URL, so only HTTP/1.1 can name another.
            protocol: if self.headers.contains_key(HOST) { Protocol::Http1 } else { Protocol::Auto },
            ..ClientConfig::default()
        })?;
        // Started once; a second client would only replace an equal one.
        let _ = self.client.set(client);
        Ok(())
    }

    /// Sends a body under these headers besides; returns with the answer's head.
    pub(crate) async fn send(&self, body: Bytes, headers: HeaderMap) -> Result<Response<Body>, ExportError> {
        let Some(client) = self.client.get() else {
            return Err(ExportError::Retry { after: None, reason: String::from("not started") });
        };
        let mut request = Request::new(full(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.url.clone();
        let all = request.headers_mut();
        all.clone_from(&self.headers);
        all.extend(headers);
        if let Some(authenticator) = &self.authenticator {
            authenticator.authorize(all).map_err(|error| broken(&error))?;
        }
        client.send(request).await.map_err(|error| broken(&error))
    }

    /// What an answer says, if it can be read in a moment, or why it cannot.
    pub(crate) async fn explanation(
        &self,
        response: Response<Body>,
    ) -> (response::Parts, Result<Bytes, String>) {
        let (head, body) = response.into_parts();
        let body = tokio::time::timeout(EXPLANATION_WAIT, self.read(&head.headers, body)).await;
        let body = body.unwrap_or_else(|_| Err(BodyError::Broken(String::from("it takes too long"))));
        (head, body.map_err(|error| printable(&error.to_string())))
    }

    /// An answer's body, decompressed.
    pub(crate) async fn read(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, BodyError> {
        let name = headers.get(CONTENT_ENCODING).map_or("", |value| value.to_str().unwrap_or("?"));
        let encoding = body::Encoding::parse(name)
            .ok_or_else(|| BodyError::Corrupt(format!("unknown encoding `{}`", printable(name))))?;
        let limit = usize::try_from(self.response_size_max.0).unwrap_or(usize::MAX);
        body::collect(body, encoding, limit).await
    }

    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_nanos(self.clock.unix_nano())
    }
}
