use std::net::SocketAddr;

use http::header::{ACCEPT, ACCEPT_ENCODING};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::{Clock, Registry, notation};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::*;

fn context() -> Context {
    Context {
        id: "prometheus".to_owned(),
        registry: Arc::new(Registry::new(100_000)),
        clock: Clock::starting_at(1_700_000_000_000_000_000),
        meter: NoopMeterProvider::new().meter("test").into(),
        net: Arc::default(),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn exporter(context: &Context, settings: &str) -> Arc<dyn Exporter> {
    let section = Section::from_yaml("exporters.prometheus", settings).unwrap();
    let built = build(&section, context).unwrap();
    assert_eq!(built.delivery, Delivery::Direct);
    built.exporter
}

/// Starts an exporter on a free port; gives it with its address and what it says.
async fn start(context: &Context, settings: &str) -> (Arc<dyn Exporter>, SocketAddr, String) {
    let exporter = exporter(context, &format!("endpoint: 127.0.0.1:0\n{settings}"));
    let note = exporter.start().await.unwrap().remove(0);
    let address = note.split("//").nth(1).unwrap().split('/').next().unwrap().parse().unwrap();
    (exporter, address, note)
}

async fn request(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("{request}Host: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = Vec::new();
    stream.read_to_end(&mut response).await.unwrap();
    String::from_utf8_lossy(&response).into_owned()
}

fn points(context: &Context, text: &str) -> Batch {
    notation::parse(text, &context.registry).unwrap()
}

#[test]
fn the_example_is_read_and_every_problem_is_told() {
    let section = Section::from_yaml("p", ENTRY.example).unwrap();
    assert!(build(&section, &context()).is_ok());
    assert!((ENTRY.effective)(&section).is_ok());
    let text = "endpoint: nonsense\npath: metrics\nconst_labels: {__name__: x}\nmax_series: 0\nauth: {}\n\
                empty_page: \"# a\\n# TYPE a gauge\"\n";
    let problems = build(&Section::from_yaml("p", text).unwrap(), &context()).map(|_| ()).unwrap_err();
    let paths: Vec<_> = problems.0.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "p.endpoint",
            "p.path",
            "p.const_labels.__name__",
            "p.max_series",
            "p.auth.authenticator",
            "p.empty_page"
        ]
    );
    assert!(build(&Section::from_yaml("p", "endpont: x").unwrap(), &context()).is_err());
}

#[tokio::test]
async fn a_scrape_shows_what_was_exported() {
    let context = context();
    let (exporter, address, note) = start(&context, "path: /m").await;
    assert_eq!(note, format!("pull endpoint at http://{address}/m"));
    let receipt = exporter.export(&points(&context, "counter a = 17\ngauge a.total = 2")).await.unwrap();
    assert_eq!(receipt.rejected, 1);
    let response = request(address, "GET /m HTTP/1.1\r\n").await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    assert!(response.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{response}");
    assert!(response.contains("vary: Accept, Accept-Encoding\r\n"));
    assert!(response.contains("# TYPE a_total counter\na_total 17\n"), "{response}");
    let response = request(address, "HEAD /m HTTP/1.1\r\n").await;
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n") && response.ends_with("\r\n\r\n"), "{response}");
    let response = request(address, "POST /m HTTP/1.1\r\nContent-Length: 0\r\n").await;
    assert!(response.starts_with("HTTP/1.1 405 ") && response.contains("allow: GET, HEAD"), "{response}");
    assert!(request(address, "GET /other HTTP/1.1\r\n").await.starts_with("HTTP/1.1 404 "));
    exporter.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn two_exporters_share_an_address() {
    let context = context();
    let (first, address, _) = start(&context, "").await;
    let second = Context { id: "prometheus/2".to_owned(), ..context.clone() };
    let second = exporter(&second, &format!("endpoint: {address}\npath: /second"));
    second.start().await.unwrap();
    second.export(&points(&context, "gauge second = 1")).await.unwrap();
    assert!(request(address, "GET /second HTTP/1.1\r\n").await.contains("second 1"));
    assert!(!request(address, "GET /metrics HTTP/1.1\r\n").await.contains("second 1"));
    first.stop().await;
    assert!(request(address, "GET /second HTTP/1.1\r\n").await.contains("second 1"));
    second.stop().await;
}

#[tokio::test(start_paused = true)]
async fn series_expire_without_a_scrape() {
    let context = context();
    let section = Section::from_yaml("p", "endpoint: 127.0.0.1:0\nmetric_expiration: 1m").unwrap();
    let exporter = Prometheus::new(Config::read(&section, &context.net).unwrap(), context.clone());
    exporter.start().await.unwrap();
    exporter.export(&points(&context, "gauge a = 1\ngauge b = 1")).await.unwrap();
    tokio::time::sleep(Duration::from_secs(50)).await;
    exporter.export(&points(&context, "gauge a = 2")).await.unwrap();
    assert_eq!(exporter.store.lock().unwrap().len(), 2);
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(exporter.store.lock().unwrap().len(), 1);
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(exporter.store.lock().unwrap().len(), 0);
    assert_eq!(context.registry.live(), 0);
    exporter.stop().await;
}

#[tokio::test]
async fn a_compressed_page_unfolds_to_the_same() {
    use http_body_util::BodyExt;

    let context = context();
    let exporter = Prometheus::new(Config::default(), context.clone());
    let text: String =
        (0..20_000).fold(String::new(), |text, index| text + &format!("gauge a{{x={index}}} = 1\n"));
    exporter.export(&points(&context, &text)).await.unwrap();
    let endpoint = exporter.endpoint();
    let mut pages = Vec::new();
    for encoding in ["identity", "gzip", "zstd"] {
        let headers = http::HeaderMap::from_iter([
            (ACCEPT_ENCODING, encoding.parse().unwrap()),
            (ACCEPT, "application/openmetrics-text;version=1.0.0".parse().unwrap()),
        ]);
        let response = endpoint.answer(&http::Method::GET, &headers);
        let told = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        assert_eq!(told.as_deref().unwrap_or("identity"), encoding);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let mut page = Vec::new();
        match encoding {
            "gzip" => std::io::copy(&mut flate2::read::GzDecoder::new(&body[..]), &mut page).unwrap(),
            "zstd" => {
                let mut decoder = zstd::stream::read::Decoder::new(&body[..]).unwrap();
                std::io::copy(&mut decoder, &mut page).unwrap()
            }
            _ => std::io::copy(&mut &body[..], &mut page).unwrap(),
        };
        assert!(page.ends_with(b"# EOF\n"));
        pages.push(page);
    }
    assert_eq!(pages[0], pages[1]);
    assert_eq!(pages[0], pages[2]);
    assert_eq!(endpoint.under_way.load(std::sync::atomic::Ordering::Relaxed), 0);
}

#[tokio::test]
async fn beyond_a_number_of_scrapes_under_way_others_are_told_to_wait() {
    let exporter = Prometheus::new(Config::default(), context());
    let endpoint = exporter.endpoint();
    let answer = || endpoint.answer(&http::Method::GET, &http::HeaderMap::new());
    let under_way: Vec<_> = (0..40).map(|_| answer()).collect();
    assert!(under_way.iter().all(|response| response.status() == 200));
    assert_eq!(answer().status(), 503);
    drop(under_way);
    assert_eq!(answer().status(), 200);
}
