//! The configuration of a collector under a fault: OTLP in, one exporter out.

use std::fmt::Write;
use std::path::PathBuf;

/// What the backend takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Grpc,
    Http,
    RemoteWrite,
}

/// How the collector is set up; faults change it between two starts.
#[derive(Debug, Clone)]
pub struct Setup {
    pub kind: Kind,
    /// Behind the exporter's kind: `/b`.
    pub name: String,
    /// `127.0.0.1:4317`, or with a name in place of the number.
    pub address: String,
    pub scheme: &'static str,
    /// More keys of the exporter: `, tls: {...}`.
    pub exporter: String,
    /// More keys of its queue.
    pub queue: String,
    pub retry: String,
    pub timeout: &'static str,
    /// Whether the queue is on disk.
    pub is_stored: bool,
    /// More keys of `file_storage`.
    pub storage: String,
    /// Where, if not in the folder of the scene.
    pub storage_folder: Option<PathBuf>,
    /// Exporters besides: id and section.
    pub others: Vec<(String, String)>,
    /// What the collector is started with.
    pub wrapper: Vec<String>,
    pub variables: Vec<(String, String)>,
}

/// Requests under way at once.
pub(super) const CONSUMERS: u64 = 4;

/// How many senders there are.
pub(super) const SENDERS: u64 = 3;

/// Points of a request to the collector.
pub(super) const POINTS_PER_REQUEST: u64 = 20;

impl Setup {
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            name: String::new(),
            address: String::new(),
            scheme: "http",
            exporter: String::new(),
            queue: String::from("queue_size: 100000"),
            retry: String::from("initial_interval: 100ms, max_interval: 500ms, max_elapsed_time: 0"),
            timeout: "10s",
            is_stored: false,
            storage: String::new(),
            storage_folder: None,
            others: Vec::new(),
            wrapper: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// With the queue on disk.
    pub fn stored(kind: Kind) -> Self {
        Self { is_stored: true, ..Self::new(kind) }
    }

    /// The exporter's id.
    pub fn exporter_id(&self) -> String {
        let kind = match self.kind {
            Kind::Grpc => "otlp_grpc",
            Kind::Http => "otlp_http",
            Kind::RemoteWrite => "prometheus_remote_write",
        };
        format!("{kind}{}", self.name)
    }

    fn section(&self) -> String {
        let Self { scheme, address, timeout, exporter, queue, retry, .. } = self;
        let path = if self.kind == Kind::RemoteWrite { "/api/v1/write" } else { "" };
        let storage = if self.is_stored { ", storage: file_storage" } else { "" };
        format!(
            "{{endpoint: '{scheme}://{address}{path}', timeout: {timeout}{exporter}, \
             sending_queue: {{num_consumers: {CONSUMERS}, {queue}{storage}}}, retry_on_failure: {{{retry}}}}}"
        )
    }

    /// The file, with the queue in this folder.
    pub fn config(&self, folder: &str) -> String {
        let mut exporters = vec![(self.exporter_id(), self.section())];
        exporters.extend(self.others.iter().cloned());
        let ids = exporters.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>().join(", ");
        let mut config = String::from(
            "receivers:\n  otlp: {protocols: {grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}}}\n",
        );
        let storage = &self.storage;
        let mut services = "";
        if self.is_stored {
            services = "  extensions: [file_storage]\n";
            let _ = writeln!(
                config,
                "extensions:\n  file_storage: {{directory: '{folder}', create_directory: true{storage}}}"
            );
        }
        config.push_str("exporters:\n");
        for (id, section) in &exporters {
            let _ = writeln!(config, "  {id}: {section}");
        }
        let _ = write!(
            config,
            "service:
{services}  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [{ids}]}}
"
        );
        config
    }
}
