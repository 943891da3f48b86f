//! Disks: bytes, operations, times, and how long tasks waited for them.

use pipeline::Kind;

use super::config::{Devices, DiskConfig};
use super::host::Part;
use super::lookup::{Choice, List, Message};
use super::pressure;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const IO: usize = 0;
const OPERATIONS: usize = 1;
const IO_TIME: usize = 2;
const OPERATION_TIME: usize = 3;
const MERGED: usize = 4;
const WEIGHTED: usize = 5;
const PENDING: usize = 6;
const PRESSURE: usize = 7;
const PRESSURE_SHARE: usize = 8;
const DISCARD_OPERATIONS: usize = 9;
const DISCARD_MERGED: usize = 10;
const DISCARD_IO: usize = 11;
const DISCARD_TIME: usize = 12;
const FLUSH_OPERATIONS: usize = 13;
const FLUSH_TIME: usize = 14;
const INFO: usize = 15;

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
    Definition::gauge(
        "system.io.linux.pressure.share",
        "1",
        "Share of the last time in which some or all tasks waited for a disk.",
    ),
    counter("system.disk.discard.operations", "{operation}", "Discards completed.").off(),
    counter("system.disk.discard.merged", "{operation}", "Discards that were merged with a neighbour.").off(),
    counter("system.disk.discard.io", "By", "Bytes discarded.").off(),
    counter("system.disk.discard.operation_time", "s", "Seconds discards took, added up.").off(),
    counter("system.disk.flush.operations", "{operation}", "Flushes completed.").off(),
    counter("system.disk.flush.operation_time", "s", "Seconds flushes took, added up.").off(),
    Definition::gauge("system.disk.info", "{info}", "1, with what a disk is.").off(),
];

/// The kernel counts in sectors of this size, whatever the disk's are.
const SECTOR_BYTES: u64 = 512;

/// The numbers behind a disk's name that every kernel gives; discards came with 4.18, flushes with 5.5.
const COLUMNS: usize = 11;
const COLUMNS_MAX: usize = COLUMNS + 6;

struct Disk {
    choice: Choice,
}

pub(super) fn plan(config: &DiskConfig, problems: &mut Vec<Message>) -> Make {
    let choice = choice(config, problems);
    make(move || Disk { choice: choice.clone() })
}

fn choice(config: &DiskConfig, problems: &mut Vec<Message>) -> Choice {
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
        pressure::read(root, "io", PRESSURE, PRESSURE_SHARE, recorder);
        let text = root.read("proc/diskstats")?;
        for line in text.lines() {
            let mut words = line.split_ascii_whitespace();
            let (Some(major), Some(minor), Some(device)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let mut columns = [0; COLUMNS_MAX];
            let mut count = 0;
            for (column, word) in columns.iter_mut().zip(words) {
                let Ok(number) = word.parse() else { break };
                *column = number;
                count += 1;
            }
            let columns = &columns[..count];
            if count < COLUMNS {
                recorder.error(1, format!("the numbers of disk `{device}` are not as expected"));
            } else if self.is_read(device, columns) {
                record(device, columns, recorder);
                record_later_columns(device, columns, recorder);
                info(root, device, [major, minor], recorder);
            }
        }
        Ok(())
    }
}

impl Disk {
    fn is_read(&self, device: &str, columns: &[u64]) -> bool {
        // A kernel makes some of these in advance, for nothing.
        let is_spare = device.starts_with("loop") || device.starts_with("ram");
        let is_unused = is_spare && columns.iter().all(|number| *number == 0);
        !is_unused && self.choice.allows(device)
    }
}

fn record(device: &str, columns: &[u64], recorder: &mut Recorder) {
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

fn record_later_columns(device: &str, columns: &[u64], recorder: &mut Recorder) {
    let device = [("system.device", Label::Text(device))];
    if let Some([operations, merged, sectors, time]) = columns.get(11..15) {
        recorder.int(DISCARD_OPERATIONS, &device, *operations);
        recorder.int(DISCARD_MERGED, &device, *merged);
        recorder.int(DISCARD_IO, &device, sectors.saturating_mul(SECTOR_BYTES));
        recorder.double(DISCARD_TIME, &device, *time as f64 / 1000.0);
    }
    if let Some([operations, time]) = columns.get(15..17) {
        recorder.int(FLUSH_OPERATIONS, &device, *operations);
        recorder.double(FLUSH_TIME, &device, *time as f64 / 1000.0);
    }
}

/// What a disk says of itself; a partition says nothing.
fn info(root: &Root, device: &str, [major, minor]: [&str; 2], recorder: &mut Recorder) {
    if !recorder.is_on(INFO) {
        return;
    }
    let folder = format!("sys/class/block/{}", device.replace('/', "!"));
    let word = |file: &str| root.word(&format!("{folder}/{file}"));
    let facts = [
        ("system.disk.model", word("device/model")),
        ("system.disk.serial", word("device/serial").or_else(|| word("serial"))),
        ("system.disk.revision", word("device/rev").or_else(|| word("device/firmware_rev"))),
        ("system.disk.wwid", word("wwid").or_else(|| word("device/wwid"))),
        ("system.disk.rotational", word("queue/rotational")),
    ];
    let mut labels = vec![
        ("system.device", Label::Text(device)),
        ("system.disk.major", Label::Text(major)),
        ("system.disk.minor", Label::Text(minor)),
    ];
    labels.extend(facts.iter().filter_map(|(key, fact)| Some((*key, Label::Text(fact.as_deref()?)))));
    recorder.int(INFO, &labels, 1);
}
