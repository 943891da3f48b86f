//! How large a request is made of what waits, where nobody has said so; smaller when requests get no answer in time.

use super::size::Size;

/// The bound in points where all goes well, and the smallest it comes to.
const POINTS: (u64, u64) = (8192, 64);

/// So many bytes go with a point of the bound: 1 MiB in all, as receivers take 4 MiB and estimates are low.
const BYTES_A_POINT: u64 = 128;

/// So many large requests must have been answered quickly before they are made larger: those that get no answer in
/// time may arrive twice.
const QUICK_MIN: u32 = 16;

/// A bound that halves with each request that got no answer in time, and doubles with some large ones that were quick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bound {
    points: u64,
    /// Large requests that were answered quickly since it last changed.
    quick: u32,
}

impl Default for Bound {
    fn default() -> Self {
        Self { points: POINTS.0, quick: 0 }
    }
}

impl Bound {
    /// Whether it is more than goes in one request by itself.
    pub(super) fn is_passed(self, size: Size) -> bool {
        size.points > self.points || size.bytes > self.bytes()
    }

    /// The same for what somebody wants to be in one request: only bytes count, and points where they were too many.
    pub(super) fn is_too_much(self, size: Size) -> bool {
        size.bytes > self.bytes() || self.is_narrow() && size.points > self.points
    }

    /// Whether nothing more goes with it.
    pub(super) fn is_reached(self, size: Size) -> bool {
        size.bytes >= self.bytes() || self.is_narrow() && size.points >= self.points
    }

    /// A request got no answer in time.
    pub(super) fn narrow(&mut self) {
        self.points = (self.points / 2).max(POINTS.1);
        self.quick = 0;
    }

    /// A request was answered quickly.
    pub(super) fn widen(&mut self, size: Size) {
        if size.points >= self.points / 2 || size.bytes >= self.bytes() / 2 {
            self.quick += 1;
        }
        if self.quick == QUICK_MIN {
            self.points = (self.points * 2).min(POINTS.0);
            self.quick = 0;
        }
    }

    pub(super) fn is_narrow(self) -> bool {
        self.points < POINTS.0
    }

    fn bytes(self) -> u64 {
        self.points * BYTES_A_POINT
    }
}
