//! How long the host has been up, what it is, and how much of the kernel's own limits is used.

use super::config::Plain;
use super::host::Part;
use super::lookup::Message;
use super::scrapers::{Make, make};
use crate::machine::root::{Root, value_of};
use crate::recorder::{Definition, Label, Recorder};

const UPTIME: usize = 0;
const KERNEL: usize = 1;
const BOOT_TIME: usize = 2;
const HUNG_TASKS: usize = 3;
const FILES: usize = 4;
const FILES_MAX: usize = 5;
const ENTROPY: usize = 6;
const ENTROPY_MAX: usize = 7;
const OS: usize = 8;
const DMI: usize = 9;

pub(super) static METRICS: &[Definition] = &[
    Definition::gauge("system.uptime", "s", "Seconds since the host was started."),
    Definition::gauge("system.kernel.info", "{info}", "1, with what the kernel says of itself."),
    Definition::gauge("system.boot.time", "s", "When the host was started, in seconds since 1970.").off(),
    Definition::counter("system.kernel.hung_tasks", "{task}", "Tasks that the kernel found hanging."),
    Definition::up_down("system.file_descriptor.count", "{file_descriptor}", "Files that are open."),
    Definition::up_down("system.file_descriptor.limit", "{file_descriptor}", "Files that may be open."),
    Definition::gauge("system.entropy.available", "bit", "Entropy of the random number generator.").off(),
    Definition::gauge("system.entropy.limit", "bit", "Entropy there may be.").off(),
    Definition::gauge("system.os.info", "{info}", "1, with what the operating system says of itself.").off(),
    Definition::gauge("system.dmi.info", "{info}", "1, with what the firmware says of the machine.").off(),
];

/// The keys of `os-release` and the attributes they become.
const OS_KEYS: [(&str, &str); 12] = [
    ("BUILD_ID", "system.os.build_id"),
    ("ID", "system.os.id"),
    ("ID_LIKE", "system.os.id_like"),
    ("IMAGE_ID", "system.os.image_id"),
    ("IMAGE_VERSION", "system.os.image_version"),
    ("NAME", "system.os.name"),
    ("PRETTY_NAME", "system.os.pretty_name"),
    ("VARIANT", "system.os.variant"),
    ("VARIANT_ID", "system.os.variant_id"),
    ("VERSION", "system.os.version"),
    ("VERSION_CODENAME", "system.os.version_codename"),
    ("VERSION_ID", "system.os.version_id"),
];

/// The files that everybody may read; serial numbers are not among them.
const DMI_FILES: [(&str, &str); 14] = [
    ("bios_date", "system.dmi.bios_date"),
    ("bios_release", "system.dmi.bios_release"),
    ("bios_vendor", "system.dmi.bios_vendor"),
    ("bios_version", "system.dmi.bios_version"),
    ("board_name", "system.dmi.board_name"),
    ("board_vendor", "system.dmi.board_vendor"),
    ("board_version", "system.dmi.board_version"),
    ("chassis_vendor", "system.dmi.chassis_vendor"),
    ("chassis_version", "system.dmi.chassis_version"),
    ("product_family", "system.dmi.product_family"),
    ("product_name", "system.dmi.product_name"),
    ("product_sku", "system.dmi.product_sku"),
    ("product_version", "system.dmi.product_version"),
    ("sys_vendor", "system.dmi.sys_vendor"),
];

struct System;

pub(super) fn plan(_: &Plain, _: &mut Vec<Message>) -> Make {
    make(|| System)
}

impl Part for System {
    fn read(&mut self, root: &Root, recorder: &mut Recorder) -> Result<(), String> {
        match uptime(root) {
            Ok(uptime) => recorder.double(UPTIME, &[], uptime),
            Err(message) => recorder.error(1, message),
        }
        let numbers = [
            (HUNG_TASKS, "proc/sys/kernel/hung_task_detect_count"),
            (ENTROPY, "proc/sys/kernel/random/entropy_avail"),
            (ENTROPY_MAX, "proc/sys/kernel/random/poolsize"),
        ];
        for (metric, file) in numbers {
            if recorder.is_on(metric)
                && let Some(number) = root.number(file)
            {
                recorder.int(metric, &[], number);
            }
        }
        files(root, recorder);
        if recorder.is_on(BOOT_TIME)
            && let Some(boot) = value_of(&root.read_optional("proc/stat").unwrap_or_default(), "btime")
        {
            recorder.int(BOOT_TIME, &[], boot);
        }
        if recorder.is_on(KERNEL) {
            kernel(root, recorder);
        }
        if recorder.is_on(OS) {
            os(root, recorder);
        }
        if recorder.is_on(DMI) {
            let read = |(file, key): &(&str, &'static str)| {
                root.word(&format!("sys/class/dmi/id/{file}")).map(|value| (*key, value))
            };
            info(DMI, &DMI_FILES.iter().filter_map(read).collect::<Vec<_>>(), recorder);
        }
        Ok(())
    }
}

fn uptime(root: &Root) -> Result<f64, String> {
    let text = root.read("proc/uptime")?;
    let uptime = text.split_ascii_whitespace().next().and_then(|word| word.parse().ok());
    uptime.ok_or_else(|| "`proc/uptime` does not begin with a number".to_owned())
}

/// Reads `1024 0 9223372036854775807`: open, an unused number, how many there may be.
fn files(root: &Root, recorder: &mut Recorder) {
    if !recorder.is_any_on(&[FILES, FILES_MAX]) {
        return;
    }
    let text = root.read_optional("proc/sys/fs/file-nr").unwrap_or_default();
    let mut words = text.split_ascii_whitespace().map(|word| word.parse::<u64>().ok());
    for (metric, number) in [(FILES, words.next()), (FILES_MAX, words.nth(1))] {
        if let Some(number) = number.flatten() {
            recorder.int(metric, &[], number);
        }
    }
}

/// What `uname` tells, of the kernel that mounted the root's `/proc`.
fn kernel(root: &Root, recorder: &mut Recorder) {
    let word = |file: &str| root.word(&format!("proc/sys/kernel/{file}"));
    let Some(release) = word("osrelease") else { return };
    let (name, version, domain) = (word("ostype"), word("version"), word("domainname"));
    // Kernels before 6.1 have no such file; they run on the same processor as we do.
    let architecture = word("arch").unwrap_or_else(sysinfo::System::cpu_arch);
    let labels = [
        ("system.kernel.name", name.as_deref()),
        ("system.kernel.release", Some(release.as_str())),
        ("system.kernel.version", version.as_deref()),
        ("system.kernel.architecture", Some(architecture.as_str())),
        ("system.kernel.domain_name", domain.as_deref()),
    ];
    let labels: Vec<_> =
        labels.into_iter().filter_map(|(key, text)| Some((key, Label::Text(text?)))).collect();
    recorder.int(KERNEL, &labels, 1);
}

fn os(root: &Root, recorder: &mut Recorder) {
    let text = root.read_optional("etc/os-release").or_else(|| root.read_optional("usr/lib/os-release"));
    let text = text.unwrap_or_default();
    let pair = |line: &str| {
        let (name, value) = line.split_once('=')?;
        let (_, key) = OS_KEYS.iter().find(|(known, _)| *known == name.trim())?;
        Some((*key, value.trim().trim_matches(['"', '\'']).to_owned()))
    };
    info(OS, &text.lines().filter_map(pair).collect::<Vec<_>>(), recorder);
}

fn info(metric: usize, facts: &[(&'static str, String)], recorder: &mut Recorder) {
    let labels: Vec<_> = facts.iter().map(|(key, value)| (*key, Label::Text(value))).collect();
    if !labels.is_empty() {
        recorder.int(metric, &labels, 1);
    }
}
