//! The section of the file, and what it comes to.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time;

use ::config::Duration;
use pipeline::relabel::unanchored;
use serde::{Deserialize, Serialize};

use super::choice::{Choice, Pattern};
use super::groups::{GROUPS, Group};
use super::owners::pod_resources::SOCKET;
use crate::machine::root::Root;
use crate::recorder::{Selection, Switches};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub(super) collection_interval: Duration,
    pub(super) initial_delay: Duration,
    /// How long a call into the driver may take before its GPU is said to be stuck.
    pub(super) timeout: Duration,
    /// The library's file; where it is usually found, if empty.
    pub(super) library_path: String,
    /// Where the host's file system is mounted; empty where it is ours.
    pub(super) root_path: String,
    /// Reads GPUs too that the kernel has put to sleep, which wakes them.
    pub(super) wake_sleeping: bool,
    pub(super) devices: Devices,
    pub(super) groups: BTreeMap<String, GroupConfig>,
    pub(super) xid: Xid,
    pub(super) pod_resources: PodResources,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            collection_interval: Duration::from_secs(10),
            initial_delay: Duration::default(),
            timeout: Duration::from_secs(5),
            library_path: String::new(),
            root_path: String::new(),
            wake_sleeping: false,
            devices: Devices::default(),
            groups: BTreeMap::new(),
            xid: Xid::default(),
            pod_resources: PodResources::default(),
        }
    }
}

/// Which GPUs are read: by UUID, index, PCI bus id, or a regular expression for the name.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Devices {
    include: Vec<String>,
    exclude: Vec<String>,
}

/// What differs from a group's defaults.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GroupConfig {
    enabled: Option<bool>,
    /// How often it is read; zero is the receiver's `collection_interval`.
    collection_interval: Option<Duration>,
    metrics: Switches,
}

/// Errors that the driver reports by itself.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Xid {
    /// Reads the kernel's log beside the driver's events, which do not tell all of them.
    pub(super) kernel_log: bool,
}

impl Default for Xid {
    fn default() -> Self {
        Self { kernel_log: true }
    }
}

/// Whom the kubelet has given which GPU.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct PodResources {
    pub(super) enabled: bool,
    /// Where the kubelet listens; its usual place below `root_path`, if empty.
    pub(super) socket: String,
}

/// The section, checked.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) interval: time::Duration,
    pub(super) initial_delay: time::Duration,
    pub(super) timeout: time::Duration,
    pub(super) library_path: String,
    pub(super) root: Root,
    pub(super) is_waking: bool,
    pub(super) choice: Choice,
    pub(super) groups: Arc<[GroupPlan]>,
    pub(super) has_kernel_log: bool,
    /// The kubelet's socket, where it is asked.
    pub(super) socket: Option<PathBuf>,
}

/// A group that is read.
#[derive(Debug, Clone)]
pub(super) struct GroupPlan {
    pub(super) group: &'static Group,
    pub(super) selection: Selection,
    pub(super) interval: time::Duration,
}

/// A problem and the key it is at.
type Message = (String, String);

impl Plan {
    /// Reads what is meant from the section, or tells everything that is wrong with it.
    pub(super) fn of(config: &Config) -> Result<Self, Vec<Message>> {
        let mut problems = Vec::new();
        for (key, duration) in
            [("collection_interval", config.collection_interval), ("timeout", config.timeout)]
        {
            if duration.is_zero() {
                problems.push((key.to_owned(), "must be above zero".to_owned()));
            }
        }
        for name in config.groups.keys() {
            let names: Vec<_> = GROUPS.iter().map(|group| group.name).collect();
            if !names.contains(&name.as_str()) {
                let instead = ::config::instead(name, &names).unwrap_or_default();
                problems.push((format!("groups.{name}"), format!("unknown group; {instead}")));
            }
        }
        let interval = config.collection_interval.0;
        let planned = GROUPS.iter().filter_map(|group| {
            let default = GroupConfig::default();
            let config = config.groups.get(group.name).unwrap_or(&default);
            plan(group, config, interval, &mut problems)
        });
        let groups: Vec<_> = planned.collect();
        let choice = Choice {
            include: patterns("devices.include", &config.devices.include, &mut problems),
            exclude: patterns("devices.exclude", &config.devices.exclude, &mut problems),
        };
        let root = Root::new(&config.root_path);
        let socket = &config.pod_resources.socket;
        let socket = if socket.is_empty() { root.path(SOCKET) } else { PathBuf::from(socket) };
        let plan = Self {
            interval,
            initial_delay: config.initial_delay.0,
            timeout: config.timeout.0,
            library_path: config.library_path.clone(),
            root,
            is_waking: config.wake_sleeping,
            choice,
            groups: groups.into(),
            has_kernel_log: config.xid.kernel_log,
            socket: config.pod_resources.enabled.then_some(socket),
        };
        if problems.is_empty() { Ok(plan) } else { Err(problems) }
    }

    /// For the one who starts the collector.
    pub(super) fn describe(&self) -> String {
        let names: Vec<_> = self.groups.iter().map(|plan| plan.group.name).collect();
        format!("reading {}", names.join(", "))
    }
}

fn plan(
    group: &'static Group,
    config: &GroupConfig,
    receivers: time::Duration,
    problems: &mut Vec<Message>,
) -> Option<GroupPlan> {
    let key = format!("groups.{}.metrics", group.name);
    let selection = Selection::of(group.metrics, &config.metrics, &key, problems);
    let own = config.collection_interval.map_or(group.interval, |interval| interval.0);
    // What changes slowly is not read more often than everything else.
    let interval =
        if config.collection_interval.is_some() && !own.is_zero() { own } else { own.max(receivers) };
    let is_read = config.enabled.unwrap_or(group.is_default) && selection.is_on.contains(&true);
    is_read.then_some(GroupPlan { group, selection, interval })
}

fn patterns(key: &str, texts: &[String], problems: &mut Vec<Message>) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let pattern = if let Ok(number) = text.parse() {
            Ok(Pattern::Index(number))
        } else if text.starts_with("GPU-") {
            Ok(Pattern::Uuid(text.clone()))
        } else if text.contains(':') {
            Ok(Pattern::BusId(text.to_ascii_lowercase()))
        } else {
            unanchored(text).map(Pattern::Name)
        };
        match pattern {
            Ok(pattern) => patterns.push(pattern),
            Err(message) => problems.push((format!("{key}[{index}]"), message)),
        }
    }
    patterns
}
