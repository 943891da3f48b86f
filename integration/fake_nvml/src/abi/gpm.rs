//! The performance monitors of newer boards: what happened between two samples.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::collections::BTreeMap;
use std::ffi::c_uint;
use std::sync::atomic::{AtomicUsize, Ordering};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlGpmMetric_t, nvmlGpmMetricsGet_t, nvmlGpmSample_t, nvmlGpmSupport_t, nvmlReturn_t,
};

use super::{ask, ask_any, code, put, versioned};
use crate::script::Reading;
use crate::world::{Answer, Board, Code, GpmSample, WORLD, lock};

/// NVML's version of both structures here is a plain number.
const VERSION: u32 = 1;

/// # Safety
/// As of NVML: the sample is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmSampleAlloc(sample: *mut nvmlGpmSample_t) -> nvmlReturn_t {
    static NEXT: AtomicUsize = AtomicUsize::new(1);
    let found = WORLD.call("nvmlGpmSampleAlloc").map(|_| {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        lock(&WORLD.samples).insert(number, None);
        number as nvmlGpmSample_t
    });
    // SAFETY: the caller has room.
    unsafe { put(found, sample) }
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmSampleFree(sample: nvmlGpmSample_t) -> nvmlReturn_t {
    // A sample may be freed when nothing else is possible any more.
    WORLD.calls.count("nvmlGpmSampleFree");
    code(lock(&WORLD.samples).remove(&(sample as usize)).map(|_| ()).ok_or(Code::INVALID_ARGUMENT))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmSampleGet(device: nvmlDevice_t, sample: nvmlGpmSample_t) -> nvmlReturn_t {
    code(ask("nvmlGpmSampleGet", device).and_then(|board| take(&board, None, sample)))
}

#[unsafe(no_mangle)]
extern "C" fn nvmlGpmMigSampleGet(
    device: nvmlDevice_t,
    gpu_instance: c_uint,
    sample: nvmlGpmSample_t,
) -> nvmlReturn_t {
    code(ask("nvmlGpmMigSampleGet", device).and_then(|board| take(&board, Some(gpu_instance), sample)))
}

fn take(board: &Board, gpu_instance: Option<u32>, sample: nvmlGpmSample_t) -> Answer<()> {
    metrics(board, gpu_instance)?;
    let mut samples = lock(&WORLD.samples);
    let place = samples.get_mut(&(sample as usize)).ok_or(Code::INVALID_ARGUMENT)?;
    *place = Some(GpmSample { gpu: board.index, gpu_instance, elapsed: board.elapsed });
    Ok(())
}

/// What a board or an instance can say.
fn metrics(board: &Board, gpu_instance: Option<u32>) -> Answer<&BTreeMap<u32, Reading>> {
    let metrics = match gpu_instance {
        // The board as a whole is not measured while it is divided.
        None if board.gpu().is_divided() => return Err(Code::NOT_SUPPORTED),
        None => &board.gpu().gpm,
        Some(number) => {
            let mut instances = board.gpu().instances().iter();
            &instances.find(|instance| instance.gpu_instance == number).ok_or(Code::INVALID_ARGUMENT)?.gpm
        }
    };
    metrics.as_ref().ok_or(Code::NOT_SUPPORTED)
}

/// # Safety
/// As of NVML: the metrics are null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmMetricsGet(get: *mut nvmlGpmMetricsGet_t) -> nvmlReturn_t {
    let scene = WORLD.call("nvmlGpmMetricsGet");
    let found = scene.and_then(|scene| {
        // SAFETY: the caller gives such a structure.
        let mut asked = unsafe { versioned(get, &[VERSION]) }?;
        let (first, second) = both(asked.sample1, asked.sample2)?;
        if (first.gpu, first.gpu_instance) != (second.gpu, second.gpu_instance) {
            return Err(Code::INVALID_ARGUMENT);
        }
        if second.gpu >= scene.script.gpus.len() {
            return Err(Code::INVALID_ARGUMENT);
        }
        // What there was between the two is what there was in the middle.
        let mut board = scene.board(second.gpu);
        board.elapsed = (first.elapsed + second.elapsed) / 2;
        let metrics = metrics(&board, second.gpu_instance)?;
        let wanted = asked.metrics.get_mut(..asked.numMetrics as usize).ok_or(Code::INVALID_ARGUMENT)?;
        for metric in wanted {
            answer(&board, metrics, metric);
        }
        Ok(asked)
    });
    // SAFETY: the caller has room.
    unsafe { put(found, get) }
}

fn both(first: nvmlGpmSample_t, second: nvmlGpmSample_t) -> Answer<(GpmSample, GpmSample)> {
    let samples = lock(&WORLD.samples);
    let taken = |sample: nvmlGpmSample_t| samples.get(&(sample as usize)).copied().flatten();
    taken(first).zip(taken(second)).ok_or(Code::INVALID_ARGUMENT)
}

fn answer(board: &Board, metrics: &BTreeMap<u32, Reading>, metric: &mut nvmlGpmMetric_t) {
    let reading = metrics.get(&metric.metricId).unwrap_or(Reading::NONE);
    (metric.nvmlReturn, metric.value) = match board.number(reading) {
        Ok(number) => (0, number),
        Err(Code(code)) => (code, 0.0),
    };
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlGpmQueryDeviceSupport(
    device: nvmlDevice_t,
    support: *mut nvmlGpmSupport_t,
) -> nvmlReturn_t {
    let found = ask_any("nvmlGpmQueryDeviceSupport", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(support, &[VERSION]) }?;
        let on_instance = board.gpu().instances().iter().any(|instance| instance.gpm.is_some());
        let is_supported = board.gpu().gpm.is_some() || on_instance;
        Ok(nvmlGpmSupport_t { isSupportedDevice: is_supported.into(), ..asked })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, support) }
}
