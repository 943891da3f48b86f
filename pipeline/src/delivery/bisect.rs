//! Finding the points for which the other side calls a request bad, without asking it for ever.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So often a request may be halved before anything of it was good; each time is two more requests.
const HALVINGS_MAX: u32 = 32;

/// What is good is worth more effort: enough to find one bad point in so many, wherever they lie.
const POINTS_A_BAD_ONE: usize = 256;

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
    halvings_max: u32,
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
    /// For a request of so many points.
    pub(super) fn search(&self, points: usize) -> Search<'_> {
        let until = *self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let is_sample = until.is_some_and(|until| until > Instant::now());
        Search {
            suspicion: self,
            halvings: 0,
            halvings_max: halvings_max(points),
            is_sample,
            found_good: false,
        }
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
        let halvings_max = if self.found_good { self.halvings_max } else { HALVINGS_MAX };
        if points <= 1 || self.halvings >= halvings_max {
            return Verdict::Drop;
        }
        self.halvings += 1;
        Verdict::Halve
    }
}

/// Finding a bad point takes a halving for each time its request can be halved.
fn halvings_max(points: usize) -> u32 {
    let (levels, bad) = (points.max(1).ilog2() + 1, points / POINTS_A_BAD_ONE + 1);
    levels.saturating_mul(u32::try_from(bad).unwrap_or(u32::MAX)).max(HALVINGS_MAX)
}

impl Drop for Search<'_> {
    fn drop(&mut self) {
        if !self.found_good && self.halvings >= HALVINGS_IN_VAIN {
            let until = Some(Instant::now() + DISTRUST);
            *self.suspicion.until.lock().unwrap_or_else(PoisonError::into_inner) = until;
        }
    }
}
