//! Grafana's dashboard of dcgm-exporter (12239) has its answers from a real Prometheus that scrapes the schema's page.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use integration::{Collector, Prometheus, has_counterparts, request, root, wait_until, with_pipeline};

/// What a family says, by `gpu` and, of an instance of MIG, its number: `2/7`.
type Values = BTreeMap<&'static str, f64>;

/// The values of the families that the dashboard asks for.
struct World(BTreeMap<&'static str, Values>);

impl World {
    /// What is to be answered, by the labels of [`key`]; one number without a label where it is aggregated.
    fn answer(&self, question: &str) -> Values {
        let is_named = |family: &&&str| {
            let rest = question.split(*family).nth(1);
            rest.is_some_and(|rest| rest.starts_with(['{', ',']))
        };
        let family = self.0.keys().find(is_named).unwrap_or_else(|| panic!("nobody knows {question}"));
        let factor = if question.contains("* 1000000") { 1e6 } else { 1.0 };
        let values: Values = self.0[family].iter().map(|(key, value)| (*key, value * factor)).collect();
        let sum: f64 = values.values().sum();
        if question.starts_with("avg(") {
            BTreeMap::from([("", sum / values.len() as f64)])
        } else if question.starts_with("sum(") {
            BTreeMap::from([("", sum)])
        } else {
            values
        }
    }
}

/// The questions, with everything in the place of the variables, and what the pickers ask.
fn questions() -> (Vec<String>, Vec<(String, String)>) {
    let text = std::fs::read_to_string(root().join("integration/queries/dcgm_exporter.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (pickers, expressions): (Vec<_>, Vec<_>) = lines.partition(|line| line.starts_with("label_values("));
    let filled = |expression: &str| {
        let names = ["instance", "Hostname", "gpu"].iter();
        let filled =
            names.fold(expression.to_owned(), |text, name| text.replace(&format!("${name}\""), ".+\""));
        assert!(!filled.contains('$'), "{filled}");
        filled
    };
    let picker = |line: &str| {
        let inside = line.trim_start_matches("label_values(").trim_end_matches(')');
        let (metric, label) = inside.split_once(", ").unwrap();
        (metric.to_owned(), label.to_owned())
    };
    (expressions.into_iter().map(filled).collect(), pickers.into_iter().map(picker).collect())
}

/// The labels by which answers are told apart.
fn key(labels: &serde_json::Value) -> String {
    let gpu = labels["gpu"].as_str().unwrap_or_default();
    labels["GPU_I_ID"].as_str().map_or_else(|| gpu.to_owned(), |instance| format!("{gpu}/{instance}"))
}

/// A Prometheus that scrapes the schema's page.
fn prometheus_of(collector: &Collector) -> Prometheus {
    let log = collector.log();
    let path = "/dcgm_exporter/metrics";
    let line = log.lines().find(|line| line.contains("pull endpoint at") && line.contains(path)).unwrap();
    let address = line.split("http://").nth(1).unwrap().split('/').next().unwrap();
    Prometheus::start(&format!(
        "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: dcgm-exporter, metrics_path: {path}, \
         static_configs: [{{targets: ['{address}']}}]}}]\n"
    ))
}

const ARGUMENTS: [&str; 4] =
    ["--schema", "dcgm_exporter", "--set", "exporters.prometheus/dcgm_exporter.endpoint=127.0.0.1:0"];

/// Asks until each question has its answer.
async fn check(prometheus: &Prometheus, world: &World, collector: &Collector) {
    let (expressions, pickers) = questions();
    assert!(expressions.len() >= 14 && pickers.len() >= 3, "{expressions:?} {pickers:?}");
    for expression in expressions {
        let expected = world.answer(&expression);
        let is_answered = || async {
            let found = prometheus.values(&expression).await;
            let found: BTreeMap<String, f64> =
                found.iter().map(|(labels, value)| (key(labels), *value)).collect();
            let is_near = |(left, right): (&f64, &f64)| (left - right).abs() <= 1e-9 * right.abs();
            found.keys().eq(expected.keys()) && found.values().zip(expected.values()).all(is_near)
        };
        let about = || format!("{expression}: expected {expected:?}\n{}", collector.log());
        wait_until("an answer of the dashboard", is_answered, about).await;
    }
    for (metric, label) in pickers {
        let values = prometheus.values(&format!("count by ({label}) ({metric})")).await;
        let values: BTreeSet<_> = values.iter().filter_map(|(labels, _)| labels[&label].as_str()).collect();
        assert!(!values.is_empty(), "nothing to choose for {label}");
        if label == "gpu" {
            assert_eq!(values, world.0[metric.as_str()].keys().copied().collect());
        }
    }
}

#[tokio::test]
async fn the_dashboard_has_its_answers_of_boards_that_are_pushed() {
    if !has_counterparts() {
        return;
    }
    let collector = Collector::spawn(&with_pipeline(&[], &[]), &ARGUMENTS);
    collector.wait_for_log("INFO ready").await;
    let prometheus = prometheus_of(&collector);
    let boards = std::fs::read(root().join("integration/fixtures/otlp/gpu_boards.json")).unwrap();
    let http = collector.address("HTTP on http://");
    let pushed =
        request(&http, "POST /v1/metrics HTTP/1.1", &["Content-Type: application/json"], &boards).await;
    assert_eq!(pushed.status, 200, "{}", pushed.text());
    // As they stand in the file.
    let world = World(BTreeMap::from([
        ("DCGM_FI_DEV_GPU_TEMP", Values::from([("0", 61.0), ("1", 34.0), ("2", 55.0), ("3", 70.0)])),
        ("DCGM_FI_DEV_POWER_USAGE", Values::from([("0", 612.345), ("1", 34.5), ("2", 301.25), ("3", 249.0)])),
        ("DCGM_FI_DEV_SM_CLOCK", Values::from([("0", 1980.0), ("1", 210.0), ("2", 1755.0)])),
        ("DCGM_FI_DEV_GPU_UTIL", Values::from([("0", 29.0), ("1", 0.0), ("3", 100.0)])),
        (
            "DCGM_FI_DEV_FB_USED",
            Values::from([
                ("0", 73_216.0),
                ("1", 0.0),
                ("2", 20_000.0),
                ("2/1", 16_000.0),
                ("2/7", 4000.0),
                ("3", 30_000.0),
            ]),
        ),
        ("DCGM_FI_PROF_PIPE_TENSOR_ACTIVE", Values::from([("0", 0.42), ("2/1", 0.0), ("2/7", 0.0625)])),
        ("DCGM_FI_PROF_GR_ENGINE_ACTIVE", Values::from([("0", 0.94), ("2/1", 0.0), ("2/7", 0.5)])),
    ]));
    check(&prometheus, &world, &collector).await;
}

/// Four GPUs that stand still: an H100 that a model keeps busy, an idle one, an L40S, and an H100 with MIG.
const MACHINE: &str = r#"
driver: {version: "580.95.05", nvml: "13.580.95.05", cuda: 13000}
events:
  - {gpu: 1, xid: 31}
base:
  name: NVIDIA H100 80GB HBM3
  architecture: 9
  events: 0x8
  memory: {total: 85520809984, used: 1073741824, reserved: 556793856}
  utilization: {gpu: 0, memory: 0, encoder: 0, decoder: 0}
  temperature: {gpu: 31, memory: 35}
  power: {usage: 71500, energy: 5000500, limit: {requested: 700000, enforced: 700000, default: 700000, min: 200000, max: 700000}}
  clocks: {graphics: 345, sm: 345, memory: 2619, video: 765, max: {graphics: 1980, sm: 1980, memory: 2619, video: 1545}}
  gpm: {1: 0, 2: 0, 3: 0, 5: 0, 10: 0}
gpus:
  - utilization: {gpu: 97, memory: 61, encoder: 0, decoder: 0}
    memory: {total: 85520809984, used: 76772540416, reserved: 556793856}
    temperature: {gpu: 64, memory: 75}
    power: {usage: 655250, energy: {grow: 655250, from: 1000}, limit: {requested: 700000, enforced: 700000, default: 700000, min: 200000, max: 700000}}
    clocks: {graphics: 1980, sm: 1980, memory: 2619, video: 1545, max: {graphics: 1980, sm: 1980, memory: 2619, video: 1545}}
    gpm: {1: 96, 2: 88, 3: 41, 5: 62.5, 10: 70}
  - {}
  - name: NVIDIA L40S
    architecture: 8
    memory: {total: 48305799168, used: 1048576, reserved: 626000000}
    temperature: {gpu: 29}
    gpm: null
  - memory: {total: 85520809984, used: 20971520000, reserved: 556793856}
    mig:
      mode: 1
      max: 7
      instances:
        - {gpu_instance: 7, compute_instance: 0, memory: {total: 10468982784, used: 4194304000}, multiprocessors: 16, memory_mib: 9984, gpm: {1: 50, 5: 12.5}}
        - {gpu_instance: 1, compute_instance: 0, memory: {total: 42412802048, used: 16777216000}, multiprocessors: 60, memory_mib: 40448, gpm: {1: 0, 5: 0}}
"#;

/// A copy of the library, with its script beside it.
fn library(folder: &Path) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folders = test.ancestors().skip(1).take(2);
    let built = folders.map(|folder| folder.join("libfake_nvml.so")).find(|path| path.exists());
    let library = folder.join("nvml.so");
    std::fs::copy(built.expect("cargo has built the library"), &library).unwrap();
    std::fs::write(folder.join("nvml.yaml"), MACHINE).unwrap();
    library
}

#[tokio::test]
async fn the_dashboard_has_its_answers_of_gpus_that_are_read() {
    if !has_counterparts() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let library = library(folder.path());
    let section = format!(
        "{{library_path: '{}', collection_interval: 1s, xid: {{kernel_log: false}}}}",
        library.display()
    );
    let collector = Collector::spawn(&with_pipeline(&[("nvml", &section)], &[]), &ARGUMENTS);
    collector.wait_for_log("INFO ready").await;
    let prometheus = prometheus_of(&collector);
    let world = World(BTreeMap::from([
        ("DCGM_FI_DEV_GPU_TEMP", Values::from([("0", 64.0), ("1", 31.0), ("2", 29.0), ("3", 31.0)])),
        ("DCGM_FI_DEV_POWER_USAGE", Values::from([("0", 655.25), ("1", 71.5), ("2", 71.5), ("3", 71.5)])),
        ("DCGM_FI_DEV_SM_CLOCK", Values::from([("0", 1980.0), ("1", 345.0), ("2", 345.0), ("3", 345.0)])),
        ("DCGM_FI_DEV_GPU_UTIL", Values::from([("0", 97.0), ("1", 0.0), ("2", 0.0)])),
        (
            "DCGM_FI_DEV_FB_USED",
            Values::from([
                ("0", 73_216.0),
                ("1", 1024.0),
                ("2", 1.0),
                ("3", 20_000.0),
                ("3/1", 16_000.0),
                ("3/7", 4000.0),
            ]),
        ),
        (
            "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE",
            Values::from([("0", 0.625), ("1", 0.0), ("3/1", 0.0), ("3/7", 0.125)]),
        ),
        (
            "DCGM_FI_PROF_GR_ENGINE_ACTIVE",
            Values::from([("0", 0.96), ("1", 0.0), ("3/1", 0.0), ("3/7", 0.5)]),
        ),
    ]));
    check(&prometheus, &world, &collector).await;

    // What no panel asks for, and alerts do.
    let told = "DCGM_FI_DEV_XID_ERRORS{gpu=\"1\", err_code=\"31\", UUID=\"GPU-00000001-0000-4000-8000-000000000000\", \
                modelName=\"NVIDIA H100 80GB HBM3\", device=\"nvidia1\", DCGM_FI_DRIVER_VERSION=\"580.95.05\"}";
    let is_told = || async { prometheus.values(told).await.iter().any(|(_, value)| *value == 31.0) };
    wait_until("the error that the driver reported", is_told, || collector.log()).await;
    let energy = "increase(DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION{gpu=\"0\"}[1m]) > 0";
    let grows = || async { !prometheus.values(energy).await.is_empty() };
    wait_until("energy that grows", grows, || collector.log()).await;
}
