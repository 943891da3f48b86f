//! How long tasks waited for a resource, as the kernel measures it (PSI).

use crate::machine::root::Root;
use crate::recorder::{Label, Recorder};

/// The spans the kernel averages over, and what it calls them.
const WINDOWS: [(&str, &str); 3] = [("avg10=", "10s"), ("avg60=", "60s"), ("avg300=", "300s")];

/// Reads one file under `/proc/pressure`; a kernel without this has none.
pub(super) fn read(root: &Root, resource: &str, total: usize, share: usize, recorder: &mut Recorder) {
    if !recorder.is_any_on(&[total, share]) {
        return;
    }
    let text = root.read_optional(&format!("proc/pressure/{resource}")).unwrap_or_default();
    // Of the whole machine some task always runs while others wait: the kernel tells this as 0, for the form's sake.
    let is_defined = |kind: &str| (resource, kind) != ("cpu", "full");
    for (kind, words) in lines(&text).filter(|(kind, _)| is_defined(kind)) {
        let kind = ("system.pressure.stall_type", Label::Text(kind));
        if let Some(seconds) = total_seconds(words) {
            recorder.double(total, &[kind], seconds);
        }
        for (name, window) in WINDOWS {
            if let Some(percent) = value::<f64>(words, name) {
                let labels = [kind, ("system.pressure.window", Label::Text(window))];
                recorder.double(share, &labels, percent / 100.0);
            }
        }
    }
}

/// The lines of such a file, as of a cgroup's: which tasks waited, some or all, and the numbers.
pub(super) fn lines(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.lines().filter_map(|line| line.split_once(' ')).filter(|(kind, _)| matches!(*kind, "some" | "full"))
}

pub(super) fn total_seconds(words: &str) -> Option<f64> {
    value::<u64>(words, "total=").map(|microseconds| microseconds as f64 / 1e6)
}

fn value<T: std::str::FromStr>(words: &str, name: &str) -> Option<T> {
    words.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok())
}
