//! How many processes there are, in which state, and how many there have been.

use std::collections::BTreeMap;

use pipeline::Kind;

use super::host::Part;
use super::process_stat::Stat;
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const COUNT: usize = 0;
const CREATED: usize = 1;

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
];

pub(super) struct Processes;

impl Part for Processes {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        if recorder.is_on(COUNT) {
            match root.process_ids() {
                Ok(ids) => count(root, &ids, recorder),
                Err(message) => recorder.error(1, message),
            }
        }
        let created = value_of(&root.read("proc/stat")?, "processes");
        recorder.int(CREATED, &[], created.ok_or("`proc/stat` has no number of processes")?);
        Ok(())
    }
}

fn count(root: &Root, ids: &[u32], recorder: &mut Recorder) {
    // These are always told, so that an alert on them has something to look at.
    let mut counts = BTreeMap::from([("running", 0), ("sleeping", 0), ("stopped", 0), ("defunct", 0)]);
    for id in ids {
        // A process may end while it is looked at.
        let Some(text) = root.read_optional(&format!("proc/{id}/stat")) else { continue };
        match Stat::parse(&text) {
            Some(stat) => *counts.entry(name(stat.state)).or_default() += 1,
            None => recorder.error(1, "the `stat` of a process is not as expected".to_owned()),
        }
    }
    for (state, count) in counts {
        recorder.int(COUNT, &[("process.state", Label::Text(state))], count);
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
