//! Processor time and its share by mode, counts, frequency, pressure.

use std::collections::{BTreeSet, HashMap};

use pipeline::Kind;

use super::host::Part;
use crate::machine::root::{Root, numbers};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

/// The kernel counts in hundredths of a second towards user space, on every architecture we run on.
pub(super) const TICKS_PER_SECOND: f64 = 100.0;

/// The columns of a `cpu` line.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "interrupt", "softirq", "steal"];

const TIME: usize = 0;
const UTILIZATION: usize = 1;
const FREQUENCY: usize = 2;
const LOGICAL: usize = 3;
const PHYSICAL: usize = 4;
const PRESSURE: usize = 5;

pub(super) static METRICS: &[Definition] = &[
    Definition {
        name: "system.cpu.time",
        alias: "",
        unit: "s",
        kind: Kind::COUNTER,
        is_default: true,
        description: "Seconds each logical processor spent in each mode.",
    },
    Definition {
        name: "system.cpu.utilization",
        alias: "",
        unit: "1",
        kind: Kind::Gauge,
        is_default: false,
        description: "Share of the time since the last scrape each logical processor spent in each mode.",
    },
    Definition {
        name: "system.cpu.frequency",
        alias: "",
        unit: "Hz",
        kind: Kind::Gauge,
        is_default: false,
        description: "Current frequency of each logical processor.",
    },
    Definition {
        name: "system.cpu.logical.count",
        alias: "",
        unit: "{cpu}",
        kind: UP_DOWN,
        is_default: false,
        description: "Logical processors that are online.",
    },
    Definition {
        name: "system.cpu.physical.count",
        alias: "",
        unit: "{cpu}",
        kind: UP_DOWN,
        is_default: false,
        description: "Processor cores.",
    },
    Definition {
        name: "system.cpu.linux.pressure.total",
        alias: "",
        unit: "s",
        kind: Kind::COUNTER,
        is_default: true,
        description: "Seconds in which some or all tasks waited for a processor.",
    },
];

#[derive(Default)]
pub(super) struct Cpu {
    /// Ticks at the last scrape, by processor.
    last: HashMap<u32, [u64; MODES.len()]>,
}

impl Part for Cpu {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        pressure(root, "cpu", PRESSURE, recorder);
        if recorder.is_on(PHYSICAL) {
            physical(root, recorder);
        }
        let text = root.read("proc/stat")?;
        let processors: Vec<_> = text.lines().filter_map(processor).collect();
        if processors.is_empty() {
            return Err("`proc/stat` names no processor".to_owned());
        }
        recorder.int(LOGICAL, &[], processors.len() as u64);
        for (number, ticks) in &processors {
            let label = Label::Int(i64::from(*number));
            for (mode, ticks) in MODES.iter().zip(ticks) {
                let labels = [("cpu.logical_number", label), ("cpu.mode", Label::Text(mode))];
                recorder.double(TIME, &labels, *ticks as f64 / TICKS_PER_SECOND);
            }
            if let Some(shares) = self.last.get(number).and_then(|last| shares(last, ticks)) {
                for (mode, share) in MODES.iter().zip(shares) {
                    let labels = [("cpu.logical_number", label), ("cpu.mode", Label::Text(mode))];
                    recorder.double(UTILIZATION, &labels, share);
                }
            }
            if recorder.is_on(FREQUENCY) {
                frequency(root, *number, recorder);
            }
        }
        self.last = processors.into_iter().collect();
        Ok(())
    }
}

/// Reads `cpu3 1 2 3 4 ...`; the line of all processors together is none.
fn processor(line: &str) -> Option<(u32, [u64; MODES.len()])> {
    let (number, rest) = line.strip_prefix("cpu")?.split_once(' ')?;
    let ticks = numbers(rest);
    let ticks = ticks.get(..MODES.len())?.try_into().ok()?;
    Some((number.parse().ok()?, ticks))
}

/// The share of each mode; `None` where a counter went back, as some do when a processor comes and goes.
fn shares(last: &[u64; MODES.len()], now: &[u64; MODES.len()]) -> Option<[f64; MODES.len()]> {
    let mut spent = [0.0; MODES.len()];
    for ((spent, last), now) in spent.iter_mut().zip(last).zip(now) {
        *spent = now.checked_sub(*last)? as f64;
    }
    let total: f64 = spent.iter().sum();
    (total > 0.0).then(|| spent.map(|spent| spent / total))
}

/// Not every machine tells.
fn frequency(root: &Root, number: u32, recorder: &mut Recorder) {
    let path = format!("sys/devices/system/cpu/cpu{number}/cpufreq/scaling_cur_freq");
    let kilohertz = root.read_optional(&path).and_then(|text| text.trim().parse::<f64>().ok());
    if let Some(kilohertz) = kilohertz {
        let labels = [("cpu.logical_number", Label::Int(i64::from(number)))];
        recorder.double(FREQUENCY, &labels, kilohertz * 1000.0);
    }
}

fn physical(root: &Root, recorder: &mut Recorder) {
    let text = root.read_optional("proc/cpuinfo").unwrap_or_default();
    let value = |block: &str, name: &str| {
        let line = block.lines().find(|line| line.starts_with(name))?;
        line.split_once(':')?.1.trim().parse::<u32>().ok()
    };
    let core = |block: &str| Some((value(block, "physical id")?, value(block, "core id")?));
    let cores: BTreeSet<_> = text.split("\n\n").filter_map(core).collect();
    if !cores.is_empty() {
        recorder.int(PHYSICAL, &[], cores.len() as u64);
    }
}

/// Reads how long tasks waited for a resource; a kernel without this has no such file.
pub(super) fn pressure(root: &Root, resource: &str, metric: usize, recorder: &mut Recorder) {
    if !recorder.is_on(metric) {
        return;
    }
    let text = root.read_optional(&format!("proc/pressure/{resource}")).unwrap_or_default();
    for line in text.lines() {
        let Some((kind @ ("some" | "full"), rest)) = line.split_once(' ') else { continue };
        let total = rest.split(' ').find_map(|word| word.strip_prefix("total=")?.parse::<u64>().ok());
        if let Some(microseconds) = total {
            let labels = [("system.pressure.stall_type", Label::Text(kind))];
            recorder.double(metric, &labels, microseconds as f64 / 1e6);
        }
    }
}
