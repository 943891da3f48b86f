//! Who is on a board.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_uint, c_ulonglong};
use std::time::Duration;

use nvml_wrapper_sys::bindings::{
    nvmlAccountingStats_t, nvmlDevice_t, nvmlProcessInfo_t, nvmlProcessUtilizationInfo_v1_t,
    nvmlProcessUtilizationSample_t, nvmlProcessesUtilizationInfo_v1_t, nvmlReturn_t,
};

use super::{answers, ask, ask_any, put, put_list, version_of, versioned};
use crate::script::{Process, Processes};
use crate::world::{Answer, Board, Code};

/// What NVML says where memory or an instance is not known.
const NOT_AVAILABLE: u64 = u64::MAX;

/// How often there is a new sample of each process.
const SAMPLE_INTERVAL: Duration = Duration::from_secs(1);

/// Defines functions of NVML that list processes.
macro_rules! lists {
    ($($name:ident = $list:ident;)*) => {$(
        /// # Safety
        /// As of NVML: the count says how many there is room for.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvmlDevice_t,
            count: *mut c_uint,
            processes: *mut nvmlProcessInfo_t,
        ) -> nvmlReturn_t {
            let found = ask_any(stringify!($name), device).and_then(|board| list(&board, |all| &all.$list));
            // SAFETY: the caller has room for so many.
            unsafe { put_list(found, count, processes) }
        }
    )*};
}

lists! {
    nvmlDeviceGetComputeRunningProcesses_v3 = compute;
    nvmlDeviceGetComputeRunningProcesses_v2 = compute;
    nvmlDeviceGetGraphicsRunningProcesses_v3 = graphics;
    nvmlDeviceGetGraphicsRunningProcesses_v2 = graphics;
    nvmlDeviceGetMPSComputeRunningProcesses_v3 = mps;
    nvmlDeviceGetMPSComputeRunningProcesses_v2 = mps;
}

fn all(board: &Board) -> Answer<&Processes> {
    board.gpu().processes.as_ref().ok_or(Code::NOT_SUPPORTED)
}

fn list(board: &Board, of: impl Fn(&Processes) -> &Vec<Process>) -> Answer<Vec<nvmlProcessInfo_t>> {
    // An instance has its own processes, a board all.
    let is_on = |process: &&Process| match board.instance() {
        Some(instance) => process.gpu_instance == Some(instance.gpu_instance),
        None => true,
    };
    let processes = of(all(board)?).iter().filter(is_on).map(|process| nvmlProcessInfo_t {
        pid: process.pid.0,
        usedGpuMemory: board.count(&process.memory).unwrap_or(NOT_AVAILABLE),
        gpuInstanceId: process.gpu_instance.unwrap_or(u32::MAX),
        computeInstanceId: process.compute_instance.unwrap_or(u32::MAX),
    });
    Ok(processes.collect())
}

/// The newest sample of each process, where it is newer than the last that was seen.
fn newest(board: &Board, last_seen: u64) -> Answer<(Vec<&Process>, u64)> {
    let processes = all(board)?;
    if board.gpu().is_divided() {
        return Err(Code::NOT_SUPPORTED);
    }
    let interval = SAMPLE_INTERVAL.as_secs_f64();
    let sampled = Duration::from_secs_f64((board.elapsed.as_secs_f64() / interval).floor() * interval);
    let time = board.micros(sampled);
    let busy = processes.compute.iter().chain(&processes.graphics).chain(&processes.mps);
    let busy: Vec<_> = busy.filter(|process| process.sm.is_some()).collect();
    // Two readings of the clock put the same sample some microseconds apart.
    if busy.is_empty() || time <= last_seen.saturating_add(1_000) {
        Err(Code::NOT_FOUND)
    } else {
        Ok((busy, time))
    }
}

/// # Safety
/// As of NVML: the count says how many there is room for.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessUtilization(
    device: nvmlDevice_t,
    samples: *mut nvmlProcessUtilizationSample_t,
    count: *mut c_uint,
    last_seen: c_ulonglong,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetProcessUtilization", device).and_then(|board| {
        let (busy, time) = newest(&board, last_seen)?;
        let samples = busy.into_iter().map(|process| nvmlProcessUtilizationSample_t {
            pid: process.pid.0,
            timeStamp: time,
            smUtil: board.count_or_zero(&process.sm) as c_uint,
            memUtil: board.count_or_zero(&process.memory_io) as c_uint,
            encUtil: board.count_or_zero(&process.encoder) as c_uint,
            decUtil: board.count_or_zero(&process.decoder) as c_uint,
        });
        Ok(samples.collect())
    });
    // SAFETY: the caller has room for so many.
    unsafe { put_list(found, count, samples) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version, and room for as many as it says.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetProcessesUtilizationInfo(
    device: nvmlDevice_t,
    info: *mut nvmlProcessesUtilizationInfo_v1_t,
) -> nvmlReturn_t {
    let board = ask("nvmlDeviceGetProcessesUtilizationInfo", device);
    // SAFETY: the caller gives such a structure.
    let asked = unsafe { versioned(info, &[version_of::<nvmlProcessesUtilizationInfo_v1_t>(1)]) };
    let (board, asked) = match (board, asked) {
        (Ok(board), Ok(asked)) => (board, asked),
        (Err(Code(code)), _) | (_, Err(Code(code))) => return code,
    };
    let found = newest(&board, asked.lastSeenTimeStamp).map(|(busy, time)| {
        let samples = busy.into_iter().map(|process| nvmlProcessUtilizationInfo_v1_t {
            timeStamp: time,
            pid: process.pid.0,
            smUtil: board.count_or_zero(&process.sm) as c_uint,
            memUtil: board.count_or_zero(&process.memory_io) as c_uint,
            encUtil: board.count_or_zero(&process.encoder) as c_uint,
            decUtil: board.count_or_zero(&process.decoder) as c_uint,
            jpgUtil: board.count_or_zero(&process.jpeg) as c_uint,
            ofaUtil: board.count_or_zero(&process.ofa) as c_uint,
        });
        samples.collect()
    });
    // SAFETY: the structure was read, so it is there, and says for how many there is room.
    unsafe { put_list(found, &raw mut (*info).processSamplesCount, asked.procUtilArray) }
}

answers! {
    fn nvmlDeviceGetAccountingMode(board) -> c_uint {
        board.count(&board.gpu().modes.accounting).map(|mode| mode as c_uint)
    }
    fn nvmlDeviceGetAccountingBufferSize(board) -> c_uint { accounted(&board).map(|_| 4000) }
}

/// The processes that are kept account of.
fn accounted(board: &Board) -> Answer<Vec<&Process>> {
    match board.count(&board.gpu().modes.accounting)? {
        0 => Err(Code::NOT_SUPPORTED),
        _ => Ok(all(board)?.compute.iter().collect()),
    }
}

/// # Safety
/// As of NVML: the count says how many there is room for.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingPids(
    device: nvmlDevice_t,
    count: *mut c_uint,
    pids: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetAccountingPids", device)
        .and_then(|board| Ok(accounted(&board)?.into_iter().map(|process| process.pid.0).collect()));
    // SAFETY: the caller has room for so many.
    unsafe { put_list(found, count, pids) }
}

/// # Safety
/// As of NVML: the answer is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetAccountingStats(
    device: nvmlDevice_t,
    pid: c_uint,
    stats: *mut nvmlAccountingStats_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetAccountingStats", device).and_then(|board| {
        let accounted = accounted(&board)?;
        let process = accounted.iter().find(|process| process.pid.0 == pid).ok_or(Code::NOT_FOUND)?;
        Ok(nvmlAccountingStats_t {
            gpuUtilization: board.count_or_zero(&process.sm) as c_uint,
            memoryUtilization: board.count_or_zero(&process.memory_io) as c_uint,
            maxMemoryUsage: board.count(&process.memory_peak).unwrap_or(NOT_AVAILABLE),
            time: board.elapsed.as_millis() as c_ulonglong,
            startTime: board.micros(Duration::ZERO),
            isRunning: 1,
            reserved: [0; 5],
        })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, stats) }
}
