//! Certificates and keys, read again when their files change.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use tracing::warn;

use super::{Config, Version};
use crate::component::BoxError;
use crate::errors::{Caused, chain};

/// What TLS connections are made with; follows the files it came from.
///
/// A pair that cannot be used, because it is half written or does not belong together, is passed over:
/// the last good one stays in use until the files change again.
#[derive(Debug)]
pub(crate) struct Certificates {
    config: Config,
    alpn: Vec<Vec<u8>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    current: Option<Arc<ClientConfig>>,
    /// What the files were when `current` was read.
    stamps: Vec<Stamp>,
    /// What they were when they last could not be read, so that it is said once.
    failed: Option<Vec<Stamp>>,
    looked: Option<Instant>,
}

/// What tells one content of a file from another; `None` where there is no file.
type Stamp = Option<(SystemTime, u64)>;

impl Certificates {
    pub(crate) fn new(config: Config, protocols: &[&str]) -> Self {
        let alpn = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Self { config, alpn, state: Mutex::default() }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.config
    }

    /// What a connection made now uses. Reads files.
    pub(crate) fn current(&self) -> Result<Arc<ClientConfig>, BoxError> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(current) = &state.current
            && state.looked.is_some_and(|looked| looked.elapsed() < self.config.reload_interval.0)
        {
            return Ok(Arc::clone(current));
        }
        state.looked = Some(Instant::now());
        // Before the files themselves, so that a change while they are read is seen the next time.
        let stamps = self.stamps();
        if let Some(current) = &state.current
            && state.stamps == stamps
        {
            return Ok(Arc::clone(current));
        }
        match (self.load(), &state.current) {
            (Ok(loaded), _) => {
                let loaded = Arc::new(loaded);
                state.current = Some(Arc::clone(&loaded));
                state.stamps = stamps;
                state.failed = None;
                Ok(loaded)
            }
            (Err(error), Some(current)) => {
                let current = Arc::clone(current);
                if state.failed.as_ref() != Some(&stamps) {
                    warn!(error = %chain(&*error), "changed certificates cannot be used, the old ones stay");
                    state.failed = Some(stamps);
                }
                Ok(current)
            }
            (Err(error), None) => Err(error),
        }
    }

    fn stamps(&self) -> Vec<Stamp> {
        [&self.config.ca_file, &self.config.cert_file, &self.config.key_file]
            .into_iter()
            .map(|file| {
                let metadata = std::fs::metadata(file).ok()?;
                Some((metadata.modified().ok()?, metadata.len()))
            })
            .collect()
    }

    fn load(&self) -> Result<ClientConfig, BoxError> {
        let provider = Arc::new(ring::default_provider());
        let versions: Vec<_> =
            [(Version::Tls12, &rustls::version::TLS12), (Version::Tls13, &rustls::version::TLS13)]
                .into_iter()
                .filter(|(version, _)| self.config.min_version.is_none_or(|oldest| *version >= oldest))
                .filter(|(version, _)| self.config.max_version.is_none_or(|newest| *version <= newest))
                .map(|(_, supported)| supported)
                .collect();
        let builder =
            ClientConfig::builder_with_provider(Arc::clone(&provider)).with_protocol_versions(&versions)?;
        let verifier: Arc<dyn ServerCertVerifier> = if self.config.insecure_skip_verify {
            Arc::new(AnyCertificate { provider: Arc::clone(&provider) })
        } else {
            WebPkiServerVerifier::builder_with_provider(Arc::new(self.authorities()?), provider).build()?
        };
        let builder = builder.dangerous().with_custom_certificate_verifier(verifier);
        let mut loaded = match self.identity()? {
            Some((certificates, key)) => builder
                .with_client_auth_cert(certificates, key)
                .map_err(|error| Caused::new("cannot use the client certificate with its key", error))?,
            None => builder.with_no_client_auth(),
        };
        loaded.alpn_protocols.clone_from(&self.alpn);
        Ok(loaded)
    }

    fn authorities(&self) -> Result<RootCertStore, BoxError> {
        let mut store = RootCertStore::empty();
        let own = read_certificates("ca_file", &self.config.ca_file, self.config.ca_pem.reveal())?;
        if own.is_empty() || self.config.include_system_ca_certs_pool {
            let system = rustls_native_certs::load_native_certs();
            // One that rustls cannot read is of no use to anybody, and no reason to trust none.
            store.add_parsable_certificates(system.certs);
            if store.is_empty() && own.is_empty() {
                return Err(
                    "the system has no trusted certificate authorities; name some with `ca_file`".into()
                );
            }
        }
        for certificate in own {
            store
                .add(certificate)
                .map_err(|error| Caused::new("cannot trust a certificate of `ca_file`", error))?;
        }
        Ok(store)
    }

    fn identity(&self) -> Result<Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>, BoxError> {
        let config = &self.config;
        let certificates = read_certificates("cert_file", &config.cert_file, config.cert_pem.reveal())?;
        if certificates.is_empty() {
            return Ok(None);
        }
        let key = if config.key_file.is_empty() {
            PrivateKeyDer::from_pem_slice(config.key_pem.reveal().as_bytes())
                .map_err(|error| Caused::new("cannot read `key_pem`", error))?
        } else {
            let text = read("key_file", &config.key_file)?;
            PrivateKeyDer::from_pem_slice(&text)
                .map_err(|error| Caused::new(format!("no private key in `{}`", config.key_file), error))?
        };
        Ok(Some((certificates, key)))
    }
}

/// The certificates of a file or of a text; none where neither is given.
fn read_certificates(key: &str, file: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>, BoxError> {
    let (place, text) = match (file.is_empty(), pem.is_empty()) {
        (true, true) => return Ok(Vec::new()),
        (true, false) => (key.replace("_file", "_pem"), pem.as_bytes().to_vec()),
        (false, _) => (file.to_owned(), read(key, file)?),
    };
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| Caused::new(format!("cannot read the certificates of `{place}`"), error))?;
    if certificates.is_empty() {
        return Err(format!("no certificate in `{place}`, expected `-----BEGIN CERTIFICATE-----`").into());
    }
    Ok(certificates)
}

fn read(key: &str, file: &str) -> Result<Vec<u8>, BoxError> {
    std::fs::read(Path::new(file))
        .map_err(|error| Caused::new(format!("cannot read {key} `{file}`"), error).into())
}

/// Lets every certificate pass, but not one whose key the other side does not hold.
#[derive(Debug)]
struct AnyCertificate {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
