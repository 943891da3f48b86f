//! What a board is.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_char, c_int, c_uint};

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlPciInfo_t, nvmlReturn_t};

use super::{answers, ask, put_both, put_text, readings, texts};
use crate::script::Gpu;
use crate::world::{Answer, Code};

texts! {
    nvmlDeviceGetName(board) = written(board.instance().map_or(&board.gpu().name, |instance| &instance.name).as_ref());
    nvmlDeviceGetUUID(board) = written(board.instance().map_or(&board.gpu().uuid, |instance| &instance.uuid).as_ref());
    nvmlDeviceGetSerial(board) = board.whole().and_then(|board| written(board.gpu().serial.as_ref()));
    nvmlDeviceGetVbiosVersion(board) = board.whole().and_then(|board| written(board.gpu().vbios.as_ref()));
    nvmlDeviceGetInforomImageVersion(board) = board.whole().and_then(|board| written(board.gpu().inforom.as_ref()));
    nvmlDeviceGetBoardPartNumber(board) = board.whole().and_then(|board| written(board.gpu().part_number.as_ref()));
}

readings! {
    nvmlDeviceGetMinorNumber(gpu) -> c_uint = &number(gpu.minor);
    nvmlDeviceGetBrand(gpu) -> c_uint = &gpu.brand;
    nvmlDeviceGetBoardId(gpu) -> c_uint = &gpu.board_id;
    nvmlDeviceGetModuleId(gpu) -> c_uint = &gpu.module_id;
    nvmlDeviceGetArchitecture(gpu) -> c_uint = &gpu.architecture;
    nvmlDeviceGetNumGpuCores(gpu) -> c_uint = &gpu.cores;
    nvmlDeviceGetNumaNodeId(gpu) -> c_uint = &gpu.numa_node;
    nvmlDeviceGetMemoryBusWidth(gpu) -> c_uint = &gpu.memory_bus_width;
    nvmlDeviceGetIrqNum(gpu) -> c_uint = &gpu.irq;
}

answers! {
    fn nvmlDeviceGetPciInfo_v3(board) -> nvmlPciInfo_t { pci(board.gpu()) }
    fn nvmlDeviceGetBusType(board) -> c_uint { board.gpu().pci.as_ref().map(|_| 2).ok_or(Code::NOT_SUPPORTED) }
    fn nvmlDeviceGetMultiGpuBoard(_board) -> c_uint { Ok(0) }
}

/// A text that is there; `none` says that it is not.
fn written(text: Option<&String>) -> Answer<String> {
    text.cloned().filter(|text| text != "none").ok_or(Code::NOT_SUPPORTED)
}

fn number(value: Option<u32>) -> crate::script::Reading {
    value.map_or_else(Default::default, |value| crate::script::Reading::still(f64::from(value)))
}

/// The parts of a place such as `00000000:0A:00.0`.
fn pci(gpu: &Gpu) -> Answer<nvmlPciInfo_t> {
    let id = written(gpu.pci.as_ref())?;
    let part = |text: Option<&str>| text.and_then(|text| u32::from_str_radix(text, 16).ok());
    let mut parts = id.split([':', '.']);
    let (Some(domain), Some(bus), Some(device)) =
        (part(parts.next()), part(parts.next()), part(parts.next()))
    else {
        return Err(Code::UNKNOWN);
    };
    Ok(nvmlPciInfo_t {
        busIdLegacy: characters(&format!("{domain:04X}:{bus:02X}:{device:02X}.0")),
        domain,
        bus,
        device,
        pciDeviceId: gpu.pci_device,
        pciSubSystemId: gpu.pci_subsystem,
        busId: characters(&id),
    })
}

/// As much of a text as there is room for, before a zero.
fn characters<const N: usize>(text: &str) -> [c_char; N] {
    let mut characters = [0; N];
    for (place, byte) in characters.iter_mut().take(N - 1).zip(text.bytes()) {
        *place = byte as c_char;
    }
    characters
}

/// # Safety
/// As of NVML: each number is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetCudaComputeCapability(
    device: nvmlDevice_t,
    major: *mut c_int,
    minor: *mut c_int,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetCudaComputeCapability", device)
        .and_then(|board| board.gpu().compute_capability.ok_or(Code::NOT_SUPPORTED));
    // SAFETY: the caller has room.
    unsafe { put_both(found.map(|[major, minor]| (major, minor)), major, minor) }
}

/// # Safety
/// As of NVML: there is room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetInforomVersion(
    device: nvmlDevice_t,
    _object: c_uint,
    version: *mut c_char,
    length: c_uint,
) -> nvmlReturn_t {
    let found =
        ask("nvmlDeviceGetInforomVersion", device).and_then(|board| written(board.gpu().inforom.as_ref()));
    // SAFETY: the caller has room.
    unsafe { put_text(found, version, length) }
}

/// # Safety
/// As of NVML: there is room for 64 bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGspFirmwareVersion(
    device: nvmlDevice_t,
    version: *mut c_char,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetGspFirmwareVersion", device);
    let found = found.and_then(|board| written(board.gpu().gsp_firmware.as_ref()));
    // SAFETY: NVML says how much room there must be.
    unsafe { put_text(found, version, 64) }
}

/// # Safety
/// As of NVML: each answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGspFirmwareMode(
    device: nvmlDevice_t,
    is_enabled: *mut c_uint,
    is_default: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetGspFirmwareMode", device);
    let found = found.and_then(|board| written(board.gpu().gsp_firmware.as_ref())).map(|_| (1, 1));
    // SAFETY: the caller has room.
    unsafe { put_both(found, is_enabled, is_default) }
}
