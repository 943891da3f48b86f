//! Memory by state, its limit, slab, huge pages, pressure.

use pipeline::Kind;

use super::cpu::pressure;
use super::host::Part;
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
];

pub(super) struct Memory;

impl Part for Memory {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        pressure(root, "memory", PRESSURE, recorder);
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
