//! What can be set, under the keys of the OpenTelemetry Collector's exporter.

use std::collections::BTreeMap;

use config::{Duration, Problems, Section};
use pipeline::net::server::check_endpoint;
use pipeline::net::{Net, auth, server_tls};
use serde::{Deserialize, Serialize};

use super::identity::{Names, Rules};
use super::naming::{Strategy, Translation};
use super::selection::Selection;

/// The section of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Config {
    /// Where to listen.
    pub(crate) endpoint: String,
    /// The path of the page; several exporters may share an endpoint under different paths.
    pub(crate) path: String,
    pub(crate) tls: Option<server_tls::Config>,
    pub(crate) auth: Option<auth::Config>,
    /// Which metrics are on the page, by the names they have there.
    pub(crate) metrics: Selection,
    /// Comments for a page without series, in the text format; OpenMetrics has none.
    pub(crate) empty_page: String,
    /// Put in front of every name, but for those of a schema.
    pub(crate) namespace: String,
    /// Put on every series except `target_info`.
    pub(crate) const_labels: BTreeMap<String, String>,
    /// Writes the time of each point; for federation.
    pub(crate) send_timestamps: bool,
    /// A series not heard of for so long is removed; 0 is never.
    pub(crate) metric_expiration: Duration,
    /// Answers in OpenMetrics whoever asks for it.
    pub(crate) enable_open_metrics: bool,
    /// Adds units and `_total` to names; without meaning where `translation_strategy` is given.
    pub(crate) add_metric_suffixes: bool,
    pub(crate) translation_strategy: Option<Strategy>,
    /// Who is followed where Prometheus and the specification would name a metric differently.
    pub(crate) name_translation: Translation,
    /// Leaves runs of `_` in the names of labels as they are.
    pub(crate) preserve_multiple_underscores: bool,
    pub(crate) resource_to_telemetry_conversion: Conversion,
    /// Makes labels of some attributes of the resource.
    pub(crate) resource_constant_labels: Selection,
    /// Leaves out the `otel_scope_*` labels.
    pub(crate) without_scope_info: bool,
    pub(crate) target_info: TargetInfo,
    /// Writes `_created` samples in OpenMetrics.
    pub(crate) created_timestamps: bool,
    /// How many series are held; further ones are left out and counted.
    pub(crate) max_series: usize,
}

/// Makes labels of all attributes of the resource.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Conversion {
    pub(crate) enabled: bool,
    /// Except `service.name`, `service.namespace` and `service.instance.id`.
    pub(crate) exclude_service_attributes: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TargetInfo {
    pub(crate) enabled: bool,
}

impl Default for TargetInfo {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: "127.0.0.1:9464".to_owned(),
            path: "/metrics".to_owned(),
            tls: None,
            auth: None,
            metrics: Selection::default(),
            empty_page: String::new(),
            namespace: String::new(),
            const_labels: BTreeMap::new(),
            send_timestamps: false,
            metric_expiration: Duration::from_secs(300),
            enable_open_metrics: true,
            add_metric_suffixes: true,
            translation_strategy: None,
            name_translation: Translation::Prometheus,
            preserve_multiple_underscores: true,
            resource_to_telemetry_conversion: Conversion::default(),
            resource_constant_labels: Selection::default(),
            without_scope_info: false,
            target_info: TargetInfo::default(),
            created_timestamps: false,
            max_series: 1_000_000,
        }
    }
}

impl Config {
    /// Reads the section, and says everything that is wrong with it.
    pub(crate) fn read(section: &Section, net: &Net) -> Result<Self, Problems> {
        section.build(|config: Self| config.checked(section, net))
    }

    fn checked(self, section: &Section, net: &Net) -> Result<Self, Problems> {
        let mut problems = Vec::new();
        if let Err(reason) = check_endpoint(&self.endpoint) {
            problems.push(section.problem("endpoint", reason));
        }
        if !self.path.starts_with('/') {
            let message = format!("expected a path such as `/metrics`, got `{}`", self.path);
            problems.push(section.problem("path", message));
        }
        for (key, message) in self.tls.iter().flat_map(server_tls::Config::check) {
            problems.push(section.problem(&format!("tls.{key}"), message));
        }
        if let Err(message) = auth::Config::find(self.auth.as_ref(), net) {
            problems.push(section.problem("auth.authenticator", message));
        }
        for name in self.const_labels.keys().filter(|name| name.is_empty() || name.starts_with("__")) {
            let key = format!("const_labels.{name}");
            problems
                .push(section.problem(&key, "expected the name of a label that does not start with `__`"));
        }
        if let Some(line) = self.empty_page.lines().find(|line| !is_comment(line)) {
            let message = format!("expected lines such as `# Nothing runs`, got `{line}`");
            problems.push(section.problem("empty_page", message));
        }
        if self.max_series == 0 {
            problems.push(section.problem("max_series", "expected at least 1"));
        }
        if problems.is_empty() { Ok(self) } else { Err(Problems(problems)) }
    }

    /// How series are named.
    pub(crate) fn rules(&self) -> Rules {
        Rules::new(Names {
            strategy: strategy(self.translation_strategy, self.add_metric_suffixes),
            translation: self.name_translation,
            namespace: self.namespace.clone(),
            preserve_multiple_underscores: self.preserve_multiple_underscores,
            has_scope: !self.without_scope_info,
            constant: self.const_labels.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
            promoted: self.resource_to_telemetry_conversion.beside(&self.resource_constant_labels),
            has_target_info: self.target_info.enabled,
            metrics: self.metrics.clone(),
        })
    }
}

impl Conversion {
    /// Which attributes of the resource become labels, with those that are chosen one by one.
    pub(crate) fn beside(&self, chosen: &Selection) -> Selection {
        let Selection { mut included, mut excluded } = chosen.clone();
        if self.enabled {
            included.push("*".to_owned());
            if self.exclude_service_attributes {
                excluded
                    .extend(["service.name", "service.namespace", "service.instance.id"].map(str::to_owned));
            }
        }
        Selection { included, excluded }
    }
}

/// The strategy, which without the key follows from the older `add_metric_suffixes`.
pub(crate) fn strategy(chosen: Option<Strategy>, add_metric_suffixes: bool) -> Strategy {
    chosen.unwrap_or(if add_metric_suffixes {
        Strategy::UnderscoreEscapingWithSuffixes
    } else {
        Strategy::UnderscoreEscapingWithoutSuffixes
    })
}

/// Whether a line says something to people, and nothing to a scraper.
fn is_comment(line: &str) -> bool {
    let words = line.strip_prefix('#').map(|text| text.split_whitespace().next());
    words.is_some_and(|word| !matches!(word, Some("HELP" | "TYPE" | "UNIT" | "EOF")))
}
