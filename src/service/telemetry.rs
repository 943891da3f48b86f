//! `service.telemetry`: the collector's own logs and metrics.

#[cfg(test)]
mod tests;
mod values;

use std::collections::BTreeMap;

use config::{Duration, Problem, Section};
use exporters::Headers;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// The section.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TelemetryConfig {
    pub(crate) logs: LogsConfig,
    pub(crate) metrics: MetricsConfig,
    /// Attributes of the collector's own resource; null removes one.
    pub(crate) resource: BTreeMap<String, Option<String>>,
    // Accepted, with a warning that it has no effect.
    #[serde(skip_serializing)]
    traces: Option<IgnoredAny>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogsConfig {
    #[serde(deserialize_with = "values::in_any_case")]
    pub(crate) level: LogLevel,
    pub(crate) encoding: LogEncoding,
    // Accepted, with a warning that they have no effect.
    #[serde(skip_serializing)]
    development: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    disable_caller: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    disable_stacktrace: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    sampling: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    output_paths: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    error_output_paths: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    initial_fields: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    processors: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogLevel {
    Debug,
    #[default]
    Info,
    Warn,
    Error,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LogEncoding {
    #[default]
    Console,
    Json,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    /// `none` turns the collector's own metrics off; the others are alike.
    pub(crate) level: MetricsLevel,
    /// The older form of one pull reader: `127.0.0.1:8888`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) address: Option<String>,
    pub(crate) readers: Vec<ReaderConfig>,
    // Accepted, with a warning that it has no effect.
    #[serde(skip_serializing)]
    views: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MetricsLevel {
    None,
    Basic,
    #[default]
    Normal,
    Detailed,
}

/// One way for the collector's own metrics to be had; `pull` or `periodic`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ReaderConfig {
    // Left out where absent: a key without a value would be read as one with defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pull: Option<PullConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) periodic: Option<PeriodicConfig>,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PullConfig {
    pub(crate) exporter: PullExporterConfig,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PullExporterConfig {
    pub(crate) prometheus: PullPrometheusConfig,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PullPrometheusConfig {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) without_scope_info: bool,
    pub(crate) without_units: bool,
    pub(crate) without_type_suffix: bool,
    // Accepted, with a warning that it has no effect.
    #[serde(skip_serializing)]
    pub(crate) with_resource_constant_labels: Option<IgnoredAny>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PeriodicConfig {
    #[serde(deserialize_with = "values::milliseconds")]
    pub(crate) interval: Duration,
    #[serde(deserialize_with = "values::milliseconds")]
    pub(crate) timeout: Duration,
    pub(crate) exporter: PushExporterConfig,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PushExporterConfig {
    pub(crate) otlp: PushOtlpConfig,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PushOtlpConfig {
    /// `http://127.0.0.1:4317`, or `https://` for TLS; OTLP over gRPC.
    pub(crate) endpoint: String,
    pub(crate) protocol: PushProtocol,
    pub(crate) headers: Headers,
    /// What an endpoint without a scheme means: plain text, and TLS otherwise.
    pub(crate) insecure: bool,
    // Accepted, with a warning that they have no effect.
    #[serde(skip_serializing)]
    temporality_preference: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    default_histogram_aggregation: Option<IgnoredAny>,
    #[serde(skip_serializing)]
    compression: Option<IgnoredAny>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum PushProtocol {
    #[default]
    #[serde(rename = "grpc", alias = "grpc/protobuf")]
    Grpc,
    /// Known, so that what would do can be said.
    #[serde(rename = "http/protobuf", alias = "http/json")]
    Http,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        let readers = vec![ReaderConfig { pull: Some(PullConfig::default()), periodic: None }];
        Self { level: MetricsLevel::default(), address: None, readers, views: None }
    }
}

impl Default for PullPrometheusConfig {
    fn default() -> Self {
        Self {
            host: String::from("127.0.0.1"),
            port: 8888,
            without_scope_info: true,
            without_units: true,
            without_type_suffix: true,
            with_resource_constant_labels: None,
        }
    }
}

impl Default for PeriodicConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(30),
            exporter: PushExporterConfig::default(),
        }
    }
}

/// What is taken so that files for an OpenTelemetry Collector can be read, and what is so instead.
const WITHOUT_EFFECT: [(&str, &str); 10] = [
    ("logs.development", LOGS),
    ("logs.disable_caller", LOGS),
    ("logs.disable_stacktrace", LOGS),
    ("logs.sampling", "repeated lines are held back where they arise"),
    ("logs.output_paths", "the log goes to standard error"),
    ("logs.error_output_paths", "the log goes to standard error"),
    ("logs.initial_fields", "no fields are added to the log"),
    ("logs.processors", "the collector's own logs are not pushed"),
    ("metrics.views", "the collector's own metrics are given out as they are"),
    ("traces", "the collector makes no traces of itself"),
];

/// The same, below each of `metrics.readers`.
const OF_READERS: [(&str, &str); 4] = [
    (
        "pull.exporter.prometheus.with_resource_constant_labels",
        "the attributes of `resource` are in `target_info` alone",
    ),
    ("periodic.exporter.otlp.temporality_preference", "sums are pushed as cumulative ones"),
    ("periodic.exporter.otlp.default_histogram_aggregation", "histograms have explicit bounds"),
    ("periodic.exporter.otlp.compression", "what is pushed is not compressed"),
];

const LOGS: &str = "the log has neither callers nor stack traces";

impl TelemetryConfig {
    /// What is there and has no effect.
    pub(super) fn warnings(&self, section: &Section) -> Vec<String> {
        let of_readers = (0..self.metrics.readers.len()).flat_map(|index| {
            let keys = OF_READERS.iter();
            keys.map(move |(key, instead)| (format!("metrics.readers[{index}].{key}"), *instead))
        });
        let keys = WITHOUT_EFFECT.iter().map(|(key, instead)| ((*key).to_owned(), *instead));
        let there = keys.chain(of_readers).filter(|(key, _)| section.has(key));
        there.map(|(key, instead)| format!("{}.{key}: has no effect; {instead}", section.path())).collect()
    }

    pub(super) fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(address) = &self.metrics.address
            && host_and_port(address).is_none()
        {
            problems
                .push(section.problem("metrics.address", "expected `HOST:PORT`, such as `127.0.0.1:8888`"));
        }
        for (index, reader) in self.metrics.readers.iter().enumerate() {
            let key = format!("metrics.readers[{index}]");
            match (&reader.pull, &reader.periodic) {
                (Some(_), None) => {}
                (None, Some(periodic)) => {
                    for (below, message) in periodic.problems() {
                        problems.push(section.problem(&format!("{key}.periodic.{below}"), message));
                    }
                }
                (Some(_), Some(_)) | (None, None) => {
                    problems.push(section.problem(&key, "expected either `pull` or `periodic`"));
                }
            }
        }
        problems
    }
}

impl PeriodicConfig {
    /// What is wrong, as keys and texts.
    fn problems(&self) -> Vec<(String, String)> {
        let mut problems = Vec::new();
        if let Err(message) = self.exporter.otlp.url() {
            problems.push((String::from("exporter.otlp.endpoint"), message));
        }
        if self.exporter.otlp.protocol == PushProtocol::Http {
            let message = "the collector's own metrics are pushed over gRPC alone: write `grpc`, and the `endpoint` \
                           that speaks it (usually port 4317, without a path)";
            problems.push((String::from("exporter.otlp.protocol"), String::from(message)));
        }
        for (name, message) in self.exporter.otlp.headers.to_map(&[]).err().into_iter().flatten() {
            problems.push((format!("exporter.otlp.headers.{name}"), message.to_owned()));
        }
        if self.interval.is_zero() {
            problems.push((
                String::from("interval"),
                String::from("expected a duration above zero such as `60s`"),
            ));
        }
        problems
    }
}

impl PushOtlpConfig {
    /// The endpoint with its scheme.
    pub(crate) fn url(&self) -> Result<String, String> {
        const EXAMPLE: &str = "expected a URL such as `http://127.0.0.1:4317`";
        let url = match self.endpoint.split_once("://") {
            None if self.endpoint.is_empty() => return Err(format!("missing; {EXAMPLE}")),
            None if self.insecure => format!("http://{}", self.endpoint),
            None => format!("https://{}", self.endpoint),
            Some(("http" | "https", _)) => self.endpoint.clone(),
            Some(_) => return Err(String::from(EXAMPLE)),
        };
        match url.parse::<http::Uri>() {
            Ok(uri) if uri.host().is_some_and(|host| !host.is_empty()) => Ok(url),
            _ => Err(String::from(EXAMPLE)),
        }
    }
}

/// The parts of `HOST:PORT`.
pub(crate) fn host_and_port(address: &str) -> Option<(&str, u16)> {
    let (host, port) = address.rsplit_once(':')?;
    Some((host, port.parse().ok()?))
}
