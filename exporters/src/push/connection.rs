//! Keys of an OpenTelemetry Collector's clients that tune its connections. They are taken, so that its files can
//! be read, and have no effect: the connections here have bounds, pings and buffers of their own.

use config::Duration;
use serde::{Deserialize, Serialize};

/// `keepalive` of a gRPC client.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Keepalive {
    time: Duration,
    timeout: Duration,
    permit_without_stream: bool,
}

/// `cookies` of an HTTP client.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Cookies {
    enabled: bool,
}
