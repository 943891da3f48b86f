//! What has gone wrong with a board's memory.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_uint, c_ulonglong};
use std::time::Duration;

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlEccSramErrorStatus_v1_t, nvmlReturn_t, nvmlRowRemapperHistogramValues_t,
};

use super::{answers, ask, code, put, put_list, version_of, versioned};
use crate::script::{Ecc, EccPlaces, Reading};
use crate::world::{Answer, Board, Code};

answers! {
    fn nvmlDeviceGetTotalEccErrors(board, kind: c_uint, counter: c_uint) -> c_ulonglong {
        board.count(&places(&board.gpu().ecc, kind, counter)?.total)
    }
    fn nvmlDeviceGetMemoryErrorCounter(board, kind: c_uint, counter: c_uint, location: c_uint) -> c_ulonglong {
        board.count(place(places(&board.gpu().ecc, kind, counter)?, location))
    }
    fn nvmlDeviceGetRetiredPagesPendingStatus(board) -> c_uint {
        let retired = board.gpu().retired.as_ref().ok_or(Code::NOT_SUPPORTED)?;
        Ok(board.count_or_zero(&retired.pending) as c_uint)
    }
    fn nvmlDeviceGetRowRemapperHistogram(board) -> nvmlRowRemapperHistogramValues_t {
        let [max, high, partial, low, none] = board.gpu().rows.histogram.ok_or(Code::NOT_SUPPORTED)?;
        Ok(nvmlRowRemapperHistogramValues_t { max, high, partial, low, none })
    }
}

/// Of corrected or uncorrected errors, since the driver was loaded or ever.
pub(super) fn places(ecc: &Ecc, kind: c_uint, counter: c_uint) -> Answer<&EccPlaces> {
    let errors = match counter {
        0 => &ecc.volatile,
        1 => &ecc.aggregate,
        _ => return Err(Code::INVALID_ARGUMENT),
    };
    match kind {
        0 => Ok(&errors.corrected),
        1 => Ok(&errors.uncorrected),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// By NVML's number of a place.
pub(super) fn place(places: &EccPlaces, location: c_uint) -> &Reading {
    match location {
        0 => &places.l1_cache,
        1 => &places.l2_cache,
        2 => &places.dram,
        3 => &places.register_file,
        4 => &places.texture,
        5 => &places.shared,
        6 => &places.cbu,
        7 => &places.sram,
        _ => Reading::NONE,
    }
}

fn pages(board: &Board, cause: c_uint) -> Answer<Vec<u64>> {
    let retired = board.gpu().retired.as_ref().ok_or(Code::NOT_SUPPORTED)?;
    match cause {
        0 => Ok(retired.single_bit.clone()),
        1 => Ok(retired.double_bit.clone()),
        _ => Err(Code::INVALID_ARGUMENT),
    }
}

/// # Safety
/// As of NVML: the count says how many there is room for.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages(
    device: nvmlDevice_t,
    cause: c_uint,
    count: *mut c_uint,
    addresses: *mut c_ulonglong,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetRetiredPages", device).and_then(|board| pages(&board, cause));
    // SAFETY: the caller has room for so many.
    unsafe { put_list(found, count, addresses) }
}

/// # Safety
/// As of NVML: the count says how many there is room for in both lists.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRetiredPages_v2(
    device: nvmlDevice_t,
    cause: c_uint,
    count: *mut c_uint,
    addresses: *mut c_ulonglong,
    times: *mut c_ulonglong,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetRetiredPages_v2", device)
        .and_then(|board| Ok((pages(&board, cause)?, board.micros(Duration::ZERO))));
    let (pages, time) = match found {
        Ok((pages, time)) => (pages, time),
        Err(Code(code)) => return code,
    };
    let retired_at = vec![time; pages.len()];
    // SAFETY: the caller has room for so many.
    match unsafe { put_list(Ok(pages), count, addresses) } {
        // SAFETY: as for the addresses; the count was written and is as many.
        0 => unsafe { put_list(Ok(retired_at), count, times) },
        code => code,
    }
}

/// # Safety
/// As of NVML: each number is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetRemappedRows(
    device: nvmlDevice_t,
    corrected: *mut c_uint,
    uncorrected: *mut c_uint,
    is_pending: *mut c_uint,
    has_failed: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetRemappedRows", device).and_then(|board| {
        let rows = &board.gpu().rows;
        let first = board.count(&rows.corrected)?;
        let others =
            [&rows.uncorrected, &rows.pending, &rows.failed].map(|reading| board.count_or_zero(reading));
        Ok([first, others[0], others[1], others[2]].map(|count| count as c_uint))
    });
    code(found.and_then(|counts| {
        for (count, place) in counts.into_iter().zip([corrected, uncorrected, is_pending, has_failed]) {
            // SAFETY: the caller has room for each.
            if unsafe { put(Ok(count), place) } != 0 {
                return Err(Code::INVALID_ARGUMENT);
            }
        }
        Ok(())
    }))
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetSramEccErrorStatus(
    device: nvmlDevice_t,
    status: *mut nvmlEccSramErrorStatus_v1_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetSramEccErrorStatus", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(status, &[version_of::<nvmlEccSramErrorStatus_v1_t>(1)]) }?;
        let Ecc { volatile, aggregate, sram_threshold_exceeded, .. } = &board.gpu().ecc;
        Ok(nvmlEccSramErrorStatus_v1_t {
            version: asked.version,
            aggregateUncParity: board.count_or_zero(&aggregate.uncorrected.sram),
            aggregateUncSecDed: 0,
            aggregateCor: board.count_or_zero(&aggregate.corrected.sram),
            volatileUncParity: board.count(&volatile.uncorrected.sram)?,
            volatileUncSecDed: 0,
            volatileCor: board.count_or_zero(&volatile.corrected.sram),
            aggregateUncBucketL2: 0,
            aggregateUncBucketSm: 0,
            aggregateUncBucketPcie: 0,
            aggregateUncBucketMcu: 0,
            aggregateUncBucketOther: 0,
            bThresholdExceeded: board.count_or_zero(sram_threshold_exceeded) as c_uint,
        })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, status) }
}
