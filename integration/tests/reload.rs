//! Taking a new file while running.

use std::time::{Duration, Instant};

use integration::{Backend, Behaviour, Collector, Load, Target, find_sample, get, request, wait_until};
use tokio::time::sleep;
use tonic::Code;

fn config(backend: &Backend, target: &Target, extra: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
  prometheus: {{config: {{scrape_configs: [{{job_name: t, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{}']}}]}}]}}}}
processors:
  attributes: {{actions: [{{key: added, value: '{extra}', action: upsert}}]}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
  otlp_grpc: {{endpoint: 'http://{}', sending_queue: {{batch: {{flush_timeout: 20ms}}}}}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp, prometheus], processors: [attributes], exporters: [prometheus, otlp_grpc]}}
",
        target.address, backend.address
    )
}

/// So many requests of a hundred points, a hundred requests a second.
fn load(collector: &Collector, requests: u64) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: String::from("a"),
        requests,
        points_per_request: 100,
        interval: Duration::from_millis(10),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reloading_each_second_under_load_loses_and_doubles_nothing() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let configs = [config(&backend, &target, "x"), config(&backend, &target, "y")];
    let mut collector = Collector::start(&configs[0]).await;
    let load = load(&collector, 800);
    let (began, scrapes) = (Instant::now(), target.scrapes());
    let sending = tokio::spawn(load.run());
    let descriptors = collector.descriptors();
    for turn in 1..=7 {
        sleep(Duration::from_secs(1)).await;
        collector.reload(&configs[turn % 2]).await;
    }
    let ledger = sending.await.unwrap();
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (80_000, 0), "{}", collector.log());
    assert!(collector.stop().await.success());
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", collector.log());
    assert_eq!(collector.log().matches("reloaded").count(), 7, "{}", collector.log());
    // An unchanged receiver keeps its phase: about one scrape a second, not one more a reload.
    let (scrapes, seconds) = (target.scrapes() - scrapes, began.elapsed().as_secs());
    assert!(scrapes <= seconds + 4, "{scrapes} scrapes in {seconds} seconds");
    assert!(scrapes > 0 && descriptors < 100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_file_changes_nothing() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let good = config(&backend, &target, "x");
    let collector = Collector::start(&good).await;
    let bad = [
        good.replace("protocols", "protocol"),
        good.replace("scrape_interval: 1s", "scrape_interval: soon"),
        good.replace("action: upsert", "action: upset"),
        good.replace("exporters: [prometheus, otlp_grpc]", "exporters: [prometheus, none]"),
        good.replace("sending_queue: {batch", "sending_queue: {bash"),
        good.replace("endpoint: 'http://", "endpoint: 'ftp://"),
        good.replace("  telemetry: {metrics", "  telemetry: {metricks"),
        good.replace("service:\n", "service:\n  extensions: [none]\n"),
        good.replace(
            "service:\n",
            "extensions: {bearer_token_auth: {tokken: t}}\nservice:\n  extensions: [bearer_token_auth]\n",
        ),
        good.replace("service:\n", "service:\n  limits: {live_series_max: -1}\n"),
        good.replace("receivers: [otlp, prometheus]", "receivers: []"),
        String::from("receivers: ["),
        String::new(),
    ];
    for (index, text) in bad.iter().enumerate() {
        assert_ne!(*text, good, "case {index} changes nothing");
        collector.reload(text).await;
        let refused = || async { collector.log().matches("stays in force").count() > index };
        wait_until("the refusal in the log", refused, || collector.log()).await;
        let state = collector.own_sample("inferometer_config_last_reload_successful", &[]).await;
        assert_eq!(state, Some(0.0));
    }
    collector.wait_for_sample("scraped", &["added=\"x\""], 1.0).await;
    collector.reload(&good.replace("value: 'x'", "value: 'z'")).await;
    collector.wait_for_sample("scraped", &["added=\"z\""], 1.0).await;
    assert_eq!(collector.own_sample("inferometer_config_last_reload_successful", &[]).await, Some(1.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn asking_twice_in_a_row_ends_with_what_was_written_last() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let good = config(&backend, &target, "x");
    let mut collector = Collector::start(&good).await;
    let load = load(&collector, 150);
    let sending = tokio::spawn(load.run());
    for turn in 0..5 {
        collector.reload(&good.replace("value: 'x'", &format!("value: 'turn-{turn}'"))).await;
        collector.signal("HUP").await;
    }
    collector.reload(&good.replace("value: 'x'", "value: 'last'")).await;
    collector.signal("HUP").await;
    collector.wait_for_sample("scraped", &["added=\"last\""], 1.0).await;
    let ledger = sending.await.unwrap();
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (15_000, 0), "{}", collector.log());
    assert!(collector.stop().await.success(), "{}", collector.log());
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", collector.log());
    assert!(!collector.log().contains("ERROR"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_that_is_replaced_delivers_what_it_holds() {
    let (old, new) = (Backend::start(Behaviour::Accept).await, Backend::start(Behaviour::Accept).await);
    let target = Target::start("scraped 1\n").await;
    let mut collector = Collector::start(&config(&old, &target, "x")).await;
    let load = load(&collector, 200);
    let sending = tokio::spawn(load.run());
    sleep(Duration::from_secs(1)).await;
    collector.reload(&config(&new, &target, "x")).await;
    let ledger = sending.await.unwrap();
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (20_000, 0), "{}", collector.log());
    assert!(collector.stop().await.success(), "{}", collector.log());
    let mut seen = old.seen();
    for (point, times) in new.seen() {
        *seen.entry(point).or_default() += times;
    }
    assert_eq!(ledger.lost_and_doubled(&seen), (0, 0), "{}", collector.log());
    assert!(old.distinct() > 0 && new.distinct() > 0);
}

/// One that scrapes these targets, each a job of its own.
fn scraping(targets: &[(&str, &Target)]) -> String {
    let jobs: Vec<_> = targets
        .iter()
        .map(|(job, target)| {
            format!(
                "{{job_name: {job}, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{}']}}]}}",
                target.address
            )
        })
        .collect();
    format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
  prometheus: {{config: {{scrape_configs: [{}]}}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp, prometheus], exporters: [prometheus]}}
",
        jobs.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn series_of_a_target_that_is_removed_vanish_and_others_never_do() {
    let (stays, goes) = (Target::start("kept 1\n").await, Target::start("removed 1\n").await);
    let both = scraping(&[("stays", &stays), ("goes", &goes)]);
    let collector = Collector::start(&both).await;
    collector.wait_for_sample("kept", &[], 1.0).await;
    collector.wait_for_sample("removed", &[], 1.0).await;
    collector.reload(&scraping(&[("stays", &stays)])).await;
    let has_gone = || async {
        let page = collector.page().await;
        assert!(page.contains("\nkept{") || page.contains("\nkept "), "{page}");
        assert!(page.contains("job=\"stays\""), "{page}");
        !page.contains("job=\"goes\"")
    };
    wait_until("the removed target's series to vanish", has_gone, || collector.log()).await;
    let scrapes = stays.scrapes();
    sleep(Duration::from_millis(2500)).await;
    assert!(has_gone().await);
    assert!((2..=3).contains(&(stays.scrapes() - scrapes)), "{} scrapes", stays.scrapes() - scrapes);
    // With its receiver everything of it goes.
    let none = scraping(&[("stays", &stays)]).replace("receivers: [otlp, prometheus]", "receivers: [otlp]");
    collector.reload(&none).await;
    let is_empty = || async { !collector.page().await.contains("job=") };
    wait_until("the receiver's series to vanish", is_empty, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_soon_after_a_reload_delivers_what_a_removed_exporter_holds() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let target = Target::start("scraped 1\n").await;
    let quick = "retry_on_failure: {initial_interval: 100ms, max_interval: 300ms}, sending_queue:";
    let both = config(&backend, &target, "x").replace("sending_queue:", quick);
    let mut collector = Collector::start(&both).await;
    let ledger = load(&collector, 20).run().await;
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (2_000, 0), "{}", collector.log());
    collector.reload(&both.replace("exporters: [prometheus, otlp_grpc]", "exporters: [prometheus]")).await;
    collector.wait_for_log("reloaded").await;
    collector.signal("TERM").await;
    collector.wait_for_log("stopping").await;
    sleep(Duration::from_millis(500)).await;
    backend.behave(Behaviour::Accept);
    assert!(collector.wait().await.success(), "{}", collector.log());
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn reloads_while_the_backend_is_away_hand_the_queue_on_at_once() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let target = Target::start("scraped 1\n").await;
    let with_timeout = |seconds: u64| {
        let retries = "{initial_interval: 100ms, max_interval: 300ms}";
        let changed = format!("timeout: {seconds}s, retry_on_failure: {retries}, sending_queue:");
        config(&backend, &target, "x").replace("sending_queue:", &changed)
    };
    let mut collector = Collector::start(&with_timeout(5)).await;
    let load = load(&collector, 300);
    let sending = tokio::spawn(load.run());
    for turn in 1..=3 {
        sleep(Duration::from_secs(1)).await;
        collector.reload(&with_timeout(5 + turn)).await;
        // What the old one has is with the new one, though the backend takes nothing.
        let handed_on =
            || async { collector.log().matches("has left nothing behind").count() == turn as usize };
        wait_until("the queue to be handed on", handed_on, || collector.log()).await;
    }
    let ledger = sending.await.unwrap();
    assert_eq!((ledger.acknowledged, ledger.pushed_back), (30_000, 0), "{}", collector.log());
    backend.behave(Behaviour::Accept);
    let all = || async { backend.distinct() as u64 >= ledger.acknowledged };
    wait_until("the backend to have everything", all, || collector.log()).await;
    assert!(collector.stop().await.success(), "{}", collector.log());
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0), "{}", collector.log());
    assert!(!collector.log().contains("ERROR"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_removed_exporter_showed_vanishes_when_it_has_ended() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let both = config(&backend, &target, "x");
    let collector = Collector::start(&both).await;
    let gauges = ["otelcol_exporter_queue_capacity", "otelcol_exporter_prometheus_series"];
    let shown = || async {
        let page = collector.own_page().await;
        gauges.map(|gauge| find_sample(&page, gauge, &[]).is_some())
    };
    assert_eq!(shown().await, [true, true]);
    for (left, expected) in [("prometheus", [false, true]), ("otlp_grpc", [true, false])] {
        let exporters = format!("exporters: [{left}]");
        collector.reload(&both.replace("exporters: [prometheus, otlp_grpc]", &exporters)).await;
        let has_gone = || async { shown().await == expected };
        wait_until("the removed exporter's gauges to vanish", has_gone, || collector.log()).await;
    }
}

/// With a queue in this folder, which is waited for where another collector has it.
fn stored(plain: &str, folder: &std::path::Path) -> String {
    plain.replace("sending_queue: {", "sending_queue: {storage: file_storage, ").replace(
        "service:\n",
        &format!(
            "extensions: {{file_storage: {{directory: '{}', timeout: 1h}}}}\nservice:\n  extensions: [file_storage]\n",
            folder.display()
        ),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_hangs_does_not_keep_the_collector_from_stopping() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let folder = tempfile::tempdir().unwrap();
    let plain = config(&backend, &target, "x");
    let stored = stored(&plain, folder.path());
    let _holder = Collector::start(&stored).await;
    let mut collector = Collector::start(&plain).await;
    collector.reload(&stored).await;
    collector.wait_for_log("reloading").await;
    assert!(collector.stop().await.success(), "{}", collector.log());
}

/// Asks for a reload that fails, for the `turn`th time.
async fn reload_in_vain(collector: &Collector, config: &str, turn: usize) {
    collector.reload(config).await;
    let failed = || async { collector.log().matches("reload failed").count() == turn };
    wait_until("the reload to fail", failed, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_fails_closes_nothing_that_goes_on() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let good = config(&backend, &target, "x")
        .replace(
            "grpc: {endpoint: '127.0.0.1:0'}",
            "grpc: {endpoint: '127.0.0.1:0'}, http: {endpoint: '127.0.0.1:0'}",
        )
        .replace("  otlp_grpc:", "  prometheus/other: {endpoint: '127.0.0.1:0'}\n  otlp_grpc:")
        .replace("exporters: [prometheus,", "exporters: [prometheus, prometheus/other,")
        .replace(
            "service:\n",
            "extensions: {health_check: {endpoint: '127.0.0.1:0'}}\nservice:\n  extensions: [health_check]\n",
        );
    let mut collector = Collector::start(&good).await;
    let (http, health) = (collector.address("HTTP on http://"), collector.address("health at "));
    let goes_on = async || {
        let ledger = load(&collector, 5).run().await;
        assert_eq!((ledger.acknowledged, ledger.pushed_back), (500, 0), "{}", collector.log());
        let headers = ["Content-Type: application/json"];
        let pushed = request(&http, "POST /v1/metrics HTTP/1.1", &headers, b"{}").await;
        assert_eq!(pushed.status, 200, "{}", pushed.text());
        assert_eq!(get(&health, "/").await.status, 200);
        collector.wait_for_sample("scraped", &["added=\"x\""], 1.0).await;
    };
    goes_on().await;
    // The receiver has taken its port for gRPC over when it finds the other one taken.
    let no_receiver =
        good.replace("http: {endpoint: '127.0.0.1:0'}", &format!("http: {{endpoint: '{taken}'}}"));
    // An exporter and the extension have taken theirs over when another exporter does not start.
    let no_exporter = good
        .replace("other: {endpoint: '127.0.0.1:0'}", &format!("other: {{endpoint: '{taken}'}}"))
        .replace(
            "prometheus: {endpoint: '127.0.0.1:0'}",
            "prometheus: {endpoint: '127.0.0.1:0', namespace: n}",
        )
        .replace("health_check: {", "health_check: {response_body: {healthy: fine}, ");
    for (index, bad) in [&no_receiver, &no_exporter].into_iter().enumerate() {
        assert_ne!(*bad, good);
        reload_in_vain(&collector, bad, index + 1).await;
        goes_on().await;
    }
    // What goes on is what was there before, so going back changes nothing.
    collector.reload(&good).await;
    collector.wait_for_log("reloaded").await;
    goes_on().await;
    assert!(collector.stop().await.success(), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_hangs_does_not_keep_the_collector_from_stopping() {
    let backend = Backend::start(Behaviour::Accept).await;
    let target = Target::start("scraped 1\n").await;
    let folder = tempfile::tempdir().unwrap();
    let stored = stored(&config(&backend, &target, "x"), folder.path());
    let _holder = Collector::start(&stored).await;
    let mut collector = Collector::spawn(&stored, &[]);
    collector.wait_for_log("own metrics at").await;
    assert!(collector.stop().await.success(), "{}", collector.log());
    assert!(!collector.log().contains("INFO ready"), "{}", collector.log());
}
