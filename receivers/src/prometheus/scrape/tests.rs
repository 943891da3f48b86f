use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ::config::Section;
use opentelemetry::global;
use pipeline::component::{Context, Receiver, Scraper};
use pipeline::net::Net;
use pipeline::output::Sink;
use pipeline::succession::Term;
use pipeline::{Batch, Clock, Registry, Value};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::prometheus::scrape::TargetScraper;
use crate::prometheus::{ENTRY, Prometheus, fuzz_exposition};

const NOW: u64 = 1_800_000_000_000_000_000;
const TEXT: &str = "text/plain; version=0.0.4";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// What a server does with a connection on which a request has come.
#[derive(Debug, Clone)]
enum Answer {
    /// Sends this and closes.
    Bytes(Vec<u8>),
    /// Sends this and then nothing, without closing.
    Hang(Vec<u8>),
    /// Sends this again and again.
    Endless(Vec<u8>),
}

/// A server that plays a target, and notes what it was asked.
#[derive(Debug, Clone)]
struct Target {
    address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    requests: Arc<Mutex<Vec<String>>>,
}

fn response(content_type: &str, headers: &str, body: &[u8]) -> Answer {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n{headers}\r\n",
        body.len()
    )
    .into_bytes();
    bytes.extend_from_slice(body);
    Answer::Bytes(bytes)
}

fn status(line: &str, headers: &str) -> Answer {
    Answer::Bytes(
        format!("HTTP/1.1 {line}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n").into_bytes(),
    )
}

impl Target {
    async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            requests: Arc::default(),
        };
        let serving = target.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        target
    }

    async fn start_tls(acceptor: TlsAcceptor, answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            requests: Arc::default(),
        };
        let serving = target.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if let Ok(stream) = acceptor.accept(stream).await {
                    tokio::spawn(serving.clone().serve(stream));
                }
            }
        });
        target
    }

    fn start_unix(path: &Path, answer: Answer) -> Self {
        let listener = UnixListener::bind(path).unwrap();
        let target = Self {
            address: ([127, 0, 0, 1], 0).into(),
            answer: Arc::new(Mutex::new(answer)),
            requests: Arc::default(),
        };
        let serving = target.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().serve(stream));
            }
        });
        target
    }

    async fn serve(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            match stream.read(&mut byte).await {
                Ok(1) => head.push(byte[0]),
                _ => return,
            }
        }
        self.requests.lock().unwrap().push(String::from_utf8(head).unwrap());
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Bytes(bytes) => {
                let _ = stream.write_all(&bytes).await;
            }
            Answer::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                std::future::pending::<()>().await;
            }
            Answer::Endless(bytes) => while stream.write_all(&bytes).await.is_ok() {},
        }
        let _ = stream.shutdown().await;
    }

    fn answer(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn answer_text(&self, body: &str) {
        self.answer(response(TEXT, "", body.as_bytes()));
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.requests.lock().unwrap())
    }

    /// The receiver with this one target; `keys` are those of the job.
    fn scraper(&self, keys: &str) -> TargetScraper {
        scraper(&self.address.to_string(), keys)
    }
}

fn context() -> Context {
    Context {
        id: "prometheus".to_owned(),
        registry: Arc::new(Registry::new(100_000)),
        clock: Clock::starting_at(NOW),
        meter: global::meter("test").into(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn section(target: &str, keys: &str) -> Section {
    let mut text = format!(
        "config:\n  scrape_configs:\n    - job_name: j\n      static_configs: [{{targets: ['{target}']}}]\n"
    );
    text.push_str(&indent(keys));
    Section::from_yaml("receivers.prometheus", &text).unwrap()
}

fn indent(keys: &str) -> String {
    keys.lines().flat_map(|line| ["      ", line, "\n"]).collect()
}

fn scraper(target: &str, keys: &str) -> TargetScraper {
    let receiver = Prometheus {
        config: section(target, keys).read().unwrap(),
        context: context(),
        term: Term::default(),
    };
    let mut scrapers = receiver.scrapers(&receiver.config.config.scrape_configs[0]).unwrap();
    scrapers.remove(0).0
}

/// The points as `name{labels} value`, without those whose value changes each time.
fn show(batch: &Batch) -> Vec<String> {
    let shown = batch.iter().map(|point| {
        let labels = point.series.attributes().iter();
        let labels: Vec<_> =
            labels.map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or("?"))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let value = match &point.value {
            Value::Double(value) => value.to_string(),
            Value::Empty => "stale".to_owned(),
            other => format!("{other:?}"),
        };
        format!("{}{labels} {value}", point.series.metric().name)
    });
    shown.filter(|line| !line.starts_with("scrape_duration_seconds")).collect()
}

fn up(batch: &Batch) -> f64 {
    value(batch, "up")
}

#[track_caller]
fn value(batch: &Batch, name: &str) -> f64 {
    let point = batch.iter().find(|point| point.series.metric().name == name).unwrap();
    let Value::Double(value) = point.value else { panic!("{name} has no value") };
    value
}

#[tokio::test]
async fn a_scrape_gives_points_and_reports_and_marks_what_has_gone() {
    let target = Target::start(response(TEXT, "", b"a 1\nb{x=\"y\"} 2\n")).await;
    let mut scraper = target.scraper("");
    assert_eq!(
        show(&scraper.scrape(NOW).await),
        [
            "a 1",
            "b{x=y} 2",
            "up 1",
            "scrape_samples_scraped 2",
            "scrape_samples_post_metric_relabeling 2",
            "scrape_series_added 2",
        ]
    );
    target.answer_text("a 3\n");
    let batch = scraper.scrape(NOW).await;
    assert_eq!(show(&batch)[..3], ["a 3", "b{x=y} stale", "up 1"]);
    let point = batch.iter().next().unwrap();
    let resource = &point.series.resource().attributes;
    let instance = target.address.to_string();
    assert_eq!(resource.get("service.name").unwrap().as_str(), Some("j"));
    assert_eq!(resource.get("service.instance.id").unwrap().as_str(), Some(instance.as_str()));
    assert_eq!(resource.get("server.address").unwrap().as_str(), Some("127.0.0.1"));
    assert_eq!(resource.get("url.scheme").unwrap().as_str(), Some("http"));
    assert!(batch.iter().all(|point| point.series.resource() == point.series.resource()));
    target.answer(status("503 Service Unavailable", ""));
    assert_eq!(
        show(&scraper.scrape(NOW).await),
        [
            "a stale",
            "up 0",
            "scrape_samples_scraped 0",
            "scrape_samples_post_metric_relabeling 0",
            "scrape_series_added 0",
        ]
    );
    assert_eq!(show(&scraper.scrape(NOW).await)[0], "up 0");
}

#[tokio::test]
async fn the_request_is_what_prometheus_sends() {
    let target = Target::start(response(TEXT, "", b"")).await;
    let mut scraper = target.scraper("metrics_path: /m\nparams: {a: [b c, d], model: [x]}");
    assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
    let request = target.asked().remove(0).to_lowercase();
    assert!(request.starts_with("get /m?a=b%20c&a=d&model=x http/1.1\r\n"), "{request}");
    for header in [
        "accept: application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,\
         application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,\
         text/plain;version=0.0.4;q=0.3,*/*;q=0.2\r\n",
        "accept-encoding: gzip\r\n",
        "user-agent: inferometer/",
        "x-prometheus-scrape-timeout-seconds: 10\r\n",
    ] {
        assert!(request.contains(header), "{request}");
    }
}

/// What a target answers must not matter to anything but `up`.
async fn check_failing(answer: Answer, keys: &str) -> f64 {
    let target = Target::start(response(TEXT, "", b"a 1\n")).await;
    let mut scraper = target.scraper(keys);
    assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
    target.answer(answer);
    let batch = scraper.scrape(NOW).await;
    assert_eq!(show(&batch)[..2], ["a stale", "up 0"]);
    target.answer_text("a 1\n");
    assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
    let size = batch.iter().find(|point| point.series.metric().name == "scrape_body_size_bytes");
    size.map_or(f64::NAN, |_| value(&batch, "scrape_body_size_bytes"))
}

#[tokio::test]
async fn what_is_no_exposition_gives_nothing_but_up_0() {
    check_failing(response("text/html", "", b"<html></html>"), "").await;
    check_failing(response(TEXT, "", b"<html></html>"), "").await;
    check_failing(response("application/json", "", b"[]"), "").await;
    check_failing(Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na 1\n".to_vec()), "").await;
    check_failing(response(OPENMETRICS, "", b"a 1\n"), "").await;
    check_failing(response(TEXT, "", b"a{b=\"\xff\"} 1\n"), "").await;
    check_failing(response(TEXT, "", b"a 1\r\n"), "").await;
    check_failing(response(TEXT, "Content-Encoding: br\r\n", b"a 1\n"), "").await;
    check_failing(Answer::Bytes(b"\x16\x03\x01garbage".to_vec()), "").await;
    check_failing(Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\na 1\n".to_vec()), "").await;
    check_failing(status("204 No Content", ""), "").await;
    check_failing(response(TEXT, "", b"a 1\nb 1\nc 1\n"), "sample_limit: 2").await;
    check_failing(response(TEXT, "", b"a{x=\"12345\"} 1\n"), "label_value_length_limit: 20\nlabel_limit: 3")
        .await;
}

#[tokio::test]
async fn a_body_ends_at_its_limit() {
    let keys = "body_size_limit: 64KiB\nextra_scrape_metrics: true";
    let mut endless = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n".to_vec();
    endless.extend_from_slice(&b"a 1\n".repeat(1000));
    assert_eq!(check_failing(Answer::Endless(endless), keys).await, -1.0);
    // A line without an end, and a compressed bomb.
    assert_eq!(check_failing(response(TEXT, "", &b"x".repeat(1 << 20)), keys).await, -1.0);
    let bomb = gzip(&vec![b'\n'; 8 << 20]);
    assert!(bomb.len() < 64 << 10);
    assert_eq!(check_failing(response(TEXT, "Content-Encoding: gzip\r\n", &bomb), keys).await, -1.0);
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn gzip_is_read_and_refused_when_cut_short() {
    let whole = gzip(b"a 1\nb 2\n");
    let target = Target::start(response(TEXT, "Content-Encoding: gzip\r\n", &whole)).await;
    let mut scraper = target.scraper("");
    assert_eq!(show(&scraper.scrape(NOW).await)[..3], ["a 1", "b 2", "up 1"]);
    check_failing(response(TEXT, "Content-Encoding: gzip\r\n", &whole[..whole.len() - 6]), "").await;
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_is_given_up_at_the_timeout() {
    check_failing(Answer::Hang(Vec::new()), "").await;
    check_failing(Answer::Hang(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n".to_vec()), "").await;
    let started = tokio::time::Instant::now();
    check_failing(
        Answer::Hang(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9\r\n\r\na 1\n".to_vec(),
        ),
        "scrape_interval: 30s\nscrape_timeout: 20s",
    )
    .await;
    assert!((20..21).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_fallback_says_how_to_read_what_has_no_type() {
    let bare =
        Answer::Bytes(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\na 1\n".to_vec());
    let target = Target::start(bare).await;
    let mut scraper = target.scraper("fallback_scrape_protocol: PrometheusText0.0.4");
    assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
    target.answer(response(OPENMETRICS, "", b"a 1\n# EOF\n"));
    assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
}

#[tokio::test]
async fn redirects_are_followed_without_credentials() {
    let abroad = Target::start(response(TEXT, "", b"a 1\n")).await;
    let location = format!("Location: http://localhost:{}/there\r\n", abroad.address.port());
    let home = Target::start(status("307 Temporary Redirect", &location)).await;
    let keys = "basic_auth: {username: u, password: p}\nhttp_headers: {X-Key: {secrets: [k]}}";
    let mut scraper = home.scraper(keys);
    assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
    let request = home.asked().remove(0).to_lowercase();
    assert!(
        request.contains("authorization: basic dtpw\r\n") && request.contains("x-key: k\r\n"),
        "{request}"
    );
    let request = abroad.asked().remove(0).to_lowercase();
    assert!(!request.contains("authorization") && !request.contains("x-key"), "{request}");
    assert_eq!(up(&home.scraper("follow_redirects: false").scrape(NOW).await), 0.0);
    for location in ["Location: /metrics\r\n", "Location: file:///etc/passwd\r\n", "Location: /1\r\n"] {
        home.answer(status("302 Found", location));
        assert_eq!(up(&home.scraper("").scrape(NOW).await), 0.0, "{location}");
    }
}

#[tokio::test]
async fn credentials_go_along() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, "from-file\n").unwrap();
    let target = Target::start(response(TEXT, "", b"")).await;
    for (keys, expected) in [
        ("basic_auth: {username: u, password: p}".to_owned(), "authorization: basic dtpw\r\n"),
        ("bearer_token: t".to_owned(), "authorization: bearer t\r\n"),
        ("authorization: {credentials: t}".to_owned(), "authorization: bearer t\r\n"),
        ("authorization: {type: Token, credentials: t}".to_owned(), "authorization: token t\r\n"),
        (
            format!("authorization: {{credentials_file: '{}'}}", file.display()),
            "authorization: bearer from-file\r\n",
        ),
        (format!("bearer_token_file: '{}'", file.display()), "authorization: bearer from-file\r\n"),
    ] {
        assert_eq!(up(&target.scraper(&keys).scrape(NOW).await), 1.0);
        let request = target.asked().remove(0).to_lowercase();
        assert!(request.contains(expected), "{keys}: {request}");
    }
    assert_eq!(up(&target.scraper("bearer_token_file: /nowhere").scrape(NOW).await), 0.0);
}

#[tokio::test]
async fn a_unix_socket_can_be_a_target() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("metrics.sock");
    let target = Target::start_unix(&path, response(TEXT, "", b"a 1\n"));
    let batch = scraper(&format!("unix://{}", path.display()), "").scrape(NOW).await;
    assert_eq!(up(&batch), 1.0);
    let resource = batch.iter().next().unwrap().series.resource().attributes.clone();
    assert_eq!(resource.get("server.address").unwrap().as_str(), path.to_str());
    assert!(target.asked()[0].to_lowercase().contains("host: localhost\r\n"));
}

#[tokio::test]
async fn tls_targets_must_show_a_certificate_that_is_trusted() {
    let certified = rcgen::generate_simple_self_signed(vec!["metrics.test".to_owned()]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    std::fs::write(&file, certified.cert.pem()).unwrap();
    let key = certified.signing_key.serialize_der().try_into().unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let target = Target::start_tls(TlsAcceptor::from(Arc::new(server)), response(TEXT, "", b"a 1\n")).await;
    let trusting =
        format!("scheme: https\ntls_config: {{ca_file: '{}', server_name: metrics.test}}", file.display());
    assert_eq!(up(&target.scraper(&trusting).scrape(NOW).await), 1.0);
    assert_eq!(up(&target.scraper("scheme: https").scrape(NOW).await), 0.0);
    let blind = "scheme: https\ntls_config: {insecure_skip_verify: true}";
    assert_eq!(up(&target.scraper(blind).scrape(NOW).await), 1.0);
}

#[tokio::test]
async fn labels_come_from_the_file_and_from_relabelling() {
    let target = Target::start(response(TEXT, "", b"a{env=\"scraped\"} 1\nb_drop 1\n")).await;
    let keys = "static_configs: [{targets: [HOST], labels: {env: prod, tmp: x}}]\n\
                relabel_configs:\n\
                - {source_labels: [tmp], target_label: zone, replacement: 'z-$1'}\n\
                - {regex: tmp, action: labeldrop}\n\
                metric_relabel_configs:\n\
                - {source_labels: [__name__], regex: '.*_drop', action: drop}";
    let keys = keys.replace("HOST", &format!("'{}'", target.address));
    let text = indent(&keys);
    let text = format!(
        "config:\n  global: {{external_labels: {{region: r, env: other}}}}\n  scrape_configs:\n    - job_name: j\n{text}"
    );
    let section = Section::from_yaml("receivers.prometheus", &text).unwrap();
    let receiver = Prometheus { config: section.read().unwrap(), context: context(), term: Term::default() };
    let mut scrapers = receiver.scrapers(&receiver.config.config.scrape_configs[0]).unwrap();
    let batch = scrapers.remove(0).0.scrape(NOW).await;
    assert_eq!(
        show(&batch)[..4],
        [
            "a{env=prod,exported_env=scraped,region=r,zone=z-x} 1",
            "up{env=prod,region=r,zone=z-x} 1",
            "scrape_samples_scraped{env=prod,region=r,zone=z-x} 2",
            "scrape_samples_post_metric_relabeling{env=prod,region=r,zone=z-x} 1",
        ]
    );
}

#[tokio::test]
async fn too_many_targets_are_all_refused() {
    let target = Target::start(response(TEXT, "", b"a 1\n")).await;
    let section = section(&target.address.to_string(), "target_limit: 1");
    let mut config: crate::prometheus::Config = section.read().unwrap();
    config.config.scrape_configs[0].static_configs[0].targets.push("other:1".to_owned());
    let receiver = Prometheus { config, context: context(), term: Term::default() };
    for (mut scraper, _) in receiver.scrapers(&receiver.config.config.scrape_configs[0]).unwrap() {
        assert_eq!(up(&scraper.scrape(NOW).await), 0.0);
    }
    assert!(target.asked().is_empty());
}

#[tokio::test(start_paused = true)]
async fn targets_that_hang_do_not_delay_the_others() {
    let hanging = Target::start(Answer::Hang(Vec::new())).await;
    let good = Target::start(response(TEXT, "", b"a 1\n")).await;
    // Many names for the two, so that each is many targets.
    let mut targets = Vec::new();
    for index in 0..40 {
        targets.push(format!("'127.0.0.1:{}'", [hanging.address.port(), good.address.port()][index % 2]));
    }
    let mut jobs = String::new();
    for (index, target) in targets.iter().enumerate() {
        let job =
            format!("job_name: j{index}, scrape_interval: 10s, static_configs: [{{targets: [{target}]}}]");
        jobs.push_str("    - {");
        jobs.push_str(&job);
        jobs.push_str("}\n");
    }
    let section =
        Section::from_yaml("receivers.prometheus", &format!("config:\n  scrape_configs:\n{jobs}")).unwrap();
    let receiver = (ENTRY.build)(&section, &context()).unwrap();
    let (sink, stop) = (Sink::new(), CancellationToken::new());
    let running = Receiver::start(receiver, sink.output(), stop.clone()).await.unwrap();
    assert_eq!(running.notes, ["40 targets"]);
    let work = tokio::spawn(running.work);
    tokio::time::sleep(Duration::from_secs(35)).await;
    stop.cancel();
    work.await.unwrap();
    let batches = sink.take();
    let good = batches.iter().filter(|batch| up(batch) == 1.0).count();
    let failed = batches.iter().filter(|batch| up(batch) == 0.0).count();
    // Three or four intervals fit, for each of the twenty; a hanging scrape takes one of them.
    assert!((60..=80).contains(&good), "{good}");
    assert!(failed > 0, "{failed}");
}

#[tokio::test]
async fn strict_receivers_refuse_what_the_specification_does() {
    let target = Target::start(response(OPENMETRICS, "", b"# TYPE a counter\na_total -1\n# EOF\n")).await;
    assert_eq!(up(&target.scraper("").scrape(NOW).await), 1.0);
    let mut config: crate::prometheus::Config = section(&target.address.to_string(), "").read().unwrap();
    config.strict = true;
    let receiver = Prometheus { config, context: context(), term: Term::default() };
    let mut scrapers = receiver.scrapers(&receiver.config.config.scrape_configs[0]).unwrap();
    assert_eq!(up(&scrapers.remove(0).0.scrape(NOW).await), 0.0);
}

/// Keeps log lines as `LEVEL message field=value ...`.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl tracing::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
        let _ = std::fmt::Write::write_fmt(&mut self.0, format_args!(" {}={value:?}", field.name()));
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::INFO && metadata.target().starts_with("receivers::")
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let mut fields = Fields(event.metadata().level().to_string());
        event.record(&mut fields);
        self.0.lock().unwrap().push(fields.0);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_change_of_state_is_logged_once() {
    let log = Log::default();
    // Of one subscriber alone `tracing` asks the thread that comes first to a line of the log, and other tests' threads
    // have none: the line would be off for us too.
    let _second = tracing::Dispatch::new(log.clone());
    let _guard = tracing::subscriber::set_default(log.clone());
    let target = Target::start(response(TEXT, "", b"a 1\n")).await;
    let mut scraper = target.scraper("params: {token: [hush]}\nbearer_token: hush");
    scraper.scrape(NOW).await;
    target.answer_text("a 1\nb \u{1b}[31m\n");
    scraper.scrape(NOW).await;
    target.answer(status("500 Internal Server Error", ""));
    scraper.scrape(NOW).await;
    target.answer_text("a 1\na 1\n");
    scraper.scrape(NOW).await;
    scraper.scrape(NOW).await;
    let lines = log.0.lock().unwrap().clone();
    assert_eq!(lines.len(), 3, "{lines:#?}");
    assert!(lines[0].starts_with("ERROR message=scrape failed"), "{}", lines[0]);
    let address = target.address;
    for part in [
        "job=\"j\"".to_owned(),
        format!("instance=\"{address}\""),
        format!("url=\"http://{address}/metrics\""),
        "line 2 (byte 6)".to_owned(),
    ] {
        assert!(lines[0].contains(&part), "{part}: {}", lines[0]);
    }
    assert!(lines[1].starts_with("INFO message=scrape works again"), "{}", lines[1]);
    assert!(lines[2].starts_with("WARN") && lines[2].contains("duplicates=1"), "{}", lines[2]);
    assert!(!lines.concat().contains("hush") && !lines.concat().contains('\u{1b}'), "{lines:#?}");
}

#[test]
fn the_fuzz_body_takes_what_it_is_given() {
    for bytes in [&b""[..], b"a 1\n", b"\xff", b"# TYPE a histogram\na_bucket{le=\"1\"} 1\n# EOF\n"] {
        fuzz_exposition(bytes);
    }
}

#[tokio::test]
async fn reports_are_there_when_samples_have_reached_the_bound() {
    let body: String = (0..100).map(|index| format!("a{{i=\"{index}\"}} 1\n")).collect();
    let target = Target::start(response(TEXT, "", body.as_bytes())).await;
    let context = context();
    context.registry.limit(50);
    let (receiver, mut scrapers) = started(&context, &Term::default(), &[&target]);
    let batch = scrapers.remove(0).scrape(NOW).await;
    assert_eq!(batch.len(), 50);
    assert_eq!(show(&batch)[45..][..2], ["up 1", "scrape_samples_scraped 100"]);
    assert_eq!(receiver.context.registry.refused(), 55);
}

/// A receiver in its term, with these targets.
fn started(context: &Context, term: &Term, targets: &[&Target]) -> (Prometheus, Vec<TargetScraper>) {
    let targets: Vec<_> = targets.iter().map(|target| format!("'{}'", target.address)).collect();
    let text = format!(
        "config: {{scrape_configs: [{{job_name: j, static_configs: [{{targets: [{}]}}]}}]}}",
        targets.join(", ")
    );
    let config = Section::from_yaml("receivers.prometheus", &text).unwrap().read().unwrap();
    let receiver = Prometheus { config, context: context.clone(), term: term.clone() };
    let scrapers = receiver.scrapers(&receiver.config.config.scrape_configs[0]).unwrap();
    (receiver, scrapers.into_iter().map(|(scraper, _)| scraper).collect())
}

#[tokio::test]
async fn at_a_reload_what_has_no_successor_ends_and_what_has_one_goes_on() {
    let stays = Target::start(response(TEXT, "", b"a 1\nb 1\nc 1\n")).await;
    let goes = Target::start(response(TEXT, "", b"d 1\n")).await;
    let (context, old, new) = (context(), Term::default(), Term::default());
    let (_, mut before) = started(&context, &old, &[&stays, &goes]);
    for scraper in &mut before {
        assert_eq!(up(&scraper.scrape(NOW).await), 1.0);
    }
    let (_, mut after) = started(&context, &new, &[&stays]);
    let mut after = after.remove(0);
    // The new one may scrape before the old one has stopped; and meanwhile a series vanishes.
    stays.answer_text("a 2\nb 2\n");
    assert_eq!(show(&after.scrape(NOW).await)[..3], ["a 2", "b 2", "up 1"]);
    old.end(Some(new.clone()));
    let ended: Vec<_> = before.into_iter().map(|scraper| show(&scraper.retire(NOW))).collect();
    assert!(ended[0].is_empty(), "{ended:?}");
    let mut ended = ended[1].clone();
    ended.sort();
    assert_eq!(ended[..2], ["d stale", "scrape_samples_post_metric_relabeling stale"]);
    assert_eq!(ended.last().map(String::as_str), Some("up stale"));
    stays.answer_text("a 3\n");
    let mut shown = show(&after.scrape(NOW).await);
    shown[1..3].sort();
    assert_eq!(shown[..4], ["a 3", "b stale", "c stale", "up 1"]);
    assert!(shown[4..].iter().all(|line| !line.ends_with("stale")), "{shown:?}");
    // At the end of the collector nothing has ended.
    assert!(after.retire(NOW).is_empty());
}
