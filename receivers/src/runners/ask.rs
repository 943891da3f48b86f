//! Asks an address for one path: a GET, bounded in time and size, that stays at the address.

use std::sync::Arc;
use std::time::Duration;

use ::http::header::{ACCEPT, HeaderName, SERVER};
use ::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::BodyExt;
use pipeline::component::BoxError;
use pipeline::errors::chain;
use pipeline::net::Body;
use pipeline::net::auth::Authenticator;
use pipeline::net::client::{ClientConfig, HttpClient, PRODUCT, is_unreachable};

use super::config::Place;
use crate::prometheus::config::HttpConfig;

/// Asks one address.
#[derive(Debug)]
pub(crate) struct Asker {
    client: HttpClient,
    /// `http://host:port`.
    origin: String,
    headers: HeaderMap,
    authenticator: Option<Arc<Authenticator>>,
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) server: String,
    /// Cut off where it is long.
    pub(crate) body: Bytes,
    /// The path that answered in the end.
    pub(crate) path: String,
}

/// Why nothing came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Silence {
    /// Nobody takes connections.
    Unreachable(String),
    /// No complete answer in time.
    Slow,
    /// Something else than HTTP, or a connection that broke.
    NotHttp(String),
}

const CONNECT_MAX: Duration = Duration::from_secs(1);
const ANSWER_MAX: Duration = Duration::from_secs(2);
const REDIRECTS_MAX: usize = 2;
/// Names are read from the beginning of a page; what is behind is not needed to tell whose it is.
const BODY_BYTES_MAX: usize = 1 << 20;

impl Asker {
    pub(crate) fn new(place: &Place) -> Result<Self, BoxError> {
        let HttpConfig { client, authenticator, mut headers } = HttpConfig::new(&place.job());
        headers.insert(
            ACCEPT,
            HeaderValue::from_static("text/plain;version=0.0.4, application/json, */*;q=0.1"),
        );
        let socket = place.unix_socket();
        let host = if socket.is_some() { "localhost" } else { place.address() };
        let config = ClientConfig { connect_timeout: Some(CONNECT_MAX), unix_socket: socket, ..client };
        let origin = format!("{}://{host}", place.scheme());
        Ok(Self { client: HttpClient::new(&config)?, origin, headers, authenticator })
    }

    pub(crate) async fn get(&self, path: &str) -> Result<Answer, Silence> {
        let answer = tokio::time::timeout(ANSWER_MAX, self.ask(path)).await;
        answer.unwrap_or(Err(Silence::Slow))
    }

    async fn ask(&self, path: &str) -> Result<Answer, Silence> {
        let broken = |error: BoxError| Silence::NotHttp(chain(&*error));
        let url: Uri = format!("{}{path}", self.origin).parse().map_err(|_| broken("no URL".into()))?;
        let mut headers = self.headers.clone();
        if let Some(authenticator) = &self.authenticator {
            authenticator.authorize(&mut headers).map_err(broken)?;
        }
        let answer = self.client.get_at_origin(url, headers, REDIRECTS_MAX).await;
        let (response, url) = answer.map_err(|error| {
            if is_unreachable(&*error) { Silence::Unreachable(chain(&*error)) } else { broken(error) }
        })?;
        let (head, body) = response.into_parts();
        let text = |name: &HeaderName| {
            let value = head.headers.get(name).map_or(&[][..], HeaderValue::as_bytes);
            String::from_utf8_lossy(value).into_owned()
        };
        Ok(Answer {
            status: head.status,
            server: text(&SERVER),
            body: beginning(body).await.map_err(broken)?,
            path: url.path_and_query().map_or(path, |path| path.as_str()).to_owned(),
        })
    }
}

impl Answer {
    pub(crate) fn is_ok(&self) -> bool {
        self.status == StatusCode::OK
    }

    /// Whether it says this somewhere.
    pub(crate) fn says(&self, text: &str) -> bool {
        String::from_utf8_lossy(&self.body).contains(text)
    }

    pub(crate) fn wants_credentials(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }

    /// Whether a collector like this one answered: its pages hold the names of others.
    pub(crate) fn is_ours(&self) -> bool {
        let product = PRODUCT.split('/').next().unwrap_or_default();
        self.server.split('/').next() == Some(product)
    }

    pub(crate) fn is_llama_cpp(&self) -> bool {
        self.server == "llama.cpp"
    }
}

/// Reads until the end, or until it is enough.
async fn beginning(mut body: Body) -> Result<Bytes, BoxError> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(bytes) = frame?.into_data() {
            read.extend_from_slice(&bytes);
        }
        if read.len() >= BODY_BYTES_MAX {
            read.truncate(BODY_BYTES_MAX);
            break;
        }
    }
    Ok(read.into())
}
