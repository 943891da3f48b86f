//! OTLP in, OTLP out.

use std::path::Path;
use std::time::{Duration, Instant};

use integration::{Backend, Behaviour, Collector, Ledger, Load};

use super::{TELEMETRY, cpu_seconds, watch};

/// From gRPC to gRPC, through a queue in this folder if there is one.
pub(super) fn forwarding(backend: &str, processors: &str, folder: Option<&Path>) -> String {
    let (queue, storage, extensions) = match folder {
        Some(folder) => (
            "{storage: file_storage, queue_size: 100000000, sizer: items}",
            format!("file_storage: {{directory: '{}'}}", folder.display()),
            "file_storage",
        ),
        None => ("{}", String::from("{}"), ""),
    };
    format!(
        "
extensions:
  {storage}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, http: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  attributes: {{actions: [{{key: host, value: h, action: upsert}}, {{key: lane, action: delete}}]}}
  relabel: {{rules: [{{source_labels: [__name__], target_label: __name__, replacement: renamed_$$1}}]}}
exporters:
  otlp_grpc: {{endpoint: 'http://{backend}', compression: none, sending_queue: {queue}}}
service:
  extensions: [{extensions}]
  telemetry: {TELEMETRY}
  pipelines:
    metrics: {{receivers: [otlp], processors: [{processors}], exporters: [otlp_grpc]}}
"
    )
}

pub(super) fn load(collector: &Collector, source: &str, requests: u64, interval: Duration) -> Load {
    Load {
        endpoint: format!("http://{}", collector.address("gRPC on ")),
        source: source.to_owned(),
        requests,
        points_per_request: 1_000,
        interval,
    }
}

/// A steady load; every point must arrive once.
pub(super) async fn steady(points_per_second: u64, seconds: u64, gzip: bool) {
    let backend = Backend::start(Behaviour::Accept).await;
    let mut collector = Collector::start(&forwarding(&backend.address, "", None)).await;
    let interval = Duration::from_nanos(1_000_000_000_000 / points_per_second.max(1));
    let load = load(&collector, "a", points_per_second * seconds / 1_000, interval);
    let running = async { if gzip { load.run_compressed().await } else { load.run().await } };
    let ledger = watch(&collector, |ledger: &Ledger| ledger.acknowledged, running).await;
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
pub(super) async fn reload(seconds: u64) {
    let backend = Backend::start(Behaviour::Accept).await;
    let configs = [
        forwarding(&backend.address, "attributes", None),
        forwarding(&backend.address, "attributes, relabel", None),
    ];
    let mut collector = Collector::start(&configs[0]).await;
    let descriptors = collector.descriptors();
    let load = load(&collector, "a", 10 * seconds, Duration::from_millis(100));
    let ledger = watch(&collector, |ledger: &Ledger| ledger.acknowledged, async {
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
pub(super) async fn flood(points: u64, renamed: bool, stored: bool) {
    let backend = Backend::start(Behaviour::Discard).await;
    let processors = if renamed { "attributes, relabel" } else { "" };
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let config = forwarding(&backend.address, processors, stored.then_some(folder.path()));
    let collector = Collector::start(&config).await;
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

pub(super) async fn peer(endpoint: &str, id: u32, points: u64) {
    integration::flood(endpoint, 10).await;
    let cpu = cpu_seconds(id);
    let sent = integration::flood(endpoint, points / 1_000).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    println!("{sent} points, CPU {:.3} s a million", (cpu_seconds(id) - cpu) / sent as f64 * 1e6);
}

pub(super) async fn connections(count: u64) {
    let backend = Backend::start(Behaviour::Accept).await;
    let collector = Collector::start(&forwarding(&backend.address, "", None)).await;
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
