use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use config::Secret;
use http::header::{AUTHORIZATION, COOKIE, LOCATION};
use http::{HeaderMap, Method, Version};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;

use super::resolver::Resolver;
use super::*;
use crate::errors::chain;
use crate::net::{empty, full};

type Answer = Arc<dyn Fn(Request<Incoming>) -> Response<Body> + Send + Sync>;

/// Requests seen: version, path, and the headers that came.
type Seen = Arc<Mutex<Vec<(Version, String, HeaderMap)>>>;

async fn serve_connection(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, answer: Answer) {
    let service = service_fn(move |request| {
        let response = answer(request);
        async move { Ok::<_, Infallible>(response) }
    });
    let _ = auto::Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(io), service).await;
}

async fn serve(tls: Option<ServerConfig>, answer: Answer) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let acceptor = tls.map(|config| TlsAcceptor::from(Arc::new(config)));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
            tokio::spawn(async move {
                match acceptor {
                    None => serve_connection(stream, answer).await,
                    Some(acceptor) => {
                        if let Ok(stream) = acceptor.accept(stream).await {
                            serve_connection(stream, answer).await;
                        }
                    }
                }
            });
        }
    });
    address
}

/// Answers every request with 200 and notes it.
fn noting() -> (Answer, Seen) {
    let seen = Seen::default();
    let notes = Arc::clone(&seen);
    let answer: Answer = Arc::new(move |request| {
        let note = (request.version(), request.uri().path().to_owned(), request.headers().clone());
        notes.lock().unwrap().push(note);
        Response::new(full("ok"))
    });
    (answer, seen)
}

/// A certificate authority that lives as long as a test.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    der: CertificateDer<'static>,
}

struct Pair {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let (pem, der) = (certificate.pem(), certificate.der().clone());
        Self { issuer: Issuer::new(params, key), pem, der }
    }

    fn issue(&self, name: &str) -> Pair {
        self.issue_until(name, 4000)
    }

    fn issue_until(&self, name: &str, year: i32) -> Pair {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Pair {
            certificate: certificate.der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    fn server(&self, pair: Pair, asks_for_certificate: bool) -> ServerConfig {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if asks_for_certificate {
            let mut roots = RootCertStore::empty();
            roots.add(self.der.clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let mut config = builder.with_single_cert(vec![pair.certificate], pair.key).unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        config
    }
}

fn client(tls: client_tls::Config, protocol: Protocol) -> HttpClient {
    HttpClient::new(&ClientConfig { tls, protocol, ..ClientConfig::default() }).unwrap()
}

fn plain() -> HttpClient {
    client(client_tls::Config::default(), Protocol::Auto)
}

async fn fetch(client: &HttpClient, url: &str) -> Result<Bytes, String> {
    let request = Request::get(url).body(empty()).unwrap();
    let response = client.send(request).await.map_err(|error| chain(&*error))?;
    response
        .into_body()
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|error| chain(&*error))
}

#[track_caller]
fn assert_contains(result: Result<Bytes, String>, parts: &[&str]) {
    let text = result.unwrap_err();
    for part in parts {
        assert!(text.contains(part), "no {part:?} in {text:?}");
    }
}

#[tokio::test]
async fn plain_text_is_http_1_and_prior_knowledge_is_http_2() {
    let (answer, seen) = noting();
    let url = format!("http://{}/x", serve(None, answer).await);
    for protocol in [Protocol::Auto, Protocol::Http1, Protocol::Http2] {
        let client = client(client_tls::Config::default(), protocol);
        assert_eq!(fetch(&client, &url).await.unwrap(), "ok");
    }
    let seen = seen.lock().unwrap();
    let versions: Vec<_> = seen.iter().map(|(version, ..)| *version).collect();
    assert_eq!(versions, [Version::HTTP_11, Version::HTTP_11, Version::HTTP_2]);
    assert_eq!(seen[0].2[USER_AGENT], PRODUCT);
}

#[tokio::test]
async fn tls_negotiates_the_protocol_and_trusts_the_given_authority() {
    let authority = Authority::new();
    let (answer, seen) = noting();
    let address = serve(Some(authority.server(authority.issue("localhost"), false)), answer).await;
    let url = format!("https://localhost:{}/", address.port());
    let tls = client_tls::Config { ca_pem: Secret::new(&*authority.pem), ..Default::default() };
    for protocol in [Protocol::Auto, Protocol::Http1, Protocol::Http2] {
        assert_eq!(fetch(&client(tls.clone(), protocol), &url).await.unwrap(), "ok");
    }
    let versions: Vec<_> = seen.lock().unwrap().iter().map(|(version, ..)| *version).collect();
    assert_eq!(versions, [Version::HTTP_2, Version::HTTP_11, Version::HTTP_2]);

    let stranger = client_tls::Config { ca_pem: Secret::new(Authority::new().pem), ..Default::default() };
    let peer = format!("cannot connect to `localhost:{}`", address.port());
    assert_contains(
        fetch(&client(stranger.clone(), Protocol::Auto), &url).await,
        &[&peer, "TLS handshake failed"],
    );

    let blind = client_tls::Config { insecure_skip_verify: true, ..stranger };
    assert_eq!(fetch(&client(blind, Protocol::Auto), &url).await.unwrap(), "ok");
}

#[tokio::test]
async fn a_wrong_name_and_an_expired_certificate_are_named() {
    let authority = Authority::new();
    let tls = client_tls::Config { ca_pem: Secret::new(&*authority.pem), ..Default::default() };
    let wrong = authority.server(authority.issue("other.example.com"), false);
    let url = format!("https://localhost:{}/", serve(Some(wrong), noting().0).await.port());
    let result = fetch(&client(tls.clone(), Protocol::Auto), &url).await;
    assert_contains(result, &["not valid for name", "localhost", "other.example.com"]);

    let named = client_tls::Config { server_name_override: String::from("other.example.com"), ..tls.clone() };
    assert_eq!(fetch(&client(named, Protocol::Auto), &url).await.unwrap(), "ok");

    let old = authority.server(authority.issue_until("localhost", 2001), false);
    let url = format!("https://localhost:{}/", serve(Some(old), noting().0).await.port());
    assert_contains(fetch(&client(tls, Protocol::Auto), &url).await, &["certificate expired"]);
}

fn write_pair(folder: &Path, pair: &Pair) -> client_tls::Config {
    let (cert_file, key_file) = (folder.join("tls.crt"), folder.join("tls.key"));
    std::fs::write(&cert_file, &pair.certificate_pem).unwrap();
    std::fs::write(&key_file, &pair.key_pem).unwrap();
    client_tls::Config {
        cert_file: cert_file.display().to_string(),
        key_file: key_file.display().to_string(),
        ..Default::default()
    }
}

#[tokio::test]
async fn a_rotated_client_certificate_is_used_and_a_half_written_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let old_url = {
        let server = old.server(old.issue("localhost"), true);
        format!("https://localhost:{}/", serve(Some(server), noting().0).await.port())
    };
    let new_url = {
        let server = new.server(new.issue("localhost"), true);
        format!("https://localhost:{}/", serve(Some(server), noting().0).await.port())
    };
    let both = Secret::new(format!("{}{}", old.pem, new.pem));
    let tls = client_tls::Config { ca_pem: both, ..write_pair(folder.path(), &old.issue("agent")) };
    // One request a connection, so that each one shows what is used now.
    let client = client(tls.clone(), Protocol::Http1);
    assert_eq!(fetch(&client, &old_url).await.unwrap(), "ok");
    assert!(fetch(&client, &new_url).await.is_err());

    std::fs::write(&tls.cert_file, "-----BEGIN CERTI").unwrap();
    let fresh_url = {
        let server = old.server(old.issue("localhost"), true);
        format!("https://localhost:{}/", serve(Some(server), noting().0).await.port())
    };
    assert_eq!(fetch(&client, &fresh_url).await.unwrap(), "ok");

    write_pair(folder.path(), &new.issue("agent"));
    assert_eq!(fetch(&client, &new_url).await.unwrap(), "ok");

    let hourly = client_tls::Config { reload_interval: config::Duration::from_secs(3600), ..tls };
    let client = HttpClient::new(&ClientConfig { tls: hourly, ..Default::default() }).unwrap();
    write_pair(folder.path(), &old.issue("agent"));
    assert_eq!(fetch(&client, &new_url).await.unwrap(), "ok");
}

#[tokio::test]
async fn missing_and_foreign_key_files_are_errors_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let new = |tls: client_tls::Config| {
        let config = ClientConfig { tls, ..Default::default() };
        Err(chain(&*HttpClient::new(&config).unwrap_err()))
    };
    let missing = client_tls::Config { ca_file: String::from("/nowhere/ca.pem"), ..Default::default() };
    assert_contains(new(missing), &["cannot read ca_file `/nowhere/ca.pem`", "No such file"]);

    let tls = write_pair(folder.path(), &authority.issue("agent"));
    std::fs::write(&tls.key_file, authority.issue("agent").key_pem).unwrap();
    assert_contains(new(tls.clone()), &["cannot use the client certificate with its key"]);
    std::fs::write(&tls.key_file, "").unwrap();
    assert_contains(new(tls), &["no private key in"]);
}

#[tokio::test]
async fn a_unix_socket_takes_the_place_of_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let (answer, seen) = noting();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        serve_connection(stream, answer).await;
    });
    let config = ClientConfig { unix_socket: Some(path), ..Default::default() };
    let client = HttpClient::new(&config).unwrap();
    assert_eq!(fetch(&client, "http://localhost/there").await.unwrap(), "ok");
    assert_eq!(seen.lock().unwrap()[0].1, "/there");
}

#[tokio::test]
async fn errors_name_the_host_and_the_cause_but_no_secret() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let result = fetch(&plain(), &format!("http://{address}/path?token=secret")).await;
    assert_contains(result.clone(), &[&format!("cannot connect to `{address}`"), "refused"]);
    assert!(!result.unwrap_err().contains("secret"));

    let result = fetch(&plain(), "http://no-such-host.invalid:4317/").await;
    assert_contains(result, &["cannot connect to `no-such-host.invalid:4317`", "dns"]);

    let result = fetch(&plain(), &format!("http://user:secret@{address}/")).await;
    assert_contains(result.clone(), &["carries credentials"]);
    assert!(!result.unwrap_err().contains("secret"));
}

#[tokio::test]
async fn a_connection_that_ends_without_a_response_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 64]).await;
    });
    assert_contains(fetch(&plain(), &format!("http://{address}/")).await, &["no response from `127.0.0.1"]);
}

#[tokio::test(start_paused = true)]
async fn a_silent_http_2_connection_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.read(&mut [0; 1024]).await.is_ok_and(|length| length > 0) {}
    });
    let client = client(client_tls::Config::default(), Protocol::Http2);
    let start = tokio::time::Instant::now();
    assert_contains(fetch(&client, &format!("http://{address}/")).await, &["no response from", "keep-alive"]);
    assert!((30..60).contains(&start.elapsed().as_secs()), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_head_without_end_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let written = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nx: ").await.unwrap();
        let mut written = 0;
        while stream.write_all(&[b'y'; 4096]).await.is_ok() {
            written += 4096;
        }
        written
    });
    assert!(fetch(&plain(), &format!("http://{address}/")).await.is_err());
    // What the kernel buffers on both sides comes on top.
    assert!(written.await.unwrap() < 32 << 20);
}

#[test]
fn a_name_that_resolved_once_keeps_its_addresses() {
    let resolver = Resolver::default();
    let address: SocketAddr = "192.0.2.1:0".parse().unwrap();
    let moved: SocketAddr = "192.0.2.2:0".parse().unwrap();
    let failed = || Err(std::io::Error::other("SERVFAIL"));
    assert!(resolver.settle("a", failed()).is_err());
    assert!(resolver.settle("a", Ok(vec![])).is_err());
    assert_eq!(resolver.settle("a", Ok(vec![address])).unwrap(), [address]);
    assert_eq!(resolver.settle("a", failed()).unwrap(), [address]);
    assert_eq!(resolver.settle("a", Ok(vec![])).unwrap(), [address]);
    assert!(resolver.settle("b", failed()).is_err());
    assert_eq!(resolver.settle("a", Ok(vec![moved])).unwrap(), [moved]);
    assert_eq!(resolver.settle("a", failed()).unwrap(), [moved]);
}

/// Answers with a redirect to what stands in the query, or else with 200; notes what came.
fn redirecting() -> (Answer, Seen) {
    let (note, seen) = noting();
    let answer: Answer = Arc::new(move |request| {
        assert_eq!(request.method(), Method::GET);
        let location = request.uri().query().map(|query| query.replace("%3f", "?"));
        let mut response = note(request);
        if let Some(location) = location {
            *response.status_mut() = http::StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, location.parse().unwrap());
        }
        response
    });
    (answer, seen)
}

fn secrets() -> HeaderMap {
    let mut secrets = HeaderMap::new();
    secrets.insert(AUTHORIZATION, HeaderValue::from_static("Bearer t"));
    secrets.insert(COOKIE, HeaderValue::from_static("c=d"));
    secrets.insert("x-scope-orgid", HeaderValue::from_static("tenant"));
    secrets
}

#[tokio::test]
async fn secrets_do_not_follow_a_redirect_to_another_host_nor_come_back() {
    let (answer, home) = redirecting();
    let home_address = serve(None, answer).await;
    let (answer, abroad) = redirecting();
    let abroad_address = serve(None, answer).await;
    let url = format!("http://{home_address}/a?/b%3fhttp://{abroad_address}/c%3fhttp://{home_address}/d");
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::from_static("text/plain"));
    let (response, last) = plain().get(url.parse().unwrap(), headers, secrets(), true).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(last.path(), "/d");
    let has_secrets = |seen: &Seen| -> Vec<(String, bool)> {
        let seen = seen.lock().unwrap();
        seen.iter()
            .map(|(_, path, headers)| {
                assert_eq!(headers["accept"], "text/plain");
                let found = secrets().keys().filter(|name| headers.contains_key(*name)).count();
                assert!(found == 0 || found == 3);
                (path.clone(), found == 3)
            })
            .collect()
    };
    let expected = [("/a", true), ("/b", true), ("/d", false)].map(|(path, has)| (path.to_owned(), has));
    assert_eq!(has_secrets(&home), expected);
    assert_eq!(has_secrets(&abroad), [(String::from("/c"), false)]);
}

#[tokio::test]
async fn loops_and_long_ways_end_and_nothing_is_followed_unasked() {
    let address = serve(None, redirecting().0).await;
    let get = async |url: String, follow: bool| {
        let result = plain().get(url.parse().unwrap(), HeaderMap::new(), HeaderMap::new(), follow).await;
        result.map(|(response, _)| response.status().as_u16()).map_err(|error| error.to_string())
    };
    let url = format!("http://{address}/a?/a");
    assert_eq!(get(url.clone(), false).await, Ok(302));
    assert_eq!(get(url, true).await, Ok(200));

    let answer: Answer = Arc::new(|request| {
        let step: usize = request.uri().path()[1..].parse().unwrap_or_default();
        let next = format!("/{}", if request.uri().query().is_some() { step + 1 } else { 1 - step });
        let query = if request.uri().query().is_some() { "?on" } else { "" };
        Response::builder().status(307).header(LOCATION, next + query).body(empty()).unwrap()
    });
    let address = serve(None, answer).await;
    let looped = get(format!("http://{address}/0"), true).await;
    assert_eq!(looped, Err(format!("redirect loop at `http://{address}/0`")));
    let long = get(format!("http://{address}/0?on"), true).await;
    assert_eq!(long, Err(format!("more than 10 redirects, the last to `http://{address}/11`")));
}
