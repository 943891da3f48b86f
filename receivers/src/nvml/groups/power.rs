//! The power that a board draws, and the energy it has taken.

use super::super::board::Board;
use super::super::fields::Field;
use super::{FieldReading, Group, Of, Reader, Scale, record_fields};
use crate::recorder::{Definition, Label, Labels, Recorder};

const DRAW: usize = 0;
const BY_KIND: usize = 1;

const METRICS: &[Definition] = &[
    Definition::gauge("hw.power", "W", "Power drawn, by hw.type and hw.id."),
    Definition::gauge(
        "nvidia.gpu.power",
        "W",
        "Power drawn, by nvidia.gpu.power.kind: average (of a second), instant, and instant of parts: module, memory.",
    ),
];

pub(super) const GROUP: Group = Group {
    name: "power",
    about: "The power that a board draws.",
    metrics: METRICS,
    fields: FIELDS,
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Power),
};

const ENERGY_METRICS: &[Definition] = &[Definition::counter(
    "hw.energy",
    "J",
    "Energy taken since the driver was loaded, by hw.type and hw.id.",
)];

pub(super) const ENERGY: Group = Group {
    name: "energy",
    about: "The energy that a board has taken, which a rate of gives the power between two readings.",
    metrics: ENERGY_METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Energy),
};

struct Power;

struct Energy;

const FIELDS: &[FieldReading] = &[
    kind(Field::new(185), &[("nvidia.gpu.power.kind", Label::Text("average"))]),
    kind(Field::new(186), &[("nvidia.gpu.power.kind", Label::Text("instant"))]),
    kind(Field::of(186, 1), &[("nvidia.gpu.power.kind", Label::Text("module"))]),
    kind(Field::of(186, 2), &[("nvidia.gpu.power.kind", Label::Text("memory"))]),
];

const fn kind(field: Field, labels: Labels<'static>) -> FieldReading {
    FieldReading { field, metric: BY_KIND, labels, scale: Scale::Over(1000.0) }
}

impl Reader for Power {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if recorder.is_on(DRAW)
            && let Some(milliwatts) = board.ask("nvmlDeviceGetPowerUsage", |device| device.power_usage())
        {
            recorder.double(DRAW, &[], f64::from(milliwatts) / 1000.0);
        }
        record_fields(FIELDS, board, recorder);
    }
}

impl Reader for Energy {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        let millijoules =
            board.ask("nvmlDeviceGetTotalEnergyConsumption", |device| device.total_energy_consumption());
        if let Some(millijoules) = millijoules {
            recorder.double(0, &[], millijoules as f64 / 1000.0);
        }
    }
}
