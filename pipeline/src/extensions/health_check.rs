//! `health_check`: an address that says whether the collector is at work, for whoever starts and watches it.
//!
//! ```yaml
//! extensions:
//!   health_check:
//!     endpoint: 0.0.0.0:13133
//! ```

use config::{Problems, Section};
use serde::{Deserialize, Serialize};

use super::Extension;
use crate::component::{Context, Entry};
use crate::net::server::{self, check_endpoint};
use crate::net::server_tls;

pub(super) const ENTRY: Entry<Extension> = Entry {
    name: "health_check",
    aliases: &["healthcheck"],
    ignored: &[("", &["check_collector_pipeline"]), ("", server::IGNORED), ("", server::IGNORED_WHERE_READ)],
    about: "Says over HTTP whether the collector is at work.",
    example: "endpoint: 127.0.0.1:13133\n",
    effective: config::effective::<Config>,
    build,
};

/// Where it is said, and in which words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    pub endpoint: String,
    /// The path; `/` is every path.
    pub path: String,
    pub tls: Option<server_tls::Config>,
    pub response_body: ResponseBody,
}

/// What is said in the place of a status in JSON.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ResponseBody {
    pub healthy: String,
    pub unhealthy: String,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: String::from("localhost:13133"),
            path: String::from("/"),
            tls: None,
            response_body: ResponseBody::default(),
        }
    }
}

fn build(section: &Section, _context: &Context) -> Result<Extension, Problems> {
    section.build(|config: Config| {
        let mut problems = Vec::new();
        if let Err(message) = check_endpoint(&config.endpoint) {
            problems.push(section.problem("endpoint", message));
        }
        if !config.path.starts_with('/') || config.path.contains(['?', '#', ' ']) {
            let message = format!("expected a path such as `/` or `/health`, got `{}`", config.path);
            problems.push(section.problem("path", message));
        }
        for (key, message) in config.tls.iter().flat_map(server_tls::Config::check) {
            problems.push(section.problem(&format!("tls.{key}"), message));
        }
        if problems.is_empty() { Ok(Extension::HealthCheck(config)) } else { Err(Problems(problems)) }
    })
}
