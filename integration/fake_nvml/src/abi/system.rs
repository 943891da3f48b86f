//! Beginning, ending, versions, and the way to the boards.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlReturn_t, nvmlSystemDriverBranchInfo_v1_t};

use super::{ask, ask_any, code, put, put_text, text, version_of, versioned};
use crate::script::Gpu;
use crate::world::{Answer, Code, Handle, WORLD};

#[unsafe(no_mangle)]
extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    code(WORLD.init())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> nvmlReturn_t {
    code(WORLD.init())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    code(WORLD.shutdown())
}

#[unsafe(no_mangle)]
extern "C" fn nvmlErrorString(result: nvmlReturn_t) -> *const c_char {
    let text = match result {
        0 => c"The operation was successful",
        1 => c"Uninitialized",
        2 => c"Invalid Argument",
        3 => c"Not Supported",
        4 => c"Insufficient Permissions",
        6 => c"Not Found",
        7 => c"Insufficient Size",
        9 => c"Driver Not Loaded",
        10 => c"Timeout",
        13 => c"Function Not Found",
        15 => c"GPU is lost",
        16 => c"GPU requires restart",
        18 => c"Driver/library version mismatch",
        _ => c"Unknown Error",
    };
    text.as_ptr()
}

/// # Safety
/// As of NVML: there is room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverVersion(version: *mut c_char, length: c_uint) -> nvmlReturn_t {
    let scene = WORLD.call("nvmlSystemGetDriverVersion");
    // SAFETY: the caller has room.
    unsafe { put_text(scene.map(|scene| scene.script.driver.version.clone()), version, length) }
}

/// # Safety
/// As of NVML: there is room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetNVMLVersion(version: *mut c_char, length: c_uint) -> nvmlReturn_t {
    let scene = WORLD.call("nvmlSystemGetNVMLVersion");
    // SAFETY: the caller has room.
    unsafe { put_text(scene.map(|scene| scene.script.driver.nvml.clone()), version, length) }
}

/// # Safety
/// As of NVML: the version is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion(version: *mut c_int) -> nvmlReturn_t {
    // SAFETY: the caller has room.
    unsafe { put(cuda("nvmlSystemGetCudaDriverVersion"), version) }
}

/// # Safety
/// As of NVML: the version is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetCudaDriverVersion_v2(version: *mut c_int) -> nvmlReturn_t {
    // SAFETY: the caller has room.
    unsafe { put(cuda("nvmlSystemGetCudaDriverVersion_v2"), version) }
}

fn cuda(name: &'static str) -> Answer<c_int> {
    // The library is libcuda, which containers need not have.
    WORLD.call(name)?.script.driver.cuda.ok_or(Code(12))
}

/// # Safety
/// As of NVML: the place is null, or such a structure.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetDriverBranch(
    branch: *mut nvmlSystemDriverBranchInfo_v1_t,
    length: c_uint,
) -> nvmlReturn_t {
    let found = WORLD.call("nvmlSystemGetDriverBranch").and_then(|scene| {
        // SAFETY: the caller gives such a structure.
        unsafe { versioned(branch, &[version_of::<nvmlSystemDriverBranchInfo_v1_t>(1)]) }?;
        Ok(scene.script.driver.branch.clone())
    });
    match found {
        // SAFETY: the structure was read, and has room for so many.
        Ok(text) => unsafe { put_text(Ok(text), (&raw mut (*branch).branch).cast(), length.min(80)) },
        Err(Code(code)) => code,
    }
}

/// # Safety
/// As of NVML: there is room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlSystemGetProcessName(
    pid: c_uint,
    name: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    let found = WORLD.call("nvmlSystemGetProcessName").and_then(|_| {
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).map_err(|_| Code::NOT_FOUND)?;
        let first = command.split(|byte| *byte == 0).next().unwrap_or_default();
        let text = String::from_utf8_lossy(first).into_owned();
        Ok(text.chars().take((length as usize).saturating_sub(1) / 4).collect::<String>())
    });
    // SAFETY: the caller has room.
    unsafe { put_text(found, name, length) }
}

/// # Safety
/// As of NVML: the count is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCount_v2(count: *mut c_uint) -> nvmlReturn_t {
    let scene = WORLD.call("nvmlDeviceGetCount_v2");
    // SAFETY: the caller has room.
    unsafe { put(scene.map(|scene| scene.script.gpus.len() as c_uint), count) }
}

/// # Safety
/// As of NVML: the device is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByIndex_v2(index: c_uint, device: *mut nvmlDevice_t) -> nvmlReturn_t {
    let found = find("nvmlDeviceGetHandleByIndex_v2", Code::INVALID_ARGUMENT, |at, _| at == index as usize);
    // SAFETY: the caller has room.
    unsafe { put(found, device) }
}

/// # Safety
/// As of NVML: the text ends with a zero, and there is room for the device.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByUUID(
    uuid: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's text ends with a zero.
    let found = unsafe { text(uuid) }.and_then(|uuid| by_uuid("nvmlDeviceGetHandleByUUID", uuid));
    // SAFETY: the caller has room.
    unsafe { put(found, device) }
}

fn by_uuid(name: &'static str, uuid: &str) -> Answer<nvmlDevice_t> {
    let scene = WORLD.call(name)?;
    for (index, gpu) in scene.script.gpus.iter().enumerate() {
        if gpu.uuid.as_deref() == Some(uuid) {
            return known(gpu, Handle::of(&scene, index, None));
        }
        let place = gpu.instances().iter().position(|instance| instance.uuid.as_deref() == Some(uuid));
        if let Some(place) = place {
            return known(gpu, Handle::of(&scene, index, Some(place)));
        }
    }
    Err(Code::NOT_FOUND)
}

/// # Safety
/// As of NVML: the text ends with a zero, and there is room for the device.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleByPciBusId_v2(
    id: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's text ends with a zero.
    let found = unsafe { text(id) }.and_then(|id| {
        find("nvmlDeviceGetHandleByPciBusId_v2", Code::NOT_FOUND, |_, gpu| gpu.pci.as_deref() == Some(id))
    });
    // SAFETY: the caller has room.
    unsafe { put(found, device) }
}

/// # Safety
/// As of NVML: the text ends with a zero, and there is room for the device.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetHandleBySerial(
    serial: *const c_char,
    device: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    // SAFETY: the caller's text ends with a zero.
    let found = unsafe { text(serial) }.and_then(|serial| {
        find("nvmlDeviceGetHandleBySerial", Code::NOT_FOUND, |_, gpu| gpu.serial.as_deref() == Some(serial))
    });
    // SAFETY: the caller has room.
    unsafe { put(found, device) }
}

fn find(name: &'static str, otherwise: Code, is_it: impl Fn(usize, &Gpu) -> bool) -> Answer<nvmlDevice_t> {
    let scene = WORLD.call(name)?;
    let mut gpus = scene.script.gpus.iter().enumerate();
    let (index, gpu) = gpus.find(|(index, gpu)| is_it(*index, gpu)).ok_or(otherwise)?;
    known(gpu, Handle::of(&scene, index, None))
}

fn known(gpu: &Gpu, handle: usize) -> Answer<nvmlDevice_t> {
    if gpu.lost { Err(Code::GPU_IS_LOST) } else { Ok(handle as nvmlDevice_t) }
}

/// # Safety
/// As of NVML: the answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetIndex(device: nvmlDevice_t, index: *mut c_uint) -> nvmlReturn_t {
    let found = ask_any("nvmlDeviceGetIndex", device);
    let found =
        found.map(|board| board.instance().map_or(board.index as u32, |instance| instance.slot.unwrap_or(0)));
    // SAFETY: the caller has room.
    unsafe { put(found, index) }
}

/// # Safety
/// As of NVML: the answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceOnSameBoard(
    device: nvmlDevice_t,
    other: nvmlDevice_t,
    is_same: *mut c_int,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceOnSameBoard", device);
    let found = found.map(|_| c_int::from(device == other));
    // SAFETY: the caller has room.
    unsafe { put(found, is_same) }
}
