//! How long the host has been up, and which kernel it runs.

use pipeline::Kind;

use super::host::Part;
use crate::machine::root::Root;
use crate::recorder::{Definition, Label, Recorder};

const UPTIME: usize = 0;
const KERNEL: usize = 1;

pub(super) static METRICS: &[Definition] = &[
    Definition {
        name: "system.uptime",
        alias: "",
        unit: "s",
        kind: Kind::Gauge,
        is_default: true,
        description: "Seconds since the host was started.",
    },
    Definition {
        name: "system.kernel.info",
        alias: "",
        unit: "{info}",
        kind: Kind::Gauge,
        is_default: true,
        description: "1, with what the kernel says of itself.",
    },
];

pub(super) struct System;

impl Part for System {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let text = root.read("proc/uptime")?;
        let uptime = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        recorder.double(UPTIME, &[], uptime.ok_or("`proc/uptime` does not begin with a number")?);
        kernel(root, recorder);
        Ok(())
    }
}

/// What `uname` tells, of the kernel that mounted the root's `/proc`.
fn kernel(root: &Root, recorder: &mut Recorder) {
    let word = |file: &str| {
        let text = root.read_optional(&format!("proc/sys/kernel/{file}"))?;
        Some(text.trim().to_owned()).filter(|text| !text.is_empty())
    };
    let Some(release) = word("osrelease") else { return };
    let (name, version) = (word("ostype"), word("version"));
    // Kernels before 6.1 have no such file; they run on the same processor as we do.
    let architecture = word("arch").unwrap_or_else(sysinfo::System::cpu_arch);
    let labels = [
        ("system.kernel.name", name.as_deref()),
        ("system.kernel.release", Some(release.as_str())),
        ("system.kernel.version", version.as_deref()),
        ("system.kernel.architecture", Some(architecture.as_str())),
    ];
    let labels: Vec<_> =
        labels.into_iter().filter_map(|(key, text)| Some((key, Label::Text(text?)))).collect();
    recorder.int(KERNEL, &labels, 1);
}
