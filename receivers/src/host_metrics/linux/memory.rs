//! Memory of the machine and of its nodes, and the counters of the memory manager.

use pipeline::Kind;

use super::super::numa;
use super::{MEMINFO, NUMA_MEMINFO, NUMA_STAT, VMSTAT};
use crate::machine::root::Root;
use crate::recorder::{Label, Labels, Recorder, Row};

pub(super) fn read(root: &Root, recorder: &mut Recorder) {
    if recorder.is_on(MEMINFO) {
        machine(&root.read_optional("proc/meminfo").unwrap_or_default(), recorder);
    }
    if recorder.is_any_on(&[NUMA_MEMINFO, NUMA_STAT]) {
        nodes(root, recorder);
    }
    if recorder.is_on(VMSTAT) {
        events(&root.read_optional("proc/vmstat").unwrap_or_default(), recorder);
    }
}

fn machine(text: &str, recorder: &mut Recorder) {
    let mut table = Table { metric: MEMINFO, key: String::new() };
    for line in text.lines().filter_map(|line| line.split_once(':')) {
        table.record(line, &[], recorder);
    }
}

fn events(text: &str, recorder: &mut Recorder) {
    for (key, number) in text.lines().filter_map(|line| line.split_once(' ')) {
        // How many there are of something now; the others count what happened.
        let is_now = key.starts_with("nr_") || key == "workingset_nodes";
        let kind = if is_now { Kind::Gauge } else { Kind::COUNTER };
        if let Ok(number) = number.trim().parse() {
            recorder.row(VMSTAT, Row { key, unit: "1", kind }, &[], number);
        }
    }
}

/// A table of memory, and the text its keys are written to, again and again.
struct Table {
    metric: usize,
    key: String,
}

impl Table {
    /// Records `1000 kB` in bytes, and what has no unit as pages.
    fn record(&mut self, (name, value): (&str, &str), labels: Labels<'_>, recorder: &mut Recorder) {
        let mut words = value.split_ascii_whitespace();
        let Some(number) = words.next().and_then(|word| word.parse::<i64>().ok()) else { return };
        if words.next() == Some("kB") {
            if let Some(bytes) = number.checked_mul(1024) {
                let row = Row { key: name, unit: "By", kind: Kind::Gauge };
                recorder.row(self.metric, row, labels, bytes);
            }
        } else {
            self.key.clear();
            self.key.extend(["pages.", name]);
            let row = Row { key: &self.key, unit: "{page}", kind: Kind::Gauge };
            recorder.row(self.metric, row, labels, number);
        }
    }
}

fn nodes(root: &Root, recorder: &mut Recorder) {
    let mut table = Table { metric: NUMA_MEMINFO, key: String::new() };
    for number in root.numbered(numa::FOLDER, "node") {
        let folder = format!("{}/node{number}", numa::FOLDER);
        let node = [("system.numa.node", Label::Int(i64::from(number)))];
        if recorder.is_on(NUMA_MEMINFO) {
            let text = root.read_optional(&format!("{folder}/meminfo")).unwrap_or_default();
            for line in numa::lines(&text) {
                table.record(line, &node, recorder);
            }
        }
        if recorder.is_on(NUMA_STAT) {
            let text = root.read_optional(&format!("{folder}/numastat")).unwrap_or_default();
            for (key, count) in text.lines().filter_map(|line| line.split_once(' ')) {
                if let Ok(count) = count.trim().parse() {
                    let row = Row { key, unit: "{page}", kind: Kind::COUNTER };
                    recorder.row(NUMA_STAT, row, &node, count);
                }
            }
        }
    }
}

pub(super) fn fuzz(text: &str, recorder: &mut Recorder) {
    machine(text, recorder);
    events(text, recorder);
    let mut table = Table { metric: NUMA_MEMINFO, key: String::new() };
    for line in numa::lines(text) {
        table.record(line, &[], recorder);
    }
}
