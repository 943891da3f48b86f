//! What processors are, how fast they may run, and how often heat slowed them down.

use std::collections::{BTreeMap, BTreeSet};

use super::cpu::{
    CORE_THROTTLES, FREQUENCY, FREQUENCY_MAX, FREQUENCY_MIN, INFO, ONLINE, PACKAGE_THROTTLES, PHYSICAL,
};
use crate::machine::root::Root;
use crate::recorder::{Label, Recorder};

const FOLDER: &str = "sys/devices/system/cpu";

/// What is remembered: which logical processor stands for each core and each package.
#[derive(Default)]
pub(super) struct Facts {
    /// How many processors there were when this was learned.
    processors: usize,
    cores: BTreeMap<(i64, i64), u32>,
    packages: BTreeMap<i64, u32>,
}

impl Facts {
    pub(super) fn read(&mut self, root: &Root, recorder: &mut Recorder) {
        if recorder.is_any_on(&[PHYSICAL, INFO]) {
            describe(root, recorder);
        }
        let by_processor = [FREQUENCY, FREQUENCY_MIN, FREQUENCY_MAX, ONLINE];
        if !recorder.is_any_on(&by_processor) && !recorder.is_any_on(&[CORE_THROTTLES, PACKAGE_THROTTLES]) {
            return;
        }
        let processors = root.numbered(FOLDER, "cpu");
        if recorder.is_any_on(&by_processor) {
            for number in &processors {
                scaling(root, *number, recorder);
            }
        }
        if processors.len() != self.processors {
            self.learn(root, &processors);
        }
        self.throttles(root, recorder);
    }

    /// Processors of a core count together, so one of them is asked; on 200 of them this is what makes it cheap.
    fn learn(&mut self, root: &Root, processors: &[u32]) {
        *self = Self { processors: processors.len(), ..Self::default() };
        for number in processors {
            let id = |file| root.number::<i64>(&format!("{FOLDER}/cpu{number}/topology/{file}"));
            let counts = |file| root.path(&format!("{FOLDER}/cpu{number}/thermal_throttle/{file}")).exists();
            let (Some(package), Some(core)) = (id("physical_package_id"), id("core_id")) else { continue };
            if counts("core_throttle_count") {
                self.cores.entry((package, core)).or_insert(*number);
            }
            if counts("package_throttle_count") {
                self.packages.entry(package).or_insert(*number);
            }
        }
    }

    fn throttles(&self, root: &Root, recorder: &mut Recorder) {
        let count =
            |number, file| root.number::<u64>(&format!("{FOLDER}/cpu{number}/thermal_throttle/{file}"));
        if recorder.is_on(CORE_THROTTLES) {
            for ((package, core), number) in &self.cores {
                let labels =
                    [("system.cpu.package", Label::Int(*package)), ("system.cpu.core", Label::Int(*core))];
                if let Some(count) = count(*number, "core_throttle_count") {
                    recorder.int(CORE_THROTTLES, &labels, count);
                }
            }
        }
        if recorder.is_on(PACKAGE_THROTTLES) {
            for (package, number) in &self.packages {
                if let Some(count) = count(*number, "package_throttle_count") {
                    recorder.int(PACKAGE_THROTTLES, &[("system.cpu.package", Label::Int(*package))], count);
                }
            }
        }
    }
}

/// Not every machine tells.
fn scaling(root: &Root, number: u32, recorder: &mut Recorder) {
    let labels = [("cpu.logical_number", Label::Int(i64::from(number)))];
    let files = [
        (FREQUENCY, "scaling_cur_freq"),
        (FREQUENCY_MIN, "scaling_min_freq"),
        (FREQUENCY_MAX, "scaling_max_freq"),
    ];
    for (metric, file) in files {
        if recorder.is_on(metric)
            && let Some(kilohertz) = root.number::<f64>(&format!("{FOLDER}/cpu{number}/cpufreq/{file}"))
        {
            recorder.double(metric, &labels, kilohertz * 1000.0);
        }
    }
    // The first processor can often not be switched off, and has no such file.
    if recorder.is_on(ONLINE)
        && let Some(online) = root.number::<u64>(&format!("{FOLDER}/cpu{number}/online"))
    {
        recorder.int(ONLINE, &labels, online);
    }
}

/// Reads `cpuinfo`, a block of lines for each logical processor.
fn describe(root: &Root, recorder: &mut Recorder) {
    const FACTS: [(&str, &str); 9] = [
        ("system.cpu.package", "physical id"),
        ("system.cpu.core", "core id"),
        ("system.cpu.vendor", "vendor_id"),
        ("system.cpu.family", "cpu family"),
        ("system.cpu.model", "model"),
        ("system.cpu.model_name", "model name"),
        ("system.cpu.microcode", "microcode"),
        ("system.cpu.stepping", "stepping"),
        ("system.cpu.cache_size", "cache size"),
    ];
    let text = root.read_optional("proc/cpuinfo").unwrap_or_default();
    let mut cores = BTreeSet::new();
    for block in text.split("\n\n") {
        let value = |name: &str| {
            let mut pairs = block.lines().filter_map(|line| line.split_once(':'));
            pairs.find(|(key, _)| key.trim_end() == name).map(|(_, value)| value.trim())
        };
        if let (Some(package), Some(core)) = (value("physical id"), value("core id")) {
            cores.insert((package, core));
        }
        if recorder.is_on(INFO)
            && let Some(number) = value("processor").and_then(|number| number.parse().ok())
        {
            let mut labels = vec![("cpu.logical_number", Label::Int(number))];
            let facts = FACTS.iter().filter_map(|(key, name)| Some((*key, Label::Text(value(name)?))));
            labels.extend(facts);
            recorder.int(INFO, &labels, 1);
        }
    }
    if !cores.is_empty() {
        recorder.int(PHYSICAL, &[], cores.len() as u64);
    }
}
