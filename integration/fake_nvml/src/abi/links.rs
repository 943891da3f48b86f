//! PCIe, NVLink, and the fabric.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlGpuFabricInfo_t, nvmlGpuFabricInfo_v2_t, nvmlGpuFabricInfo_v3_t, nvmlReturn_t,
};

use super::{answers, ask, put, readings, version_of, versioned};
use crate::script::{Fabric, NvLink, NvLinkErrors, Reading};
use crate::world::{Answer, Board, Code};

readings! {
    nvmlDeviceGetCurrPcieLinkGeneration(gpu) -> c_uint = &gpu.pcie.generation;
    nvmlDeviceGetCurrPcieLinkWidth(gpu) -> c_uint = &gpu.pcie.width;
    nvmlDeviceGetMaxPcieLinkGeneration(gpu) -> c_uint = &gpu.pcie.max_generation;
    nvmlDeviceGetGpuMaxPcieLinkGeneration(gpu) -> c_uint = &gpu.pcie.gpu_max_generation;
    nvmlDeviceGetMaxPcieLinkWidth(gpu) -> c_uint = &gpu.pcie.max_width;
    nvmlDeviceGetPcieSpeed(gpu) -> c_uint = &gpu.pcie.speed;
    nvmlDeviceGetPcieReplayCounter(gpu) -> c_uint = &gpu.pcie.replays;
}

answers! {
    fn nvmlDeviceGetPcieThroughput(board, direction: c_uint) -> c_uint {
        let pcie = &board.gpu().pcie;
        let reading = match direction {
            0 => &pcie.tx_throughput,
            1 => &pcie.rx_throughput,
            _ => return Err(Code::INVALID_ARGUMENT),
        };
        board.count(reading).map(|throughput| throughput as c_uint)
    }
    fn nvmlDeviceGetNvLinkState(board, link: c_uint) -> c_uint {
        Ok(c_uint::from(!find(&board, link)?.down.contains(&link)))
    }
    fn nvmlDeviceGetNvLinkVersion(board, link: c_uint) -> c_uint {
        board.count(&find(&board, link)?.version).map(|version| version as c_uint)
    }
    fn nvmlDeviceGetNvLinkRemoteDeviceType(board, link: c_uint) -> c_uint { find(&board, link).map(|_| 2) }
    fn nvmlDeviceGetNvLinkErrorCounter(board, link: c_uint, counter: c_uint) -> c_ulonglong {
        board.count(error(&find(&board, link)?.errors, counter))
    }
    fn nvmlDeviceGetGpuFabricInfo(board) -> nvmlGpuFabricInfo_t {
        let Fabric { state, status, clique, cluster, .. } = *fabric(&board)?;
        Ok(nvmlGpuFabricInfo_t { clusterUuid: cluster, status, cliqueId: clique, state })
    }
}

/// A link's capability: all of them.
///
/// # Safety
/// As of NVML: the answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetNvLinkCapability(
    device: nvmlDevice_t,
    link: c_uint,
    _capability: c_uint,
    is_there: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetNvLinkCapability", device).and_then(|board| find(&board, link).map(|_| 1));
    // SAFETY: the caller has room.
    unsafe { put(found, is_there) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetGpuFabricInfoV(
    device: nvmlDevice_t,
    info: *mut nvmlGpuFabricInfo_v3_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetGpuFabricInfoV", device).and_then(|board| fabric(&board).cloned());
    let Fabric { state, status, clique, cluster, health_mask, health_summary } = match found {
        Ok(fabric) => fabric,
        Err(Code(code)) => return code,
    };
    // The versions are as long as they must be: an older one has no room for what came later.
    let second = info.cast::<nvmlGpuFabricInfo_v2_t>();
    // SAFETY: the caller gives one of the versions.
    let older = unsafe { versioned(second, &[version_of::<nvmlGpuFabricInfo_v2_t>(2)]) };
    if let Ok(asked) = older {
        let answer = nvmlGpuFabricInfo_v2_t {
            version: asked.version,
            clusterUuid: cluster,
            status,
            cliqueId: clique,
            state,
            healthMask: health_mask,
        };
        // SAFETY: it is of this version.
        return unsafe { put(Ok(answer), second) };
    }
    // SAFETY: the caller gives one of the versions.
    let newer = unsafe { versioned(info, &[version_of::<nvmlGpuFabricInfo_v3_t>(3)]) };
    let answer = newer.map(|asked| nvmlGpuFabricInfo_v3_t {
        version: asked.version,
        clusterUuid: cluster,
        status,
        cliqueId: clique,
        state,
        healthMask: health_mask,
        healthSummary: health_summary,
    });
    // SAFETY: it is of this version.
    unsafe { put(answer, info) }
}

fn find(board: &Board, link: c_uint) -> Answer<&NvLink> {
    let links = board.gpu().nvlink.as_ref().ok_or(Code::NOT_SUPPORTED)?;
    if link < links.links { Ok(links) } else { Err(Code::INVALID_ARGUMENT) }
}

fn error(errors: &NvLinkErrors, counter: c_uint) -> &Reading {
    match counter {
        0 => &errors.replay,
        1 => &errors.recovery,
        2 => &errors.crc_flit,
        3 => &errors.crc_data,
        4 => &errors.ecc_data,
        _ => Reading::NONE,
    }
}

fn fabric(board: &Board) -> Answer<&Fabric> {
    board.gpu().fabric.as_ref().ok_or(Code::NOT_SUPPORTED)
}
