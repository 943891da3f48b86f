//! TLS towards others: the `tls` block of whatever connects.

mod certificates;
#[cfg(test)]
mod tests;

use std::fmt;

use config::{Duration, Problem, Secret, Section};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};

pub(crate) use certificates::Certificates;

/// The `tls` block of a client, as an OpenTelemetry Collector has it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Speaks plain text where the endpoint has no scheme (gRPC); an endpoint's scheme wins.
    pub insecure: bool,
    /// Takes any certificate of the other side; the connection is private, but to whom is not known.
    pub insecure_skip_verify: bool,
    /// PEM file with the authorities to trust instead of the system's.
    pub ca_file: String,
    /// The same, written here.
    pub ca_pem: Secret,
    /// PEM file with the client's certificate, its chain behind it; goes with a key.
    pub cert_file: String,
    /// The same, written here.
    pub cert_pem: Secret,
    /// PEM file with the client's private key.
    pub key_file: String,
    /// The same, written here.
    pub key_pem: Secret,
    /// The name the other side's certificate must have, where it is not the endpoint's host.
    pub server_name_override: String,
    /// The oldest TLS to speak: `1.2` (the default) or `1.3`.
    pub min_version: Option<Version>,
    /// The newest TLS to speak; the newest there is by default.
    pub max_version: Option<Version>,
    /// Trusts the system's authorities besides those of `ca_file`.
    pub include_system_ca_certs_pool: bool,
    /// How often files are looked at again; by default at every new connection.
    pub reload_interval: Duration,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub enum Version {
    #[serde(rename = "1.2")]
    Tls12,
    #[serde(rename = "1.3")]
    Tls13,
}

impl Config {
    /// Whether a client certificate is to be shown.
    pub fn has_certificate(&self) -> bool {
        !self.cert_file.is_empty() || !self.cert_pem.is_empty()
    }

    /// Whether there is something to read before the first connection.
    pub(crate) fn has_files(&self) -> bool {
        self.has_certificate() || !self.ca_file.is_empty() || !self.ca_pem.is_empty()
    }

    /// What is wrong with the block that stands at `key` of the section; reads no file.
    pub fn problems(&self, section: &Section, key: &str) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut report = |name: &str, message: String| {
            problems.push(section.problem(&format!("{key}.{name}"), message));
        };
        for (name, file, pem) in [
            ("ca_pem", &self.ca_file, &self.ca_pem),
            ("cert_pem", &self.cert_file, &self.cert_pem),
            ("key_pem", &self.key_file, &self.key_pem),
        ] {
            if !file.is_empty() && !pem.is_empty() {
                let file_key = name.replace("_pem", "_file");
                report(name, format!("expected either `{file_key}` or `{name}`, got both"));
            }
        }
        let has_key = !self.key_file.is_empty() || !self.key_pem.is_empty();
        if self.has_certificate() && !has_key {
            report("key_file", String::from("expected the private key that belongs to the certificate"));
        }
        if has_key && !self.has_certificate() {
            report("cert_file", String::from("expected the certificate that belongs to the private key"));
        }
        for (name, pem) in [("ca_pem", &self.ca_pem), ("cert_pem", &self.cert_pem)] {
            if !pem.is_empty() && CertificateDer::from_pem_slice(pem.reveal().as_bytes()).is_err() {
                report(name, String::from("expected a certificate in PEM, `-----BEGIN CERTIFICATE-----`"));
            }
        }
        if !self.key_pem.is_empty()
            && PrivateKeyDer::from_pem_slice(self.key_pem.reveal().as_bytes()).is_err()
        {
            report("key_pem", String::from("expected a private key in PEM, `-----BEGIN PRIVATE KEY-----`"));
        }
        if let Err(message) = self.server_name("localhost") {
            report("server_name_override", message);
        }
        if let (Some(oldest), Some(newest)) = (self.min_version, self.max_version)
            && oldest > newest
        {
            report("max_version", format!("expected at least `min_version`, `{oldest}`, got `{newest}`"));
        }
        problems
    }

    /// The name the certificate of `host` must have.
    pub(crate) fn server_name(&self, host: &str) -> Result<ServerName<'static>, String> {
        let name = if self.server_name_override.is_empty() { host } else { &self.server_name_override };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(name.to_owned())
            .map_err(|_| format!("expected a host name such as `collector.example.com`, got `{name}`"))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tls12 => "1.2",
            Self::Tls13 => "1.3",
        })
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Version;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a version of TLS, `1.2` or `1.3`")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Version, E> {
                match text {
                    "1.2" => Ok(Version::Tls12),
                    "1.3" => Ok(Version::Tls13),
                    _ => Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)),
                }
            }

            // What an unquoted `1.3` is in YAML.
            fn visit_f64<E: Error>(self, number: f64) -> Result<Version, E> {
                self.visit_str(&number.to_string())
            }
        }
        deserializer.deserialize_any(Text)
    }
}
