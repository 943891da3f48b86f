//! The GPUs, and the processes on them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::runners::{Pod, Runners, pod, port, text};
use super::window::Window;
use super::{LIVE, PORT, PORTS, SECOND};
use crate::metric::{Resource, Scope};
use crate::series::Series;
use crate::value::AnyValue;

/// Boards and instances that are remembered.
const BOARDS_MAX: usize = 1024;
/// Processes, each on each board.
const PROCESSES_MAX: usize = 8192;
/// Ports of a process that are looked at.
const PORTS_MAX: usize = 32;
/// No board draws so many watts: what says so is another mistake.
const POWER_MAX: f64 = 10_000.0;

/// What a process on a board is known by: `hw.id` and `process.pid`.
pub(super) type ProcessKey = (Arc<str>, i64);

#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) boards: HashMap<Arc<str>, Board>,
    pub(super) processes: BTreeMap<ProcessKey, Process>,
    pub(super) energies: Energies,
    /// The names of hosts whose GPUs are seen.
    hosts: HashSet<Arc<str>>,
    /// Counts what may change which process serves what.
    pub(super) changes: u64,
    /// As of which changes, and the ports of a host that processes of several containers have.
    contested: (u64, HashSet<(Arc<str>, i64)>),
}

/// The energy of boards by who used it.
pub(super) type Energies = BTreeMap<(Arc<str>, Model), Energy>;

/// A value, when it came and from which series.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading {
    pub(super) value: f64,
    pub(super) seen: u64,
    pub(super) source: u64,
}

/// Whose series a derived metric's is like.
#[derive(Debug, Clone)]
pub(super) struct Identity {
    pub(super) resource: Arc<Resource>,
    pub(super) scope: Arc<Scope>,
    /// The attributes that name the GPU.
    pub(super) attributes: Vec<(String, AnyValue)>,
}

/// A board, or an instance of one.
#[derive(Debug)]
pub(super) struct Board {
    pub(super) identity: Identity,
    pub(super) utilization: Option<Reading>,
    /// When it was last seen to be busy; at first, when it was first looked at.
    pub(super) busy: Option<u64>,
    pub(super) limit: Option<Reading>,
    /// The counter of energy, when it was read, and from which series.
    energy: Option<(f64, u64, u64)>,
    /// What it has gained that is not yet anybody's, and when that was read.
    pub(super) gained: Option<(f64, u64)>,
    pub(super) energy_seen: Option<u64>,
    pub(super) seen: u64,
}

#[derive(Debug)]
pub(super) struct Process {
    pub(super) identity: Identity,
    /// The board whose energy it uses: of an instance, the one it is of.
    pub(super) whole: Arc<str>,
    pub(super) host: Arc<str>,
    pub(super) pod: Pod,
    /// The container it is in; `None` of one that is in none.
    container: Option<Arc<str>>,
    pub(super) ports: Vec<i64>,
    pub(super) memory: Option<Reading>,
    pub(super) utilization: Option<Reading>,
    /// As of which changes, and which runner it is.
    serves: Option<((u64, u64), Option<u64>)>,
    pub(super) seen: u64,
}

/// A model as it is served on a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Model {
    pub(super) host: Arc<str>,
    pub(super) name: Arc<str>,
    pub(super) provider: Option<Arc<str>>,
}

/// The energy that a model has used of a board since we know of it.
#[derive(Debug, Default)]
pub(super) struct Energy {
    pub(super) started: u64,
    pub(super) joules: f64,
    pub(super) window: Window,
    pub(super) is_current: bool,
}

impl Machine {
    /// The board that a series is of, made known where it is new.
    pub(super) fn board(&mut self, series: &Series, now: u64) -> Option<Arc<str>> {
        let id: Arc<str> = text(series.attributes().get("hw.id"))?.into();
        if !self.boards.contains_key(&id) {
            if self.boards.len() >= BOARDS_MAX {
                return None;
            }
            let board = Board {
                identity: Identity::of(series),
                utilization: None,
                busy: None,
                limit: None,
                energy: None,
                gained: None,
                energy_seen: None,
                seen: now,
            };
            self.boards.insert(id.clone(), board);
        }
        Some(id)
    }

    /// The process that a series is of; what is newly known of it is taken over.
    pub(super) fn process(&mut self, series: &Series, now: u64) -> Option<ProcessKey> {
        let attributes = series.attributes();
        let id: Arc<str> = text(attributes.get("hw.id"))?.into();
        let key = (id.clone(), port(attributes.get("process.pid")?)?);
        if self.processes.len() >= PROCESSES_MAX && !self.processes.contains_key(&key) {
            return None;
        }
        let of_owner = text(attributes.get(PORTS)).unwrap_or_default();
        let mut ports: Vec<i64> = of_owner.split(',').filter_map(|port| port.parse().ok()).collect();
        if ports.is_empty() {
            ports.extend(attributes.get(PORT).and_then(port));
        }
        ports.truncate(PORTS_MAX);
        let host: Arc<str> = text(series.resource().attributes.get("host.name")).unwrap_or_default().into();
        let (pod, before) = (pod(|key| attributes.get(key)), self.processes.remove(&key));
        let container: Option<Arc<str>> = text(attributes.get("container.id")).map(Arc::from);
        let is_same = |before: &Process| {
            let (ports, container) = (before.ports == ports, before.container == container);
            ports && container && before.pod == pod && before.host == host
        };
        if !before.as_ref().is_some_and(is_same) {
            self.hosts.insert(host.clone());
            self.changes += 1;
        }
        let process = Process {
            identity: Identity::of(series),
            whole: text(attributes.get("hw.parent")).map_or(id, Arc::from),
            host,
            pod,
            container,
            ports,
            memory: before.as_ref().and_then(|before| before.memory),
            utilization: before.as_ref().and_then(|before| before.utilization),
            serves: None,
            seen: now,
        };
        self.processes.insert(key.clone(), process);
        Some(key)
    }

    /// The runner that a process is, looked for where something has changed.
    pub(super) fn runner_of(&mut self, key: &ProcessKey, runners: &Runners) -> Option<u64> {
        let (as_of, is_only_host) = ((runners.changes, self.changes), self.hosts.len() <= 1);
        if self.contested.0 != self.changes {
            self.contested = (self.changes, contested(self.processes.values()));
        }
        let process = self.processes.get_mut(key)?;
        match process.serves {
            Some((known, serves)) if known == as_of => serves,
            _ => {
                let is_contested = |port| self.contested.1.contains(&(process.host.clone(), port));
                let serves = runners.serving(process, is_only_host, is_contested);
                process.serves = Some((as_of, serves));
                serves
            }
        }
    }

    pub(super) fn forget_silent(&mut self, now: u64) {
        let is_live = |seen: u64| seen.saturating_add(LIVE) >= now;
        for process in self.processes.values_mut() {
            process.memory = process.memory.filter(|reading| is_live(reading.seen));
            process.utilization = process.utilization.filter(|reading| is_live(reading.seen));
        }
        let before = self.processes.len();
        self.processes.retain(|_, process| is_live(process.seen));
        for board in self.boards.values_mut() {
            board.utilization = board.utilization.filter(|reading| is_live(reading.seen));
            board.limit = board.limit.filter(|reading| is_live(reading.seen));
            board.energy_seen = board.energy_seen.filter(|seen| is_live(*seen));
            if board.utilization.is_none() {
                board.busy = None;
            }
        }
        self.boards.retain(|_, board| is_live(board.seen));
        if self.processes.len() != before {
            self.changes += 1;
            self.hosts = self.processes.values().map(|process| process.host.clone()).collect();
        }
    }
}

/// The ports that processes of several containers have, each in a network of its own: which of them is reached by such
/// a port from outside is not known.
fn contested<'a>(processes: impl Iterator<Item = &'a Process>) -> HashSet<(Arc<str>, i64)> {
    let mut first: HashMap<(Arc<str>, i64), Option<&str>> = HashMap::new();
    let mut contested = HashSet::new();
    for process in processes.filter(|process| process.is_there()) {
        let container = process.container.as_deref();
        for port in &process.ports {
            let place = (process.host.clone(), *port);
            if *first.entry(place.clone()).or_insert(container) != container {
                contested.insert(place);
            }
        }
    }
    contested
}

impl Process {
    /// Whether anything is known of it now.
    pub(super) fn is_there(&self) -> bool {
        self.memory.is_some() || self.utilization.is_some()
    }
}

impl Board {
    /// Takes a reading of the counter of energy.
    pub(super) fn count(&mut self, (joules, time): (f64, u64), source: u64, now: u64) {
        if joules < 0.0 {
            return;
        }
        self.energy_seen = Some(now);
        if let Some((before, at, _)) = self.energy {
            if time == at {
                return;
            }
            let most = POWER_MAX * time.saturating_sub(at) as f64 / SECOND as f64;
            // Where the driver was loaded anew it counts from nothing: what it used meanwhile is not known.
            let gained = joules - before;
            let gained = if (0.0..=most).contains(&gained) { gained } else { 0.0 };
            let waiting = self.gained.map_or(0.0, |(waiting, _)| waiting);
            self.gained = Some((waiting + gained, time));
        }
        self.energy = Some((joules, time, source));
    }

    /// The series of the counter has ended; unless another goes on with it, so has the counter.
    pub(super) fn end_energy(&mut self, source: u64) {
        if self.energy.is_some_and(|(_, _, last)| last == source) {
            (self.energy, self.gained, self.energy_seen) = (None, None, None);
        }
    }
}

impl Identity {
    fn of(series: &Series) -> Self {
        let is_of_gpu =
            |key: &str| (key.starts_with("hw.") || key.starts_with("nvidia.")) && key != "hw.gpu.task";
        let mut attributes = series.attributes().to_pairs();
        attributes.retain(|(key, _)| is_of_gpu(key));
        Self { resource: series.resource().clone(), scope: series.scope().clone(), attributes }
    }
}
