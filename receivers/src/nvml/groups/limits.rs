//! What a board may not exceed: it changes when somebody changes it, so it is asked seldom.

use nvml_wrapper::enum_wrappers::device::TemperatureThreshold;

use super::super::board::Board;
use super::super::fields::Field;
use super::clocks::{CLOCKS, HERTZ};
use super::{FieldReading, Group, Of, Reader, Scale, never};
use crate::recorder::{Definition, Label, Labels, Recorder};

const TEMPERATURE: usize = 0;
const MARGIN: usize = 1;
const ENFORCED: usize = 2;
const POWER: usize = 3;
const CLOCK: usize = 4;
const PCIE_GENERATION: usize = 5;
const PCIE_WIDTH: usize = 6;

const METRICS: &[Definition] = &[
    Definition::gauge(
        "hw.temperature.limit",
        "Cel",
        "Temperature at which something happens, by hw.sensor_location and hw.limit_type: high.degraded (slows down), high.critical (shuts down), max.operating.",
    ),
    Definition::gauge(
        "nvidia.gpu.temperature.margin.limit",
        "Cel",
        "The margin at which something happens, on boards that tell it so, by hw.sensor_location and hw.limit_type.",
    ),
    Definition::gauge("hw.power.limit", "W", "Power allowed, by hw.type and hw.id."),
    Definition::gauge(
        "nvidia.gpu.power.limit",
        "W",
        "Power limits, by nvidia.gpu.power.limit.type: requested, enforced, default, min, max.",
    ),
    Definition::gauge("nvidia.gpu.clock.limit", "Hz", "Highest clocks, by nvidia.gpu.clock.type."),
    Definition::gauge("nvidia.gpu.pcie.link.generation.limit", "1", "Highest generation of the PCIe link."),
    Definition::gauge("nvidia.gpu.pcie.link.width.limit", "{lane}", "Most lanes of the PCIe link."),
];

pub(super) const GROUP: Group = Group {
    name: "limits",
    about: "What a board may not exceed: temperatures, power, clocks, the PCIe link.",
    metrics: METRICS,
    fields: MARGINS,
    is_default: true,
    interval: super::EACH_MINUTE,
    of: Of::Boards,
    reader: || Box::new(Limits),
};

struct Limits;

const MARGINS: &[FieldReading] =
    &[margin(193, SHUTDOWN), margin(194, SLOWDOWN), margin(195, MEMORY_MAX), margin(196, GPU_MAX)];

const fn margin(id: u32, labels: Labels<'static>) -> FieldReading {
    FieldReading { field: Field::new(id), metric: MARGIN, labels, scale: Scale::ByReader }
}

const SHUTDOWN: Labels<'static> =
    &[("hw.sensor_location", Label::Text("gpu")), ("hw.limit_type", Label::Text("high.critical"))];
const SLOWDOWN: Labels<'static> =
    &[("hw.sensor_location", Label::Text("gpu")), ("hw.limit_type", Label::Text("high.degraded"))];
const MEMORY_MAX: Labels<'static> =
    &[("hw.sensor_location", Label::Text("memory")), ("hw.limit_type", Label::Text("max.operating"))];
const GPU_MAX: Labels<'static> =
    &[("hw.sensor_location", Label::Text("gpu")), ("hw.limit_type", Label::Text("max.operating"))];

const THRESHOLDS: [(&str, TemperatureThreshold, Labels<'static>); 4] = [
    ("nvmlDeviceGetTemperatureThreshold/shutdown", TemperatureThreshold::Shutdown, SHUTDOWN),
    ("nvmlDeviceGetTemperatureThreshold/slowdown", TemperatureThreshold::Slowdown, SLOWDOWN),
    ("nvmlDeviceGetTemperatureThreshold/mem_max", TemperatureThreshold::MemoryMax, MEMORY_MAX),
    ("nvmlDeviceGetTemperatureThreshold/gpu_max", TemperatureThreshold::GpuMax, GPU_MAX),
];

impl Reader for Limits {
    fn read(&mut self, board: &mut Board, recorder: &mut Recorder) {
        temperatures(board, recorder);
        power(board, recorder);
        if recorder.is_on(CLOCK) {
            for clock in &CLOCKS {
                let megahertz =
                    board.ask(clock.limit_call, |device| device.max_clock_info(clock.kind).map_err(never));
                if let Some(megahertz) = megahertz {
                    recorder.int(CLOCK, clock.labels, u64::from(megahertz) * HERTZ);
                }
            }
        }
        if let Some(generation) =
            board.ask("nvmlDeviceGetMaxPcieLinkGeneration", |device| device.max_pcie_link_gen())
        {
            recorder.int(PCIE_GENERATION, &[], generation.into());
        }
        if let Some(width) = board.ask("nvmlDeviceGetMaxPcieLinkWidth", |device| device.max_pcie_link_width())
        {
            recorder.int(PCIE_WIDTH, &[], width.into());
        }
    }
}

/// Newer boards tell by how much the margin may fall, which is no temperature, and may tell temperatures as well.
fn temperatures(board: &mut Board, recorder: &mut Recorder) {
    if recorder.is_on(TEMPERATURE) {
        for (call, threshold, labels) in THRESHOLDS {
            let degrees = board.ask(call, |device| device.temperature_threshold(threshold).map_err(never));
            // Nothing happens at 0 degrees: that is how a board says that it has no such threshold.
            if let Some(degrees) = degrees.filter(|degrees| *degrees > 0) {
                recorder.int(TEMPERATURE, labels, degrees.into());
            }
        }
    }
    for reading in MARGINS {
        if let Some(degrees) = board.fields.signed(reading.field) {
            recorder.signed(MARGIN, reading.labels, degrees);
        }
    }
}

fn power(board: &mut Board, recorder: &mut Recorder) {
    let mut record = |metric: usize, kind: &'static str, milliwatts: Option<u32>| {
        if let Some(milliwatts) = milliwatts {
            let labels = [("nvidia.gpu.power.limit.type", Label::Text(kind))];
            let labels: Labels<'_> = if kind.is_empty() { &[] } else { &labels };
            recorder.double(metric, labels, f64::from(milliwatts) / 1000.0);
        }
    };
    let enforced = board.ask("nvmlDeviceGetEnforcedPowerLimit", |device| device.enforced_power_limit());
    record(ENFORCED, "", enforced);
    record(POWER, "enforced", enforced);
    let requested = board.ask("nvmlDeviceGetPowerManagementLimit", |device| device.power_management_limit());
    record(POWER, "requested", requested);
    let default = board
        .ask("nvmlDeviceGetPowerManagementDefaultLimit", |device| device.power_management_limit_default());
    record(POWER, "default", default);
    let constraints = board.ask("nvmlDeviceGetPowerManagementLimitConstraints", |device| {
        device.power_management_limit_constraints()
    });
    record(POWER, "min", constraints.as_ref().map(|of| of.min_limit));
    record(POWER, "max", constraints.as_ref().map(|of| of.max_limit));
}
