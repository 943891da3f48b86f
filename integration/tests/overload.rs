//! Under more load than it can carry the collector turns senders away, with a time to come back, and lives.

use std::sync::atomic::Ordering;
use std::time::Duration;

use integration::{Backend, Behaviour, Collector, Group, Ledger, Load, Refusals, Surge, wait_until};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};
use tonic::Code;

/// A collector that carries OTLP to one backend through a queue that memory cannot hold.
fn config(backend: &Backend, limiter: &str, live_series_max: u64) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  memory_limiter: {{{limiter}}}
exporters:
  otlp_grpc:
    endpoint: http://{}
    sending_queue: {{queue_size: 100000000, sizer: items}}
    retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms, max_elapsed_time: 0}}
service:
  limits: {{live_series_max: {live_series_max}}}
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [memory_limiter], exporters: [otlp_grpc]}}
",
        backend.address
    )
}

/// 100 MiB of points in 200 requests, over gRPC and HTTP.
fn surge(collector: &Collector) -> Surge {
    Surge {
        grpc: collector.address("gRPC on "),
        http: collector.address("HTTP on http://"),
        lanes: 2,
        requests: 50,
        points_per_request: 100,
        point_bytes: 5000,
    }
}

fn total(ledgers: &[Ledger]) -> u64 {
    ledgers.iter().map(|ledger| ledger.acknowledged).sum()
}

async fn wait_for_all(backend: &Backend, collector: &Collector, ledgers: &[Ledger]) {
    let all = || async { backend.distinct() as u64 >= total(ledgers) };
    wait_until("the backend to have everything", all, || collector.log()).await;
    for ledger in ledgers {
        assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", ledger.source);
    }
}

async fn wait_for_refusals(collector: &Collector) {
    let refused = || async {
        let name = "inferometer_receiver_refused_requests";
        let grpc = collector.own_sample(name, &["transport=\"grpc\""]).await;
        let http = collector.own_sample(name, &["transport=\"http\""]).await;
        grpc > Some(5.0) && http > Some(5.0)
    };
    wait_until("both protocols to refuse", refused, || collector.log()).await;
}

/// Watches for so long; returns the most memory that was seen.
async fn peak_mib(collector: &mut Collector, duration: Duration) -> u64 {
    let (end, mut peak) = (Instant::now() + duration, 0);
    while Instant::now() < end {
        assert!(!collector.has_ended(), "{}", collector.log());
        peak = peak.max(collector.anonymous_mib());
        sleep(Duration::from_millis(20)).await;
    }
    peak
}

#[tokio::test(flavor = "multi_thread")]
async fn above_the_limit_senders_are_told_to_come_back_and_nothing_acknowledged_is_lost() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let limiter = "check_interval: 1s, limit_mib: 100, spike_limit_mib: 40";
    let mut collector = Collector::start(&config(&backend, limiter, 1_000_000)).await;
    let refusals = Refusals::default();
    let sending = tokio::spawn(surge(&collector).run(refusals.clone()));
    wait_for_refusals(&collector).await;
    let peak = peak_mib(&mut collector, Duration::from_secs(5)).await;
    // Nothing is taken from 60 MiB on, and what was under way then has room for 40.
    assert!(peak < 100, "{peak} MiB\n{}", collector.log());
    assert!(collector.log().contains("memory is above the limit"), "{}", collector.log());

    backend.behave(Behaviour::Accept);
    let ledgers = sending.await.unwrap();
    assert_eq!(total(&ledgers), 20_000);
    wait_for_all(&backend, &collector, &ledgers).await;
    assert_eq!(refusals.without_time.load(Ordering::Relaxed), 0);
    assert!(refusals.with_time.load(Ordering::Relaxed) > 10);
    assert!(collector.log().contains("memory is below the limit again"), "{}", collector.log());
    let low = || async { collector.anonymous_mib() < 60 };
    wait_until("memory to come back", low, || format!("{} MiB", collector.anonymous_mib())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_control_group_of_128_mib_the_kernel_never_kills() {
    let Some(group) = Group::with_memory(128 << 20) else { return };
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let limiter = "check_interval: 1s, limit_percentage: 80, spike_limit_percentage: 30";
    let mut collector = Collector::spawn_after(&group.enter(), &config(&backend, limiter, 1_000_000));
    collector.wait_for_log("INFO ready").await;
    burst(&collector.address("HTTP on http://")).await;
    let sending = tokio::spawn(surge(&collector).run(Refusals::default()));
    wait_for_refusals(&collector).await;
    peak_mib(&mut collector, Duration::from_secs(5)).await;
    backend.behave(Behaviour::Accept);
    let ledgers = sending.await.unwrap();
    assert_eq!(total(&ledgers), 20_000);
    wait_for_all(&backend, &collector, &ledgers).await;
    assert_eq!(group.kills(), 0);
    // Gone before the group.
    collector.stop().await;
}

/// Twenty bodies of 20 MiB at once, of which none is a request.
async fn burst(address: &str) {
    let body = std::sync::Arc::new(vec![7; 20 << 20]);
    let posts = (0..20).map(|_| {
        let (address, body) = (address.to_owned(), body.clone());
        tokio::spawn(async move {
            let headers = ["Content-Type: application/x-protobuf"];
            integration::request(&address, "POST /v1/metrics HTTP/1.1", &headers, &body).await.status
        })
    });
    let mut statuses = Vec::new();
    for post in posts.collect::<Vec<_>>() {
        statuses.push(post.await.expect("a post ends"));
    }
    // A connection that is closed while it is written to has the status 0.
    assert!(statuses.iter().all(|status| [0, 400, 503].contains(status)), "{statuses:?}");
}

fn steady(collector: &Collector) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: String::from("steady"),
        requests: 100,
        points_per_request: 100,
        interval: Duration::from_millis(100),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_of_ever_new_series_is_refused_what_is_too_much_and_others_go_on() {
    let backend = Backend::start(Behaviour::Accept).await;
    let limiter = "check_interval: 1s, limit_mib: 1000";
    let mut collector = Collector::start(&config(&backend, limiter, 20_000)).await;
    // Its series are known before the others come.
    let known = Load { source: String::from("steady"), requests: 1, ..steady(&collector) }.run().await;
    assert_eq!(known.acknowledged, 100);
    let exploding = tokio::spawn(explode(collector.address("HTTP on http://"), 300));
    let steady = tokio::spawn(steady(&collector).run());
    let peak = peak_mib(&mut collector, Duration::from_secs(10)).await;
    let (taken, refused) = exploding.await.unwrap();
    let ledger = steady.await.unwrap();
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (10_000, 0), "{}", collector.log());
    assert_eq!((taken + refused, taken < 21_000), (300_000, true), "{taken} {refused}");
    assert!(peak < 120, "{peak} MiB");
    let failed = collector.own_sample("otelcol_receiver_failed_metric_points", &["receiver=\"otlp\""]);
    assert_eq!(failed.await, Some(refused as f64));
    assert!(collector.own_sample("inferometer_series_refused", &[]).await >= Some(refused as f64));
    wait_for_steady(&backend, &collector, &ledger).await;
}

async fn wait_for_steady(backend: &Backend, collector: &Collector, ledger: &Ledger) {
    let all = || async { ledger.lost_and_doubled(&backend.seen()).0 == 0 };
    wait_until("the steady source's points", all, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_burst_of_series_took_comes_back_when_memory_is_short() {
    let backend = Backend::start(Behaviour::Accept).await;
    let limiter = "check_interval: 1s, limit_mib: 40, spike_limit_mib: 16";
    let mut collector = Collector::start(&config(&backend, limiter, 1_000_000)).await;
    let base = collector.anonymous_mib();
    let exploding = tokio::spawn(explode(collector.address("HTTP on http://"), 80));
    let above = || async { collector.log().contains("memory is above the limit") };
    wait_until("memory to be short", above, || collector.log()).await;
    let (taken, refused) = exploding.await.unwrap();
    assert_eq!((taken, refused), (80_000, 0));
    let ledger = steady(&collector).run().await;
    assert_eq!(ledger.acknowledged, 10_000, "{}", collector.log());
    wait_for_steady(&backend, &collector, &ledger).await;
    assert!(!collector.has_ended());
    let low = || async { collector.anonymous_mib() < 24 };
    wait_until("memory to come back", low, || format!("{base}, {} MiB", collector.anonymous_mib())).await;
}

/// Sends so many requests of a thousand points, each of a series of its own, until each is taken; returns how many
/// points were taken and how many refused for good.
async fn explode(address: String, requests: u64) -> (u64, u64) {
    let (mut taken, mut refused) = (0, 0);
    for number in 0..requests {
        let points: Vec<_> = (number * 1000..(number + 1) * 1000)
            .map(|id| {
                let key = format!("request-{id:012}-of-a-client-that-puts-its-id-into-a-label");
                format!(
                    r#"{{"timeUnixNano":"1","asInt":"1","attributes":[{{"key":"id","value":{{"stringValue":"{key}"}}}}]}}"#
                )
            })
            .collect();
        let body = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{}]}}}}]}}]}}]}}"#,
            points.join(",")
        );
        loop {
            let headers = ["Content-Type: application/json"];
            let line = "POST /v1/metrics HTTP/1.1";
            let answer = integration::request(&address, line, &headers, body.as_bytes()).await;
            if answer.status == 200 {
                let text = answer.text();
                let rejected = text
                    .split("\"rejectedDataPoints\":\"")
                    .nth(1)
                    .and_then(|rest| rest.split('"').next()?.parse::<u64>().ok());
                refused += rejected.unwrap_or(0);
                taken += 1000 - rejected.unwrap_or(0);
                break;
            }
            assert_eq!(answer.status, 503, "{}", answer.text());
            sleep(Duration::from_millis(200)).await;
        }
    }
    (taken, refused)
}

#[tokio::test(flavor = "multi_thread")]
async fn without_file_descriptors_listeners_wait_and_go_on_when_there_are_some_again() {
    let backend = Backend::start(Behaviour::Accept).await;
    let limiter = "check_interval: 1s, limit_mib: 1000";
    let collector = Collector::spawn_after("ulimit -n 64", &config(&backend, limiter, 1_000_000));
    collector.wait_for_log("INFO ready").await;
    let ledger = Load { requests: 2, ..steady(&collector) }.run().await;
    assert_eq!(ledger.acknowledged, 200);
    // Idle connections are closed after some seconds, so they are opened anew.
    let addresses = [collector.address("gRPC on "), collector.address("HTTP on http://")];
    let mut held = Vec::new();
    for number in 0..120 {
        held.push(TcpStream::connect(&addresses[number % 2]).await.unwrap());
    }
    collector.wait_for_log("cannot accept connections").await;
    let before = collector.processor_seconds();
    sleep(Duration::from_secs(5)).await;
    let used = collector.processor_seconds() - before;
    assert!(used < 2.0, "{used} seconds of 5");
    drop(held);
    let ledger = Load { source: String::from("after"), requests: 10, ..steady(&collector) }.run().await;
    assert_eq!(ledger.acknowledged, 1_000, "{}", collector.log());
    wait_for_steady(&backend, &collector, &ledger).await;
    assert!(collector.descriptors() < 64);
}
