//! Utilization, temperatures, power, fans, clocks.
#![expect(unsafe_code, reason = "this is at the border of the ABI")]

use std::ffi::{c_uint, c_ulonglong};

use nvml_wrapper_sys::bindings::{
    nvmlDevice_t, nvmlFanSpeedInfo_v1_t, nvmlMarginTemperature_v1_t, nvmlReturn_t, nvmlTemperature_v1_t,
    nvmlUtilization_t, nvmlViolationTime_t,
};

use super::{answers, ask, put, put_both, readings, version_of, versioned};
use crate::script::{Clocks, Fan, Gpu, Reading, ThrottleTime};
use crate::world::{Answer, Board, Code};

/// How long the driver averages a utilization, in microseconds.
const SAMPLING_PERIOD: c_uint = 167_000;

readings! {
    nvmlDeviceGetPowerUsage(gpu) -> c_uint = &gpu.power.usage;
    nvmlDeviceGetTotalEnergyConsumption(gpu) -> c_ulonglong = &gpu.power.energy;
    nvmlDeviceGetEnforcedPowerLimit(gpu) -> c_uint = &gpu.power.limit.enforced;
    nvmlDeviceGetPowerManagementLimit(gpu) -> c_uint = &gpu.power.limit.requested;
    nvmlDeviceGetPowerManagementDefaultLimit(gpu) -> c_uint = &gpu.power.limit.default;
    nvmlDeviceGetTemperatureThreshold(gpu, kind: c_uint) -> c_uint = threshold(gpu, kind);
    nvmlDeviceGetClockInfo(gpu, kind: c_uint) -> c_uint = clock(&gpu.clocks, kind);
    nvmlDeviceGetMaxClockInfo(gpu, kind: c_uint) -> c_uint = max_clock(&gpu.clocks, kind);
    nvmlDeviceGetCurrentClocksThrottleReasons(gpu) -> c_ulonglong = &gpu.throttle.reasons;
    nvmlDeviceGetCurrentClocksEventReasons(gpu) -> c_ulonglong = &gpu.throttle.reasons;
    nvmlDeviceGetSupportedClocksThrottleReasons(gpu) -> c_ulonglong = &gpu.throttle.supported;
    nvmlDeviceGetSupportedClocksEventReasons(gpu) -> c_ulonglong = &gpu.throttle.supported;
    nvmlDeviceGetPerformanceState(gpu) -> c_uint = &gpu.performance_state;
    nvmlDeviceGetPowerState(gpu) -> c_uint = &gpu.performance_state;
    nvmlDeviceGetFanSpeed(gpu) -> c_uint = gpu.fans.first().map_or(Reading::NONE, |fan| &fan.speed);
}

answers! {
    fn nvmlDeviceGetUtilizationRates(board) -> nvmlUtilization_t {
        if board.gpu().is_divided() {
            return Err(Code::NOT_SUPPORTED);
        }
        let gpu = board.count(&board.gpu().utilization.gpu)? as c_uint;
        Ok(nvmlUtilization_t { gpu, memory: board.count_or_zero(&board.gpu().utilization.memory) as c_uint })
    }
    fn nvmlDeviceGetTemperature(board, sensor: c_uint) -> c_uint {
        if sensor != 0 {
            return Err(Code::INVALID_ARGUMENT);
        }
        board.count(&board.gpu().temperature.gpu).map(|degrees| degrees as c_uint)
    }
    fn nvmlDeviceGetViolationStatus(board, policy: c_uint) -> nvmlViolationTime_t {
        let violation = board.count(violation(&board.gpu().throttle.time, policy))?;
        Ok(nvmlViolationTime_t { referenceTime: board.micros(board.elapsed), violationTime: violation })
    }
    fn nvmlDeviceGetNumFans(board) -> c_uint {
        match board.gpu().fans.len() {
            0 => Err(Code::NOT_SUPPORTED),
            fans => Ok(fans as c_uint),
        }
    }
    fn nvmlDeviceGetFanSpeed_v2(board, fan: c_uint) -> c_uint {
        board.count(&find_fan(&board, fan)?.speed).map(|percent| percent as c_uint)
    }
    fn nvmlDeviceGetTargetFanSpeed(board, fan: c_uint) -> c_uint {
        board.count(&find_fan(&board, fan)?.target).map(|percent| percent as c_uint)
    }
}

impl Gpu {
    /// Whether instances have its parts, so that there is no utilization of the whole.
    pub(super) fn is_divided(&self) -> bool {
        self.mig.as_ref().is_some_and(|mig| mig.mode == 1)
    }
}

fn find_fan(board: &Board, fan: c_uint) -> Answer<&Fan> {
    let fans = &board.gpu().fans;
    let otherwise = if fans.is_empty() { Code::NOT_SUPPORTED } else { Code::INVALID_ARGUMENT };
    fans.get(fan as usize).ok_or(otherwise)
}

fn threshold(gpu: &Gpu, kind: c_uint) -> &Reading {
    let thresholds = &gpu.temperature.thresholds;
    match kind {
        0 => &thresholds.shutdown,
        1 => &thresholds.slowdown,
        2 => &thresholds.memory_max,
        3 => &thresholds.gpu_max,
        4 => &thresholds.acoustic_min,
        5 => &thresholds.acoustic_current,
        6 => &thresholds.acoustic_max,
        7 => &thresholds.gps_current,
        _ => Reading::NONE,
    }
}

fn clock(clocks: &Clocks, kind: c_uint) -> &Reading {
    match kind {
        0 => &clocks.graphics,
        1 => &clocks.sm,
        2 => &clocks.memory,
        3 => &clocks.video,
        _ => Reading::NONE,
    }
}

fn max_clock(clocks: &Clocks, kind: c_uint) -> &Reading {
    match kind {
        0 => &clocks.max.graphics,
        1 => &clocks.max.sm,
        2 => &clocks.max.memory,
        3 => &clocks.max.video,
        _ => Reading::NONE,
    }
}

fn violation(time: &ThrottleTime, policy: c_uint) -> &Reading {
    match policy {
        0 => &time.power,
        1 => &time.thermal,
        2 => &time.sync_boost,
        3 => &time.board_limit,
        4 => &time.low_utilization,
        5 => &time.reliability,
        10 => &time.app_clocks,
        11 => &time.base_clocks,
        _ => Reading::NONE,
    }
}

/// Defines functions of NVML that answer a utilization and how long it was averaged.
macro_rules! engines {
    ($($name:ident = $engine:ident;)*) => {$(
        /// # Safety
        /// As of NVML: each answer is null, or there is room for it.
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name(
            device: nvmlDevice_t,
            utilization: *mut c_uint,
            period: *mut c_uint,
        ) -> nvmlReturn_t {
            let found = ask(stringify!($name), device).and_then(|board| {
                if board.gpu().is_divided() {
                    return Err(Code::NOT_SUPPORTED);
                }
                let percent = board.count(&board.gpu().utilization.$engine)?;
                Ok((percent as c_uint, SAMPLING_PERIOD))
            });
            // SAFETY: the caller has room.
            unsafe { put_both(found, utilization, period) }
        }
    )*};
}

engines! {
    nvmlDeviceGetEncoderUtilization = encoder;
    nvmlDeviceGetDecoderUtilization = decoder;
    nvmlDeviceGetJpgUtilization = jpeg;
    nvmlDeviceGetOfaUtilization = ofa;
}

/// # Safety
/// As of NVML: each limit is null, or there is room for it.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetPowerManagementLimitConstraints(
    device: nvmlDevice_t,
    min: *mut c_uint,
    max: *mut c_uint,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetPowerManagementLimitConstraints", device).and_then(|board| {
        let limit = &board.gpu().power.limit;
        Ok((board.count(&limit.min)? as c_uint, board.count(&limit.max)? as c_uint))
    });
    // SAFETY: the caller has room.
    unsafe { put_both(found, min, max) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetTemperatureV(
    device: nvmlDevice_t,
    temperature: *mut nvmlTemperature_v1_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetTemperatureV", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(temperature, &[version_of::<nvmlTemperature_v1_t>(1)]) }?;
        if asked.sensorType != 0 {
            return Err(Code::INVALID_ARGUMENT);
        }
        let temperature = board.number(&board.gpu().temperature.gpu)? as i32;
        Ok(nvmlTemperature_v1_t { temperature, ..asked })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, temperature) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetMarginTemperature(
    device: nvmlDevice_t,
    margin: *mut nvmlMarginTemperature_v1_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetMarginTemperature", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(margin, &[version_of::<nvmlMarginTemperature_v1_t>(1)]) }?;
        let degrees = board.number(&board.gpu().temperature.margin)? as i32;
        Ok(nvmlMarginTemperature_v1_t { marginTemperature: degrees, ..asked })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, margin) }
}

/// # Safety
/// As of NVML: the answer is null, or such a structure with its version.
#[unsafe(no_mangle)]
unsafe extern "C" fn nvmlDeviceGetFanSpeedRPM(
    device: nvmlDevice_t,
    speed: *mut nvmlFanSpeedInfo_v1_t,
) -> nvmlReturn_t {
    let found = ask("nvmlDeviceGetFanSpeedRPM", device).and_then(|board| {
        // SAFETY: the caller gives such a structure.
        let asked = unsafe { versioned(speed, &[version_of::<nvmlFanSpeedInfo_v1_t>(1)]) }?;
        let turns = board.count(&find_fan(&board, asked.fan)?.rpm)?;
        Ok(nvmlFanSpeedInfo_v1_t { speed: turns as c_uint, ..asked })
    });
    // SAFETY: the caller has room.
    unsafe { put(found, speed) }
}
