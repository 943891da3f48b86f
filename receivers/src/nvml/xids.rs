//! Counts the errors that the driver reports: those of its events, and those that only the kernel's log tells.

use std::collections::BTreeMap;
use std::time::Duration;

use pipeline::Quiet;
use tracing::warn;

use super::life::XidError;

/// What was reported by both is one error where it is not further apart.
const SAME_NANOS: u64 = 2_000_000_000;
/// How many different errors are counted; a driver has some two hundred.
const KINDS_MAX: usize = 4096;
/// How many errors wait for their other report.
const RECENT_MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Xids {
    counts: BTreeMap<(String, u64), Count>,
    /// Reports that the other source has not told of yet.
    recent: Vec<XidError>,
    quiet: Quiet,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) errors: u64,
    pub(super) last_unix_nano: u64,
}

impl Default for Xids {
    fn default() -> Self {
        Self { counts: BTreeMap::new(), recent: Vec::new(), quiet: Quiet::new(Duration::from_secs(10)) }
    }
}

impl Xids {
    /// Counts an error, unless the other source has told of it already.
    pub(super) fn count(&mut self, receiver: &str, error: XidError) -> bool {
        let now = error.unix_nano;
        self.recent.retain(|other| other.unix_nano.abs_diff(now) <= SAME_NANOS);
        let is_same = |other: &XidError| {
            other.source != error.source && other.bus_id == error.bus_id && other.xid == error.xid
        };
        if let Some(place) = self.recent.iter().position(is_same) {
            self.recent.remove(place);
            return false;
        }
        let key = (error.bus_id.clone(), error.xid);
        if self.counts.len() >= KINDS_MAX && !self.counts.contains_key(&key) {
            return false;
        }
        let count = self.counts.entry(key).or_default();
        count.errors += 1;
        count.last_unix_nano = count.last_unix_nano.max(now);
        if let Some(unsaid) = self.quiet.speak() {
            let (gpu, xid, source) = (&error.bus_id, error.xid, error.source);
            warn!(receiver, gpu, xid, ?source, unsaid, "the driver reports an error of a GPU");
        }
        if self.recent.len() < RECENT_MAX {
            self.recent.push(error);
        }
        true
    }

    /// The errors of the board at a place, by their number.
    pub(super) fn of(&self, bus_id: &str) -> impl Iterator<Item = (u64, Count)> {
        let first = (bus_id.to_owned(), 0);
        let last = (bus_id.to_owned(), u64::MAX);
        self.counts.range(first..=last).map(|((_, xid), count)| (*xid, *count))
    }
}

/// The error that a message of the kernel's tells of: `NVRM: Xid (PCI:0000:01:00): 79, pid=...`.
pub(super) fn parse(message: &str) -> Option<(String, u64)> {
    let (_, rest) = message.split_once("NVRM: Xid (PCI:")?;
    let (bus_id, rest) = rest.split_once("): ")?;
    // Behind it stands the instance of a board that is divided.
    let bus_id = bus_id.split_whitespace().next()?;
    let digits = rest.split(|character: char| !character.is_ascii_digit()).next()?;
    Some((super::life::short_bus_id(bus_id), digits.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::super::life::Source;
    use super::*;

    fn error(source: Source, xid: u64, seconds: u64) -> XidError {
        XidError { bus_id: "0000:01:00".to_owned(), xid, unix_nano: seconds * 1_000_000_000, source }
    }

    #[track_caller]
    fn check(reports: &[(Source, u64, u64)], expected: u64) {
        let mut xids = Xids::default();
        for (source, xid, seconds) in reports {
            xids.count("nvml", error(*source, *xid, *seconds));
        }
        assert_eq!(xids.of("0000:01:00").map(|(_, count)| count.errors).sum::<u64>(), expected);
        assert_eq!(xids.of("0000:02:00").count(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_both_sources_tell_is_counted_once() {
        use Source::{Event, KernelLog};
        check(&[(Event, 79, 10), (KernelLog, 79, 10)], 1);
        check(&[(KernelLog, 79, 10), (Event, 79, 11)], 1);
        check(&[(Event, 79, 10), (Event, 79, 10)], 2);
        check(&[(Event, 79, 10), (KernelLog, 79, 10), (Event, 79, 10), (KernelLog, 79, 10)], 2);
        check(&[(Event, 79, 10), (KernelLog, 48, 10)], 2);
        check(&[(Event, 79, 10), (KernelLog, 79, 60)], 2);
    }

    #[track_caller]
    fn check_line(line: &str, expected: Option<(&str, u64)>) {
        let parsed = parse(line);
        assert_eq!(parsed.as_ref().map(|(bus_id, xid)| (bus_id.as_str(), *xid)), expected);
    }

    #[test]
    fn an_error_is_found_in_the_kernels_message() {
        let expected = Some(("0000:01:00", 79));
        check_line("NVRM: Xid (PCI:0000:01:00): 79, pid=1234, GPU has fallen off the bus.", expected);
        check_line("[ 12.3] NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen", expected);
        check_line("NVRM: Xid (PCI:0010:1B:00): 119", Some(("0010:1b:00", 119)));
        check_line("NVRM: Xid (PCI:0000:01:00 GPU-I:05): 94, pid=7, Contained", Some(("0000:01:00", 94)));
        check_line("NVRM: Xid (PCI:): 79", None);
        check_line("NVRM: Xid (PCI:0000:01:00): many", None);
        check_line("NVRM: GPU at PCI:0000:01:00: GPU-1", None);
        check_line("", None);
    }
}
