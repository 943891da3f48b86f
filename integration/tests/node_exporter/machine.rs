//! A machine that is a folder: what test machines lack (sensors, RAID, InfiniBand, NFS), read by both.

use std::path::Path;

use integration::{has_counterparts, root};

use crate::agreement::Found;
use crate::beside::Beside;
use crate::page::Page;
use crate::report;

/// Those whose files the folder has.
const COLLECTORS: [&str; 20] = [
    "bonding",
    "cpu",
    "cpu.guest",
    "cpu.info",
    "cpufreq",
    "dmi",
    "edac",
    "hwmon",
    "infiniband",
    "mdadm",
    "mountstats",
    "nfs",
    "nvme",
    "powersupplyclass",
    "pressure",
    "rapl",
    "schedstat",
    "stat",
    "thermal_zone",
    "time",
];

/// How the names of these collectors begin.
const FAMILIES: [&str; 17] = [
    "node_bonding_",
    "node_boot_",
    "node_context_",
    "node_cooling_",
    "node_cpu_",
    "node_dmi_",
    "node_edac_",
    "node_forks_",
    "node_hwmon_",
    "node_infiniband_",
    "node_md_",
    "node_mountstats_",
    "node_nfs_",
    "node_nvme_",
    "node_power_supply_",
    "node_rapl_",
    "node_thermal_",
];

const HEAD: &str = "# The schema `node_exporter` beside node_exporter, on hardware that test machines lack

What a test found where both read the same folder in the place of `/proc` and `/sys`: a machine with sensors, RAID, InfiniBand, NFS and so
on (`integration/fixtures/hosts/gpu_node.txt`, made up in the kernel's forms). See
[node_exporter-agreement.md](node_exporter-agreement.md) for what is compared. The test writes this page.
";

/// Lays the files out: `== PATH` begins one, `-> PATH TARGET` is a link.
fn lay_out(text: &str, folder: &Path) {
    let place = |path: &str| {
        let path = folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    };
    let mut file: Option<(&str, String)> = None;
    for line in text.lines().chain(["== "]) {
        let is_head = line.starts_with("== ") || line.starts_with("-> ");
        if is_head && let Some((path, text)) = file.take() {
            std::fs::write(place(path), text).unwrap();
        }
        if let Some(path) = line.strip_prefix("== ") {
            file = Some((path, String::new()));
        } else if let Some((path, target)) = line.strip_prefix("-> ").and_then(|rest| rest.split_once(' ')) {
            std::os::unix::fs::symlink(target, place(path)).unwrap();
        } else if let Some((_, text)) = &mut file {
            text.push_str(line);
            text.push('\n');
        }
    }
}

/// Only what these collectors make.
fn chosen(mut page: Page) -> Page {
    page.0.retain(|name, _| FAMILIES.iter().any(|start| name.starts_with(start)));
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn both_say_the_same_of_a_machine_that_has_everything() {
    if !has_counterparts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(root().join("integration/fixtures/hosts/gpu_node.txt")).unwrap();
    // An export that is mounted twice says everything twice.
    let (before, mount) = text.split_once("device store:/models mounted on /models ").unwrap();
    let mount = mount.split("\n== ").next().unwrap().trim_end();
    let again = format!("device store:/models mounted on /more {mount}\n\n");
    let text = text.replacen(before, &format!("{before}{again}"), 1);
    lay_out(&text, folder.path());
    let beside = Beside::start_on(folder.path().to_str().unwrap(), &COLLECTORS).await;
    let mut round = beside.round().await;
    for page in [&mut round.before, &mut round.ours, &mut round.after] {
        *page = chosen(std::mem::take(page));
    }
    let mut found = Found::new();
    found.look(&round);
    assert!(found.faults.is_empty(), "{:#?}\n{}", found.faults, beside.collector.log());
    assert!(found.agreed.len() > 80, "only {} families were compared", found.agreed.len());
    report::update("node_exporter-agreement-hardware", HEAD, &found);
}
