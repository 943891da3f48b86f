//! What may be asked of the mappings of a running collector, beside its own metrics: read only.
//!
//! `GET /mappings` tells every metric and what feeds it; `GET /mappings/explain?metric=NAME` tells more of one.
//! The structs are the answers' shape, written here and read by `schemas` and `explain`.

use std::sync::{Arc, PoisonError};

use futures_util::future::BoxFuture;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use pipeline::mapping::{self, Live};
use pipeline::net::server::{HttpService, text};
use pipeline::net::{Body, full};
use serde::{Deserialize, Serialize};

/// Where the state of all metrics is.
pub(crate) const MAPPINGS: &str = "/mappings";
/// Where one metric is explained.
pub(crate) const EXPLAIN: &str = "/mappings/explain";

/// The answer to [`MAPPINGS`]: each processor that maps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mappings {
    pub(crate) processors: Vec<Processor>,
}

/// A processor, and the metrics that its mappings make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Processor {
    pub(crate) id: String,
    pub(crate) mappings: Vec<String>,
    pub(crate) metrics: Vec<Metric>,
}

/// A metric, and what it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Metric {
    pub(crate) mapping: String,
    pub(crate) name: String,
    pub(crate) place: String,
    /// How many series it has.
    pub(crate) series: usize,
    /// In order of preference.
    pub(crate) sources: Vec<Source>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Source {
    pub(crate) input: String,
    /// How many series feed it.
    pub(crate) live: usize,
    pub(crate) is_used: bool,
}

/// The answer to [`EXPLAIN`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Explanations {
    /// One for each rule; empty where no mapping has the metric.
    pub(crate) explanations: Vec<Explanation>,
    /// Where it is empty: what would do.
    pub(crate) instead: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Explanation {
    pub(crate) processor: String,
    pub(crate) metric: Metric,
    pub(crate) inputs: Vec<String>,
    pub(crate) outputs: Vec<String>,
    pub(crate) missing: Vec<String>,
}

/// Answers at one of the paths.
pub(crate) struct Admin {
    mappings: Arc<Live>,
    answer: fn(&Live, &http::Uri) -> Response<Body>,
}

impl Admin {
    /// The services, with their paths.
    pub(crate) fn services(mappings: &Arc<Live>) -> [(&'static str, Arc<dyn HttpService>); 2] {
        let service = |answer| Arc::new(Self { mappings: mappings.clone(), answer });
        [(MAPPINGS, service(all)), (EXPLAIN, service(explain))]
    }
}

impl HttpService for Admin {
    fn call(&self, request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let (mappings, answer) = (self.mappings.clone(), self.answer);
        Box::pin(async move {
            if !matches!(*request.method(), Method::GET | Method::HEAD) {
                return text(StatusCode::METHOD_NOT_ALLOWED, "only GET is answered here");
            }
            // An engine is locked while it maps, which may take a while with a large batch.
            let answered = tokio::task::spawn_blocking(move || answer(&mappings, request.uri())).await;
            answered.unwrap_or_else(|_| text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be told"))
        })
    }
}

fn all(mappings: &Live, _: &http::Uri) -> Response<Body> {
    json(StatusCode::OK, &state(mappings))
}

fn explain(mappings: &Live, uri: &http::Uri) -> Response<Body> {
    let Some(metric) = uri.query().and_then(metric_of) else {
        return text(StatusCode::BAD_REQUEST, "expected `?metric=NAME`");
    };
    let explanations = explanations(mappings, &metric);
    let status = if explanations.explanations.is_empty() { StatusCode::NOT_FOUND } else { StatusCode::OK };
    json(status, &explanations)
}

/// What the mappings make now.
fn state(mappings: &Live) -> Mappings {
    let processors = mappings.engines().into_iter().map(|(id, engine)| {
        let engine = engine.lock().unwrap_or_else(PoisonError::into_inner);
        Processor {
            id,
            mappings: engine.mappings().into_iter().map(str::to_owned).collect(),
            metrics: engine.status().into_iter().map(Metric::from).collect(),
        }
    });
    Mappings { processors: processors.collect() }
}

fn explanations(mappings: &Live, metric: &str) -> Explanations {
    let mut explanations = Vec::new();
    for (processor, engine) in mappings.engines() {
        let found = engine.lock().unwrap_or_else(PoisonError::into_inner).explain(metric);
        explanations.extend(found.into_iter().map(|found| Explanation {
            processor: processor.clone(),
            metric: found.status.into(),
            inputs: found.inputs,
            outputs: found.outputs,
            missing: found.missing,
        }));
    }
    let instead = explanations.is_empty().then(|| {
        let state = state(mappings);
        let metrics = state.processors.iter().flat_map(|processor| &processor.metrics);
        let near = config::nearest(metric, metrics.map(|metric| metric.name.as_str()));
        near.map(|near| format!("did you mean `{near}`?"))
    });
    Explanations { explanations, instead: instead.flatten() }
}

/// The value of `metric` in a query.
fn metric_of(query: &str) -> Option<String> {
    let value = query.split('&').find_map(|pair| pair.strip_prefix("metric="))?;
    let decoded = percent_encoding::percent_decode_str(value).decode_utf8().ok()?;
    (!decoded.is_empty()).then(|| decoded.into_owned())
}

fn json(status: StatusCode, answer: &impl Serialize) -> Response<Body> {
    let Ok(body) = serde_json::to_vec(answer) else {
        return text(StatusCode::INTERNAL_SERVER_ERROR, "cannot be told");
    };
    let mut response = Response::new(full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

impl From<mapping::Status> for Metric {
    fn from(status: mapping::Status) -> Self {
        let mapping::Status { mapping, metric, place, series, sources } = status;
        let sources = sources.into_iter().map(|source| Source {
            input: source.input,
            live: source.live,
            is_used: source.is_used,
        });
        Self { mapping, name: metric, place, series, sources: sources.collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_metric_of_a_query_is_decoded() {
        assert_eq!(metric_of("metric=vllm%3Aa&x=1").as_deref(), Some("vllm:a"));
        assert_eq!(metric_of("x=1&metric=a").as_deref(), Some("a"));
        assert_eq!(metric_of("metric="), None);
        assert_eq!(metric_of("metrics=a"), None);
        assert_eq!(metric_of("metric=%ff"), None);
    }

    #[test]
    fn without_mappings_nothing_is_there() {
        let live = Live::default();
        assert_eq!(state(&live), Mappings { processors: Vec::new() });
        let explanations = explanations(&live, "a");
        assert_eq!(explanations, Explanations { explanations: Vec::new(), instead: None });
    }
}
