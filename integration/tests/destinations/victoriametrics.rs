//! A current VictoriaMetrics over OTLP and remote write, and Debian's, which has no OTLP, over remote write.

use std::path::Path;

use integration::{Collector, Server, installed, peer, with_pipeline};

use crate::sample::{now, push, pushed, resource, sum};

pub(crate) async fn start(program: &Path, more: &[&str]) -> Server {
    let arguments = [
        "-httpListenAddr={address}",
        "-storageDataPath={folder}/data",
        // What was just taken is found at once.
        "-search.latencyOffset=0s",
        "-search.disableCache",
    ];
    Server::start(program, &[], &[&arguments, more].concat(), "/health").await
}

async fn check(server: &Server, collector: &Collector, expression: &str, value: f64) {
    server.wait_for(expression, value, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_victoriametrics_has_everything_by_otlp() {
    let Some(program) = peer("victoria-metrics") else { return };
    let server = start(&program, &[]).await;
    let section = format!("{{preset: victoriametrics, endpoint: 'http://{}'}}", server.address);
    let collector = pushed("otlp_http", &section).await;
    let check = async |expression: &str, value: f64| check(&server, &collector, expression, value).await;
    let identity = r#""service.name"="cart", "service.instance.id"="i-1", rack="r7""#;
    check(&format!(r#"{{__name__="shop.requests", {identity}}}"#), 42.0).await;
    check(r#"{__name__="gpu.temperature", gpu="0"}"#, 61.5).await;
    check(r#"{__name__="shop.latency_bucket", le="0.1"}"#, 1.0).await;
    check(r#"{__name__="shop.latency_bucket", le="1"}"#, 4.0).await;
    check(r#"{__name__="shop.latency_bucket", le="+Inf"}"#, 6.0).await;
    check(r#"{__name__="shop.latency_sum"}"#, 3.25).await;
    check(r#"{__name__="shop.latency_count"}"#, 6.0).await;
    check(r#"{__name__="shop.size_count"}"#, 7.0).await;
    check(r#"{__name__="shop.size_sum"}"#, 20.5).await;
    check(r#"sum({__name__="shop.size_bucket", vmrange!=""})"#, 7.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_larger_than_its_limit_is_halved_until_it_fits() {
    let Some(program) = peer("victoria-metrics") else { return };
    let server = start(&program, &["-opentelemetry.maxRequestSize=1500"]).await;
    let section =
        format!("{{preset: victoriametrics, endpoint: 'http://{}', compression: zstd}}", server.address);
    let collector = Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await;
    let metrics: Vec<String> = (0..40).map(|index| sum(&format!("m{index}"), 2, "5", now())).collect();
    push(&collector, &resource(&metrics)).await;
    check(&server, &collector, r#"count({__name__=~"m[0-9]+"})"#, 40.0).await;
}

async fn check_remote_write(program: &Path) {
    let server = start(program, &[]).await;
    let section = format!("{{endpoint: 'http://{}/api/v1/write'}}", server.address);
    let collector = pushed("prometheus_remote_write", &section).await;
    let check = async |expression: &str, value: f64| check(&server, &collector, expression, value).await;
    check(r#"shop_requests_total{job="shop/cart", instance="i-1"}"#, 42.0).await;
    check(r#"gpu_temperature_celsius{gpu="0"}"#, 61.5).await;
    check(r#"shop_latency_seconds_bucket{le=~"1|1.0"}"#, 4.0).await;
    check("shop_latency_seconds_sum", 3.25).await;
    check(r#"target_info{rack="r7"}"#, 1.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_current_victoriametrics_has_everything_by_remote_write() {
    let Some(program) = peer("victoria-metrics") else { return };
    check_remote_write(&program).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_victoriametrics_of_debian_has_numbers_by_remote_write() {
    let Some(program) = installed("victoria-metrics") else { return };
    check_remote_write(&program).await;
}
