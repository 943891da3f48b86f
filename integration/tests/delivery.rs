//! Nothing that was acknowledged is lost while a backend is away, slow, or the collector is told to stop.

use std::time::Duration;

use integration::{Backend, Behaviour, Collector, Ledger, Load, wait_until};
use tokio::time::sleep;
use tonic::Code;

/// A collector that carries OTLP to one backend, with quick retries.
fn config(backend: &Backend, queue: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
  otlp_grpc:
    endpoint: http://{}
    timeout: 1s
    sending_queue: {queue}
    retry_on_failure: {{initial_interval: 100ms, max_interval: 500ms}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], exporters: [otlp_grpc]}}
    metrics/pull: {{receivers: [otlp], exporters: [prometheus]}}
",
        backend.address
    )
}

fn load(collector: &Collector, requests: u64, interval_millis: u64) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: String::from("a"),
        requests,
        points_per_request: 100,
        interval: Duration::from_millis(interval_millis),
    }
}

async fn wait_for_all(backend: &Backend, collector: &Collector, ledger: &Ledger) {
    let all = || async { backend.distinct() as u64 >= ledger.acknowledged };
    wait_until("the backend to have everything", all, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_refuses_for_20_seconds_loses_nothing() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let collector = Collector::start(&config(&backend, "{queue_size: 1000}")).await;
    let sending = tokio::spawn(load(&collector, 200, 100).run());
    sleep(Duration::from_secs(20)).await;
    backend.behave(Behaviour::Accept);
    let ledger = sending.await.unwrap();
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (20_000, 0), "{}", collector.log());
    wait_for_all(&backend, &collector, &ledger).await;
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_reaches_the_client_as_try_later_and_nothing_is_lost() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let collector = Collector::start(&config(&backend, "{queue_size: 5, num_consumers: 1}")).await;
    let sending = tokio::spawn(load(&collector, 30, 0).run());
    sleep(Duration::from_secs(2)).await;
    backend.behave(Behaviour::Accept);
    let ledger = sending.await.unwrap();
    assert_eq!(ledger.acknowledged, 3_000, "{}", collector.log());
    assert!(ledger.pushed_back > 0, "the queue was never full");
    wait_for_all(&backend, &collector, &ledger).await;
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0));
    let refused =
        collector.own_sample("otelcol_receiver_refused_metric_points", &["transport=\"grpc\""]).await;
    assert!(refused.is_some_and(|points| points > 0.0), "refusals are counted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_refuses_70_of_100_requests_gets_every_point_once() {
    let backend = Backend::start(Behaviour::RefusePercent(70)).await;
    let collector = Collector::start(&config(&backend, "{}")).await;
    let ledger = load(&collector, 100, 10).run().await;
    assert_eq!(ledger.acknowledged, 10_000);
    wait_for_all(&backend, &collector, &ledger).await;
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_under_load_loses_nothing_that_was_acknowledged() {
    let backend = Backend::start(Behaviour::Accept).await;
    let mut collector = Collector::start(&config(&backend, "{}")).await;
    let sending = tokio::spawn(load(&collector, 10_000, 0).run());
    sleep(Duration::from_secs(1)).await;
    let status = collector.stop().await;
    let ledger = sending.await.unwrap();
    assert!(status.success(), "{}", collector.log());
    assert!(ledger.acknowledged > 0);
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", collector.log());
    assert!(collector.log().contains("undelivered"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_delivered_in_time_is_said_and_the_exit_code_tells() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let mut collector = Collector::spawn(&config(&backend, "{}"), &["--shutdown-timeout", "1s"]);
    collector.wait_for_log("INFO ready").await;
    load(&collector, 3, 0).run().await;
    let status = collector.stop().await;
    assert_eq!(status.code(), Some(1), "{}", collector.log());
    assert!(collector.log().contains("undelivered=300"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_at_once() {
    let backend = Backend::start(Behaviour::BlackHole).await;
    let mut collector = Collector::spawn(&config(&backend, "{}"), &["--shutdown-timeout", "1h"]);
    collector.wait_for_log("INFO ready").await;
    load(&collector, 3, 0).run().await;
    collector.signal("TERM").await;
    collector.wait_for_log("stopping").await;
    collector.signal("INT").await;
    assert_eq!(collector.wait().await.code(), Some(1));
    let lost = "what is queued in memory is lost, what is on disk waits";
    assert!(collector.log().contains(lost), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_told_twice_by_a_wrapper_is_one() {
    let backend = Backend::start(Behaviour::Accept).await;
    let mut collector = Collector::spawn(&config(&backend, "{}"), &[]);
    collector.wait_for_log("ready").await;
    let id = collector.id();
    let twice = format!("kill -TERM {id}; kill -TERM {id} || true");
    assert!(
        std::process::Command::new("sh").args(["-c", &twice]).status().is_ok_and(|status| status.success())
    );
    assert_eq!(collector.wait().await.code(), Some(0), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_black_hole_does_not_hold_up_the_pull_endpoint() {
    let backend = Backend::start(Behaviour::BlackHole).await;
    let collector = Collector::start(&config(&backend, "{}")).await;
    let ledger = load(&collector, 20, 10).run().await;
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (2_000, 0));
    let labels = ["src=\"a\"", "lane=\"99\""];
    collector.wait_for_sample("load", &labels, 1_999.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_backend_calls_bad_is_dropped_and_counted_after_a_bounded_search() {
    let backend = Backend::start(Behaviour::Refuse(Code::InvalidArgument)).await;
    let collector = Collector::start(&config(&backend, "{batch: {flush_timeout: 10ms, min_size: 1}}")).await;
    load(&collector, 1, 0).run().await;
    let dropped = || async {
        let labels = ["exporter=\"otlp_grpc\""];
        collector.own_sample("otelcol_exporter_send_failed_metric_points", &labels).await == Some(100.0)
    };
    wait_until("100 points counted as failed", dropped, || collector.log()).await;
    assert!(backend.requests() <= 1 + 64, "{} requests for one batch", backend.requests());
    backend.behave(Behaviour::Accept);
    let behind = Load { source: String::from("b"), ..load(&collector, 1, 0) }.run().await;
    let taken = || async { backend.distinct() == 100 };
    wait_until("the batch behind it to arrive", taken, || collector.log()).await;
    assert_eq!(behind.lost_and_doubled(&backend.seen()), (0, 0));
}
