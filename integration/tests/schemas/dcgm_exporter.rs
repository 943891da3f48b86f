//! What dcgm-exporter shows, made of GPUs as the receiver `nvml` and others describe them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use integration::root;
use serde::Deserialize;

use crate::Page;
use crate::platforms::{BOARDS, metrics};

/// Where the families are written down; what stands below this line is the test's.
const MARK: &str = "<!-- families -->\n";

#[derive(Debug, Deserialize)]
struct Facts {
    labels: BTreeSet<String>,
    optional: BTreeSet<String>,
    metrics: Vec<Fact>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fact {
    name: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    unit: String,
    /// In dcgm-exporter's own file of counters.
    listed: Listed,
    /// Besides those of all.
    #[serde(default)]
    labels: BTreeSet<String>,
    /// Instances of MIG have it as well.
    #[serde(default)]
    instances: bool,
    /// One reading does not give it.
    #[serde(default)]
    later: bool,
    /// Why it is not made.
    absent: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Listed {
    Default,
    SwitchedOff,
    Added,
}

fn facts() -> Facts {
    let path = root().join("integration/conformance/dcgm_exporter.yaml");
    serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn page() -> Page {
    Page::of("dcgm_exporter", &[BOARDS])
}

/// The names of the labels of each sample of a family.
fn labels(page: &Page, family: &str) -> Vec<BTreeSet<String>> {
    let samples = page.0.lines().filter_map(|line| line.strip_prefix(family)?.strip_prefix('{'));
    let names = samples.map(|rest| {
        let parts = rest.split("=\"").filter_map(|part| part.rsplit([',', '{']).next());
        let is_name = |name: &&str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        parts.filter(is_name).map(str::to_owned).collect()
    });
    names.collect()
}

/// The labels of a GPU of the fixture, as they stand on the page; `more` goes behind the driver's version.
fn gpu(index: usize, more: &str, name: &str) -> Vec<String> {
    let uuid = format!("UUID=\"GPU-{index}b1c2d3e-0000-4000-8000-00000000000{index}\"");
    let mut labels = vec![
        format!("gpu=\"{index}\""),
        format!("device=\"nvidia{index}\""),
        format!("modelName=\"{name}\""),
        String::from("Hostname=\"gpu-node-1\""),
        String::from("DCGM_FI_DRIVER_VERSION=\"590.48.01\""),
        uuid,
    ];
    labels.extend(more.split(',').filter(|label| !label.is_empty()).map(str::to_owned));
    labels
}

#[track_caller]
fn check(page: &Page, family: &str, gpu: &[String], expected: f64) {
    let labels: Vec<_> = gpu.iter().map(String::as_str).collect();
    let value = page.value(family, &labels);
    assert!((value - expected).abs() <= 1e-9 * expected.abs(), "{family}: {value} is not {expected}");
}

#[test]
fn every_family_is_there_with_its_type_and_exactly_its_labels() {
    let (facts, page) = (facts(), page());
    for fact in facts.metrics.iter().filter(|fact| fact.absent.is_none() && !fact.later) {
        let kind = format!("# TYPE {} {}\n", fact.name, fact.kind);
        assert!(page.0.contains(&kind), "{kind} in:\n{}", page.0);
        let found = labels(&page, &fact.name);
        assert!(!found.is_empty(), "{} is nowhere", fact.name);
        let needed: BTreeSet<_> = facts.labels.union(&fact.labels).cloned().collect();
        let known: BTreeSet<_> = needed.union(&facts.optional).cloned().collect();
        for labels in &found {
            assert!(labels.is_superset(&needed) && labels.is_subset(&known), "{}: {labels:?}", fact.name);
        }
        let is_of_instances = found.iter().any(|labels| labels.contains("GPU_I_ID"));
        assert_eq!(is_of_instances, fact.instances, "{}", fact.name);
    }
}

#[test]
fn every_family_is_made_or_somebody_has_said_why_not() {
    let facts = facts();
    assert_eq!(facts.metrics.len(), 87);
    let made: BTreeSet<_> = metrics("dcgm_exporter").into_iter().collect();
    let wanted = facts.metrics.iter().filter(|fact| fact.absent.is_none());
    assert_eq!(made, wanted.map(|fact| fact.name.clone()).collect());
}

#[test]
fn nothing_is_known_without_gpus() {
    let host =
        "# TYPE \"hw.temperature\" gauge\n{\"hw.temperature\",\"hw.type\"=\"cpu\",\"hw.id\"=\"cpu0\"} 99\n";
    let page = Page::of_text("dcgm_exporter", &[], host);
    assert!(page.families().is_empty(), "{}", page.0);
}

#[test]
fn numbers_are_in_the_units_of_dcgm_exporter_and_whole_where_its_are() {
    let page = page();
    let pod = "pod=\"llama-70b-0\",namespace=\"inference\",container=\"vllm\"";
    let board = gpu(0, pod, "NVIDIA H100 80GB HBM3");
    for (family, expected) in [
        ("DCGM_FI_DEV_SM_CLOCK", 1980.0),
        ("DCGM_FI_DEV_MAX_MEM_CLOCK", 2619.0),
        ("DCGM_FI_DEV_CLOCK_THROTTLE_REASONS", 4.0),
        ("DCGM_FI_DEV_GPU_TEMP", 61.0),
        ("DCGM_FI_DEV_MEMORY_TEMP", 72.0),
        ("DCGM_FI_DEV_POWER_USAGE", 612.345),
        ("DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION", 123_456_789_123.0),
        ("DCGM_FI_DEV_GPU_UTIL", 29.0),
        ("DCGM_FI_DEV_MEM_COPY_UTIL", 57.0),
        ("DCGM_FI_DEV_FB_USED", 73_216.0),
        ("DCGM_FI_DEV_FB_TOTAL", 81_559.0),
        ("DCGM_FI_DEV_FB_USED_PERCENT", (73_216.0 * 1_048_576.0 + 4096.0) / (81_008.0 * 1_048_576.0)),
        ("DCGM_FI_DEV_BAR1_FREE", 131_067.0),
        ("DCGM_FI_DEV_PCIE_TX_THROUGHPUT", 2500.0),
        ("DCGM_FI_DEV_PCIE_REPLAY_COUNTER", 3.0),
        ("DCGM_FI_DEV_POWER_VIOLATION", 12_500_000_000.0),
        ("DCGM_FI_DEV_RELIABILITY_VIOLATION", 512.0),
        ("DCGM_FI_DEV_ECC_SBE_AGG_TOTAL", 19.0),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", 0.42),
        ("DCGM_FI_PROF_PCIE_TX_BYTES", 150_000_000.0),
        ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", 2000.0),
        ("DCGM_FI_DEV_VGPU_LICENSE_STATUS", 0.0),
    ] {
        check(&page, family, &board, expected);
    }
    // As it stands: nothing behind a point, and no exponent.
    assert!(
        page.0
            .lines()
            .any(|line| line.starts_with("DCGM_FI_DEV_TOTAL_ENERGY") && line.ends_with(" 123456789123"))
    );
}

#[test]
fn what_a_board_cannot_say_is_absent_and_not_zero() {
    let page = page();
    for family in ["DCGM_FI_DEV_MEMORY_TEMP", "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", "DCGM_FI_DEV_FAN_SPEED"] {
        let is_of_l40s = |line: &&str| line.starts_with(family) && line.contains("gpu=\"1\"");
        assert_eq!(page.0.lines().find(is_of_l40s), None);
    }
    check(&page, "DCGM_FI_DEV_FAN_SPEED", &gpu(3, "", "Tesla V100-PCIE-32GB"), 43.0);
    check(&page, "DCGM_FI_DEV_RETIRED_DBE", &gpu(3, "", "Tesla V100-PCIE-32GB"), 1.0);
}

#[test]
fn instances_of_mig_have_their_boards_labels_and_their_own_numbers() {
    let page = page();
    let small = "GPU_I_PROFILE=\"1g.10gb\",GPU_I_ID=\"7\",pod=\"embed-0\"";
    let large = "GPU_I_PROFILE=\"3g.40gb\",GPU_I_ID=\"1\"";
    for (instance, used, busy) in [(small, 4000.0, 0.5), (large, 16_000.0, 0.0)] {
        let instance = gpu(2, instance, "NVIDIA H100 80GB HBM3");
        check(&page, "DCGM_FI_DEV_FB_USED", &instance, used);
        check(&page, "DCGM_FI_PROF_GR_ENGINE_ACTIVE", &instance, busy);
    }
    let is_of_board = |line: &&str| line.contains("gpu=\"2\"") && !line.contains("GPU_I_ID");
    let of_board: Vec<_> = page.0.lines().filter(is_of_board).collect();
    assert!(of_board.iter().any(|line| line.starts_with("DCGM_FI_DEV_GPU_TEMP{") && line.ends_with(" 55")));
    assert!(!of_board.iter().any(|line| line.starts_with("DCGM_FI_DEV_GPU_UTIL")), "{of_board:?}");
}

#[test]
fn the_last_error_is_told_with_its_number_and_what_it_is_about() {
    let page = page();
    let told = gpu(0, "err_code=\"31\",err_msg=\"GPU memory page fault\"", "NVIDIA H100 80GB HBM3");
    check(&page, "DCGM_FI_DEV_XID_ERRORS", &told, 31.0);
    check(&page, "DCGM_FI_DEV_XID_ERRORS", &gpu(1, "err_code=\"0\",err_msg=\"none\"", "NVIDIA L40S"), 0.0);
    let unheard = "# TYPE \"nvidia.gpu.xid.last\" gauge\n\
                   {\"nvidia.gpu.xid.last\",\"hw.gpu.index\"=\"5\",\"nvidia.gpu.xid\"=\"666\"} 666\n";
    let page = Page::of_text("dcgm_exporter", &[], unheard);
    page.check(
        "DCGM_FI_DEV_XID_ERRORS",
        &["{device=\"nvidia5\",err_code=\"666\",err_msg=\"unknown\",gpu=\"5\"} 666"],
    );
}

/// The families as a table.
fn table() -> String {
    let mut text = String::from("| family | type | unit | in dcgm-exporter | |\n|---|---|---|---|---|\n");
    for fact in facts().metrics {
        let listed = match fact.listed {
            Listed::Default => "on",
            Listed::SwitchedOff => "listed, off",
            Listed::Added => "not listed",
        };
        let remark = match (&fact.absent, fact.instances) {
            (Some(why), _) => format!("not made: {why}"),
            (None, true) => String::from("of instances of MIG, too"),
            (None, false) => String::new(),
        };
        let Fact { name, kind, unit, .. } = fact;
        writeln!(text, "| `{name}` | {kind} | {unit} | {listed} | {remark} |").unwrap();
    }
    text
}

#[test]
fn the_page_of_the_documentation_has_every_family() {
    let path = root().join("docs/schemas/dcgm_exporter.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (above, below) = page.split_once(MARK).unwrap();
    if std::env::var_os("INFEROMETER_UPDATE").is_some() {
        std::fs::write(path, format!("{above}{MARK}\n{}", table())).unwrap();
    } else {
        assert_eq!(below.trim_start(), table(), "write it anew, see the top of `golden.rs`");
    }
}

#[test]
fn units_are_those_that_the_families_are_known_to_have() {
    let text = std::fs::read_to_string(root().join("config/schemas/dcgm_exporter.yaml")).unwrap();
    let rules = text.split("\n  - ").filter_map(|rule| {
        let name = rule.strip_prefix("metric: ")?.lines().next()?;
        let unit = rule.lines().find_map(|line| line.trim().strip_prefix("unit: \"")?.strip_suffix('"'))?;
        Some((name, unit))
    });
    let units: BTreeMap<_, _> = rules.collect();
    for fact in facts().metrics.iter().filter(|fact| fact.absent.is_none()) {
        assert_eq!(units[fact.name.as_str()], fact.unit, "{}", fact.name);
    }
}
