//! Swap space, paging and page faults.

use pipeline::Kind;

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const USAGE: usize = 0;
const UTILIZATION: usize = 1;
const OPERATIONS: usize = 2;
const FAULTS: usize = 3;

pub(super) static METRICS: &[Definition] = &[
    Definition {
        name: "system.paging.usage",
        alias: "",
        unit: "By",
        kind: UP_DOWN,
        is_default: true,
        description: "Bytes of each swap device by state.",
    },
    Definition {
        name: "system.paging.utilization",
        alias: "",
        unit: "1",
        kind: Kind::Gauge,
        is_default: false,
        description: "Share of each swap device by state.",
    },
    Definition {
        name: "system.paging.operations",
        alias: "",
        unit: "{operation}",
        kind: Kind::COUNTER,
        is_default: true,
        description: "Pages swapped (major) and paged (minor), in and out.",
    },
    Definition {
        name: "system.paging.faults",
        alias: "",
        unit: "{fault}",
        kind: Kind::COUNTER,
        is_default: true,
        description: "Page faults, with (major) and without (minor) reading from a disk.",
    },
];

struct Paging;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Paging)
}

impl Part for Paging {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        if recorder.is_on(USAGE) || recorder.is_on(UTILIZATION) {
            match root.read("proc/swaps") {
                Ok(text) => text.lines().skip(1).for_each(|line| swap(line, recorder)),
                Err(message) => recorder.error(1, message),
            }
        }
        let text = root.read("proc/vmstat")?;
        let operations = [
            ("pswpin", "in", "major"),
            ("pswpout", "out", "major"),
            ("pgpgin", "in", "minor"),
            ("pgpgout", "out", "minor"),
        ];
        for (name, direction, kind) in operations {
            if let Some(count) = value_of(&text, name) {
                let labels = [
                    ("system.paging.direction", Label::Text(direction)),
                    ("system.paging.fault.type", Label::Text(kind)),
                ];
                recorder.int(OPERATIONS, &labels, count);
            }
        }
        let (all, major) = (value_of(&text, "pgfault"), value_of(&text, "pgmajfault"));
        let minor = all.zip(major).and_then(|(all, major)| all.checked_sub(major));
        for (kind, count) in [("major", major), ("minor", minor)] {
            if let Some(count) = count {
                recorder.int(FAULTS, &[("system.paging.fault.type", Label::Text(kind))], count);
            }
        }
        Ok(())
    }
}

/// Reads `/dev/sda2 partition 1024 512 -2`: name, type, size and used in kibibytes, priority.
fn swap(line: &str, recorder: &mut Recorder) {
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let kibibytes = |place: usize| words.get(place)?.parse::<u64>().ok()?.checked_mul(1024);
    let (Some(device), Some(size), Some(used)) = (words.first(), kibibytes(2), kibibytes(3)) else {
        return recorder.error(1, "a line of `proc/swaps` is not as expected".to_owned());
    };
    let Some(free) = size.checked_sub(used) else {
        return recorder.error(1, format!("`{device}` uses more swap space than it has"));
    };
    for (state, value) in [("used", used), ("free", free)] {
        let labels = [("system.device", Label::Text(device)), ("system.paging.state", Label::Text(state))];
        recorder.int(USAGE, &labels, value);
        if size > 0 {
            recorder.double(UTILIZATION, &labels, value as f64 / size as f64);
        }
    }
}
