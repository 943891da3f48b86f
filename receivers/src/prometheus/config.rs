//! The receiver's section: a Prometheus configuration, as far as it concerns scraping.

mod check;
mod http;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use config::{ByteSize, Duration};
use pipeline::relabel::RuleConfig;
use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use check::{http_problems, problems};
pub(crate) use http::{Authorization, Header, HttpConfig, Reserved, TlsConfig};

/// The section of the `prometheus` receiver.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub config: Prometheus,
    /// Refuses what the specifications of the formats do not have, though Prometheus reads it.
    pub strict: bool,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub target_allocator: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub api_server: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub use_start_time_metric: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub start_time_metric_regex: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub trim_metric_suffixes: Present,
    /// The older place of `config.global.extra_scrape_metrics`.
    pub report_extra_scrape_metrics: bool,
}

/// A Prometheus configuration.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Prometheus {
    pub global: Global,
    pub scrape_configs: Vec<ScrapeConfig>,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub scrape_config_files: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub remote_write: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub remote_read: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub rule_files: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub alerting: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub storage: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub tracing: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub otlp: Present,
}

/// What holds for every job that does not say otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Global {
    pub scrape_interval: Duration,
    pub scrape_timeout: Duration,
    /// Labels for every series that does not have them.
    pub external_labels: BTreeMap<String, String>,
    pub body_size_limit: ByteSize,
    pub sample_limit: usize,
    pub target_limit: usize,
    pub label_limit: usize,
    pub label_name_length_limit: usize,
    pub label_value_length_limit: usize,
    pub scrape_protocols: Vec<Protocol>,
    /// Reports the timeout, the sample limit and the size of the body of each scrape.
    pub extra_scrape_metrics: bool,
    pub scrape_native_histograms: bool,
    /// Read and without effect: rules are not evaluated here.
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub evaluation_interval: Present,
}

/// One job: how to scrape, and whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScrapeConfig {
    pub job_name: String,
    pub scrape_interval: Option<Duration>,
    pub scrape_timeout: Option<Duration>,
    pub metrics_path: String,
    pub scheme: Scheme,
    pub params: BTreeMap<String, Vec<String>>,
    /// Lets scraped labels win over those of the target.
    pub honor_labels: bool,
    /// Takes the times that samples carry.
    pub honor_timestamps: bool,
    /// Marks series that carry their own times when they are gone, too.
    pub track_timestamps_staleness: bool,
    /// What lines count that repeat a series of the same scrape.
    pub duplicates: Duplicates,
    /// Takes apart buckets that the target has added up twice, which shows in their holding more than the count.
    pub repair_buckets: bool,
    pub static_configs: Vec<StaticConfig>,
    pub relabel_configs: Vec<RuleConfig>,
    pub metric_relabel_configs: Vec<RuleConfig>,
    pub body_size_limit: Option<ByteSize>,
    pub sample_limit: Option<usize>,
    pub target_limit: Option<usize>,
    pub label_limit: Option<usize>,
    pub label_name_length_limit: Option<usize>,
    pub label_value_length_limit: Option<usize>,
    pub scrape_protocols: Option<Vec<Protocol>>,
    /// How to read what has no content type, or one that is no exposition's.
    pub fallback_scrape_protocol: Option<Protocol>,
    pub extra_scrape_metrics: Option<bool>,
    pub scrape_native_histograms: Option<bool>,
    pub enable_compression: bool,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub always_scrape_classic_histograms: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub convert_classic_histograms_to_nhcb: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub metric_name_validation_scheme: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub metric_name_escaping_scheme: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub file_sd_configs: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub http_sd_configs: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub dns_sd_configs: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub kubernetes_sd_configs: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub consul_sd_configs: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub docker_sd_configs: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub ec2_sd_configs: Present,
    pub basic_auth: Option<http::BasicAuth>,
    pub authorization: Option<Authorization>,
    pub bearer_token: config::Secret,
    pub bearer_token_file: String,
    pub tls_config: TlsConfig,
    pub http_headers: BTreeMap<String, Header>,
    pub follow_redirects: bool,
    pub enable_http2: bool,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub oauth2: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub proxy_url: Present,
    #[serde(skip_serializing_if = "Present::is_absent")]
    pub proxy_from_environment: Present,
}

/// Targets that are written down, and labels for all of them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaticConfig {
    /// `host:port`, or `unix:///path/of/socket`.
    pub targets: Vec<String>,
    pub labels: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    #[default]
    Http,
    Https,
}

/// Which of the lines of one series counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Duplicates {
    /// As in Prometheus.
    #[default]
    First,
    /// All of them, added up: for targets that leave a label out, and so print two series as one.
    Sum,
}

/// A format that can be asked for, by its name in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Protocol {
    PrometheusProto,
    #[serde(rename = "PrometheusText0.0.4")]
    PrometheusText004,
    #[serde(rename = "PrometheusText1.0.0")]
    PrometheusText100,
    #[serde(rename = "OpenMetricsText0.0.1")]
    OpenMetricsText001,
    #[serde(rename = "OpenMetricsText1.0.0")]
    OpenMetricsText100,
}

/// A key that is known, but that nothing here answers to; all that is kept is whether it is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Present(pub bool);

impl Present {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands out references")]
    fn is_absent(&self) -> bool {
        !self.0
    }
}

impl<'de> Deserialize<'de> for Present {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        serde::de::IgnoredAny::deserialize(deserializer).map(|_| Self(true))
    }
}

impl Default for Global {
    fn default() -> Self {
        Self {
            scrape_interval: Duration::from_secs(60),
            scrape_timeout: Duration::from_secs(10),
            external_labels: BTreeMap::new(),
            body_size_limit: ByteSize::mib(64),
            sample_limit: 0,
            target_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            scrape_protocols: vec![
                Protocol::OpenMetricsText100,
                Protocol::OpenMetricsText001,
                Protocol::PrometheusText100,
                Protocol::PrometheusText004,
            ],
            extra_scrape_metrics: false,
            scrape_native_histograms: false,
            evaluation_interval: Present(false),
        }
    }
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        let absent = Present(false);
        Self {
            job_name: String::new(),
            scrape_interval: None,
            scrape_timeout: None,
            metrics_path: "/metrics".to_owned(),
            scheme: Scheme::Http,
            params: BTreeMap::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            duplicates: Duplicates::First,
            repair_buckets: false,
            static_configs: Vec::new(),
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            body_size_limit: None,
            sample_limit: None,
            target_limit: None,
            label_limit: None,
            label_name_length_limit: None,
            label_value_length_limit: None,
            scrape_protocols: None,
            fallback_scrape_protocol: None,
            extra_scrape_metrics: None,
            scrape_native_histograms: None,
            enable_compression: true,
            always_scrape_classic_histograms: absent,
            convert_classic_histograms_to_nhcb: absent,
            metric_name_validation_scheme: absent,
            metric_name_escaping_scheme: absent,
            file_sd_configs: absent,
            http_sd_configs: absent,
            dns_sd_configs: absent,
            kubernetes_sd_configs: absent,
            consul_sd_configs: absent,
            docker_sd_configs: absent,
            ec2_sd_configs: absent,
            basic_auth: None,
            authorization: None,
            bearer_token: config::Secret::default(),
            bearer_token_file: String::new(),
            tls_config: TlsConfig::default(),
            http_headers: BTreeMap::new(),
            follow_redirects: true,
            enable_http2: true,
            oauth2: absent,
            proxy_url: absent,
            proxy_from_environment: absent,
        }
    }
}

impl ScrapeConfig {
    pub(crate) fn interval(&self, global: &Global) -> Duration {
        self.scrape_interval.unwrap_or(global.scrape_interval)
    }

    /// Its own timeout, or the global one where the interval leaves room for it.
    pub(crate) fn timeout(&self, global: &Global) -> Duration {
        self.scrape_timeout.unwrap_or_else(|| global.scrape_timeout.min(self.interval(global)))
    }

    pub(crate) fn body_size_limit(&self, global: &Global) -> ByteSize {
        self.body_size_limit.unwrap_or(global.body_size_limit)
    }
}

impl Scheme {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}
