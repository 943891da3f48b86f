//! What the schemas make of runners, pushes and the systems' own pages.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod ai_cluster;
mod ainode;
mod alerts;
mod dashboards;
mod dcgm_exporter;
mod every_runner;
mod golden;
mod gpus;
mod gpustack;
mod mapping_api;
mod model_runner;
mod offgrid;
mod pages;
mod platforms;
mod queries;

use std::collections::BTreeSet;
use std::process::Command;

use integration::{binary, find_sample, root};

/// The schemas that are tested together; those of platforms are in `platforms`.
const SCHEMAS: [&str; 3] = ["ainode", "offgrid", "ai_cluster"];

const VLLM: &str = "runners/vllm-0.33.0.constructed.prom";
const SGLANG: &str = "runners/sglang-0.5.23.constructed.prom";
const LLAMA_CPP: &str = "runners/llamacpp-0.5.0-dev-0c1e57098-after2.recorded.prom";

/// The page that a schema makes of recordings.
struct Page(String);

impl Page {
    /// Maps fixtures, with further arguments.
    #[track_caller]
    fn with(schema: &str, arguments: &[&str], fixtures: &[&str]) -> Self {
        let output = Command::new(binary())
            .args(["map", "--schema", schema])
            .args(arguments)
            .args(fixtures)
            .current_dir(root().join("integration/fixtures"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(String::from_utf8(output.stdout).unwrap())
    }

    #[track_caller]
    fn of(schema: &str, fixtures: &[&str]) -> Self {
        Self::with(schema, &[], fixtures)
    }

    /// Maps a page that is written in the test, behind fixtures.
    #[track_caller]
    fn of_text(schema: &str, fixtures: &[&str], text: &str) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        Self::with(schema, &["--resource", "service.name=written"], &[fixtures, &[path]].concat())
    }

    /// The samples of a name are these, each with its labels as they stand on the page.
    #[track_caller]
    fn check(&self, name: &str, expected: &[&str]) {
        let samples: Vec<_> = self
            .0
            .lines()
            .filter_map(|line| line.strip_prefix(name))
            .filter(|rest| rest.starts_with(['{', ' ']))
            .map(str::trim_start)
            .collect();
        assert_eq!(samples, expected, "{name} in:\n{}", self.0);
    }

    #[track_caller]
    fn check_absent(&self, name: &str) {
        self.check(name, &[]);
    }

    /// The value of a sample that is there.
    #[track_caller]
    fn value(&self, name: &str, labels: &[&str]) -> f64 {
        find_sample(&self.0, name, labels).unwrap_or_else(|| panic!("no {name}{labels:?} in:\n{}", self.0))
    }

    /// The families by their `# TYPE` lines.
    fn families(&self) -> BTreeSet<String> {
        let types = self.0.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|rest| Some(rest.split_once(' ')?.0.to_owned())).collect()
    }
}

/// A job that scrapes OffGrid, with what its page needs.
fn offgrid_job(address: &str) -> String {
    integration::job("offgrid", address, ", duplicates: sum, repair_buckets: true")
}
