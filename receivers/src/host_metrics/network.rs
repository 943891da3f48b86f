//! Network interfaces, connections, and what the packet filter and the neighbours' table hold.

use std::collections::BTreeMap;

use pipeline::Kind;

use super::config::{Interfaces, NetworkConfig};
use super::connections::Connections;
use super::host::Part;
use super::interfaces;
use super::lookup::{Choice, List, Message};
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder, UP_DOWN};

const IO: usize = 0;
const PACKETS: usize = 1;
const ERRORS: usize = 2;
const DROPPED: usize = 3;
pub(super) const CONNECTIONS: usize = 4;
const CONNTRACK_COUNT: usize = 5;
const CONNTRACK_MAX: usize = 6;
const FIFO: usize = 7;
const COMPRESSED: usize = 8;
const FRAME: usize = 9;
const MULTICAST: usize = 10;
pub(super) const UNHANDLED: usize = 11;
const COLLISIONS: usize = 12;
const CARRIER_ERRORS: usize = 13;
pub(super) const UP: usize = 14;
pub(super) const BANDWIDTH: usize = 15;
pub(super) const CARRIER: usize = 16;
pub(super) const CARRIER_CHANGES: usize = 17;
pub(super) const CARRIER_TRANSITIONS: usize = 18;
pub(super) const MTU: usize = 19;
pub(super) const INFO: usize = 20;
pub(super) const QUEUES: usize = 21;
const ARP: usize = 22;

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
    Definition::counter("system.network.fifo_errors", "{error}", "Overruns of a buffer.").off(),
    Definition::counter("system.network.compressed", "{packet}", "Packets that were compressed.").off(),
    Definition::counter("system.network.frame_errors", "{error}", "Frames received malformed.").off(),
    Definition::counter("system.network.multicast", "{packet}", "Multicast packets received.").off(),
    Definition::counter("system.network.unhandled", "{packet}", "Packets received that nobody wanted.").off(),
    Definition::counter("system.network.collisions", "{collision}", "Collisions.").off(),
    Definition::counter("system.network.carrier_errors", "{error}", "Packets lost with the carrier.").off(),
    Definition::up_down("hw.network.up", "1", "Whether an interface is up."),
    Definition::up_down("hw.network.bandwidth.limit", "By/s", "Speed of an interface's link."),
    Definition::gauge("system.network.interface.carrier", "1", "Whether an interface has a carrier.").off(),
    Definition::counter(
        "system.network.interface.carrier.changes",
        "{change}",
        "Times a carrier came or went.",
    ),
    Definition::counter(
        "system.network.interface.carrier.transitions",
        "{change}",
        "Times a carrier came, and times it went.",
    )
    .off(),
    Definition::gauge("system.network.interface.mtu", "By", "Largest packet of an interface.").off(),
    Definition::gauge("system.network.interface.info", "{info}", "1, with what an interface is.").off(),
    Definition::up_down("system.network.queue.usage", "By", "Bytes in the queues of sockets.").off(),
    Definition::up_down("system.network.arp.entries", "{entry}", "Neighbours known by interface.").off(),
];

/// How many columns an interface has.
const COLUMNS: usize = 16;

struct Network {
    choice: Choice,
    connections: Connections,
}

pub(super) fn plan(config: &NetworkConfig, problems: &mut Vec<Message>) -> Make {
    let choice = choice(config, problems);
    make(move || Network { choice: choice.clone(), connections: Connections::default() })
}

fn choice(config: &NetworkConfig, problems: &mut Vec<Message>) -> Choice {
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
        self.connections.read(root, recorder);
        for (metric, file) in [(CONNTRACK_COUNT, "count"), (CONNTRACK_MAX, "max")] {
            // Only there while the packet filter tracks connections.
            if recorder.is_on(metric)
                && let Some(number) = root.number(&format!("proc/sys/net/netfilter/nf_conntrack_{file}"))
            {
                recorder.int(metric, &[], number);
            }
        }
        if recorder.is_on(ARP) {
            self.neighbours(&root.read_of_namespace("net/arp").unwrap_or_default(), recorder);
        }
        let text = root.read_of_namespace("net/dev")?;
        for line in text.lines() {
            // The two heading lines have no colon.
            let Some((interface, rest)) = line.rsplit_once(':') else { continue };
            let interface = interface.trim();
            if !self.choice.allows(interface) {
                continue;
            }
            match columns(rest) {
                Some(columns) => record(interface, &columns, recorder),
                None => {
                    recorder.error(1, format!("the numbers of interface `{interface}` are not as expected"));
                }
            }
            interfaces::read(root, interface, recorder);
        }
        Ok(())
    }
}

impl Network {
    /// Counts the lines of the table by the interface in their last column.
    fn neighbours(&self, text: &str, recorder: &mut Recorder) {
        let mut counts = BTreeMap::<_, u64>::new();
        for interface in text.lines().skip(1).filter_map(|line| line.split_ascii_whitespace().nth(5)) {
            if self.choice.allows(interface) {
                *counts.entry(interface).or_default() += 1;
            }
        }
        for (interface, count) in counts {
            recorder.int(ARP, &[("network.interface.name", Label::Text(interface))], count);
        }
    }
}

fn columns(text: &str) -> Option<[u64; COLUMNS]> {
    let mut columns = [0; COLUMNS];
    let mut words = text.split_ascii_whitespace();
    for column in &mut columns {
        *column = words.next()?.parse().ok()?;
    }
    Some(columns)
}

/// Bytes, packets, errors, drops and four more columns of what was received, and the same of what was transmitted.
fn record(interface: &str, columns: &[u64; COLUMNS], recorder: &mut Recorder) {
    let (received, transmitted) = columns.split_at(COLUMNS / 2);
    let interface_name = ("network.interface.name", Label::Text(interface));
    // The columns differ in what comes before the compressed packets.
    for (direction, columns, compressed) in [("receive", received, 6), ("transmit", transmitted, 7)] {
        let direction = ("network.io.direction", Label::Text(direction));
        let by_name = [direction, interface_name];
        recorder.int(IO, &by_name, columns[0]);
        // The conventions call the interface a device for this one metric.
        recorder.int(PACKETS, &[direction, ("system.device", Label::Text(interface))], columns[1]);
        recorder.int(ERRORS, &by_name, columns[2]);
        recorder.int(DROPPED, &by_name, columns[3]);
        recorder.int(FIFO, &by_name, columns[4]);
        recorder.int(COMPRESSED, &by_name, columns[compressed]);
    }
    recorder.int(FRAME, &[interface_name], received[5]);
    recorder.int(MULTICAST, &[interface_name], received[7]);
    recorder.int(COLLISIONS, &[interface_name], transmitted[5]);
    recorder.int(CARRIER_ERRORS, &[interface_name], transmitted[6]);
}
