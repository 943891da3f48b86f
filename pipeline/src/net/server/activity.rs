//! What a connection is doing, and how long it may go on with it.
//!
//! Slow and silent clients hold connections, which are few; each state has a time after which the
//! connection is closed. Bodies have a time of their own, see [`BODY_TIME_MAX`](crate::net::body::BODY_TIME_MAX).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Version;
use tokio::time::Instant;

/// How long a client may take from its first byte to the end of the headers, and to its first byte.
pub(super) const HEAD_TIME_MAX: Duration = Duration::from_secs(10);

/// How long a connection may be idle. A little more than a minute, because clients that push once a
/// minute would otherwise find it closed just when they write.
const IDLE_TIME_MAX: Duration = Duration::from_secs(65);

/// How long a client may take none of an answer that is ready; in HTTP/2, of any of them.
const WRITE_TIME_MAX: Duration = Duration::from_secs(30);

/// How often a connection is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What a connection is doing now.
#[derive(Debug)]
pub(super) struct Activity {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Those under way, by a number of their own.
    requests: HashMap<u64, Turn>,
    next: u64,
    phase: Phase,
    since: Instant,
    /// Of the requests; none before the first.
    version: Option<Version>,
    write_blocked_since: Option<Instant>,
}

/// What is waited for while no request is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// The rest of the headers, or the first byte of all.
    Head,
    /// The next request.
    Idle,
}

/// Who is to go on with a request under way.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// Whoever reads the request and makes the answer.
    Ours,
    /// The client, which has not taken what is ready since then.
    Theirs(Instant),
}

/// A request under way; ended when dropped.
#[derive(Debug)]
pub(super) struct UnderWay {
    activity: Arc<Activity>,
    number: u64,
}

impl Activity {
    pub(super) fn new() -> Self {
        let state = State {
            requests: HashMap::new(),
            next: 0,
            phase: Phase::Head,
            since: Instant::now(),
            version: None,
            write_blocked_since: None,
        };
        Self { state: Mutex::new(state) }
    }

    pub(super) fn begin(self: &Arc<Self>, version: Version) -> UnderWay {
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.requests.insert(number, Turn::Ours);
        state.version = Some(version);
        UnderWay { activity: self.clone(), number }
    }

    pub(super) fn is_busy(&self) -> bool {
        !self.lock().requests.is_empty()
    }

    /// The version of the requests, once there was one.
    pub(super) fn version(&self) -> Option<Version> {
        self.lock().version
    }

    pub(super) fn is_expired(&self) -> bool {
        self.lock().deadline().is_some_and(|deadline| deadline <= Instant::now())
    }

    /// Returns when the connection has been too long in its present state.
    pub(super) async fn expired(&self) {
        loop {
            let now = Instant::now();
            let deadline = self.lock().deadline();
            if deadline.is_some_and(|deadline| deadline <= now) {
                return;
            }
            let look = now + LOOK_INTERVAL;
            tokio::time::sleep_until(deadline.map_or(look, |deadline| deadline.min(look))).await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn has_read(&self) {
        let mut state = self.lock();
        // Frames come at any time and say nothing about requests.
        let is_multiplexed = state.version == Some(Version::HTTP_2);
        if state.requests.is_empty() && state.phase == Phase::Idle && !is_multiplexed {
            state.phase = Phase::Head;
            state.since = Instant::now();
        }
    }

    pub(super) fn has_written(&self, is_blocked: bool) {
        let mut state = self.lock();
        if !is_blocked {
            state.write_blocked_since = None;
        } else if state.write_blocked_since.is_none() {
            state.write_blocked_since = Some(Instant::now());
        }
    }
}

impl State {
    fn deadline(&self) -> Option<Instant> {
        let is_multiplexed = self.version == Some(Version::HTTP_2);
        let since_blocked = self.write_blocked_since;
        // In HTTP/2 each answer has a window of its own, and nothing is written where that is closed.
        let since_offered = self.requests.values().filter_map(|turn| match turn {
            Turn::Theirs(since) if is_multiplexed => Some(*since),
            _ => None,
        });
        let blocked = since_offered.chain(since_blocked).min().map(|since| since + WRITE_TIME_MAX);
        let waiting = self.requests.is_empty().then(|| match self.phase {
            Phase::Head => self.since + HEAD_TIME_MAX,
            Phase::Idle => self.since + IDLE_TIME_MAX,
        });
        blocked.into_iter().chain(waiting).min()
    }
}

impl UnderWay {
    /// The client may take the answer, or more of it, from now on.
    pub(super) fn offers(&self) {
        self.turn(Turn::Theirs(Instant::now()));
    }

    /// More of the answer is to be made first.
    pub(super) fn makes(&self) {
        self.turn(Turn::Ours);
    }

    fn turn(&self, turn: Turn) {
        self.activity.lock().requests.insert(self.number, turn);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let mut state = self.activity.lock();
        state.requests.remove(&self.number);
        state.phase = Phase::Idle;
        state.since = Instant::now();
    }
}
