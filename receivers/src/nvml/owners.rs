//! Who a process on a GPU belongs to, and who holds a GPU.
//!
//! A process is looked up when it is first asked for, and again after a while: what it listens on, and what its pod
//! is called, may become known later. Work for it is bounded, and needs no lock while files are read.

mod cgroup;
pub(super) mod pod_resources;
mod pods;
mod ports;
mod process;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pipeline::AnyValue;

use self::pod_resources::{Holder, PodResources};
use self::ports::Census;
use self::process::Stat;
use crate::machine::root::Root;

/// Processes that are remembered; one more, and what was not asked for the longest is forgotten.
const PROCESSES_MAX: usize = 4096;
/// Devices whose holders are remembered, likewise.
const DEVICES_MAX: usize = 1024;
/// A process that nobody asks for any more is forgotten after this.
const KEPT: Duration = Duration::from_mins(10);
/// A process that is known for some time is looked up again after as long, but within these.
const LOOK_AGAIN_MIN: Duration = Duration::from_secs(5);
const LOOK_AGAIN_MAX: Duration = Duration::from_mins(1);

/// Attributes as every series of a [`recorder::Owner`](crate::recorder::Owner) has them.
pub(super) type Attributes = Arc<[(&'static str, AnyValue)]>;

/// A GPU or an instance of one, by all that the kubelet may call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Device {
    /// `GPU-...` or `MIG-...`.
    pub(super) uuid: String,
    /// The number of the board's device file; of an instance, that of its board.
    pub(super) minor_number: Option<u32>,
    /// The number of the GPU instance, where the device is one of MIG.
    pub(super) gpu_instance: Option<u32>,
}

/// Tells whose a process is; shared by the threads of all boards.
#[derive(Debug)]
pub(super) struct Owners {
    root: Root,
    pod_resources: Option<PodResources>,
    processes: Mutex<HashMap<u32, Process>>,
    census: Mutex<Census>,
    holders: Mutex<HashMap<Device, Known>>,
}

#[derive(Debug)]
struct Process {
    start_ticks: u64,
    first_seen: Instant,
    asked: Instant,
    /// By the device's UUID, as which pod it is may follow from the device.
    found: HashMap<String, Found>,
}

/// What is known of a process.
#[derive(Debug)]
struct Found {
    attributes: Attributes,
    looked_up: Instant,
}

#[derive(Debug)]
struct Known {
    attributes: Attributes,
    asked: Instant,
}

impl Owners {
    pub(super) fn new(root: &Root, pod_resources: Option<PodResources>) -> Self {
        Self {
            root: root.clone(),
            pod_resources,
            processes: Mutex::default(),
            census: Mutex::default(),
            holders: Mutex::default(),
        }
    }

    /// What is known of the owner of a process: the same allocation until something of it changes.
    ///
    /// So whoever keeps series by it compares with [`Arc::ptr_eq`]. Empty where nothing is known, as of a
    /// process that is gone or that our `/proc` does not show. `device` is where the process was seen: which
    /// container holds it may tell what the process's pod is called.
    pub(super) fn attributes_on(&self, pid: u32, device: Option<&Device>) -> Attributes {
        self.attributes_at(pid, device, Instant::now())
    }

    /// Whether the kernel still has the process, be it as a zombie; `None` where our `/proc` is not that of the host and cannot tell.
    pub(super) fn is_alive(&self, pid: u32) -> Option<bool> {
        match process::stat(&self.root, pid) {
            None => process::is_of_host(&self.root).then_some(false),
            Some(_) => self.is_known_number(pid).then_some(true),
        }
    }

    /// What all containers that the device was given to have in common: `k8s.pod.name`,
    /// `k8s.namespace.name`, `k8s.container.name`. The same allocation until it changes.
    pub(super) fn holder(&self, device: &Device) -> Attributes {
        let Some(pod_resources) = &self.pod_resources else { return Arc::default() };
        let now = Instant::now();
        let found = names_of(&pod_resources.holders(device)).into();
        let mut holders = lock(&self.holders);
        if holders.len() >= DEVICES_MAX && !holders.contains_key(device) {
            forget_oldest(&mut holders, |known| known.asked);
        }
        let known = holders.entry(device.clone());
        let known = known.or_insert_with(|| Known { attributes: Arc::default(), asked: now });
        known.asked = now;
        replace(&mut known.attributes, found)
    }

    fn attributes_at(&self, pid: u32, device: Option<&Device>, now: Instant) -> Attributes {
        let Some(stat) = process::stat(&self.root, pid) else {
            lock(&self.processes).remove(&pid);
            return Arc::default();
        };
        let key = device.map_or("", |device| &device.uuid);
        if let Some(known) = self.remembered(pid, stat.start_ticks, key, now) {
            return known;
        }
        let found = if self.is_known_number(pid) {
            self.look_up(pid, &stat, device, now).into()
        } else {
            Arc::default()
        };
        self.remember((pid, stat.start_ticks), key, found, now)
    }

    /// What is remembered of the same process, where it need not be looked up again.
    fn remembered(&self, pid: u32, start_ticks: u64, key: &str, now: Instant) -> Option<Attributes> {
        let mut processes = lock(&self.processes);
        let process = processes.get_mut(&pid).filter(|process| process.start_ticks == start_ticks)?;
        process.asked = now;
        let found = process.found.get(key)?;
        let known_for = found.looked_up.saturating_duration_since(process.first_seen);
        let again = found.looked_up + known_for.clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
        (now < again).then(|| found.attributes.clone())
    }

    fn remember(&self, process: (u32, u64), key: &str, found: Attributes, now: Instant) -> Attributes {
        let (pid, start_ticks) = process;
        let mut processes = lock(&self.processes);
        if processes.get(&pid).is_some_and(|process| process.start_ticks != start_ticks) {
            processes.remove(&pid);
        }
        if !processes.contains_key(&pid) {
            processes.retain(|_, process| now.saturating_duration_since(process.asked) < KEPT);
            if processes.len() >= PROCESSES_MAX {
                forget_oldest(&mut processes, |process| process.asked);
            }
        }
        let process = processes.entry(pid).or_insert_with(|| Process {
            start_ticks,
            first_seen: now,
            asked: now,
            found: HashMap::new(),
        });
        if process.found.len() >= DEVICES_MAX {
            process.found.clear();
        }
        let known = process.found.entry(key.to_owned());
        let known = known.or_insert_with(|| Found { attributes: Arc::default(), looked_up: now });
        known.looked_up = now;
        replace(&mut known.attributes, found)
    }

    /// Whether the number means here what it means to the driver.
    fn is_known_number(&self, pid: u32) -> bool {
        process::is_of_host(&self.root) || process::uses_gpu(&self.root, pid)
    }

    fn look_up(
        &self,
        pid: u32,
        stat: &Stat,
        device: Option<&Device>,
        now: Instant,
    ) -> Vec<(&'static str, AnyValue)> {
        let cgroup = self.root.read_optional(&format!("proc/{pid}/cgroup")).unwrap_or_default();
        let place = cgroup::parse(&cgroup);
        let mut found =
            vec![("process.executable.name", process::executable_name(&self.root, pid, stat).into())];
        let mut tell = |key, value: Option<String>| {
            found.extend(value.map(|value| (key, AnyValue::String(value))));
        };
        let names = pods::of(&self.root, place.pod_uid.as_deref(), place.container_id.as_deref());
        tell("container.id", place.container_id.clone());
        tell("container.runtime.name", place.runtime.map(str::to_owned));
        tell("k8s.pod.uid", place.pod_uid.clone());
        tell("systemd.unit", place.unit.clone());
        tell("slurm.job.id", place.slurm_job.clone());
        found.extend(names.map(|names| self.names(names, device)).unwrap_or_default());
        let group = ports::group(&place, &cgroup);
        let others = group.as_ref().map(|group| lock(&self.census).members(&self.root, group, pid, now));
        let ports = ports::of(&self.root, (pid, stat), group.as_deref(), &others.unwrap_or_default());
        found.extend(ports.lowest.map(|port| ("server.port", AnyValue::Int(i64::from(port)))));
        if ports.nearest_first.len() > 1 {
            let all: Vec<_> = ports.nearest_first.iter().map(ToString::to_string).collect();
            found.push(("inferometer.process.ports", AnyValue::String(all.join(","))));
        }
        found
    }

    /// What a process's pod is called: as its logs are. Who holds the device tells the container, of that pod alone: a
    /// process need not be of those that the device was given to.
    fn names(&self, names: pods::Names, device: Option<&Device>) -> Vec<(&'static str, AnyValue)> {
        let holders = self.pod_resources.as_ref().zip(device);
        let mut holders = holders.map(|(pods, device)| pods.holders(device)).unwrap_or_default();
        holders.retain(|holder| holder.pod == names.pod && holder.namespace == names.namespace);
        let own = names.container.map(|container| Holder {
            pod: names.pod.clone(),
            namespace: names.namespace.clone(),
            container,
        });
        match own {
            Some(own) => names_of(&[own]),
            None if !holders.is_empty() => names_of(&holders),
            None => vec![(POD, names.pod.into()), (NAMESPACE, names.namespace.into())],
        }
    }
}

const POD: &str = "k8s.pod.name";
const NAMESPACE: &str = "k8s.namespace.name";
const CONTAINER: &str = "k8s.container.name";

/// What the holders have in common, from the namespace inwards: a pod's name means nothing in another namespace.
fn names_of(holders: &[Holder]) -> Vec<(&'static str, AnyValue)> {
    let Some(first) = holders.first() else { return Vec::new() };
    let is_one = |same: fn(&Holder, &Holder) -> bool| holders.iter().all(|other| same(first, other));
    let mut names = Vec::new();
    if is_one(|left, right| left.namespace == right.namespace) {
        names.push((NAMESPACE, AnyValue::from(first.namespace.as_str())));
        if is_one(|left, right| left.pod == right.pod) {
            names.push((POD, first.pod.as_str().into()));
            if is_one(|left, right| left.container == right.container) {
                names.push((CONTAINER, first.container.as_str().into()));
            }
        }
    }
    names
}

/// Puts what was found in place of what was known, unless that is the same.
fn replace(known: &mut Attributes, found: Attributes) -> Attributes {
    if known[..] != found[..] {
        *known = found;
    }
    known.clone()
}

fn forget_oldest<K: Clone + Eq + std::hash::Hash, V>(known: &mut HashMap<K, V>, asked: fn(&V) -> Instant) {
    let oldest = known.iter().min_by_key(|(_, value)| asked(value)).map(|(key, _)| key.clone());
    oldest.map(|key| known.remove(&key));
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
