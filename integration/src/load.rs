//! OTLP load with a ledger: every point has a number, and is written down once it was acknowledged.

use std::collections::HashMap;
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use tokio::time::{Instant, sleep, sleep_until};
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;

/// A sender of numbered points.
#[derive(Debug, Clone)]
pub struct Load {
    /// `http://127.0.0.1:4317`
    pub endpoint: String,
    pub source: String,
    pub requests: u64,
    pub points_per_request: u64,
    /// Between the starts of two requests.
    pub interval: Duration,
}

/// What became of a load.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub source: String,
    /// Points from 0 up to this one (not included) were acknowledged.
    pub acknowledged: u64,
    /// How often the collector said "try later".
    pub pushed_back: u64,
    /// How long each answer took, in order.
    pub answers: Vec<Duration>,
}

impl Load {
    /// Sends everything; a request that is refused for now is sent again until it is taken.
    ///
    /// Ends early where the collector is gone.
    pub async fn run(self) -> Ledger {
        self.send(None).await
    }

    /// The same, compressed with gzip.
    pub async fn run_compressed(self) -> Ledger {
        self.send(Some(CompressionEncoding::Gzip)).await
    }

    async fn send(self, compression: Option<CompressionEncoding>) -> Ledger {
        let mut ledger = Ledger { source: self.source.clone(), ..Ledger::default() };
        let Ok(channel) =
            Channel::from_shared(self.endpoint.clone()).expect("an endpoint is a URL").connect().await
        else {
            return ledger;
        };
        let mut client = MetricsServiceClient::new(channel);
        if let Some(compression) = compression {
            client = client.send_compressed(compression);
        }
        let mut next = Instant::now();
        for number in 0..self.requests {
            sleep_until(next).await;
            next += self.interval;
            let request = self.request(number * self.points_per_request);
            loop {
                let start = Instant::now();
                match client.export(request.clone()).await {
                    Ok(_) => {
                        ledger.acknowledged += self.points_per_request;
                        ledger.answers.push(start.elapsed());
                        break;
                    }
                    Err(status) if status.code() == Code::Unavailable && ledger.pushed_back < 1_000 => {
                        ledger.pushed_back += 1;
                        sleep(Duration::from_millis(50)).await;
                    }
                    Err(_) => return ledger,
                }
            }
        }
        ledger
    }

    pub(crate) fn request(&self, first: u64) -> ExportMetricsServiceRequest {
        let points = (first..first + self.points_per_request).map(|number| NumberDataPoint {
            attributes: vec![attribute("src", &self.source), attribute("lane", &(number % 100).to_string())],
            // A millisecond apart: remote write has no finer times.
            time_unix_nano: 1_700_000_000_000_000_000 + number * 1_000_000,
            value: Some(number_data_point::Value::AsInt(number as i64)),
            ..NumberDataPoint::default()
        });
        let gauge = Gauge { data_points: points.collect() };
        let metric = Metric {
            name: String::from("load"),
            data: Some(metric::Data::Gauge(gauge)),
            ..Metric::default()
        };
        let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
        let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
        ExportMetricsServiceRequest { resource_metrics: vec![resource] }
    }
}

/// Sends the same thousand points over four connections as fast as they are taken; returns how many.
pub async fn flood(endpoint: &str, requests: u64) -> u64 {
    let template = Load {
        endpoint: endpoint.to_owned(),
        source: String::from("flood"),
        requests: 1,
        points_per_request: 1_000,
        interval: Duration::ZERO,
    };
    let lanes = (0..4).map(|_| {
        let request = template.request(0);
        let endpoint = template.endpoint.clone();
        tokio::spawn(async move {
            let channel = Channel::from_shared(endpoint).expect("an endpoint is a URL").connect().await;
            let mut client = MetricsServiceClient::new(channel.expect("the collector listens"));
            let mut sent = 0;
            while sent < requests / 4 {
                match client.export(request.clone()).await {
                    Ok(_) => sent += 1,
                    Err(_) => sleep(Duration::from_millis(5)).await,
                }
            }
            sent * 1_000
        })
    });
    let mut points = 0;
    for lane in lanes.collect::<Vec<_>>() {
        points += lane.await.expect("a lane ends");
    }
    points
}

impl Ledger {
    /// The wait within which this share of the answers came; zero without answers.
    pub fn wait(&self, share: f64) -> Duration {
        let mut answers = self.answers.clone();
        answers.sort();
        let last = answers.len().saturating_sub(1);
        answers.get((last as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// Acknowledged points that were not seen, and points that were seen more than once.
    pub fn lost_and_doubled(&self, seen: &HashMap<(String, i64), u64>) -> (u64, u64) {
        let numbers = 0..self.acknowledged as i64;
        let lost = numbers.filter(|number| !seen.contains_key(&(self.source.clone(), *number))).count();
        let mine = seen.iter().filter(|((source, _), _)| *source == self.source);
        let doubled = mine.filter(|(_, times)| **times > 1).count();
        (lost as u64, doubled as u64)
    }
}

pub(crate) fn attribute(key: &str, value: &str) -> KeyValue {
    KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    }
}
