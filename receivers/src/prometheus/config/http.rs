//! How a job's requests are sent: credentials, TLS, headers.

use std::sync::Arc;

use ::http::{HeaderMap, HeaderName, HeaderValue};
use config::Secret;
use pipeline::net::auth::{Authenticator, Basic, Bearer, Source};
use pipeline::net::client::{ClientConfig, Protocol};
use pipeline::net::client_tls;
use serde::{Deserialize, Serialize};

use super::ScrapeConfig;

#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BasicAuth {
    pub username: String,
    /// Read again when it changes.
    pub username_file: String,
    pub password: Secret,
    /// Read again when it changes.
    pub password_file: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Authorization {
    #[serde(rename = "type")]
    pub scheme: String,
    pub credentials: Secret,
    /// Read again when it changes.
    pub credentials_file: String,
}

/// TLS towards the targets, as Prometheus has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TlsConfig {
    pub ca: Secret,
    pub ca_file: String,
    pub cert: Secret,
    pub cert_file: String,
    pub key: Secret,
    pub key_file: String,
    pub server_name: String,
    pub insecure_skip_verify: bool,
    pub min_version: Option<TlsVersion>,
    pub max_version: Option<TlsVersion>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    #[serde(rename = "TLS12")]
    Tls12,
    #[serde(rename = "TLS13")]
    Tls13,
}

/// A header's values; `secrets` do not print.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Header {
    pub values: Vec<String>,
    pub secrets: Vec<Secret>,
}

/// What a job's requests need, made from its configuration.
#[derive(Debug, Clone)]
pub(crate) struct HttpConfig {
    pub(crate) client: ClientConfig,
    pub(crate) authenticator: Option<Arc<Authenticator>>,
    /// Custom headers; not sent to another host than the target's.
    pub(crate) headers: HeaderMap,
}

/// Headers that a job cannot set.
pub(crate) struct Reserved;

impl Reserved {
    const NAMES: [&str; 11] = [
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "host",
        "transfer-encoding",
        "user-agent",
        "x-prometheus-scrape-timeout-seconds",
    ];

    pub(crate) fn has(name: &str) -> bool {
        Self::NAMES.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
    }
}

impl Default for Authorization {
    fn default() -> Self {
        Self { scheme: "Bearer".to_owned(), credentials: Secret::default(), credentials_file: String::new() }
    }
}

impl TlsConfig {
    fn to_client(&self) -> client_tls::Config {
        let version = |version: TlsVersion| match version {
            TlsVersion::Tls12 => client_tls::Version::Tls12,
            TlsVersion::Tls13 => client_tls::Version::Tls13,
        };
        client_tls::Config {
            insecure_skip_verify: self.insecure_skip_verify,
            ca_file: self.ca_file.clone(),
            ca_pem: self.ca.clone(),
            cert_file: self.cert_file.clone(),
            cert_pem: self.cert.clone(),
            key_file: self.key_file.clone(),
            key_pem: self.key.clone(),
            server_name_override: self.server_name.clone(),
            min_version: self.min_version.map(version),
            max_version: self.max_version.map(version),
            ..client_tls::Config::default()
        }
    }
}

impl Header {
    /// Every value the header has.
    pub(super) fn all(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str).chain(self.secrets.iter().map(Secret::reveal))
    }
}

impl HttpConfig {
    /// Takes a configuration in which nothing is wrong; a header that is none is left out.
    pub(crate) fn new(job: &ScrapeConfig) -> Self {
        let mut headers = HeaderMap::new();
        for (name, header) in &job.http_headers {
            for value in header.all() {
                if let (Ok(name), Ok(mut value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
                {
                    value.set_sensitive(true);
                    headers.append(name, value);
                }
            }
        }
        let protocol = if job.enable_http2 { Protocol::Auto } else { Protocol::Http1 };
        let client = ClientConfig { tls: job.tls_config.to_client(), protocol, ..ClientConfig::default() };
        Self { client, authenticator: authenticator(job).map(Arc::new), headers }
    }
}

fn authenticator(job: &ScrapeConfig) -> Option<Authenticator> {
    let source = |text: &Secret, file: &str| {
        if file.is_empty() { Source::Text(text.clone()) } else { Source::file(file) }
    };
    if let Some(basic) = &job.basic_auth {
        let user = source(&Secret::new(basic.username.clone()), &basic.username_file);
        let password = source(&basic.password, &basic.password_file);
        return Some(Authenticator::basic(Basic { client: Some((user, password)), ..Basic::default() }));
    }
    if let Some(authorization) = &job.authorization {
        let token = source(&authorization.credentials, &authorization.credentials_file);
        let scheme = authorization.scheme.trim().to_owned();
        return Some(Authenticator::bearer(Bearer { tokens: vec![token], scheme, ..Bearer::default() }));
    }
    if job.bearer_token.is_empty() && job.bearer_token_file.is_empty() {
        return None;
    }
    let token = source(&job.bearer_token, &job.bearer_token_file);
    Some(Authenticator::bearer(Bearer { tokens: vec![token], ..Bearer::default() }))
}
