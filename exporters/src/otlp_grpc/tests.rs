use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;

use http::Response;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_server::{
    MetricsService, MetricsServiceServer,
};
use opentelemetry_proto::tonic::collector::metrics::v1::{
    ExportMetricsPartialSuccess, ExportMetricsServiceRequest, ExportMetricsServiceResponse,
};
use pipeline::net::server::{HttpService, Listen, Served};
use pipeline::net::{Body, full};
use pipeline::net::{Net, server_tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use tonic::{Code, Status};
use tower_service::Service;

use super::*;
use crate::testing::{AUTHENTICATOR, Reply, Scripted, batch, problems, start};

type Answer = Result<ExportMetricsServiceResponse, Status>;

/// The reference implementation of the service, answering what a test wants.
#[derive(Clone)]
struct Backend {
    answer: Arc<dyn Fn() -> Answer + Send + Sync>,
    seen: Arc<Mutex<Vec<(HeaderMap, ExportMetricsServiceRequest)>>>,
}

#[tonic::async_trait]
impl MetricsService for Backend {
    async fn export(
        &self,
        request: tonic::Request<ExportMetricsServiceRequest>,
    ) -> Result<tonic::Response<ExportMetricsServiceResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.seen.lock().unwrap().push((metadata.into_headers(), request));
        (self.answer)().map(tonic::Response::new)
    }
}

/// Serves it on the collector's own listeners.
struct Server {
    service: MetricsServiceServer<Backend>,
}

impl HttpService for Server {
    fn call(&self, request: http::Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let mut service = self.service.clone();
        Box::pin(async move {
            let answered: Result<_, Infallible> = service.call(request.map(tonic::body::Body::new)).await;
            let Ok(response) = answered;
            response.map(|body| body.map_err(Into::into).boxed_unsync())
        })
    }
}

/// Answers every request with one status and text, as a proxy does.
struct Proxy(u16);

impl HttpService for Proxy {
    fn call(&self, _request: http::Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let status = self.0;
        Box::pin(async move {
            Response::builder()
                .status(status)
                .header("content-type", "text/html")
                .body(full("<html>"))
                .unwrap()
        })
    }
}

/// Answers every request with success, and a message that is none.
struct Garbled;

impl HttpService for Garbled {
    fn call(&self, _request: http::Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("grpc-status"),
            http::HeaderValue::from_static("0"),
        )]);
        let body = full(&[0, 0, 0, 0, 1, 0xff][..]).with_trailers(async { Some(Ok(trailers)) });
        Box::pin(async move {
            Response::builder().header("content-type", "application/grpc").body(body.boxed_unsync()).unwrap()
        })
    }
}

async fn serve(service: impl HttpService, tls: Option<server_tls::Config>) -> (Served, SocketAddr) {
    let listen = Listen { endpoint: String::from("127.0.0.1:0"), tls, ..Listen::default() };
    let served = Net::default().serve(listen, Arc::new(service)).await.unwrap();
    let address = served.address.tcp().unwrap();
    (served, address)
}

fn backend(answer: impl Fn() -> Answer + Send + Sync + 'static) -> (Backend, MetricsServiceServer<Backend>) {
    let backend = Backend { answer: Arc::new(answer), seen: Arc::default() };
    let server = MetricsServiceServer::new(backend.clone())
        .accept_compressed(CompressionEncoding::Gzip)
        .accept_compressed(CompressionEncoding::Zstd)
        .send_compressed(CompressionEncoding::Gzip);
    (backend, server)
}

const ACCEPTED: fn() -> Answer = || Ok(ExportMetricsServiceResponse { partial_success: None });

async fn export(
    answer: impl Fn() -> Answer + Send + Sync + 'static,
    more: &str,
) -> Result<Receipt, ExportError> {
    let (_, service) = backend(answer);
    let (_served, address) = serve(Server { service }, None).await;
    let exporter = start(&ENTRY, &format!("endpoint: http://{address}\n{more}")).await;
    exporter.export(&batch(3)).await
}

#[tokio::test]
async fn points_arrive_in_every_compression() {
    for compression in ["gzip", "zstd", "none"] {
        let (backend, service) = backend(ACCEPTED);
        let (_served, address) = serve(Server { service }, None).await;
        let yaml = format!(
            "{{endpoint: '{address}', tls: {{insecure: true}}, compression: {compression}, \
             headers: {{X-Tenant: t}}, auth: {{authenticator: {AUTHENTICATOR}}}}}"
        );
        let exporter = start(&ENTRY, &yaml).await;
        assert_eq!(exporter.export(&Batch::new()).await, Ok(Receipt::default()));
        assert_eq!(exporter.export(&batch(3)).await, Ok(Receipt::default()));
        let seen = backend.seen.lock().unwrap();
        let [(headers, request)] = &seen[..] else { panic!("{} requests", seen.len()) };
        let scope = &request.resource_metrics[0].scope_metrics[0];
        assert_eq!(scope.metrics[0].name, "gpu.temperature");
        assert_eq!(headers["x-tenant"], "t");
        assert_eq!(headers["grpc-timeout"], "5000000u");
        assert!(headers["authorization"].to_str().unwrap().starts_with("Basic "));
        assert!(headers["user-agent"].to_str().unwrap().starts_with("inferometer/"));
        let encoding = headers.get("grpc-encoding").map_or("none", |value| value.to_str().unwrap());
        assert_eq!(encoding, compression);
    }
}

#[tokio::test]
async fn each_code_comes_through_and_is_judged() {
    for code in 1..=16 {
        let code = Code::from(code);
        let error = export(move || Err(Status::new(code, "because")), "").await.unwrap_err();
        assert_eq!(error, status::judge(&Status::new(code, "because"), true), "{code:?}");
        assert!(error.to_string().ends_with(": because"), "{error}");
    }
}

#[tokio::test]
async fn exhaustion_is_permanent_where_the_section_wants_the_specification() {
    let full = || Err(Status::new(Code::ResourceExhausted, "data refused due to high memory usage"));
    assert!(matches!(export(full, "").await, Err(ExportError::Retry { after: None, .. })));
    let strict = export(full, "retry_resource_exhausted: false").await;
    assert!(matches!(strict, Err(ExportError::Drop { .. })), "{strict:?}");
}

#[tokio::test]
async fn the_delay_the_server_asks_for_is_passed_on() {
    let answer = || {
        let delay = Some(std::time::Duration::from_secs(30));
        let status = otlp::Status { code: 8, retry_delay: delay, ..Default::default() };
        Err(Status::with_details(Code::ResourceExhausted, "slow down", status.encode().into()))
    };
    let expected = ExportError::Retry {
        after: Some(std::time::Duration::from_secs(30)),
        reason: String::from("RESOURCE_EXHAUSTED: slow down"),
    };
    assert_eq!(export(answer, "").await, Err(expected));
}

#[tokio::test]
async fn rejected_points_are_counted() {
    let answer = || {
        let partial =
            ExportMetricsPartialSuccess { rejected_data_points: 2, error_message: String::from("old") };
        Ok(ExportMetricsServiceResponse { partial_success: Some(partial) })
    };
    assert_eq!(export(answer, "").await, Ok(Receipt { rejected: 2, ..Receipt::default() }));
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_one() {
    let (_served, address) = serve(Garbled, None).await;
    let exporter = start(&ENTRY, &format!("endpoint: http://{address}")).await;
    assert_eq!(exporter.export(&batch(1)).await, Ok(Receipt::default()));
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_dropped_even_where_requests_are_split() {
    let answer = || {
        let partial =
            ExportMetricsPartialSuccess { rejected_data_points: 0, error_message: "x".repeat(5 << 20) };
        Ok(ExportMetricsServiceResponse { partial_success: Some(partial) })
    };
    let error = export(answer, "when_too_large: split").await.unwrap_err();
    assert!(matches!(&error, ExportError::Drop { .. }), "{error:?}");
}

#[tokio::test]
async fn a_request_that_is_too_large_for_the_server_is_dropped_or_split() {
    for (more, is_split) in [("", false), ("when_too_large: split", true)] {
        let (_, service) = backend(ACCEPTED);
        let (_served, address) = serve(Server { service: service.max_decoding_message_size(10) }, None).await;
        let exporter = start(&ENTRY, &format!("endpoint: http://{address}\ncompression: none\n{more}")).await;
        let error = exporter.export(&batch(3)).await.unwrap_err();
        assert_eq!(matches!(error, ExportError::Split { .. }), is_split, "{error:?}");
        assert_eq!(matches!(error, ExportError::Drop { .. }), !is_split, "{error:?}");
    }
    let error = export(ACCEPTED, "max_request_size: 10").await.unwrap_err();
    assert!(matches!(error, ExportError::Split { .. }), "{error:?}");
}

#[tokio::test]
async fn huge_trailers_end_the_call() {
    let answer = || Err(Status::with_details(Code::Unavailable, "x", vec![7; 1 << 20].into()));
    let error = export(answer, "").await.unwrap_err();
    assert!(matches!(&error, ExportError::Retry { after: None, .. }), "{error:?}");
    let answer = || Err(Status::with_details(Code::Internal, "x", vec![7; 20 << 10].into()));
    assert_eq!(export(answer, "").await, Err(ExportError::Drop { reason: String::from("INTERNAL: x") }));
}

#[tokio::test]
async fn a_proxys_answer_is_judged_by_its_status() {
    for (status, is_retried) in
        [(503, true), (502, true), (429, true), (504, true), (401, false), (404, false)]
    {
        let (_served, address) = serve(Proxy(status), None).await;
        let exporter = start(&ENTRY, &format!("endpoint: http://{address}")).await;
        let error = exporter.export(&batch(1)).await.unwrap_err();
        assert_eq!(matches!(error, ExportError::Retry { .. }), is_retried, "{status}: {error:?}");
    }
    // What ends without a status may be a proxy that lost its backend.
    let (_served, address) = serve(Empty, None).await;
    let exporter = start(&ENTRY, &format!("endpoint: http://{address}")).await;
    let error = exporter.export(&batch(1)).await.unwrap_err();
    assert!(matches!(error, ExportError::Retry { .. }), "{error:?}");
}

/// Answers 200 and nothing else.
struct Empty;

impl HttpService for Empty {
    fn call(&self, _request: http::Request<Incoming>) -> BoxFuture<'static, Response<Body>> {
        Box::pin(async {
            Response::builder().header("content-type", "application/grpc").body(full("")).unwrap()
        })
    }
}

#[tokio::test]
async fn who_does_not_listen_or_speak_grpc_is_tried_again() {
    let exporter = start(&ENTRY, "endpoint: http://127.0.0.1:1").await;
    let error = exporter.export(&batch(1)).await.unwrap_err();
    assert!(matches!(&error, ExportError::Retry { .. }), "{error:?}");
    assert!(error.to_string().contains("UNAVAILABLE: cannot connect to `127.0.0.1:1`"), "{error}");
    let server = Scripted::start(Reply::Close).await;
    let exporter = start(&ENTRY, &format!("endpoint: {}", server.url())).await;
    assert!(matches!(exporter.export(&batch(1)).await, Err(ExportError::Retry { .. })));
}

/// A certificate authority's certificate, and a pair it has issued, as files.
fn write_certificates(folder: &Path) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    std::fs::write(folder.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![String::from("localhost")]).unwrap();
    std::fs::write(folder.join("pair.pem"), params.signed_by(&key, &issuer).unwrap().pem()).unwrap();
    std::fs::write(folder.join("pair.key"), key.serialize_pem()).unwrap();
}

#[tokio::test]
async fn tls_with_certificates_on_both_sides() {
    let folder = tempfile::tempdir().unwrap();
    write_certificates(folder.path());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let tls = server_tls::Config {
        cert_file: path("pair.pem"),
        key_file: path("pair.key"),
        client_ca_file: path("ca.pem"),
        ..Default::default()
    };
    let (backend, service) = backend(ACCEPTED);
    let (_served, address) = serve(Server { service }, Some(tls)).await;
    let endpoint = format!("localhost:{}", address.port());
    let pair = format!("cert_file: {}, key_file: {}", path("pair.pem"), path("pair.key"));
    let ca = format!("ca_file: {}", path("ca.pem"));

    let both = start(&ENTRY, &format!("{{endpoint: '{endpoint}', tls: {{{ca}, {pair}}}}}")).await;
    assert_eq!(both.export(&batch(2)).await, Ok(Receipt::default()));
    assert_eq!(backend.seen.lock().unwrap().len(), 1);

    let named =
        format!("{{endpoint: 'https://{address}', tls: {{{ca}, {pair}, server_name_override: localhost}}}}");
    assert_eq!(start(&ENTRY, &named).await.export(&batch(2)).await, Ok(Receipt::default()));

    let under = format!("{{endpoint: '{address}', authority: localhost, tls: {{{ca}, {pair}}}}}");
    assert_eq!(start(&ENTRY, &under).await.export(&batch(2)).await, Ok(Receipt::default()));

    let nameless = start(&ENTRY, &format!("{{endpoint: '{endpoint}', tls: {{{ca}}}}}")).await;
    assert!(matches!(nameless.export(&batch(2)).await, Err(ExportError::Retry { .. })));
    let distrustful =
        start(&ENTRY, &format!("{{endpoint: '{endpoint}', tls: {{ca_file: {}, {pair}}}}}", path("pair.pem")))
            .await;
    let error = distrustful.export(&batch(2)).await.unwrap_err();
    assert!(matches!(&error, ExportError::Retry { .. }), "{error:?}");
    assert!(error.to_string().contains("TLS handshake failed"), "{error}");
}

#[test]
fn mistakes_are_named_all_at_once() {
    let yaml = "{endpoint: 'https://u:hunter2@a:1', tls: {cert_file: a}, headers: {TE: x}, \
                auth: {authenticator: nobody}, sending_queue: {num_consumers: 0}}";
    let problems_found = problems(&ENTRY, yaml);
    let paths: Vec<_> = problems_found.iter().map(|problem| problem.split(": ").next().unwrap()).collect();
    let expected =
        ["endpoint", "tls.key_file", "headers.TE", "auth.authenticator", "sending_queue.num_consumers"];
    assert_eq!(paths, expected.map(|key| format!("exporters.test.{key}")));
    assert!(!problems_found.join("\n").contains("hunter2"));

    let check = |yaml: &str, part: &str| {
        let problems = problems(&ENTRY, yaml);
        assert!(problems.len() == 1 && problems[0].contains(part), "{problems:?}");
    };
    check("{}", "exporters.test.endpoint: is required");
    check("{endpoint: 'a:1', compression: snappy}", "snappy");
    check(
        "{endpoint: 'http://a:1', tls: {cert_file: a, key_file: b}}",
        "tls.cert_file: a client certificate needs TLS, but the endpoint is plain text",
    );
    check("{endpoint: 'a:1', authority: 'a b'}", "authority: expected a host");
}

#[test]
fn secrets_do_not_print() {
    let yaml = "{endpoint: 'a:1', headers: {Authorization: hunter2}, tls: {key_pem: hunter2}}";
    let section = Section::from_yaml("exporters.test", yaml).unwrap();
    assert!(!format!("{:?}", (ENTRY.effective)(&section).unwrap()).contains("hunter2"));
    let config: Config = section.read().unwrap();
    assert!(!format!("{config:?}").contains("hunter2"));
}

#[test]
fn the_example_works() {
    assert_eq!(problems(&ENTRY, ENTRY.example), Vec::<String>::new());
}
