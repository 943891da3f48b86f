//! What becomes of the points of a counter, told in the fewest words.

use std::time::Duration;

use super::BEGUN;
use crate::point::Value;
use crate::{Batch, Point};

/// The first stream: whole numbers, any of them.
const NAME: &str = "0";

const AHEAD_MAX: u64 = 600_000_000_000;

const SILENCE_MAX: Duration = Duration::from_hours(1);

/// A model of `cumulative_to_delta` for one stream.
pub(super) struct Counter {
    initial_value: &'static str,
    /// Whether there is room for every stream, so that it is known what becomes of this one.
    is_known: bool,
    now: Duration,
    seen: Option<Duration>,
    last: Option<Last>,
    /// When it was last heard of before it was forgotten.
    forgotten: Option<Duration>,
}

/// Since when, until when and how much; nothing for a marker.
type Shown = (u64, u64, Option<i64>);

/// What must come of a point.
struct Expected {
    shown: Shown,
    /// Whether it must come; else it may.
    is_sure: bool,
}

#[derive(Clone, Copy)]
struct Last {
    start: u64,
    time: u64,
    value: i64,
}

impl Counter {
    pub(super) fn new(initial_value: &'static str, is_known: bool) -> Self {
        Self { initial_value, is_known, now: Duration::ZERO, seen: None, last: None, forgotten: None }
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// Whether streams may have been forgotten.
    pub(super) fn has_waited(&self) -> bool {
        self.now > SILENCE_MAX
    }

    pub(super) fn sweep(&mut self) {
        if self.forgets() {
            self.seen = None;
        }
    }

    /// Compares what came of a batch with what must.
    pub(super) fn check(&mut self, batch: &Batch, deltas: &Batch) {
        if !self.is_known {
            return;
        }
        let is_own = |point: &&Point| point.series.metric().name == NAME;
        let mut points: Vec<&Point> = batch.iter().filter(is_own).collect();
        points.sort_by_key(|point| point.time_unix_nano);
        let mut found = deltas.iter().filter(is_own).map(shown).peekable();
        for point in points {
            if let Some(Expected { shown, is_sure }) = self.next(point) {
                let came = found.next_if_eq(&shown).is_some();
                assert!(came || !is_sure, "{shown:?} is missing before {:?}", found.peek());
            }
        }
        assert_eq!(found.next(), None);
    }

    /// Whether it has been silent for too long; then nothing is known of it any more.
    fn forgets(&mut self) -> bool {
        let Some(seen) = self.seen.filter(|seen| self.now.saturating_sub(*seen) > SILENCE_MAX) else {
            return false;
        };
        if self.last.take().is_some() {
            self.forgotten = Some(seen);
        }
        true
    }

    fn next(&mut self, point: &Point) -> Option<Expected> {
        self.seen.get_or_insert(self.now);
        self.forgets();
        let sure = |shown| Some(Expected { shown, is_sure: true });
        let (_, time, value) = shown(point);
        let Some(value) = value else { return sure((0, time, None)) };
        let start = if point.start_unix_nano > time { 0 } else { point.start_unix_nano };
        if time > latest(self.now) || self.last.is_some_and(|last| time <= last.time) {
            return None;
        }
        self.seen = Some(self.now);
        let Some(last) = self.last.replace(Last { start, time, value }) else {
            return (value >= 0).then(|| self.first((start, time, Some(value)))).flatten();
        };
        let is_anew = start < time && start >= last.time && start > last.start;
        if value < 0 && (is_anew || value < last.value) {
            return None;
        }
        if is_anew || value < last.value {
            return sure((start.max(last.time), time, Some(value)));
        }
        sure((last.time, time, Some(value.saturating_sub(last.value))))
    }

    /// What must come of a point before which nothing is known.
    fn first(&self, shown: Shown) -> Option<Expected> {
        let (start, time, _) = shown;
        let is_ours = start >= BEGUN && start < time;
        let was_told = self.forgotten.is_some_and(|seen| start <= latest(seen));
        match self.initial_value {
            "keep" => Some(Expected { shown, is_sure: true }),
            "auto" if is_ours && !was_told => {
                // Which of the other streams were forgotten is not known here.
                let is_sure = !self.has_waited() || start > latest(self.now.saturating_sub(SILENCE_MAX));
                Some(Expected { shown, is_sure })
            }
            _ => None,
        }
    }
}

/// The time of the latest point that was taken then.
fn latest(at: Duration) -> u64 {
    BEGUN + at.as_nanos() as u64 + AHEAD_MAX
}

fn shown(point: &Point) -> Shown {
    let value = match point.value {
        Value::Int(value) => Some(value),
        _ => None,
    };
    (point.start_unix_nano, point.time_unix_nano, value)
}
