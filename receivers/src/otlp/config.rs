//! The receiver's part of the file.

use std::collections::BTreeMap;

use config::{ByteSize, Problem, Secret, Section};
use pipeline::net::body::Encoding;
use pipeline::net::{Net, auth, server_tls};
use serde::{Deserialize, Serialize};

use crate::serving::{CorsConfig, Extras, Transport, check_size, common_problems};

/// What a request may hold, after decompression: what the protocol recommends.
const REQUEST_MIB_MAX: u64 = 64;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub(super) protocols: Protocols,
}

/// A protocol is served when it is named, even without a value.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Protocols {
    pub(super) grpc: Option<GrpcConfig>,
    pub(super) http: Option<HttpConfig>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct GrpcConfig {
    pub(super) endpoint: String,
    transport: Transport,
    pub(super) tls: Option<server_tls::Config>,
    pub(super) auth: Option<auth::Config>,
    /// The largest message, before and after decompression; 0 is the default.
    max_recv_msg_size_mib: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct HttpConfig {
    pub(super) endpoint: String,
    transport: Transport,
    pub(super) tls: Option<server_tls::Config>,
    pub(super) auth: Option<auth::Config>,
    pub(super) cors: Option<CorsConfig>,
    /// The largest body, before and after decompression; 0 is the default.
    max_request_body_size: ByteSize,
    pub(super) metrics_url_path: String,
    /// Where traces would go, were they taken: the answer says that they are not.
    pub(super) traces_url_path: String,
    /// The same for logs.
    pub(super) logs_url_path: String,
    /// Put on every response.
    pub(super) response_headers: BTreeMap<String, Secret>,
    /// How bodies may be compressed; the empty name is for those that are not.
    pub(super) compression_algorithms: Vec<String>,
}

impl Default for GrpcConfig {
    fn default() -> Self {
        Self {
            endpoint: String::from("localhost:4317"),
            transport: Transport::Tcp,
            tls: None,
            auth: None,
            max_recv_msg_size_mib: REQUEST_MIB_MAX,
        }
    }
}

impl Default for HttpConfig {
    fn default() -> Self {
        Self {
            endpoint: String::from("localhost:4318"),
            transport: Transport::Tcp,
            tls: None,
            auth: None,
            cors: None,
            max_request_body_size: ByteSize::mib(REQUEST_MIB_MAX),
            metrics_url_path: String::from("/v1/metrics"),
            traces_url_path: String::from("/v1/traces"),
            logs_url_path: String::from("/v1/logs"),
            response_headers: BTreeMap::new(),
            compression_algorithms: ["", "gzip", "zstd"].map(String::from).to_vec(),
        }
    }
}

impl Config {
    /// Everything that is wrong, beyond what does not fit the types.
    pub(super) fn problems(&self, section: &Section, net: &Net) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: &str, message: String| problems.push(section.problem(key, message));
        let Protocols { grpc, http } = &self.protocols;
        if grpc.is_none() && http.is_none() {
            let message = "nothing would be received: name `grpc`, `http` or both, as in `protocols: { grpc: {}, http: {} }`";
            add("protocols", String::from(message));
        }
        if let Some(grpc) = grpc {
            let common = (grpc.endpoint.as_str(), &grpc.tls, &grpc.auth);
            let mut add = |key: &str, message| add(&format!("protocols.grpc.{key}"), message);
            common_problems(common, net, &mut add);
            check_size("max_recv_msg_size_mib", grpc.message_bytes_max(), &mut add);
        }
        if let Some(http) = http {
            let mut add = |key: &str, message| add(&format!("protocols.http.{key}"), message);
            common_problems((http.endpoint.as_str(), &http.tls, &http.auth), net, &mut add);
            http.problems(&mut add);
            let is_shared = grpc.as_ref().is_some_and(|grpc| grpc.endpoint == http.endpoint);
            if is_shared && !http.endpoint.ends_with(":0") {
                add(
                    "endpoint",
                    String::from("gRPC and HTTP need an address each, such as ports 4317 and 4318"),
                );
            }
        }
        problems
    }
}

impl GrpcConfig {
    pub(super) fn message_bytes_max(&self) -> usize {
        let mebibytes =
            if self.max_recv_msg_size_mib == 0 { REQUEST_MIB_MAX } else { self.max_recv_msg_size_mib };
        usize::try_from(mebibytes.saturating_mul(1 << 20)).unwrap_or(usize::MAX)
    }
}

impl HttpConfig {
    pub(super) fn body_bytes_max(&self) -> usize {
        let ByteSize(bytes) = self.max_request_body_size;
        let bytes = if bytes == 0 { REQUEST_MIB_MAX << 20 } else { bytes };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    fn problems(&self, add: &mut dyn FnMut(&str, String)) {
        check_size("max_request_body_size", self.body_bytes_max(), add);
        let paths = [
            ("metrics_url_path", &self.metrics_url_path),
            ("traces_url_path", &self.traces_url_path),
            ("logs_url_path", &self.logs_url_path),
        ];
        for (key, path) in paths {
            if !path.starts_with('/') || path.contains(['?', '#', ' ']) {
                add(key, format!("expected a path such as `/v1/metrics`, got `{path}`"));
            }
        }
        for name in &self.compression_algorithms {
            if Encoding::parse(name).is_none() {
                let message =
                    format!("`{name}` is not supported; there is `gzip` and `zstd`, and `` for neither");
                add("compression_algorithms", message);
            }
        }
        Extras::problems(&self.response_headers, self.cors.as_ref(), add);
    }
}
