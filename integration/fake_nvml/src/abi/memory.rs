//! How much memory there is.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use nvml_wrapper_sys::bindings::{
    nvmlBAR1Memory_t, nvmlDevice_t, nvmlMemory_t, nvmlMemory_v2_t, nvmlReturn_t,
};

use super::{answers, ask_any, put, version_of, versioned};
use crate::world::{Answer, Board};

answers! {
    fn nvmlDeviceGetBAR1MemoryInfo(board) -> nvmlBAR1Memory_t {
        let bar1 = &board.gpu().bar1;
        let (total, used) = (board.count(&bar1.total)?, board.count(&bar1.used)?);
        Ok(nvmlBAR1Memory_t { bar1Total: total, bar1Free: total.saturating_sub(used), bar1Used: used })
    }
}

/// # Safety
/// As of NVML: the answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_t,
) -> nvmlReturn_t {
    let found = ask_any("nvmlDeviceGetMemoryInfo", device).and_then(|board| {
        let Memory { total, used, reserved } = sizes(&board)?;
        // The first version counts what the driver keeps for itself as used.
        let used = used + reserved;
        Ok(nvmlMemory_t { total, free: total.saturating_sub(used), used })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, memory) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    device: nvmlDevice_t,
    memory: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t {
    let found = ask_any("nvmlDeviceGetMemoryInfo_v2", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(memory, &[version_of::<nvmlMemory_v2_t>(2)]) }?;
        let Memory { total, used, reserved } = sizes(&board)?;
        let free = total.saturating_sub(used + reserved);
        Ok(nvmlMemory_v2_t { version: asked.version, total, reserved, free, used })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, memory) }
}

struct Memory {
    total: u64,
    used: u64,
    reserved: u64,
}

fn sizes(board: &Board) -> Answer<Memory> {
    let memory = board.instance().map_or(&board.gpu().memory, |instance| &instance.memory);
    Ok(Memory {
        total: board.count(&memory.total)?,
        used: board.count(&memory.used)?,
        reserved: board.count_or_zero(&memory.reserved),
    })
}
