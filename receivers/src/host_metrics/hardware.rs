//! Sensors of the board, thermal zones, memory errors, and the energy of processors.

use std::collections::HashMap;

use super::config::Plain;
use super::host::Part;
use super::hwmon::{self, Chip};
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder};

const TEMPERATURE: usize = 0;
const TEMPERATURE_LIMIT: usize = 1;
const FAN: usize = 2;
const VOLTAGE: usize = 3;
const POWER: usize = 4;
const ERRORS: usize = 5;
const ENERGY: usize = 6;

pub(super) static METRICS: &[Definition] = &[
    Definition::gauge("hw.temperature", "Cel", "Temperature of a sensor or thermal zone."),
    Definition::gauge("hw.temperature.limit", "Cel", "Temperature at which something happens.").off(),
    Definition::gauge("hw.fan.speed", "rpm", "Speed of a fan."),
    Definition::gauge("hw.voltage", "V", "Voltage of a sensor."),
    Definition::gauge("hw.power", "W", "Power a sensor measures."),
    Definition::counter("hw.errors", "{error}", "Errors that the memory's controllers found."),
    Definition::counter("hw.energy", "J", "Energy of processors and memory since the host was started."),
];

const SENSORS: [usize; 5] = [TEMPERATURE, TEMPERATURE_LIMIT, FAN, VOLTAGE, POWER];

pub(super) const ZONES: &str = "sys/class/thermal";
pub(super) const CONTROLLERS: &str = "sys/devices/system/edac/mc";
const ZONES_OF_POWER: &str = "sys/class/powercap";

#[derive(Default)]
struct Hardware {
    /// By zone, the last reading of its energy and how much was counted before it began anew.
    energies: HashMap<String, Energy>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Energy {
    last: u64,
    before: u64,
}

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(Hardware::default)
}

impl Part for Hardware {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        if recorder.is_any_on(&SENSORS) {
            for chip in hwmon::chips(root) {
                sensors(root, &chip, recorder);
            }
            for (zone, kind, temperature) in thermal_zones(root) {
                let mut labels = vec![("hw.id", Label::Text(&zone)), ("hw.type", Label::Text("temperature"))];
                labels.extend(kind.as_deref().map(|kind| ("hw.name", Label::Text(kind))));
                recorder.double(TEMPERATURE, &labels, temperature);
            }
        }
        if recorder.is_on(ERRORS) {
            memory_errors(root, recorder);
        }
        if recorder.is_on(ENERGY) {
            self.energy(root, recorder);
        }
        Ok(())
    }
}

fn sensors(root: &Root, chip: &Chip, recorder: &mut Recorder) {
    for file in chip.files() {
        let limit = match (file.kind, file.property) {
            ("temp", "crit" | "emergency") => Some("high.critical"),
            ("temp", "max") => Some("high.degraded"),
            ("temp", "min") => Some("low.degraded"),
            ("temp", "lcrit") => Some("low.critical"),
            _ => None,
        };
        let (metric, kind) = match (file.kind, file.property) {
            ("temp", "input") => (TEMPERATURE, "temperature"),
            ("temp", _) if limit.is_some() => (TEMPERATURE_LIMIT, "temperature"),
            ("fan", "input") => (FAN, "fan"),
            ("in", "input") => (VOLTAGE, "voltage"),
            ("power", "input" | "average") => (POWER, "power"),
            _ => continue,
        };
        if !recorder.is_on(metric) {
            continue;
        }
        let Some(value) = chip.value(root, &file) else { continue };
        let id = format!("{}/{}", chip.id, file.sensor);
        let label = chip.label(root, file.sensor);
        let mut labels = vec![
            ("hw.id", Label::Text(&id)),
            ("hw.type", Label::Text(kind)),
            ("hw.sensor_location", Label::Text(label.as_deref().unwrap_or(file.sensor))),
            ("hwmon.chip", Label::Text(&chip.id)),
            ("hwmon.sensor", Label::Text(file.sensor)),
        ];
        labels.extend(chip.name.as_deref().map(|name| ("hw.name", Label::Text(name))));
        labels.extend(limit.map(|limit| ("hw.limit_type", Label::Text(limit))));
        recorder.double(metric, &labels, value);
    }
}

/// The zones, what each is of, and its temperature. Some answer only while their device is awake.
pub(super) fn thermal_zones(root: &Root) -> Vec<(String, Option<String>, f64)> {
    let zone = |name: String| {
        let folder = format!("{ZONES}/{name}");
        let milli: f64 =
            name.starts_with("thermal_zone").then(|| root.number(&format!("{folder}/temp")))??;
        Some((name, root.word(&format!("{folder}/type")), milli / 1000.0))
    };
    root.names(ZONES).into_iter().filter_map(zone).collect()
}

fn memory_errors(root: &Root, recorder: &mut Recorder) {
    for number in root.numbered(CONTROLLERS, "mc") {
        let id = format!("mc{number}");
        for (kind, file) in [("corrected", "ce_count"), ("uncorrected", "ue_count")] {
            if let Some(count) = root.number(&format!("{CONTROLLERS}/{id}/{file}")) {
                let labels = [
                    ("hw.id", Label::Text(&id)),
                    ("hw.type", Label::Text("memory")),
                    ("error.type", Label::Text(kind)),
                ];
                recorder.int(ERRORS, &labels, count);
            }
        }
    }
}

/// The zones of power, `intel-rapl:0` and those within, `intel-rapl:0:1`, with their names.
pub(super) fn power_zones(root: &Root) -> Vec<(String, Option<String>, u64)> {
    let zone = |zone: String| {
        let folder = format!("{ZONES_OF_POWER}/{zone}");
        // Since 5.10 only the superuser may read it: its steps tell what others compute.
        let microjoules = root.number(&format!("{folder}/energy_uj"))?;
        Some((zone, root.word(&format!("{folder}/name")), microjoules))
    };
    root.names(ZONES_OF_POWER).into_iter().filter_map(zone).collect()
}

impl Hardware {
    fn energy(&mut self, root: &Root, recorder: &mut Recorder) {
        for (zone, name, microjoules) in power_zones(root) {
            let energy = self.energies.entry(zone.clone()).or_default();
            if microjoules < energy.last {
                // It counts up to a range, after minutes to hours, and begins anew.
                let range = root.number(&format!("{ZONES_OF_POWER}/{zone}/max_energy_range_uj"));
                energy.before = energy.before.saturating_add(range.unwrap_or(energy.last));
            }
            energy.last = microjoules;
            let mut labels = vec![("hw.id", Label::Text(&zone)), ("hw.type", Label::Text("cpu"))];
            labels.extend(name.as_deref().map(|name| ("hw.name", Label::Text(name))));
            let joules = energy.before.saturating_add(microjoules) as f64 / 1e6;
            recorder.double(ENERGY, &labels, joules);
        }
    }
}
