//! Reloading for ever, as configuration management does: the collector stays as large as it was.

use std::collections::HashSet;

use integration::{Collector, wait_until};
use tempfile::TempDir;

/// Memory and the metrics have settled by then.
const SETTLED: u64 = 20;

const RELOADS: u64 = 200;

/// How much more memory may be in use at the end.
const GROWTH_KIB_MAX: u64 = 2048;

const CAPACITY: &str = "otelcol_exporter_queue_capacity";

/// Exporters with one queue on disk and more in memory, all of them and the processor new in each turn; in every other
/// turn there is one more.
fn config(folder: &TempDir, turn: u64) -> String {
    let queue_size = 1000 + turn;
    let exporter = |id: &str, queue: &str| {
        format!(
            "  {id}: {{endpoint: 'http://127.0.0.1:1', sending_queue: {{{queue}queue_size: {queue_size}}}}}\n"
        )
    };
    let in_memory = 10 + turn % 2;
    let ids: Vec<_> = (0..in_memory).map(|index| format!("otlp_grpc/{index}")).collect();
    let exporters: String = ids.iter().map(|id| exporter(id, "")).collect();
    format!(
        "
extensions:
  file_storage: {{directory: '{}'}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
processors:
  memory_limiter: {{check_interval: 1s, limit_mib: {queue_size}}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0', metric_expiration: {queue_size}s}}
{}{exporters}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp], processors: [memory_limiter], exporters: [prometheus, otlp_grpc, {}]}}
",
        folder.path().display(),
        exporter("otlp_grpc", "storage: file_storage, "),
        ids.join(", "),
    )
}

async fn reload(collector: &Collector, folder: &TempDir, turn: u64) {
    collector.reload(&config(folder, turn)).await;
    let is_done = || async { collector.log().matches(" reloaded").count() as u64 == turn };
    wait_until("the reload", is_done, || collector.log()).await;
}

/// The names and labels of all samples, in their order, once all that was replaced has ended.
async fn settled(collector: &Collector, turn: u64) -> Vec<String> {
    let removed = ["exporter=\"otlp_grpc/10\""];
    let is_shown = || async { collector.own_sample(CAPACITY, &removed).await.is_some() };
    let has_settled = || async { is_shown().await == (turn % 2 == 1) };
    wait_until("what the removed exporter showed to vanish", has_settled, || collector.log()).await;
    let page = collector.own_page().await;
    let samples = page.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| Some(line.rsplit_once(' ')?.0.to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_reloads_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let collector = Collector::start(&config(&folder, 0)).await;
    for turn in 1..=SETTLED {
        reload(&collector, &folder, turn).await;
    }
    let (samples, memory_kib) = (settled(&collector, SETTLED).await, collector.anonymous_kib());
    for turn in SETTLED + 1..=RELOADS {
        reload(&collector, &folder, turn).await;
    }
    assert_eq!(settled(&collector, RELOADS).await, samples);
    let growth_kib = collector.anonymous_kib().saturating_sub(memory_kib);
    assert!(growth_kib < GROWTH_KIB_MAX, "{growth_kib} KiB more than {memory_kib}");
    assert_eq!(samples.iter().collect::<HashSet<_>>().len(), samples.len(), "{samples:#?}");
    let capacity = collector.own_sample(CAPACITY, &["exporter=\"otlp_grpc\""]).await;
    assert_eq!(capacity, Some((1000 + RELOADS) as f64));
    assert!(!collector.log().contains("ERROR"), "{}", collector.log());
}
