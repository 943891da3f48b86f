//! Disks: bytes, operations, times, and how long tasks waited for them.

use pipeline::Kind;

use super::config::{Devices, DiskConfig};
use super::cpu::pressure;
use super::host::Part;
use super::lookup::{Choice, List, Message};
use crate::machine::root::{Root, numbers};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const IO: usize = 0;
const OPERATIONS: usize = 1;
const IO_TIME: usize = 2;
const OPERATION_TIME: usize = 3;
const MERGED: usize = 4;
const WEIGHTED: usize = 5;
const PENDING: usize = 6;
const PRESSURE: usize = 7;

const fn counter(name: &'static str, unit: &'static str, about: &'static str) -> Definition {
    Definition { name, alias: "", unit, kind: Kind::COUNTER, is_default: true, description: about }
}

pub(super) static METRICS: &[Definition] = &[
    counter("system.disk.io", "By", "Bytes read and written."),
    counter("system.disk.operations", "{operation}", "Operations completed."),
    counter("system.disk.io_time", "s", "Seconds in which the disk was busy."),
    counter("system.disk.operation_time", "s", "Seconds operations took, waiting included, added up."),
    counter("system.disk.merged", "{operation}", "Operations that were merged with a neighbour."),
    counter("system.disk.weighted_io_time", "s", "Busy seconds, each times the operations pending."),
    Definition {
        name: "system.disk.pending_operations",
        alias: "",
        unit: "{operation}",
        kind: UP_DOWN,
        is_default: true,
        description: "Operations under way.",
    },
    counter("system.io.linux.pressure.total", "s", "Seconds in which some or all tasks waited for a disk."),
];

/// The kernel counts in sectors of this size, whatever the disk's are.
const SECTOR_BYTES: u64 = 512;

/// The numbers behind a disk's name that every kernel gives.
const COLUMNS: usize = 11;

pub(super) struct Disk {
    pub(super) choice: Choice,
}

pub(super) fn choice(config: &DiskConfig, problems: &mut Vec<Message>) -> Choice {
    let mut list = |devices: Option<&Devices>, place: &str| {
        let Devices { devices, match_type } = devices?;
        List::compile((place, "devices"), devices, *match_type, problems)
    };
    Choice {
        include: list(config.include.as_ref(), "scrapers.disk.include"),
        exclude: list(config.exclude.as_ref(), "scrapers.disk.exclude"),
    }
}

impl Part for Disk {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        pressure(root, "io", PRESSURE, recorder);
        let text = root.read("proc/diskstats")?;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace().skip(2);
            let Some(device) = words.next() else { continue };
            let rest: Vec<_> = words.collect();
            let columns = numbers(&rest.join(" "));
            match columns.get(..COLUMNS).and_then(|columns| columns.try_into().ok()) {
                Some(columns) if self.is_read(device, columns) => record(device, columns, recorder),
                Some(_) => {}
                None => recorder.error(1, format!("the numbers of disk `{device}` are not as expected")),
            }
        }
        Ok(())
    }
}

impl Disk {
    fn is_read(&self, device: &str, columns: &[u64; COLUMNS]) -> bool {
        // A kernel makes some of these in advance, for nothing.
        let is_spare = device.starts_with("loop") || device.starts_with("ram");
        let is_unused = is_spare && columns.iter().all(|number| *number == 0);
        !is_unused && self.choice.allows(device)
    }
}

fn record(device: &str, columns: &[u64; COLUMNS], recorder: &mut Recorder) {
    let device = ("system.device", Label::Text(device));
    for (direction, columns) in [("read", &columns[0..4]), ("write", &columns[4..8])] {
        let labels = [device, ("disk.io.direction", Label::Text(direction))];
        recorder.int(OPERATIONS, &labels, columns[0]);
        recorder.int(MERGED, &labels, columns[1]);
        recorder.int(IO, &labels, columns[2].saturating_mul(SECTOR_BYTES));
        recorder.double(OPERATION_TIME, &labels, columns[3] as f64 / 1000.0);
    }
    recorder.int(PENDING, &[device], columns[8]);
    recorder.double(IO_TIME, &[device], columns[9] as f64 / 1000.0);
    recorder.double(WEIGHTED, &[device], columns[10] as f64 / 1000.0);
}
