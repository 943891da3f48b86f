//! The `service` section: what of the file runs, and how the collector speaks of itself.

mod telemetry;

use std::collections::HashSet;

use config::{Document, Problem, Problems, Section};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub(crate) use telemetry::{
    LogEncoding, LogLevel, LogsConfig, MetricsConfig, MetricsLevel, PeriodicConfig, PullPrometheusConfig,
    TelemetryConfig, host_and_port,
};

/// `service`, read.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Config {
    pub(crate) extensions: Vec<String>,
    /// In the order of the file.
    pub(crate) pipelines: Vec<(String, PipelineConfig)>,
    pub(crate) telemetry: TelemetryConfig,
    pub(crate) limits: LimitsConfig,
    /// What is read and has no effect.
    pub(crate) warnings: Vec<String>,
}

/// The ids a pipeline joins.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PipelineConfig {
    pub(crate) receivers: Vec<String>,
    pub(crate) processors: Vec<String>,
    pub(crate) exporters: Vec<String>,
}

/// `service.limits`: bounds on the whole process.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsConfig {
    /// How many series may live at once; past it new ones are refused and counted.
    pub(crate) live_series_max: usize,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self { live_series_max: 1_000_000 }
    }
}

const KEYS: [&str; 4] = ["extensions", "limits", "pipelines", "telemetry"];

impl Config {
    /// Reads `service`. What does not fit is reported and has its default, so that the rest can be checked.
    pub(crate) fn read(document: &Document) -> (Self, Problems) {
        let mut problems = Problems::default();
        for (key, section) in document.entries("service").unwrap_or_default() {
            if !KEYS.contains(&key.as_str()) {
                let instead = config::instead(&key, &KEYS).unwrap_or_default();
                problems.0.push(section.problem("", format!("unknown key; {instead}")));
            }
        }
        let mut pipelines = Vec::new();
        match document.entries("service.pipelines") {
            Ok(entries) => {
                for (id, section) in entries {
                    pipelines.push((id, keep(&section, &mut problems)));
                }
            }
            Err(Problems(found)) => problems.0.extend(found),
        }
        let service = document.section("service");
        let extensions = if service.has("extensions") {
            keep(&service.section("extensions"), &mut problems)
        } else {
            Vec::new()
        };
        let limits = keep(&document.section("service.limits"), &mut problems);
        let section = document.section("service.telemetry");
        let telemetry: TelemetryConfig = keep(&section, &mut problems);
        let problems = problems.and(telemetry.problems(&section));
        let warnings = telemetry.warnings(&section);
        (Self { extensions, pipelines, telemetry, limits, warnings }, problems)
    }
}

impl PipelineConfig {
    /// What is wrong with the pipeline by itself.
    pub(crate) fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.receivers.is_empty() {
            problems.push(section.problem("receivers", "a pipeline needs at least one receiver"));
        }
        if self.exporters.is_empty() {
            problems.push(section.problem("exporters", "a pipeline needs at least one exporter"));
        }
        let keys = [
            ("receivers", &self.receivers),
            ("processors", &self.processors),
            ("exporters", &self.exporters),
        ];
        for (key, ids) in keys {
            let mut seen = HashSet::new();
            for id in ids.iter().filter(|id| !seen.insert(*id)) {
                problems.push(section.problem(key, format!("names `{id}` twice")));
            }
        }
        problems
    }
}

/// What there is of the section; what is wrong with it goes to `problems`.
fn keep<T: Default + DeserializeOwned>(section: &Section, problems: &mut Problems) -> T {
    let (value, found) = section.read_all();
    problems.0.extend(found.0);
    value.unwrap_or_default()
}
