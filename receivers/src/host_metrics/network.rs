//! Network interfaces and connections.

use pipeline::Kind;

use super::config::{Interfaces, NetworkConfig};
use super::host::Part;
use super::lookup::{Choice, List, Message};
use crate::machine::root::{Root, numbers};
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const IO: usize = 0;
const PACKETS: usize = 1;
const ERRORS: usize = 2;
const DROPPED: usize = 3;
const CONNECTIONS: usize = 4;
const CONNTRACK_COUNT: usize = 5;
const CONNTRACK_MAX: usize = 6;

const fn counter(name: &'static str, alias: &'static str, unit: &'static str) -> Definition {
    Definition { name, alias, unit, kind: Kind::COUNTER, is_default: true, description: "" }
}

pub(super) static METRICS: &[Definition] = &[
    Definition { description: "Bytes received and transmitted.", ..counter("system.network.io", "", "By") },
    Definition {
        description: "Packets received and transmitted.",
        ..counter("system.network.packet.count", "system.network.packets", "{packet}")
    },
    Definition {
        description: "Packets that could not be received or transmitted.",
        ..counter("system.network.errors", "", "{error}")
    },
    Definition {
        description: "Packets dropped though nothing was wrong with them.",
        ..counter("system.network.packet.dropped", "system.network.dropped", "{packet}")
    },
    Definition {
        name: "system.network.connection.count",
        alias: "system.network.connections",
        unit: "{connection}",
        kind: UP_DOWN,
        is_default: true,
        description: "TCP connections by state.",
    },
    Definition {
        name: "system.network.conntrack.count",
        alias: "",
        unit: "{entry}",
        kind: UP_DOWN,
        is_default: false,
        description: "Connections the packet filter keeps track of.",
    },
    Definition {
        name: "system.network.conntrack.max",
        alias: "",
        unit: "{entry}",
        kind: UP_DOWN,
        is_default: false,
        description: "Connections the packet filter can keep track of.",
    },
];

/// By the number the kernel gives them, counted from 1.
const STATES: [&str; 11] = [
    "established",
    "syn_sent",
    "syn_received",
    "fin_wait_1",
    "fin_wait_2",
    "time_wait",
    "closed",
    "close_wait",
    "last_ack",
    "listen",
    "closing",
];

/// A connection between the last packet of a handshake and its acceptance; counted as received.
const NEW_SYN_RECEIVED: usize = 12;

pub(super) struct Network {
    pub(super) choice: Choice,
}

pub(super) fn choice(config: &NetworkConfig, problems: &mut Vec<Message>) -> Choice {
    let mut list = |interfaces: Option<&Interfaces>, place: &str| {
        let Interfaces { interfaces, match_type } = interfaces?;
        List::compile((place, "interfaces"), interfaces, *match_type, problems)
    };
    Choice {
        include: list(config.include.as_ref(), "scrapers.network.include"),
        exclude: list(config.exclude.as_ref(), "scrapers.network.exclude"),
    }
}

impl Part for Network {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        if recorder.is_on(CONNECTIONS)
            && let Err(message) = connections(root, recorder)
        {
            recorder.error(STATES.len() as u64, message);
        }
        for (metric, file) in [(CONNTRACK_COUNT, "count"), (CONNTRACK_MAX, "max")] {
            // Only there while the packet filter tracks connections.
            let path = format!("proc/sys/net/netfilter/nf_conntrack_{file}");
            if recorder.is_on(metric)
                && let Some(number) = root.read_optional(&path).and_then(|text| text.trim().parse().ok())
            {
                recorder.int(metric, &[], number);
            }
        }
        let text = root.read_of_namespace("net/dev")?;
        for line in text.lines() {
            // The two heading lines have no colon.
            let Some((interface, rest)) = line.rsplit_once(':') else { continue };
            let interface = interface.trim();
            if !self.choice.allows(interface) {
                continue;
            }
            match numbers(rest).get(..16) {
                Some(columns) => record(interface, columns, recorder),
                None => {
                    recorder.error(1, format!("the numbers of interface `{interface}` are not as expected"));
                }
            }
        }
        Ok(())
    }
}

/// Bytes, packets, errors and drops received, and eight columns later those transmitted.
fn record(interface: &str, columns: &[u64], recorder: &mut Recorder) {
    for (direction, columns) in [("receive", &columns[..8]), ("transmit", &columns[8..])] {
        let direction = ("network.io.direction", Label::Text(direction));
        let by_name = [direction, ("network.interface.name", Label::Text(interface))];
        recorder.int(IO, &by_name, columns[0]);
        // The conventions call the interface a device for this one metric.
        recorder.int(PACKETS, &[direction, ("system.device", Label::Text(interface))], columns[1]);
        recorder.int(ERRORS, &by_name, columns[2]);
        recorder.int(DROPPED, &by_name, columns[3]);
    }
}

fn connections(root: &Root, recorder: &mut Recorder) -> Result<(), String> {
    let mut counts = [0_u64; STATES.len()];
    count(&root.read_of_namespace("net/tcp")?, &mut counts);
    // A machine may be without the newer protocol.
    count(&root.read_of_namespace("net/tcp6").unwrap_or_default(), &mut counts);
    for (state, count) in STATES.iter().zip(counts) {
        let labels =
            [("network.connection.state", Label::Text(state)), ("network.transport", Label::Text("tcp"))];
        recorder.int(CONNECTIONS, &labels, count);
    }
    Ok(())
}

fn count(text: &str, counts: &mut [u64; STATES.len()]) {
    for line in text.lines().skip(1) {
        let state =
            line.split_ascii_whitespace().nth(3).and_then(|word| usize::from_str_radix(word, 16).ok());
        let state = if state == Some(NEW_SYN_RECEIVED) { Some(3) } else { state };
        if let Some(count) = state.and_then(|state| counts.get_mut(state.checked_sub(1)?)) {
            *count += 1;
        }
    }
}
