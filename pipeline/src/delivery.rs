//! Queue, batching, timeout, retry and drain: once, for every exporter.

use config::Duration;
use serde::{Deserialize, Serialize};

/// How an exporter is delivered to; filled from its `sending_queue`, `retry_on_failure` and `timeout` keys.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Config {
    pub sending_queue: QueueConfig,
    pub retry_on_failure: RetryConfig,
    /// For one attempt; zero means none.
    pub timeout: Duration,
}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueConfig {}

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryConfig {}
