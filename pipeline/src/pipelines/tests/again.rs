//! What a sender is not told to be safe it sends again, and processors that remember have seen it: it counts once.

use std::path::Path;
use std::sync::Mutex;

use ::config::Section;
use futures_util::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::*;
use crate::clock::Clock;
use crate::component::{BoxError, BuiltExporter, Delivery, ExportError, Exporter, Receipt};
use crate::notation::{parse, write_point};
use crate::processors::PROCESSORS;
use crate::storage::rig::{Rig, config as small_segments};
use crate::storage::sim::SimDisk;

const STORAGE: &str = "file_storage/x";
const INPUT_OUTPUT: i32 = 5;

/// Of the first of a stream, too.
const KEEP: &str = "initial_value: keep";

/// Writes down what it is given, in the one-line notation.
#[derive(Default)]
struct Scribe {
    lines: Mutex<Vec<String>>,
    is_away: watch::Sender<bool>,
}

impl Exporter for Scribe {
    fn start(&self) -> BoxFuture<'_, Result<Vec<String>, BoxError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn export<'a>(&'a self, batch: &'a Batch) -> BoxFuture<'a, Result<Receipt, ExportError>> {
        Box::pin(async move {
            let mut is_away = self.is_away.subscribe();
            is_away.wait_for(|is_away| !is_away).await.unwrap();
            for point in batch {
                let mut line = String::new();
                write_point(&mut line, point);
                self.lines.lock().unwrap().push(line);
            }
            Ok(Receipt::default())
        })
    }

    fn stop(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// A processor, and an exporter behind it whose queue is on a disk that does as told.
struct Scene {
    registry: Arc<Registry>,
    ledger: Ledger,
    rig: Rig,
    exporter: Arc<Scribe>,
    output: Output,
    outbox: Arc<Outbox>,
    // What was sent holds its series, as a receiver does.
    sent: Mutex<Vec<Batch>>,
    _folder: TempDir,
}

impl Scene {
    async fn new(disk: SimDisk, (name, yaml): (&str, &str)) -> Self {
        let (registry, ledger) = (Arc::new(Registry::new(1000)), Ledger::default());
        let rig = Rig::on(disk, small_segments());
        let folder = tempfile::tempdir().unwrap();
        let context = |id: &str| Context {
            registry: registry.clone(),
            clock: Clock::starting_at(100),
            storages: rig.storages(STORAGE, folder.path()),
            ..context(id, &ledger)
        };
        let exporter = Arc::<Scribe>::default();
        let queue = QueueConfig { storage: Some(STORAGE.to_owned()), ..QueueConfig::default() };
        let mut config = self::queue(queue);
        config.timeout = ::config::Duration::default();
        let built = BuiltExporter { exporter: exporter.clone(), delivery: Delivery::Queued(config) };
        let outbox = Outbox::start(&context("x"), built).await.unwrap().0;
        let processor = if name == "running" {
            running().1
        } else {
            let section = Section::from_yaml("processors.test", yaml).unwrap();
            let entry = PROCESSORS.iter().find(|entry| entry.name == name).unwrap();
            (entry.build)(&section, &context(name)).unwrap()
        };
        let processors = vec![(name.to_owned(), processor)];
        let pipeline = Arc::new(Pipeline::new(&context("metrics"), processors, vec![outbox.clone()]));
        let output = output(&[&pipeline]);
        Self { registry, ledger, rig, exporter, output, outbox, sent: Mutex::default(), _folder: folder }
    }

    fn send(&self, points: &str) -> JoinHandle<Result<(), Refused>> {
        let batch = parse(points, &self.registry).unwrap();
        self.sent.lock().unwrap().push(batch.clone());
        let output = self.output.clone();
        tokio::spawn(async move { output.send(batch).await })
    }

    fn lines(&self) -> Vec<String> {
        self.exporter.lines.lock().unwrap().clone()
    }

    /// The disk takes nothing from now on, and a sender has met that.
    async fn breaks_under(&self, points: &str) -> JoinHandle<Result<(), Refused>> {
        self.rig.disk.fail(Some(INPUT_OUTPUT));
        let sender = self.send(points);
        until(|| self.ledger.sum("inferometer_exporter_unwritten_metric_points{x}") > 0).await;
        assert!(!sender.is_finished());
        sender
    }

    fn mend(&self) {
        self.rig.disk.fail(None);
        self.rig.pass(2);
    }
}

async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if is_so() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    panic!("it never was so");
}

/// Gives all others their turns.
async fn turns() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

/// What three points are made into, where the disk takes nothing when the second comes, and its sender waits.
async fn made_meanwhile(processor: (&str, &str), points: [&str; 3]) -> Vec<String> {
    let scene = Scene::new(SimDisk::default(), processor).await;
    scene.send(points[0]).await.unwrap().unwrap();
    let sender = scene.breaks_under(points[1]).await;
    // Who comes now is refused before any processor has seen it, and comes again.
    let refused = scene.send(points[2]).await.unwrap().unwrap_err();
    assert!(refused.reason.contains("Input/output error"), "{refused}");
    scene.mend();
    sender.await.unwrap().unwrap();
    let again = || async { scene.send(points[2]).await.unwrap().is_ok() };
    while !again().await {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    scene.outbox.drain(Instant::now() + Duration::from_mins(1)).await;
    scene.lines()
}

async fn check_waiting(processor: (&str, &str), points: [&str; 3], expected: &[&str]) {
    assert_eq!(made_meanwhile(processor, points).await, expected, "{processor:?}");
}

/// A mapping that adds up.
fn schema_file(folder: &Path) -> String {
    let text = "mapping: mine\nkind: schema\nabout: x.\ninputs:\n  a: {type: counter, unit: '1', about: y.}\nrules:\n\
        - {metric: b, type: counter, unit: '1', help: h., combine: sum, from: {metric: a}, labels: {}}\n";
    let path = folder.join("mine.yaml");
    std::fs::write(&path, text).unwrap();
    format!("file: '{}'", path.display())
}

#[tokio::test]
async fn a_sender_waits_for_a_disk_that_takes_nothing_and_all_counts_once() {
    check_waiting(
        ("running", ""),
        ["gauge g = 1", "gauge g = 2", "gauge g = 4"],
        &["gauge g = 1", "gauge g = 3", "gauge g = 7"],
    )
    .await;
    let cumulative = ["counter a = 5 @110..120", "counter a = 8 @110..130", "counter a = 15 @110..140"];
    let deltas =
        ["delta counter a = 5 @110..120", "delta counter a = 3 @120..130", "delta counter a = 7 @130..140"];
    check_waiting(("cumulative_to_delta", KEEP), cumulative, &deltas).await;
    check_waiting(("delta_to_cumulative", ""), deltas, &cumulative).await;
    check_waiting(
        ("metric_start_time", ""),
        ["counter a = 5 @120", "counter a = 8 @130", "counter a = 15 @140"],
        &["counter a = 5 @120..120", "counter a = 8 @120..130", "counter a = 15 @120..140"],
    )
    .await;
    let seconds = [
        "delta counter a = 5 @1000000000..2000000000",
        "delta counter a = 3 @2000000000..3000000000",
        "delta counter a = 7 @3000000000..4000000000",
    ];
    check_waiting(
        ("delta_to_rate", "metrics: [a]"),
        seconds,
        &[
            "gauge a = 5.0 @1000000000..2000000000",
            "gauge a = 3.0 @2000000000..3000000000",
            "gauge a = 7.0 @3000000000..4000000000",
        ],
    )
    .await;
    let folder = tempfile::tempdir().unwrap();
    let schema = schema_file(folder.path());
    let lines = made_meanwhile(("schema", &schema), deltas).await;
    // When its sum began is for the mapping to say.
    let sums: Vec<_> =
        lines.iter().map(|line| line.split(' ').find_map(|word| word.parse::<u64>().ok())).collect();
    assert_eq!(sums, [Some(5), Some(8), Some(15)], "{lines:?}");
}

/// A sender does not wait for the disk, and comes again until its batch is taken; then the process is killed.
async fn check_coming_again(processor: (&str, &str), points: [&str; 2], expected: &[&str]) {
    let scene = Scene::new(SimDisk::default(), processor).await;
    scene.exporter.is_away.send_replace(true);
    scene.send(points[0]).await.unwrap().unwrap();
    let sender = scene.breaks_under(points[1]).await;
    sender.abort();
    assert!(sender.await.unwrap_err().is_cancelled());
    scene.send(points[1]).await.unwrap().unwrap_err();
    scene.mend();
    while scene.send(points[1]).await.unwrap().is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let disk = scene.rig.disk.killed();
    drop(scene);

    let scene = Scene::new(disk, processor).await;
    until(|| scene.lines().len() >= expected.len()).await;
    scene.outbox.drain(Instant::now() + Duration::from_mins(1)).await;
    assert_eq!(scene.lines(), expected, "{processor:?}");
}

#[tokio::test]
async fn what_is_sent_again_after_a_write_failed_is_on_disk_when_it_is_acknowledged() {
    let cumulative = ["counter a = 5 @110..120", "counter a = 8 @110..130"];
    let deltas = ["delta counter a = 5 @110..120", "delta counter a = 3 @120..130"];
    check_coming_again(("cumulative_to_delta", KEEP), cumulative, &deltas).await;
    check_coming_again(("delta_to_cumulative", ""), deltas, &cumulative).await;
}

#[tokio::test]
async fn what_is_sent_again_is_not_acknowledged_before_what_was_made_of_it_the_first_time_is_on_disk() {
    let scene = Scene::new(SimDisk::default(), ("cumulative_to_delta", KEEP)).await;
    scene.send("counter a = 5 @110..120").await.unwrap().unwrap();
    scene.rig.disk.hold_syncs();
    let first = scene.send("counter a = 8 @110..130");
    turns().await;
    first.abort();
    let again = scene.send("counter a = 8 @110..130");
    let duplicates = "inferometer_processor_dropped_metric_points{cumulative_to_delta,metrics,duplicate}";
    until(|| scene.ledger.sum(duplicates) == 1).await;
    turns().await;
    assert!(!again.is_finished());
    scene.rig.disk.release_syncs();
    again.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_scrape_does_not_wait_for_a_disk_that_takes_nothing_and_is_written_later() {
    let deltas = ("cumulative_to_delta", KEEP);
    let scene = Scene::new(SimDisk::default(), deltas).await;
    scene.exporter.is_away.send_replace(true);
    scene.rig.disk.fail(Some(INPUT_OUTPUT));
    scene.output.offer(parse("counter a = 5 @110..120", &scene.registry).unwrap()).await;
    until(|| scene.ledger.sum("inferometer_exporter_unwritten_metric_points{x}") == 1).await;
    scene.mend();
    while scene.send("counter b = 1 @110..120").await.unwrap().is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let disk = scene.rig.disk.killed();
    drop(scene);
    let scene = Scene::new(disk, deltas).await;
    until(|| scene.lines().len() == 2).await;
    assert_eq!(scene.lines(), ["delta counter a = 5 @110..120", "delta counter b = 1 @110..120"]);
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_no_scrape() {
    let scene = Scene::new(SimDisk::default(), ("running", "")).await;
    scene.rig.disk.hold_syncs();
    for _ in 0..3 {
        let offered = scene.output.offer(parse("gauge g = 1", &scene.registry).unwrap());
        tokio::time::timeout(Duration::from_mins(1), offered).await.expect("it waits for the disk");
    }
    // What is on its way to the disk is sent all the same.
    until(|| scene.lines().len() == 3).await;
    scene.rig.disk.release_syncs();
    assert_eq!(scene.lines(), ["gauge g = 1", "gauge g = 2", "gauge g = 3"]);
}

#[test]
fn a_runtime_ends_while_a_batch_is_on_its_way_to_the_disk() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scene = runtime.block_on(async {
        let scene = Scene::new(SimDisk::default(), ("running", "")).await;
        scene.rig.disk.hold_syncs();
        scene.send("gauge g = 1");
        turns().await;
        scene
    });
    drop(runtime);
    scene.rig.disk.release_syncs();
}
