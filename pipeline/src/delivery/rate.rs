//! How fast an outbox gets rid of points, and what that means for who has to wait.

use std::time::Duration;

use tokio::time::Instant;

/// The rate is an average over about this long.
const MEMORY: Duration = Duration::from_secs(10);

/// The bounds of what a sender is told to wait.
const WAIT_MIN: Duration = Duration::from_secs(1);
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Points settled, where what happened long ago counts less.
#[derive(Debug, Default)]
pub(super) struct DrainRate {
    level: f64,
    since: Option<Instant>,
}

impl DrainRate {
    /// Points have left, for whatever reason.
    pub(super) fn settled(&mut self, points: u64) {
        let now = Instant::now();
        self.level = self.faded(now) + points as f64;
        self.since = Some(now);
    }

    fn faded(&self, now: Instant) -> f64 {
        let age = self.since.map_or(Duration::ZERO, |since| now.duration_since(since));
        self.level * (-age.as_secs_f64() / MEMORY.as_secs_f64()).exp()
    }

    /// How long until `share` of the points held has left, within bounds.
    pub(super) fn time_to_settle(&self, share: f64, held_points: u64) -> Duration {
        let per_second = self.faded(Instant::now()) / MEMORY.as_secs_f64();
        let seconds = share * held_points as f64 / per_second;
        if seconds.is_nan() || seconds >= WAIT_MAX.as_secs_f64() {
            return WAIT_MAX;
        }
        Duration::from_secs_f64(seconds).max(WAIT_MIN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_follows_what_was_settled_lately() {
        let mut rate = DrainRate::default();
        assert_eq!(rate.time_to_settle(0.1, 1000), WAIT_MAX, "nothing ever left");
        rate.settled(1000);
        assert_eq!(rate.time_to_settle(0.1, 1000), WAIT_MIN, "100 points at 100 a second");
        assert_eq!(rate.time_to_settle(1.0, 1000), Duration::from_secs(10));
        tokio::time::advance(10 * MEMORY).await;
        assert_eq!(rate.time_to_settle(0.1, 1000), WAIT_MAX, "nothing has left for long");
    }
}
