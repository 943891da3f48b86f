//! The instances of MIG that a board is divided into.

#![expect(
    clippy::redundant_closure_for_method_calls,
    reason = "a method is not general enough over the lifetime of its device"
)]

use nvml_wrapper::Device;
use nvml_wrapper::error::{NvmlError, nvml_sym, nvml_try};
use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t};

use super::board::Board;

/// An instance, as the driver lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) handle: nvmlDevice_t,
    pub(super) uuid: String,
    pub(super) gpu_instance: u32,
    pub(super) compute_instance: Option<u32>,
    /// As `1g.10gb`.
    pub(super) profile: Option<String>,
}

/// How a board is divided.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Division {
    /// It may be so without an instance.
    pub(super) is_on: bool,
    pub(super) instances: Vec<Found>,
}

const MODE: &str = "nvmlDeviceGetMigMode";
const COUNT: &str = "nvmlDeviceGetMaxMigDeviceCount";
const HANDLE: &str = "nvmlDeviceGetMigDeviceHandleByIndex";

/// Lists the instances of a board; `None` where the driver does not say, which is not that there are none.
pub(super) fn walk(board: &mut Board) -> Option<Division> {
    let mode = board.ask(MODE, |device| device.mig_mode());
    if mode.is_none() && !board.is_unsupported(MODE) {
        return None;
    }
    if mode.is_none_or(|mode| mode.current != 1) {
        return Some(Division::default());
    }
    // How many there may be; the places of those that there are need not be next to each other.
    let places = board.ask(COUNT, |device| device.mig_device_count());
    if places.is_none() && !board.is_unsupported(COUNT) {
        return None;
    }
    let mut instances = Vec::new();
    for place in 0..places.unwrap_or(0) {
        let instance = board.ask(HANDLE, |device| match device.mig_device_by_index(place) {
            Ok(instance) => Found::read(&instance).map(Some),
            Err(NvmlError::NotFound | NvmlError::InvalidArg) => Ok(None),
            Err(error) => Err(error),
        });
        if instance.is_none() && !board.is_unsupported(HANDLE) {
            return None;
        }
        instances.extend(instance.flatten());
    }
    Some(Division { is_on: true, instances })
}

impl Found {
    #[expect(unsafe_code, reason = "the wrapper has no functions for an instance's numbers")]
    fn read(instance: &Device<'_>) -> Result<Self, NvmlError> {
        let lib = instance.nvml().lib();
        // SAFETY: the handle is only used with this library.
        let handle = unsafe { instance.handle() };
        let number = |ask: unsafe extern "C" fn(nvmlDevice_t, *mut u32) -> nvmlReturn_t| {
            let mut number = 0;
            // SAFETY: the place is written to before we return.
            nvml_try(unsafe { ask(handle, &raw mut number) })?;
            Ok::<_, NvmlError>(number)
        };
        let gpu_instance = nvml_sym(lib.nvmlDeviceGetGpuInstanceId.as_ref()).and_then(|ask| number(*ask))?;
        let compute_instance = nvml_sym(lib.nvmlDeviceGetComputeInstanceId.as_ref());
        let compute_instance = compute_instance.and_then(|ask| number(*ask)).ok();
        let name = instance.name().unwrap_or_default();
        Ok(Self { handle, uuid: instance.uuid()?, gpu_instance, compute_instance, profile: profile(&name) })
    }
}

/// What stands behind the board's own name in that of an instance: `NVIDIA H100 80GB HBM3 MIG 1g.10gb`.
fn profile(name: &str) -> Option<String> {
    let (_, profile) = name.rsplit_once(" MIG ")?;
    (!profile.trim().is_empty()).then(|| profile.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_profile_is_the_end_of_the_name() {
        assert_eq!(profile("NVIDIA H100 80GB HBM3 MIG 1g.10gb").as_deref(), Some("1g.10gb"));
        assert_eq!(profile("NVIDIA A100-SXM4-40GB MIG 1c.3g.20gb").as_deref(), Some("1c.3g.20gb"));
        assert_eq!(profile("NVIDIA H100 80GB HBM3"), None);
        assert_eq!(profile("X MIG "), None);
    }
}
