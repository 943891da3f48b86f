//! A backend that takes OTLP over HTTP or remote write, does what it is told, and remembers every point.

use std::io::Read;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use prost::Message;

use crate::account::{Account, Point, is_poison, otlp_points};
use crate::peer::{Peer, Reply, Seen};
use crate::remote_write;
use crate::repeats::Repeats;

/// What the backend does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    Accept,
    /// A status, with header lines that end in CR LF.
    Status(u16, String),
    /// A status for this many of each hundred requests, spread evenly.
    StatusPercent(u16, u64),
    /// 400 for every request that has one of the points that are poison to it.
    RefusePoison,
    /// 413 for every request of more points than this.
    RefuseLarger(usize),
    /// Takes everything, and hangs up on this many of each hundred requests without an answer, spread evenly.
    LoseAnswers(u64),
}

/// A server on a port of its own; gone when dropped.
#[derive(Debug)]
pub struct HttpBackend {
    pub address: String,
    state: Arc<State>,
    peer: Peer,
}

#[derive(Debug)]
struct State {
    answer: Mutex<Answer>,
    requests: AtomicU64,
    account: Arc<Account>,
    repeats: Mutex<Repeats>,
}

impl HttpBackend {
    /// Takes OTLP in protobuf at every path.
    pub async fn otlp(account: Arc<Account>) -> Self {
        Self::start(account, 200, decode_otlp).await
    }

    /// Takes remote write 1.0 at every path.
    pub async fn remote_write(account: Arc<Account>) -> Self {
        Self::start(account, 204, |seen| remote_write::points(&seen.body)).await
    }

    async fn start(
        account: Arc<Account>,
        success: u16,
        decode: impl Fn(&Seen) -> Result<Vec<Point>, String> + Send + Sync + 'static,
    ) -> Self {
        let state = Arc::new(State {
            answer: Mutex::new(Answer::Accept),
            requests: AtomicU64::new(0),
            account,
            repeats: Mutex::default(),
        });
        let shared = state.clone();
        let peer = Peer::forgetting(move |seen| match decode(seen) {
            Ok(points) => shared.answer(&points, &seen.body, success),
            Err(error) => Reply::new(400, "", error),
        })
        .await;
        Self { address: peer.address.clone(), state, peer }
    }

    pub fn answer(&self, answer: Answer) {
        *self.state.answer.lock().unwrap_or_else(PoisonError::into_inner) = answer;
    }

    /// How many requests came whole, refused ones too.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// What came again after its answer was lost.
    pub fn repeats(&self) -> Repeats {
        self.state.repeats().clone()
    }

    pub fn account(&self) -> &Arc<Account> {
        &self.state.account
    }

    pub fn url(&self) -> String {
        self.peer.url()
    }
}

impl State {
    fn repeats(&self) -> MutexGuard<'_, Repeats> {
        self.repeats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, points: &[Point], body: &[u8], success: u16) -> Reply {
        self.repeats().check(points, body);
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let is_among = |percent: u64| number * 37 % 100 < percent;
        let answer = self.answer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match answer {
            Answer::Status(status, headers) => return Reply::new(status, &headers, "told to refuse"),
            Answer::StatusPercent(status, percent) if is_among(percent) => {
                return Reply::new(status, "", "told to refuse some");
            }
            Answer::RefusePoison if points.iter().any(is_poison) => {
                return Reply::new(400, "", "told to refuse a point");
            }
            Answer::LoseAnswers(percent) if is_among(percent) => {
                self.account.take(points, false);
                self.repeats().expect(points, body);
                return Reply::Bytes(Vec::new());
            }
            Answer::RefuseLarger(points_max) if points.len() > points_max => {
                return Reply::new(413, "", "told to find it too large");
            }
            Answer::Accept
            | Answer::StatusPercent(..)
            | Answer::RefusePoison
            | Answer::RefuseLarger(_)
            | Answer::LoseAnswers(_) => {}
        }
        self.account.take(points, true);
        Reply::new(success, "Content-Type: application/x-protobuf\r\n", "")
    }
}

fn decode_otlp(seen: &Seen) -> Result<Vec<Point>, String> {
    let mut plain = Vec::new();
    let body = if seen.head.contains("content-encoding: gzip") {
        let mut reader = flate2::read::GzDecoder::new(&*seen.body);
        reader.read_to_end(&mut plain).map_err(|error| error.to_string())?;
        &plain
    } else {
        &seen.body
    };
    let request = ExportMetricsServiceRequest::decode(&**body).map_err(|error| error.to_string())?;
    Ok(otlp_points(&request))
}
