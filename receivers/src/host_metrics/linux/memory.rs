//! Memory of the machine and of its nodes, and the counters of the memory manager.

use pipeline::Kind;

use super::super::numa;
use super::{MEMINFO, NUMA_MEMINFO, NUMA_STAT, VMSTAT};
use crate::machine::root::Root;
use crate::recorder::{Label, Labels, Recorder, Row};

pub(super) fn read(root: &Root, recorder: &mut Recorder) {
    if recorder.is_on(MEMINFO) {
        let text = root.read_optional("proc/meminfo").unwrap_or_default();
        let mut key = String::new();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            memory(MEMINFO, name, value.trim(), &[], &mut key, recorder);
        }
    }
    if recorder.is_any_on(&[NUMA_MEMINFO, NUMA_STAT]) {
        nodes(root, recorder);
    }
    if recorder.is_on(VMSTAT) {
        let text = root.read_optional("proc/vmstat").unwrap_or_default();
        for (key, number) in text.lines().filter_map(|line| line.split_once(' ')) {
            // How many there are of something now; the others count what happened.
            let kind = if key.starts_with("nr_") { Kind::Gauge } else { Kind::COUNTER };
            if let Ok(number) = number.trim().parse() {
                recorder.row(VMSTAT, Row { key, unit: "1", kind }, &[], number);
            }
        }
    }
}

/// Records `1000 kB` in bytes, and what has no unit as pages. `buffer` is only there to be used again.
fn memory(
    metric: usize,
    name: &str,
    value: &str,
    labels: Labels<'_>,
    buffer: &mut String,
    recorder: &mut Recorder,
) {
    let mut words = value.split_ascii_whitespace();
    let Some(number) = words.next().and_then(|word| word.parse::<i64>().ok()) else { return };
    if words.next() == Some("kB") {
        if let Some(bytes) = number.checked_mul(1024) {
            recorder.row(metric, Row { key: name, unit: "By", kind: Kind::Gauge }, labels, bytes);
        }
    } else {
        buffer.clear();
        buffer.push_str("pages.");
        buffer.push_str(name);
        recorder.row(metric, Row { key: buffer, unit: "{page}", kind: Kind::Gauge }, labels, number);
    }
}

fn nodes(root: &Root, recorder: &mut Recorder) {
    let mut key = String::new();
    for number in root.numbered(numa::FOLDER, "node") {
        let folder = format!("{}/node{number}", numa::FOLDER);
        let node = [("system.numa.node", Label::Int(i64::from(number)))];
        if recorder.is_on(NUMA_MEMINFO) {
            let text = root.read_optional(&format!("{folder}/meminfo")).unwrap_or_default();
            for (name, value) in numa::lines(&text) {
                memory(NUMA_MEMINFO, name, value, &node, &mut key, recorder);
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
