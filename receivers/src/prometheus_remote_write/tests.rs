use std::collections::HashMap;
use std::time::Duration;

use ::config::Section;
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::net::Net;
use pipeline::net::auth::{Authenticator, Bearer, Source};
use pipeline::output::{Refused, Sink};
use pipeline::{Batch, Clock, Registry, notation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::encoding::{Message, Request2, metadata, samples, series};
use super::*;

/// A receiver that runs, and what it hands over.
struct Fixture {
    sink: Sink,
    stop: CancellationToken,
    work: JoinHandle<()>,
    address: String,
}

/// A response over HTTP/1.1.
struct Answer {
    status: u16,
    head: String,
    body: String,
}

const V1: &str = "content-type: application/x-protobuf\r\ncontent-encoding: snappy\r\n";
const V2: &str = "content-type: application/x-protobuf;proto=io.prometheus.write.v2.Request\r\ncontent-encoding: snappy\r\n";

fn context() -> Context {
    let bearer = Bearer { tokens: vec![Source::text("token")], ..Bearer::default() };
    let authenticators = HashMap::from([(String::from("bearer"), Arc::new(Authenticator::bearer(bearer)))]);
    Context {
        id: String::from("prometheus_remote_write"),
        registry: Arc::new(Registry::new(100_000)),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("test").into(),
        net: Arc::new(Net::new(authenticators)),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn built(yaml: &str) -> Result<Box<dyn Receiver>, String> {
    let section = Section::from_yaml("receivers.prometheus_remote_write", yaml).unwrap();
    (ENTRY.build)(&section, &context()).map_err(|problems| problems.to_string())
}

fn snappy(request: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(request).unwrap()
}

fn one_sample() -> Vec<u8> {
    snappy(&series("__name__=m", samples(&[(1.0, 1)])))
}

impl Fixture {
    async fn start(more: &str) -> Self {
        let (sink, stop) = (Sink::new(), CancellationToken::new());
        let yaml = format!("endpoint: 127.0.0.1:0\n{more}");
        let running = built(&yaml).unwrap().start(sink.output(), stop.clone()).await.unwrap();
        let address = running.notes[0].strip_prefix("remote write on http://").unwrap();
        let address = address.strip_suffix("/api/v1/write").unwrap().to_owned();
        Self { sink, stop, work: tokio::spawn(running.work), address }
    }

    async fn post(&self, headers: &str, body: &[u8]) -> Answer {
        self.ask("POST", "/api/v1/write", headers, body).await
    }

    async fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.address).await.unwrap();
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // All of it is sent before the answer is read, as many clients do, also where that comes early.
        stream.write_all(body).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    fn points(&self) -> usize {
        self.sink.take().iter().map(Batch::len).sum()
    }

    async fn stop(self) {
        self.stop.cancel();
        self.work.await.unwrap();
    }
}

impl Answer {
    fn written(&self) -> Vec<String> {
        ["samples", "histograms", "exemplars"]
            .iter()
            .filter_map(|what| {
                let name = format!("x-prometheus-remote-write-{what}-written: ");
                self.head.lines().find_map(|line| line.strip_prefix(&name)).map(str::to_owned)
            })
            .collect()
    }
}

#[tokio::test]
async fn both_versions_are_taken_at_both_paths() {
    let fixture = Fixture::start("").await;
    for path in ["/api/v1/write", "/api/v1/push"] {
        let answer = fixture.ask("POST", path, V1, &one_sample()).await;
        assert_eq!((answer.status, answer.body.as_str(), fixture.points()), (204, "", 1));
        assert_eq!(answer.written(), [""; 0]);
    }
    let exemplar = Message::new().double(2, 1.0).varint(3, 1).0;
    let request = Request2::new().series("__name__=m", 0, samples(&[(1.0, 1), (2.0, 2)]).bytes(4, exemplar));
    let answer = fixture.post(V2, &snappy(&request.bytes())).await;
    assert_eq!((answer.status, fixture.points()), (204, 2));
    assert_eq!(answer.written(), ["2", "0", "1"]);
    // What says nothing of itself can only be 1.0.
    assert_eq!(fixture.post("", &one_sample()).await.status, 204);
    let named = "content-type: application/x-protobuf; proto=\"prometheus.WriteRequest\"\r\n";
    assert_eq!(fixture.post(named, &one_sample()).await.status, 204);
    assert_eq!(fixture.points(), 2);
    let only_metadata = snappy(&metadata(1, "m", "h"));
    assert_eq!(fixture.post(V1, &only_metadata).await.status, 204);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_no_write_request_is_told_what_would_do() {
    let fixture = Fixture::start("").await;
    let get = fixture.ask("GET", "/api/v1/write?get_vm_proto_version=1", "", b"").await;
    assert_eq!(get.status, 405);
    assert!(get.head.contains("allow: post"), "{}", get.head);
    for headers in [
        "content-type: application/json\r\n",
        "content-type: application/x-protobuf;proto=io.prometheus.write.v3.Request\r\n",
    ] {
        let answer = fixture.post(headers, &one_sample()).await;
        assert_eq!(answer.status, 415);
        assert!(answer.body.contains("io.prometheus.write.v2.Request"), "{}", answer.body);
    }
    for encoding in ["zstd", "gzip", "snappy\r\ncontent-encoding: gzip"] {
        let headers = format!("content-type: application/x-protobuf\r\ncontent-encoding: {encoding}\r\n");
        let answer = fixture.post(&headers, &one_sample()).await;
        assert_eq!(answer.status, 415);
        assert!(answer.head.contains("accept-encoding: snappy"), "{}", answer.head);
    }
    assert_eq!(fixture.ask("POST", "/other", V1, &one_sample()).await.status, 404);
    assert_eq!(fixture.points(), 0);
    fixture.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_as_a_whole() {
    let fixture = Fixture::start("max_request_body_size: 1MiB").await;
    let truncated = [series("__name__=m", samples(&[(1.0, 1)])), vec![0x0a, 9]].concat();
    for (body, status, reason) in [
        (b"no snappy".to_vec(), 400, "cannot decompress"),
        (snappy(&truncated), 400, "message ends inside a field"),
        (vec![0; 2 << 20], 413, "larger than 1048576 bytes"),
        // It claims 4 GiB - 1.
        (vec![0xff, 0xff, 0xff, 0xff, 0x0f, 0, 1], 413, "larger than 33554432 bytes"),
        (snappy(&vec![0; 33 << 20]), 413, "larger than"),
    ] {
        let answer = fixture.post(V1, &body).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(answer.body.contains(reason), "{}", answer.body);
    }
    assert_eq!(fixture.points(), 0);
    fixture.stop().await;
}

#[tokio::test]
async fn what_is_not_valid_is_told_and_the_rest_stored() {
    let fixture = Fixture::start("").await;
    let request = Request2::new().series("__name__=m", 0, samples(&[(1.0, 1), (1.0, -1)])).series(
        "job=j",
        0,
        samples(&[(1.0, 1)]),
    );
    let answer = fixture.post(V2, &snappy(&request.bytes())).await;
    assert_eq!((answer.status, fixture.points()), (400, 1));
    assert_eq!(answer.written(), ["1", "0", "0"]);
    let expected = "not stored: timeseries[0]: a timestamp is not between 1970 and 2554; \
                    timeseries[1]: there is no label `__name__`\n";
    assert_eq!(answer.body, expected);
    fixture.stop().await;
}

fn refusal() -> Refused {
    Refused { retry_after: Duration::from_millis(2500), reason: String::from("the queue of `x` is full") }
}

#[tokio::test]
async fn a_refused_request_is_sent_again_with_nothing_lost_or_doubled() {
    let fixture = Fixture::start("").await;
    let of = |time| snappy(&series("__name__=c_total", samples(&[(1.0, time)])));
    fixture.post(V1, &of(1)).await;
    fixture.post(V1, &snappy(&metadata(1, "c_total", ""))).await;
    fixture.sink.refuse(Some(refusal()));
    let answer = fixture.post(V1, &of(10)).await;
    assert_eq!((answer.status, answer.body.as_str()), (503, "the queue of `x` is full\n"));
    assert!(answer.head.contains("retry-after: 3"), "{}", answer.head);
    fixture.sink.refuse(None);
    assert_eq!(fixture.post(V1, &of(10)).await.status, 204);
    let batches: Vec<String> = fixture.sink.take().iter().map(notation::write).collect();
    let expected = "about {prometheus.type=\"unknown\"}
gauge c_total = 1.0 @1000000
about {prometheus.type=\"unknown\"}
gauge c_total = stale @9000000
about {prometheus.type=\"counter\"}
counter c_total = 1.0 @10000000
";
    assert_eq!(batches.concat(), expected);
    fixture.stop().await;
}

#[tokio::test]
async fn a_body_is_not_read_where_nothing_would_be_taken() {
    let fixture = Fixture::start("").await;
    fixture.sink.shut(Some(refusal()));
    let answer = fixture.post(V1, b"not even snappy").await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 3"), "{}", answer.head);
    fixture.sink.shut(None);
    assert_eq!(fixture.post(V1, &one_sample()).await.status, 204);
    fixture.stop().await;
}

#[tokio::test]
async fn who_sends_all_before_reading_has_the_answer() {
    let fixture = Fixture::start("max_request_body_size: 1MiB").await;
    let body = vec![0; 64 << 20];
    for (path, headers, status) in [
        ("/api/v1/write", V1, 413),
        ("/api/v1/write", "content-type: text/plain\r\n", 415),
        ("/other", V1, 404),
    ] {
        assert_eq!(fixture.ask("POST", path, headers, &body).await.status, status);
    }
    fixture.sink.shut(Some(refusal()));
    let answer = fixture.post(V1, &body).await;
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: 3"), "{}", answer.head);
    fixture.stop().await;
}

#[tokio::test]
async fn credentials_and_headers_are_as_configured() {
    let more =
        "auth: {authenticator: bearer}\nresponse_headers: {x-own: yes}\ncors: {allowed_origins: ['*']}";
    let fixture = Fixture::start(more).await;
    let answer = fixture.post(V1, &one_sample()).await;
    assert_eq!((answer.status, fixture.points()), (401, 0));
    let answer = fixture.post(&format!("{V1}authorization: Bearer token\r\n"), &one_sample()).await;
    assert_eq!((answer.status, fixture.points()), (204, 1));
    assert!(answer.head.contains("x-own: yes"), "{}", answer.head);
    let asks = "origin: https://a\r\naccess-control-request-method: POST\r\n";
    let answer = fixture.ask("OPTIONS", "/api/v1/write", asks, b"").await;
    assert_eq!(answer.status, 204);
    assert!(answer.head.contains("access-control-allow-methods: post"), "{}", answer.head);
    fixture.stop().await;
}

#[track_caller]
fn check_problem(yaml: &str, expected: &str) {
    let problems = built(yaml).err().unwrap_or_default();
    assert!(problems.contains(expected), "{problems}");
}

#[test]
fn mistakes_in_the_file_are_told_with_their_keys() {
    check_problem("endpoint: nowhere", "receivers.prometheus_remote_write.endpoint");
    check_problem("max_request_body_size: 200MiB", "expected 128 MiB at most");
    check_problem("auth: {authenticator: other}", "auth.authenticator");
    check_problem("response_headers: {'a b': c}", "response_headers");
    check_problem("cors: {allowed_headers: ['a b']}", "cors.allowed_headers");
    check_problem("path: /x", "path");
}

#[test]
fn the_example_and_the_effective_configuration_are_read() {
    built(ENTRY.example).unwrap();
    let section = Section::from_yaml("receivers.prometheus_remote_write", "endpoint: :9091").unwrap();
    let effective = ::config::render_yaml(&::config::without_absent((ENTRY.effective)(&section).unwrap()));
    assert!(effective.contains(":9091") && effective.contains("max_request_body_size"), "{effective}");
    built(&effective).unwrap();
}

#[test]
fn the_page_has_an_example_that_works_and_names_every_key() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/receivers/prometheus_remote_write.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, rest) = page.split_once("```yaml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let section = Section::from_yaml("", example).unwrap().section("receivers.prometheus_remote_write");
    assert!((ENTRY.build)(&section, &context()).is_ok());
    let all = serde_json::to_value(Config::default()).unwrap();
    for key in all.as_object().unwrap().keys().map(String::as_str).chain(["tls", "auth", "cors"]) {
        assert!(page.contains(&format!("`{key}")), "{key}");
    }
}
