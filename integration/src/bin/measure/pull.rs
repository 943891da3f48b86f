//! Scrapes in, a page out.

use std::time::Duration;

use integration::{Collector, Target, get_with};

use super::{TELEMETRY, watch};

fn exposition(series: u64) -> String {
    let line = |index: u64| {
        let (family, lane) = (index / 1_000, index % 1_000);
        let head = if lane == 0 { format!("# TYPE vllm:metric_{family} gauge\n") } else { String::new() };
        let labels = format!("engine=\"0\",model_name=\"meta-llama/Llama-3.1-8B\",lane=\"{lane}\"");
        format!("{head}vllm:metric_{family}{{{labels}}} {index}.5\n")
    };
    (0..series).map(line).collect()
}

fn scraping(target: &Target, interval: &str) -> String {
    format!(
        "
receivers:
  prometheus: {{config: {{scrape_configs: [{{job_name: t, scrape_interval: {interval}, scrape_timeout: {interval}, body_size_limit: 1000MB, static_configs: [{{targets: ['{}']}}]}}]}}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
service:
  telemetry: {TELEMETRY}
  limits: {{live_series_max: 5000000}}
  pipelines:
    metrics: {{receivers: [prometheus], exporters: [prometheus]}}
",
        target.address
    )
}

pub(super) async fn scrape(series: u64, seconds: u64) {
    let target = Target::start(exposition(series)).await;
    let collector = Collector::start(&scraping(&target, "1s")).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = target.scrapes();
    watch(&collector, |scrapes: &u64| scrapes * series, async {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        target.scrapes() - before
    })
    .await;
}

pub(super) async fn page(series: u64) {
    let target = Target::start(exposition(series)).await;
    let collector = Collector::start(&scraping(&target, "10s")).await;
    tokio::time::sleep(Duration::from_secs(25)).await;
    let address = collector.address("pull endpoint at http://");
    let (_, before) = collector.memory_kib();
    println!(
        "store {:.1} MiB = {:.0} bytes a series",
        before as f64 / 1024.0,
        before as f64 * 1024.0 / series as f64
    );
    for headers in [
        &["Accept: application/openmetrics-text;version=1.0.0", "Accept-Encoding: gzip"][..],
        &["Accept: text/plain;version=0.0.4"],
    ] {
        watch(
            &collector,
            |bytes: &usize| {
                println!("page of {bytes} bytes");
                0
            },
            async { get_with(&address, "/metrics", headers).await.body.len() },
        )
        .await;
    }
}
