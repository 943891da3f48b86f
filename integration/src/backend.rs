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
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;
use tonic::codec::CompressionEncoding;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::account::{Account, is_poison, otlp_points};

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
    /// Is exhausted, and asks for a pause or does not.
    Exhausted(Option<Duration>),
    /// Refuses every request that has one of the points that are poison to it.
    RefusePoison,
    /// Finds every request of more points than this too large.
    RefuseLarger(usize),
    /// Takes everything, and answers so much later.
    Late(Duration),
    /// Takes everything, and never answers this many of each hundred requests, spread evenly.
    LoseAnswers(u64),
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
    account: Arc<Account>,
}

struct Service(Arc<State>);

impl Backend {
    pub async fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0", behaviour).await
    }

    pub async fn start_at(address: &str, behaviour: Behaviour) -> Self {
        Self::start_with(address, behaviour, Arc::default()).await
    }

    /// The same, where several are one backend and keep one account.
    pub async fn start_with(address: &str, behaviour: Behaviour, account: Arc<Account>) -> Self {
        let listener = TcpListener::bind(address).await.expect("the address is free");
        let address = listener.local_addr().expect("a listener has an address").to_string();
        let state =
            Arc::new(State { behaviour: Mutex::new(behaviour), requests: AtomicU64::new(0), account });
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
        self.state.account.seen()
    }

    /// How many different points were taken.
    pub fn distinct(&self) -> usize {
        self.state.account.distinct()
    }

    /// All that was taken.
    pub fn account(&self) -> &Arc<Account> {
        &self.state.account
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
        // 37 and 100 have no common factor, so that each hundred numbers fall on all residues.
        let is_among = |percent: u64| number * 37 % 100 < percent;
        let points = otlp_points(request.get_ref());
        match behaviour {
            Behaviour::Accept => {}
            Behaviour::Discard => return Ok(Response::new(ExportMetricsServiceResponse::default())),
            Behaviour::Refuse(code) => return Err(Status::new(code, "told to refuse")),
            Behaviour::RefusePercent(percent) if is_among(percent) => {
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
            Behaviour::Exhausted(pause) => {
                let text = "told to be exhausted";
                return Err(match pause {
                    Some(pause) => {
                        let details = ErrorDetails::with_retry_info(Some(pause));
                        Status::with_error_details(Code::ResourceExhausted, text, details)
                    }
                    None => Status::resource_exhausted(text),
                });
            }
            Behaviour::RefusePoison if points.iter().any(is_poison) => {
                return Err(Status::invalid_argument("told to refuse a point"));
            }
            Behaviour::RefusePoison => {}
            Behaviour::RefuseLarger(points_max) if points.len() > points_max => {
                return Err(Status::resource_exhausted("received message larger than max"));
            }
            Behaviour::RefuseLarger(_) => {}
            Behaviour::Late(wait) => tokio::time::sleep(wait).await,
            Behaviour::LoseAnswers(percent) if is_among(percent) => {
                self.0.account.take(&points, false);
                std::future::pending::<()>().await;
            }
            Behaviour::LoseAnswers(_) => {}
            Behaviour::RefuseAtLength(bytes) => {
                let details = vec![b'x'; bytes].into();
                return Err(Status::with_details(Code::InvalidArgument, "told to be long", details));
            }
            Behaviour::BlackHole => std::future::pending().await,
        }
        self.0.account.take(&points, true);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}
