//! What can be set, under the keys of the OpenTelemetry Collector's exporter.

mod http;

use std::collections::BTreeMap;

use ::config::{ByteSize, Problem, Section};
use pipeline::delivery::{QueueConfig, RetryConfig};
use pipeline::net::{auth, client_tls};
use serde::{Deserialize, Serialize};

use super::forms::Forms;
use super::negotiation::Format;
use crate::prometheus::config::{Conversion, TargetInfo, strategy};
use crate::prometheus::identity::{Names, Rules};
use crate::prometheus::naming::{Strategy, Translation};
use crate::prometheus::selection::Selection;
use crate::push::TooLarge;
use crate::push::answer::RetryStatuses;
use crate::push::headers::Headers;
use crate::push::preset::{Preset, Way};
pub(super) use http::{Compression, Destination, Http};

/// The section of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    /// A backend whose needs are known.
    pub(super) preset: Option<Preset>,
    /// The whole URL, such as `http://prometheus:9090/api/v1/write`.
    pub(super) endpoint: String,
    pub(super) tls: client_tls::Config,
    /// Added to each request.
    pub(super) headers: Headers,
    pub(super) auth: Option<auth::Config>,
    /// For one attempt; zero means none.
    pub(super) timeout: ::config::Duration,
    pub(super) compression: Compression,
    /// The newer place of the keys of the connection; wins over those beside it.
    pub(super) http: Option<Box<Http>>,
    /// The message that is sent: of 1.0, or of 2.0 with 1.0 where the other side does not know that.
    pub(super) protobuf_message: ProtobufMessage,
    pub(super) namespace: String,
    /// Put on every series that has no such label.
    pub(super) external_labels: BTreeMap<String, String>,
    pub(super) add_metric_suffixes: bool,
    pub(super) translation_strategy: Option<Strategy>,
    pub(super) name_translation: Translation,
    pub(super) preserve_multiple_underscores: bool,
    pub(super) resource_to_telemetry_conversion: Conversion,
    pub(super) resource_constant_labels: Selection,
    pub(super) target_info: TargetInfo,
    /// Leaves out the `otel_scope_*` labels.
    pub(super) disable_scope_info: bool,
    /// Tells types, units and helps in requests of their own each minute; 2.0 tells them with each series.
    pub(super) send_metadata: bool,
    pub(super) send_exemplars: bool,
    /// Exponential histograms go out as native ones; if not, as classic ones.
    pub(super) send_native_histograms: bool,
    pub(super) convert_explicit_histograms_to_nhcb: bool,
    pub(super) keep_classic_histograms: bool,
    /// The queue, with fewer keys than `sending_queue`, which wins where it is given.
    pub(super) remote_write_queue: RemoteWriteQueue,
    pub(super) sending_queue: Option<QueueConfig>,
    pub(super) retry_on_failure: Retry,
    /// Before compression; larger batches are split.
    pub(super) max_batch_size_bytes: ByteSize,
    /// How many requests a batch may be divided into that are under way at once.
    pub(super) max_batch_request_parallelism: Option<usize>,
    /// About so many points are sent in one request where a batch is divided.
    pub(super) max_samples_per_send: usize,
    /// What to do when the other side answers 413.
    pub(super) when_too_large: TooLarge,
    /// The statuses after which the same request is sent again; 429 and all from 500 on where it is not given.
    pub(super) retry_statuses: Option<RetryStatuses>,
    /// Refused: a queue on disk is `sending_queue.storage`.
    #[serde(skip_serializing)]
    pub(super) wal: Option<Wal>,
    /// Refused: without it requests would go past the proxy.
    pub(super) proxy_url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) enum ProtobufMessage {
    #[default]
    #[serde(rename = "prometheus.WriteRequest")]
    V1,
    #[serde(rename = "io.prometheus.write.v2.Request")]
    V2,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RemoteWriteQueue {
    enabled: bool,
    queue_size: u64,
    num_consumers: usize,
}

/// `retry_on_failure`, whose first wait is short here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Retry {
    enabled: bool,
    initial_interval: ::config::Duration,
    randomization_factor: f64,
    multiplier: f64,
    max_interval: ::config::Duration,
    max_elapsed_time: Option<::config::Duration>,
}

/// The collector's own log on disk.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Wal {
    directory: String,
    buffer_size: u64,
    truncate_frequency: ::config::Duration,
    lag_record_frequency: ::config::Duration,
}

impl Default for RemoteWriteQueue {
    fn default() -> Self {
        Self { enabled: true, queue_size: 10_000, num_consumers: 5 }
    }
}

impl Default for Retry {
    fn default() -> Self {
        let RetryConfig {
            enabled,
            initial_interval: _,
            randomization_factor,
            multiplier,
            max_interval,
            max_elapsed_time,
        } = RetryConfig::default();
        let initial_interval = ::config::Duration::from_millis(50);
        Self { enabled, initial_interval, randomization_factor, multiplier, max_interval, max_elapsed_time }
    }
}

impl Default for Config {
    fn default() -> Self {
        let http = Http::default();
        Self {
            preset: None,
            endpoint: http.endpoint,
            tls: http.tls,
            headers: http.headers,
            auth: http.auth,
            timeout: http.timeout,
            compression: http.compression,
            http: None,
            protobuf_message: ProtobufMessage::V1,
            namespace: String::new(),
            external_labels: BTreeMap::new(),
            add_metric_suffixes: true,
            translation_strategy: None,
            name_translation: Translation::Prometheus,
            preserve_multiple_underscores: true,
            resource_to_telemetry_conversion: Conversion::default(),
            resource_constant_labels: Selection::default(),
            target_info: TargetInfo::default(),
            disable_scope_info: false,
            send_metadata: false,
            send_exemplars: true,
            send_native_histograms: true,
            convert_explicit_histograms_to_nhcb: false,
            keep_classic_histograms: false,
            remote_write_queue: RemoteWriteQueue::default(),
            sending_queue: None,
            retry_on_failure: Retry::default(),
            max_batch_size_bytes: ByteSize(3_000_000),
            max_batch_request_parallelism: None,
            max_samples_per_send: 2000,
            when_too_large: TooLarge::Drop,
            retry_statuses: None,
            wal: None,
            proxy_url: http.proxy_url,
        }
    }
}

impl Config {
    /// Where requests go, and the key that the settings of the connection are under.
    pub(super) fn connection(&self) -> (Http, &'static str) {
        let (mut http, place) = self.written_connection();
        if let Some(preset) = self.preset {
            http.endpoint = preset.endpoint(&http.endpoint, Way::RemoteWrite);
        }
        (http, place)
    }

    fn written_connection(&self) -> (Http, &'static str) {
        if let Some(http) = &self.http {
            return ((**http).clone(), "http.");
        }
        let http = Http {
            endpoint: self.endpoint.clone(),
            tls: self.tls.clone(),
            headers: self.headers.clone(),
            auth: self.auth.clone(),
            timeout: self.timeout,
            compression: self.compression,
            proxy_url: self.proxy_url.clone(),
        };
        (http, "")
    }

    pub(super) fn queue(&self) -> QueueConfig {
        self.sending_queue.clone().unwrap_or_else(|| {
            let RemoteWriteQueue { enabled, queue_size, num_consumers } = self.remote_write_queue;
            QueueConfig { enabled, num_consumers, queue_size, ..QueueConfig::default() }
        })
    }

    pub(super) fn retry(&self) -> RetryConfig {
        let Retry {
            enabled,
            initial_interval,
            randomization_factor,
            multiplier,
            max_interval,
            max_elapsed_time,
        } = self.retry_on_failure;
        RetryConfig {
            enabled,
            initial_interval,
            randomization_factor,
            multiplier,
            max_interval,
            max_elapsed_time,
        }
    }

    /// Into how many requests a batch is divided at most.
    pub(super) fn parallelism(&self) -> usize {
        self.max_batch_request_parallelism.unwrap_or_else(|| self.queue().num_consumers).max(1)
    }

    pub(super) fn format(&self) -> Format {
        match self.protobuf_message {
            ProtobufMessage::V1 => Format::V1,
            ProtobufMessage::V2 => Format::V2,
        }
    }

    pub(super) fn forms(&self) -> Forms {
        Forms {
            is_native: self.send_native_histograms,
            is_custom: self.convert_explicit_histograms_to_nhcb,
            keeps_classic: self.keep_classic_histograms,
            has_exemplars: self.send_exemplars,
        }
    }

    /// How series are named.
    pub(super) fn rules(&self) -> Rules {
        Rules::new(Names {
            strategy: self.strategy(),
            translation: self.name_translation,
            namespace: self.namespace.clone(),
            preserve_multiple_underscores: self.preserve_multiple_underscores,
            has_scope: !self.disable_scope_info,
            constant: Vec::new(),
            promoted: self.resource_to_telemetry_conversion.beside(&self.resource_constant_labels),
            has_target_info: self.target_info.enabled,
            metrics: Selection::default(),
        })
    }

    fn strategy(&self) -> Strategy {
        strategy(self.translation_strategy, self.add_metric_suffixes)
    }

    /// External labels that would be one label with another of a series, as they are written in the message chosen.
    fn clashing_labels(&self) -> Vec<(&str, String)> {
        let rules = self.rules();
        let mut written = BTreeMap::new();
        let mut clashing = Vec::new();
        for name in self.external_labels.keys().filter(|name| !name.is_empty() && !name.starts_with("__")) {
            let label = rules.labels.name(name, self.format().escaping());
            if matches!(&*label, "le" | "quantile") {
                let message = format!("`{label}` is the label of buckets or quantiles: choose another name");
                clashing.push((name.as_str(), message));
            } else if let Some(other) = written.insert(label.clone(), name) {
                let message = format!("is written as `{label}`, and so is `{other}`: choose another name");
                clashing.push((name.as_str(), message));
            }
        }
        clashing
    }

    /// What is wrong, besides the connection.
    pub(super) fn problems(&self, section: &Section) -> Vec<Problem> {
        let mut problems = self.retry().problems(section);
        match &self.sending_queue {
            Some(queue) => problems.extend(queue.problems(section)),
            None => problems.extend(self.remote_write_queue.problems(section)),
        }
        problems.extend(self.retry_statuses.iter().flat_map(|statuses| statuses.problems(section)));
        let mut report = |key: &str, message: String| problems.push(section.problem(key, message));
        if self.strategy().keeps_utf8() && self.format() == Format::V1 {
            let message = "Remote Write 1.0 has no UTF-8 names: set `protobuf_message: \
                           io.prometheus.write.v2.Request`, or choose another strategy";
            report("translation_strategy", message.to_owned());
        }
        for name in self.external_labels.keys().filter(|name| name.is_empty() || name.starts_with("__")) {
            let message = "expected the name of a label that does not start with `__`";
            report(&format!("external_labels.{name}"), message.to_owned());
        }
        for (name, message) in self.clashing_labels() {
            report(&format!("external_labels.{name}"), message);
        }
        for (name, _) in self.external_labels.iter().filter(|(_, value)| value.is_empty()) {
            report(&format!("external_labels.{name}"), String::from("expected a value that is not empty"));
        }
        if self.max_batch_size_bytes.0 == 0 {
            report("max_batch_size_bytes", String::from("expected more than `0`, such as `3000000`"));
        }
        if self.max_samples_per_send == 0 {
            report("max_samples_per_send", String::from("expected at least `1`, such as `2000`"));
        }
        if self.max_batch_request_parallelism == Some(0) {
            report("max_batch_request_parallelism", String::from("expected at least `1`"));
        }
        if self.wal.is_some() {
            let message = "this log does not exist here: write `sending_queue: {storage: file_storage/queue, queue_size: \
                           10000}` in its place and in that of `remote_write_queue`, configure that extension with \
                           this `directory`, and name it in `service.extensions`";
            report("wal", message.to_owned());
        }
        problems
    }
}

impl RemoteWriteQueue {
    fn problems(&self, section: &Section) -> Vec<Problem> {
        let queue = QueueConfig {
            enabled: self.enabled,
            num_consumers: self.num_consumers,
            queue_size: self.queue_size,
            ..QueueConfig::default()
        };
        let renamed = |problem: Problem| {
            let key = problem.path.rsplit('.').next().unwrap_or_default();
            section.problem(&format!("remote_write_queue.{key}"), problem.message)
        };
        queue.problems(section).into_iter().map(renamed).collect()
    }
}
