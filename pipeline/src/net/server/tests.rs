use std::collections::HashMap;
use std::future::pending;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::{HeaderMap, Request};
use http_body_util::BodyExt;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::*;
use crate::net::auth::{Authenticator, Bearer, Source};
use crate::net::client::{ClientConfig, HttpClient, Protocol};
use crate::net::client_tls;

mod early;
mod http2_clients;
mod takeover;

/// Answers with a fixed word.
struct Word(&'static str);

impl HttpService for Word {
    fn call(&self, _request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let word = self.0;
        Box::pin(async move { Response::new(full(word)) })
    }
}

/// Answers when told to.
#[derive(Default)]
struct Patient {
    begun: Notify,
    go: Notify,
}

impl HttpService for Arc<Patient> {
    fn call(&self, _request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let patient = self.clone();
        Box::pin(async move {
            patient.begun.notify_one();
            patient.go.notified().await;
            Response::new(full("late"))
        })
    }
}

/// Panics the first time.
#[derive(Default)]
struct Clumsy(AtomicUsize);

impl HttpService for Clumsy {
    fn call(&self, _request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let is_first = self.0.fetch_add(1, Ordering::Relaxed) == 0;
        Box::pin(async move {
            assert!(!is_first, "clumsy");
            Response::new(full("fine"))
        })
    }
}

fn listen(endpoint: &str, path: &str, owner: &str) -> Listen {
    Listen {
        endpoint: endpoint.to_owned(),
        path: path.to_owned(),
        owner: owner.to_owned(),
        key: format!("receivers.{owner}.endpoint"),
        ..Listen::default()
    }
}

async fn serve(net: &Net, listen: Listen, word: &'static str) -> Served {
    net.serve(listen, Arc::new(Word(word))).await.unwrap()
}

fn tcp(served: &Served) -> SocketAddr {
    served.address.tcp().unwrap()
}

async fn client(address: SocketAddr) -> http1::SendRequest<Body> {
    let stream = TcpStream::connect(address).await.unwrap();
    let (client, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn ask(client: &mut http1::SendRequest<Body>, path: &str) -> (StatusCode, String) {
    let (status, _, text) = ask_with(client, path, HeaderMap::new()).await;
    (status, text)
}

async fn ask_with(
    client: &mut http1::SendRequest<Body>,
    path: &str,
    headers: HeaderMap,
) -> (StatusCode, HeaderMap, String) {
    client.ready().await.unwrap();
    let mut request = Request::get(path).header("host", "test").body(full("")).unwrap();
    request.headers_mut().extend(headers);
    let (parts, body) = client.send_request(request).await.unwrap().into_parts();
    let text = body.collect().await.unwrap().to_bytes();
    (parts.status, parts.headers, String::from_utf8(text.to_vec()).unwrap())
}

async fn get(address: SocketAddr, path: &str) -> (StatusCode, String) {
    ask(&mut client(address).await, path).await
}

fn ok(text: &str) -> (StatusCode, String) {
    (StatusCode::OK, text.to_owned())
}

#[tokio::test]
async fn owners_share_an_address() {
    let net = Net::default();
    let first = serve(&net, listen("127.0.0.1:0", "/metrics", "first"), "first").await;
    let endpoint = tcp(&first).to_string();
    let second = serve(&net, listen(&endpoint, "/other", "second"), "second").await;
    assert_eq!(get(tcp(&first), "/metrics").await, ok("first"));
    assert_eq!(get(tcp(&first), "/other?query").await, ok("second"));
    let (status, text) = get(tcp(&first), "/else").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert_eq!(text, "nothing is served at /else; there is /metrics, /other\n");
    first.stop().await;
    assert_eq!(get(tcp(&second), "/metrics").await.0, StatusCode::NOT_FOUND);
    assert_eq!(get(tcp(&second), "/other").await, ok("second"));
    let address = tcp(&second);
    second.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn without_a_path_all_others_are_served() {
    let net = Net::default();
    let rest = serve(&net, listen("127.0.0.1:0", "", "rest"), "rest").await;
    let _exact = serve(&net, listen(&tcp(&rest).to_string(), "/exact", "exact"), "exact").await;
    assert_eq!(get(tcp(&rest), "/exact").await, ok("exact"));
    assert_eq!(get(tcp(&rest), "/any").await, ok("rest"));
}

#[tokio::test]
async fn a_request_under_way_is_answered_before_the_stop() {
    let net = Net::default();
    let patient = Arc::new(Patient::default());
    let served = net.serve(listen("127.0.0.1:0", "/", "owner"), Arc::new(patient.clone())).await.unwrap();
    let address = tcp(&served);
    let asking = tokio::spawn(async move { get(address, "/").await });
    patient.begun.notified().await;
    let stopping = tokio::spawn(served.stop());
    tokio::task::yield_now().await;
    assert!(!stopping.is_finished());
    patient.go.notify_one();
    assert_eq!(asking.await.unwrap(), ok("late"));
    stopping.await.unwrap();
}

#[tokio::test]
async fn what_stands_in_the_way_is_named() {
    let net = Net::default();
    let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = other.local_addr().unwrap().to_string();
    let error = net.serve(listen(&endpoint, "/", "otlp"), Arc::new(Word(""))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {endpoint}: address already in use; change `receivers.otlp.endpoint` or stop what listens there"
        )
    );
    let served = serve(&net, listen("127.0.0.1:0", "/metrics", "first"), "").await;
    let endpoint = tcp(&served).to_string();
    let error = net.serve(listen(&endpoint, "/metrics", "second"), Arc::new(Word(""))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot serve on {endpoint}: `first` serves /metrics there already; change `receivers.second.endpoint`"
        )
    );
    let error = net.serve(listen("here", "/", "otlp"), Arc::new(Word(""))).await.unwrap_err();
    assert!(
        error.to_string().contains("expected an address such as `127.0.0.1:4318`, got `here`"),
        "{error}"
    );
}

#[tokio::test]
async fn localhost_is_both_loopback_addresses() {
    let net = Net::default();
    let served = serve(&net, listen("localhost:0", "/", "owner"), "here").await;
    assert!(tcp(&served).is_ipv4());
    assert_eq!(get(tcp(&served), "/").await, ok("here"));
    let six = SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), tcp(&served).port());
    if TcpListener::bind("[::1]:0").await.is_ok() {
        assert_eq!(get(six, "/").await, ok("here"));
    }
}

#[tokio::test]
async fn a_panic_is_one_failed_request() {
    let net = Net::default();
    let served = net.serve(listen("127.0.0.1:0", "/", "owner"), Arc::new(Clumsy::default())).await.unwrap();
    let mut client = client(tcp(&served)).await;
    assert_eq!(ask(&mut client, "/").await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(ask(&mut client, "/").await, ok("fine"));
}

#[tokio::test]
async fn headers_have_a_bound() {
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "").await;
    let mut headers = HeaderMap::new();
    headers.insert("accept", HeaderValue::try_from("a".repeat(65 << 10)).unwrap());
    let (status, _, _) = ask_with(&mut client(tcp(&served)).await, "/", headers).await;
    assert_eq!(status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

/// Sends some bytes, and returns how long the server took to close the connection.
async fn time_to_close(address: SocketAddr, bytes: &[u8]) -> Duration {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let start = tokio::time::Instant::now();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn slow_and_silent_clients_are_closed() {
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "word").await;
    let request = b"GET / HTTP/1.1\r\nhost: test\r\n\r\n";
    for (bytes, seconds) in [
        (b"".as_slice(), 10..=12),
        (b"GET / HT".as_slice(), 10..=12),
        (request.as_slice(), 65..=67),
        (b"PRI * HTTP/2.0\r\n".as_slice(), 10..=12),
    ] {
        let time = time_to_close(tcp(&served), bytes).await.as_secs();
        assert!(seconds.contains(&time), "{time} s after {bytes:?}");
    }
}

#[tokio::test]
async fn two_hundred_connections_are_served() {
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "word").await;
    let mut clients = Vec::new();
    for _ in 0..200 {
        clients.push(client(tcp(&served)).await);
    }
    for client in &mut clients {
        assert_eq!(ask(client, "/").await, ok("word"));
    }
}

#[tokio::test]
async fn only_the_right_credentials_pass() {
    let bearer = Bearer { tokens: vec![Source::text("token")], ..Bearer::default() };
    let net = Net::new(HashMap::from([(String::from("auth"), Arc::new(Authenticator::bearer(bearer)))]));
    let guarded = Listen { authenticator: Some(String::from("auth")), ..listen("127.0.0.1:0", "/", "owner") };
    let served = serve(&net, guarded, "secret").await;
    let mut client = client(tcp(&served)).await;
    let (status, headers, text) = ask_with(&mut client, "/", HeaderMap::new()).await;
    assert_eq!((status, text.as_str()), (StatusCode::UNAUTHORIZED, "unauthorized\n"));
    assert_eq!(headers[WWW_AUTHENTICATE], "Bearer");
    let headers =
        HeaderMap::from_iter([(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer token"))]);
    assert_eq!(ask_with(&mut client, "/", headers).await.2, "secret");
    let unknown = Listen { authenticator: Some(String::from("outh")), ..listen("127.0.0.1:0", "/", "other") };
    let error = net.serve(unknown, Arc::new(Word(""))).await.unwrap_err();
    assert!(error.to_string().contains("did you mean `auth`?"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_is_closed() {
    struct Endless;
    impl HttpService for Endless {
        fn call(&self, _request: Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
            Box::pin(async { Response::new(full(vec![0; 64 << 20])) })
        }
    }
    let net = Net::default();
    let served = net.serve(listen("127.0.0.1:0", "/", "owner"), Arc::new(Endless)).await.unwrap();
    let mut stream = TcpStream::connect(tcp(&served)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    let stopped = tokio::time::timeout(Duration::from_millis(500), served.stop()).await;
    assert!(stopped.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_those_who_only_wait() {
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "word").await;
    let mut idle = client(tcp(&served)).await;
    assert_eq!(ask(&mut idle, "/").await, ok("word"));
    let _silent = TcpStream::connect(tcp(&served)).await.unwrap();
    tokio::select! {
        () = served.stop() => {}
        () = pending() => {}
    }
}

/// A certificate for `localhost` that vouches for itself.
fn self_signed(folder: &std::path::Path) -> server_tls::Config {
    let issued = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let write = |name: &str, text: String| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    server_tls::Config {
        cert_file: write("cert.pem", issued.cert.pem()),
        key_file: write("key.pem", issued.signing_key.serialize_pem()),
        ..server_tls::Config::default()
    }
}

/// What a client that trusts the certificate gets from `/`, and in which version.
async fn get_trusting(
    cert_file: &str,
    address: SocketAddr,
    protocol: Protocol,
) -> Option<(http::Version, String)> {
    let tls = client_tls::Config { ca_file: cert_file.to_owned(), ..client_tls::Config::default() };
    let client = HttpClient::new(&ClientConfig { tls, protocol, ..ClientConfig::default() }).unwrap();
    let url = format!("https://localhost:{}/", address.port());
    let response = client.send(Request::get(url).body(full("")).unwrap()).await.ok()?;
    let version = response.version();
    let text = response.into_body().collect().await.unwrap().to_bytes();
    Some((version, String::from_utf8(text.to_vec()).unwrap()))
}

#[tokio::test]
async fn over_tls_both_versions_are_spoken() {
    let folder = tempfile::tempdir().unwrap();
    let tls = self_signed(folder.path());
    let cert_file = tls.cert_file.clone();
    let net = Net::default();
    let guarded = Listen { tls: Some(tls), ..listen("127.0.0.1:0", "/", "owner") };
    let served = serve(&net, guarded.clone(), "private").await;
    for (protocol, version) in
        [(Protocol::Http1, http::Version::HTTP_11), (Protocol::Auto, http::Version::HTTP_2)]
    {
        let got = get_trusting(&cert_file, tcp(&served), protocol).await;
        assert_eq!(got, Some((version, String::from("private"))));
    }
    let plain = Listen { path: String::from("/plain"), ..listen(&tcp(&served).to_string(), "", "other") };
    let error = net.serve(plain, Arc::new(Word(""))).await.unwrap_err();
    assert!(error.to_string().contains("`owner` listens there with other `tls` settings"), "{error}");
}

/// Runs in a process of its own, because the limit is the process's.
#[tokio::test]
async fn a_listener_outlives_a_lack_of_file_descriptors() {
    const CHILD: &str = "INFEROMETER_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let name = "net::server::tests::a_listener_outlives_a_lack_of_file_descriptors";
        let child = std::process::Command::new("sh")
            .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\""])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(CHILD, "1")
            .output()
            .unwrap();
        assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
        return;
    }
    let net = Net::default();
    let served = serve(&net, listen("127.0.0.1:0", "/", "owner"), "word").await;
    let mut connections = Vec::new();
    while let Ok(stream) = TcpStream::connect(tcp(&served)).await {
        connections.push(stream);
    }
    assert!(connections.len() < 64);
    tokio::time::sleep(Duration::from_millis(100)).await;
    drop(connections);
    assert_eq!(get(tcp(&served), "/").await, ok("word"));
}
