//! What network interfaces are, and whether they are connected.

use super::network::{BANDWIDTH, CARRIER, CARRIER_CHANGES, CARRIER_TRANSITIONS, INFO, MTU, UNHANDLED, UP};
use crate::machine::root::Root;
use crate::recorder::{Label, Recorder};

const FOLDER: &str = "sys/class/net";

/// Bits a second of the unit the kernel tells a speed in.
const MEGABIT: f64 = 1e6;

/// The bit of an interface's flags that says that somebody switched it on.
const SWITCHED_ON: u32 = 1;

/// Reads the files of one interface; every one is optional, and some only answer while there is a carrier.
pub(super) fn read(root: &Root, interface: &str, recorder: &mut Recorder) {
    let file = |name: &str| format!("{FOLDER}/{interface}/{name}");
    let name = ("network.interface.name", Label::Text(interface));
    let of_hardware = [("hw.id", Label::Text(interface)), ("hw.type", Label::Text("network")), name];
    let state = recorder.is_any_on(&[UP, INFO]).then(|| root.word(&file("operstate"))).flatten();
    if let Some(state) = &state {
        recorder.int(UP, &of_hardware, u64::from(state == "up"));
    }
    if recorder.is_on(BANDWIDTH)
        && let Some(speed) = root.number::<i64>(&file("speed")).filter(|speed| *speed > 0)
    {
        recorder.double(BANDWIDTH, &of_hardware, speed as f64 * MEGABIT / 8.0);
    }
    let numbers = [
        (CARRIER, "carrier"),
        (CARRIER_CHANGES, "carrier_changes"),
        (MTU, "mtu"),
        (UNHANDLED, "statistics/rx_nohandler"),
    ];
    for (metric, path) in numbers {
        if recorder.is_on(metric)
            && let Some(number) = root.number(&file(path))
        {
            recorder.int(metric, &[name], number);
        }
    }
    if recorder.is_on(CARRIER_TRANSITIONS) {
        for (state, path) in [("up", "carrier_up_count"), ("down", "carrier_down_count")] {
            if let Some(number) = root.number(&file(path)) {
                let labels = [name, ("network.interface.carrier", Label::Text(state))];
                recorder.int(CARRIER_TRANSITIONS, &labels, number);
            }
        }
    }
    if recorder.is_on(INFO) {
        info(root, interface, state.as_deref(), recorder);
    }
}

fn info(root: &Root, interface: &str, state: Option<&str>, recorder: &mut Recorder) {
    let word = |name: &str| root.word(&format!("{FOLDER}/{interface}/{name}"));
    let flags = word("flags").and_then(|flags| u32::from_str_radix(flags.strip_prefix("0x")?, 16).ok());
    let administered = flags.map(|flags| if flags & SWITCHED_ON == 0 { "down" } else { "up" }.to_owned());
    let facts = [
        ("network.interface.address", word("address")),
        ("network.interface.broadcast", word("broadcast")),
        ("network.interface.duplex", word("duplex")),
        ("network.interface.operstate", state.map(str::to_owned)),
        ("network.interface.adminstate", administered),
        ("network.interface.alias", word("ifalias")),
    ];
    let mut labels = vec![("network.interface.name", Label::Text(interface))];
    labels.extend(facts.iter().filter_map(|(key, fact)| Some((*key, Label::Text(fact.as_deref()?)))));
    recorder.int(INFO, &labels, 1);
}
