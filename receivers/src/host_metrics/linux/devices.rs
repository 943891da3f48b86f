//! Sensors, zones, controllers, bonds and disks, by the names their files have.

use pipeline::Kind;

use super::super::hardware::{CONTROLLERS, ZONES, power_zones, thermal_zones};
use super::super::hwmon;
use super::{
    BONDING, CHIP_INFO, COOLING_DEVICE, EDAC, HWMON, MD, NVME, POWER_SUPPLY, RAPL, SENSOR_INFO, THERMAL_ZONE,
};
use crate::machine::root::Root;
use crate::recorder::{Label, Labels, Recorder, Row};

pub(super) fn read(root: &Root, recorder: &mut Recorder) {
    if recorder.is_any_on(&[HWMON, CHIP_INFO, SENSOR_INFO]) {
        for chip in hwmon::chips(root) {
            sensors(root, &chip, recorder);
        }
    }
    if recorder.is_on(THERMAL_ZONE) {
        for (zone, kind, temperature) in thermal_zones(root) {
            let number = zone.trim_start_matches("thermal_zone");
            let labels = [
                ("linux.thermal_zone.name", Label::Text(number)),
                ("linux.thermal_zone.type", Label::Text(kind.as_deref().unwrap_or_default())),
            ];
            let row = Row { key: "temp", unit: "Cel", kind: Kind::Gauge };
            recorder.row_double(THERMAL_ZONE, row, &labels, temperature);
        }
    }
    cooling(root, recorder);
    power(root, recorder);
    edac(root, recorder);
    bonds(root, recorder);
    nvme(root, recorder);
    if recorder.is_on(MD) {
        raids(&root.read_optional("proc/mdstat").unwrap_or_default(), recorder);
    }
}

/// A folder whose files each hold a number of a table.
struct Numbers<'a> {
    metric: usize,
    kind: Kind,
    folder: &'a str,
    files: &'a [&'a str],
}

impl Numbers<'_> {
    fn record(&self, root: &Root, labels: Labels<'_>, recorder: &mut Recorder) {
        for key in self.files {
            if let Some(number) = root.number(&format!("{}/{key}", self.folder)) {
                recorder.row(self.metric, Row { key, unit: "1", kind: self.kind }, labels, number);
            }
        }
    }
}

fn sensors(root: &Root, chip: &hwmon::Chip, recorder: &mut Recorder) {
    let of_chip = ("hwmon.chip", Label::Text(&chip.id));
    if let Some(name) = &chip.name {
        recorder.int(CHIP_INFO, &[of_chip, ("hwmon.chip.name", Label::Text(name))], 1);
    }
    let mut key = String::new();
    for file in chip.files() {
        let of_sensor = ("hwmon.sensor", Label::Text(file.sensor));
        if file.property == "label" {
            if let Some(label) = chip.label(root, file.sensor) {
                recorder.int(SENSOR_INFO, &[of_chip, of_sensor, ("hwmon.label", Label::Text(&label))], 1);
            }
            continue;
        }
        if let Some(value) = recorder.is_on(HWMON).then(|| chip.value(root, &file)).flatten() {
            key.clear();
            key.extend([file.kind, ".", file.property]);
            let row = Row { key: &key, unit: file.unit().0, kind: Kind::Gauge };
            recorder.row_double(HWMON, row, &[of_chip, of_sensor], value);
        }
    }
}

fn cooling(root: &Root, recorder: &mut Recorder) {
    if !recorder.is_on(COOLING_DEVICE) {
        return;
    }
    for number in root.numbered(ZONES, "cooling_device") {
        let folder = format!("{ZONES}/cooling_device{number}");
        let (name, kind) = (number.to_string(), root.word(&format!("{folder}/type")).unwrap_or_default());
        let labels = [
            ("linux.cooling_device.name", Label::Text(&name)),
            ("linux.cooling_device.type", Label::Text(&kind)),
        ];
        let files = &["cur_state", "max_state"];
        let numbers = Numbers { metric: COOLING_DEVICE, kind: Kind::Gauge, folder: &folder, files };
        numbers.record(root, &labels, recorder);
    }
}

fn power(root: &Root, recorder: &mut Recorder) {
    const SUPPLIES: &str = "sys/class/power_supply";
    if recorder.is_on(POWER_SUPPLY) {
        for name in root.names(SUPPLIES) {
            let labels = [("linux.power_supply.name", Label::Text(&name))];
            let (folder, files) = (format!("{SUPPLIES}/{name}"), &["online", "capacity"]);
            let numbers = Numbers { metric: POWER_SUPPLY, kind: Kind::Gauge, folder: &folder, files };
            numbers.record(root, &labels, recorder);
        }
    }
    if recorder.is_on(RAPL) {
        for (zone, name, microjoules) in power_zones(root) {
            let labels = [
                ("linux.rapl.zone", Label::Text(&zone)),
                ("linux.rapl.name", Label::Text(name.as_deref().unwrap_or_default())),
            ];
            let row = Row { key: "energy", unit: "J", kind: Kind::COUNTER };
            recorder.row_double(RAPL, row, &labels, microjoules as f64 / 1e6);
        }
    }
}

fn edac(root: &Root, recorder: &mut Recorder) {
    const KEYS: [&str; 4] = ["ce_count", "ue_count", "ce_noinfo_count", "ue_noinfo_count"];
    if !recorder.is_on(EDAC) {
        return;
    }
    for number in root.numbered(CONTROLLERS, "mc") {
        let folder = format!("{CONTROLLERS}/mc{number}");
        let controller = ("linux.edac.controller", Label::Int(i64::from(number)));
        let numbers = Numbers { metric: EDAC, kind: Kind::COUNTER, folder: &folder, files: &KEYS };
        numbers.record(root, &[controller], recorder);
        for row in root.numbered(&folder, "csrow") {
            let labels = [controller, ("linux.edac.csrow", Label::Int(i64::from(row)))];
            let folder = format!("{folder}/csrow{row}");
            let numbers = Numbers { metric: EDAC, kind: Kind::COUNTER, folder: &folder, files: &KEYS[..2] };
            numbers.record(root, &labels, recorder);
        }
    }
}

/// The interfaces of each bond, and how many of them have a link.
fn bonds(root: &Root, recorder: &mut Recorder) {
    if !recorder.is_on(BONDING) {
        return;
    }
    let masters = root.read_optional("sys/class/net/bonding_masters").unwrap_or_default();
    for master in masters.split_ascii_whitespace() {
        let slaves = root.read_optional(&format!("sys/class/net/{master}/bonding/slaves"));
        let slaves = slaves.unwrap_or_default();
        let is_up = |slave: &&str| {
            let file = format!("sys/class/net/{slave}/bonding_slave/mii_status");
            root.word(&file).is_some_and(|status| status == "up")
        };
        let active = slaves.split_ascii_whitespace().filter(is_up).count();
        let labels = [("network.interface.name", Label::Text(master))];
        for (key, count) in [("slaves", slaves.split_ascii_whitespace().count()), ("active", active)] {
            let row = Row { key, unit: "1", kind: Kind::Gauge };
            recorder.row(BONDING, row, &labels, i64::try_from(count).unwrap_or(i64::MAX));
        }
    }
}

fn nvme(root: &Root, recorder: &mut Recorder) {
    const DISKS: &str = "sys/class/nvme";
    if !recorder.is_on(NVME) {
        return;
    }
    for device in root.names(DISKS) {
        let word = |file: &str| root.word(&format!("{DISKS}/{device}/{file}"));
        let facts = [
            ("linux.nvme.cntlid", word("cntlid")),
            ("linux.nvme.firmware_revision", word("firmware_rev")),
            ("linux.nvme.model", word("model")),
            ("linux.nvme.serial", word("serial")),
            ("linux.nvme.state", word("state")),
        ];
        let mut labels = vec![("system.device", Label::Text(&device))];
        labels.extend(facts.iter().filter_map(|(key, fact)| Some((*key, Label::Text(fact.as_deref()?)))));
        recorder.int(NVME, &labels, 1);
    }
}

const RAID_STATES: [&str; 5] = ["active", "inactive", "recovering", "resync", "check"];

fn raid_state(head: &str, details: &[&str]) -> &'static str {
    if !head.starts_with("active") {
        return "inactive";
    }
    let works = [("recovery", "recovering"), ("resync", "resync"), ("check", "check")];
    let is_at = |work: &str| details.iter().any(|line| line.contains(work));
    works.into_iter().find(|(work, _)| is_at(work)).map_or("active", |(_, state)| state)
}

/// Reads a software RAID's lines: `md0 : active raid1 sdb1[1] sda1[0](F)`, `1000 blocks [2/1] [U_]`, and perhaps how far
/// it is with repairing itself.
fn raids(text: &str, recorder: &mut Recorder) {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((device, rest)) = line.split_once(" : ") else { continue };
        if !device.starts_with("md") {
            continue;
        }
        let device = ("system.device", Label::Text(device));
        let mut record = |key, labels: Labels<'_>, count: i64| {
            recorder.row(MD, Row { key, unit: "1", kind: Kind::Gauge }, labels, count);
        };
        let count = |mark: &str| {
            let words = rest.split_ascii_whitespace().filter(|word| word.contains('['));
            i64::try_from(words.filter(|word| word.ends_with(mark)).count()).unwrap_or(i64::MAX)
        };
        for (state, mark) in [("failed", "(F)"), ("spare", "(S)")] {
            record("disks", &[device, ("linux.md.state", Label::Text(state))], count(mark));
        }
        let is_detail = |line: &&str| line.starts_with(' ') && !line.trim().is_empty();
        let details: Vec<&str> = std::iter::from_fn(|| lines.next_if(is_detail)).collect();
        let now = raid_state(rest, &details);
        for state in RAID_STATES {
            record("state", &[device, ("linux.md.state", Label::Text(state))], i64::from(state == now));
        }
        let numbers = details.first().and_then(|line| {
            let (required, active) = line.split('[').nth(1)?.split_once(']')?.0.split_once('/')?;
            Some((required.parse().ok()?, active.parse().ok()?))
        });
        if let Some((required, active)) = numbers {
            record("disks_required", &[device], required);
            record("disks", &[device, ("linux.md.state", Label::Text("active"))], active);
        }
    }
}

pub(super) fn fuzz(text: &str, recorder: &mut Recorder) {
    raids(text, recorder);
}
