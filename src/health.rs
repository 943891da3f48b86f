//! Says over HTTP whether the collector is at work: what the extensions `health_check` ask for.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use config::Section;
use futures_util::future::BoxFuture;
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use pipeline::component::{BoxError, Context};
use pipeline::extensions::{Extension, HealthCheckConfig};
use pipeline::net::server::{HttpService, Listen, Served};
use pipeline::net::{Body, full};
use tracing::info;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use crate::plan::{Plan, named};

/// The addresses at which it is said, and what is said there.
#[derive(Default)]
pub(crate) struct Health {
    state: Arc<State>,
    served: Serving,
}

/// By the extension's id, with what it was made from.
pub(crate) type Serving = HashMap<String, (Section, Served)>;

/// Since when the collector is at work; `None` while it starts and stops.
type State = Mutex<Option<Since>>;

#[derive(Debug, Clone)]
struct Since {
    /// As RFC 3339 writes it.
    time: String,
    instant: Instant,
}

/// What is said at one address.
struct Page {
    state: Arc<State>,
    config: HealthCheckConfig,
}

impl Health {
    /// Serves what the plan asks for and is not served yet; ended again where it is dropped.
    pub(crate) async fn serve_new(&self, context: &Context, plan: &Plan) -> Result<Serving, BoxError> {
        let mut new = HashMap::new();
        for part in plan.extensions_in_service() {
            if self.served.get(&part.id).is_some_and(|(section, _)| *section == part.section) {
                continue;
            }
            if let Extension::HealthCheck(config) =
                (part.entry.build)(&part.section, &named(context, &part.id))?
            {
                let served = serve(context, part.section.path(), config, self.state.clone()).await?;
                info!(extension = part.id, "health at {}", served.address);
                new.insert(part.id.clone(), (part.section.clone(), served));
            }
        }
        Ok(new)
    }

    /// Goes on with what is new, and ends what the plan does not ask for any more.
    pub(crate) fn change(&mut self, new: Serving, plan: &Plan) {
        self.served.retain(|id, _| plan.extensions_in_service().any(|part| part.id == *id));
        self.served.extend(new);
    }

    /// The collector is at work from now on.
    pub(crate) fn begin(&self) {
        let mut time = String::new();
        // Writing to a text does not fail; without the time it would still be said that all is well.
        let _ = SystemTime.format_time(&mut Writer::new(&mut time));
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Since { time, instant: Instant::now() });
    }

    /// The collector is at work no more.
    pub(crate) fn end(&self) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

async fn serve(
    context: &Context,
    path: &str,
    config: HealthCheckConfig,
    state: Arc<State>,
) -> Result<Served, BoxError> {
    let listen = Listen {
        endpoint: config.endpoint.clone(),
        path: if config.path == "/" { String::new() } else { config.path.clone() },
        tls: config.tls.clone(),
        owner: path.to_owned(),
        key: format!("{path}.endpoint"),
        ..Listen::default()
    };
    context.net.serve(listen, Arc::new(Page { state, config })).await
}

impl HttpService for Page {
    fn call(&self, _: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let since = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let response = respond(since.as_ref(), &self.config);
        Box::pin(async move { response })
    }
}

fn respond(since: Option<&Since>, config: &HealthCheckConfig) -> Response<Body> {
    let words = &config.response_body;
    let (status, words) = match since {
        Some(_) => (StatusCode::OK, &words.healthy),
        None => (StatusCode::SERVICE_UNAVAILABLE, &words.unhealthy),
    };
    let (text, content_type) = if words.is_empty() {
        (json(since), "application/json")
    } else {
        (words.clone(), "text/plain; charset=utf-8")
    };
    let mut response = Response::new(full(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

/// The members that an OpenTelemetry Collector's answer has.
fn json(since: Option<&Since>) -> String {
    let Some(since) = since else {
        return serde_json::json!({"status": "Server not available"}).to_string();
    };
    let uptime = format!("{:.3}s", since.instant.elapsed().as_secs_f64());
    serde_json::json!({"status": "Server available", "upSince": since.time, "uptime": uptime}).to_string()
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::*;

    #[track_caller]
    fn check(is_at_work: bool, yaml: &str, status: StatusCode, expected: &str) {
        let health = Health::default();
        if is_at_work {
            health.begin();
        }
        let config = Section::from_yaml("x", yaml).unwrap().read().unwrap();
        let since = health.state.lock().unwrap().clone();
        let response = respond(since.as_ref(), &config);
        assert_eq!(response.status(), status);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let body = runtime.block_on(response.into_body().collect()).unwrap().to_bytes();
        assert!(body.starts_with(expected.as_bytes()), "{body:?}");
    }

    #[test]
    fn it_is_said_whether_the_collector_is_at_work() {
        let unavailable = StatusCode::SERVICE_UNAVAILABLE;
        check(true, "{}", StatusCode::OK, r#"{"status":"Server available","upSince":"2"#);
        check(false, "{}", unavailable, r#"{"status":"Server not available"}"#);
        check(true, "response_body: {healthy: fine}", StatusCode::OK, "fine");
        check(false, "response_body: {unhealthy: not yet}", unavailable, "not yet");
    }
}
