//! Measures a whole process: CPU, memory and loss under a load. `measure SCENARIO [NUMBERS]`.
//!
//! ```text
//! measure idle 60                      memory and CPU of the built-in default
//! measure otlp 10000 60                points a second, seconds, `gzip` perhaps: gRPC in, gRPC out
//! measure reload 600                   seconds: a reload each second under 10,000 points a second
//! measure flood 20000000 untouched     points as fast as they are taken; or `renamed`
//! measure scrape 100000 30             series, seconds at one scrape a second: to pull
//! measure pull 1000000                 series: the time and memory of a page
//! measure connections 500              at once
//! measure peer ENDPOINT PID POINTS     another program's CPU under the same flood
//! measure node_exporter 200            scrapes of both, four a second: the CPU that each costs
//! measure backend ADDRESS              what that program may push to, until it is killed
//! ```

use std::time::{Duration, Instant};

use integration::{Backend, Behaviour, Collector, Load, NodeExporter, Target, get, get_with, with_pipeline};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    match arguments.first().map(String::as_str) {
        Some("idle") => idle(number(1, 60)).await,
        Some("otlp") => {
            otlp(number(1, 10_000), number(2, 60), arguments.get(3).is_some_and(|how| how == "gzip")).await;
        }
        Some("reload") => reload(number(1, 60)).await,
        Some("flood") => {
            flood(number(1, 10_000_000), arguments.get(2).is_some_and(|how| how == "renamed")).await;
        }
        Some("scrape") => scrape(number(1, 100_000), number(2, 30)).await,
        Some("pull") => pull(number(1, 1_000_000)).await,
        Some("connections") => connections(number(1, 500)).await,
        Some("peer") => peer(&arguments[1], number(2, 0) as u32, number(3, 1_000_000)).await,
        Some("node_exporter") => node_exporter(number(1, 200)).await,
        Some("backend") => {
            let _backend = Backend::start_at(&arguments[1], Behaviour::Discard).await;
            std::future::pending::<()>().await;
        }
        _ => eprintln!("expected idle, otlp, flood, scrape, pull, connections or node_exporter"),
    }
}

/// Seconds of CPU a process has used.
fn cpu_seconds(id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    let fields = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let ticks: u64 =
        fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
    ticks as f64 / 100.0
}

/// Runs until it is done, and says what the collector used meanwhile.
async fn watch<T>(collector: &Collector, points: impl Fn(&T) -> u64, work: impl Future<Output = T>) -> T {
    let (start, cpu) = (Instant::now(), cpu_seconds(collector.id()));
    let result = work.await;
    let (seconds, cpu) = (start.elapsed().as_secs_f64(), cpu_seconds(collector.id()) - cpu);
    let (peak, now) = collector.memory_kib();
    let points = points(&result);
    println!("wall {seconds:.1} s, CPU {cpu:.2} s = {:.2} % of a core", cpu / seconds * 100.0);
    if points > 0 {
        println!(
            "{points} points, {:.0} a second, CPU {:.3} s a million",
            points as f64 / seconds,
            cpu / points as f64 * 1e6
        );
    }
    println!("memory {:.1} MiB, peak {:.1} MiB", now as f64 / 1024.0, peak as f64 / 1024.0);
    result
}

const TELEMETRY: &str = "{metrics: {readers: [{pull: {exporter: {prometheus: {port: 0}}}}]}}";

async fn idle(seconds: u64) {
    let collector = Collector::start_default().await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    watch(&collector, |()| 0, tokio::time::sleep(Duration::from_secs(seconds))).await;
}

fn forwarding(backend: &Backend, processors: &str) -> String {
    format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  attributes: {{actions: [{{key: host, value: h, action: upsert}}, {{key: lane, action: delete}}]}}
  relabel: {{rules: [{{source_labels: [__name__], target_label: __name__, replacement: renamed_$$1}}]}}
exporters:
  otlp_grpc: {{endpoint: 'http://{}', compression: none}}
service:
  telemetry: {TELEMETRY}
  pipelines:
    metrics: {{receivers: [otlp], processors: [{processors}], exporters: [otlp_grpc]}}
",
        backend.address
    )
}

fn load(collector: &Collector, source: &str, requests: u64, interval: Duration) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: source.to_owned(),
        requests,
        points_per_request: 1_000,
        interval,
    }
}

/// A steady load; every point must arrive once.
async fn otlp(points_per_second: u64, seconds: u64, gzip: bool) {
    let backend = Backend::start(Behaviour::Accept).await;
    let mut collector = Collector::start(&forwarding(&backend, "")).await;
    let interval = Duration::from_nanos(1_000_000_000_000 / points_per_second.max(1));
    let load = load(&collector, "a", points_per_second * seconds / 1_000, interval);
    let running = async { if gzip { load.run_compressed().await } else { load.run().await } };
    let ledger = watch(&collector, |ledger: &integration::Ledger| ledger.acknowledged, running).await;
    let success = collector.stop().await.success();
    let (lost, doubled) = ledger.lost_and_doubled(&backend.seen());
    println!(
        "lost {lost}, doubled {doubled}, pushed back {}, answers in {:?} (99 of 100), {:?} (all), clean stop {success}",
        ledger.pushed_back,
        ledger.wait(0.99),
        ledger.wait(1.0)
    );
}

/// A reload each second between two configurations; every point must arrive once.
async fn reload(seconds: u64) {
    let backend = Backend::start(Behaviour::Accept).await;
    let configs = [forwarding(&backend, "attributes"), forwarding(&backend, "attributes, relabel")];
    let mut collector = Collector::start(&configs[0]).await;
    let descriptors = collector.descriptors();
    let load = load(&collector, "a", 10 * seconds, Duration::from_millis(100));
    let ledger = watch(&collector, |ledger: &integration::Ledger| ledger.acknowledged, async {
        let sending = tokio::spawn(load.run());
        for turn in 1..=seconds as usize {
            tokio::time::sleep(Duration::from_secs(1)).await;
            collector.reload(&configs[turn % 2]).await;
        }
        sending.await.expect("the load ends")
    })
    .await;
    println!("{} descriptors at the start, {} at the end", descriptors, collector.descriptors());
    let reloads = collector.log().matches("reloaded").count();
    let success = collector.stop().await.success();
    let (lost, doubled) = ledger.lost_and_doubled(&backend.seen());
    println!(
        "{reloads} reloads, lost {lost}, doubled {doubled}, pushed back {}, clean stop {success}",
        ledger.pushed_back
    );
}

/// As much as it takes, over four connections, to a backend that only counts bytes.
async fn flood(points: u64, renamed: bool) {
    let backend = Backend::start(Behaviour::Discard).await;
    let processors = if renamed { "attributes, relabel" } else { "" };
    let collector = Collector::start(&forwarding(&backend, processors)).await;
    let endpoint = format!("http://{}", collector.address("gRPC on "));
    let before = integration::flood(&endpoint, 8).await;
    watch(&collector, |sent: &u64| *sent, async {
        let sent = integration::flood(&endpoint, points / 1_000).await;
        let delivered = || async {
            let delivered = collector.own_sample("otelcol_exporter_sent_metric_points", &[]).await;
            delivered.is_some_and(|delivered| delivered >= (before + sent) as f64)
        };
        integration::wait_until("everything to be delivered", delivered, || collector.log()).await;
        sent
    })
    .await;
}

async fn peer(endpoint: &str, id: u32, points: u64) {
    integration::flood(endpoint, 10).await;
    let cpu = cpu_seconds(id);
    let sent = integration::flood(endpoint, points / 1_000).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("{sent} points, CPU {:.3} s a million", (cpu_seconds(id) - cpu) / sent as f64 * 1e6);
}

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

async fn scrape(series: u64, seconds: u64) {
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

async fn pull(series: u64) {
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

async fn connections(count: u64) {
    let backend = Backend::start(Behaviour::Accept).await;
    let collector = Collector::start(&forwarding(&backend, "")).await;
    let base = collector.descriptors();
    let loads: Vec<_> = (0..count)
        .map(|index| tokio::spawn(load(&collector, &format!("c{index}"), 2, Duration::from_secs(1)).run()))
        .collect();
    let served = watch(&collector, |served: &u64| served * 2_000, async {
        let mut served = 0;
        for load in loads {
            served += u64::from(load.await.is_ok_and(|ledger| ledger.acknowledged == 2_000));
        }
        served
    })
    .await;
    let start = Instant::now();
    let settled = || async { collector.descriptors() <= base + 2 };
    integration::wait_until("descriptors to be given back", settled, || collector.log()).await;
    println!("{served} of {count} served; descriptors back to {base} after {:?}", start.elapsed());
}

/// The CPU of a scrape of the schema `node_exporter`, the reading of the host included, and of a node_exporter.
async fn node_exporter(scrapes: u64) {
    const INTERVAL: Duration = Duration::from_millis(250);
    let theirs = NodeExporter::start().await;
    let sets = [
        "exporters.prometheus/node_exporter.endpoint=127.0.0.1:0",
        "receivers.host_metrics/node_exporter.collection_interval=250ms",
    ];
    let sets = sets.iter().flat_map(|set| ["--set", set]);
    let arguments: Vec<_> = ["--schema", "node_exporter"].into_iter().chain(sets).collect();
    let collector = Collector::spawn(&with_pipeline(&[], &[]), &arguments);
    collector.wait_for_log("INFO ready").await;
    let log = collector.log();
    let path = "/node_exporter/metrics";
    let line = log.lines().find(|line| line.contains(path)).expect("the schema has a page");
    let ours = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default();
    // The first seconds resolve every series, which happens once.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = (cpu_seconds(collector.id()), cpu_seconds(theirs.id()));
    let mut interval = tokio::time::interval(INTERVAL);
    let (mut our_series, mut their_series) = (0, 0);
    let series = |text: &str| text.lines().filter(|line| !line.starts_with('#')).count();
    for _ in 0..scrapes {
        interval.tick().await;
        our_series = series(&get(ours, path).await.text());
        their_series = series(&get(&theirs.address, "/metrics").await.text());
    }
    let after = (cpu_seconds(collector.id()), cpu_seconds(theirs.id()));
    let (one, other) = (after.0 - before.0, after.1 - before.1);
    let each = |seconds: f64| seconds * 1e3 / scrapes as f64;
    println!("ours: {our_series} series, {:.2} ms of CPU a scrape, the reading included", each(one));
    println!("node_exporter: {their_series} series, {:.2} ms of CPU a scrape", each(other));
    println!("ours / node_exporter: {:.2}", one / other);
}
