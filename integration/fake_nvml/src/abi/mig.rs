//! The instances of a divided board.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::c_uint;

use nvml_wrapper_sys::bindings::{nvmlDevice_t, nvmlDeviceAttributes_t, nvmlReturn_t};

use super::{answers, ask, ask_any, put, put_both};
use crate::script::Mig;
use crate::world::{Answer, Board, Code, Handle};

fn mig(board: &Board) -> Answer<&Mig> {
    board.gpu().mig.as_ref().ok_or(Code::NOT_SUPPORTED)
}

/// # Safety
/// As of NVML: each mode is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMigMode(
    device: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetMigMode", device);
    let found = found.and_then(|board| mig(&board).map(|mig| (mig.mode, mig.pending)));
    // SAFETY: the caller has room.
    unsafe { put_both(found, current, pending) }
}

answers! {
    fn nvmlDeviceGetMaxMigDeviceCount(board) -> c_uint { Ok(mig(&board).map_or(0, |mig| mig.max)) }
    fn nvmlDeviceGetMigDeviceHandleByIndex(board, index: c_uint) -> nvmlDevice_t {
        if index >= mig(&board)?.max {
            return Err(Code::INVALID_ARGUMENT);
        }
        let mut instances = board.gpu().instances().iter();
        let place = instances.position(|instance| instance.slot == Some(index)).ok_or(Code::NOT_FOUND)?;
        Ok(Handle::of(&board.scene, board.index, Some(place)) as nvmlDevice_t)
    }
}

/// Defines functions of NVML that ask an instance.
macro_rules! of_instances {
    ($($name:ident($board:ident, $instance:ident) -> $answer:ty = $value:expr;)*) => {$(
        /// # Safety
        /// As of NVML: the answer is null, or there is room for it.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(device: nvmlDevice_t, answer: *mut $answer) -> nvmlReturn_t {
            let found = ask_any(stringify!($name), device).and_then(|$board| {
                let $instance = $board.instance().ok_or(Code::INVALID_ARGUMENT)?;
                Ok($value)
            });
            // SAFETY: the caller has room.
            unsafe { put(found, answer) }
        }
    )*};
}

of_instances! {
    nvmlDeviceGetGpuInstanceId(board, instance) -> c_uint = instance.gpu_instance;
    nvmlDeviceGetComputeInstanceId(board, instance) -> c_uint = instance.compute_instance;
    nvmlDeviceGetDeviceHandleFromMigDeviceHandle(board, _instance) -> nvmlDevice_t =
        Handle::of(&board.scene, board.index, None) as nvmlDevice_t;
    nvmlDeviceGetAttributes_v2(board, instance) -> nvmlDeviceAttributes_t = nvmlDeviceAttributes_t {
        multiprocessorCount: instance.multiprocessors,
        sharedCopyEngineCount: instance.copy_engines,
        sharedDecoderCount: instance.decoders,
        sharedEncoderCount: instance.encoders,
        sharedJpegCount: instance.jpegs,
        sharedOfaCount: instance.ofas,
        gpuInstanceSliceCount: instance.gpu_slices,
        computeInstanceSliceCount: instance.compute_slices,
        memorySizeMB: instance.memory_mib,
    };
}

/// # Safety
/// As of NVML: the answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceIsMigDeviceHandle(device: nvmlDevice_t, is_one: *mut c_uint) -> nvmlReturn_t {
    let found = ask_any("nvmlDeviceIsMigDeviceHandle", device);
    let found = found.map(|board| board.instance().is_some().into());
    // SAFETY: the caller has room.
    unsafe { put(found, is_one) }
}
