//! The pages of a schema, as they stand in its file.

use serde::Deserialize;

/// A page; the exporters serve it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endpoint {
    pub path: String,
    #[serde(default)]
    pub format: Format,
    /// Instead of the facade's.
    pub port: Option<u16>,
    /// Only these metrics: names, and globs with `*`.
    #[serde(default)]
    pub metrics: Vec<String>,
    /// The status of the answer.
    #[serde(default = "ok")]
    pub status: u16,
    /// What stands on a page of metrics while there is none.
    pub empty: Option<String>,
    /// Of a page in JSON: what the exporter `json` fills in.
    pub body: Option<serde_json::Value>,
    /// Of a page in JSON: other answers, each with what must hold; read by the exporter `json`.
    pub when: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    #[default]
    Prometheus,
    Json,
    /// GPUStack's API for its mapping.
    RuntimeConfig,
}

/// Where `--facade` listens.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facade {
    pub port: Option<u16>,
    /// An environment variable that changes the port.
    pub port_variable: Option<String>,
    /// A Unix socket, used where the variable of the port is not set.
    pub socket: Option<String>,
    pub socket_variable: Option<String>,
    pub disable_variable: Option<String>,
}

fn ok() -> u16 {
    200
}
