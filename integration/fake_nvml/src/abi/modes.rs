//! How a board is set.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_int, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlDeviceAddressingMode_v1_t, nvmlReturn_t};

use super::{ask, put, put_both, readings, version_of, versioned};
use crate::world::Code;

readings! {
    nvmlDeviceGetPersistenceMode(gpu) -> c_uint = &gpu.modes.persistence;
    nvmlDeviceGetComputeMode(gpu) -> c_uint = &gpu.modes.compute;
    nvmlDeviceGetDisplayMode(gpu) -> c_uint = &gpu.modes.display;
    nvmlDeviceGetDisplayActive(gpu) -> c_uint = &gpu.modes.display_active;
    nvmlDeviceGetVirtualizationMode(gpu) -> c_uint = &gpu.modes.virtualization;
}

/// # Safety
/// As of NVML: each mode is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetEccMode(
    device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetEccMode", device).and_then(|board| {
        let ecc = &board.gpu().ecc;
        let current = board.count(&ecc.mode)? as c_uint;
        Ok((current, board.count(&ecc.pending).map_or(current, |pending| pending as c_uint)))
    });
    // SAFETY: the caller has room.
    unsafe { put_both(found, current, pending) }
}

/// # Safety
/// As of NVML: each mode is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetDriverModel_v2(
    device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetDriverModel_v2", device).and_then(|board| {
        let model = board.count(&board.gpu().modes.driver_model)? as c_uint;
        Ok((model, model))
    });
    // SAFETY: the caller has room.
    unsafe { put_both(found, current, pending) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAddressingMode(
    device: nvmlDevice_t,
    mode: *mut nvmlDeviceAddressingMode_v1_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetAddressingMode", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(mode, &[version_of::<nvmlDeviceAddressingMode_v1_t>(1)]) }?;
        let value = board.count(&board.gpu().modes.addressing)? as c_uint;
        Ok(nvmlDeviceAddressingMode_v1_t { value, ..asked })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, mode) }
}

/// The processor's NUMA affinity is not the script's: the caller asks the kernel.
///
/// # Safety
/// Nothing is written.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuOperationMode(
    device: nvmlDevice_t,
    _current: *mut c_int,
    _pending: *mut c_int,
) -> nvmlReturn_t {
    super::code(ask("nvmlDeviceGetGpuOperationMode", device).and(Err(Code::NOT_SUPPORTED)))
}
