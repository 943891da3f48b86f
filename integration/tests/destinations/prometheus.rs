//! A current Prometheus over OTLP and remote write, and Debian's over remote write.

use std::path::Path;

use integration::{Collector, Server, installed, peer, with_pipeline};

use crate::sample::{now, push, pushed, resource, sum, wait_for_given_up};

const RETRY: &str = "retry_on_failure: {initial_interval: 100ms, max_interval: 500ms}";

/// A Prometheus that takes what is pushed to it.
pub(crate) async fn start(program: &Path, more: &[&str]) -> Server {
    let arguments = [
        "--config.file=prometheus.yml",
        "--storage.tsdb.path=data",
        "--web.listen-address={address}",
        "--web.enable-remote-write-receiver",
    ];
    let files = [("prometheus.yml", "global: {scrape_interval: 1h}\n")];
    Server::start(program, &files, &[&arguments, more].concat(), "/-/ready").await
}

/// A current one, with its OTLP receiver.
pub(crate) async fn current() -> Option<Server> {
    Some(start(&peer("prometheus")?, &["--web.enable-otlp-receiver"]).await)
}

/// Every kind of metric is there with its exact values, under the names and the identity that a page promises.
async fn check_everything(server: &Server, collector: &Collector) {
    let check = async |expression: &str, value: f64| {
        server.wait_for(expression, value, || collector.log()).await;
    };
    check(r#"shop_requests_total{job="shop/cart", instance="i-1"}"#, 42.0).await;
    check(r#"gpu_temperature_celsius{job="shop/cart", gpu="0"}"#, 61.5).await;
    check(r#"shop_latency_seconds_bucket{le=~"0.1"}"#, 1.0).await;
    check(r#"shop_latency_seconds_bucket{le=~"1|1.0"}"#, 4.0).await;
    check(r#"shop_latency_seconds_bucket{le="+Inf"}"#, 6.0).await;
    check("shop_latency_seconds_sum", 3.25).await;
    check("shop_latency_seconds_count", 6.0).await;
    check(r#"target_info{job="shop/cart", instance="i-1", rack="r7"}"#, 1.0).await;
    check("histogram_count(shop_size_bytes)", 7.0).await;
    check("histogram_sum(shop_size_bytes)", 20.5).await;
    // Of seven values one is zero and two are in (1, 2], so that the median lies in (2, 4].
    check("histogram_fraction(0, 2, shop_size_bytes) * 7", 3.0).await;
    check("gpu_temperature_celsius * on (job, instance) group_left (rack) target_info", 61.5).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_prometheus_has_everything_by_otlp() {
    let Some(server) = current().await else { return };
    let section = format!("{{preset: prometheus, endpoint: 'http://{}'}}", server.address);
    let collector = pushed("otlp_http", &section).await;
    check_everything(&server, &collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_prometheus_has_everything_by_remote_write() {
    let Some(server) = current().await else { return };
    for message in ["prometheus.WriteRequest", "io.prometheus.write.v2.Request"] {
        let section =
            format!("{{endpoint: 'http://{}/api/v1/write', protobuf_message: {message}}}", server.address);
        let collector = pushed("prometheus_remote_write", &section).await;
        check_everything(&server, &collector).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_prometheus_of_debian_has_everything_by_remote_write() {
    let Some(program) = installed("prometheus") else { return };
    let server = start(&program, &["--enable-feature=native-histograms"]).await;
    let section = format!("{{endpoint: 'http://{}/api/v1/write'}}", server.address);
    let collector = pushed("prometheus_remote_write", &section).await;
    check_everything(&server, &collector).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_point_does_not_cost_those_beside_it() {
    let Some(server) = current().await else { return };
    let section = format!("{{preset: prometheus, endpoint: 'http://{}', {RETRY}}}", server.address);
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await;
    push(&collector, &resource(&[sum("late", 2, "2", now())])).await;
    server.wait_for("late_total", 2.0, || collector.log()).await;
    // Prometheus takes nothing of a request with one late point; without a name it even says 500.
    let mut metrics: Vec<String> = (0..20).map(|index| sum(&format!("good{index}"), 2, "5", now())).collect();
    metrics.insert(7, sum("late", 2, "1", now() - 60_000_000_000));
    push(&collector, &resource(&metrics)).await;
    server.wait_for(r#"count({__name__=~"good.*"})"#, 20.0, || collector.log()).await;
    server.wait_for("late_total", 2.0, || collector.log()).await;
    wait_for_given_up(&collector, "otlp_http", "permanent", 1.0).await;
    collector.wait_for_log("out of order sample").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_is_kept_back_and_counted() {
    let Some(server) = current().await else { return };
    let section = format!("{{preset: prometheus, endpoint: 'http://{}'}}", server.address);
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await;
    let metrics = [sum("delta", 1, "3", now()), sum("cumulative", 2, "4", now())];
    push(&collector, &resource(&metrics)).await;
    server.wait_for("cumulative_total", 4.0, || collector.log()).await;
    wait_for_given_up(&collector, "otlp_http", "unsupported", 1.0).await;
    collector.wait_for_log("`delta_to_cumulative`").await;
    assert!(server.query(r#"{__name__=~"delta.*"}"#).await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn delta_without_the_preset_is_found_and_the_rest_arrives() {
    let Some(server) = current().await else { return };
    let section =
        format!("{{endpoint: 'http://{}/api/v1/otlp', retry_statuses: [500, 503]}}", server.address);
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await;
    let metrics = [sum("delta", 1, "3", now()), sum("cumulative", 2, "4", now())];
    push(&collector, &resource(&metrics)).await;
    server.wait_for("cumulative_total", 4.0, || collector.log()).await;
    collector.wait_for_log("invalid temporality and type combination").await;
}
