//! The performance state of a board, its modes, and what it needs done to it.

use nvml_wrapper_sys::bindings::nvmlPStates_enum_NVML_PSTATE_15 as SLOWEST;

use super::super::board::Board;
use super::super::fields::Field;
use super::{FieldReading, Group, Of, Reader, Scale, record_fields};
use crate::recorder::{Definition, Label, Recorder};

const PERFORMANCE_METRICS: &[Definition] =
    &[Definition::gauge("nvidia.gpu.performance_state", "1", "0 the fastest, 15 the slowest.")];

pub(super) const PERFORMANCE: Group = Group {
    name: "performance_state",
    about: "The performance state.",
    metrics: PERFORMANCE_METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Performance),
};

const RECOVERY: usize = 0;
const FIELDS_DURATION: usize = 1;

const RECOVERY_METRICS: &[Definition] = &[
    Definition::gauge(
        "nvidia.gpu.recovery_action",
        "1",
        "What a GPU needs: 0 nothing, 1 reset, 2 reboot, 3 drain P2P, 4 drain and reset, 5 IMEX.",
    ),
    Definition::gauge(
        "nvidia.gpu.fields.duration",
        "s",
        "How long the driver took for the fields of the last reading of a GPU, as it says itself.",
    )
    .off(),
];

pub(super) const RECOVERY_GROUP: Group = Group {
    name: "recovery",
    about: "What a board needs done to it, as newer drivers tell.",
    metrics: RECOVERY_METRICS,
    fields: ACTION,
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Recovery),
};

const MODE: usize = 0;
const COMPUTE: usize = 1;
const VIRTUALIZATION: usize = 2;
const CORES: usize = 3;

const MODES_METRICS: &[Definition] = &[
    Definition::gauge(
        "nvidia.gpu.mode",
        "1",
        "Whether a mode is on, by nvidia.gpu.mode: persistence, ecc, ecc_pending, mig, mig_pending, display, accounting.",
    ),
    Definition::gauge(
        "nvidia.gpu.compute_mode",
        "1",
        "0 default, 1 exclusive thread, 2 prohibited, 3 exclusive process.",
    ),
    Definition::gauge(
        "nvidia.gpu.virtualization_mode",
        "1",
        "0 none, 1 passthrough, 2 vGPU, 3 host vGPU, 4 host vSGA.",
    ),
    Definition::gauge("hw.gpu.cores", "{core}", "Cores of a GPU, as its driver counts them."),
];

pub(super) const MODES: Group = Group {
    name: "modes",
    about: "Which modes are on, and how many cores there are.",
    metrics: MODES_METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_MINUTE,
    of: Of::Boards,
    reader: || Box::new(Modes),
};

struct Performance;

struct Recovery;

struct Modes;

const ACTION: &[FieldReading] =
    &[FieldReading { field: Field::new(230), metric: RECOVERY, labels: &[], scale: Scale::Times(1) }];

impl Reader for Performance {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        let state = board.ask("nvmlDeviceGetPerformanceState", |device| device.performance_state());
        // Beyond the slowest there is a word for a state that is not known.
        if let Some(state) = state.map(|state| state.as_c()).filter(|state| *state <= SLOWEST) {
            recorder.int(0, &[], state.into());
        }
    }
}

impl Reader for Recovery {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        record_fields(ACTION, board, recorder);
        recorder.double(FIELDS_DURATION, &[], board.fields.latency().as_secs_f64());
    }
}

impl Reader for Modes {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        let mut mode = |name: &'static str, is_on: Option<bool>| {
            if let Some(is_on) = is_on {
                recorder.int(MODE, &[("nvidia.gpu.mode", Label::Text(name))], is_on.into());
            }
        };
        mode(
            "persistence",
            board.ask("nvmlDeviceGetPersistenceMode", |device| device.is_in_persistent_mode()),
        );
        let ecc = board.ask("nvmlDeviceGetEccMode", |device| device.is_ecc_enabled());
        mode("ecc", ecc.as_ref().map(|ecc| ecc.currently_enabled));
        mode("ecc_pending", ecc.as_ref().map(|ecc| ecc.pending_enabled));
        let mig = board.ask("nvmlDeviceGetMigMode", |device| device.mig_mode());
        mode("mig", mig.as_ref().map(|mig| mig.current == 1));
        mode("mig_pending", mig.as_ref().map(|mig| mig.pending == 1));
        mode("display", board.ask("nvmlDeviceGetDisplayActive", |device| device.is_display_active()));
        mode("accounting", board.ask("nvmlDeviceGetAccountingMode", |device| device.is_accounting_enabled()));
        if let Some(mode) = board.ask("nvmlDeviceGetComputeMode", |device| device.compute_mode()) {
            recorder.int(COMPUTE, &[], mode.as_c().into());
        }
        if let Some(mode) =
            board.ask("nvmlDeviceGetVirtualizationMode", |device| device.virtualization_mode())
        {
            recorder.int(VIRTUALIZATION, &[], mode.as_c().into());
        }
        if let Some(cores) = board.ask("nvmlDeviceGetNumGpuCores", |device| device.num_cores()) {
            recorder.int(CORES, &[], cores.into());
        }
    }
}
