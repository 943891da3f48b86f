//! Chooses which batches are printed: the first of each second, then every so many.

use std::time::Duration;

use tokio::time::Instant;

/// Counts the batches of the second that runs.
#[derive(Debug)]
pub(super) struct Sampling {
    initial: u64,
    thereafter: u64,
    since: Option<Instant>,
    count: u64,
}

impl Sampling {
    pub(super) fn new(initial: u64, thereafter: u64) -> Self {
        Self { initial, thereafter, since: None, count: 0 }
    }

    /// Whether to print the batch that comes now.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let is_over = self.since.is_none_or(|since| now.duration_since(since) >= Duration::from_secs(1));
        if is_over {
            (self.since, self.count) = (Some(now), 0);
        }
        self.count += 1;
        let later = self.count.saturating_sub(self.initial);
        later == 0 || (self.thereafter > 0 && later.is_multiple_of(self.thereafter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_second_and_then_every_so_many_are_printed() {
        let start = Instant::now();
        let mut sampling = Sampling::new(2, 3);
        let printed: Vec<_> = (0..9).map(|_| sampling.take(start)).collect();
        assert_eq!(printed, [true, true, false, false, true, false, false, true, false]);
        assert!(sampling.take(start + Duration::from_secs(1)));
        let mut sampling = Sampling::new(1, 0);
        assert_eq!([(); 3].map(|()| sampling.take(start)), [true, false, false]);
        let mut sampling = Sampling::new(0, 1);
        assert_eq!([(); 3].map(|()| sampling.take(start)), [true, true, true]);
    }
}
