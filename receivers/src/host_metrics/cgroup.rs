//! What the collector's own control group may use and uses, and that of others by their path.

use std::path::Path;

use super::config::{CgroupConfig, Paths};
use super::host::Part;
use super::lookup::{List, Message};
use super::pressure;
use super::scrapers::{Make, make};
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Recorder};

const MEMORY: usize = 0;
const MEMORY_MAX: usize = 1;
const MEMORY_EVENTS: usize = 2;
const CPU_TIME: usize = 3;
const CPU_MAX: usize = 4;
const THROTTLED_TIME: usize = 5;
const THROTTLED_PERIODS: usize = 6;
const PERIODS: usize = 7;
const PROCESSES: usize = 8;
const PROCESSES_MAX: usize = 9;
const PRESSURE: usize = 10;

pub(super) static METRICS: &[Definition] = &[
    Definition::up_down("system.cgroup.memory.usage", "By", "Bytes of memory in use."),
    Definition::up_down("system.cgroup.memory.limit", "By", "Bytes of memory that may be used."),
    Definition::counter("system.cgroup.memory.events", "{event}", "What happened for want of memory."),
    Definition::counter("system.cgroup.cpu.time", "s", "Seconds of processor time by mode."),
    Definition::up_down("system.cgroup.cpu.limit", "{cpu}", "Processors that may be used."),
    Definition::counter("system.cgroup.cpu.throttled.time", "s", "Seconds in which it was held back."),
    Definition::counter(
        "system.cgroup.cpu.throttled.periods",
        "{period}",
        "Periods in which it was held back.",
    ),
    Definition::counter("system.cgroup.cpu.periods", "{period}", "Periods in which it ran."),
    Definition::up_down("system.cgroup.process.count", "{process}", "Processes and threads."),
    Definition::up_down("system.cgroup.process.limit", "{process}", "Processes and threads there may be."),
    Definition::counter("system.cgroup.pressure.total", "s", "Seconds in which its tasks waited."),
];

const FOLDER: &str = "sys/fs/cgroup";

/// More groups are not told, and deeper ones are not looked for.
const GROUPS_MAX: usize = 1024;
const DEPTH_MAX: usize = 8;

/// The first version's number for "no limit" is the largest there is, less a page; nobody has as much memory.
const UNLIMITED: u64 = 1 << 62;

struct Cgroup {
    include: Option<List>,
}

type OfGroup<'a> = (&'static str, Label<'a>);

pub(super) fn plan(config: &CgroupConfig, problems: &mut Vec<Message>) -> Make {
    let include = config.include.as_ref().and_then(|Paths { paths, match_type }| {
        List::compile(("scrapers.cgroup.include", "paths"), paths, *match_type, problems)
    });
    make(move || Cgroup { include: include.clone() })
}

impl Part for Cgroup {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let text = root.read_optional("proc/self/cgroup").unwrap_or_default();
        let of_version_2 = text.lines().find_map(|line| line.strip_prefix("0::"));
        let is_version_2 = root.path(&format!("{FOLDER}/cgroup.controllers")).exists();
        let own = of_version_2.filter(|_| is_version_2).map(|path| path.trim_end_matches('/'));
        if let Some(own) = own {
            group(root, own, recorder);
        }
        if !is_version_2 {
            version_1(root, &text, recorder);
        }
        if let Some(include) = self.include.as_ref().filter(|_| is_version_2) {
            let mut paths = Vec::new();
            collect(root, "", include, DEPTH_MAX, &mut paths);
            paths
                .iter()
                .filter(|path| own != Some(path.as_str()))
                .for_each(|path| group(root, path, recorder));
        }
        Ok(())
    }
}

/// The groups that are asked for, from the top.
fn collect(root: &Root, parent: &str, include: &List, depth: usize, paths: &mut Vec<String>) {
    let folder = format!("{FOLDER}{parent}");
    for name in root.names(&folder) {
        let path = format!("{parent}/{name}");
        if paths.len() >= GROUPS_MAX || !root.path(&format!("{folder}/{name}")).is_dir() {
            continue;
        }
        if include.contains(&path) {
            paths.push(path.clone());
        }
        if depth > 1 {
            collect(root, &path, include, depth - 1, paths);
        }
    }
}

/// Reads a group of the second version. The topmost has no limits, and none of these files.
fn group(root: &Root, path: &str, recorder: &mut Recorder) {
    let folder = format!("{FOLDER}{path}");
    let of_group = ("system.cgroup.path", Label::Text(if path.is_empty() { "/" } else { path }));
    let numbers = [
        (MEMORY, "memory.current"),
        (MEMORY_MAX, "memory.max"),
        (PROCESSES, "pids.current"),
        (PROCESSES_MAX, "pids.max"),
    ];
    for (metric, file) in numbers {
        // `max` is no limit, and no number.
        if let Some(number) = root.number(&format!("{folder}/{file}")) {
            recorder.int(metric, &[of_group], number);
        }
    }
    let text = root.read_optional(&format!("{folder}/memory.events")).unwrap_or_default();
    for (event, count) in text.lines().filter_map(|line| line.split_once(' ')) {
        if let Ok(count) = count.trim().parse() {
            recorder.int(MEMORY_EVENTS, &[of_group, ("system.cgroup.event", Label::Text(event))], count);
        }
    }
    let text = root.read_optional(&format!("{folder}/cpu.max")).unwrap_or_default();
    let mut words = text.split_ascii_whitespace().map(|word| word.parse::<f64>().ok());
    if let (Some(Some(quota)), Some(Some(period))) = (words.next(), words.next())
        && period > 0.0
    {
        recorder.double(CPU_MAX, &[of_group], quota / period);
    }
    let text = root.read_optional(&format!("{folder}/cpu.stat")).unwrap_or_default();
    processor(&text, of_group, recorder);
    for resource in ["cpu", "memory", "io"] {
        let text = root.read_optional(&format!("{folder}/{resource}.pressure")).unwrap_or_default();
        for (kind, words) in pressure::lines(&text) {
            let resource = ("system.pressure.resource", Label::Text(resource));
            if let Some(seconds) = pressure::total_seconds(words) {
                let labels = [of_group, resource, ("system.pressure.stall_type", Label::Text(kind))];
                recorder.double(PRESSURE, &labels, seconds);
            }
        }
    }
}

fn processor(text: &str, of_group: OfGroup<'_>, recorder: &mut Recorder) {
    for (mode, name) in [("user", "user_usec"), ("system", "system_usec")] {
        if let Some(microseconds) = value_of(text, name) {
            let labels = [of_group, ("cpu.mode", Label::Text(mode))];
            recorder.double(CPU_TIME, &labels, microseconds as f64 / 1e6);
        }
    }
    if let Some(microseconds) = value_of(text, "throttled_usec") {
        recorder.double(THROTTLED_TIME, &[of_group], microseconds as f64 / 1e6);
    }
    for (metric, name) in [(PERIODS, "nr_periods"), (THROTTLED_PERIODS, "nr_throttled")] {
        if let Some(count) = value_of(text, name) {
            recorder.int(metric, &[of_group], count);
        }
    }
}

/// Reads our own group of the first version, where each controller has a tree of its own.
fn version_1(root: &Root, text: &str, recorder: &mut Recorder) {
    let folder = |controller: &str| {
        let path = text.lines().find_map(|line| {
            let (names, path) = line.split_once(':')?.1.split_once(':')?;
            names.split(',').any(|name| name == controller).then_some(path)
        })?;
        let whole = format!("{FOLDER}/{controller}{}", path.trim_end_matches('/'));
        // In a container its own group is what is mounted, and the path is the host's.
        let is_there = root.path(&whole).is_dir() && !Path::new(path).starts_with("/..");
        Some((path.to_owned(), if is_there { whole } else { format!("{FOLDER}/{controller}") }))
    };
    let numbers = [
        (MEMORY, "memory", "memory.usage_in_bytes"),
        (MEMORY_MAX, "memory", "memory.limit_in_bytes"),
        (PROCESSES, "pids", "pids.current"),
        (PROCESSES_MAX, "pids", "pids.max"),
    ];
    for (metric, controller, file) in numbers {
        let Some((path, folder)) = folder(controller) else { continue };
        let number = root.number::<u64>(&format!("{folder}/{file}"));
        if let Some(number) = number.filter(|number| *number < UNLIMITED) {
            recorder.int(metric, &[("system.cgroup.path", Label::Text(&path))], number);
        }
    }
    if let Some((path, folder)) = folder("memory") {
        let text = root.read_optional(&format!("{folder}/memory.oom_control")).unwrap_or_default();
        if let Some(kills) = value_of(&text, "oom_kill") {
            let event = ("system.cgroup.event", Label::Text("oom_kill"));
            recorder.int(MEMORY_EVENTS, &[("system.cgroup.path", Label::Text(&path)), event], kills);
        }
    }
    if let Some((path, folder)) = folder("cpu") {
        let of_group = ("system.cgroup.path", Label::Text(&path));
        let (quota, period) = ("cpu.cfs_quota_us", "cpu.cfs_period_us");
        let number = |file| root.number::<f64>(&format!("{folder}/{file}")).filter(|number| *number > 0.0);
        if let (Some(quota), Some(period)) = (number(quota), number(period)) {
            recorder.double(CPU_MAX, &[of_group], quota / period);
        }
        let text = root.read_optional(&format!("{folder}/cpu.stat")).unwrap_or_default();
        processor(&text, of_group, recorder);
        if let Some(nanoseconds) = value_of(&text, "throttled_time") {
            recorder.double(THROTTLED_TIME, &[of_group], nanoseconds as f64 / 1e9);
        }
    }
}
