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
}

#[derive(Clone, Copy)]
struct Last {
    start: u64,
    time: u64,
    value: i64,
}

impl Counter {
    pub(super) fn new(initial_value: &'static str, is_known: bool) -> Self {
        Self { initial_value, is_known, now: Duration::ZERO, seen: None, last: None }
    }

    pub(super) fn wait(&mut self, time: Duration) {
        self.now += time;
    }

    /// Whether streams may have been forgotten.
    pub(super) fn has_waited(&self) -> bool {
        self.now > SILENCE_MAX
    }

    pub(super) fn sweep(&mut self) {
        if self.is_forgotten() {
            (self.seen, self.last) = (None, None);
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
        let expected: Vec<_> = points.into_iter().filter_map(|point| self.next(point)).collect();
        let found: Vec<_> = deltas.iter().filter(is_own).map(shown).collect();
        assert_eq!(found, expected);
    }

    fn is_forgotten(&self) -> bool {
        self.seen.is_some_and(|seen| self.now.saturating_sub(seen) > SILENCE_MAX)
    }

    fn next(&mut self, point: &Point) -> Option<(u64, u64, Option<i64>)> {
        self.seen.get_or_insert(self.now);
        if self.is_forgotten() {
            self.last = None;
        }
        let (_, time, value) = shown(point);
        let Some(value) = value else { return Some((0, time, None)) };
        let start = if point.start_unix_nano > time { 0 } else { point.start_unix_nano };
        if time > BEGUN + self.now.as_nanos() as u64 + AHEAD_MAX
            || self.last.is_some_and(|last| time <= last.time)
        {
            return None;
        }
        self.seen = Some(self.now);
        let Some(last) = self.last.replace(Last { start, time, value }) else {
            let is_ours = start >= BEGUN && start < time;
            let keeps = self.initial_value == "keep" || self.initial_value == "auto" && is_ours;
            return (keeps && value >= 0).then_some((start, time, Some(value)));
        };
        let is_anew = start >= last.time && start > last.start;
        if value < 0 && (is_anew || value < last.value) {
            return None;
        }
        if is_anew || value < last.value {
            return Some((start.max(last.time), time, Some(value)));
        }
        Some((last.time, time, Some(value.saturating_sub(last.value))))
    }
}

/// Since when, until when and how much; nothing for a marker.
fn shown(point: &Point) -> (u64, u64, Option<i64>) {
    let value = match point.value {
        Value::Int(value) => Some(value),
        _ => None,
    };
    (point.start_unix_nano, point.time_unix_nano, value)
}
