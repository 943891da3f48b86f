//! TLS towards those who connect to us.

#[cfg(test)]
mod tests;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use config::{Duration, Secret};
use rustls::crypto::ring;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tracing::{info, warn};

use crate::component::BoxError;
use crate::net::client_tls::Version;

const TLS13_ONLY: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13];

/// The `tls` block of a server, as an OpenTelemetry Collector has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The certificate and those that vouch for it, in PEM.
    pub cert_file: String,
    /// The key of the certificate, in PEM.
    pub key_file: String,
    /// The same as text, instead of `cert_file`.
    pub cert_pem: Secret,
    /// The same as text, instead of `key_file`.
    pub key_pem: Secret,
    /// Clients must show a certificate that one of these has signed.
    pub client_ca_file: String,
    /// Refused: a client has it, and whoever writes it here means `client_ca_file`.
    #[serde(skip_serializing)]
    pub ca_file: String,
    /// The oldest TLS to speak: `1.2` (the default) or `1.3`.
    pub min_version: Option<Version>,
    /// How often the files are looked at again, at most; 0 is never.
    pub reload_interval: Duration,
}

/// Does the server's part of handshakes, with certificates that may change.
pub(crate) struct Acceptor {
    config: Config,
    key: String,
    current: ArcSwap<ServerConfig>,
    files: Mutex<Files>,
}

struct Files {
    looked: Instant,
    texts: Texts,
}

/// What the files held when they were read last.
#[derive(PartialEq)]
struct Texts {
    certificates: Vec<u8>,
    key: Vec<u8>,
    client_authorities: Vec<u8>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            cert_file: String::new(),
            key_file: String::new(),
            cert_pem: Secret::default(),
            key_pem: Secret::default(),
            client_ca_file: String::new(),
            ca_file: String::new(),
            min_version: None,
            reload_interval: Duration::from_secs(60),
        }
    }
}

impl Config {
    /// What is wrong with the block itself, by key; no file is read.
    pub fn check(&self) -> Vec<(&'static str, String)> {
        let mut problems = Vec::new();
        let pairs = [
            ("cert_file", "cert_pem", self.cert_file.is_empty(), self.cert_pem.is_empty(), "a certificate"),
            ("key_file", "key_pem", self.key_file.is_empty(), self.key_pem.is_empty(), "a key"),
        ];
        for (file, pem, no_file, no_pem, what) in pairs {
            if no_file && no_pem {
                problems.push((
                    file,
                    format!("a server needs {what}: set `{file}` or `{pem}`, or remove the `tls` block"),
                ));
            } else if !no_file && !no_pem {
                problems.push((file, format!("set either `{file}` or `{pem}`, not both")));
            }
        }
        if !self.ca_file.is_empty() {
            let message = "a server has `cert_file` and `key_file` for itself, and `client_ca_file` for the \
                           certificates that clients must show; set that one, or remove this key";
            problems.push(("ca_file", message.to_owned()));
        }
        problems
    }

    fn versions(&self) -> &'static [&'static SupportedProtocolVersion] {
        match self.min_version {
            None | Some(Version::Tls12) => rustls::ALL_VERSIONS,
            Some(Version::Tls13) => TLS13_ONLY,
        }
    }

    fn read(&self, key: &str) -> Result<Texts, String> {
        let read = |file: &str, name: &str| {
            std::fs::read(file)
                .map_err(|error| format!("cannot read `{file}`: {error}; change `{key}.{name}`"))
        };
        let pem_or = |pem: &Secret, file: &str, name: &str| {
            if pem.is_empty() { read(file, name) } else { Ok(pem.reveal().as_bytes().to_vec()) }
        };
        Ok(Texts {
            certificates: pem_or(&self.cert_pem, &self.cert_file, "cert_file")?,
            key: pem_or(&self.key_pem, &self.key_file, "key_file")?,
            client_authorities: match self.client_ca_file.as_str() {
                "" => Vec::new(),
                file => read(file, "client_ca_file")?,
            },
        })
    }

    fn build(&self, texts: &Texts, key: &str) -> Result<ServerConfig, String> {
        let at = |name: &str, reason: String| format!("{reason}; change `{key}.{name}`");
        let certificates = certificates(&texts.certificates).map_err(|reason| at("cert_file", reason))?;
        let private = PrivateKeyDer::from_pem_slice(&texts.key)
            .map_err(|error| at("key_file", format!("cannot read the key: {error}")))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(self.versions())
            .map_err(|error| at("min_version", error.to_string()))?;
        let builder = if self.client_ca_file.is_empty() {
            builder.with_no_client_auth()
        } else {
            let mut roots = RootCertStore::empty();
            for authority in self::certificates(&texts.client_authorities)
                .map_err(|reason| at("client_ca_file", reason))?
            {
                roots.add(authority).map_err(|error| at("client_ca_file", error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| at("client_ca_file", error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        };
        let mut config = builder
            .with_single_cert(certificates, private)
            .map_err(|error| at("cert_file", format!("cannot use the certificate with its key: {error}")))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl Acceptor {
    /// Reads the files; `key` is the key of whose `tls` block this is, for errors.
    pub(crate) fn load(config: &Config, key: &str) -> Result<Self, BoxError> {
        let key = match key.rsplit_once('.') {
            Some((section, _)) => format!("{section}.tls"),
            None => String::from("tls"),
        };
        let texts = config.read(&key)?;
        let current = ArcSwap::from_pointee(config.build(&texts, &key)?);
        let files = Mutex::new(Files { looked: Instant::now(), texts });
        Ok(Self { config: config.clone(), key, current, files })
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    pub(crate) async fn accept<S>(&self, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.reload();
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }

    /// Takes up certificates that have changed; what cannot be used leaves the old ones in place.
    fn reload(&self) {
        if self.config.reload_interval.is_zero() {
            return;
        }
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if files.looked.elapsed() < self.config.reload_interval.0 {
            return;
        }
        files.looked = Instant::now();
        let texts = match self.config.read(&self.key) {
            Ok(texts) if texts == files.texts => return,
            Ok(texts) => texts,
            Err(error) => return warn!(%error, "cannot read certificates anew; using the last ones"),
        };
        match self.config.build(&texts, &self.key) {
            Ok(config) => {
                self.current.store(Arc::new(config));
                files.texts = texts;
                info!(key = %self.key, "certificates reloaded");
            }
            Err(error) => warn!(%error, "cannot use changed certificates; using the last ones"),
        }
    }
}

fn certificates(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    match found {
        Ok(certificates) if certificates.is_empty() => Err(String::from("it holds no certificate in PEM")),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("cannot read a certificate: {error}")),
    }
}
