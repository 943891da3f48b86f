//! What processors are, how fast they may run, and how often heat slowed them down.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::Builder;
use std::time::{Duration, Instant};

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
            let asked: Vec<_> = SCALING.into_iter().filter(|(metric, _)| recorder.is_on(*metric)).collect();
            for (number, readings) in processors.iter().zip(scaling(root, &processors, &asked, ALONE)) {
                record_scaling(*number, &asked, &readings, recorder);
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

/// What is asked of each processor; not every machine tells.
const SCALING: [(usize, &str); 4] = [
    (FREQUENCY, "cpufreq/scaling_cur_freq"),
    (FREQUENCY_MIN, "cpufreq/scaling_min_freq"),
    (FREQUENCY_MAX, "cpufreq/scaling_max_freq"),
    // The first processor can often not be switched off, and has no such file.
    (ONLINE, "online"),
];

/// How long one thread reads alone.
///
/// Kernels up to 5.18 measure a frequency on x86 when it is asked for, and sleep for 10 or 20 milliseconds each time: seconds, on
/// a machine of 200 processors. Then several threads share what is left.
const ALONE: Duration = Duration::from_millis(5);

/// As many processors are at least worth a thread, and as many threads are started at most.
const PROCESSORS_MIN: usize = 8;
const THREADS_MAX: usize = 32;

/// What the files of a processor say, in the order of what was asked.
type Readings = Vec<Option<u64>>;

fn scaling(root: &Root, processors: &[u32], asked: &[(usize, &str)], alone: Duration) -> Vec<Readings> {
    let began = Instant::now();
    let of_one = |number: &u32| -> Readings {
        let read = |(_, file): &(usize, &str)| root.number(&format!("{FOLDER}/cpu{number}/{file}"));
        asked.iter().map(read).collect()
    };
    let mut readings = Vec::with_capacity(processors.len());
    let mut rest = processors;
    while let [first, others @ ..] = rest
        && (began.elapsed() < alone || rest.len() < PROCESSORS_MIN)
    {
        readings.push(of_one(first));
        rest = others;
    }
    let of_thread = |part: &[u32]| part.iter().map(of_one).collect::<Vec<_>>();
    std::thread::scope(|scope| {
        let parts = rest.chunks(rest.len().div_ceil(THREADS_MAX).max(PROCESSORS_MIN));
        let start = |part| {
            (part, Builder::new().name("cpufreq".to_owned()).spawn_scoped(scope, move || of_thread(part)))
        };
        let threads: Vec<_> = parts.map(start).collect();
        for (part, thread) in threads {
            // Where there may be no more threads, this one reads.
            let read = thread.ok().and_then(|thread| thread.join().ok());
            readings.extend(read.unwrap_or_else(|| of_thread(part)));
        }
    });
    readings
}

fn record_scaling(number: u32, asked: &[(usize, &str)], readings: &Readings, recorder: &mut Recorder) {
    let labels = [("cpu.logical_number", Label::Int(i64::from(number)))];
    for ((metric, _), reading) in asked.iter().zip(readings) {
        match reading {
            Some(online) if *metric == ONLINE => recorder.int(ONLINE, &labels, *online),
            Some(kilohertz) => recorder.double(*metric, &labels, *kilohertz as f64 * 1000.0),
            None => {}
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_processors_are_read_by_several_threads_and_stay_in_order() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..300 {
            let cpu = folder.path().join(FOLDER).join(format!("cpu{number}"));
            std::fs::create_dir_all(&cpu).unwrap();
            // Some say nothing.
            if number % 7 != 0 {
                std::fs::write(cpu.join("online"), format!("{number}\n")).unwrap();
            }
        }
        let root = Root::new(folder.path().to_str().unwrap());
        let asked = [(ONLINE, "online"), (FREQUENCY, "cpufreq/scaling_cur_freq")];
        for count in [0, 1, 7, 8, 9, 300] {
            let processors: Vec<u32> = (0..count).collect();
            let online = |number: u32| (!number.is_multiple_of(7)).then(|| u64::from(number));
            let expected: Vec<_> = (0..count).map(|number| vec![online(number), None]).collect();
            for alone in [Duration::ZERO, Duration::from_mins(10)] {
                assert_eq!(scaling(&root, &processors, &asked, alone), expected, "{count} {alone:?}");
            }
        }
    }
}
