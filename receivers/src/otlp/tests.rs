use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use ::config::Section;
use bytes::Bytes;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use opentelemetry_proto::tonic::metrics::v1::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use pipeline::net::Net;
use pipeline::net::auth::{Authenticator, Bearer, Source};
use pipeline::otlp::Status;
use pipeline::output::{Refused, Sink};
use pipeline::{Clock, Registry};
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tonic::Code;
use tonic::codec::CompressionEncoding;
use tonic::transport::Channel;
use tonic_types::StatusExt;

use super::*;

/// A receiver that runs, and what it hands over.
struct Fixture {
    sink: Sink,
    stop: CancellationToken,
    work: JoinHandle<()>,
    grpc: Option<SocketAddr>,
    http: Option<SocketAddr>,
}

/// A response over HTTP/1.1.
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

fn context() -> Context {
    let bearer = Bearer { tokens: vec![Source::text("token")], ..Bearer::default() };
    let authenticators = HashMap::from([(String::from("bearer"), Arc::new(Authenticator::bearer(bearer)))]);
    Context {
        id: String::from("otlp"),
        registry: Arc::new(Registry::new(100_000)),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("test").into(),
        net: Arc::new(Net::new(authenticators)),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn built(yaml: &str) -> Result<Box<dyn Receiver>, String> {
    let section = Section::from_yaml("receivers.otlp", yaml).unwrap();
    (ENTRY.build)(&section, &context()).map_err(|problems| problems.to_string())
}

impl Fixture {
    async fn start(yaml: &str) -> Self {
        let (sink, stop) = (Sink::new(), CancellationToken::new());
        let running = built(yaml).unwrap().start(sink.output(), stop.clone()).await.unwrap();
        let address = |start: &str, end: &str| {
            let note = running.notes.iter().find_map(|note| note.strip_prefix(start))?;
            Some(note.strip_suffix(end).unwrap().parse().unwrap())
        };
        let (grpc, http) = (address("gRPC on ", ""), address("HTTP on http://", "/v1/metrics"));
        Self { sink, stop, work: tokio::spawn(running.work), grpc, http }
    }

    /// Both protocols, with little room.
    async fn small() -> Self {
        Self::start(
            "protocols:
  grpc: { endpoint: 127.0.0.1:0, max_recv_msg_size_mib: 1 }
  http: { endpoint: 127.0.0.1:0, max_request_body_size: 1MiB }",
        )
        .await
    }

    async fn client(&self) -> MetricsServiceClient<Channel> {
        MetricsServiceClient::connect(format!("http://{}", self.grpc.unwrap())).await.unwrap()
    }

    fn points(&self) -> usize {
        self.sink.take().iter().map(pipeline::Batch::len).sum()
    }

    fn refuse(&self) {
        self.sink.refuse(Some(refusal()));
    }

    async fn post(&self, path: &str, headers: &str, body: &[u8]) -> Answer {
        self.ask("POST", path, headers, body).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.http.unwrap()).await.unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // All of it is sent before the answer is read, as many clients do, also where that comes early.
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").unwrap() + 4;
        let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head, body: answer[end..].to_vec() }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.work.await.unwrap();
    }
}

fn refusal() -> Refused {
    Refused {
        retry_after: Duration::from_millis(2500),
        reason: String::from("the queue of `otlp_http/mimir` is full"),
    }
}

const PROTOBUF: &str = "content-type: application/x-protobuf\r\n";
const JSON: &str = "content-type: application/json; charset=utf-8\r\n";

fn point(value: i64, time_unix_nano: u64) -> NumberDataPoint {
    NumberDataPoint {
        time_unix_nano,
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

fn request(points: Vec<NumberDataPoint>) -> ExportMetricsServiceRequest {
    let metric = Metric {
        name: String::from("queue.length"),
        data: Some(metric::Data::Gauge(Gauge { data_points: points })),
        ..Metric::default()
    };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() }];
    let resource_metrics = vec![ResourceMetrics { scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }
}

fn one_point() -> ExportMetricsServiceRequest {
    request(vec![point(7, 1_000)])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A gibibyte of zeros, in members of 4 MiB.
fn bomb() -> Vec<u8> {
    gzip(&vec![0; 4 << 20]).repeat(256)
}

/// A gRPC message with its prefix.
fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

#[tokio::test]
async fn points_arrive_over_grpc_however_compressed() {
    let fixture = Fixture::small().await;
    let client = fixture.client().await;
    let clients = [
        client.clone(),
        client.clone().send_compressed(CompressionEncoding::Gzip),
        client.send_compressed(CompressionEncoding::Zstd),
    ];
    for mut client in clients {
        let response = client.export(one_point()).await.unwrap().into_inner();
        assert_eq!(response, ExportMetricsServiceResponse::default());
        assert_eq!(fixture.points(), 1);
    }
    fixture.stop().await;
}

#[tokio::test]
async fn points_arrive_over_http_however_encoded() {
    let fixture = Fixture::small().await;
    let protobuf = one_point().encode_to_vec();
    let zipped = format!("{PROTOBUF}content-encoding: gzip\r\n");
    let zstd = format!("{PROTOBUF}Content-Encoding: ZSTD\r\n");
    for (headers, body) in [
        (PROTOBUF, protobuf.clone()),
        (zipped.as_str(), gzip(&protobuf)),
        (zstd.as_str(), zstd::encode_all(&protobuf[..], 3).unwrap()),
    ] {
        let answer = fixture.post("/v1/metrics", headers, &body).await;
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert!(answer.head.contains("content-type: application/x-protobuf"));
        assert_eq!(fixture.points(), 1, "{headers}");
    }
    let answer = fixture.post("/v1/metrics", PROTOBUF, b"").await;
    assert_eq!((answer.status, fixture.points()), (200, 0));
    fixture.stop().await;
}

#[tokio::test]
async fn points_arrive_in_json() {
    let fixture = Fixture::small().await;
    let json = br#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1000","asInt":"7"}]}}]}]}]}"#;
    let answer = fixture.post("/v1/metrics", JSON, json).await;
    assert_eq!((answer.status, answer.body.as_slice()), (200, b"{}".as_slice()));
    assert_eq!(fixture.points(), 1);
    let answer = fixture.post("/v1/metrics", JSON, b"").await;
    assert_eq!(answer.status, 400);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_not_valid_is_rejected_and_the_rest_taken() {
    let fixture = Fixture::small().await;
    let mixed = request(vec![point(1, 1_000), point(2, 0), point(3, 0)]);
    let response = fixture.client().await.export(mixed.clone()).await.unwrap().into_inner();
    let ExportMetricsPartialSuccess { rejected_data_points, error_message } =
        response.partial_success.unwrap();
    assert_eq!(rejected_data_points, 2);
    assert!(!error_message.is_empty() && error_message.len() < 4096);
    assert_eq!(fixture.points(), 1);
    let answer = fixture.post("/v1/metrics", PROTOBUF, &mixed.encode_to_vec()).await;
    let response = ExportMetricsServiceResponse::decode(&answer.body[..]).unwrap();
    assert_eq!((answer.status, response.partial_success.unwrap().rejected_data_points), (200, 2));
    assert_eq!(fixture.points(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn a_full_queue_says_when_to_try_again() {
    let fixture = Fixture::small().await;
    fixture.refuse();
    let status = fixture.client().await.export(one_point()).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.message(), "the queue of `otlp_http/mimir` is full");
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_millis(2500)));
    let answer = fixture.post("/v1/metrics", PROTOBUF, &one_point().encode_to_vec()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 3\r\n"), "{}", answer.head);
    assert_eq!(Status::decode(&answer.body).unwrap().retry_delay, Some(Duration::from_millis(2500)));
    fixture.sink.refuse(None);
    fixture.client().await.export(one_point()).await.unwrap();
    assert_eq!(fixture.points(), 1);
    fixture.stop().await;
}

#[tokio::test]
async fn what_would_not_be_taken_is_not_read() {
    let fixture = Fixture::small().await;
    let shut = Refused { retry_after: Duration::from_secs(2), reason: String::from("no memory") };
    fixture.sink.shut(Some(shut));
    let status = fixture.client().await.export(one_point()).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "no memory"));
    let retry = status.get_details_retry_info().unwrap().retry_delay;
    assert_eq!(retry, Some(Duration::from_secs(2)));
    // Neither that it is no request nor that it is too large has been seen.
    for body in [b"garbage".to_vec(), vec![7; 8 << 20]] {
        let answer = fixture.post("/v1/metrics", PROTOBUF, &body).await;
        assert_eq!(answer.status, 503);
        assert!(answer.head.contains("retry-after: 2\r\n"), "{}", answer.head);
    }
    fixture.sink.shut(None);
    fixture.client().await.export(one_point()).await.unwrap();
    assert_eq!(fixture.points(), 1);
    fixture.stop().await;
}

/// Method, path, headers, body; code and message of the answer.
type Case = (&'static str, &'static str, &'static str, &'static [u8], u16, &'static str);

#[tokio::test]
async fn each_wrong_request_has_its_answer_in_its_own_encoding() {
    let fixture = Fixture::small().await;
    #[rustfmt::skip]
    let table: &[Case] = &[
        ("POST", "/v1/traces", PROTOBUF, b"", 404, "this collector takes metrics only, at /v1/metrics"),
        ("POST", "/v1/logs", JSON, b"{}", 404, "this collector takes metrics only, at /v1/metrics"),
        ("POST", "/else", JSON, b"{}", 404, "there is no /else; metrics go to /v1/metrics"),
        ("GET", "/v1/metrics", "", b"", 405, "expected the method POST, got GET"),
        ("POST", "/v1/metrics", "", b"", 415, "expected the content type"),
        ("POST", "/v1/metrics", "content-type: text/plain\r\n", b"", 415, "expected the content type"),
        ("POST", "/v1/metrics", "content-type: application/x-protobuf\r\ncontent-encoding: br\r\n", b"", 415, "content encoding"),
        ("POST", "/v1/metrics", "content-type: application/json\r\ncontent-encoding: gzip\r\ncontent-encoding: gzip\r\n", b"", 415, "content encoding"),
        ("POST", "/v1/metrics", "content-type: application/x-protobuf\r\ncontent-encoding: gzip\r\n", b"no gzip at all", 400, "cannot decompress body"),
        ("POST", "/v1/metrics", PROTOBUF, b"\x0a\xff", 400, ""),
        ("POST", "/v1/metrics", JSON, b"[", 400, ""),
    ];
    for (method, path, headers, body, code, message) in table {
        let answer = fixture.ask(method, path, headers, body).await;
        let status = if headers.contains("x-protobuf") {
            assert!(answer.head.contains("content-type: application/x-protobuf\r\n"), "{}", answer.head);
            Status::decode(&answer.body).unwrap()
        } else {
            assert!(answer.head.contains("content-type: application/json\r\n"), "{}", answer.head);
            Status::decode_json(&answer.body).unwrap()
        };
        assert_eq!(answer.status, *code, "{method} {path} {headers}");
        assert!(status.message.contains(message), "{}", status.message);
        assert_eq!(answer.head.contains("allow: post\r\n"), *code == 405);
        assert_eq!(!status.field_violations.is_empty(), *code == 400);
    }
    assert_eq!(fixture.points(), 0);
    fixture.stop().await;
}

#[tokio::test]
async fn a_broken_field_is_named() {
    let fixture = Fixture::small().await;
    let table: [(&str, &[u8], &str, &str); 2] = [
        (PROTOBUF, b"\x0a\x03\x1a\x01\xff", "resource_metrics[0].schema_url", "string is not UTF-8"),
        (
            JSON,
            br#"{"resourceMetrics":[{"schemaUrl":7}]}"#,
            "resourceMetrics[0].schemaUrl",
            "`schemaUrl`: expected a string",
        ),
    ];
    for (headers, body, field, description) in table {
        let answer = fixture.post("/v1/metrics", headers, body).await;
        let decode = if headers == JSON { Status::decode_json } else { Status::decode };
        let status = decode(&answer.body).unwrap();
        let [violation] = &status.field_violations[..] else { panic!("{status:?}") };
        assert_eq!(violation.field, field);
        assert!(violation.description.starts_with(description), "{status:?}");
        assert_eq!(status.message, format!("{field}: {}", violation.description));
    }
    fixture.stop().await;
}

#[tokio::test]
async fn too_large_is_for_good() {
    let fixture = Fixture::small().await;
    let zipped = format!("{PROTOBUF}content-encoding: gzip\r\n");
    for (headers, body) in [(PROTOBUF, vec![0; (1 << 20) + 1]), (zipped.as_str(), bomb())] {
        let answer = fixture.post("/v1/metrics", headers, &body).await;
        assert_eq!(answer.status, 413);
        assert_eq!(Status::decode(&answer.body).unwrap().code, Code::ResourceExhausted as i32);
        assert!(!answer.head.contains("retry-after"));
    }
    let large = request((0..100_000).map(|index| point(index, 1_000)).collect());
    let client = fixture.client().await;
    for mut client in [client.clone(), client.send_compressed(CompressionEncoding::Gzip)] {
        let status = client.export(large.clone()).await.unwrap_err();
        assert_eq!(
            (status.code(), status.message()),
            (Code::ResourceExhausted, "message is larger than 1048576 bytes")
        );
        assert!(status.get_details_retry_info().is_none());
    }
    assert_eq!(fixture.points(), 0);
    fixture.stop().await;
}

#[tokio::test]
async fn who_sends_all_before_reading_has_the_answer() {
    let fixture = Fixture::small().await;
    let body = vec![0; 64 << 20];
    let gzip = format!("{PROTOBUF}content-encoding: gzip\r\n");
    for (path, headers, status) in [
        ("/v1/metrics", PROTOBUF, 413),
        ("/v1/metrics", &gzip, 400),
        ("/v1/metrics", "", 415),
        ("/v1/traces", PROTOBUF, 404),
    ] {
        assert_eq!(fixture.post(path, headers, &body).await.status, status);
    }
    fixture.sink.shut(Some(refusal()));
    let answer = fixture.post("/v1/metrics", PROTOBUF, &body).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 3"), "{}", answer.head);
    fixture.stop().await;
}

/// Calls a method with a body as it is, and returns the status.
async fn call(
    fixture: &Fixture,
    path: &str,
    headers: &[(&'static str, &'static str)],
    body: Vec<u8>,
) -> tonic::Status {
    use http_body_util::{BodyExt, Full};
    use tower_service::Service;

    let channel = Channel::from_shared(format!("http://{}", fixture.grpc.unwrap())).unwrap();
    let mut channel = channel.connect().await.unwrap();
    let body = tonic::body::Body::new(Full::new(Bytes::from(body)).map_err(|never| match never {}));
    let mut request =
        ::http::Request::post(path).header("content-type", "application/grpc").header("te", "trailers");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    std::future::poll_fn(|context| channel.poll_ready(context)).await.unwrap();
    let response = channel.call(request.body(body).unwrap()).await.unwrap();
    if let Some(status) = tonic::Status::from_header_map(response.headers()) {
        return status;
    }
    let trailers = response.into_body().collect().await.unwrap().trailers().cloned().unwrap_or_default();
    tonic::Status::from_header_map(&trailers).unwrap()
}

#[tokio::test]
async fn each_wrong_message_has_its_code() {
    const EXPORT: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
    let fixture = Fixture::small().await;
    let valid = one_point().encode_to_vec();
    let gzip_encoding = &[("grpc-encoding", "gzip")][..];
    #[rustfmt::skip]
    let table = [
        ("/opentelemetry.proto.collector.trace.v1.TraceService/Export", &[][..], framed(0, b""), Code::Unimplemented, "this collector takes metrics only"),
        ("/grpc.health.v1.Health/Check", &[], framed(0, b""), Code::Unimplemented, "there is no /grpc.health"),
        (EXPORT, &[], framed(0, &valid), Code::Ok, ""),
        (EXPORT, &[], framed(0, b""), Code::Ok, ""),
        (EXPORT, gzip_encoding, framed(0, &valid), Code::Ok, ""),
        (EXPORT, gzip_encoding, framed(1, &gzip(&valid)), Code::Ok, ""),
        (EXPORT, gzip_encoding, framed(1, &bomb()[..900_000]), Code::ResourceExhausted, "larger than 1048576"),
        (EXPORT, gzip_encoding, framed(1, &gzip(&valid)[..12]), Code::InvalidArgument, "cut short"),
        (EXPORT, &[("grpc-encoding", "snappy")], framed(1, b""), Code::Unimplemented, "identity,gzip,zstd"),
        (EXPORT, &[], framed(1, &gzip(&valid)), Code::Internal, "does not say how"),
        (EXPORT, &[], framed(2, &valid), Code::InvalidArgument, "unknown flag 2"),
        (EXPORT, &[], framed(0, &valid)[..20].to_vec(), Code::InvalidArgument, "bytes, but 15 came"),
        (EXPORT, &[], vec![], Code::InvalidArgument, "has no message"),
        (EXPORT, &[], framed(0, b"\x0a\xff"), Code::InvalidArgument, ""),
    ];
    for (path, headers, body, code, message) in table {
        let status = call(&fixture, path, headers, body).await;
        assert_eq!(status.code(), code, "{status:?}");
        assert!(status.message().contains(message), "{status:?}");
        assert_eq!(status.get_details_bad_request().is_some(), code == Code::InvalidArgument);
    }
    assert_eq!(fixture.points(), 3);
    fixture.stop().await;
}

#[tokio::test]
async fn without_credentials_nothing_is_taken() {
    let fixture = Fixture::start(
        "protocols:
  grpc: { endpoint: 127.0.0.1:0, auth: { authenticator: bearer } }
  http: { endpoint: 127.0.0.1:0, auth: { authenticator: bearer }, cors: { allowed_origins: ['https://a.test'] } }",
    )
    .await;
    let mut client = fixture.client().await;
    assert_eq!(client.export(one_point()).await.unwrap_err().code(), Code::Unauthenticated);
    let mut request = tonic::Request::new(one_point());
    request.metadata_mut().insert("authorization", "Bearer token".parse().unwrap());
    client.export(request).await.unwrap();
    let body = one_point().encode_to_vec();
    let answer = fixture.post("/v1/metrics", PROTOBUF, &body).await;
    assert_eq!(answer.status, 401);
    assert!(answer.head.contains("www-authenticate: bearer\r\n"), "{}", answer.head);
    assert_eq!(Status::decode(&answer.body).unwrap().code, Code::Unauthenticated as i32);
    let wrong = format!("{JSON}authorization: Bearer other\r\n");
    let answer = fixture.post("/v1/metrics", &wrong, b"{}").await;
    assert_eq!((answer.status, Status::decode_json(&answer.body).unwrap().code), (401, 16));
    let right = format!("{PROTOBUF}authorization: Bearer token\r\n");
    assert_eq!(fixture.post("/v1/metrics", &right, &body).await.status, 200);
    let preflight = "origin: https://a.test\r\naccess-control-request-method: POST\r\n";
    assert_eq!(fixture.ask("OPTIONS", "/v1/metrics", preflight, b"").await.status, 204);
    assert_eq!(fixture.points(), 2);
    fixture.stop().await;
}

#[tokio::test]
async fn pages_of_allowed_origins_may_send() {
    let fixture = Fixture::start(
        "protocols: { http: { endpoint: 127.0.0.1:0, response_headers: { x-extra: more }, cors: {
  allowed_origins: ['https://*.test'], allowed_headers: [x-mine], max_age: 600 } } }",
    )
    .await;
    let ask = async |origin: &str, header: &str| {
        let headers = format!(
            "origin: {origin}\r\naccess-control-request-method: POST\r\naccess-control-request-headers: content-type, {header}\r\n"
        );
        fixture.ask("OPTIONS", "/v1/metrics", &headers, b"").await.head
    };
    let head = ask("https://a.test", "X-Mine").await;
    for line in [
        "access-control-allow-origin: https://a.test\r\n",
        "access-control-allow-methods: post\r\n",
        "access-control-allow-headers: content-type, x-mine\r\n",
        "access-control-max-age: 600\r\n",
        "vary: origin\r\n",
        "x-extra: more\r\n",
    ] {
        assert!(head.contains(line), "{line} {head}");
    }
    assert!(!ask("https://a.test", "x-other").await.contains("access-control-allow-headers"));
    assert!(!ask("https://b.org", "x-mine").await.contains("access-control-allow-origin"));
    let answer = fixture.post("/v1/metrics", &format!("{JSON}origin: https://a.test\r\n"), b"{}").await;
    assert!(answer.head.contains("access-control-allow-origin: https://a.test"), "{}", answer.head);
    fixture.stop().await;
}

#[tokio::test]
async fn two_hundred_senders_are_served() {
    let fixture = Arc::new(Fixture::small().await);
    let body = Arc::new(one_point().encode_to_vec());
    let mut senders = tokio::task::JoinSet::new();
    for index in 0..200 {
        let (fixture, body) = (fixture.clone(), body.clone());
        senders.spawn(async move {
            if index % 2 == 0 {
                fixture.client().await.export(one_point()).await.unwrap();
            } else {
                assert_eq!(fixture.post("/v1/metrics", PROTOBUF, &body).await.status, 200);
            }
        });
    }
    while let Some(sent) = senders.join_next().await {
        sent.unwrap();
    }
    assert_eq!(fixture.points(), 200);
}

#[tokio::test]
async fn a_stopped_receiver_frees_its_addresses() {
    let fixture = Fixture::small().await;
    let (grpc, http) = (fixture.grpc.unwrap(), fixture.http.unwrap());
    let mut client = fixture.client().await;
    client.export(one_point()).await.unwrap();
    fixture.stop().await;
    assert!(TcpStream::connect(grpc).await.is_err());
    assert!(TcpStream::connect(http).await.is_err());
    assert_eq!(client.export(one_point()).await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn only_named_protocols_are_served() {
    let fixture = Fixture::start("protocols: { http: { endpoint: '127.0.0.1:0' } }").await;
    assert!(fixture.grpc.is_none() && fixture.http.is_some());
    fixture.stop().await;
    let config: Config =
        Section::from_yaml("receivers.otlp", "protocols:\n  grpc:\n").unwrap().read().unwrap();
    assert_eq!(config.protocols.grpc.unwrap().endpoint, "localhost:4317");
    assert_eq!(config.protocols.http, None);
}

#[tokio::test]
async fn a_taken_address_is_named_with_its_key() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = other.local_addr().unwrap();
    let receiver = built(&format!("protocols: {{ grpc: {{ endpoint: '{endpoint}' }} }}")).unwrap();
    let error = receiver.start(Sink::new().output(), CancellationToken::new()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot listen on {endpoint}: address already in use; change `receivers.otlp.protocols.grpc.endpoint` or stop what listens there"
        )
    );
}

#[track_caller]
fn check(yaml: &str, expected: &[&str]) {
    let problems = built(yaml).err().unwrap();
    for text in expected {
        assert!(problems.contains(text), "{problems}");
    }
}

#[test]
fn what_cannot_work_is_an_error() {
    check("{}", &["receivers.otlp.protocols: nothing would be received"]);
    check("protocols: {}", &["name `grpc`, `http` or both"]);
    check(
        "protocols: { grpc: { endpoint: here, auth: { authenticator: baerer }, tls: {} } }",
        &[
            "receivers.otlp.protocols.grpc.endpoint: expected an address",
            "receivers.otlp.protocols.grpc.auth.authenticator: no authenticator `baerer` is in service; did you mean `bearer`?",
            "receivers.otlp.protocols.grpc.tls.cert_file: a server needs a certificate",
        ],
    );
    check(
        "protocols: { grpc: { endpoint: ':4317' }, http: { endpoint: ':4317' } }",
        &["receivers.otlp.protocols.http.endpoint: gRPC and HTTP need an address each"],
    );
    check(
        "protocols: { http: { metrics_url_path: metrics, compression_algorithms: [lz4], max_request_body_size: 1GiB } }",
        &[
            "http.metrics_url_path: expected a path such as `/v1/metrics`, got `metrics`",
            "http.compression_algorithms: `lz4` is not supported",
            "http.max_request_body_size: expected 128 MiB at most",
        ],
    );
    check("protocols: { grpc: { endpoints: x } }", &["endpoints"]);
    check("protocols: { grpc: { transport: unix } }", &["unix"]);
}

#[test]
fn the_example_and_the_effective_configuration_are_read() {
    built(ENTRY.example).unwrap();
    let section = Section::from_yaml("receivers.otlp", "protocols: { http: {} }").unwrap();
    let effective = ::config::render_yaml(&::config::without_absent((ENTRY.effective)(&section).unwrap()));
    assert!(effective.contains("localhost:4318") && !effective.contains("grpc"), "{effective}");
    built(&effective).unwrap();
}

#[test]
fn the_page_has_examples_that_work_and_names_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/receivers/otlp.md");
    let page = std::fs::read_to_string(path).unwrap();
    let examples: Vec<_> =
        page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 2);
    for example in examples {
        let section = Section::from_yaml("", example).unwrap().section("receivers.otlp");
        let problems = (ENTRY.build)(&section, &context()).err().unwrap_or_default();
        let others: Vec<_> =
            problems.0.iter().filter(|problem| !problem.message.contains("no authenticator")).collect();
        assert!(others.is_empty(), "{others:?}");
    }
    let all = Config {
        protocols: config::Protocols { grpc: Some(GrpcConfig::default()), http: Some(HttpConfig::default()) },
    };
    let all = serde_json::to_value(all).unwrap();
    for protocol in all["protocols"].as_object().unwrap().values() {
        for key in protocol.as_object().unwrap().keys() {
            assert!(page.contains(&format!("`{key}")), "{key}");
        }
    }
}
