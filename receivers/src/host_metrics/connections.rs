//! TCP connections by state, and what waits in the queues of sockets.

use super::network::{CONNECTIONS, QUEUES};
use crate::machine::root::Root;
use crate::recorder::{Label, Recorder};

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

/// The tables, with the network each is of. A machine may be without the newer one.
const TCP: [(&str, &str); 2] = [("ipv4", "net/tcp"), ("ipv6", "net/tcp6")];
const UDP: [(&str, &str); 2] = [("ipv4", "net/udp"), ("ipv6", "net/udp6")];

/// Bytes received and not read, and bytes to be transmitted.
#[derive(Default)]
struct Queues {
    receive: u64,
    transmit: u64,
}

pub(super) fn read(root: &Root, recorder: &mut Recorder) {
    if recorder.is_any_on(&[CONNECTIONS, QUEUES]) {
        let mut counts = [0_u64; STATES.len()];
        match root.read_of_namespace(TCP[0].1) {
            Ok(text) => {
                record_queues("tcp", TCP[0].0, &count(&text, Some(&mut counts)), recorder);
                if let Ok(text) = root.read_of_namespace(TCP[1].1) {
                    record_queues("tcp", TCP[1].0, &count(&text, Some(&mut counts)), recorder);
                }
                record_counts(counts, recorder);
            }
            Err(message) => recorder.error(STATES.len() as u64, message),
        }
    }
    if recorder.is_on(QUEUES) {
        for (network, file) in UDP {
            if let Ok(text) = root.read_of_namespace(file) {
                record_queues("udp", network, &count(&text, None), recorder);
            }
        }
    }
}

fn record_counts(counts: [u64; STATES.len()], recorder: &mut Recorder) {
    for (state, count) in STATES.iter().zip(counts) {
        let labels =
            [("network.connection.state", Label::Text(state)), ("network.transport", Label::Text("tcp"))];
        recorder.int(CONNECTIONS, &labels, count);
    }
}

fn record_queues(transport: &str, network: &str, queues: &Queues, recorder: &mut Recorder) {
    for (direction, bytes) in [("receive", queues.receive), ("transmit", queues.transmit)] {
        let labels = [
            ("network.transport", Label::Text(transport)),
            ("network.type", Label::Text(network)),
            ("network.io.direction", Label::Text(direction)),
        ];
        recorder.int(QUEUES, &labels, bytes);
    }
}

/// Reads the lines `0: local remote 01 0000000A:0000000B ...`: state, bytes to transmit and bytes received.
fn count(text: &str, mut counts: Option<&mut [u64; STATES.len()]>) -> Queues {
    let mut queues = Queues::default();
    for line in text.lines().skip(1) {
        let mut words = line.split_ascii_whitespace().skip(3);
        let state = words.next().and_then(|word| usize::from_str_radix(word, 16).ok());
        let state = if state == Some(NEW_SYN_RECEIVED) { Some(3) } else { state };
        if let Some(counts) = &mut counts
            && let Some(count) = state.and_then(|state| counts.get_mut(state.checked_sub(1)?))
        {
            *count += 1;
        }
        if let Some((transmit, receive)) = words.next().and_then(|word| word.split_once(':')) {
            let bytes = |word| u64::from_str_radix(word, 16).unwrap_or(0);
            queues.transmit = queues.transmit.saturating_add(bytes(transmit));
            queues.receive = queues.receive.saturating_add(bytes(receive));
        }
    }
    queues
}
