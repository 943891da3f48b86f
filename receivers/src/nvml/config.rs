//! The section of the file.

use ::config::Duration;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Config {
    pub(super) collection_interval: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { collection_interval: Duration::from_secs(10) }
    }
}
