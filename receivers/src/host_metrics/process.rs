//! Processes one by one: the collector itself, and those that are asked for by name.

use std::collections::HashMap;
use std::time::Duration;

use pipeline::{AnyValue, Attributes, Kind, Resource};

use super::config::{Names, ProcessConfig};
use super::cpu::TICKS_PER_SECOND;
use super::host::Part;
use super::lookup::{Choice, List, Message};
use super::process_stat::Stat;
use super::scrapers::{Make, make};
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Owner, Recorder, UP_DOWN};

const CPU_TIME: usize = 0;
const MEMORY: usize = 1;
const VIRTUAL: usize = 2;
const DISK: usize = 3;
const THREADS: usize = 4;
const DESCRIPTORS: usize = 5;
const SWITCHES: usize = 6;
const FAULTS: usize = 7;
const UPTIME: usize = 8;
const DESCRIPTORS_MAX: usize = 9;
const VIRTUAL_MAX: usize = 10;

/// More processes than this are not told one by one.
const PROCESSES_MAX: usize = 4096;

const fn metric(name: &'static str, alias: &'static str, unit: &'static str, kind: Kind) -> Definition {
    Definition { name, alias, unit, kind, is_default: true, description: "" }
}

pub(super) static METRICS: &[Definition] = &[
    Definition {
        description: "Seconds of processor time by mode.",
        ..metric("process.cpu.time", "", "s", Kind::COUNTER)
    },
    Definition {
        description: "Bytes of physical memory in use.",
        ..metric("process.memory.usage", "", "By", UP_DOWN)
    },
    Definition {
        description: "Bytes of address space in use.",
        ..metric("process.memory.virtual", "", "By", UP_DOWN)
    },
    Definition {
        description: "Bytes read from and written to disks.",
        ..metric("process.disk.io", "", "By", Kind::COUNTER)
    },
    Definition {
        description: "Threads.",
        ..metric("process.thread.count", "process.threads", "{thread}", UP_DOWN)
    },
    Definition {
        description: "Open file descriptors.",
        ..metric(
            "process.unix.file_descriptor.count",
            "process.open_file_descriptors",
            "{file_descriptor}",
            UP_DOWN,
        )
    },
    Definition {
        description: "Context switches by type.",
        ..metric("process.context_switches", "", "{context_switch}", Kind::COUNTER)
    },
    Definition {
        description: "Page faults, with (major) and without (minor) reading from a disk.",
        ..metric("process.paging.faults", "", "{fault}", Kind::COUNTER)
    },
    Definition {
        description: "Seconds since the process was started.",
        ..metric("process.uptime", "", "s", Kind::Gauge)
    },
    Definition::up_down(
        "process.unix.file_descriptor.limit",
        "{file_descriptor}",
        "File descriptors that may be open.",
    )
    .off(),
    Definition::up_down("process.memory.virtual.limit", "By", "Bytes of address space that may be in use.")
        .off(),
];

/// Which processes are told.
#[derive(Debug, Clone)]
struct Choices {
    names: Choice,
    age_min: Duration,
}

struct Process {
    choices: Choices,
    /// What the readings of each process belong to, by its number and start.
    owners: HashMap<u64, Owner>,
}

impl Choices {
    fn of(config: &ProcessConfig, problems: &mut Vec<Message>) -> Self {
        let mut list = |names: Option<&Names>, place: &str| {
            let Names { names, match_type } = names?;
            List::compile((place, "names"), names, *match_type, problems)
        };
        let names = Choice {
            include: list(config.include.as_ref(), "scrapers.process.include"),
            exclude: list(config.exclude.as_ref(), "scrapers.process.exclude"),
        };
        Self { names, age_min: config.scrape_process_delay.0 }
    }
}

impl Part for Process {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let uptime = root.read("proc/uptime")?;
        let uptime = uptime.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        let host = recorder.owner().clone();
        let mut owners = HashMap::new();
        for folder in self.folders(root)? {
            // A process may end while it is looked at.
            let Some(text) = root.read_optional(&format!("{folder}/stat")) else { continue };
            let Some(stat) = Stat::parse(&text) else {
                recorder.error(METRICS.len() as u64, format!("`{folder}/stat` is not as expected"));
                continue;
            };
            let age = uptime.map(|uptime| uptime - stat.start_ticks as f64 / TICKS_PER_SECOND);
            if !self.is_told(&stat, age) || owners.len() >= PROCESSES_MAX {
                continue;
            }
            let id = stat.identity();
            let owner = self.owners.remove(&id).unwrap_or_else(|| owner(id, &stat, &host, recorder));
            recorder.own(owner.clone());
            owners.insert(id, owner);
            if let Some(age) = age {
                recorder.double(UPTIME, &[], age);
            }
            record_stat(&stat, recorder);
            record_files(root, &folder, recorder);
        }
        self.owners = owners;
        Ok(())
    }
}

pub(super) fn plan(config: &ProcessConfig, problems: &mut Vec<Message>) -> Make {
    let choices = Choices::of(config, problems);
    make(move || Process { choices: choices.clone(), owners: HashMap::new() })
}

impl Process {
    fn folders(&self, root: &Root) -> Result<Vec<String>, String> {
        if self.choices.names.include.is_none() {
            return Ok(vec!["proc/self".to_owned()]);
        }
        Ok(root.process_ids()?.iter().map(|id| format!("proc/{id}")).collect())
    }

    fn is_told(&self, stat: &Stat<'_>, age: Option<f64>) -> bool {
        let age_min = self.choices.age_min.as_secs_f64();
        self.choices.names.allows(stat.name) && age.is_none_or(|age| age >= age_min)
    }
}

fn owner(id: u64, stat: &Stat<'_>, host: &Owner, recorder: &Recorder) -> Owner {
    let mut pairs = host.resource.attributes.to_pairs();
    pairs.push(("process.pid".to_owned(), AnyValue::Int(i64::from(stat.id))));
    pairs.push(("process.executable.name".to_owned(), AnyValue::from(stat.name)));
    let resource = Resource { attributes: Attributes::new(pairs), ..host.resource.as_ref().clone() };
    let after_boot = stat.start_ticks.saturating_mul(1_000_000_000 / TICKS_PER_SECOND as u64);
    let start_unix_nano = match host.start_unix_nano {
        0 => 0,
        boot => boot.saturating_add(after_boot),
    };
    Owner {
        id,
        resource: recorder.registry().resource(resource),
        attributes: std::sync::Arc::default(),
        start_unix_nano,
    }
}

fn record_stat(stat: &Stat<'_>, recorder: &mut Recorder) {
    let times =
        [("user", Some(stat.user_ticks)), ("system", Some(stat.system_ticks)), ("wait", stat.io_wait_ticks)];
    for (mode, ticks) in times {
        if let Some(ticks) = ticks {
            let labels = [("cpu.mode", Label::Text(mode))];
            recorder.double(CPU_TIME, &labels, ticks as f64 / TICKS_PER_SECOND);
        }
    }
    recorder.int(VIRTUAL, &[], stat.virtual_bytes);
    recorder.int(THREADS, &[], stat.threads);
    for (kind, faults) in [("major", stat.major_faults), ("minor", stat.minor_faults)] {
        recorder.int(FAULTS, &[("system.paging.fault.type", Label::Text(kind))], faults);
    }
}

/// What other files of the process tell; some are for its owner only, and then left out.
fn record_files(root: &Root, folder: &str, recorder: &mut Recorder) {
    if recorder.is_any_on(&[MEMORY, SWITCHES]) {
        let status = root.read_optional(&format!("{folder}/status")).unwrap_or_default();
        if let Some(bytes) = value_of(&status, "VmRSS").and_then(|kibibytes| kibibytes.checked_mul(1024)) {
            recorder.int(MEMORY, &[], bytes);
        }
        let kinds = [("voluntary", "voluntary_ctxt_switches"), ("involuntary", "nonvoluntary_ctxt_switches")];
        for (kind, name) in kinds {
            if let Some(count) = value_of(&status, name) {
                recorder.int(SWITCHES, &[("process.context_switch.type", Label::Text(kind))], count);
            }
        }
    }
    if recorder.is_on(DISK) {
        let io = root.read_optional(&format!("{folder}/io")).unwrap_or_default();
        for (direction, name) in [("read", "read_bytes"), ("write", "write_bytes")] {
            if let Some(bytes) = value_of(&io, name) {
                recorder.int(DISK, &[("disk.io.direction", Label::Text(direction))], bytes);
            }
        }
    }
    if recorder.is_on(DESCRIPTORS)
        && let Ok(entries) = root.path(&format!("{folder}/fd")).read_dir()
    {
        recorder.int(DESCRIPTORS, &[], entries.count() as u64);
    }
    if recorder.is_any_on(&[DESCRIPTORS_MAX, VIRTUAL_MAX]) {
        let limits = root.read_optional(&format!("{folder}/limits")).unwrap_or_default();
        for (metric, name) in [(DESCRIPTORS_MAX, "Max open files"), (VIRTUAL_MAX, "Max address space")] {
            if let Some(value) = limit(&limits, name) {
                recorder.int(metric, &[], value);
            }
        }
    }
}

/// Reads the line of a limit: its name, the soft limit, the hard one. Where it is `unlimited` there is none.
fn limit(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}
