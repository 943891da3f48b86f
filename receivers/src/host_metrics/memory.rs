//! Memory by state, its limit, slab, huge pages, pressure.

use pipeline::Kind;

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::pressure;
use super::scrapers::{Make, make};
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const USAGE: usize = 0;
const UTILIZATION: usize = 1;
const LIMIT: usize = 2;
const AVAILABLE: usize = 3;
const SHARED: usize = 4;
const SLAB: usize = 5;
const HUGE_LIMIT: usize = 6;
const HUGE_USAGE: usize = 7;
const HUGE_RESERVED: usize = 8;
const HUGE_SURPLUS: usize = 9;
const HUGE_SIZE: usize = 10;
const PRESSURE: usize = 11;
const PRESSURE_SHARE: usize = 12;
const OOM_KILLS: usize = 13;
const POOL_LIMIT: usize = 14;
const POOL_USAGE: usize = 15;

const fn sum(name: &'static str, alias: &'static str, unit: &'static str, about: &'static str) -> Definition {
    Definition { name, alias, unit, kind: UP_DOWN, is_default: true, description: about }
}

pub(super) static METRICS: &[Definition] = &[
    sum("system.memory.usage", "", "By", "Bytes of memory by state."),
    Definition {
        name: "system.memory.utilization",
        alias: "",
        unit: "1",
        kind: Kind::Gauge,
        is_default: false,
        description: "Share of the memory by state.",
    },
    sum("system.memory.limit", "", "By", "Bytes of memory there are."),
    sum(
        "system.memory.linux.available",
        "system.linux.memory.available",
        "By",
        "Bytes a new process could have without swapping, as the kernel estimates it.",
    ),
    sum("system.memory.linux.shared", "", "By", "Bytes in shared memory and memory file systems."),
    sum("system.memory.linux.slab.usage", "", "By", "Bytes the kernel uses for its own objects."),
    sum("system.memory.linux.hugepages.limit", "", "{page}", "Huge pages in the pool."),
    sum("system.memory.linux.hugepages.usage", "", "{page}", "Huge pages by state."),
    sum("system.memory.linux.hugepages.reserved", "", "{page}", "Huge pages promised but not yet taken."),
    sum("system.memory.linux.hugepages.surplus", "", "{page}", "Huge pages beyond the size of the pool."),
    sum("system.memory.linux.hugepages.page_size", "", "By", "Bytes of a huge page."),
    Definition {
        name: "system.memory.linux.pressure.total",
        alias: "",
        unit: "s",
        kind: Kind::COUNTER,
        is_default: true,
        description: "Seconds in which some or all tasks waited for memory.",
    },
    Definition::gauge(
        "system.memory.linux.pressure.share",
        "1",
        "Share of the last time in which some or all tasks waited for memory.",
    ),
    Definition::counter(
        "system.memory.linux.oom_kills",
        "{kill}",
        "Processes killed because memory ran out.",
    ),
    Definition::up_down(
        "system.memory.linux.hugepages.pool.limit",
        "{page}",
        "Huge pages in the pool of each size.",
    ),
    Definition::up_down(
        "system.memory.linux.hugepages.pool.usage",
        "{page}",
        "Huge pages of each size by state.",
    ),
];

struct Memory;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Memory)
}

impl Part for Memory {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        pressure::read(root, "memory", PRESSURE, PRESSURE_SHARE, recorder);
        if recorder.is_on(OOM_KILLS) {
            // Kernels before 4.13 do not count them.
            let text = root.read_optional("proc/vmstat").unwrap_or_default();
            if let Some(kills) = value_of(&text, "oom_kill") {
                recorder.int(OOM_KILLS, &[], kills);
            }
        }
        pools(root, recorder);
        let text = root.read("proc/meminfo")?;
        let bytes = |name| value_of(&text, name).and_then(|kibibytes| kibibytes.checked_mul(1024));
        let (Some(total), Some(free)) = (bytes("MemTotal"), bytes("MemFree")) else {
            return Err("`proc/meminfo` has no MemTotal and MemFree".to_owned());
        };
        let (buffers, cached) = (bytes("Buffers"), bytes("Cached"));
        // Kernels before 3.14 do not estimate what is available.
        let available = bytes("MemAvailable").or_else(|| free.checked_add(buffers?)?.checked_add(cached?));
        let used = available.and_then(|available| total.checked_sub(available));
        let states = [("used", used), ("free", Some(free)), ("buffers", buffers), ("cached", cached)];
        for (state, value) in states {
            let Some(value) = value else { continue };
            let labels = [("system.memory.state", Label::Text(state))];
            recorder.int(USAGE, &labels, value);
            recorder.double(UTILIZATION, &labels, value as f64 / total as f64);
        }
        recorder.int(LIMIT, &[], total);
        for (metric, name) in [(AVAILABLE, "MemAvailable"), (SHARED, "Shmem"), (HUGE_SIZE, "Hugepagesize")] {
            if let Some(value) = bytes(name) {
                recorder.int(metric, &[], value);
            }
        }
        for (state, name) in [("reclaimable", "SReclaimable"), ("unreclaimable", "SUnreclaim")] {
            if let Some(value) = bytes(name) {
                recorder.int(SLAB, &[("system.memory.linux.slab.state", Label::Text(state))], value);
            }
        }
        huge_pages(&text, recorder);
        Ok(())
    }
}

fn huge_pages(text: &str, recorder: &mut Recorder) {
    let (limit, free) = (value_of(text, "HugePages_Total"), value_of(text, "HugePages_Free"));
    let used = limit.zip(free).and_then(|(limit, free)| limit.checked_sub(free));
    let plain = [
        (HUGE_LIMIT, limit),
        (HUGE_RESERVED, value_of(text, "HugePages_Rsvd")),
        (HUGE_SURPLUS, value_of(text, "HugePages_Surp")),
    ];
    for (metric, value) in plain {
        if let Some(value) = value {
            recorder.int(metric, &[], value);
        }
    }
    for (state, value) in [("used", used), ("free", free)] {
        if let Some(value) = value {
            recorder.int(HUGE_USAGE, &[("system.memory.linux.hugepages.state", Label::Text(state))], value);
        }
    }
}

/// The pools of huge pages, one of each size the processor knows.
fn pools(root: &Root, recorder: &mut Recorder) {
    if !recorder.is_any_on(&[POOL_LIMIT, POOL_USAGE]) {
        return;
    }
    for (size, folder) in pool_folders(root, "sys/kernel/mm/hugepages") {
        let size = ("system.memory.linux.hugepages.size", Label::Int(size));
        let pages = |file| root.number::<u64>(&format!("{folder}/{file}_hugepages"));
        let (limit, free) = (pages("nr"), pages("free"));
        if let Some(limit) = limit {
            recorder.int(POOL_LIMIT, &[size], limit);
        }
        let states = [
            ("used", limit.zip(free).and_then(|(limit, free)| limit.checked_sub(free))),
            ("free", free),
            ("reserved", pages("resv")),
            ("surplus", pages("surplus")),
        ];
        for (state, value) in states {
            if let Some(value) = value {
                let labels = [size, ("system.memory.linux.hugepages.state", Label::Text(state))];
                recorder.int(POOL_USAGE, &labels, value);
            }
        }
    }
}

/// The sizes of huge pages in bytes, each with the folder of its pool: `hugepages-2048kB`.
pub(super) fn pool_folders(root: &Root, folder: &str) -> Vec<(i64, String)> {
    let names = root.names(folder);
    let pool = |name: &String| {
        let kibibytes = name.strip_prefix("hugepages-")?.strip_suffix("kB")?.parse::<i64>().ok()?;
        Some((kibibytes.checked_mul(1024)?, format!("{folder}/{name}")))
    };
    names.iter().filter_map(pool).collect()
}
