//! The main job on real input: runners scraped, the host read, everything at `/metrics`.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::path::{Path, PathBuf};

use integration::{Collector, Target, find_sample, get_with, root, wait_until};

fn config(targets: &[&Target]) -> String {
    let jobs = targets.iter().enumerate().map(|(index, target)| {
        format!(
            "{{job_name: t{index}, scrape_interval: 1s, scrape_timeout: 1s, static_configs: [{{targets: ['{}']}}]}}",
            target.address
        )
    });
    format!(
        "
receivers:
  prometheus: {{config: {{scrape_configs: [{}]}}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [prometheus], exporters: [prometheus]}}
",
        jobs.collect::<Vec<_>>().join(", ")
    )
}

/// The recorded outputs of runners that this repository holds.
fn recordings() -> Vec<PathBuf> {
    let folder = root().join("receivers/fixtures/runners");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "prom" || extension == "om"));
    paths.sort();
    assert!(paths.len() > 10, "the recordings are there");
    paths
}

/// The recorded headers beside a body, as lines to answer with.
fn headers(path: &Path) -> String {
    let text = std::fs::read_to_string(path.with_extension("headers")).unwrap_or_default();
    let content_type = text.lines().find(|line| line.to_ascii_lowercase().starts_with("content-type:"));
    format!("{}\r\n", content_type.unwrap_or("Content-Type: text/plain; version=0.0.4"))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_recorded_runner_is_scraped_and_served() {
    let mut targets = Vec::new();
    for path in recordings() {
        let target = Target::start("").await;
        target.serve(200, &headers(&path), std::fs::read(&path).unwrap());
        targets.push((path, target));
    }
    let collector =
        Collector::start(&config(&targets.iter().map(|(_, target)| target).collect::<Vec<_>>())).await;
    for (index, (path, _)) in targets.iter().enumerate() {
        let job = format!("job=\"t{index}\"");
        let up = || async { collector.sample("up", &[&job]).await.is_some() };
        wait_until(&format!("{} to be scraped", path.display()), up, || collector.log()).await;
        let page = collector.page().await;
        assert_eq!(find_sample(&page, "up", &[&job]), Some(1.0), "{}:\n{}", path.display(), collector.log());
        let scraped = find_sample(&page, "scrape_samples_scraped", &[&job]).unwrap();
        let body = String::from_utf8(std::fs::read(path).unwrap()).unwrap();
        let lines = body.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).count();
        assert_eq!(scraped, lines as f64, "{}", path.display());
    }
    let page = collector.page().await;
    let vllm = page.lines().filter(|line| line.starts_with("vllm:")).count();
    assert!(vllm > 10, "names with colons are served as they are");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_series_that_goes_is_gone_from_the_page_and_a_target_that_fails_is_down() {
    let target = Target::start("stays 1\ngoes 2\n").await;
    let collector = Collector::start(&config(&[&target])).await;
    collector.wait_for_sample("goes", &["job=\"t0\""], 2.0).await;
    target.serve(200, "Content-Type: text/plain; version=0.0.4\r\n", "stays 3\n");
    collector.wait_for_sample("stays", &[], 3.0).await;
    assert_eq!(collector.sample("goes", &[]).await, None);
    target.serve(500, "Content-Type: text/plain\r\n", "stays 4\n");
    collector.wait_for_sample("up", &[], 0.0).await;
    assert_eq!(collector.sample("stays", &[]).await, None);
    assert!(collector.log().contains("500"), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn openmetrics_is_served_to_those_who_ask() {
    let target = Target::start("# TYPE requests_total counter\nrequests_total 5\n").await;
    let collector = Collector::start(&config(&[&target])).await;
    collector.wait_for_sample("requests_total", &[], 5.0).await;
    let address = collector.address("pull endpoint at http://");
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = get_with(&address, "/metrics", &[accept]).await;
    assert!(
        answer.header("content-type").unwrap().starts_with("application/openmetrics-text; version=1.0.0")
    );
    assert!(answer.text().ends_with("# EOF\n"), "{}", answer.text());
    let gzip = get_with(&address, "/metrics", &["Accept-Encoding: gzip"]).await;
    assert_eq!(gzip.header("content-encoding"), Some("gzip"));
    assert_eq!(gzip.body.get(..2), Some(&[0x1f, 0x8b][..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_read() {
    let collector = Collector::start(
        "
receivers:
  host_metrics: {collection_interval: 1s, initial_delay: 0s}
exporters:
  prometheus: {endpoint: '127.0.0.1:0'}
service:
  telemetry: {metrics: {level: none}}
  pipelines:
    metrics: {receivers: [host_metrics], exporters: [prometheus]}
",
    )
    .await;
    let there = || async { collector.page().await.contains("system_cpu_time_seconds_total") };
    wait_until("the host on the page", there, || collector.log()).await;
    let page = collector.page().await;
    for name in [
        "system_cpu_load_average_1m",
        "system_memory_usage_bytes",
        "system_disk_io_bytes_total",
        "system_filesystem_usage_bytes",
        "system_network_io_bytes_total",
        "system_uptime_seconds",
        "process_memory_usage_bytes",
    ] {
        assert!(page.lines().any(|line| line.starts_with(name)), "no `{name}` in:\n{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_exporters_share_an_address_under_two_paths() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let target = Target::start("x 1\n").await;
    let text = config(&[&target]).replace(
        "prometheus: {endpoint: '127.0.0.1:0'}",
        &format!(
            "prometheus: {{endpoint: '127.0.0.1:{port}'}}\n  prometheus/b: {{endpoint: '127.0.0.1:{port}', path: /other, namespace: b}}"
        ),
    );
    let collector =
        Collector::start(&text.replace("exporters: [prometheus]", "exporters: [prometheus, prometheus/b]"))
            .await;
    collector.wait_for_sample("x", &[], 1.0).await;
    let address = format!("127.0.0.1:{port}");
    assert!(get_with(&address, "/other", &[]).await.text().contains("b_x{"));
    assert_eq!(get_with(&address, "/nowhere", &[]).await.status, 404);
}
