//! More load than can be carried: heavy points over many connections, sent again at once when they are refused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, exemplar, metric};
use prost::Message;
use tokio::time::sleep;
use tonic::Code;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use crate::load::{Ledger, Load, attribute};
use crate::{Response, request};

/// Senders that do not wait as long as they are told.
#[derive(Debug, Clone)]
pub struct Surge {
    /// Addresses, without a scheme.
    pub grpc: String,
    pub http: String,
    /// As many of each kind.
    pub lanes: u64,
    pub requests: u64,
    pub points_per_request: u64,
    /// What each point carries along.
    pub point_bytes: usize,
}

/// How often the collector said "try later", and how often without a time.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    pub with_time: Arc<AtomicU64>,
    pub without_time: Arc<AtomicU64>,
}

enum Sender {
    Grpc(Box<MetricsServiceClient<Channel>>),
    Http(String),
}

impl Surge {
    /// Sends everything until it is taken. Panics where an answer is neither success nor "try later".
    pub async fn run(self, refusals: Refusals) -> Vec<Ledger> {
        let mut lanes = Vec::new();
        for lane in 0..self.lanes {
            let url = format!("http://{}", self.grpc);
            let client = MetricsServiceClient::connect(url).await.expect("the collector listens");
            lanes.push((format!("grpc{lane}"), Sender::Grpc(Box::new(client))));
            lanes.push((format!("http{lane}"), Sender::Http(self.http.clone())));
        }
        let lanes = lanes
            .into_iter()
            .map(|(source, sender)| tokio::spawn(self.clone().lane(source, sender, refusals.clone())));
        let mut ledgers = Vec::new();
        for lane in lanes.collect::<Vec<_>>() {
            ledgers.push(lane.await.expect("answers are success or `try later`"));
        }
        ledgers
    }

    async fn lane(self, source: String, mut sender: Sender, refusals: Refusals) -> Ledger {
        let mut ledger = Ledger { source: source.clone(), ..Ledger::default() };
        let load = Load {
            endpoint: String::new(),
            source,
            requests: self.requests,
            points_per_request: self.points_per_request,
            interval: Duration::ZERO,
        };
        for number in 0..self.requests {
            let request = heavy(load.request(number * self.points_per_request), self.point_bytes);
            while let Some(has_time) = sender.send(&request).await {
                let refusals = if has_time { &refusals.with_time } else { &refusals.without_time };
                refusals.fetch_add(1, Ordering::Relaxed);
                ledger.pushed_back += 1;
                sleep(Duration::from_millis(50)).await;
            }
            ledger.acknowledged += self.points_per_request;
        }
        ledger
    }
}

impl Sender {
    /// `None` where the request was taken, else whether a time to come back was told.
    async fn send(&mut self, message: &ExportMetricsServiceRequest) -> Option<bool> {
        match self {
            Self::Grpc(client) => {
                let status = client.export(message.clone()).await.err()?;
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                Some(status.get_details_retry_info().is_some_and(|info| info.retry_delay.is_some()))
            }
            Self::Http(address) => {
                let headers = ["Content-Type: application/x-protobuf"];
                let answer: Response =
                    request(address, "POST /v1/metrics HTTP/1.1", &headers, &message.encode_to_vec()).await;
                if answer.status == 200 {
                    return None;
                }
                assert_eq!(answer.status, 503, "{}", answer.text());
                Some(answer.header("retry-after").is_some())
            }
        }
    }
}

/// Hangs an exemplar of this size on every point.
fn heavy(mut request: ExportMetricsServiceRequest, bytes: usize) -> ExportMetricsServiceRequest {
    let exemplar = Exemplar {
        filtered_attributes: vec![attribute("weight", &"x".repeat(bytes))],
        // Without a value it would not be valid.
        value: Some(exemplar::Value::AsInt(1)),
        ..Exemplar::default()
    };
    let scopes = request.resource_metrics.iter_mut().flat_map(|resource| &mut resource.scope_metrics);
    for metric in scopes.flat_map(|scope| &mut scope.metrics) {
        if let Some(metric::Data::Gauge(gauge)) = &mut metric.data {
            gauge.data_points.iter_mut().for_each(|point| point.exemplars = vec![exemplar.clone()]);
        }
    }
    request
}
