//! The wall clock, as one thing that tests can stop and move.
//!
//! Durations are measured with tokio's clock, which tests pause; this is only for the times that
//! points carry.

use std::fmt;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Tells the time of day.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> u64 + Send + Sync>);

impl Clock {
    /// The clock of the machine.
    pub fn system() -> Self {
        Self(Arc::new(|| {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
        }))
    }

    /// A clock that starts at `unix_nano` and runs with tokio's (which a test may have paused).
    pub fn starting_at(unix_nano: u64) -> Self {
        let start = Instant::now();
        Self(Arc::new(move || unix_nano + start.elapsed().as_nanos() as u64))
    }

    /// A clock that a test moves.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn from_fn(unix_nano: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(unix_nano))
    }

    /// Nanoseconds since 1970, UTC.
    pub fn unix_nano(&self) -> u64 {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.unix_nano())
    }
}
