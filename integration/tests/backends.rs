//! Backends that are away, silent, hostile or ask for a pause: nothing is lost that need not be, and
//! nobody else waits.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::time::Duration;

use integration::{
    Backend, Behaviour, Collector, Gate, Ledger, Load, Peer, Reply, Target, job, request, wait_until,
    with_pipeline,
};
use tokio::time::{Instant, sleep};

const RETRY: &str = "retry_on_failure: {initial_interval: 100ms, max_interval: 500ms}";
const BATCH: &str = "sending_queue: {batch: {flush_timeout: 20ms, min_size: 1}}";

fn load(collector: &Collector, source: &str, requests: u64) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: source.to_owned(),
        requests,
        points_per_request: 100,
        interval: Duration::from_millis(10),
    }
}

fn grpc(address: &str, more: &str) -> String {
    format!("{{endpoint: 'http://{address}', {more}}}")
}

async fn wait_for_all(backend: &Backend, collector: &Collector, points: u64) {
    let all = || async { backend.distinct() as u64 >= points };
    wait_until("the backend to have everything", all, || collector.log()).await;
}

async fn wait_for_dropped(collector: &Collector, exporter: &str, reason: &str, points: f64) {
    let labels = [format!("exporter=\"{exporter}\""), format!("error_type=\"{reason}\"")];
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    let name = "otelcol_exporter_send_failed_metric_points";
    let dropped = || async { collector.own_sample(name, &labels).await == Some(points) };
    wait_until(&format!("{points} points dropped by {exporter}: {reason}"), dropped, || collector.log())
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_is_gone_for_a_while_gets_everything_once() {
    let backend = Backend::start(Behaviour::Accept).await;
    let mut gate = Gate::open(&backend.address).await;
    let exporter = grpc(&gate.address, RETRY);
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_grpc", &exporter)])).await;
    let before: Ledger = load(&collector, "before", 50).run().await;
    wait_for_all(&backend, &collector, 5_000).await;
    let (_, base) = collector.memory_kib();
    // Answers may be on their way still; a batch whose answer is lost would be sent again.
    sleep(Duration::from_millis(500)).await;
    gate.shut().await;
    let during = load(&collector, "during", 400).run().await;
    assert_eq!((during.acknowledged, during.pushed_back), (40_000, 0), "{}", collector.log());
    let (peak, _) = collector.memory_kib();
    assert!(peak < base + 32 * 1024, "from {base} KiB to {peak} KiB");
    // Whoever takes connections only to hang up sees how often it is tried.
    gate.reopen().await;
    gate.hang_up(true);
    let (start, tried) = (Instant::now(), gate.connections());
    sleep(Duration::from_secs(4)).await;
    let tried = gate.connections() - tried;
    // Ten consumers, each waiting no less than a quarter of a second once its waits have grown.
    let bound = 10 * (start.elapsed().as_millis() as u64 / 250 + 1);
    assert!((1..=bound).contains(&tried), "{tried} connections");
    gate.hang_up(false);
    wait_for_all(&backend, &collector, 45_000).await;
    for ledger in [before, during] {
        assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", ledger.source);
    }
    // An outage is said at once, and not with each attempt.
    let failures = collector.log().matches("export failed").count();
    assert!(failures <= 5, "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_and_a_name_that_does_not_resolve_hold_up_nobody() {
    let (good, hole) = (Backend::start(Behaviour::Accept).await, Backend::start(Behaviour::BlackHole).await);
    let target = Target::start("scraped 1\n").await;
    let jobs = format!("{{config: {{scrape_configs: [{}]}}}}", job("t", &target.address, ""));
    let timeout = format!("timeout: 1s, {RETRY}");
    let exporters = [
        ("otlp_grpc/good", &*grpc(&good.address, RETRY)),
        ("otlp_grpc/hole", &*grpc(&hole.address, &timeout)),
        ("otlp_grpc/nowhere", &*grpc("no-such-host.invalid:4317", &timeout)),
        ("otlp_http/nowhere", &*grpc("no-such-host.invalid:4318", &timeout)),
    ];
    let collector = Collector::start(&with_pipeline(&[("prometheus", &jobs)], &exporters)).await;
    let ledger = load(&collector, "a", 100).run().await;
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (10_000, 0), "{}", collector.log());
    wait_for_all(&good, &collector, 10_000).await;
    assert_eq!(ledger.lost_and_doubled(&good.seen()), (0, 0));
    collector.wait_for_sample("scraped", &[], 1.0).await;
    // Attempts at the black hole end: ten consumers make more than ten of them.
    let more = || async { hole.requests() > 20 };
    wait_until("attempts to end", more, || collector.log()).await;
    collector.wait_for_log("no-such-host.invalid").await;
    assert!(ledger.wait(1.0) < Duration::from_secs(5), "{:?}", ledger.wait(1.0));
}

/// Points arrive at `good` while the exporter that was asked to wait says nothing for that long.
async fn check_pause(exporter: (&str, &str), good: &Backend, seen: impl Fn() -> usize) {
    let exporters = [("otlp_grpc/good", &*grpc(&good.address, RETRY)), exporter];
    let collector = Collector::start(&with_pipeline(&[], &exporters)).await;
    load(&collector, "first", 1).run().await;
    let asked = || async { seen() > 0 };
    wait_until("a first request", asked, || collector.log()).await;
    sleep(Duration::from_millis(500)).await;
    // What was under way when the pause was asked for.
    let under_way = seen();
    load(&collector, "second", 150).run().await;
    sleep(Duration::from_millis(500)).await;
    assert_eq!(seen(), under_way, "{}", collector.log());
    wait_for_all(good, &collector, 15_100).await;
    let again = || async { seen() > under_way };
    wait_until("a request after the pause", again, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_holds_back_that_exporter_alone() {
    let peer = Peer::saying(Reply::new(429, "Retry-After: 5\r\n", "slow down")).await;
    let good = Backend::start(Behaviour::Accept).await;
    let section = grpc(&peer.address, &format!("{RETRY}, {BATCH}"));
    check_pause(("otlp_http/busy", &section), &good, || peer.requests()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_info_holds_back_that_exporter_alone() {
    let busy = Backend::start(Behaviour::RefuseFor(Duration::from_secs(5))).await;
    let good = Backend::start(Behaviour::Accept).await;
    let section = grpc(&busy.address, &format!("{RETRY}, {BATCH}"));
    check_pause(("otlp_grpc/busy", &section), &good, || busy.requests() as usize).await;
}

/// Takes bodies up to a size, and refuses longer ones as too large.
async fn strict(bytes_max: usize) -> Peer {
    Peer::start(move |seen| {
        if seen.body.len() > bytes_max {
            return Reply::new(413, "", "too much");
        }
        Reply::new(200, "Content-Type: application/json\r\n", "{}")
    })
    .await
}

/// How many points the bodies that were taken hold together.
fn points(peer: &Peer, bytes_max: usize) -> usize {
    let taken = peer.seen().into_iter().filter(|seen| seen.body.len() <= bytes_max);
    taken.map(|seen| String::from_utf8(seen.body).unwrap().matches("\"asInt\"").count()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_dropped_or_split_as_configured() {
    let peer = strict(4_000).await;
    let json = format!("encoding: json, compression: none, {RETRY}");
    let exporters = [("otlp_http/drop", &*grpc(&peer.address, &json))];
    let collector = Collector::start(&with_pipeline(&[], &exporters)).await;
    load(&collector, "a", 1).run().await;
    wait_for_dropped(&collector, "otlp_http/drop", "permanent", 100.0).await;
    assert_eq!((peer.requests(), points(&peer, 4_000)), (1, 0));
    assert!(collector.log().contains("too much"), "{}", collector.log());

    let peer = strict(4_000).await;
    let exporters = [("otlp_http/split", &*grpc(&peer.address, &format!("when_too_large: split, {json}")))];
    let collector = Collector::start(&with_pipeline(&[], &exporters)).await;
    load(&collector, "a", 1).run().await;
    let all = || async { points(&peer, 4_000) == 100 };
    wait_until("all points in smaller requests", all, || collector.log()).await;

    // Nothing is small enough: it ends with single points.
    let peer = strict(1).await;
    let exporters = [("otlp_http/split", &*grpc(&peer.address, &format!("when_too_large: split, {json}")))];
    let collector = Collector::start(&with_pipeline(&[], &exporters)).await;
    load(&collector, "a", 1).run().await;
    wait_for_dropped(&collector, "otlp_http/split", "permanent", 100.0).await;
    assert_eq!(peer.requests(), 199);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_without_end_or_measure_hold_up_nobody_and_memory_stays_flat() {
    let endless = |head: &str, piece: &[u8]| {
        let (head, piece) = (head.as_bytes().to_vec(), piece.to_vec());
        Peer::saying(Reply::Endless { head, piece, pause: Duration::ZERO })
    };
    let ok = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    let text = "Content-Length: 4294967296\r\n\r\n{\"partialSuccess\":{\"rejectedDataPoints\":\"1\",\"errorMessage\":\"";
    let peers = [
        ("otlp_http/body", endless(&format!("{ok}\r\n"), &[b' '; 1 << 14]).await),
        ("otlp_http/error", endless("HTTP/1.1 400 no\r\n\r\n", &[b'x'; 1 << 14]).await),
        ("otlp_http/text", endless(&format!("{ok}{text}"), &[b'x'; 1 << 14]).await),
        ("otlp_http/header", endless("HTTP/1.1 200 OK\r\nA: ", &[b'x'; 1 << 14]).await),
        ("otlp_http/headers", endless("HTTP/1.1 200 OK\r\n", b"A: b\r\n").await),
        ("otlp_http/no_http", endless("", &[b'x'; 1 << 14]).await),
        ("otlp_grpc/no_http2", endless("", &[0; 1 << 14]).await),
    ];
    let long = Backend::start(Behaviour::RefuseAtLength(1 << 20)).await;
    let more =
        "timeout: 3s, retry_on_failure: {initial_interval: 200ms, max_interval: 1s, max_elapsed_time: 2s}";
    let mut exporters: Vec<(&str, String)> =
        peers.iter().map(|(id, peer)| (*id, grpc(&peer.address, more))).collect();
    exporters.push(("otlp_grpc/long", grpc(&long.address, more)));
    let exporters: Vec<(&str, &str)> =
        exporters.iter().map(|(id, section)| (*id, section.as_str())).collect();
    let collector = Collector::start(&with_pipeline(&[], &exporters)).await;
    let (_, base) = collector.memory_kib();
    load(&collector, "a", 1).run().await;
    for (id, _) in &exporters {
        // With a success in front the points were taken, whatever comes behind it.
        let is_taken = ["otlp_http/body", "otlp_http/text"].contains(id);
        let name = if is_taken { "sent" } else { "send_failed" };
        let name = format!("otelcol_exporter_{name}_metric_points");
        let is_decided =
            || async { collector.own_sample(&name, &[&format!("exporter=\"{id}\"")]).await == Some(100.0) };
        wait_until(&format!("{name} of {id}"), is_decided, || collector.log()).await;
    }
    let (peak, _) = collector.memory_kib();
    // 4 MiB of an answer are read, perhaps of all at once, and connections have buffers.
    let allowed = exporters.len() as u64 * 6 * 1024;
    assert!(peak < base + allowed, "from {base} KiB to {peak} KiB");
    let longest = collector.log().lines().map(str::len).max().unwrap_or(0);
    assert!(longest < 4_096, "a line of {longest} bytes in the log");
    assert!(collector.page().await.contains("load{"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_does_not_follow_a_redirect_with_its_credentials() {
    let other = Peer::saying(Reply::new(200, "", "")).await;
    let peer = Peer::saying(Reply::redirect(&format!("{}/v1/metrics", other.url()))).await;
    let section = grpc(&peer.address, "headers: {Authorization: Bearer canary, X-Key: canary}");
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await;
    load(&collector, "a", 1).run().await;
    wait_for_dropped(&collector, "otlp_http", "permanent", 100.0).await;
    assert!(peer.seen()[0].head.contains("authorization: bearer canary"));
    assert_eq!((peer.requests(), other.requests()), (1, 0));
    let log = collector.log();
    assert!(
        log.contains("redirects to `127.0.0.1`, which is not followed") && !log.contains("canary"),
        "{log}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn one_poison_batch_is_dropped_and_those_behind_it_flow() {
    let peer = Peer::start(|seen| {
        if String::from_utf8_lossy(&seen.body).contains("poison") {
            return Reply::new(400, "", "this is poison");
        }
        Reply::new(200, "", "{}")
    })
    .await;
    let section = grpc(&peer.address, "encoding: json, compression: none, sending_queue: {num_consumers: 1}");
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await;
    for source in ["a", "poison", "b"] {
        load(&collector, source, 1).run().await;
    }
    wait_for_dropped(&collector, "otlp_http", "permanent", 100.0).await;
    let labels = ["exporter=\"otlp_http\""];
    let sent = || async {
        collector.own_sample("otelcol_exporter_sent_metric_points", &labels).await == Some(200.0)
    };
    wait_until("the other batches to be sent", sent, || collector.log()).await;
    assert!(peer.requests() <= 3 + 64, "{} requests", peer.requests());
    assert_eq!(collector.log().matches("this is poison").count(), 1, "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn senders_are_told_to_come_back_over_http_too() {
    let hole = Backend::start(Behaviour::BlackHole).await;
    let section = grpc(&hole.address, "sending_queue: {queue_size: 1, num_consumers: 1}");
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_grpc", &section)])).await;
    let body = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"m","gauge":{"dataPoints":[
        {"timeUnixNano":"1700000000000000000","asInt":"1"}]}}]}]}]}"#;
    let http = collector.address("HTTP on http://");
    let mut answers = Vec::new();
    for _ in 0..5 {
        let headers = ["Content-Type: application/json"];
        answers.push(request(&http, "POST /v1/metrics HTTP/1.1", &headers, body.as_bytes()).await);
    }
    let last = answers.last().unwrap();
    assert_eq!(last.status, 503, "{}", last.text());
    let seconds: u64 = last.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=30).contains(&seconds), "{seconds}");
}
