//! How many processes and threads there are, in which state, which of them are stuck, and how many there may be.

use std::collections::{BTreeMap, HashSet};

use pipeline::Kind;

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::process_stat::Stat;
use super::scrapers::{Make, make};
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const COUNT: usize = 0;
const CREATED: usize = 1;
const LIMIT: usize = 2;
const THREADS: usize = 3;
const THREADS_MAX: usize = 4;
const STUCK: usize = 5;
const STATE: usize = 6;
const THREAD_STATE: usize = 7;

pub(super) static METRICS: &[Definition] = &[
    Definition {
        name: "system.process.count",
        alias: "system.processes.count",
        unit: "{process}",
        kind: UP_DOWN,
        is_default: true,
        description: "Processes by state.",
    },
    Definition {
        name: "system.process.created",
        alias: "system.processes.created",
        unit: "{process}",
        kind: Kind::COUNTER,
        is_default: true,
        description: "Processes and threads created.",
    },
    Definition::up_down("system.process.limit", "{process}", "Process numbers there may be."),
    Definition::up_down("system.thread.count", "{thread}", "Threads."),
    Definition::up_down("system.thread.limit", "{thread}", "Threads there may be."),
    Definition::up_down(
        "system.process.stuck",
        "{process}",
        "Processes that were blocked or defunct at the last scrape already, by name.",
    ),
    Definition::gauge(
        "linux.process.state",
        "{process}",
        "Processes by the kernel's letter for their state.",
    )
    .off(),
    Definition::gauge("linux.thread.state", "{thread}", "Threads, by the state of their process.").off(),
];

/// What one look at every process is for.
const OF_EACH: [usize; 5] = [COUNT, THREADS, STUCK, STATE, THREAD_STATE];

/// More names of stuck processes are not told.
const NAMES_MAX: usize = 64;

#[derive(Default)]
struct Processes {
    /// Those that were blocked or defunct at the last scrape.
    last: HashSet<u64>,
}

/// What is counted on the way through all processes.
#[derive(Default)]
struct Counts {
    states: BTreeMap<&'static str, u64>,
    /// Processes and threads by the kernel's letter.
    letters: BTreeMap<char, (u64, u64)>,
    threads: u64,
    stuck: BTreeMap<(&'static str, String), u64>,
    waiting: HashSet<u64>,
}

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(Processes::default)
}

impl Part for Processes {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        if recorder.is_any_on(&OF_EACH) {
            match root.process_ids() {
                Ok(ids) => {
                    let counts = self.count(root, &ids, recorder);
                    record(&counts, recorder);
                    self.last = counts.waiting;
                }
                Err(message) => recorder.error(1, message),
            }
        }
        for (metric, file) in [(LIMIT, "pid_max"), (THREADS_MAX, "threads-max")] {
            if recorder.is_on(metric)
                && let Some(limit) = root.number(&format!("proc/sys/kernel/{file}"))
            {
                recorder.int(metric, &[], limit);
            }
        }
        if recorder.is_on(CREATED) {
            let created = value_of(&root.read("proc/stat")?, "processes");
            recorder.int(CREATED, &[], created.ok_or("`proc/stat` has no number of processes")?);
        }
        Ok(())
    }
}

impl Counts {
    /// Counts a process that is stuck, by its name unless there are too many others.
    fn stick(&mut self, state: &'static str, name: &str) {
        let key = (state, name.to_owned());
        if self.stuck.len() < NAMES_MAX || self.stuck.contains_key(&key) {
            *self.stuck.entry(key).or_default() += 1;
        }
    }
}

impl Processes {
    fn count(&self, root: &Root, ids: &[u32], recorder: &mut Recorder) -> Counts {
        let mut counts = Counts::default();
        // These are always told, so that an alert on them has something to look at.
        counts.states.extend([("running", 0), ("sleeping", 0), ("stopped", 0), ("defunct", 0)]);
        for id in ids {
            // A process may end while it is looked at.
            let Some(text) = root.read_optional(&format!("proc/{id}/stat")) else { continue };
            let Some(stat) = Stat::parse(&text) else {
                recorder.error(1, "the `stat` of a process is not as expected".to_owned());
                continue;
            };
            let state = name(stat.state);
            *counts.states.entry(state).or_default() += 1;
            counts.threads = counts.threads.saturating_add(stat.threads);
            let (processes, threads) = counts.letters.entry(stat.state).or_default();
            *processes += 1;
            *threads = threads.saturating_add(stat.threads);
            if matches!(state, "blocked" | "defunct") {
                let id = stat.identity();
                if self.last.contains(&id) {
                    counts.stick(state, stat.name);
                }
                counts.waiting.insert(id);
            }
        }
        counts
    }
}

fn record(counts: &Counts, recorder: &mut Recorder) {
    for (state, count) in &counts.states {
        recorder.int(COUNT, &[("process.state", Label::Text(state))], *count);
    }
    recorder.int(THREADS, &[], counts.threads);
    for ((state, name), count) in &counts.stuck {
        let labels = [("process.state", Label::Text(state)), ("process.executable.name", Label::Text(name))];
        recorder.int(STUCK, &labels, *count);
    }
    for (letter, (processes, threads)) in &counts.letters {
        let mut buffer = [0; 4];
        let labels = [("linux.process.state", Label::Text(letter.encode_utf8(&mut buffer)))];
        recorder.int(STATE, &labels, *processes);
        recorder.int(THREAD_STATE, &labels, *threads);
    }
}

fn name(state: char) -> &'static str {
    match state {
        'R' => "running",
        'S' => "sleeping",
        'D' => "blocked",
        'T' | 't' => "stopped",
        'Z' | 'X' | 'x' => "defunct",
        'I' => "idle",
        _ => "unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_stuck_processes_are_bounded_and_known_ones_still_count() {
        let mut counts = Counts::default();
        for index in 0..=NAMES_MAX {
            counts.stick("blocked", &format!("p{index}"));
        }
        counts.stick("blocked", "p0");
        assert_eq!(counts.stuck.len(), NAMES_MAX);
        assert_eq!(counts.stuck[&("blocked", "p0".to_owned())], 2);
    }
}
