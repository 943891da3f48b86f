//! What is read of a board, in groups that are switched, and have their intervals, each by itself.

use std::time::Duration;

use super::board::Board;
use super::fields::{Field, FieldValue};
use crate::recorder::{Definition, Labels, Recorder, Selection};

/// A group of metrics that are read together.
#[derive(Debug)]
pub(super) struct Group {
    /// Its key under `groups`.
    pub(super) name: &'static str,
    /// What it is for, in the documentation.
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
pub(super) const GROUPS: &[Group] = &[];

/// Asks for the fields of all groups that are read in a round, by one call; their readers find the answers there.
pub(super) fn fetch<'a>(board: &mut Board, due: impl IntoIterator<Item = (&'a Group, &'a Selection)>) {
    board.fields.begin();
    let wanted = due.into_iter().flat_map(|(group, selection)| {
        let readings = group.fields.iter();
        readings.filter(|reading| selection.is_on[reading.metric]).map(|reading| reading.field)
    });
    board.fetch(wanted);
}

/// Records fields that were fetched.
fn record_fields(readings: &[FieldReading], board: &Board, recorder: &mut Recorder) {
    for reading in readings {
        let Some(value) = board.fields.get(reading.field).and_then(FieldValue::unsigned) else { continue };
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
