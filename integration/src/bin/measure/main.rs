//! Measures a whole process: CPU, memory and loss under a load. `measure SCENARIO [NUMBERS]`.
//!
//! ```text
//! measure idle 60                      memory and CPU of the built-in default
//! measure otlp 10000 60                points a second, seconds, `gzip` perhaps: gRPC in, gRPC out
//! measure reload 600                   seconds: a reload each second under 10,000 points a second
//! measure flood 20000000 untouched     points as fast as they are taken; or `renamed`, or `stored`
//! measure outage 600                   seconds that the backend is away, under 10,000 points a second
//! measure scrape 100000 30             series, seconds at one scrape a second: to pull
//! measure pull 1000000                 series: the time and memory of a page
//! measure connections 500              at once
//! measure peer ENDPOINT PID POINTS     another program's CPU under the same flood
//! measure node_exporter 200            scrapes of both, four a second: the CPU that each costs
//! measure backend ADDRESS              what that program may push to, until it is killed
//! ```

mod otlp;
mod outage;
mod pull;

use std::time::{Duration, Instant};

use integration::{Backend, Behaviour, Collector, NodeExporter, get, with_pipeline};

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |index: usize, default: u64| {
        arguments.get(index).and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    match arguments.first().map(String::as_str) {
        Some("idle") => idle(number(1, 60)).await,
        Some("otlp") => otlp::steady(number(1, 10_000), number(2, 60), has("gzip")).await,
        Some("reload") => otlp::reload(number(1, 60)).await,
        Some("flood") => otlp::flood(number(1, 10_000_000), has("renamed"), has("stored")).await,
        Some("outage") => outage::outage(number(1, 600)).await,
        Some("scrape") => pull::scrape(number(1, 100_000), number(2, 30)).await,
        Some("pull") => pull::page(number(1, 1_000_000)).await,
        Some("connections") => otlp::connections(number(1, 500)).await,
        Some("peer") => otlp::peer(&arguments[1], number(2, 0) as u32, number(3, 1_000_000)).await,
        Some("node_exporter") => node_exporter(number(1, 200)).await,
        Some("backend") => {
            let _backend = Backend::start_at(&arguments[1], Behaviour::Discard).await;
            std::future::pending::<()>().await;
        }
        _ => eprintln!(
            "expected idle, otlp, reload, flood, outage, scrape, pull, connections, peer, node_exporter or backend"
        ),
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
