//! Senders that flood, dawdle or lie: they are refused or cut off, honest ones are served.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use integration::{Collector, Load, get_with, gzip_bomb, request, wait_until, with_pipeline, zstd_bomb};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tonic::client::GrpcService;
use tonic::codegen::Bytes;
use tonic::codegen::http;
use tonic::transport::{Channel, Endpoint};

const JSON: &str = "Content-Type: application/json";
const POST: &str = "POST /v1/metrics HTTP/1.1";
const ONE_POINT: &str = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[
    {"timeUnixNano":"1700000000000000000","asInt":"1"}]}}]}]}]}"#;

async fn start() -> Collector {
    Collector::start(&with_pipeline(&[], &[])).await
}

fn load(collector: &Collector, source: &str) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: source.to_owned(),
        requests: 1,
        points_per_request: 1,
        interval: Duration::ZERO,
    }
}

/// Both ways in take a point.
async fn check_served(collector: &Collector) {
    let answer = request(&collector.address("HTTP on http://"), POST, &[JSON], ONE_POINT.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(load(collector, "honest").run().await.acknowledged, 1);
}

/// One message in this compression, as the wire has it; the answer's gRPC status.
async fn send_compressed(endpoint: &str, encoding: &str, message: &[u8]) -> String {
    let mut body = vec![1];
    body.extend_from_slice(&(message.len() as u32).to_be_bytes());
    body.extend_from_slice(message);
    let request = http::Request::post("/opentelemetry.proto.collector.metrics.v1.MetricsService/Export")
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-encoding", encoding)
        .body(tonic::body::Body::new(Full::new(Bytes::from(body))))
        .unwrap();
    let mut channel = Channel::from_shared(endpoint.to_owned()).unwrap().connect().await.unwrap();
    std::future::poll_fn(|context| GrpcService::poll_ready(&mut channel, context)).await.unwrap();
    let response = GrpcService::call(&mut channel, request).await.unwrap();
    let status = response.headers().get("grpc-status").map(|status| status.to_str().unwrap().to_owned());
    status.unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_are_refused_and_memory_stays_bounded() {
    const TOO_LARGE: &str = "8";
    const UNAVAILABLE: &str = "14";
    let collector = start().await;
    let (_, base) = collector.memory_kib();
    let http = collector.address("HTTP on http://");
    let grpc = format!("http://{}", collector.address("gRPC on "));
    let bombs: [(&str, Vec<u8>); 2] = [("gzip", gzip_bomb(1024)), ("zstd", zstd_bomb(1024))];
    let send = |number: usize| {
        let (encoding, bomb) = bombs[number % 2].clone();
        let (http, grpc) = (http.clone(), grpc.clone());
        async move {
            if number % 4 < 2 {
                return send_compressed(&grpc, encoding, &bomb).await;
            }
            let encoding = format!("Content-Encoding: {encoding}");
            let headers = [encoding.as_str(), "Content-Type: application/x-protobuf"];
            request(&http, POST, &headers, &bomb).await.status.to_string()
        }
    };
    for (number, expected) in [TOO_LARGE, TOO_LARGE, "413", "413"].into_iter().enumerate() {
        assert_eq!(send(number).await, expected);
    }
    let answers = (0..24).map(send).collect::<JoinSet<_>>().join_all().await;
    // A connection may break while a body that nobody wants is still being sent: status 0.
    let known = [TOO_LARGE, UNAVAILABLE, "413", "503", "0"];
    assert!(answers.iter().all(|answer| known.contains(&answer.as_str())), "{answers:?}");
    let (peak, _) = collector.memory_kib();
    // What requests may hold together, what is on its way to them, and what the allocator keeps of parts
    // given back just now. Without the budget it would be 24 times 64 MiB.
    assert!(peak < base + (256 + 128) * 1024, "from {base} KiB to {peak} KiB");
    check_served(&collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_headers_are_cut_off_and_honest_senders_served() {
    let collector = start().await;
    let mut slow = Vec::new();
    for name in ["HTTP on http://", "gRPC on ", "pull endpoint at http://", "own metrics at http://"] {
        let address = collector.address(name);
        for _ in 0..100 {
            let mut stream = TcpStream::connect(&address).await.unwrap();
            stream.write_all(b"POST /v1/metrics HTTP/1.1\r\nHost: x\r\n").await.unwrap();
            slow.push(stream);
        }
    }
    check_served(&collector).await;
    for stream in slow.iter_mut().step_by(40) {
        let cut = timeout(Duration::from_secs(25), stream.read_to_end(&mut Vec::new())).await;
        assert!(cut.is_ok(), "a header that never ends is cut off");
    }
    let settled = || async { collector.descriptors() < 60 };
    wait_until("descriptors to be given back", settled, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_bodies_and_slow_readers_are_cut_off() {
    let collector = start().await;
    let http = collector.address("HTTP on http://");
    let pull = collector.address("pull endpoint at http://");
    // A page of 20 MB, so that the kernel's buffers cannot hold it.
    for number in 0..10 {
        let source = format!("{number}{}", "x".repeat(20_000));
        let many = Load { source, points_per_request: 100, ..load(&collector, "") };
        assert_eq!(many.run().await.acknowledged, 100);
    }
    let idle = collector.descriptors();
    let mut bodies = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(&http).await.unwrap();
        let head = format!("{POST}\r\nHost: x\r\n{JSON}\r\nContent-Length: 1000\r\n\r\n{{");
        stream.write_all(head.as_bytes()).await.unwrap();
        bodies.push(stream);
    }
    let mut readers = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(&pull).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        readers.push(stream);
    }
    let accepted = || async { collector.descriptors() >= idle + 28 };
    wait_until("all connections to be accepted", accepted, || collector.log()).await;
    check_served(&collector).await;
    assert_eq!(get_with(&pull, "/metrics", &[]).await.status, 200);
    // Bodies and readers have half a minute each; none of the readers ever reads.
    sleep(Duration::from_secs(25)).await;
    let settled = || async { collector.descriptors() <= idle + 5 };
    wait_until("the slow connections to be closed", settled, || collector.log()).await;
    check_served(&collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_by_the_hundred_are_served_and_their_descriptors_come_back() {
    let collector = start().await;
    let base = collector.descriptors();
    let http = collector.address("HTTP on http://");
    let endpoint = format!("http://{}", collector.address("gRPC on "));
    let everybody = Arc::new(Barrier::new(500));
    let mut senders = JoinSet::new();
    for number in 0..500 {
        let (http, endpoint, everybody) = (http.clone(), endpoint.clone(), everybody.clone());
        senders.spawn(async move {
            if number % 2 == 0 {
                let channel = Endpoint::from_shared(endpoint).unwrap().connect().await;
                everybody.wait().await;
                let mut client = MetricsServiceClient::new(channel.unwrap());
                return client.export(ExportMetricsServiceRequest::default()).await.is_ok();
            }
            let mut stream = TcpStream::connect(http).await.unwrap();
            everybody.wait().await;
            let length = ONE_POINT.len();
            let text = format!("{POST}\r\nHost: x\r\n{JSON}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{ONE_POINT}");
            stream.write_all(text.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await.unwrap();
            answer.starts_with(b"HTTP/1.1 200")
        });
    }
    let served = senders.join_all().await;
    assert_eq!(served.iter().filter(|served| **served).count(), 500, "{}", collector.log());
    let settled = || async { collector.descriptors() <= base + 5 };
    wait_until("descriptors to be given back", settled, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_cannot_break_the_page_or_the_log() {
    let collector = start().await;
    let address = collector.address("HTTP on http://");
    let body = r#"{"resourceMetrics":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a\nb\u001b[31m"}}]},
        "scopeMetrics":[{"metrics":[{"name":"m\n# TYPE evil counter","gauge":{"dataPoints":[{"timeUnixNano":"1700000000000000000","asInt":"1",
        "attributes":[{"key":"__name__","value":{"stringValue":"evil"}},{"key":"job","value":{"stringValue":"mine"}},
        {"key":"le","value":{"stringValue":"x"}},{"key":"a.b","value":{"stringValue":"1"}},{"key":"a_b","value":{"stringValue":"2"}}]}]}}]}]}]}"#;
    let answer = request(&address, POST, &[JSON], body.as_bytes()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let page = collector.page().await;
    let line = page
        .lines()
        .find(|line| line.starts_with("m__TYPE_evil_counter{") || line.starts_with("m_TYPE_evil_counter{"));
    let line = line.unwrap_or_else(|| panic!("{page}"));
    assert!(line.contains(r#"job="a\nb"#) && line.contains(r#"exported_job="mine""#), "{line}");
    assert!(line.contains(r#"a_b="1;2""#), "{line}");
    assert!(!page.contains("\n# TYPE evil") && !page.lines().any(|line| line.starts_with("evil")), "{page}");
    assert!(!collector.log().contains('\u{1b}'));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_accept_header_is_refused_and_an_odd_one_answered() {
    let collector = start().await;
    let address = collector.address("pull endpoint at http://");
    let long = format!("Accept: {}", "text/plain;q=0.1,".repeat(8_000));
    assert!(matches!(get_with(&address, "/metrics", &[&long]).await.status, 0 | 431));
    let many = format!("Accept: {}", "a/b,".repeat(10_000));
    assert_eq!(get_with(&address, "/metrics", &[&many]).await.status, 200);
    for odd in ["Accept: ;;;,,,q=", "Accept: */*;q=0", "Accept-Encoding: gzip;q=0, *;q=0, \u{1}"] {
        let status = get_with(&address, "/metrics", &[odd]).await.status;
        assert!(matches!(status, 200 | 400), "{odd}: {status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_rejected_are_counted_by_reason_and_told_once_a_minute() {
    let text = with_pipeline(&[], &[]).replace(
        "http: {endpoint: '127.0.0.1:0'}",
        "http: {endpoint: '127.0.0.1:0', max_request_body_size: 1KiB, auth: {authenticator: bearer_token_auth}}",
    );
    let config = format!("extensions: {{bearer_token_auth: {{token: secret-of-senders}}}}\n{text}")
        .replace("service:\n", "service:\n  extensions: [bearer_token_auth]\n");
    let collector = Collector::start(&config).await;
    let (http, grpc) = (collector.address("HTTP on http://"), collector.address("gRPC on "));
    let token = "Authorization: Bearer secret-of-senders";
    let large = " ".repeat(2000);
    for (line, headers, body, status) in [
        (POST, &[JSON, "Authorization: Bearer guessed"][..], ONE_POINT, 401),
        (POST, &[JSON], ONE_POINT, 401),
        (POST, &[JSON, token], "{", 400),
        (POST, &[JSON, token], "[", 400),
        (POST, &[JSON, token], "}", 400),
        (POST, &[JSON, token], &large, 413),
        ("POST /v1/traces HTTP/1.1", &[JSON, token], "{}", 404),
    ] {
        assert_eq!(request(&http, line, headers, body.as_bytes()).await.status, status, "{body}");
    }
    let export = "POST /opentelemetry.proto.collector.metrics.v1.MetricsService/Export HTTP/1.1";
    request(&grpc, export, &["Content-Type: application/grpc"], &[0, 0, 0, 0, 9, 1]).await;
    request(&grpc, POST, &[JSON], ONE_POINT.as_bytes()).await;
    for (transport, reason, count) in [
        ("http", "unauthorized", 2.0),
        ("http", "invalid", 3.0),
        ("http", "too_large", 1.0),
        ("http", "unsupported", 1.0),
        ("grpc", "invalid", 1.0),
        ("grpc", "unsupported", 1.0),
    ] {
        let labels = [format!("transport=\"{transport}\""), format!("reason=\"{reason}\"")];
        let labels = [labels[0].as_str(), labels[1].as_str()];
        let counted = collector.own_sample("inferometer_receiver_rejected_requests", &labels).await;
        assert_eq!(counted, Some(count), "{transport} {reason}");
        let log = collector.log();
        let lines = log.lines().filter(|line| {
            line.contains("a request was rejected") && labels.iter().all(|label| line.contains(label))
        });
        assert_eq!(lines.count(), 1, "{transport} {reason}: {log}");
    }
    assert!(!collector.log().contains("secret-of-senders") && !collector.log().contains("guessed"));
}
