//! An OTLP backend that does what it is told, and remembers every point.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// What the backend does with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Accept,
    /// Answers well and forgets, to be cheap.
    Discard,
    Refuse(Code),
    /// Refuses this many of each hundred requests, spread evenly, with `UNAVAILABLE`.
    RefusePercent(u64),
    /// Refuses and asks for a pause.
    RefuseFor(Duration),
    /// Refuses with so many bytes of details.
    RefuseAtLength(usize),
    /// Takes the request and never answers.
    BlackHole,
}

/// A gRPC server on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct Backend {
    pub address: String,
    state: Arc<State>,
    _work: AbortOnDropHandle<()>,
}

#[derive(Debug)]
struct State {
    behaviour: Mutex<Behaviour>,
    requests: AtomicU64,
    // By the source and the number of a point of the load: how often it was seen.
    seen: Mutex<HashMap<(String, i64), u64>>,
}

struct Service(Arc<State>);

impl Backend {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0", behaviour).await
    }

    pub async fn start_at(address: &str, behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let state = Arc::new(State {
            behaviour: Mutex::new(behaviour),
            requests: AtomicU64::new(0),
            seen: Mutex::default(),
        });
        let service = MetricsServiceServer::new(Service(state.clone()))
            .max_decoding_message_size(64 << 20)
            .accept_compressed(CompressionEncoding::Gzip)
            .accept_compressed(CompressionEncoding::Zstd);
        let incoming = tonic::transport::server::TcpIncoming::from(listener);
        let work = tokio::spawn(async move {
            let _ =
                tonic::transport::Server::builder().add_service(service).serve_with_incoming(incoming).await;
        });
        Self { address, state, _work: AbortOnDropHandle::new(work) }
    }

    pub fn behave(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap_or_else(PoisonError::into_inner) = behaviour;
    }

    /// How many requests came, refused ones too.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// How often each point of the load was taken.
    pub fn seen(&self) -> HashMap<(String, i64), u64> {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How many different points were taken.
    pub fn distinct(&self) -> usize {
        self.state.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl State {
    fn take(&self, request: &ExportMetricsServiceRequest) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
        for metric in scopes.flat_map(|scope| &scope.metrics) {
            let Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Gauge(gauge)) = &metric.data
            else {
                continue;
            };
            for point in &gauge.data_points {
                let source = point.attributes.iter().find(|pair| pair.key == "src");
                let source = source.and_then(|pair| pair.value.as_ref()?.value.clone());
                if let (
                    Some(any_value::Value::StringValue(source)),
                    Some(number_data_point::Value::AsInt(number)),
                ) = (source, point.value)
                {
                    *seen.entry((source, number)).or_default() += 1;
                }
            }
        }
    }
}

#[tonic::async_trait]
impl MetricsService for Service {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let number = self.0.requests.fetch_add(1, Ordering::Relaxed);
        let behaviour = *self.0.behaviour.lock().unwrap_or_else(PoisonError::into_inner);
        match behaviour {
            Behaviour::Accept => {}
            Behaviour::Discard => return Ok(Response::new(ExportMetricsServiceResponse::default())),
            Behaviour::Refuse(code) => return Err(Status::new(code, "told to refuse")),
            // 37 and 100 have no common factor, so that each hundred numbers fall on all residues.
            Behaviour::RefusePercent(percent) if number * 37 % 100 < percent => {
                return Err(Status::unavailable("told to refuse some"));
            }
            Behaviour::RefusePercent(_) => {}
            Behaviour::RefuseFor(pause) => {
                let details = ErrorDetails::with_retry_info(Some(pause));
                return Err(Status::with_error_details(
                    Code::Unavailable,
                    "told to ask for a pause",
                    details,
                ));
            }
            Behaviour::RefuseAtLength(bytes) => {
                let details = vec![b'x'; bytes].into();
                return Err(Status::with_details(Code::InvalidArgument, "told to be long", details));
            }
            Behaviour::BlackHole => std::future::pending().await,
        }
        self.0.take(request.get_ref());
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
