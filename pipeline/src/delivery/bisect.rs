//! Finding the points for which the other side calls a request bad, without asking it for ever.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So often a request may be halved; each time is two more requests. One bad point of 8192 is found with 13.
const HALVINGS_MAX: u32 = 32;

/// Halved so often without one good half, a request was not bad because of some of its points.
const HALVINGS_IN_VAIN: u32 = 8;

/// For how long after that no other is halved: an address or a name is wrong, not a point.
const DISTRUST: Duration = Duration::from_mins(5);

/// Whether it has been of use lately to look for bad points.
#[derive(Debug, Default)]
pub(super) struct Suspicion {
    until: Mutex<Option<Instant>>,
}

/// The search in one request.
#[derive(Debug)]
pub(super) struct Search<'a> {
    suspicion: &'a Suspicion,
    halvings: u32,
    /// Nothing of late was good: the first half stands for all.
    is_sample: bool,
    found_good: bool,
}

/// What to do with points that are called bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Halve,
    Drop,
    /// These, and all of the request that was not tried yet.
    DropAll,
}

impl Suspicion {
    pub(super) fn search(&self) -> Search<'_> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let is_sample = until.is_some_and(|until| until > Instant::now());
        Search { suspicion: self, halvings: 0, is_sample, found_good: false }
    }
}

impl Search<'_> {
    /// The other side has taken points.
    pub(super) fn good(&mut self) {
        self.found_good = true;
        self.is_sample = false;
        *self.suspicion.until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The other side calls so many points bad.
    pub(super) fn bad(&mut self, points: usize) -> Verdict {
        if self.is_sample && self.halvings > 0 {
            return Verdict::DropAll;
        }
        if points <= 1 || self.halvings == HALVINGS_MAX {
            return Verdict::Drop;
        }
        self.halvings += 1;
        Verdict::Halve
    }
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        if !self.found_good && self.halvings >= HALVINGS_IN_VAIN {
            let until = Some(Instant::now() + DISTRUST);
            *self.suspicion.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
    }
}
