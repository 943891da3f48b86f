//! Waits between attempts: each longer than the last, up to a ceiling, with jitter.

use std::time::Duration;

use rand::Rng;

use super::config::RetryConfig;

/// The waits of one batch.
#[derive(Debug, Clone)]
pub(super) struct Backoff {
    interval: f64,
    interval_max: f64,
    multiplier: f64,
    randomization: f64,
}

impl Backoff {
    pub(super) fn new(config: &RetryConfig) -> Self {
        Self {
            interval: config.initial_interval.0.as_secs_f64(),
            interval_max: config.max_interval.0.as_secs_f64(),
            multiplier: config.multiplier.max(1.0),
            randomization: config.randomization_factor.clamp(0.0, 1.0),
        }
    }

    /// How long to wait before the next attempt.
    pub(super) fn next(&mut self) -> Duration {
        let interval = self.interval.min(self.interval_max);
        self.interval = (interval * self.multiplier).min(self.interval_max);
        jittered(Duration::from_secs_f64(interval), self.randomization)
    }
}

/// Draws evenly from `wait * (1 - share)` to `wait * (1 + share)`.
pub(super) fn jittered(wait: Duration, share: f64) -> Duration {
    wait.mul_f64(rand::rng().random_range(1.0 - share..=1.0 + share))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn without_jitter_the_waits_grow_to_the_ceiling() {
        let mut backoff = Backoff::new(&RetryConfig { randomization_factor: 0.0, ..RetryConfig::default() });
        let waits: Vec<_> = (0..7).map(|_| backoff.next().as_millis()).collect();
        assert_eq!(waits, [5000, 7500, 11250, 16875, 25312, 30000, 30000]);
    }

    proptest! {
        #[test]
        fn a_wait_stays_within_its_jitter(wait in 0_u64..100_000, share in 0.0..1.0_f64) {
            let drawn = jittered(Duration::from_millis(wait), share).as_secs_f64() * 1000.0;
            let (least, most) = (wait as f64 * (1.0 - share), wait as f64 * (1.0 + share));
            prop_assert!((least - 0.01..=most + 0.01).contains(&drawn));
        }
    }
}
