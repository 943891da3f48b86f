//! The numbers of the network's protocols, of sockets, and of the packet filter.

use std::collections::BTreeMap;
use std::fmt::Write;

use pipeline::Kind;

use super::{CONNTRACK, NETSTAT, SOCKSTAT};
use crate::machine::root::Root;
use crate::recorder::{Recorder, Row};

/// These say how something is now, or is set; all others count.
const SETTINGS: [&str; 8] = [
    "Tcp.RtoAlgorithm",
    "Tcp.RtoMin",
    "Tcp.RtoMax",
    "Tcp.MaxConn",
    "Tcp.CurrEstab",
    "Ip.Forwarding",
    "Ip.DefaultTTL",
    "MPTcpExt.MPCurrEstab",
];

pub(super) fn read(root: &Root, recorder: &mut Recorder) {
    let mut key = String::new();
    if recorder.is_on(NETSTAT) {
        for file in ["net/netstat", "net/snmp"] {
            let text = root.read_of_namespace(file).unwrap_or_default();
            protocols(&text, &mut key, recorder);
        }
        let text = root.read_of_namespace("net/snmp6").unwrap_or_default();
        protocols_6(&text, &mut key, recorder);
    }
    if recorder.is_on(SOCKSTAT) {
        for file in ["net/sockstat", "net/sockstat6"] {
            sockets(&root.read_of_namespace(file).unwrap_or_default(), &mut key, recorder);
        }
    }
    if recorder.is_on(CONNTRACK) {
        // Under `/proc/net` of the root's first process, as all of these.
        let text = root.read_of_namespace("net/stat/nf_conntrack").unwrap_or_default();
        connections(&text, recorder);
    }
}

/// Writes `TABLE.KEY` where the last one was, so that nothing is allocated for it.
fn name(key: &mut String, table: &str, name: &str) {
    key.clear();
    // Writing to a text cannot fail.
    let _ = write!(key, "{table}.{name}");
}

/// Reads pairs of lines, `Tcp: RtoMin RtoMax` and `Tcp: 200 120000`.
fn protocols(text: &str, key: &mut String, recorder: &mut Recorder) {
    let mut lines = text.lines();
    while let (Some(names), Some(numbers)) = (lines.next(), lines.next()) {
        let (Some((table, names)), Some((same, numbers))) = (names.split_once(':'), numbers.split_once(':'))
        else {
            continue;
        };
        if table != same {
            return recorder.error(1, "the lines of the protocols' numbers do not go together".to_owned());
        }
        for (field, number) in names.split_ascii_whitespace().zip(numbers.split_ascii_whitespace()) {
            // One that counts up to 64 bits does not fit, and is left out once it is beyond.
            let Ok(number) = number.parse::<i64>() else { continue };
            name(key, table, field);
            let kind = if SETTINGS.contains(&key.as_str()) { Kind::Gauge } else { Kind::COUNTER };
            recorder.row(NETSTAT, Row { key, unit: "1", kind }, &[], number);
        }
    }
}

/// Reads `Ip6InReceives 7`: the table's name ends with the number.
fn protocols_6(text: &str, key: &mut String, recorder: &mut Recorder) {
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(word), Some(Ok(number))) = (words.next(), words.next().map(str::parse)) else { continue };
        let Some((table, field)) = word.find('6').and_then(|at| word.split_at_checked(at + 1)) else {
            continue;
        };
        name(key, table, field);
        recorder.row(NETSTAT, Row { key, unit: "1", kind: Kind::COUNTER }, &[], number);
    }
}

/// Reads `TCP: inuse 8 orphan 0`; `mem` is in pages, and told in bytes as well.
fn sockets(text: &str, key: &mut String, recorder: &mut Recorder) {
    for (table, rest) in text.lines().filter_map(|line| line.split_once(':')) {
        let mut words = rest.split_ascii_whitespace();
        while let (Some(field), Some(Ok(number))) = (words.next(), words.next().map(str::parse::<i64>)) {
            name(key, table, field);
            let unit = if field == "memory" { "By" } else { "1" };
            recorder.row(SOCKSTAT, Row { key, unit, kind: Kind::Gauge }, &[], number);
            let page = i64::try_from(rustix::param::page_size()).ok();
            if field == "mem"
                && let Some(bytes) = page.and_then(|page| number.checked_mul(page))
            {
                name(key, table, "mem_bytes");
                recorder.row(SOCKSTAT, Row { key, unit: "By", kind: Kind::Gauge }, &[], bytes);
            }
        }
    }
}

/// Reads a heading of names and a line of hexadecimal numbers for each processor, which are added up.
fn connections(text: &str, recorder: &mut Recorder) {
    let mut lines = text.lines();
    let names: Vec<_> = lines.next().unwrap_or_default().split_ascii_whitespace().collect();
    let mut sums = BTreeMap::<_, i64>::new();
    for line in lines {
        for (name, word) in names.iter().zip(line.split_ascii_whitespace()) {
            if let Ok(number) = i64::from_str_radix(word, 16) {
                let sum = sums.entry(*name).or_default();
                *sum = sum.saturating_add(number);
            }
        }
    }
    // The entries are said on every line again, and are the size of the table.
    for (key, sum) in sums.into_iter().filter(|(name, _)| *name != "entries") {
        recorder.row(CONNTRACK, Row { key, unit: "1", kind: Kind::COUNTER }, &[], sum);
    }
}

pub(super) fn fuzz(text: &str, recorder: &mut Recorder) {
    let mut key = String::new();
    protocols(text, &mut key, recorder);
    protocols_6(text, &mut key, recorder);
    sockets(text, &mut key, recorder);
    connections(text, recorder);
}
