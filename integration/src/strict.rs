//! A backend that is as strict as Mimir and Grafana Cloud are documented to be, and says no in their words.

use std::collections::HashMap;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{AggregationTemporality, Metric, number_data_point};
use prost::Message;

use crate::peer::{Peer, Reply, Seen};
use crate::remote_write;

const PROTOBUF: &str = "Content-Type: application/x-protobuf\r\n";
const TEXT: &str = "Content-Type: text/plain; charset=utf-8\r\n";

/// What the backend wants.
#[derive(Debug, Clone, Default)]
pub struct Demands {
    /// The whole `Authorization` header.
    pub authorization: Option<String>,
    /// Whether `X-Scope-OrgID` has to be there.
    pub tenant: bool,
    /// Of a request, decompressed.
    pub size_max: usize,
    /// How many requests are answered with 429 first.
    pub busy: usize,
    /// Whether late points are refused by a partial success, as since 2025, or by a 400.
    pub partial_success: bool,
}

/// A server on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct Strict {
    peer: Peer,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    demands: Demands,
    /// The last time and value of each series.
    last: HashMap<String, (u64, f64)>,
    /// How often it said no, by status.
    refusals: HashMap<u16, usize>,
}

/// A status and what is said with it.
struct No(u16, String);

/// A point: its series, as text, its time and its value.
type Sample = (String, u64, f64);

impl Strict {
    pub async fn start(demands: Demands) -> Self {
        let state = Arc::new(Mutex::new(State { demands, ..State::default() }));
        let shared = state.clone();
        let peer =
            Peer::start(move |seen| shared.lock().unwrap_or_else(PoisonError::into_inner).answer(seen));
        Self { peer: peer.await, state }
    }

    pub fn url(&self) -> String {
        self.peer.url()
    }

    /// The last value of the series whose text has all these parts, where there is one such series.
    pub fn value(&self, parts: &[&str]) -> Option<f64> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found =
            state.last.iter().filter(|(series, _)| parts.iter().all(|part| series.contains(part)));
        let (_, (_, value)) = found.next()?;
        found.next().is_none().then_some(*value)
    }

    /// How often it answered with this status.
    pub fn refusals(&self, status: u16) -> usize {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refusals.get(&status).copied().unwrap_or(0)
    }
}

impl State {
    fn answer(&mut self, seen: &Seen) -> Reply {
        let path = seen.head.split(' ').nth(1).unwrap_or_default().to_owned();
        let is_otlp = path == "/otlp/v1/metrics";
        let answer = self.admit(seen, &path).and_then(|()| {
            if is_otlp { self.take_otlp(seen) } else { self.take_write(seen).map(|()| Vec::new()) }
        });
        match answer {
            Ok(body) => Reply::new(200, PROTOBUF, body),
            Err(No(status, text)) => {
                *self.refusals.entry(status).or_default() += 1;
                let pause = if status == 429 { "Retry-After: 1\r\n" } else { "" };
                match is_otlp && status != 401 && status != 404 {
                    true => Reply::new(status, &format!("{PROTOBUF}{pause}"), google_status(&text)),
                    false => Reply::new(status, &format!("{TEXT}{pause}"), format!("{text}\n")),
                }
            }
        }
    }

    /// Looks at everything that is not the body.
    fn admit(&mut self, seen: &Seen, path: &str) -> Result<(), No> {
        let wanted = self.demands.authorization.as_ref().map(|text| text.to_ascii_lowercase());
        if wanted.as_deref() != header(seen, "authorization") {
            let text =
                r#"{"status":"error","error":"authentication error: invalid authentication credentials"}"#;
            return Err(No(401, text.to_owned()));
        }
        if self.demands.tenant && header(seen, "x-scope-orgid").is_none() {
            return Err(No(401, String::from("no org id")));
        }
        if !["/otlp/v1/metrics", "/api/v1/push", "/api/prom/push"].contains(&path) {
            return Err(No(404, String::from("404 page not found")));
        }
        if self.demands.busy > 0 {
            self.demands.busy -= 1;
            let text = "the request has been rejected because the tenant exceeded the ingestion rate limit, set to \
                        10000 items/s with a maximum allowed burst of 200000 (err-mimir-tenant-max-ingestion-rate)";
            return Err(No(429, text.to_owned()));
        }
        Ok(())
    }

    fn take_otlp(&mut self, seen: &Seen) -> Result<Vec<u8>, No> {
        let body = match header(seen, "content-encoding") {
            None => seen.body.clone(),
            Some("gzip") => {
                let mut body = Vec::new();
                let read = flate2::read::GzDecoder::new(&*seen.body).read_to_end(&mut body);
                read.map_err(|error| No(400, error.to_string()))?;
                body
            }
            Some(other) => return Err(No(415, format!("unsupported compression: {other}"))),
        };
        if header(seen, "content-type") != Some("application/x-protobuf") {
            return Err(No(415, String::from("unsupported content type")));
        }
        if body.len() > self.demands.size_max {
            let text = format!(
                "the incoming OTLP request has been rejected because its message size of {} bytes is larger than the \
                 allowed limit of {} bytes (err-mimir-distributor-max-otlp-request-size)",
                body.len(),
                self.demands.size_max
            );
            return Err(No(413, text));
        }
        let request =
            ExportMetricsServiceRequest::decode(&*body).map_err(|error| No(400, error.to_string()))?;
        let late = self.store(samples(&request)?);
        match late.first() {
            Some(first) if self.demands.partial_success => {
                let partial_success = Some(ExportMetricsPartialSuccess {
                    rejected_data_points: late.len() as i64,
                    error_message: late_text(first),
                });
                Ok(ExportMetricsServiceResponse { partial_success }.encode_to_vec())
            }
            Some(first) => Err(No(400, late_text(first))),
            None => Ok(Vec::new()),
        }
    }

    fn take_write(&mut self, seen: &Seen) -> Result<(), No> {
        let headers = ["content-encoding", "content-type", "x-prometheus-remote-write-version"];
        let found = headers.map(|name| header(seen, name).unwrap_or_default());
        if found != ["snappy", "application/x-protobuf", "0.1.0"] {
            return Err(No(415, format!("unsupported headers: {found:?}")));
        }
        let series = remote_write::series(&seen.body).map_err(|error| No(400, error))?;
        let mut samples = Vec::new();
        for (labels, values) in series {
            if !labels.is_sorted_by(|a, b| a.0 < b.0) {
                return Err(No(400, format!("received a series whose labels are not sorted: {labels:?}")));
            }
            let labels: String = labels.iter().map(|(name, value)| format!("{name}={value} ")).collect();
            samples.extend(
                values.iter().map(|(time, value)| (labels.clone(), *time as u64 * 1_000_000, *value)),
            );
        }
        self.store(samples).first().map_or(Ok(()), |late| Err(No(400, late_text(late))))
    }

    /// Keeps what is not older than what is there; returns the series of the rest.
    fn store(&mut self, samples: Vec<Sample>) -> Vec<String> {
        let mut late = Vec::new();
        for (series, time, value) in samples {
            if self.last.get(&series).is_some_and(|(last, _)| time < *last) {
                late.push(series);
            } else {
                self.last.insert(series, (time, value));
            }
        }
        late
    }
}

fn late_text(series: &str) -> String {
    format!(
        "failed pushing to ingester ingester-1: user=tenant: the sample has been rejected because another sample with \
         a more recent timestamp has already been ingested and out-of-order samples are not allowed \
         (err-mimir-sample-out-of-order). The affected sample has timestamp 2025-01-01T00:00:00Z and is from series \
         {series}"
    )
}

/// A `google.rpc.Status` with code 3 and this message.
fn google_status(message: &str) -> Vec<u8> {
    let mut status = vec![8, 3, 18];
    prost::encode_length_delimiter(message.len(), &mut status).expect("a vector grows");
    status.extend_from_slice(message.as_bytes());
    status
}

/// In lower case, as the head is.
fn header<'a>(seen: &'a Seen, name: &str) -> Option<&'a str> {
    seen.head.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.trim()))
}

/// The numbers and the counts of histograms of a request; delta is refused, and the request with it.
fn samples(request: &ExportMetricsServiceRequest) -> Result<Vec<Sample>, No> {
    let mut samples = Vec::new();
    for resource in &request.resource_metrics {
        let identity = format!("{:?}", resource.resource.as_ref().map(|resource| &resource.attributes));
        for metric in resource.scope_metrics.iter().flat_map(|scope| &scope.metrics) {
            samples.extend(metric_samples(metric, &identity)?);
        }
    }
    Ok(samples)
}

fn metric_samples(metric: &Metric, resource: &str) -> Result<Vec<Sample>, No> {
    let delta = AggregationTemporality::Delta as i32;
    let (temporality, points): (i32, Vec<(String, u64, f64)>) = match &metric.data {
        Some(Data::Gauge(gauge)) => (0, gauge.data_points.iter().map(number).collect()),
        Some(Data::Sum(sum)) => (sum.aggregation_temporality, sum.data_points.iter().map(number).collect()),
        Some(Data::Histogram(histogram)) => {
            let points = histogram.data_points.iter();
            let points = points
                .map(|point| (format!("{:?}", point.attributes), point.time_unix_nano, point.count as f64));
            (histogram.aggregation_temporality, points.collect())
        }
        Some(Data::ExponentialHistogram(histogram)) => {
            let points = histogram.data_points.iter();
            let points = points
                .map(|point| (format!("{:?}", point.attributes), point.time_unix_nano, point.count as f64));
            (histogram.aggregation_temporality, points.collect())
        }
        Some(Data::Summary(_)) | None => (0, Vec::new()),
    };
    if temporality == delta {
        let text = format!("invalid temporality and type combination for metric \"{}\"", metric.name);
        return Err(No(400, text));
    }
    let name = format!("__name__={} {resource} ", metric.name);
    Ok(points
        .into_iter()
        .map(|(attributes, time, value)| (format!("{name}{attributes}"), time, value))
        .collect())
}

fn number(point: &opentelemetry_proto::tonic::metrics::v1::NumberDataPoint) -> Sample {
    let value = match point.value {
        Some(number_data_point::Value::AsDouble(value)) => value,
        Some(number_data_point::Value::AsInt(value)) => value as f64,
        None => f64::NAN,
    };
    (format!("{:?}", point.attributes), point.time_unix_nano, value)
}
