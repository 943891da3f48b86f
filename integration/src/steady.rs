//! A load that goes on through refusals, restarts and changed addresses, with a ledger of what was acknowledged.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use prost::Message;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tonic::transport::Channel;

use crate::http;
use crate::load::Load;

/// How long an answer may take before the sender gives up on it.
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the collector takes OTLP; empty while there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Doors {
    /// `127.0.0.1:4317`
    pub grpc: String,
    pub http: String,
}

/// Which of the two doors is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    Grpc,
    Http,
}

/// A sender of numbered points at a steady pace, one request after the other.
#[derive(Debug, Clone)]
pub struct Steady {
    pub source: String,
    pub door: Door,
    pub points_per_request: u64,
    pub interval: Duration,
}

/// A load under way.
#[derive(Debug)]
pub struct Sending {
    stop: watch::Sender<bool>,
    pushed_back: Arc<AtomicU64>,
    work: JoinHandle<Entries>,
}

/// What became of a steady load: numbers from 0 on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entries {
    pub source: String,
    /// Numbers up to this one (not included) were put on the wire.
    pub sent: u64,
    /// Numbers up to this one (not included) were acknowledged.
    pub acknowledged: u64,
    /// Numbers that were sent again, or given up, after an attempt whose end is not known: both may have been taken.
    pub unclear: Vec<Range<u64>>,
    /// How often the collector said "try later".
    pub pushed_back: u64,
    /// The longest wait for one acknowledgement.
    pub slowest: Duration,
    /// Answers that say neither yes nor later.
    pub refused: Vec<String>,
}

enum End {
    Acknowledged,
    Later,
    Unclear,
    Refused(String),
}

impl Steady {
    pub fn start(self, doors: watch::Receiver<Doors>) -> Sending {
        let (stop, stopped) = watch::channel(false);
        let pushed_back = Arc::<AtomicU64>::default();
        let work = tokio::spawn(self.run(doors, stopped, pushed_back.clone()));
        Sending { stop, pushed_back, work }
    }

    async fn run(
        self,
        doors: watch::Receiver<Doors>,
        stopped: watch::Receiver<bool>,
        pushed_back: Arc<AtomicU64>,
    ) -> Entries {
        let load = Load {
            endpoint: String::new(),
            source: self.source.clone(),
            requests: 0,
            points_per_request: self.points_per_request,
            interval: self.interval,
        };
        let entries = Entries { source: self.source.clone(), ..Entries::default() };
        let mut way = Way { door: self.door, doors, stopped, pushed_back, channel: None, entries };
        let mut next = Instant::now();
        while !way.is_stopped() {
            sleep_until(next).await;
            // What was missed is not made up for: the pace is steady.
            next = Instant::now().max(next) + self.interval;
            let first = way.entries.acknowledged;
            if !way.send(&load.request(first), &(first..first + self.points_per_request)).await {
                break;
            }
        }
        way.entries
    }
}

impl Sending {
    /// How often the collector has said "try later" so far.
    pub fn pushed_back(&self) -> u64 {
        self.pushed_back.load(Ordering::Relaxed)
    }

    /// Ends the load when what is under way was answered.
    pub async fn stop(self) -> Entries {
        let _ = self.stop.send(true);
        self.work.await.expect("a load does not panic")
    }
}

/// A connection to wherever the collector is, and the ledger of what went over it.
struct Way {
    door: Door,
    doors: watch::Receiver<Doors>,
    stopped: watch::Receiver<bool>,
    pushed_back: Arc<AtomicU64>,
    channel: Option<(String, MetricsServiceClient<Channel>)>,
    entries: Entries,
}

impl Way {
    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// Sends one request until it is acknowledged; `false` where that ended without.
    async fn send(&mut self, request: &ExportMetricsServiceRequest, numbers: &Range<u64>) -> bool {
        let start = Instant::now();
        loop {
            let end = self.attempt(request).await;
            let entries = &mut self.entries;
            if end.is_some() {
                entries.sent = entries.sent.max(numbers.end);
            }
            match end {
                Some(End::Acknowledged) => {
                    entries.acknowledged = numbers.end;
                    entries.slowest = entries.slowest.max(start.elapsed());
                    return true;
                }
                Some(End::Later) => {
                    entries.pushed_back += 1;
                    self.pushed_back.store(entries.pushed_back, Ordering::Relaxed);
                }
                Some(End::Unclear) => {
                    if entries.unclear.last() != Some(numbers) {
                        entries.unclear.push(numbers.clone());
                    }
                }
                Some(End::Refused(why)) => {
                    entries.refused.push(why);
                    return false;
                }
                None => {}
            }
            if self.is_stopped() {
                return false;
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// How one attempt ended; `None` where there was nothing to connect to.
    async fn attempt(&mut self, request: &ExportMetricsServiceRequest) -> Option<End> {
        let doors = self.doors.borrow().clone();
        match self.door {
            Door::Grpc => self.attempt_grpc(&doors.grpc, request).await,
            Door::Http => attempt_http(&doors.http, request).await,
        }
    }

    async fn attempt_grpc(&mut self, address: &str, request: &ExportMetricsServiceRequest) -> Option<End> {
        if self.channel.as_ref().is_none_or(|(connected, _)| connected != address) {
            let endpoint = Channel::from_shared(format!("http://{address}")).ok()?;
            let channel = timeout(PATIENCE, endpoint.connect()).await.ok()?.ok()?;
            self.channel = Some((address.to_owned(), MetricsServiceClient::new(channel)));
        }
        let (_, client) = self.channel.as_mut()?;
        let Ok(answer) = timeout(PATIENCE, client.export(request.clone())).await else {
            self.channel = None;
            return Some(End::Unclear);
        };
        let Err(status) = answer else { return Some(End::Acknowledged) };
        // What the other side said has no source; what the connection did has.
        if std::error::Error::source(&status).is_some() {
            self.channel = None;
            return Some(End::Unclear);
        }
        Some(match status.code() {
            tonic::Code::Unavailable | tonic::Code::ResourceExhausted => End::Later,
            // The other side gave the stream up when it ended.
            tonic::Code::Cancelled | tonic::Code::Unknown => End::Unclear,
            _ => End::Refused(status.to_string()),
        })
    }
}

async fn attempt_http(address: &str, request: &ExportMetricsServiceRequest) -> Option<End> {
    let headers = ["Content-Type: application/x-protobuf"];
    let body = request.encode_to_vec();
    let sending = http::exchange(address, "POST /v1/metrics HTTP/1.1", &headers, &body);
    let answer = match timeout(PATIENCE, sending).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => return None,
        Ok(Err(_)) | Err(_) => return Some(End::Unclear),
    };
    Some(match answer.status {
        200 => End::Acknowledged,
        429 | 502 | 503 | 504 => End::Later,
        0 => End::Unclear,
        status => End::Refused(format!("{status}: {}", answer.text())),
    })
}
