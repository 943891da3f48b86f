//! The load average.

use pipeline::Kind;

use super::config::LoadConfig;
use super::host::Part;
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::Root;
use crate::recorder::{Definition, Recorder};

pub(super) static METRICS: &[Definition] = &[
    Definition {
        name: "system.cpu.load_average.1m",
        alias: "",
        unit: "{thread}",
        kind: Kind::Gauge,
        is_default: true,
        description: "Tasks that ran or waited, averaged over a minute.",
    },
    Definition {
        name: "system.cpu.load_average.5m",
        alias: "",
        unit: "{thread}",
        kind: Kind::Gauge,
        is_default: true,
        description: "Tasks that ran or waited, averaged over five minutes.",
    },
    Definition {
        name: "system.cpu.load_average.15m",
        alias: "",
        unit: "{thread}",
        kind: Kind::Gauge,
        is_default: true,
        description: "Tasks that ran or waited, averaged over fifteen minutes.",
    },
];

struct Load {
    is_average: bool,
}

pub(super) fn plan(config: &LoadConfig, _: &mut Vec<Message>) -> Make {
    let is_average = config.cpu_average;
    make(move || Load { is_average })
}

impl Part for Load {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        let text = root.read("proc/loadavg")?;
        let processors = if self.is_average { processors(root)? } else { 1.0 };
        let mut words = text.split_ascii_whitespace();
        for metric in 0..METRICS.len() {
            match words.next().and_then(|word| word.parse::<f64>().ok()) {
                Some(load) => recorder.double(metric, &[], load / processors),
                None => recorder.error(1, "`proc/loadavg` does not begin with three numbers".to_owned()),
            }
        }
        Ok(())
    }
}

fn processors(root: &Root) -> Result<f64, String> {
    let text = root.read("proc/stat")?;
    let is_processor = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    match text.lines().filter(is_processor).count() {
        0 => Err("`proc/stat` names no processor".to_owned()),
        count => Ok(count as f64),
    }
}
