//! What an exporter's failures leave in the log: at most a line a minute a cause.

use std::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tracing::{error, info, warn};

use crate::errors::{chain, printable};
use crate::notation::write_series;
use crate::point::Point;
use crate::quiet::Quiet;

/// The least time between two lines of one cause.
const PAUSE: Duration = Duration::from_mins(1);

/// What comes from outside is cut to this in the log.
const REASON_BYTES_MAX: usize = 1024;

/// Why a line is written; each has its own minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// An attempt failed and there will be another.
    Retry,
    /// The points are lost: trying again would not help.
    Permanent,
    /// The points are lost: they were tried for long enough.
    Exhausted,
    /// The other side took the request without some of its points.
    Rejected,
    /// The other side's protocol has no form for some of the points.
    Unsupported,
    /// Later points of the same series were sent before.
    OutOfOrder,
    /// The queue is full, and the sender keeps what it has.
    Full,
    /// The queue is full, and nobody keeps the points.
    Overflow,
    /// What is on disk cannot be read back.
    Unreadable,
    /// Points cannot be written to disk.
    Unwritten,
    /// The storage asked for points to be given up.
    GivenUp,
}

const CAUSES: usize = 11;

impl Cause {
    /// What the counters call it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Retry | Self::Exhausted => "retries_exhausted",
            Self::Permanent => "permanent",
            Self::Rejected => "rejected",
            Self::Unsupported => "unsupported",
            Self::OutOfOrder => "out_of_order",
            Self::Full | Self::Overflow => "queue_full",
            Self::Unreadable => "unreadable",
            Self::Unwritten => "unwritten",
            Self::GivenUp => "given_up",
        }
    }
}

/// Writes the lines of one exporter.
#[derive(Debug)]
pub(super) struct Journal {
    exporter: String,
    causes: [Quiet; CAUSES],
    /// Whether a failure was written since the last time that things were said to be well.
    failing: AtomicBool,
}

impl Journal {
    pub(super) fn new(exporter: &str) -> Self {
        Self {
            exporter: exporter.to_owned(),
            causes: std::array::from_fn(|_| Quiet::new(PAUSE)),
            failing: AtomicBool::new(false),
        }
    }

    /// An attempt failed; the next one is after `wait`.
    pub(super) fn retry(&self, reason: &str, wait: Duration) {
        if let Some(suppressed) = self.admit(Cause::Retry) {
            let (exporter, reason) = (&self.exporter, printable(reason, REASON_BYTES_MAX));
            warn!(exporter, reason, retry_in = ?wait, suppressed, "export failed");
        }
    }

    /// Points are lost; `first` is one of them.
    pub(super) fn lost(&self, cause: Cause, points: u64, reason: &str, first: Option<&Point>) {
        if let Some(suppressed) = self.admit(cause) {
            let (exporter, reason) = (&self.exporter, printable(reason, REASON_BYTES_MAX));
            let series = first.map(|point| {
                let mut text = String::new();
                write_series(&mut text, &point.series);
                printable(&text, REASON_BYTES_MAX)
            });
            error!(exporter, points, reason, series, suppressed, "export given up");
        }
    }

    /// A request was taken, but for these of its points.
    pub(super) fn left_out(&self, cause: Cause, points: u64) {
        if let Some(suppressed) = self.admit(cause) {
            let (exporter, reason) = (&self.exporter, cause.word());
            error!(
                exporter,
                points, reason, suppressed, "points were left out, the rest of the batch was taken"
            );
        }
    }

    /// Points found the queue full, and come again.
    pub(super) fn full(&self, points: u64) {
        if let Some(suppressed) = self.admit(Cause::Full) {
            let exporter = &self.exporter;
            warn!(exporter, points, suppressed, "queue is full, senders are told to come later");
        }
    }

    /// Points found the queue full, and are lost.
    pub(super) fn overflow(&self, points: u64) {
        if let Some(suppressed) = self.admit(Cause::Overflow) {
            let exporter = &self.exporter;
            error!(exporter, points, suppressed, "queue is full, points are lost");
        }
    }

    /// The log cannot be read now; it is tried again.
    pub(super) fn unreadable(&self, error: &(dyn Error + 'static)) {
        if let Some(suppressed) = self.admit(Cause::Unreadable) {
            let (exporter, error) = (&self.exporter, chain(error));
            error!(exporter, error, suppressed, "the queue on disk cannot be read now");
        }
    }

    /// Points are not on disk, though they should be.
    pub(super) fn unwritten(&self, points: u64, reason: &str) {
        if let Some(suppressed) = self.admit(Cause::Unwritten) {
            let exporter = &self.exporter;
            error!(exporter, points, reason, suppressed, "the queue on disk cannot be written now");
        }
    }

    /// A batch was delivered.
    pub(super) fn works(&self) {
        if self.failing.load(Ordering::Relaxed) && self.failing.swap(false, Ordering::Relaxed) {
            let exporter = &self.exporter;
            info!(exporter, "export works again");
        }
    }

    /// How many lines of this cause were not written since the last one, if one may be written now.
    fn admit(&self, cause: Cause) -> Option<u64> {
        let suppressed = self.causes[cause as usize].speak()?;
        if matches!(cause, Cause::Retry | Cause::Exhausted) {
            self.failing.store(true, Ordering::Relaxed);
        }
        Some(suppressed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_cause_is_written_once_a_minute_with_what_was_left_out() {
        let journal = Journal::new("x");
        assert_eq!(journal.admit(Cause::Retry), Some(0));
        assert_eq!(journal.admit(Cause::Retry), None);
        assert_eq!(journal.admit(Cause::Full), Some(0));
        tokio::time::advance(PAUSE).await;
        assert_eq!(journal.admit(Cause::Retry), Some(1));
    }

    #[tokio::test(start_paused = true)]
    async fn things_are_said_to_be_well_once_a_written_failure() {
        let journal = Journal::new("x");
        journal.retry("gone", Duration::ZERO);
        assert!(journal.failing.load(Ordering::Relaxed));
        journal.works();
        journal.retry("gone", Duration::ZERO);
        assert!(!journal.failing.load(Ordering::Relaxed), "the second line was not written");
    }
}
