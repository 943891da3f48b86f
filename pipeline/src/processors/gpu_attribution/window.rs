//! How fast a counter has moved over the last minute.

use std::collections::VecDeque;

use super::{LIVE, SECOND};

/// Over how long rates are.
pub(super) const MINUTE: u64 = 60 * SECOND;
/// Increments that come closer together are one.
const APART: u64 = SECOND / 2;

/// What was added up when, of the last minute.
///
/// A rate is from one reading to another, however far those are apart: not by our own time, which would make a
/// counter that is read every 15 seconds jump.
#[derive(Debug, Default)]
pub(super) struct Window {
    // Invariant: in order of time, not closer than `APART`; only the first may be over a minute before the last.
    samples: VecDeque<(u64, f64)>,
}

impl Window {
    /// Takes a reading: what the counter has gained since the last one.
    pub(super) fn add(&mut self, time: u64, gained: f64) {
        // A clock that was set back: how far the readings of before are from those to come is not known.
        if self.samples.back().is_some_and(|(last, _)| time.saturating_add(APART) < *last) {
            self.samples.clear();
        }
        match self.samples.back_mut() {
            // Several series of one runner are read at once.
            Some((last, total)) if time < last.saturating_add(APART) => *total += gained,
            back => {
                let total = back.map_or(0.0, |(_, total)| *total);
                self.samples.push_back((time, total + gained));
            }
        }
        while self.samples.get(1).is_some_and(|(second, _)| second.saturating_add(MINUTE) <= time) {
            self.samples.pop_front();
        }
    }

    /// Per second; `None` unless there were readings for a minute, and lately.
    pub(super) fn rate(&self, now: u64) -> Option<f64> {
        let ((first, before), (last, total)) = (*self.samples.front()?, *self.samples.back()?);
        let span = last.saturating_sub(first);
        let is_recent = last.saturating_add(2 * MINUTE) >= now;
        (is_recent && (MINUTE..=LIVE).contains(&span)).then(|| (total - before) * SECOND as f64 / span as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_of_the_last_minute_of_readings() {
        let mut window = Window::default();
        for at in 0..=20 {
            window.add(at * 15 * SECOND, if at <= 10 { 30.0 } else { 60.0 });
            let expected = if at < 4 { None } else { Some(window.rate(at * 15 * SECOND).unwrap()) };
            // The time between two readings changes nothing.
            assert_eq!(window.rate((at * 15 + 14) * SECOND), expected);
        }
        assert_eq!(window.rate(300 * SECOND), Some(4.0));
        assert_eq!(window.rate(421 * SECOND), None);
        assert!(window.samples.len() <= 6);
    }

    #[test]
    fn a_clock_that_is_set_back_begins_the_minute_anew() {
        let mut window = Window::default();
        for at in 0..=10 {
            window.add((10_000 + at * 15) * SECOND, 30.0);
        }
        for at in 0..=4 {
            window.add((1000 + at * 15) * SECOND, 60.0);
            assert_eq!(window.rate((1000 + at * 15) * SECOND), (at == 4).then_some(4.0));
        }
    }

    #[test]
    fn slow_readings_and_many_at_once_are_rated_too() {
        let mut window = Window::default();
        for at in [0, 100, 200] {
            window.add(at * SECOND, 50.0);
            window.add(at * SECOND, 50.0);
        }
        assert_eq!(window.rate(200 * SECOND), Some(1.0));
        // Nothing for too long.
        window.add(900 * SECOND, 50.0);
        assert_eq!(window.rate(900 * SECOND), None);
        for at in 0..10_000 {
            window.add(900 * SECOND + at * SECOND / 100, 1.0);
        }
        assert!(window.samples.len() <= 122);
    }
}
