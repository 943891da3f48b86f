//! How fast a board's clocks run, and what holds them down.

use nvml_wrapper::bitmasks::device::ThrottleReasons;
use nvml_wrapper::enum_wrappers::device::Clock;

use super::super::board::Board;
use super::super::fields::Field;
use super::{FieldReading, Group, Of, Reader, Scale, never, record_fields};
use crate::recorder::{Definition, Label, Labels, Recorder};

const METRICS: &[Definition] = &[Definition::gauge(
    "nvidia.gpu.clock.frequency",
    "Hz",
    "Clocks, by nvidia.gpu.clock.type: graphics, sm, memory, video.",
)];

pub(super) const GROUP: Group = Group {
    name: "clocks",
    about: "How fast the clocks run.",
    metrics: METRICS,
    fields: &[],
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Clocks),
};

const TIME: usize = 0;
const REASON: usize = 1;

const THROTTLE_METRICS: &[Definition] = &[
    Definition::counter(
        "nvidia.gpu.clock.throttle.time",
        "s",
        "Time clocks were held down, by nvidia.gpu.clock.event_reason: sw_power_cap, thermal, sync_boost, board_limit, low_utilization, reliability, app_clocks, base_clocks, sw_thermal_slowdown, hw_thermal_slowdown, hw_power_brake_slowdown.",
    ),
    Definition::gauge(
        "nvidia.gpu.clock.event_reason",
        "1",
        "Whether clocks are held down now, by nvidia.gpu.clock.event_reason: gpu_idle, applications_clocks_setting, sw_power_cap, hw_slowdown, sync_boost, sw_thermal_slowdown, hw_thermal_slowdown, hw_power_brake_slowdown, display_clock_setting.",
    ).off(),
];

pub(super) const THROTTLE: Group = Group {
    name: "throttle",
    about: "What holds the clocks down: for how long in all, and, where asked for, at this moment.",
    metrics: THROTTLE_METRICS,
    fields: TIMES,
    is_default: true,
    interval: super::EACH_TIME,
    of: Of::Boards,
    reader: || Box::new(Throttle),
};

struct Clocks;

struct Throttle;

pub(super) struct ClockKind {
    pub(super) kind: Clock,
    call: &'static str,
    pub(super) limit_call: &'static str,
    pub(super) labels: Labels<'static>,
}

pub(super) const HERTZ: u64 = 1_000_000;

pub(super) const CLOCKS: [ClockKind; 4] = [
    ClockKind {
        kind: Clock::Graphics,
        call: "nvmlDeviceGetClockInfo/graphics",
        limit_call: "nvmlDeviceGetMaxClockInfo/graphics",
        labels: &[("nvidia.gpu.clock.type", Label::Text("graphics"))],
    },
    ClockKind {
        kind: Clock::SM,
        call: "nvmlDeviceGetClockInfo/sm",
        limit_call: "nvmlDeviceGetMaxClockInfo/sm",
        labels: &[("nvidia.gpu.clock.type", Label::Text("sm"))],
    },
    ClockKind {
        kind: Clock::Memory,
        call: "nvmlDeviceGetClockInfo/mem",
        limit_call: "nvmlDeviceGetMaxClockInfo/mem",
        labels: &[("nvidia.gpu.clock.type", Label::Text("memory"))],
    },
    ClockKind {
        kind: Clock::Video,
        call: "nvmlDeviceGetClockInfo/video",
        limit_call: "nvmlDeviceGetMaxClockInfo/video",
        labels: &[("nvidia.gpu.clock.type", Label::Text("video"))],
    },
];

const TIMES: &[FieldReading] = &[
    time(74, &[(KEY, Label::Text("sw_power_cap"))]),
    time(75, &[(KEY, Label::Text("thermal"))]),
    time(76, &[(KEY, Label::Text("sync_boost"))]),
    time(77, &[(KEY, Label::Text("board_limit"))]),
    time(78, &[(KEY, Label::Text("low_utilization"))]),
    time(79, &[(KEY, Label::Text("reliability"))]),
    time(80, &[(KEY, Label::Text("app_clocks"))]),
    time(81, &[(KEY, Label::Text("base_clocks"))]),
    time(251, &[(KEY, Label::Text("sw_thermal_slowdown"))]),
    time(252, &[(KEY, Label::Text("hw_thermal_slowdown"))]),
    time(253, &[(KEY, Label::Text("hw_power_brake_slowdown"))]),
];

const fn time(id: u32, labels: Labels<'static>) -> FieldReading {
    FieldReading { field: Field::new(id), metric: TIME, labels, scale: Scale::Over(1e9) }
}

const KEY: &str = "nvidia.gpu.clock.event_reason";

const REASONS: [(ThrottleReasons, &str); 9] = [
    (ThrottleReasons::GPU_IDLE, "gpu_idle"),
    (ThrottleReasons::APPLICATIONS_CLOCKS_SETTING, "applications_clocks_setting"),
    (ThrottleReasons::SW_POWER_CAP, "sw_power_cap"),
    (ThrottleReasons::HW_SLOWDOWN, "hw_slowdown"),
    (ThrottleReasons::SYNC_BOOST, "sync_boost"),
    (ThrottleReasons::SW_THERMAL_SLOWDOWN, "sw_thermal_slowdown"),
    (ThrottleReasons::HW_THERMAL_SLOWDOWN, "hw_thermal_slowdown"),
    (ThrottleReasons::HW_POWER_BRAKE_SLOWDOWN, "hw_power_brake_slowdown"),
    (ThrottleReasons::DISPLAY_CLOCK_SETTING, "display_clock_setting"),
];

impl Reader for Clocks {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        for clock in &CLOCKS {
            if let Some(megahertz) =
                board.ask(clock.call, |device| device.clock_info(clock.kind).map_err(never))
            {
                recorder.int(0, clock.labels, u64::from(megahertz) * HERTZ);
            }
        }
    }
}

impl Reader for Throttle {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        record_fields(TIMES, board, recorder);
        if !recorder.is_on(REASON) {
            return;
        }
        let call = "nvmlDeviceGetCurrentClocksThrottleReasons";
        let Some(now) = board.ask(call, |device| device.current_throttle_reasons()) else { return };
        for (reason, name) in REASONS {
            recorder.int(REASON, &[(KEY, Label::Text(name))], now.contains(reason).into());
        }
    }
}
