//! What is read of a board, in groups that are switched, and have their intervals, each by itself.

use std::time::Duration;

use super::board::Board;
use crate::recorder::{Definition, Recorder};

/// A group of metrics that are read together.
pub(super) struct Group {
    /// Its key under `groups`.
    pub(super) name: &'static str,
    pub(super) metrics: &'static [Definition],
    /// Read by default.
    pub(super) is_default: bool,
    /// How often, where nothing else is said; zero is the receiver's `collection_interval`.
    pub(super) interval: Duration,
    /// Whether MIG instances are read as well, or boards alone.
    pub(super) is_for_instances: bool,
    /// Made anew for each board and each life of its handle.
    pub(super) reader: fn() -> Box<dyn Reader>,
}

/// Reads a group, and remembers what it must from one reading to the next.
pub(super) trait Reader: Send {
    /// Records what there is under the indices of the group's `metrics`; what cannot be read is left out.
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder);
}

/// Every group there is.
pub(super) const GROUPS: &[Group] = &[];
