//! Ports of InfiniBand and RoCE: state, speed, bytes; the counters' own names are with the tables of the kernel.

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder, Row};
use pipeline::Kind;

const INFO: usize = 0;
const STATE: usize = 1;
const PHYSICAL_STATE: usize = 2;
const RATE: usize = 3;
const IO: usize = 4;
const COUNTERS: usize = 5;
const HW_COUNTERS: usize = 6;

pub(super) static METRICS: &[Definition] = &[
    Definition::gauge("infiniband.info", "{info}", "1, with what a device is."),
    Definition::gauge("infiniband.port.state", "1", "State of a port; 4 is active."),
    Definition::gauge("infiniband.port.physical_state", "1", "Physical state of a port; 5 is up."),
    Definition::gauge("infiniband.port.rate", "By/s", "Speed of a port's link."),
    Definition::counter("infiniband.port.io", "By", "Bytes received and transmitted over a port."),
    Definition::counter("linux.infiniband.counters", "1", "A counter of a port, as its file is called."),
    Definition::counter(
        "linux.infiniband.hw_counters",
        "1",
        "A counter of a port that its driver keeps, as its file is called.",
    ),
];

const FOLDER: &str = "sys/class/infiniband";

/// Data is counted in words of this size, whatever the number of lanes.
const WORD_BYTES: u64 = 4;

/// Files beside the counters that say how often the driver reads them.
const LIFESPAN: &str = "lifespan";

struct Infiniband;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| Infiniband)
}

impl Part for Infiniband {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        for device in root.names(FOLDER) {
            info(root, &device, recorder);
            for number in root.numbered(&format!("{FOLDER}/{device}/ports"), "") {
                let folder = format!("{FOLDER}/{device}/ports/{number}");
                let labels = [
                    ("infiniband.device", Label::Text(&device)),
                    ("infiniband.port", Label::Int(i64::from(number))),
                ];
                port(root, &folder, labels, recorder);
            }
        }
        Ok(())
    }
}

fn info(root: &Root, device: &str, recorder: &mut Recorder) {
    let word = |file: &str| root.word(&format!("{FOLDER}/{device}/{file}"));
    let facts = [
        ("infiniband.board.id", word("board_id")),
        ("infiniband.firmware.version", word("fw_ver")),
        ("infiniband.hca.type", word("hca_type")),
    ];
    let mut labels = vec![("infiniband.device", Label::Text(device))];
    labels.extend(facts.iter().filter_map(|(key, fact)| Some((*key, Label::Text(fact.as_deref()?)))));
    recorder.int(INFO, &labels, 1);
}

/// Every file is optional: boards without counters, and drivers that keep only their own, are common.
fn port(root: &Root, folder: &str, labels: [(&'static str, Label<'_>); 2], recorder: &mut Recorder) {
    for (metric, file) in [(STATE, "state"), (PHYSICAL_STATE, "phys_state")] {
        // A number and its name: `4: ACTIVE`.
        let text = root.read_optional(&format!("{folder}/{file}")).unwrap_or_default();
        if let Some(state) = text.split(':').next().and_then(|word| word.trim().parse().ok()) {
            recorder.int(metric, &labels, state);
        }
    }
    // `400 Gb/sec (4X NDR)`
    let text = root.read_optional(&format!("{folder}/rate")).unwrap_or_default();
    if let Some(gigabits) = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok()) {
        recorder.double(RATE, &labels, gigabits * 1e9 / 8.0);
    }
    for (direction, file) in [("receive", "port_rcv_data"), ("transmit", "port_xmit_data")] {
        let words = root.number::<u64>(&format!("{folder}/counters/{file}"));
        if let Some(bytes) = words.and_then(|words| words.checked_mul(WORD_BYTES)) {
            let labels = [labels[0], labels[1], ("network.io.direction", Label::Text(direction))];
            recorder.int(IO, &labels, bytes);
        }
    }
    for (metric, name) in [(COUNTERS, "counters"), (HW_COUNTERS, "hw_counters")] {
        if !recorder.is_on(metric) {
            continue;
        }
        let folder = format!("{folder}/{name}");
        for file in root.names(&folder).iter().filter(|file| *file != LIFESPAN) {
            // A file may be there and say that the board does not count this.
            if let Some(count) = root.number::<i64>(&format!("{folder}/{file}")) {
                recorder.row(metric, Row { key: file, unit: "1", kind: Kind::COUNTER }, &labels, count);
            }
        }
    }
}
