//! Processor time and its share by mode, and pressure.

use std::collections::HashMap;

use super::config::Plain;
use super::cpu_facts::Facts;
use super::host::Part;
use super::lookup::Message;
use super::pressure;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder};

/// The kernel counts in hundredths of a second towards user space, on every architecture we run on.
pub(super) const TICKS_PER_SECOND: f64 = 100.0;

/// The columns of a `cpu` line.
const MODES: [&str; 8] = ["user", "nice", "system", "idle", "iowait", "interrupt", "softirq", "steal"];

/// The columns behind them, which user and nice hold as well.
const GUEST_MODES: [&str; 2] = ["user", "nice"];

const IDLE: usize = 3;

/// A processor whose idle time has gone back by more ticks than this was taken away, and counts anew.
const ANEW: u64 = 300;

const COLUMNS: usize = MODES.len() + GUEST_MODES.len();

const TIME: usize = 0;
const UTILIZATION: usize = 1;
const LOGICAL: usize = 2;
const PRESSURE: usize = 3;
const PRESSURE_SHARE: usize = 4;
const IRQ_PRESSURE: usize = 5;
const IRQ_PRESSURE_SHARE: usize = 6;
const GUEST: usize = 7;
pub(super) const PHYSICAL: usize = 8;
pub(super) const FREQUENCY: usize = 9;
pub(super) const FREQUENCY_MIN: usize = 10;
pub(super) const FREQUENCY_MAX: usize = 11;
pub(super) const ONLINE: usize = 12;
pub(super) const INFO: usize = 13;
pub(super) const CORE_THROTTLES: usize = 14;
pub(super) const PACKAGE_THROTTLES: usize = 15;

pub(super) static METRICS: &[Definition] = &[
    Definition::counter("system.cpu.time", "s", "Seconds each logical processor spent in each mode."),
    Definition::gauge(
        "system.cpu.utilization",
        "1",
        "Share of the time since the last scrape each logical processor spent in each mode.",
    )
    .off(),
    Definition::up_down("system.cpu.logical.count", "{cpu}", "Logical processors that are online.").off(),
    Definition::counter(
        "system.cpu.linux.pressure.total",
        "s",
        "Seconds in which some or all tasks waited for a processor.",
    ),
    Definition::gauge(
        "system.cpu.linux.pressure.share",
        "1",
        "Share of the last time in which some or all tasks waited for a processor.",
    ),
    Definition::counter(
        "system.irq.linux.pressure.total",
        "s",
        "Seconds in which all tasks waited for interrupts to be served.",
    ),
    Definition::gauge(
        "system.irq.linux.pressure.share",
        "1",
        "Share of the last time in which all tasks waited for interrupts to be served.",
    ),
    Definition::counter(
        "system.cpu.guest.time",
        "s",
        "Seconds spent on guests, also counted in `user` and `nice`.",
    )
    .off(),
    Definition::up_down("system.cpu.physical.count", "{cpu}", "Processor cores.").off(),
    Definition::gauge("system.cpu.frequency", "Hz", "Current frequency of each logical processor.").off(),
    Definition::gauge("system.cpu.frequency.min", "Hz", "Lowest frequency each may be scaled to.").off(),
    Definition::gauge("system.cpu.frequency.max", "Hz", "Highest frequency each may be scaled to.").off(),
    Definition::gauge("system.cpu.online", "1", "Whether a logical processor is online.").off(),
    Definition::gauge("system.cpu.info", "{info}", "1, with what a logical processor is.").off(),
    Definition::counter("system.cpu.core.throttles", "{event}", "Times a core was slowed down for its heat.")
        .off(),
    Definition::counter(
        "system.cpu.package.throttles",
        "{event}",
        "Times a processor was slowed down for its heat.",
    ),
];

#[derive(Default)]
struct Cpu {
    /// Ticks told at the last scrape, by processor.
    last: HashMap<u32, [u64; COLUMNS]>,
    facts: Facts,
}

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(Cpu::default)
}

impl Part for Cpu {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        pressure::read(root, "cpu", PRESSURE, PRESSURE_SHARE, recorder);
        pressure::read(root, "irq", IRQ_PRESSURE, IRQ_PRESSURE_SHARE, recorder);
        let times = self.times(root, recorder);
        // Behind the times: on some kernels the frequencies take long.
        self.facts.read(root, recorder);
        times
    }
}

impl Cpu {
    fn times(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let text = root.read("proc/stat")?;
        let lines = text.lines().take_while(|line| line.starts_with("cpu"));
        let mut processors: Vec<_> = lines.filter_map(processor).collect();
        if processors.is_empty() {
            return Err("`proc/stat` names no processor".to_owned());
        }
        recorder.int(LOGICAL, &[], processors.len() as u64);
        for (number, ticks) in &mut processors {
            if let Some(last) = self.last.get(number) {
                hold(last, ticks);
            }
            let ticks = &*ticks;
            let label = ("cpu.logical_number", Label::Int(i64::from(*number)));
            let mode = |mode| [label, ("cpu.mode", Label::Text(mode))];
            for (name, ticks) in MODES.iter().zip(ticks) {
                recorder.double(TIME, &mode(name), *ticks as f64 / TICKS_PER_SECOND);
            }
            for (name, ticks) in GUEST_MODES.iter().zip(&ticks[MODES.len()..]) {
                recorder.double(GUEST, &mode(name), *ticks as f64 / TICKS_PER_SECOND);
            }
            if let Some(shares) = self.last.get(number).and_then(|last| shares(last, ticks)) {
                for (name, share) in MODES.iter().zip(shares) {
                    recorder.double(UTILIZATION, &mode(name), share);
                }
            }
        }
        self.last.clear();
        self.last.extend(processors);
        Ok(())
    }
}

/// Reads `cpu3 1 2 3 4 ...`; the line of all processors together is none. Old kernels have no guests.
fn processor(line: &str) -> Option<(u32, [u64; COLUMNS])> {
    let (number, rest) = line.strip_prefix("cpu")?.split_once(' ')?;
    let mut ticks = [0; COLUMNS];
    let mut count = 0;
    for (tick, word) in ticks.iter_mut().zip(rest.split_ascii_whitespace()) {
        *tick = word.parse().ok()?;
        count += 1;
    }
    Some((number.parse().ok()?, ticks)).filter(|_| count >= MODES.len())
}

/// Keeps each column from going back, which a counter must not.
///
/// The kernel takes back some of what it told of idling and of waiting for disks, as both are estimates.
fn hold(last: &[u64; COLUMNS], now: &mut [u64; COLUMNS]) {
    if last[IDLE].saturating_sub(now[IDLE]) > ANEW {
        return;
    }
    for (now, last) in now.iter_mut().zip(last) {
        *now = (*now).max(*last);
    }
}

/// The share of each mode; `None` where a counter went back, as it does when a processor was taken away and is back.
fn shares(last: &[u64; COLUMNS], now: &[u64; COLUMNS]) -> Option<[f64; MODES.len()]> {
    let mut spent = [0.0; MODES.len()];
    for ((spent, last), now) in spent.iter_mut().zip(last).zip(now) {
        *spent = now.checked_sub(*last)? as f64;
    }
    let total: f64 = spent.iter().sum();
    (total > 0.0).then(|| spent.map(|spent| spent / total))
}
