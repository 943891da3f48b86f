//! The receiver's part of the file.

use std::collections::BTreeMap;

use config::{ByteSize, Problem, Secret, Section};
use pipeline::net::{Net, auth, server_tls};
use serde::{Deserialize, Serialize};

use crate::serving::{CorsConfig, Extras, Transport, check_size, common_problems};

/// What a body may hold as it comes.
const BODY_MIB_MAX: u64 = 10;

/// What it may hold after decompression, at least: what Prometheus itself takes.
const DECODED_BYTES_MAX: usize = 32 << 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub(super) endpoint: String,
    transport: Transport,
    pub(super) tls: Option<server_tls::Config>,
    pub(super) auth: Option<auth::Config>,
    pub(super) cors: Option<CorsConfig>,
    /// The largest body as it comes; 0 is the default.
    max_request_body_size: ByteSize,
    /// Put on every response.
    pub(super) response_headers: BTreeMap<String, Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::from("localhost:9090"),
            transport: Transport::Tcp,
            tls: None,
            auth: None,
            cors: None,
            max_request_body_size: ByteSize::mib(BODY_MIB_MAX),
            response_headers: BTreeMap::new(),
        }
    }
}

impl Config {
    /// Everything that is wrong, beyond what does not fit the types.
    pub(super) fn problems(&self, section: &Section, net: &Net) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut add = |key: &str, message: String| problems.push(section.problem(key, message));
        common_problems((&self.endpoint, &self.tls, &self.auth), net, &mut add);
        check_size("max_request_body_size", self.body_bytes_max(), &mut add);
        Extras::problems(&self.response_headers, self.cors.as_ref(), &mut add);
        problems
    }

    pub(super) fn body_bytes_max(&self) -> usize {
        let ByteSize(bytes) = self.max_request_body_size;
        let bytes = if bytes == 0 { BODY_MIB_MAX << 20 } else { bytes };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    pub(super) fn decoded_bytes_max(&self) -> usize {
        self.body_bytes_max().max(DECODED_BYTES_MAX)
    }
}
