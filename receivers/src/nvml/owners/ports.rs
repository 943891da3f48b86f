//! The ports that a process, and those it belongs together with, listen on.
//!
//! The process on the GPU is often not the one that answers requests: the engine of vLLM is a child of its API
//! server, TGI's router and its shards are siblings in a container. And it may listen where nobody sends requests,
//! as PyTorch's processes do to find each other. So all ports are told, the nearest first.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use super::cgroup::{self, Place};
use super::process::{self, Stat};
use crate::machine::root::Root;

/// Generations above a process that are looked at.
const ANCESTORS_MAX: usize = 16;
/// Processes that belong to it otherwise.
const OTHERS_MAX: usize = 64;
/// Processes of a host that are sorted by what they belong to.
const PROCESSES_MAX: usize = 16_384;
/// Sockets of a network namespace that listen.
const SOCKETS_MAX: usize = 16_384;
/// Ports of a process and its relatives that are told.
const PORTS_MAX: usize = 16;
/// What belongs to what is found out anew after so long.
const CENSUS_KEPT: Duration = Duration::from_mins(1);

/// Ports, in order, none twice.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ports {
    /// Of the process, then of its parent, and so on; then of the others in its container or unit.
    pub(super) nearest_first: Vec<u16>,
    /// The lowest of the process and its ancestors, or else of the others.
    pub(super) lowest: Option<u16>,
}

/// Which processes of the host belong together, as of some time ago.
#[derive(Debug, Default)]
pub(super) struct Census {
    taken: Option<Instant>,
    groups: HashMap<String, Vec<u32>>,
}

/// What listens, by namespace of the network: many processes share one.
type Listening = HashMap<String, HashMap<u64, u16>>;

/// Finds out who belongs to the process, and where they listen; `group` is what [`group`] says of it.
pub(super) fn of(root: &Root, (pid, stat): (u32, &Stat), group: Option<&str>, others: &[u32]) -> Ports {
    let mut listening = Listening::new();
    let ancestors = ancestors(root, stat, group);
    let mut ports = Ports::default();
    for pid in std::iter::once(pid).chain(ancestors.iter().copied()) {
        ports.add(ports_of(root, pid, &mut listening));
    }
    ports.lowest = ports.nearest_first.iter().copied().min();
    for other in others.iter().filter(|other| **other != pid && !ancestors.contains(other)).take(OTHERS_MAX) {
        if ports.nearest_first.len() >= PORTS_MAX {
            break;
        }
        ports.add(ports_of(root, *other, &mut listening));
    }
    ports.lowest = ports.lowest.or_else(|| ports.nearest_first.iter().copied().min());
    ports
}

/// What holds processes that belong together: a container or a service, but no session of a user's.
pub(super) fn group(place: &Place, cgroup: &str) -> Option<String> {
    // Units of one name may be of two users, so the whole path counts.
    let is_service = place.unit.as_ref().is_some_and(|unit| unit.ends_with(".service"));
    place.container_id.clone().or_else(|| is_service.then(|| cgroup.to_owned()))
}

impl Ports {
    fn add(&mut self, ports: BTreeSet<u16>) {
        for port in ports {
            if self.nearest_first.len() < PORTS_MAX && !self.nearest_first.contains(&port) {
                self.nearest_first.push(port);
            }
        }
    }
}

impl Census {
    /// The processes of a group; counted anew where the last count is old, or does not have the process.
    pub(super) fn members(&mut self, root: &Root, group: &str, pid: u32, now: Instant) -> Vec<u32> {
        let is_fresh = self.taken.is_some_and(|taken| now.saturating_duration_since(taken) < CENSUS_KEPT);
        if !is_fresh || !self.groups.get(group).is_some_and(|members| members.contains(&pid)) {
            self.count(root);
            self.taken = Some(now);
        }
        self.groups.get(group).cloned().unwrap_or_default()
    }

    fn count(&mut self, root: &Root) {
        self.groups.clear();
        for pid in root.process_ids().unwrap_or_default().into_iter().take(PROCESSES_MAX) {
            let Some(cgroup) = root.read_optional(&format!("proc/{pid}/cgroup")) else { continue };
            if let Some(group) = group(&cgroup::parse(&cgroup), &cgroup) {
                self.groups.entry(group).or_default().push(pid);
            }
        }
    }
}

/// The processes above, the nearest first, as long as they are of the same session or group.
fn ancestors(root: &Root, stat: &Stat, own_group: Option<&str>) -> Vec<u32> {
    let mut found = Vec::new();
    let mut next = stat.parent;
    while next != 0 && found.len() < ANCESTORS_MAX && !found.contains(&next) {
        let Some(parent) = process::stat(root, next) else { break };
        let is_of_session = parent.session == stat.session && stat.session != 0;
        let is_of_group = || {
            let cgroup = root.read_optional(&format!("proc/{next}/cgroup")).unwrap_or_default();
            own_group.is_some() && group(&cgroup::parse(&cgroup), &cgroup).as_deref() == own_group
        };
        if !is_of_session && !is_of_group() {
            break;
        }
        found.push(next);
        next = parent.parent;
    }
    found
}

fn ports_of(root: &Root, pid: u32, listening: &mut Listening) -> BTreeSet<u16> {
    let sockets: HashSet<u64> = process::links(root, pid)
        .filter_map(|link| link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
        .collect();
    if sockets.is_empty() {
        return BTreeSet::new();
    }
    let namespace = std::fs::read_link(root.path(&format!("proc/{pid}/ns/net"))).ok();
    let namespace = namespace.and_then(|link| link.into_os_string().into_string().ok());
    let ports = listening.entry(namespace.unwrap_or_else(|| pid.to_string())).or_insert_with(|| {
        let mut ports = HashMap::new();
        for file in ["tcp", "tcp6"] {
            read_listening(root, &format!("proc/{pid}/net/{file}"), &mut ports);
        }
        ports
    });
    ports.iter().filter(|(socket, _)| sockets.contains(socket)).map(|(_, port)| *port).collect()
}

/// Reads the sockets that listen; the kernel has them before all others, which may be many.
fn read_listening(root: &Root, file: &str, ports: &mut HashMap<u64, u16>) {
    let Ok(file) = std::fs::File::open(root.path(file)) else { return };
    let lines = BufReader::new(file).lines().skip(1).map_while(Result::ok);
    ports.extend(lines.map_while(|line| listening(&line)).take(SOCKETS_MAX));
}

/// The socket and the port of a line, where it listens.
fn listening(line: &str) -> Option<(u64, u16)> {
    const LISTEN: &str = "0A";
    let words: Vec<_> = line.split_ascii_whitespace().collect();
    let (_, port) = words.get(1)?.rsplit_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let socket = words.get(9)?.parse().ok()?;
    (*words.get(3)? == LISTEN).then_some((socket, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_listens_counts() {
        let line = |state: &str| {
            format!(
                "   0: 0100007F:1F40 00000000:0000 {state} 00000000:00000000 00:00000000 00000000  0 0 4711 1 0 100 0"
            )
        };
        assert_eq!(listening(&line("0A")), Some((4711, 8000)));
        assert_eq!(listening(&line("01")), None);
        assert_eq!(listening(&line("0A").replace("1F40", "1F40F")), None);
        assert_eq!(listening("0: 0100007F:1F40"), None);
        let six = "0: 00000000000000000000000000000000:2CAA 00000000000000000000000000000000:0000 0A 0:0 00:0 0 1000 0 7 1";
        assert_eq!(listening(six), Some((7, 11434)));
    }

    #[test]
    fn this_process_listens_where_it_has_bound() {
        let (root, pid) = (Root::new("/"), std::process::id());
        let four = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = four.local_addr().unwrap().port();
        let ports = ports_of(&root, pid, &mut Listening::new());
        assert!(ports.contains(&port), "{port} of {ports:?}");
        // Another port of this machine's belongs to others, or to nobody.
        drop(four);
        assert!(!ports_of(&root, pid, &mut Listening::new()).contains(&port));
    }
}
