//! The increase of a counter a second, over a sliding window.

use std::collections::VecDeque;
use std::time::Duration;

use crate::growth::number;
use crate::point::Value;

/// More would not make the rate better.
const SNAPSHOTS_MAX: u64 = 60;

#[derive(Debug)]
pub(in crate::mapping::engine) struct Rate {
    window_nano: u64,
    /// Time and value, oldest first; the first may be older than the window.
    snapshots: VecDeque<(u64, f64)>,
}

impl Rate {
    pub(super) fn new(window: Duration) -> Self {
        let window_nano = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX).max(1);
        Self { window_nano, snapshots: VecDeque::new() }
    }

    pub(super) fn apply(&mut self, value: &Value, now: u64) -> Option<Value> {
        let value = number(value)?;
        let since = now.saturating_sub(self.window_nano);
        while self.snapshots.get(1).is_some_and(|(time, _)| *time <= since) {
            self.snapshots.pop_front();
        }
        let first = self.snapshots.front().copied();
        let is_due = self
            .snapshots
            .back()
            .is_none_or(|(time, _)| now.saturating_sub(*time) >= self.window_nano / SNAPSHOTS_MAX);
        if is_due {
            self.snapshots.push_back((now, value));
        }
        let (time, before) = first.filter(|(time, _)| *time < now)?;
        Some(Value::Double((value - before).max(0.0) / ((now - time) as f64 / 1e9)))
    }
}
