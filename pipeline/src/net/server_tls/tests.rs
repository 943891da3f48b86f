use std::fs;
use std::path::Path;

use rcgen::{CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;

use super::*;

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A certificate and its key.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([String::from("localhost")]).unwrap();
        (params.signed_by(&key, &self.0).unwrap().pem(), key.serialize_pem())
    }

    fn write(&self, folder: &Path) {
        let (certificate, key) = self.issue();
        fs::write(folder.join("cert.pem"), certificate).unwrap();
        fs::write(folder.join("key.pem"), key).unwrap();
        fs::write(folder.join("ca.pem"), self.0.pem()).unwrap();
    }

    /// A client that trusts this authority, and shows a certificate of another where there is one.
    fn client(&self, shows: Option<&Authority>) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match shows {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let (certificate, key) = authority.issue();
                let certificate = certificates(certificate.as_bytes()).unwrap();
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(certificate, key).unwrap()
            }
        };
        TlsConnector::from(Arc::new(config))
    }
}

fn config(folder: &Path) -> Config {
    let path = |name: &str| folder.join(name).display().to_string();
    Config { cert_file: path("cert.pem"), key_file: path("key.pem"), ..Config::default() }
}

/// Does a handshake and sends a byte there and back.
async fn shake(acceptor: &Acceptor, connector: &TlsConnector) -> io::Result<()> {
    let (near, far) = tokio::io::duplex(64 << 10);
    let server = async {
        let mut stream = acceptor.accept(far).await?;
        let byte = stream.read_u8().await?;
        stream.write_u8(byte).await
    };
    let client = async {
        let mut stream = connector.connect(ServerName::try_from("localhost").unwrap(), near).await?;
        stream.write_u8(7).await?;
        stream.read_u8().await.map(|_| ())
    };
    let (served, asked) = futures_util::join!(server, client);
    served.and(asked)
}

#[tokio::test]
async fn a_client_that_trusts_the_authority_connects() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(folder.path());
    let acceptor = Acceptor::load(&config(folder.path()), "receivers.otlp.endpoint").unwrap();
    shake(&acceptor, &authority.client(None)).await.unwrap();
    shake(&acceptor, &Authority::new().client(None)).await.unwrap_err();
}

#[tokio::test]
async fn with_client_authorities_only_their_clients_connect() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    authority.write(folder.path());
    let client_ca_file = folder.path().join("ca.pem").display().to_string();
    let config = Config { client_ca_file, ..config(folder.path()) };
    let acceptor = Acceptor::load(&config, "receivers.otlp.endpoint").unwrap();
    shake(&acceptor, &authority.client(Some(&authority))).await.unwrap();
    shake(&acceptor, &authority.client(None)).await.unwrap_err();
    shake(&acceptor, &authority.client(Some(&Authority::new()))).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn changed_certificates_are_taken_up_and_broken_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    old.write(folder.path());
    let acceptor = Acceptor::load(&config(folder.path()), "receivers.otlp.endpoint").unwrap();
    new.write(folder.path());
    shake(&acceptor, &old.client(None)).await.unwrap();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    shake(&acceptor, &new.client(None)).await.unwrap();
    shake(&acceptor, &old.client(None)).await.unwrap_err();
    fs::write(folder.path().join("cert.pem"), "-----BEGIN CERTIFICATE-----\nhalf").unwrap();
    tokio::time::advance(std::time::Duration::from_secs(61)).await;
    shake(&acceptor, &new.client(None)).await.unwrap();
}

#[track_caller]
fn check(config: Config, expected: &[&str]) {
    let keys: Vec<_> = config.check().into_iter().map(|(key, _)| key).collect();
    assert_eq!(keys, expected);
}

#[test]
fn a_block_without_certificate_is_an_error() {
    check(Config::default(), &["cert_file", "key_file"]);
    let full = Config { cert_file: "c".into(), key_pem: Secret::new("k"), ..Config::default() };
    check(full.clone(), &[]);
    check(Config { cert_pem: Secret::new("c"), ..full.clone() }, &["cert_file"]);
    check(Config { ca_file: "c".into(), ..full.clone() }, &["ca_file"]);
    check(Config { min_version: Some(Version::Tls13), ..full }, &[]);
}

#[test]
fn errors_name_the_file_and_the_key() {
    let folder = tempfile::tempdir().unwrap();
    let error =
        Acceptor::load(&config(folder.path()), "receivers.otlp.protocols.grpc.endpoint").err().unwrap();
    let error = error.to_string();
    assert!(error.contains("cert.pem`: No such file"), "{error}");
    assert!(error.ends_with("change `receivers.otlp.protocols.grpc.tls.cert_file`"), "{error}");
    Authority::new().write(folder.path());
    fs::write(folder.path().join("key.pem"), "no key").unwrap();
    let error = Acceptor::load(&config(folder.path()), "a.endpoint").err().unwrap().to_string();
    assert!(error.contains("cannot read the key") && error.ends_with("change `a.tls.key_file`"), "{error}");
}
