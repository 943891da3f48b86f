//! What the tests of several exporters need: batches, a context, and an HTTP server that says what it is told.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use config::{Problem, Secret, Section};
use pipeline::component::{Context, Delivery, Exporter, ExporterEntry};
use pipeline::net::Net;
use pipeline::net::auth::{Authenticator, Basic, Source};
use pipeline::{
    Attributes, Batch, Clock, Kind, Metric, Point, Registry, Resource, Scope, Temporality, point,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The id of the authenticator of [`context`]: user `u`, password `hunter2`.
pub(crate) const AUTHENTICATOR: &str = "basic_auth/test";

pub(crate) fn context(entry: &ExporterEntry) -> Context {
    let basic = Basic {
        client: Some((Source::Text(Secret::new("u")), Source::Text(Secret::new("hunter2")))),
        ..Basic::default()
    };
    let authenticators = HashMap::from([(AUTHENTICATOR.to_owned(), Arc::new(Authenticator::basic(basic)))]);
    Context {
        id: entry.name.to_owned(),
        registry: Arc::new(Registry::new(1000)),
        clock: Clock::system(),
        meter: opentelemetry::global::meter("test").into(),
        net: Arc::new(Net::new(authenticators)),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

/// Builds and starts an exporter.
pub(crate) async fn start(entry: &ExporterEntry, yaml: &str) -> Arc<dyn Exporter> {
    let section = Section::from_yaml("exporters.test", yaml).unwrap();
    let built = (entry.build)(&section, &context(entry)).unwrap();
    assert!(matches!(built.delivery, Delivery::Queued(_)));
    built.exporter.start().await.unwrap();
    built.exporter
}

/// What is wrong with a section, a line each.
pub(crate) fn problems(entry: &ExporterEntry, yaml: &str) -> Vec<String> {
    let section = Section::from_yaml("exporters.test", yaml).unwrap();
    match (entry.build)(&section, &context(entry)) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.0.iter().map(shown).collect(),
    }
}

/// A problem without its line and column.
pub(crate) fn shown(problem: &Problem) -> String {
    format!("{}: {}", problem.path, problem.message)
}

/// Points of as many series of one metric.
pub(crate) fn batch(points: usize) -> Batch {
    let registry = Registry::new(points + 1);
    let resource = Arc::new(Resource::default());
    let scope = Arc::new(Scope { name: String::from("test"), ..Scope::default() });
    let metric = Arc::new(Metric::new("gpu.temperature", "Cel", Kind::Gauge));
    (0..points)
        .map(|index| {
            let attributes = Attributes::of_strings([("gpu", index.to_string().as_str())]);
            let series = registry.series(&resource, &scope, &metric, attributes).unwrap();
            Point::new(series, 1_700_000_000_000_000_000, point::Value::Int(index as i64))
        })
        .collect()
}

/// A histogram of so many bounds, with an exemplar in each of its buckets.
pub(crate) fn histogram_with_exemplars(bounds: usize) -> Batch {
    let exemplar = |index: usize| point::Exemplar {
        attributes: Attributes::default(),
        time_unix_nano: 1_000_000_000,
        value: point::ExemplarValue::Double(index as f64 - 0.5),
        trace_id: Vec::new(),
        span_id: Vec::new(),
    };
    let histogram = point::Histogram {
        count: bounds as u64 + 1,
        sum: Some(1.0),
        bounds: (0..bounds).map(|index| index as f64).collect(),
        bucket_counts: vec![1; bounds + 1],
        ..point::Histogram::default()
    };
    let kind = Kind::Histogram { temporality: Temporality::Cumulative };
    let metric = Arc::new(Metric::new("h", "", kind));
    let series = Registry::new(1).series(&Arc::default(), &Arc::default(), &metric, Attributes::default());
    let value = point::Value::Histogram(Box::new(histogram));
    let point = Point::new(series.unwrap(), 2_000_000_000, value);
    let exemplars = point::Exemplars::new((0..=bounds).rev().map(exemplar).collect());
    [Point { exemplars, ..point }].into_iter().collect()
}

/// Does work on a thread of its own that would take very long if it were done the wrong way.
pub(crate) fn in_time<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || sender.send(work()));
    receiver.recv_timeout(Duration::from_mins(1)).expect("an end in time")
}

/// What a scripted server does with a request.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// Sends these bytes.
    Bytes(Vec<u8>),
    /// Sends these bytes, and then zeros until nobody reads them.
    Endless(Vec<u8>),
    /// Sends these bytes and no more, and keeps the connection.
    Stuck(Vec<u8>),
    /// Closes the connection.
    Close,
}

impl Reply {
    pub(crate) fn new(status: u16, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let mut bytes =
            format!("HTTP/1.1 {status} X\r\n{headers}content-length: {}\r\n\r\n", body.len()).into_bytes();
        bytes.extend_from_slice(body);
        Self::Bytes(bytes)
    }
}

/// A request as it came: its head in lower case, and its body.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

/// What is said to a request.
type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

/// An HTTP/1.1 server that says what it is told.
#[derive(Debug, Clone)]
pub(crate) struct Scripted {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    pub(crate) connections: Arc<Mutex<usize>>,
}

impl Scripted {
    /// Gives the same reply to every request.
    pub(crate) async fn start(reply: Reply) -> Self {
        Self::start_by(move |_| reply.clone()).await
    }

    /// Gives the reply that fits a request.
    pub(crate) async fn start_by(script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let script: Script = Arc::new(script);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = Self { address, seen: Arc::default(), connections: Arc::default() };
        let (seen, connections) = (server.seen.clone(), server.connections.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *connections.lock().unwrap() += 1;
                tokio::spawn(serve(stream, script.clone(), seen.clone()));
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

async fn serve(mut stream: TcpStream, script: Script, seen: Arc<Mutex<Vec<Seen>>>) {
    while let Some(request) = read_request(&mut stream).await {
        let reply = script(&request);
        seen.lock().unwrap().push(request);
        match &reply {
            Reply::Bytes(bytes) => stream.write_all(bytes).await.unwrap(),
            Reply::Endless(head) => {
                stream.write_all(head).await.unwrap();
                while stream.write_all(&[0; 8192]).await.is_ok() {}
            }
            Reply::Stuck(head) => {
                stream.write_all(head).await.unwrap();
                std::future::pending::<()>().await;
            }
            Reply::Close => return,
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<Seen> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { head, body })
}
