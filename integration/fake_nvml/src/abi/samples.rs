//! What the driver has written down since it was last asked.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_uint, c_ulonglong};
use std::time::Duration;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlReturn_t, nvmlSample_t, nvmlValue_st, nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT,
};

use super::{ask, code, put_list};
use crate::script::{Gpu, Reading};
use crate::world::{Answer, Board, Code};

/// How far apart two samples are.
const INTERVAL: Duration = Duration::from_micros(166_667);

/// How many the driver keeps.
const KEPT: u32 = 100;

fn reading(gpu: &Gpu, kind: c_uint) -> Answer<&Reading> {
    match kind {
        0 => Ok(&gpu.power.usage),
        // A utilization that there is no more has no samples either.
        1..=4 | 8 | 9 if gpu.is_divided() => Err(Code::NOT_SUPPORTED),
        1 => Ok(&gpu.utilization.gpu),
        2 => Ok(&gpu.utilization.memory),
        3 => Ok(&gpu.utilization.encoder),
        4 => Ok(&gpu.utilization.decoder),
        5 => Ok(&gpu.clocks.sm),
        6 => Ok(&gpu.clocks.memory),
        7 => Ok(&gpu.power.module),
        8 => Ok(&gpu.utilization.jpeg),
        9 => Ok(&gpu.utilization.ofa),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// The samples that are newer than the last that was seen, oldest first.
fn newer(board: &Board, kind: c_uint, last_seen: u64) -> Answer<Vec<nvmlSample_t>> {
    let reading = reading(board.gpu(), kind)?;
    board.number(reading)?;
    let newest = (board.elapsed.as_secs_f64() / INTERVAL.as_secs_f64()) as u32;
    let mut samples = Vec::new();
    for number in newest.saturating_sub(KEPT - 1)..=newest {
        let elapsed = INTERVAL * number;
        let time = board.micros(elapsed);
        // Two readings of the clock put the same sample some microseconds apart.
        if time <= last_seen.saturating_add(1_000) {
            continue;
        }
        let value = reading.at(elapsed).unwrap_or_default();
        // The value is as wide as the union, so that its other half is not left as it was.
        let value = nvmlValue_st { ullVal: value as c_ulonglong & 0xffff_ffff };
        samples.push(nvmlSample_t { timeStamp: time, sampleValue: value });
    }
    if samples.is_empty() { Err(Code::NOT_FOUND) } else { Ok(samples) }
}

/// # Safety
/// As of NVML: the kind is null or there is room for it, and the count says how many samples there is room for.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSamples(
    device: nvmlDevice_t,
    kind: c_uint,
    last_seen: c_ulonglong,
    value_kind: *mut c_uint,
    count: *mut c_uint,
    samples: *mut nvmlSample_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetSamples", device).and_then(|board| newer(&board, kind, last_seen));
    let Ok(list) = found else { return code(found.map(|_| ())) };
    // SAFETY: the caller has room for the kind.
    let written = unsafe { super::put(Ok(nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT), value_kind) };
    if written != 0 || count.is_null() {
        return code(Err(Code::INVALID_ARGUMENT));
    }
    if samples.is_null() {
        // Unlike the lists of processes, this one is asked for its size with success.
        // SAFETY: it is not null, so there is room for it.
        return unsafe { super::put(Ok(list.len() as c_uint), count) };
    }
    // A sample that came since the size was asked waits for the next time.
    // SAFETY: it is not null, so it says how many there is room for.
    let room = unsafe { count.read_unaligned() } as usize;
    let list = list.into_iter().take(room).collect();
    // SAFETY: the caller has room for so many.
    unsafe { put_list(Ok(list), count, samples) }
}
