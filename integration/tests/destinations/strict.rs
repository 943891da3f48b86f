//! Mimir and Grafana Cloud, as a backend that enforces what they document: there is no package of them to run.

use integration::{Collector, Demands, Strict, wait_until, with_pipeline};

use crate::sample::{everything, now, push, resource, sum, wait_for_given_up};

const RETRY: &str = "retry_on_failure: {initial_interval: 100ms, max_interval: 500ms}";

pub(crate) fn mimir() -> Demands {
    Demands { tenant: true, size_max: 100 << 20, ..Demands::default() }
}

async fn collector(backend: &Strict, more: &str) -> Collector {
    let section = format!("{{preset: mimir, endpoint: '{}', {RETRY}, {more}}}", backend.url());
    Collector::start(&with_pipeline(&[], &[("otlp_http", &section)])).await
}

async fn wait_for(backend: &Strict, name: &str, value: f64, collector: &Collector) {
    let name = format!("__name__={name} ");
    let holds = || async { backend.value(&[&name]) == Some(value) };
    wait_until(&format!("{name} to be {value}"), holds, || collector.log()).await;
}

const TENANT: &str = "headers: {X-Scope-OrgID: tenant}";

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limit_is_waited_for_and_nothing_is_lost() {
    let backend = Strict::start(Demands { busy: 2, ..mimir() }).await;
    let collector = collector(&backend, TENANT).await;
    push(&collector, &everything()).await;
    wait_for(&backend, "shop.requests", 42.0, &collector).await;
    wait_for(&backend, "shop.size", 7.0, &collector).await;
    assert_eq!(backend.refusals(429), 2);
    collector.wait_for_log("err-mimir-tenant-max-ingestion-rate").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_halved_until_it_fits() {
    let backend = Strict::start(Demands { size_max: 1500, ..mimir() }).await;
    let collector = collector(&backend, TENANT).await;
    let metrics: Vec<String> = (0..40).map(|index| sum(&format!("m{index}"), 2, "5", now())).collect();
    push(&collector, &resource(&metrics)).await;
    for index in 0..40 {
        wait_for(&backend, &format!("m{index}"), 5.0, &collector).await;
    }
    assert!(backend.refusals(413) > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_point_is_found_counted_and_shown_with_its_series() {
    for partial_success in [false, true] {
        let backend = Strict::start(Demands { partial_success, ..mimir() }).await;
        let collector = collector(&backend, TENANT).await;
        push(&collector, &resource(&[sum("late", 2, "2", now())])).await;
        wait_for(&backend, "late", 2.0, &collector).await;
        let metrics = [sum("late", 2, "1", now() - 60_000_000_000), sum("good", 2, "5", now())];
        push(&collector, &resource(&metrics)).await;
        wait_for(&backend, "good", 5.0, &collector).await;
        wait_for(&backend, "late", 2.0, &collector).await;
        wait_for_given_up(&collector, "otlp_http", "rejected", 1.0).await;
        collector.wait_for_log("err-mimir-sample-out-of-order").await;
        collector.wait_for_log("__name__=late").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_delta_metric_does_not_cost_the_others() {
    let backend = Strict::start(mimir()).await;
    // By the preset it is kept back; told to send it, the exporter finds it by dividing the request.
    for (index, more) in ["", "delta: send"].iter().enumerate() {
        let collector = collector(&backend, &format!("{TENANT}, {more}")).await;
        let good = format!("good{index}");
        push(&collector, &resource(&[sum("delta", 1, "3", now()), sum(&good, 2, "4", now())])).await;
        wait_for(&backend, &good, 4.0, &collector).await;
        collector.wait_for_log("`delta_to_cumulative`").await;
        let reason = if more.is_empty() { "unsupported" } else { "permanent" };
        wait_for_given_up(&collector, "otlp_http", reason, 1.0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_tenant_is_named_at_the_start_and_when_it_is_refused() {
    let backend = Strict::start(mimir()).await;
    let collector = collector(&backend, "").await;
    collector.wait_for_log("no header `X-Scope-OrgID`").await;
    push(&collector, &resource(&[sum("m", 2, "1", now())])).await;
    collector.wait_for_log("401 Unauthorized: no org id (it wants to know the tenant").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_compression_is_refused_in_words_that_help() {
    let backend = Strict::start(mimir()).await;
    let collector = collector(&backend, &format!("{TENANT}, compression: zstd")).await;
    push(&collector, &resource(&[sum("m", 2, "1", now())])).await;
    collector.wait_for_log("unsupported compression: zstd (set `compression: gzip`)").await;
}
