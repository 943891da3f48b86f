//! The receiver as it runs: what is found is scraped as itself, and ends when it has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ::config::Section;
use futures_util::future::BoxFuture;
use opentelemetry::global;
use pipeline::component::Context;
use pipeline::net::server::{HttpService, Incoming, Listen, text as answer};
use pipeline::net::{Body, Net};
use pipeline::output::Sink;
use pipeline::succession::Term;
use pipeline::{Clock, Point, Registry, Value};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::super::ENTRY;
use super::fake::{Fake, Reply, http, json, models, recorded, text};

const VLLM: &str = "vllm-0.33.0.constructed.prom";
const PATIENCE: Duration = Duration::from_mins(1);

fn context() -> Context {
    Context {
        id: "runners".to_owned(),
        registry: Arc::new(Registry::new(100_000)),
        clock: Clock::system(),
        meter: global::meter("test").into(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

/// A receiver at work, and what it has brought.
struct Running {
    sink: Sink,
    points: Vec<Point>,
    stop: CancellationToken,
    work: JoinHandle<()>,
    notes: Vec<String>,
}

impl Running {
    /// Looks at these ports every 200 ms, and scrapes as often.
    async fn start(fakes: &[&Fake], keys: &str) -> Self {
        let ports: Vec<_> = fakes.iter().map(|fake| fake.port().to_string()).collect();
        Self::start_with(&ports.join(", "), keys, &context(), Term::default()).await
    }

    async fn start_with(ports: &str, keys: &str, context: &Context, term: Term) -> Self {
        let text =
            format!("{{ports: [{ports}], interval: 200ms, scrape_interval: 1s, scrape_timeout: 1s{keys}}}");
        let section = Section::from_yaml("receivers.runners", &text).unwrap();
        let mut receiver = (ENTRY.build)(&section, context).unwrap();
        receiver.begin(term);
        let (sink, stop) = (Sink::new(), CancellationToken::new());
        let running = receiver.start(sink.output(), stop.clone()).await.unwrap();
        Self { sink, points: Vec::new(), stop, work: tokio::spawn(running.work), notes: running.notes }
    }

    #[track_caller]
    fn wait(&mut self, what: &str, holds: impl Fn(&[Point]) -> bool) -> impl Future<Output = ()> {
        let what = what.to_owned();
        async move {
            let deadline = Instant::now() + PATIENCE;
            while !holds(self.collect()) {
                assert!(Instant::now() < deadline, "waited in vain for {what}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    fn collect(&mut self) -> &[Point] {
        self.points.extend(self.sink.take().iter().flat_map(|batch| batch.iter().cloned()));
        &self.points
    }

    async fn stop(mut self) -> Vec<Point> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, &mut self.work).await.unwrap().unwrap();
        self.collect();
        std::mem::take(&mut self.points)
    }
}

fn attribute(point: &Point, key: &str) -> String {
    let attributes = &point.series.resource().attributes;
    let value = attributes.get(key).map(|value| match value.as_str() {
        Some(text) => text.to_owned(),
        None => format!("{value:?}"),
    });
    value.unwrap_or_default()
}

/// The values of `up` of a runner: `1`, `0` or `stale`, without repetitions.
fn ups(points: &[Point], key: &str, value: &str) -> Vec<&'static str> {
    let ups =
        points.iter().filter(|point| point.series.metric().name == "up" && attribute(point, key) == value);
    let mut ups: Vec<_> = ups
        .map(|point| match point.value {
            Value::Double(1.0) => "1",
            Value::Empty => "stale",
            _ => "0",
        })
        .collect();
    ups.dedup();
    ups
}

async fn vllm() -> Fake {
    Fake::start()
        .await
        .on("/metrics", recorded(VLLM))
        .on("/v1/models", models("llama", "vllm"))
        .on("/version", json(200, r#"{"version":"0.33.0"}"#))
}

#[tokio::test]
async fn what_is_found_is_scraped_as_itself_whatever_others_do() {
    let page = "llamacpp-0.5.0-dev-0c1e57098-idle.recorded.prom";
    let llama = Fake::start()
        .await
        .on("/v1/models", recorded("probes/llamacpp-0.5.0-dev-0c1e57098-v1-models.recorded.json"))
        .on("/props", recorded("probes/llamacpp-0.5.0-dev-0c1e57098-props.recorded.json"))
        .on("/metrics", recorded(page));
    let (vllm, stuck) = (vllm().await, Fake::start().await);
    let stuck = stuck
        .on("/v1/models", models("m", "llamacpp"))
        .on("/props", json(200, r#"{"endpoint_metrics":true}"#))
        .on("/metrics", Reply::Hang);
    let mut running = Running::start(&[&stuck, &vllm, &llama], "").await;
    assert_eq!(running.notes.len(), 3, "{:?}", running.notes);
    let is_slow = |points: &[Point]| ups(points, "gen_ai.request.model", "m") == ["0"];
    running.wait("the stuck one to be down", is_slow).await;
    let asked = stuck.count("GET /v1/models");
    let address = llama.address.clone();
    running
        .wait("three scrapes of one and two of the other", |points| {
            let count = |key: &str, value: &str| {
                let is =
                    |point: &&Point| point.series.metric().name == "up" && attribute(point, key) == value;
                points.iter().filter(is).count()
            };
            count("gen_ai.provider.name", "vllm") >= 3 && count("service.instance.id", &address) >= 2
        })
        .await;
    let points = running.stop().await;
    assert_eq!(ups(&points, "gen_ai.request.model", "llama"), ["1"]);
    assert_eq!(ups(&points, "gen_ai.request.model", "m"), ["0"]);
    let point =
        points.iter().find(|point| point.series.metric().name == "vllm:num_requests_running").unwrap();
    let port = vllm.port();
    for (key, value) in [
        ("service.name", "vllm"),
        ("service.instance.id", &vllm.address),
        ("service.version", "0.33.0"),
        ("server.address", "127.0.0.1"),
        ("gen_ai.provider.name", "vllm"),
        ("gen_ai.request.model", "llama"),
        ("inferometer.runner", "vllm"),
    ] {
        assert_eq!(attribute(point, key), value, "{key}");
    }
    assert!(attribute(point, "server.port").contains(&port.to_string()));
    assert!(points.iter().all(|point| !point.is_stale()), "the end of the collector ends no series");
    // Looking does not read a page whose reading resets it: all there were are scrapes.
    let scrapes = points.iter().filter(|point| {
        point.series.metric().name == "up" && attribute(point, "service.instance.id") == llama.address
    });
    let (scrapes, reads) = (scrapes.count(), llama.count("GET /metrics"));
    assert!(reads == scrapes || reads == scrapes + 1, "{reads} reads for {scrapes} scrapes");
    let more = stuck.count("GET /v1/models") - asked;
    assert!(more <= 1, "who is slow is left alone: {:?}", stuck.requests());
    for request in [vllm.requests(), llama.requests(), stuck.requests()].concat() {
        assert!(request.starts_with("GET ") && !request.starts_with("GET /health"), "{request}");
    }
}

#[tokio::test]
async fn another_model_is_another_resource() {
    let vllm = vllm().await;
    let mut running = Running::start(&[&vllm], "").await;
    let is = |model: &'static str, wanted: &'static [&str]| {
        move |points: &[Point]| ups(points, "gen_ai.request.model", model) == wanted
    };
    running.wait("the first model", is("llama", &["1"])).await;
    vllm.set("/v1/models", models("qwen", "vllm"));
    running.wait("the end of the first model", is("llama", &["1", "stale"])).await;
    running.wait("the second model", is("qwen", &["1"])).await;
    // And another program, which is seen by the names on its page alone.
    vllm.set("/v1/models", http(404, "", ""));
    vllm.set("/metrics", text("sglang:num_running_reqs 1\n"));
    let sglang = |points: &[Point]| ups(points, "inferometer.runner", "sglang") == ["1"];
    running.wait("another program", sglang).await;
    let points = running.stop().await;
    assert_eq!(ups(&points, "gen_ai.request.model", "qwen"), ["1", "stale"]);
}

#[tokio::test]
async fn a_runner_that_is_gone_is_down_for_a_while_and_then_forgotten() {
    let vllm = vllm().await;
    let address = vllm.address.clone();
    let mut running = Running::start(&[&vllm], ", forget_after: 3s").await;
    let is = |wanted: &'static [&str]| {
        let address = address.clone();
        move |points: &[Point]| ups(points, "service.instance.id", &address) == wanted
    };
    running.wait("a scrape", is(&["1"])).await;
    drop(vllm);
    running.wait("it to be down", is(&["1", "0"])).await;
    let name = "vllm:num_requests_running";
    let ended =
        |points: &[Point]| points.iter().any(|point| point.is_stale() && point.series.metric().name == name);
    assert!(ended(running.collect()), "its series have ended");
    running.wait("it to be forgotten", is(&["1", "0", "stale"])).await;
    let _again = Fake::start_at(&address)
        .await
        .on("/metrics", recorded(VLLM))
        .on("/v1/models", models("llama", "vllm"));
    running.wait("it to be back", is(&["1", "0", "stale", "1"])).await;
    running.stop().await;
}

#[tokio::test]
async fn the_receiver_that_follows_goes_on_with_the_series() {
    let vllm = vllm().await;
    let context = context();
    let (old_term, new_term) = (Term::default(), Term::default());
    let port = vllm.port().to_string();
    let mut old = Running::start_with(&port, "", &context, old_term.clone()).await;
    old.wait("a scrape", |points| !points.is_empty()).await;
    let mut new = Running::start_with(&port, ", exclude: [1]", &context, new_term.clone()).await;
    old_term.end(Some(new_term));
    assert!(old.stop().await.iter().all(|point| !point.is_stale()));
    new.wait("a scrape", |points| ups(points, "gen_ai.provider.name", "vllm") == ["1"]).await;
    assert!(new.stop().await.iter().all(|point| !point.is_stale()));
}

/// Counts the requests.
struct Own(Arc<AtomicUsize>);

impl HttpService for Own {
    fn call(&self, _: ::http::Request<Incoming>) -> BoxFuture<'static, ::http::Response<Body>> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Box::pin(std::future::ready(answer(::http::StatusCode::OK, "vllm:num_requests_running 1")))
    }
}

#[tokio::test]
async fn where_the_collector_itself_listens_nobody_is_asked() {
    let (context, asked) = (context(), Arc::new(AtomicUsize::new(0)));
    let listen =
        Listen { endpoint: "127.0.0.1:0".to_owned(), path: "/metrics".to_owned(), ..Listen::default() };
    let served = context.net.serve(listen, Arc::new(Own(asked.clone()))).await.unwrap();
    let vllm = vllm().await;
    let ports = format!("{}, {}", served.address.tcp().unwrap().port(), vllm.port());
    let mut running = Running::start_with(&ports, "", &context, Term::default()).await;
    assert_eq!(running.notes, [format!("vllm at {}", vllm.address)]);
    let twice =
        |points: &[Point]| points.iter().filter(|point| point.series.metric().name == "up").count() > 1;
    running.wait("some rounds", twice).await;
    running.stop().await;
    assert_eq!(asked.load(Ordering::Relaxed), 0);
    // Another collector only knows it by its answer.
    let section =
        Section::from_yaml("", &format!("{{ports: [{}]}}", served.address.tcp().unwrap().port())).unwrap();
    let found = super::discover(&section.read().unwrap()).await;
    assert_eq!(found[0].reason, "a collector such as this one");
}
