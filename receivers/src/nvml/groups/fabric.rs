//! The fabric of boards that a switch of NVLink joins, and instances of MIG.

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::{nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t};

use super::super::board::Board;
use super::{Group, Of, Reader, never, versioned};
use crate::recorder::{Definition, Label, Recorder};

const FABRIC_METRICS: &[Definition] = &[Definition::gauge(
    "nvidia.gpu.fabric.state",
    "1",
    "0 not supported, 1 not started, 2 in progress, 3 completed.",
)];

pub(super) const FABRIC: Group = Group {
    name: "fabric",
    about: "Whether a board has joined the fabric of a switch of NVLink.",
    metrics: FABRIC_METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_MINUTE,
    of: Of::Boards,
    reader: || Box::new(Fabric),
};

const MIG_METRICS: &[Definition] = &[Definition::gauge(
    "nvidia.gpu.mig.info",
    "{info}",
    "1, with what an instance of MIG is: nvidia.gpu.mig.profile, .gpu_instance.id, .compute_instance.id, and its multiprocessors, nvidia.gpu.mig.multiprocessors.",
)];

pub(super) const MIG: Group = Group {
    name: "mig",
    about: "What an instance of MIG has of its board.",
    metrics: MIG_METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_MINUTE,
    of: Of::Instances,
    reader: || Box::new(Mig),
};

struct Fabric;

struct Mig;

impl Reader for Fabric {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if let Some(state) = board.ask("nvmlDeviceGetGpuFabricInfoV", state) {
            recorder.int(0, &[], state.into());
        }
    }
}

impl Reader for Mig {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        if let Some(attributes) = board.ask("nvmlDeviceGetAttributes_v2", |device| device.attributes()) {
            let count = Label::Int(attributes.multiprocessor_count.into());
            recorder.int(0, &[("nvidia.gpu.mig.multiprocessors", count)], 1);
        }
    }
}

/// Asks by the second version, which older drivers know as well.
#[expect(unsafe_code, reason = "the wrapper does not have this function")]
fn state(device: &Device<'_>) -> Result<u8, NvmlError> {
    let ask = nvml_sym(device.nvml().lib().nvmlDeviceGetGpuFabricInfoV.as_ref())?;
    // The place is that of the third version, which begins as the second does.
    let mut info = nvmlGpuFabricInfo_v3_t {
        version: versioned::<nvmlGpuFabricInfo_v2_t>(2),
        clusterUuid: [0; 16],
        status: 0,
        cliqueId: 0,
        state: 0,
        healthMask: 0,
        healthSummary: 0,
    };
    // SAFETY: the handle is of this device, and the structure is at least as long as the version that it names.
    nvml_try(unsafe { ask(device.handle(), &raw mut info) }).map_err(never)?;
    Ok(info.state)
}
