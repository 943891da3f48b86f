//! Errors of a board's memory, and what of it was taken out of use for them.

use nvml_wrapper::Device;
use nvml_wrapper::enum_wrappers::device::{EccCounter, MemoryError, MemoryLocation};
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::nvmlEccSramErrorStatus_t;

use super::super::board::Board;
use super::super::fields::Field;
use super::{FieldReading, Group, Of, Reader, Scale, never, record_fields, versioned};
use crate::recorder::{Definition, Label, Labels, Recorder};

const ERRORS: usize = 0;
const AGGREGATE: usize = 1;
const LOCATION: usize = 2;
const SRAM: usize = 3;
const SRAM_EXCEEDED: usize = 4;

const METRICS: &[Definition] = &[
    Definition::counter(
        "hw.errors",
        "{error}",
        "Errors, by hw.type and error.type: corrected and uncorrected (memory, since the driver was loaded), pcie_replay.",
    ),
    Definition::counter(
        "nvidia.gpu.ecc.errors.aggregate",
        "{error}",
        "Memory errors in the life of a board, by error.type: corrected, uncorrected.",
    ),
    Definition::counter(
        "nvidia.gpu.ecc.location.errors",
        "{error}",
        "Memory errors since the driver was loaded, by error.type and nvidia.gpu.memory.location.",
    ).off(),
    Definition::counter(
        "nvidia.gpu.ecc.sram.errors",
        "{error}",
        "Errors of the memory on the chip in the life of a board, by error.type: corrected, uncorrected_parity, uncorrected_secded.",
    ).off(),
    Definition::gauge(
        "nvidia.gpu.ecc.sram.threshold_exceeded",
        "1",
        "Whether the memory on the chip has had more errors than it should.",
    ),
];

pub(super) const GROUP: Group = Group {
    name: "ecc",
    about: "Errors of the memory: since the driver was loaded and in the life of the board and, where asked for, by \
            place.",
    metrics: METRICS,
    fields: TOTALS,
    is_default: true,
    interval: super::EACH_TEN_SECONDS,
    of: Of::Boards,
    reader: || Box::new(Ecc),
};

const PAGES: usize = 0;
const PAGES_PENDING: usize = 1;
const ROWS: usize = 2;
const ROWS_PENDING: usize = 3;
const ROWS_FAILED: usize = 4;

const RETIREMENT_METRICS: &[Definition] = &[
    Definition::gauge(
        "nvidia.gpu.memory.pages.retired",
        "{page}",
        "Pages taken out of use, by nvidia.gpu.retirement.cause: single_bit, double_bit.",
    ),
    Definition::gauge(
        "nvidia.gpu.memory.pages.pending",
        "1",
        "Whether pages wait for a restart to be taken out of use.",
    ),
    Definition::gauge(
        "nvidia.gpu.memory.rows.remapped",
        "{row}",
        "Rows of memory that were replaced, by error.type: corrected, uncorrected.",
    ),
    Definition::gauge("nvidia.gpu.memory.rows.pending", "1", "Whether rows wait for a reset to be replaced."),
    Definition::gauge("nvidia.gpu.memory.rows.failed", "1", "Whether replacing a row has failed."),
];

pub(super) const RETIREMENT: Group = Group {
    name: "retirement",
    about: "What of the memory was taken out of use: pages, and from Ampere on rows.",
    metrics: RETIREMENT_METRICS,
    fields: RETIRED,
    is_default: true,
    interval: super::EACH_MINUTE,
    of: Of::Boards,
    reader: || Box::new(Retirement),
};

struct Ecc;

struct Retirement;

const CORRECTED: Labels<'static> = &[("error.type", Label::Text("corrected"))];
const UNCORRECTED: Labels<'static> = &[("error.type", Label::Text("uncorrected"))];

const TOTALS: &[FieldReading] = &[
    whole(3, ERRORS, CORRECTED),
    whole(4, ERRORS, UNCORRECTED),
    whole(5, AGGREGATE, CORRECTED),
    whole(6, AGGREGATE, UNCORRECTED),
];

const RETIRED: &[FieldReading] = &[
    whole(29, PAGES, &[("nvidia.gpu.retirement.cause", Label::Text("single_bit"))]),
    whole(30, PAGES, &[("nvidia.gpu.retirement.cause", Label::Text("double_bit"))]),
    whole(31, PAGES_PENDING, &[]),
    whole(142, ROWS, CORRECTED),
    whole(143, ROWS, UNCORRECTED),
    whole(144, ROWS_PENDING, &[]),
    whole(145, ROWS_FAILED, &[]),
];

const fn whole(id: u32, metric: usize, labels: Labels<'static>) -> FieldReading {
    FieldReading { field: Field::new(id), metric, labels, scale: Scale::Times(1) }
}

const LOCATIONS: [(MemoryLocation, &str, [&str; 2]); 8] = [
    (
        MemoryLocation::L1Cache,
        "l1_cache",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/l1_cache",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/l1_cache",
        ],
    ),
    (
        MemoryLocation::L2Cache,
        "l2_cache",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/l2_cache",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/l2_cache",
        ],
    ),
    (
        MemoryLocation::Device,
        "device_memory",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/device_memory",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/device_memory",
        ],
    ),
    (
        MemoryLocation::RegisterFile,
        "register_file",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/register_file",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/register_file",
        ],
    ),
    (
        MemoryLocation::Texture,
        "texture_memory",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/texture_memory",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/texture_memory",
        ],
    ),
    (
        MemoryLocation::Shared,
        "texture_shm",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/texture_shm",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/texture_shm",
        ],
    ),
    (
        MemoryLocation::Cbu,
        "cbu",
        ["nvmlDeviceGetMemoryErrorCounter/corrected/cbu", "nvmlDeviceGetMemoryErrorCounter/uncorrected/cbu"],
    ),
    (
        MemoryLocation::SRAM,
        "sram",
        [
            "nvmlDeviceGetMemoryErrorCounter/corrected/sram",
            "nvmlDeviceGetMemoryErrorCounter/uncorrected/sram",
        ],
    ),
];

impl Reader for Ecc {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        record_fields(TOTALS, board, recorder);
        if recorder.is_on(LOCATION) {
            locations(board, recorder);
        }
        if recorder.is_any_on(&[SRAM, SRAM_EXCEEDED])
            && let Some(status) = board.ask("nvmlDeviceGetSramEccErrorStatus", sram)
        {
            let mut count = |name, value| recorder.int(SRAM, &[("error.type", Label::Text(name))], value);
            count("corrected", status.aggregateCor);
            count("uncorrected_parity", status.aggregateUncParity);
            count("uncorrected_secded", status.aggregateUncSecDed);
            recorder.int(SRAM_EXCEEDED, &[], (status.bThresholdExceeded != 0).into());
        }
    }
}

impl Reader for Retirement {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        record_fields(RETIRED, board, recorder);
    }
}

fn locations(board: &mut Board, recorder: &mut Recorder) {
    for (location, place, [corrected, uncorrected]) in LOCATIONS {
        for (call, error, name) in [
            (corrected, MemoryError::Corrected, "corrected"),
            (uncorrected, MemoryError::Uncorrected, "uncorrected"),
        ] {
            let count = board.ask(call, |device| {
                device.memory_error_counter(error, EccCounter::Volatile, location).map_err(never)
            });
            if let Some(count) = count {
                let place = ("nvidia.gpu.memory.location", Label::Text(place));
                recorder.int(LOCATION, &[("error.type", Label::Text(name)), place], count);
            }
        }
    }
}

#[expect(unsafe_code, reason = "the wrapper does not have this function")]
fn sram(device: &Device<'_>) -> Result<nvmlEccSramErrorStatus_t, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetSramEccErrorStatus.as_ref())?;
    let mut status = nvmlEccSramErrorStatus_t {
        version: versioned::<nvmlEccSramErrorStatus_t>(1),
        aggregateUncParity: 0,
        aggregateUncSecDed: 0,
        aggregateCor: 0,
        volatileUncParity: 0,
        volatileUncSecDed: 0,
        volatileCor: 0,
        aggregateUncBucketL2: 0,
        aggregateUncBucketSm: 0,
        aggregateUncBucketPcie: 0,
        aggregateUncBucketMcu: 0,
        aggregateUncBucketOther: 0,
        bThresholdExceeded: 0,
    };
    // SAFETY: the handle is of this device, and the structure is of the version that it names.
    nvml_try(unsafe { ask(device.handle(), &raw mut status) }).map_err(never)?;
    Ok(status)
}
