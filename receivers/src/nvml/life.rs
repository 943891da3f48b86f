//! What the threads of a receiver share, and what they tell each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use nvml_wrapper::Nvml;
use pipeline::component::Context;
use pipeline::{Batch, Resource, Scope};
use tokio::sync::mpsc::Sender;

use super::board::Machine;
use super::config::Plan;
use super::events::Listed;
use super::fault::Fault;
use super::identity::{Identity, Versions};
use super::pulse::{Pulse, Signal};
use crate::recorder::Recorder;

/// What every thread of the receiver needs.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) context: Context,
    /// The host's, without the driver's version.
    pub(super) host: Resource,
    pub(super) machine: Machine,
    pub(super) to_watcher: Sender<Message>,
    pub(super) shelf: Shelf,
    /// The receiver has been told to stop.
    pub(super) stopped: Signal,
}

/// From one initialization of the library to the next.
pub(super) struct Life {
    /// Counts up; what an earlier life still has to say is not heard.
    pub(super) generation: u64,
    pub(super) nvml: Arc<Nvml>,
    pub(super) versions: Versions,
    pub(super) resource: Arc<Resource>,
    /// The handles are worthless, or not wanted any more.
    pub(super) ended: Signal,
    pub(super) to_keeper: mpsc::Sender<Word>,
    /// Who has been opened, for the one who waits for errors.
    pub(super) to_events: mpsc::Sender<Listed>,
}

/// What the one who keeps the library is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Word {
    Stop,
    /// How a board stands: without a fault it answers.
    Board {
        generation: u64,
        index: u32,
        fault: Option<u32>,
    },
    /// A board has ended with this code, after it had answered.
    Ended {
        generation: u64,
        code: u32,
    },
}

/// What the watcher is told.
#[derive(Debug)]
pub(super) enum Message {
    /// The library is initialized, and lists boards, each with the pulse of its thread.
    Begun {
        generation: u64,
        resource: Arc<Resource>,
        pulses: Vec<Arc<Pulse>>,
    },
    /// The library is there and some board answers.
    Up {
        generation: u64,
    },
    Away {
        fault: Fault,
        is_worth_showing: bool,
    },
    /// A board has been opened.
    Identified {
        generation: u64,
        index: u32,
        identity: Arc<Identity>,
    },
    /// A board is not to be read.
    LeftOut {
        generation: u64,
        index: u32,
    },
    /// A board cannot be opened, or has ended.
    Failed {
        generation: u64,
        index: u32,
        fault: Fault,
    },
    Round {
        generation: u64,
        index: u32,
        reading: Reading,
    },
    Xid(XidError),
}

/// What a round has brought.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) batch: Batch,
    pub(super) state: State,
    pub(super) failures: Vec<(&'static str, u32)>,
}

/// How a board is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum State {
    Answering(Health),
    /// No call has been answered.
    Failing(u32),
    /// The kernel has put it to sleep, and it was left so.
    Sleeping,
}

/// What a board says of its own condition.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// It cannot do its work any more.
    pub(super) has_failed: bool,
    /// It wants a reset, or has memory to replace at one.
    pub(super) is_failing: bool,
    /// It is slowed down by heat or by its power supply, or lacks a part of its connections.
    pub(super) is_degraded: bool,
}

/// An error that the driver has reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct XidError {
    /// In the kernel's form: `0000:01:00`, without the function.
    pub(super) bus_id: String,
    pub(super) xid: u64,
    pub(super) unix_nano: u64,
    pub(super) source: Source,
}

/// Who has told of an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Event,
    KernelLog,
}

/// The recorders of boards between two lives, so that series go on and counters are seen to begin anew.
#[derive(Debug, Default)]
pub(super) struct Shelf(Mutex<HashMap<String, Recorders>>);

/// Those of the groups in their order, and one for how long they took.
pub(super) struct Recorders {
    pub(super) groups: Vec<Recorder>,
    pub(super) own: Recorder,
}

impl Shelf {
    pub(super) fn put(&self, uuid: &str, recorders: Recorders) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uuid.to_owned(), recorders);
    }

    pub(super) fn take(&self, uuid: &str) -> Option<Recorders> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uuid)
    }
}

impl std::fmt::Debug for Recorders {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Recorders")
    }
}

/// The scope of all that is read here.
pub(super) fn scope() -> Scope {
    Scope {
        name: "inferometer/receivers/nvml".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..Scope::default()
    }
}

/// How long to wait before something is tried again: each time twice as long.
#[derive(Debug)]
pub(super) struct Pace(Duration);

const WAIT_MIN: Duration = Duration::from_secs(1);
pub(super) const WAIT_MAX: Duration = Duration::from_mins(1);

impl Pace {
    pub(super) fn new() -> Self {
        Self(WAIT_MIN)
    }

    pub(super) fn next(&mut self) -> Duration {
        let wait = self.0;
        self.0 = (wait * 2).min(WAIT_MAX);
        wait
    }
}

/// A board's place on PCI in the kernel's form, without the function: `00000000:01:00.0` is `0000:01:00`.
pub(super) fn short_bus_id(bus_id: &str) -> String {
    let place = bus_id.split_once('.').map_or(bus_id, |(place, _)| place);
    let Some((domain, rest)) = place.split_once(':') else { return place.to_ascii_lowercase() };
    let domain = domain.trim_start_matches('0');
    format!("{domain:0>4}:{rest}").to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let mut pace = Pace::new();
        let waits: Vec<_> = (0..8).map(|_| pace.next().as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn the_drivers_and_the_kernels_places_are_the_same() {
        assert_eq!(short_bus_id("00000000:01:00.0"), "0000:01:00");
        assert_eq!(short_bus_id("0000:01:00"), "0000:01:00");
        assert_eq!(short_bus_id("00010000:1B:00.0"), "10000:1b:00");
        assert_eq!(short_bus_id(""), "");
    }
}
