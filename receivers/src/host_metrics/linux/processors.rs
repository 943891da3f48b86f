//! What the kernel counts by processor, and the lines of `/proc/stat` that are not of processor time.

use pipeline::Kind;

use super::{INTERRUPTS, SCHEDSTAT, SOFTIRQS, SOFTNET, STAT};
use crate::machine::root::Root;
use crate::recorder::{Label, Recorder, Row};

/// The columns of `softnet_stat` that mean something, and whether they count.
const SOFTNET_COLUMNS: [(usize, &str, Kind); 7] = [
    (0, "processed", Kind::COUNTER),
    (1, "dropped", Kind::COUNTER),
    (2, "times_squeezed", Kind::COUNTER),
    (8, "cpu_collision", Kind::COUNTER),
    (9, "received_rps", Kind::COUNTER),
    (10, "flow_limit_count", Kind::COUNTER),
    (11, "backlog_len", Kind::Gauge),
];

/// The column that newer kernels have the processor's number in.
const SOFTNET_PROCESSOR: usize = 12;

pub(super) fn read(root: &Root, recorder: &mut Recorder) {
    if recorder.is_on(STAT) {
        stat(&root.read_optional("proc/stat").unwrap_or_default(), recorder);
    }
    if recorder.is_on(SOFTNET) {
        let text = root.read_of_namespace("net/softnet_stat").unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            softnet(index, line, recorder);
        }
    }
    if recorder.is_on(SCHEDSTAT) {
        let text = root.read_optional("proc/schedstat").unwrap_or_default();
        text.lines().for_each(|line| schedstat(line, recorder));
    }
    if recorder.is_on(INTERRUPTS) {
        interrupts(&root.read_optional("proc/interrupts").unwrap_or_default(), recorder);
    }
    if recorder.is_on(SOFTIRQS) {
        softirqs(&root.read_optional("proc/softirqs").unwrap_or_default(), recorder);
    }
}

fn stat(text: &str, recorder: &mut Recorder) {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(key), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) else { continue };
        // The first number of interrupts is of all of them.
        let kind = match key {
            "ctxt" | "intr" | "softirq" | "processes" => Kind::COUNTER,
            "procs_running" | "procs_blocked" => Kind::Gauge,
            _ => continue,
        };
        recorder.row(STAT, Row { key, unit: "1", kind }, &[], number);
    }
}

/// Reads a line of hexadecimal numbers.
fn softnet(index: usize, line: &str, recorder: &mut Recorder) {
    const COLUMNS_MAX: usize = 16;
    let mut columns = [None; COLUMNS_MAX];
    for (column, word) in columns.iter_mut().zip(line.split_ascii_whitespace()) {
        *column = i64::from_str_radix(word, 16).ok();
    }
    let number = columns[SOFTNET_PROCESSOR].or_else(|| i64::try_from(index).ok());
    let Some(number) = number else { return };
    let labels = [("cpu.logical_number", Label::Int(number))];
    for (column, key, kind) in SOFTNET_COLUMNS {
        if let Some(value) = columns[column] {
            recorder.row(SOFTNET, Row { key, unit: "1", kind }, &labels, value);
        }
    }
}

/// Reads `cpu0 ...`, whose seventh to ninth number are what ran, what waited, and how many slices.
fn schedstat(line: &str, recorder: &mut Recorder) {
    const SLICES: Row<'_> = Row { key: "timeslices", unit: "1", kind: Kind::COUNTER };
    let mut words = line.split_ascii_whitespace();
    let number = words.next().and_then(|name| name.strip_prefix("cpu")?.parse().ok());
    let Some(number) = number else { return };
    let labels = [("cpu.logical_number", Label::Int(number))];
    let mut numbers = words.skip(6).map_while(|word| word.parse::<i64>().ok());
    for key in ["running", "waiting"] {
        if let Some(nanoseconds) = numbers.next() {
            let row = Row { key, unit: "s", kind: Kind::COUNTER };
            recorder.row_double(SCHEDSTAT, row, &labels, nanoseconds as f64 / 1e9);
        }
    }
    if let Some(slices) = numbers.next() {
        recorder.row(SCHEDSTAT, SLICES, &labels, slices);
    }
}

/// Reads the table: a heading of processors, then by line its name, a number each, what it is, and its devices.
///
/// Most lines only ever come to a few processors. The others are left out: on a machine of 192 processors with 2000 lines
/// they are hundreds of thousands of series that say nothing.
fn interrupts(text: &str, recorder: &mut Recorder) {
    let mut lines = text.lines();
    let processors = processors(lines.next().unwrap_or_default());
    for line in lines {
        let Some((name, rest)) = line.split_once(':') else { continue };
        let name = name.trim();
        let mut rest = rest.trim_start();
        let mut counts = Vec::with_capacity(processors.len());
        while counts.len() < processors.len() {
            let word = rest.split(' ').next().unwrap_or_default();
            let Ok(count) = word.parse::<u64>() else { break };
            counts.push(count);
            rest = rest[word.len()..].trim_start();
        }
        // A line with a number is of a device; others say in words what they are.
        let is_device = name.bytes().all(|byte| byte.is_ascii_digit());
        let split = rest.split_once(' ').filter(|_| is_device);
        let (info, devices) = split.unwrap_or((rest, ""));
        // How the blanks are laid out depends on the widest line.
        let devices = devices.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        for (number, count) in processors.iter().zip(counts).filter(|(_, count)| *count > 0) {
            let mut labels =
                vec![("cpu.logical_number", Label::Int(*number)), ("linux.irq", Label::Text(name))];
            let texts = [("linux.irq.info", info), ("linux.irq.devices", devices.as_str())];
            let texts = texts.into_iter().filter(|(_, text)| !text.is_empty());
            labels.extend(texts.map(|(key, text)| (key, Label::Text(text))));
            recorder.int(INTERRUPTS, &labels, count);
        }
    }
}

fn softirqs(text: &str, recorder: &mut Recorder) {
    let mut lines = text.lines();
    let processors = processors(lines.next().unwrap_or_default());
    for (name, rest) in lines.filter_map(|line| line.split_once(':')) {
        let counts = rest.split_ascii_whitespace().map_while(|word| word.parse().ok());
        for (number, count) in processors.iter().zip(counts) {
            let labels =
                [("cpu.logical_number", Label::Int(*number)), ("linux.softirq", Label::Text(name.trim()))];
            recorder.int(SOFTIRQS, &labels, count);
        }
    }
}

/// The heading of these tables: `CPU0 CPU1`.
fn processors(heading: &str) -> Vec<i64> {
    heading.split_ascii_whitespace().filter_map(|word| word.strip_prefix("CPU")?.parse().ok()).collect()
}

pub(super) fn fuzz(text: &str, recorder: &mut Recorder) {
    stat(text, recorder);
    text.lines().enumerate().for_each(|(index, line)| softnet(index, line, recorder));
    text.lines().for_each(|line| schedstat(line, recorder));
    interrupts(text, recorder);
    softirqs(text, recorder);
}
