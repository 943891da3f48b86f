//! Says what keeps happening now and then, not each time.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Decides whether to log; counts what was not said.
#[derive(Debug)]
pub struct Quiet {
    /// The least time between two lines about the same.
    interval: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    said: Option<Instant>,
    unsaid: u64,
}

impl Quiet {
    /// Speaks at most once in `interval`.
    pub fn new(interval: Duration) -> Self {
        Self { interval, state: Mutex::default() }
    }

    /// `Some` when it is time to say it, with how often it was not said since the last time.
    pub fn speak(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.said.is_some_and(|said| said.elapsed() < self.interval) {
            state.unsaid += 1;
            return None;
        }
        state.said = Some(Instant::now());
        Some(std::mem::take(&mut state.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_keeps_happening_is_said_once_an_interval() {
        let interval = Duration::from_mins(1);
        let quiet = Quiet::new(interval);
        assert_eq!(quiet.speak(), Some(0));
        assert_eq!(quiet.speak(), None);
        assert_eq!(quiet.speak(), None);
        tokio::time::advance(interval).await;
        assert_eq!(quiet.speak(), Some(2));
        assert_eq!(quiet.speak(), None);
    }
}
