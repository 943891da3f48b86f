//! The NFS client: what it calls, and how each mount fares.

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::mountstats::{self, Mount};
use super::nfs_procedures::{OPERATIONS_4, PROCEDURES_2, PROCEDURES_3};
use super::scrapers::{Make, make};
use crate::machine::root::{Root, numbers};
use crate::recorder::{Definition, Label, Recorder};

const PACKETS: usize = 0;
const CONNECTIONS: usize = 1;
const CALLS: usize = 2;
const RETRANSMISSIONS: usize = 3;
const AUTHREFRESHES: usize = 4;
const PROCEDURES: usize = 5;
const OPERATIONS: usize = 6;
const MOUNT_IO: usize = 7;
const MOUNT_AGE: usize = 8;
const MOUNT_OPERATIONS: usize = 9;
const MOUNT_TIME: usize = 10;
const MOUNT_QUEUE_TIME: usize = 11;
const MOUNT_RESPONSE_TIME: usize = 12;
const MOUNT_RETRANSMISSIONS: usize = 13;
const MOUNT_TIMEOUTS: usize = 14;
const MOUNT_ERRORS: usize = 15;

pub(super) static METRICS: &[Definition] = &[
    Definition::counter("nfs.client.net.count", "{record}", "Packets by transport."),
    Definition::counter("nfs.client.net.tcp.connection.accepted", "{connection}", "TCP connections."),
    Definition::counter("nfs.client.rpc.count", "{request}", "Calls."),
    Definition::counter("nfs.client.rpc.retransmit.count", "{retransmit}", "Calls that were sent again."),
    Definition::counter(
        "nfs.client.rpc.authrefresh.count",
        "{authrefresh}",
        "Times credentials were renewed.",
    ),
    Definition::counter(
        "nfs.client.procedure.count",
        "{procedure}",
        "Calls of versions 2 and 3 by procedure.",
    ),
    Definition::counter("nfs.client.operation.count", "{operation}", "Operations of version 4."),
    Definition::counter(
        "nfs.client.mount.io",
        "By",
        "Bytes of a mount, as programs asked for and over the wire.",
    ),
    Definition::gauge("nfs.client.mount.age", "s", "Seconds since it was mounted."),
    Definition::counter("nfs.client.mount.operation.count", "{operation}", "Operations of a mount."),
    Definition::counter("nfs.client.mount.operation.time", "s", "Seconds operations took, added up."),
    Definition::counter(
        "nfs.client.mount.operation.queue_time",
        "s",
        "Seconds operations waited to be sent.",
    ),
    Definition::counter(
        "nfs.client.mount.operation.response_time",
        "s",
        "Seconds the server took to answer.",
    ),
    Definition::counter(
        "nfs.client.mount.operation.retransmissions",
        "{retransmit}",
        "Operations sent again.",
    ),
    Definition::counter(
        "nfs.client.mount.operation.timeouts",
        "{timeout}",
        "Operations with a major timeout.",
    ),
    Definition::counter("nfs.client.mount.operation.errors", "{error}", "Operations that failed."),
];

const OF_MOUNTS: [usize; 9] = [
    MOUNT_IO,
    MOUNT_AGE,
    MOUNT_OPERATIONS,
    MOUNT_TIME,
    MOUNT_QUEUE_TIME,
    MOUNT_RESPONSE_TIME,
    MOUNT_RETRANSMISSIONS,
    MOUNT_TIMEOUTS,
    MOUNT_ERRORS,
];

struct Nfs;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Nfs)
}

impl Part for Nfs {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        // Only there once something is mounted.
        if let Ok(text) = root.read_of_namespace("net/rpc/nfs") {
            text.lines().for_each(|line| client(line, recorder));
        }
        if recorder.is_any_on(&OF_MOUNTS) {
            let text = root.read_of_namespace("mountstats").unwrap_or_default();
            for mount in mountstats::parse(&text) {
                record(&mount, recorder);
            }
        }
        Ok(())
    }
}

/// Reads a line of the client's numbers: `net`, `rpc`, and for each version how many procedures there are and their calls.
fn client(line: &str, recorder: &mut Recorder) {
    let Some((name, rest)) = line.split_once(' ') else { return };
    let numbers = numbers(rest);
    match (name, numbers.as_slice()) {
        ("net", [_, udp, tcp, connections, ..]) => {
            for (transport, count) in [("udp", udp), ("tcp", tcp)] {
                recorder.int(PACKETS, &[("network.transport", Label::Text(transport))], *count);
            }
            recorder.int(CONNECTIONS, &[], *connections);
        }
        ("rpc", [calls, retransmissions, authrefreshes, ..]) => {
            recorder.int(CALLS, &[], *calls);
            recorder.int(RETRANSMISSIONS, &[], *retransmissions);
            recorder.int(AUTHREFRESHES, &[], *authrefreshes);
        }
        ("proc2", [_, counts @ ..]) => procedures(2, &PROCEDURES_2, counts, recorder),
        ("proc3", [_, counts @ ..]) => procedures(3, &PROCEDURES_3, counts, recorder),
        ("proc4", [_, counts @ ..]) => {
            for (name, count) in OPERATIONS_4.iter().zip(counts) {
                let labels = [("onc_rpc.version", Label::Int(4)), ("nfs.operation.name", Label::Text(name))];
                recorder.int(OPERATIONS, &labels, *count);
            }
        }
        _ => {}
    }
}

fn procedures(version: i64, names: &[&str], counts: &[u64], recorder: &mut Recorder) {
    for (name, count) in names.iter().zip(counts) {
        let labels =
            [("onc_rpc.version", Label::Int(version)), ("onc_rpc.procedure.name", Label::Text(name))];
        recorder.int(PROCEDURES, &labels, *count);
    }
}

fn record(mount: &Mount<'_>, recorder: &mut Recorder) {
    let of_mount = [
        ("system.device", Label::Text(mount.export)),
        ("system.filesystem.mountpoint", Label::Text(mount.point)),
        ("network.peer.address", Label::Text(mount.address)),
        ("network.transport", Label::Text(mount.transport)),
    ];
    let [export, point, address, transport] = of_mount;
    if let Some(age) = mount.age {
        recorder.int(MOUNT_AGE, &of_mount, age);
    }
    let kinds = ["normal", "normal", "direct", "direct", "server", "server"];
    for ((kind, bytes), direction) in
        kinds.iter().zip(&mount.bytes).zip(["receive", "transmit"].iter().cycle())
    {
        let kind = ("nfs.io.kind", Label::Text(kind));
        let direction = ("network.io.direction", Label::Text(direction));
        recorder.int(MOUNT_IO, &[export, point, address, transport, kind, direction], *bytes);
    }
    // An NFS 4 mount has some seventy, of which a machine calls a dozen.
    for operation in mount.operations.iter().filter(|operation| operation.is_used()) {
        let name = ("nfs.operation.name", Label::Text(operation.name));
        let labels = [export, point, address, transport, name];
        recorder.int(MOUNT_OPERATIONS, &labels, operation.requests);
        recorder.int(
            MOUNT_RETRANSMISSIONS,
            &labels,
            operation.transmissions.saturating_sub(operation.requests),
        );
        recorder.int(MOUNT_TIMEOUTS, &labels, operation.major_timeouts);
        let times = [
            (MOUNT_QUEUE_TIME, operation.queue_milliseconds),
            (MOUNT_RESPONSE_TIME, operation.response_milliseconds),
            (MOUNT_TIME, operation.total_milliseconds),
        ];
        for (metric, milliseconds) in times {
            recorder.double(metric, &labels, milliseconds as f64 / 1000.0);
        }
        if let Some(errors) = operation.errors {
            recorder.int(MOUNT_ERRORS, &labels, errors);
        }
    }
}
