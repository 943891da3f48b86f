//! How long the host has been up.

use pipeline::Kind;

use super::host::Part;
use super::recorder::{Definition, Recorder};
use super::root::Root;

pub(super) static METRICS: &[Definition] = &[Definition {
    name: "system.uptime",
    alias: "",
    unit: "s",
    kind: Kind::Gauge,
    is_default: true,
    description: "Seconds since the host was started.",
}];

pub(super) struct System;

impl Part for System {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let text = root.read("proc/uptime")?;
        let uptime = text.split_ascii_whitespace().next().and_then(|word| word.parse::<f64>().ok());
        recorder.double(0, &[], uptime.ok_or("`proc/uptime` does not begin with a number")?);
        Ok(())
    }
}
