//! Memory by NUMA node, as it matters for what sits next to a GPU.

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::memory::pool_folders;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder};

const LIMIT: usize = 0;
const USAGE: usize = 1;
const HUGE_LIMIT: usize = 2;
const HUGE_USAGE: usize = 3;
const ALLOCATIONS: usize = 4;

pub(super) static METRICS: &[Definition] = &[
    Definition::up_down("system.memory.numa.limit", "By", "Bytes of memory of each node."),
    Definition::up_down("system.memory.numa.usage", "By", "Bytes of memory of each node by state."),
    Definition::up_down("system.memory.numa.hugepages.limit", "{page}", "Huge pages of each node and size."),
    Definition::up_down(
        "system.memory.numa.hugepages.usage",
        "{page}",
        "Huge pages of each node and size by state.",
    ),
    Definition::counter(
        "system.memory.numa.allocations",
        "{page}",
        "Pages given out by each node, and whether they were wanted there.",
    ),
];

pub(super) const FOLDER: &str = "sys/devices/system/node";

/// The kernel's words for how a page was given out, and the convention's.
const ALLOCATION: [(&str, &str); 6] = [
    ("numa_hit", "hit"),
    ("numa_miss", "miss"),
    ("numa_foreign", "foreign"),
    ("interleave_hit", "interleave_hit"),
    ("local_node", "local_node"),
    ("other_node", "other_node"),
];

struct Numa;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Numa)
}

impl Part for Numa {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        // A kernel without NUMA has no such folder, and nothing to tell.
        for number in root.numbered(FOLDER, "node") {
            let folder = format!("{FOLDER}/node{number}");
            let node = ("system.numa.node", Label::Int(i64::from(number)));
            memory(root, &folder, node, recorder);
            if recorder.is_any_on(&[HUGE_LIMIT, HUGE_USAGE]) {
                huge_pages(root, &folder, node, recorder);
            }
            if recorder.is_on(ALLOCATIONS) {
                let text = root.read_optional(&format!("{folder}/numastat")).unwrap_or_default();
                for (key, count) in text.lines().filter_map(|line| line.split_once(' ')) {
                    let allocation = ALLOCATION.iter().find(|(name, _)| *name == key);
                    if let (Some((_, name)), Ok(count)) = (allocation, count.trim().parse()) {
                        recorder.int(
                            ALLOCATIONS,
                            &[node, ("system.numa.allocation", Label::Text(name))],
                            count,
                        );
                    }
                }
            }
        }
        Ok(())
    }
}

fn memory(root: &Root, folder: &str, node: (&'static str, Label<'_>), recorder: &mut Recorder) {
    if !recorder.is_any_on(&[LIMIT, USAGE]) {
        return;
    }
    let text = root.read_optional(&format!("{folder}/meminfo")).unwrap_or_default();
    let bytes = |name| {
        let (_, kibibytes) = lines(&text).find(|(key, _)| *key == name)?;
        kibibytes.split(' ').next()?.parse::<u64>().ok()?.checked_mul(1024)
    };
    let (total, free) = (bytes("MemTotal"), bytes("MemFree"));
    if let Some(total) = total {
        recorder.int(LIMIT, &[node], total);
    }
    let used = total.zip(free).and_then(|(total, free)| total.checked_sub(free));
    for (state, value) in [("used", used), ("free", free)] {
        if let Some(value) = value {
            recorder.int(USAGE, &[node, ("system.memory.state", Label::Text(state))], value);
        }
    }
}

/// The lines `Node 0 MemTotal:  1000 kB` of a node's memory: key, and the value with its unit.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| {
        let (_, line) = line.strip_prefix("Node ")?.split_once(' ')?;
        let (key, value) = line.split_once(':')?;
        Some((key, value.trim()))
    })
}

fn huge_pages(root: &Root, folder: &str, node: (&'static str, Label<'_>), recorder: &mut Recorder) {
    for (size, folder) in pool_folders(root, &format!("{folder}/hugepages")) {
        let size = ("system.memory.linux.hugepages.size", Label::Int(size));
        let pages = |file| root.number::<u64>(&format!("{folder}/{file}_hugepages"));
        let (limit, free) = (pages("nr"), pages("free"));
        if let Some(limit) = limit {
            recorder.int(HUGE_LIMIT, &[node, size], limit);
        }
        let used = limit.zip(free).and_then(|(limit, free)| limit.checked_sub(free));
        for (state, value) in [("used", used), ("free", free)] {
            if let Some(value) = value {
                let state = ("system.memory.linux.hugepages.state", Label::Text(state));
                recorder.int(HUGE_USAGE, &[node, size, state], value);
            }
        }
    }
}
