//! A backend that is away, while points go on coming at a fixed rate.

use std::time::{Duration, Instant};

use integration::{Backend, Behaviour, Collector, Gate};

use super::cpu_seconds;
use super::otlp::{forwarding, load};

const POINTS_PER_SECOND: u64 = 10_000;
/// Before the outage, to know what is usual.
const BEFORE: Duration = Duration::from_mins(1);
/// Within which everything must be delivered once the backend is back.
const AFTER: u64 = 120;

/// What the collector used up in one part of the run.
struct Part {
    what: &'static str,
    start: Instant,
    cpu: f64,
}

impl Part {
    fn begin(what: &'static str, collector: &Collector) -> Self {
        Self { what, start: Instant::now(), cpu: cpu_seconds(collector.id()) }
    }

    fn end(self, collector: &Collector) {
        let (seconds, cpu) = (self.start.elapsed().as_secs_f64(), cpu_seconds(collector.id()) - self.cpu);
        let (peak, now) = collector.memory_kib();
        println!(
            "{}: {seconds:.0} s, {:.2} % of a core, {:.1} MiB, peak so far {:.1} MiB",
            self.what,
            cpu / seconds * 100.0,
            now as f64 / 1024.0,
            peak as f64 / 1024.0
        );
    }
}

/// Connections are refused for so long; every acknowledged point must arrive, once.
pub(super) async fn outage(seconds: u64) {
    let backend = Backend::start(Behaviour::Accept).await;
    let mut gate = Gate::open(&backend.address).await;
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let mut collector = Collector::start(&forwarding(&gate.address, "", Some(folder.path()))).await;
    let requests = POINTS_PER_SECOND * (BEFORE.as_secs() + seconds + AFTER) / 1_000;
    let interval = Duration::from_millis(1_000 * 1_000 / POINTS_PER_SECOND);
    let sending = tokio::spawn(load(&collector, "a", requests, interval).run());

    let part = Part::begin("before", &collector);
    tokio::time::sleep(BEFORE).await;
    part.end(&collector);

    gate.shut().await;
    let part = Part::begin("outage", &collector);
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    part.end(&collector);
    for name in ["inferometer_exporter_queue_points", "inferometer_storage_size_bytes"] {
        println!("{name} {:.0}", collector.own_sample(name, &[]).await.unwrap_or(f64::NAN));
    }

    gate.reopen().await;
    let part = Part::begin("until all was delivered", &collector);
    let few = 2.0 * POINTS_PER_SECOND as f64;
    while collector.own_sample("inferometer_exporter_queue_points", &[]).await.is_none_or(|left| left > few) {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    part.end(&collector);
    let ledger = sending.await.expect("the load ends");
    let success = collector.stop().await.success();
    let (lost, doubled) = ledger.lost_and_doubled(&backend.seen());
    println!(
        "{} acknowledged, lost {lost}, doubled {doubled}, pushed back {}, clean stop {success}",
        ledger.acknowledged, ledger.pushed_back
    );
}
