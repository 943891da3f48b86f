//! TCP connections by state, and what waits in the queues of sockets.

use std::time::{Duration, Instant};

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
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Queues {
    receive: u64,
    transmit: u64,
}

/// What the tables said when they were last read.
#[derive(Default)]
pub(super) struct Connections {
    counts: [u64; STATES.len()],
    queues: Vec<(&'static str, &'static str, Queues)>,
    /// Until when this is told again, where reading was dear.
    holds_until: Option<Instant>,
}

/// What takes longer to read than this is read less often.
///
/// The kernel looks through a table that grows with its memory, whether or not there are connections in it: for
/// milliseconds, where all else together takes one.
const DEAR: Duration = Duration::from_millis(1);

/// Reading takes no more than this part of the time.
const SHARE: u32 = 10_000;

/// What is dear is read again after this at the latest; with the usual interval behind it, a minute is not passed.
const HOLDS_MAX: Duration = Duration::from_secs(55);

impl Connections {
    pub(super) fn read(&mut self, root: &Root, recorder: &mut Recorder) {
        if !recorder.is_any_on(&[CONNECTIONS, QUEUES]) {
            return;
        }
        let began = Instant::now();
        if self.holds_until.is_none_or(|until| began >= until) {
            self.holds_until = None;
            if let Err(message) = self.count_all(root, recorder.is_on(QUEUES)) {
                return recorder.error(STATES.len() as u64, message);
            }
            self.holds_until = rest(began.elapsed()).map(|rest| began + rest);
        }
        if recorder.is_on(CONNECTIONS) {
            record_counts(self.counts, recorder);
        }
        for (transport, network, queues) in &self.queues {
            record_queues(transport, network, queues, recorder);
        }
    }

    fn count_all(&mut self, root: &Root, with_queues: bool) -> Result<(), String> {
        self.counts = [0; STATES.len()];
        self.queues.clear();
        for (index, (network, file)) in TCP.iter().enumerate() {
            match root.read_of_namespace(file) {
                Ok(text) => self.queues.push(("tcp", network, count(&text, Some(&mut self.counts)))),
                Err(message) if index == 0 => return Err(message),
                Err(_) => {}
            }
        }
        for (network, file) in UDP.iter().filter(|_| with_queues) {
            if let Ok(text) = root.read_of_namespace(file) {
                self.queues.push(("udp", network, count(&text, None)));
            }
        }
        Ok(())
    }
}

/// How long what took so long to read is told again.
fn rest(took: Duration) -> Option<Duration> {
    (took > DEAR).then(|| took.saturating_mul(SHARE).min(HOLDS_MAX))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_dear_is_read_less_often_but_not_forgotten() {
        assert_eq!(rest(Duration::from_micros(900)), None);
        assert_eq!(rest(Duration::from_millis(2)), Some(Duration::from_secs(20)));
        assert_eq!(rest(Duration::from_secs(5)), Some(HOLDS_MAX));
    }
}
