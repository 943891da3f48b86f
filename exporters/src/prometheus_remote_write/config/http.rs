//! The keys of the connection.

use std::sync::Arc;

use ::config::{Problem, Section};
use http::{HeaderMap, Uri};
use pipeline::component::Context;
use pipeline::net::auth::{self, Authenticator};
use pipeline::net::client_tls;
use serde::{Deserialize, Serialize};

use crate::otlp_http::endpoint;
use crate::push::headers::Headers;

/// A URL that would do.
const EXAMPLE: &str = "http://prometheus:9090/api/v1/write";

/// What is written here, or by HTTP itself.
const RESERVED: &[&str] = &[
    "content-type",
    "content-encoding",
    "content-length",
    "transfer-encoding",
    "connection",
    "user-agent",
    "retry-attempt",
    "x-prometheus-remote-write-version",
];

/// The `http` key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(in super::super) struct Http {
    pub(in super::super) endpoint: String,
    pub(in super::super) tls: client_tls::Config,
    pub(in super::super) headers: Headers,
    pub(in super::super) auth: Option<auth::Config>,
    pub(in super::super) timeout: ::config::Duration,
    pub(in super::super) compression: Compression,
    pub(in super::super) proxy_url: String,
}

/// The `compression` key: the protocol has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(in super::super) enum Compression {
    #[default]
    #[serde(alias = "")]
    Snappy,
}

/// What was made of the keys.
pub(in super::super) struct Destination {
    pub(in super::super) url: Uri,
    pub(in super::super) headers: HeaderMap,
    pub(in super::super) authenticator: Option<Arc<Authenticator>>,
}

impl Default for Http {
    fn default() -> Self {
        Self {
            endpoint: String::new(),
            tls: client_tls::Config::default(),
            headers: Headers::default(),
            auth: None,
            timeout: ::config::Duration::from_secs(5),
            compression: Compression::Snappy,
            proxy_url: String::new(),
        }
    }
}

impl Http {
    /// Where requests go; `place` is what stands before the keys.
    pub(in super::super) fn build(
        &self,
        place: &str,
        section: &Section,
        context: &Context,
    ) -> Result<Destination, Vec<Problem>> {
        let mut problems = self.tls.problems(section, &format!("{place}tls"));
        let mut report = |key: &str, message: String| {
            problems.push(section.problem(&format!("{place}{key}"), message));
        };
        if !self.proxy_url.is_empty() {
            let message = "proxies are not supported; remove it if the endpoint may be reached without one";
            report("proxy_url", message.to_owned());
        }
        let url = if self.endpoint.is_empty() {
            Err(("endpoint", format!("is required: expected a URL such as `{EXAMPLE}`")))
        } else {
            endpoint::parse("endpoint", &self.endpoint, EXAMPLE)
        };
        if let Ok(url) = &url
            && url.scheme_str() == Some("http")
            && self.tls.has_certificate()
        {
            let message = "a client certificate needs TLS, but the endpoint is plain `http`";
            report("tls.cert_file", message.to_owned());
        }
        let url = url.map_err(|(key, message)| report(key, message));
        let headers = self.headers.to_map(RESERVED).map_err(|found| {
            for (name, message) in found {
                report(&format!("headers.{name}"), message.to_owned());
            }
        });
        let authenticator = auth::Config::find(self.auth.as_ref(), &context.net)
            .map_err(|message| report("auth.authenticator", message));
        match (url, headers, authenticator) {
            (Ok(url), Ok(headers), Ok(authenticator)) if problems.is_empty() => {
                Ok(Destination { url, headers, authenticator })
            }
            _ => Err(problems),
        }
    }
}
