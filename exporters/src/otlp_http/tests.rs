mod presets;

use std::io::Read;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use pipeline::otlp::{PartialSuccess, Status};
use prost::Message;

use super::*;
use crate::testing::{AUTHENTICATOR, Reply, Scripted, batch, problems, start};

async fn export(reply: Reply, more: &str) -> (Result<Receipt, ExportError>, Scripted) {
    let server = Scripted::start(reply).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}\n{more}", server.url())).await;
    (exporter.export(&batch(3)).await, server)
}

async fn outcome(reply: Reply, more: &str) -> String {
    match export(reply, more).await.0 {
        Ok(receipt) => format!("{} rejected", receipt.rejected),
        Err(ExportError::Retry { after: None, reason }) => format!("retry: {reason}"),
        Err(ExportError::Retry { after: Some(after), reason }) => format!("retry after {after:?}: {reason}"),
        Err(ExportError::Drop { reason }) => format!("drop: {reason}"),
        Err(ExportError::Bad { reason }) => format!("bad: {reason}"),
        Err(ExportError::Split { reason }) => format!("split: {reason}"),
        Err(ExportError::Denied { reason }) => format!("denied: {reason}"),
    }
}

fn points(request: &[u8]) -> usize {
    let request = ExportMetricsServiceRequest::decode(request).unwrap();
    let scopes = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics);
    scopes.flat_map(|scope| &scope.metrics).map(|metric| metric_points(metric.data.as_ref())).sum()
}

fn metric_points(data: Option<&opentelemetry_proto::tonic::metrics::v1::metric::Data>) -> usize {
    match data {
        Some(opentelemetry_proto::tonic::metrics::v1::metric::Data::Gauge(gauge)) => gauge.data_points.len(),
        _ => 0,
    }
}

#[tokio::test]
async fn points_arrive_as_they_are_announced() {
    let (result, server) = export(Reply::new(200, "", ""), "").await;
    assert_eq!(result, Ok(Receipt::default()));
    let seen = server.last();
    assert!(seen.head.starts_with("post /v1/metrics http/1.1\r\n"), "{}", seen.head);
    for line in ["content-type: application/x-protobuf", "content-encoding: gzip", "user-agent: inferometer/"]
    {
        assert!(seen.head.contains(line), "{}", seen.head);
    }
    let mut body = Vec::new();
    flate2::read::GzDecoder::new(&seen.body[..]).read_to_end(&mut body).unwrap();
    assert_eq!(points(&body), 3);

    let (_, server) =
        export(Reply::new(200, "", ""), "compression: zstd\ncompression_params: {level: 9}").await;
    let seen = server.last();
    assert!(seen.head.contains("content-encoding: zstd"));
    assert_eq!(points(&zstd::decode_all(&seen.body[..]).unwrap()), 3);

    let (_, server) = export(Reply::new(200, "", ""), "compression: none").await;
    let seen = server.last();
    assert!(!seen.head.contains("content-encoding"));
    assert_eq!(points(&seen.body), 3);
}

#[tokio::test]
async fn json_is_json() {
    let (_, server) = export(Reply::new(200, "", ""), "encoding: json\ncompression: none").await;
    let seen = server.last();
    assert!(seen.head.contains("content-type: application/json"));
    let body: serde_json::Value = serde_json::from_slice(&seen.body).unwrap();
    let metric = &body["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0];
    assert_eq!(metric["name"], "gpu.temperature");
    assert_eq!(metric["gauge"]["dataPoints"].as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn one_connection_serves_many_requests_and_empty_batches_none() {
    let server = Scripted::start(Reply::new(200, "", "")).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    exporter.export(&Batch::new()).await.unwrap();
    assert_eq!(server.seen.lock().unwrap().len(), 0);
    for _ in 0..100 {
        exporter.export(&batch(1)).await.unwrap();
    }
    assert_eq!(server.seen.lock().unwrap().len(), 100);
    assert_eq!(*server.connections.lock().unwrap(), 1);
}

#[tokio::test]
async fn headers_and_credentials_are_sent() {
    let more = format!(
        "headers: {{X-Scope-OrgID: tenant, Host: a.example.com}}\nauth: {{authenticator: {AUTHENTICATOR}}}"
    );
    let (result, server) = export(Reply::new(200, "", ""), &more).await;
    assert!(result.is_ok());
    let head = server.last().head;
    assert!(head.contains("x-scope-orgid: tenant\r\n"), "{head}");
    assert!(head.contains("\r\nhost: a.example.com\r\n"), "{head}");
    assert!(head.contains("authorization: basic "), "{head}");
}

#[tokio::test]
async fn answers_mean_what_the_specification_says() {
    let check = async |reply: Reply, expected: &str| assert_eq!(outcome(reply, "").await, expected);
    check(Reply::new(202, "", ""), "0 rejected").await;
    check(Reply::new(429, "retry-after: 30\r\n", ""), "retry after 30s: 429 Too Many Requests").await;
    check(Reply::new(503, "retry-after: 7200\r\n", "full"), "retry: 503 Service Unavailable: full").await;
    check(Reply::new(502, "", ""), "retry: 502 Bad Gateway").await;
    check(Reply::new(504, "", ""), "retry: 504 Gateway Timeout").await;
    check(Reply::new(500, "", "oops"), "drop: 500 Internal Server Error: oops").await;
    check(Reply::new(400, "", "odd"), "bad: 400 Bad Request: odd").await;
    check(Reply::new(413, "", ""), "drop: 413 Payload Too Large").await;
    let status = Status::new(3, "bad").encode();
    check(Reply::new(400, "content-type: application/x-protobuf\r\n", status), "bad: 400 Bad Request: bad")
        .await;
    assert_eq!(
        outcome(Reply::new(413, "", ""), "when_too_large: split").await,
        "split: 413 Payload Too Large"
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Scripted::start(Reply::new(200, "", "")).await;
    let location = format!("location: {}/v1/metrics?token=t\r\n", other.url());
    let more = "headers: {Authorization: Bearer hunter2}";
    let reason = outcome(Reply::new(307, &location, ""), more).await;
    assert_eq!(reason, "denied: 307 Temporary Redirect: redirects to `127.0.0.1`, which is not followed");
    assert!(other.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn rejected_points_are_counted_and_not_sent_again() {
    let partial = PartialSuccess { rejected_data_points: 2, error_message: String::from("too\nold") };
    assert_eq!(outcome(Reply::new(200, "", partial.encode()), "").await, "2 rejected");
    let json = Reply::new(200, "content-type: application/json\r\n", partial.encode_json());
    assert_eq!(outcome(json, "encoding: json").await, "2 rejected");
    let more = PartialSuccess { rejected_data_points: 99, ..PartialSuccess::default() };
    assert_eq!(outcome(Reply::new(200, "", more.encode()), "").await, "3 rejected");
    let less = PartialSuccess { rejected_data_points: -1, error_message: String::from("hm") };
    assert_eq!(outcome(Reply::new(200, "", less.encode()), "").await, "0 rejected");
    assert_eq!(outcome(Reply::new(200, "content-type: text/html\r\n", "<html>"), "").await, "0 rejected");
}

#[tokio::test]
async fn what_was_taken_is_not_sent_again_whatever_becomes_of_the_answer() {
    let endless = |status: u16| Reply::Endless(format!("HTTP/1.1 {status} X\r\n\r\n").into_bytes());
    assert_eq!(outcome(endless(200), "").await, "0 rejected");
    let cut = Reply::Bytes(b"HTTP/1.1 200 X\r\ncontent-length: 9\r\n\r\n".to_vec());
    assert_eq!(outcome(cut, "").await, "0 rejected");
    let stuck = Reply::Stuck(b"HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n".to_vec());
    assert_eq!(outcome(stuck, "").await, "0 rejected");
    assert_eq!(outcome(endless(400), "").await, "bad: 400 Bad Request");
    let stuck = Reply::Stuck(b"HTTP/1.1 503 X\r\ncontent-length: 9\r\n\r\nbusy".to_vec());
    assert_eq!(outcome(stuck, "").await, "retry: 503 Service Unavailable");
}

#[tokio::test]
async fn compressed_answers_are_read_and_bombs_are_not() {
    let partial = PartialSuccess { rejected_data_points: 1, error_message: "x".repeat(100) };
    let body = zstd::encode_all(&partial.encode()[..], 3).unwrap();
    assert_eq!(outcome(Reply::new(200, "content-encoding: zstd\r\n", body), "").await, "1 rejected");
    let bomb = zstd::encode_all(&vec![0; 64 << 20][..], 3).unwrap();
    for (encoding, body) in [("zstd", bomb), ("br", b"x".to_vec())] {
        let reply = Reply::new(200, &format!("content-encoding: {encoding}\r\n"), body);
        assert_eq!(outcome(reply, "").await, "0 rejected");
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_tried_again() {
    let reason = outcome(Reply::Close, "").await;
    assert!(reason.starts_with("retry: no response from `127.0.0.1:"), "{reason}");
    let cut = Reply::Bytes(b"garbage\r\n\r\n".to_vec());
    assert!(outcome(cut, "").await.starts_with("retry: no response from"));
    let exporter = start(&ENTRY, "endpoint: http://127.0.0.1:1").await;
    let error = exporter.export(&batch(1)).await.unwrap_err();
    assert!(matches!(&error, ExportError::Retry { after: None, .. }), "{error:?}");
    assert!(error.to_string().contains("cannot connect to `127.0.0.1:1`"), "{error}");
}

#[tokio::test]
async fn a_request_over_the_limit_is_split_and_not_sent() {
    let server = Scripted::start(Reply::new(200, "", "")).await;
    let exporter = start(&ENTRY, &format!("{{endpoint: '{}', max_request_size: 300}}", server.url())).await;
    assert!(matches!(exporter.export(&batch(100)).await, Err(ExportError::Split { .. })));
    assert!(server.seen.lock().unwrap().is_empty());
    assert!(exporter.export(&batch(1)).await.is_ok());
}

#[test]
fn everything_wrong_is_said_at_once() {
    let yaml = "{endpoint: 'http://u:hunter2@a', tls: {cert_file: a}, headers: {Content-Type: x}, \
                auth: {authenticator: nobody}, compression_params: {level: 99}, \
                retry_on_failure: {multiplier: 0}}";
    let problems = problems(&ENTRY, yaml);
    let paths: Vec<_> = problems.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    let expected = [
        "endpoint",
        "tls.key_file",
        "headers.Content-Type",
        "auth.authenticator",
        "compression_params.level",
        "retry_on_failure.multiplier",
    ];
    assert_eq!(paths, expected.map(|key| format!("exporters.test.{key}")));
    assert!(!problems.join("\n").contains("hunter2"));
}

#[test]
fn single_mistakes_are_named() {
    let check = |yaml: &str, part: &str| {
        let problems = problems(&ENTRY, yaml);
        assert!(problems.len() == 1 && problems[0].contains(part), "{problems:?}");
    };
    check("{}", "exporters.test.endpoint: is required");
    check(
        "{endpoint: 'http://a', tls: {cert_file: a, key_file: b}}",
        "tls.cert_file: a client certificate needs TLS",
    );
    check("{endpoint: 'http://a', compression: snappy}", "snappy");
    check("{endpoint: 'http://a', proxy_url: x}", "proxy_url: proxies are not supported");
}

#[test]
fn secrets_do_not_print() {
    let yaml = "{endpoint: 'http://a', headers: {Authorization: hunter2}, tls: {key_pem: hunter2}}";
    let section = Section::from_yaml("exporters.test", yaml).unwrap();
    let effective = (ENTRY.effective)(&section).unwrap();
    assert!(!format!("{effective:?}").contains("hunter2"));
    let config: Config = section.read().unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
    assert_eq!(serde_json::to_value(&config).unwrap()["timeout"], "30s");
}

#[test]
fn the_example_works() {
    assert_eq!(problems(&ENTRY, ENTRY.example), Vec::<String>::new());
}

#[tokio::test]
async fn a_backend_that_stores_the_rest_is_not_sent_the_rest_again() {
    let text = "the sample has been rejected (err-mimir-sample-out-of-order)";
    assert_eq!(outcome(Reply::new(400, "", text), "preset: mimir").await, "1 rejected");
    let (halved, _) = export(Reply::new(400, "", text), "preset: prometheus").await;
    assert!(matches!(halved, Err(ExportError::Bad { .. })));
    let (other, _) = export(Reply::new(400, "", "err-mimir-label-invalid"), "preset: mimir").await;
    assert!(matches!(other, Err(ExportError::Bad { .. })));
}
