//! GPUStack's API for its mapping: what holds, what holds by default, and a change that holds at once.
//!
//! `GET`, `POST` and `DELETE` of `/v2/metrics/config`, `GET` of `/v2/metrics/default-config`. What is posted is checked
//! whole, kept in a file, and laid over the rules of the schema `gpustack` in every engine that has it. Whoever may change
//! the mapping decides what the dashboards show, so there is none of it without an authenticator.

mod file;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use pipeline::component::BoxError;
use pipeline::mapping::gpustack::{self, Fault};
use pipeline::mapping::{Live, Overlay};
use pipeline::net::body::{self, BODY_TIME_MAX, BodyError, Encoding};
use pipeline::net::server::{HttpService, Incoming, text};
use pipeline::net::{Body, full};
use serde_json::json;
use tracing::{info, warn};

use file::File;

/// Thirty times the default configuration.
const BODY_BYTES_MAX: usize = 256 << 10;

/// What the exporter's section says of it.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where what was posted is kept; without it nothing can be posted.
    pub(crate) file: Option<PathBuf>,
    /// Whether requests must satisfy an authenticator before they come here.
    pub(crate) is_protected: bool,
    /// The exporter's section, for whoever must change it: `exporters.json`.
    pub(crate) section: String,
}

/// The API; one for both paths.
pub(crate) struct RuntimeConfig {
    settings: Settings,
    live: Arc<Live>,
    /// What was posted; `None` where the default holds.
    posted: Mutex<Option<Bytes>>,
    /// Held from the check of a change until it holds, so that file and engines agree on which was last.
    changing: tokio::sync::Mutex<()>,
}

/// One of the two paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Config,
    Default,
}

impl Page {
    /// The page of a path of the schema: the last of its names tells.
    pub(crate) fn of(path: &str) -> Self {
        if path.ends_with("/default-config") { Self::Default } else { Self::Config }
    }

    fn allowed(self) -> &'static str {
        match self {
            Self::Config => "GET, HEAD, POST, DELETE",
            Self::Default => "GET, HEAD, POST",
        }
    }
}

impl RuntimeConfig {
    pub(crate) fn new(settings: Settings, live: Arc<Live>) -> Self {
        Self { settings, live, posted: Mutex::new(None), changing: tokio::sync::Mutex::new(()) }
    }

    /// Takes up what was posted before; called when the exporter starts.
    pub(crate) async fn load(&self) -> Result<(), BoxError> {
        let Some(file) = self.file() else { return Ok(()) };
        let _turn = self.changing.lock().await;
        let Some(text) = file.read(BODY_BYTES_MAX).await? else {
            self.hold(None);
            return Ok(());
        };
        match gpustack::overlay(&text) {
            Ok(overlay) => self.hold(overlay.map(|overlay| (text, overlay))),
            Err(faults) => {
                let faults: Vec<_> = faults.iter().map(Fault::to_string).collect();
                let faults = faults.join("; ");
                return Err(format!("cannot use `{file}`: {faults}; correct it or remove it").into());
            }
        }
        Ok(())
    }

    /// Answers a request that had the right credentials.
    pub(crate) async fn answer<B>(&self, page: Page, head: &Parts, body: B) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes> + Send,
        B::Error: fmt::Display,
    {
        if !self.settings.is_protected {
            let section = &self.settings.section;
            let message = format!(
                "the mapping is neither shown nor changed without authentication: set `{section}.runtime_config.auth.authenticator` to the \
                 id of an extension such as `bearer_token_auth`"
            );
            return text(StatusCode::NOT_FOUND, message);
        }
        match (page, &head.method) {
            // The documentation of GPUStack asks for the default with a POST in its example.
            (Page::Default, &Method::GET | &Method::HEAD | &Method::POST) => shown(gpustack::DEFAULT.into()),
            (Page::Config, &Method::GET | &Method::HEAD) => shown(self.current()),
            (Page::Config, &Method::DELETE) => self.change(None).await,
            (Page::Config, &Method::POST) => match receive(head, body).await {
                Ok(posted) => self.change(Some(posted)).await,
                Err(refusal) => refusal,
            },
            (page, _) => {
                let mut response =
                    text(StatusCode::METHOD_NOT_ALLOWED, format!("known are {}", page.allowed()));
                response.headers_mut().insert(ALLOW, HeaderValue::from_static(page.allowed()));
                response
            }
        }
    }

    fn file(&self) -> Option<File> {
        self.settings.file.clone().filter(|_| self.settings.is_protected).map(File::new)
    }

    fn current(&self) -> Bytes {
        let posted = self.posted.lock().unwrap_or_else(PoisonError::into_inner);
        posted.clone().unwrap_or_else(|| gpustack::DEFAULT.into())
    }

    /// Checks, keeps, and lets it hold, in this order: what fails has changed nothing. `None` is the default.
    async fn change(&self, posted: Option<Bytes>) -> Response<Body> {
        let Some(file) = self.file() else {
            let section = &self.settings.section;
            let message = format!(
                "a change of the mapping has nowhere to be kept: set `{section}.runtime_config.file` to a file that can be written"
            );
            return text(StatusCode::NOT_FOUND, message);
        };
        let overlay = match posted.as_deref().map(gpustack::overlay).transpose() {
            Ok(overlay) => overlay.flatten(),
            Err(faults) => return refused(&faults),
        };
        let _turn = self.changing.lock().await;
        let wanted = posted.zip(overlay);
        let kept = match &wanted {
            Some((text, _)) => file.write(text.clone()).await,
            None => file.remove().await,
        };
        if let Err(error) = kept {
            warn!(%file, %error, "a change of the mapping cannot be kept");
            let message = format!("the change cannot be kept, and was not made: {error}");
            return text(StatusCode::INTERNAL_SERVER_ERROR, message);
        }
        info!(is_default = wanted.is_none(), "the mapping of `gpustack` was changed");
        self.hold(wanted);
        answer(StatusCode::OK, &json!({"status": "ok"}))
    }

    fn hold(&self, wanted: Option<(Bytes, Overlay)>) {
        let (posted, overlay) = wanted.unzip();
        *self.posted.lock().unwrap_or_else(PoisonError::into_inner) = posted;
        self.live.overlay(gpustack::SCHEMA, overlay.map(Arc::new));
    }
}

/// The API under one of its paths.
pub(crate) struct Served {
    pub(crate) api: Arc<RuntimeConfig>,
    pub(crate) page: Page,
}

impl HttpService for Served {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let (api, page) = (self.api.clone(), self.page);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            api.answer(page, &head, body).await
        })
    }
}

async fn receive<B>(head: &Parts, body: B) -> Result<Bytes, Response<Body>>
where
    B: http_body::Body<Data = Bytes> + Send,
    B::Error: fmt::Display,
{
    let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // A page in a browser may send anything else to anybody without asking first.
    let content_type = header(CONTENT_TYPE).split(';').next().unwrap_or_default().trim();
    if !content_type.eq_ignore_ascii_case("application/json") {
        let message = "expected the content type `application/json`";
        return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    let Some(encoding) = Encoding::parse(header(CONTENT_ENCODING)) else {
        let message = "unknown content encoding; known are `gzip`, `zstd`, `identity`";
        return Err(text(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    };
    let reading = body::collect(body, encoding, BODY_BYTES_MAX);
    let read = tokio::time::timeout(BODY_TIME_MAX, reading).await.unwrap_or(Err(BodyError::Slow));
    read.map_err(|error| {
        let status = match error {
            BodyError::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            BodyError::Slow => StatusCode::REQUEST_TIMEOUT,
            BodyError::Busy => StatusCode::SERVICE_UNAVAILABLE,
            BodyError::Corrupt(_) | BodyError::Broken(_) => StatusCode::BAD_REQUEST,
        };
        text(status, error.to_string())
    })
}

fn refused(faults: &[Fault]) -> Response<Body> {
    let problems: Vec<_> =
        faults.iter().map(|fault| json!({"path": fault.path, "message": fault.message})).collect();
    let message = "the configuration is not valid, and nothing was changed";
    answer(StatusCode::BAD_REQUEST, &json!({"status": "error", "message": message, "problems": problems}))
}

fn shown(config: Bytes) -> Response<Body> {
    with_json(StatusCode::OK, config)
}

fn answer(status: StatusCode, value: &serde_json::Value) -> Response<Body> {
    with_json(status, format!("{value}\n").into())
}

fn with_json(status: StatusCode, json: Bytes) -> Response<Body> {
    let mut response = Response::new(full(json));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl fmt::Debug for RuntimeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeConfig").field("settings", &self.settings).finish_non_exhaustive()
    }
}
