//! What is read of a board, in groups that are switched, and have their intervals, each by itself.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method of `Device` is of one lifetime, a question of any"
)]

mod c2c;
mod clocks;
mod ecc;
mod fabric;
mod fans;
mod gpm;
mod limits;
mod memory;
mod nvlink;
mod pcie;
mod power;
mod processes;
mod state;
mod temperature;
mod utilization;

#[cfg(test)]
mod tests;

use std::time::Duration;

use nvml_wrapper::error::NvmlError;
use nvml_wrapper_sys::bindings::{
    nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlReturn_enum_NVML_ERROR_DEPRECATED,
};

use super::board::Board;
use super::fields::Field;
use crate::recorder::{Definition, Label, Labels, Recorder, Selection};

/// A group of metrics that are read together.
#[derive(Debug)]
pub(super) struct Group {
    /// Its key under `groups`.
    pub(super) name: &'static str,
    /// What it is for, in the documentation.
    #[cfg_attr(not(test), expect(dead_code, reason = "the page of the groups is written by a test"))]
    pub(super) about: &'static str,
    pub(super) metrics: &'static [Definition],
    /// The fields that it wants; see [`fetch`].
    pub(super) fields: &'static [FieldReading],
    /// Read by default.
    pub(super) is_default: bool,
    /// How often, where nothing else is said; zero is the receiver's `collection_interval`.
    pub(super) interval: Duration,
    /// What it is read of.
    pub(super) of: Of,
    /// Made anew for each board and each life of its handle.
    pub(super) reader: fn() -> Box<dyn Reader>,
}

impl Group {
    /// Whether its series are of processes, which need not be of those that the board was given to.
    pub(super) fn is_of_processes(&self) -> bool {
        self.name == processes::GROUP.name
    }
}

/// What a group is read of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Boards,
    /// Instances of MIG.
    Instances,
    Both,
}

/// Reads a group, and remembers what it must from one reading to the next.
pub(super) trait Reader: Send {
    /// Records what there is under the indices of the group's `metrics`; what cannot be read is left out.
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder);
}

/// A field, and what becomes of it.
#[derive(Debug)]
pub(super) struct FieldReading {
    pub(super) field: Field,
    /// The index of the group's metric; the field is not asked for where it is off.
    pub(super) metric: usize,
    pub(super) labels: Labels<'static>,
    pub(super) scale: Scale,
}

/// How a number of the driver becomes one of the metric's unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Scale {
    Times(u64),
    /// To a fraction; a share in percent, or a thousandth.
    Over(f64),
    /// The group's reader makes of it what it must.
    ByReader,
}

/// Every group there is.
pub(super) const GROUPS: &[Group] = &[
    utilization::GROUP,
    memory::GROUP,
    temperature::GROUP,
    power::GROUP,
    power::ENERGY,
    clocks::GROUP,
    clocks::THROTTLE,
    state::PERFORMANCE,
    limits::GROUP,
    pcie::GROUP,
    nvlink::GROUP,
    c2c::GROUP,
    fabric::FABRIC,
    ecc::GROUP,
    ecc::RETIREMENT,
    state::RECOVERY_GROUP,
    fans::GROUP,
    state::MODES,
    fabric::MIG,
    processes::GROUP,
    gpm::GROUP,
];

/// At the receiver's own interval.
const EACH_TIME: Duration = Duration::ZERO;
const EACH_TEN_SECONDS: Duration = Duration::from_secs(10);
const EACH_MINUTE: Duration = Duration::from_mins(1);

const TRANSMIT: Labels<'static> = &[("network.io.direction", Label::Text("transmit"))];
const RECEIVE: Labels<'static> = &[("network.io.direction", Label::Text("receive"))];

/// What a structure of the library's begins with, that it may be longer in a later version.
const fn versioned<T>(version: u32) -> u32 {
    size_of::<T>() as u32 | version << 24
}

/// Asks for the fields of all groups that are read in a round, by one call; their readers find the answers there.
pub(super) fn fetch<'a>(board: &mut Board, due: impl IntoIterator<Item = (&'a Group, &'a Selection)>) {
    board.fields.begin();
    let wanted = due.into_iter().flat_map(|(group, selection)| {
        let readings = group.fields.iter();
        readings.filter(|reading| selection.is_on[reading.metric]).map(|reading| reading.field)
    });
    board.fetch(wanted);
}

/// What an answer to a call with a kind or a version in it means where the driver does not know that one.
fn never(error: NvmlError) -> NvmlError {
    const VERSION: u32 = nvmlReturn_enum_NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    const DEPRECATED: u32 = nvmlReturn_enum_NVML_ERROR_DEPRECATED;
    match error {
        NvmlError::InvalidArg | NvmlError::UnexpectedVariant(VERSION | DEPRECATED) => NvmlError::NotSupported,
        error => error,
    }
}

/// Records a share in percent; what is above all there is is no reading of it.
fn percent(recorder: &mut Recorder, metric: usize, labels: Labels<'_>, percent: Option<u32>) {
    if let Some(percent) = percent.filter(|percent| *percent <= 100) {
        recorder.double(metric, labels, f64::from(percent) / 100.0);
    }
}

/// Records fields that were fetched.
fn record_fields(readings: &[FieldReading], board: &Board, recorder: &mut Recorder) {
    for reading in readings {
        let Some(value) = board.fields.unsigned(reading.field) else { continue };
        match reading.scale {
            Scale::Times(factor) => {
                if let Some(value) = value.checked_mul(factor) {
                    recorder.int(reading.metric, reading.labels, value);
                }
            }
            Scale::Over(divisor) => recorder.double(reading.metric, reading.labels, value as f64 / divisor),
            Scale::ByReader => {}
        }
    }
}

/// Whether the board has no memory of its own, and uses the machine's.
pub(super) fn has_unified_memory(board: &mut Board) -> bool {
    memory::is_unified(board)
}
