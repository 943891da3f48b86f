//! A reload hands a queue on: nothing is lost, and nothing is sent twice.

use std::sync::atomic::AtomicBool;

use super::*;
use crate::delivery::told::Told;
use crate::storage::rig::{self, Rig};
use crate::storage::sim::SimDisk;

#[tokio::test(start_paused = true)]
async fn a_changed_exporter_goes_on_with_the_queue_of_the_old_one() {
    let disk = Disk::new();
    let ledger = Ledger::default();
    let context = disk.context("x", &ledger);
    let old_exporter = Scripted::new([Act::TakeAfter(500), Act::TakeAfter(500)], Act::Retry);
    let old = start_in(&context, &old_exporter, persistent(), None).await;
    for value in 0..40 {
        record(&[&old], one(value..value + 1)).await.unwrap();
    }
    let exporter = Scripted::new([], Act::Take);
    let new = start_in(&context, &exporter, persistent(), Some(&old)).await;
    // The pipelines lead to the new one before the old one has ended.
    for value in 40..60 {
        record(&[&new], one(value..value + 1)).await.unwrap();
    }
    assert!(exporter.requests().is_empty(), "it sends nothing before its turn");
    let end = new.take_over(&old, after(60)).await;
    assert_eq!((end.undelivered, end.dropped, end.waiting), (0, 0, 0));
    until(|| held(&new) == 0).await;
    let mut taken = old_exporter.taken();
    taken.extend(exporter.taken());
    let mut sorted = taken.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..60).collect::<Vec<_>>(), "{taken:?}");
    assert_eq!(exporter.taken(), sorted[sorted.len() - exporter.taken().len()..]);
    let counts = new.dispatch.queue.counts();
    assert_eq!(
        (counts.accepted, counts.delivered, counts.held),
        (60 - end.delivered, 60 - end.delivered, Size::default())
    );
    assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (60, 0));
    assert_eq!(new.drain(after(60)).await.waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn an_heir_that_ends_first_leaves_everything_on_disk() {
    let mut disk = Disk::new();
    let ledger = Ledger::default();
    let context = disk.context("x", &ledger);
    let dead = Scripted::new([], Act::Retry);
    let old = start_in(&context, &dead, persistent(), None).await;
    record(&[&old], one(0..10)).await.unwrap();
    let new = start_in(&context, &dead, persistent(), Some(&old)).await;
    record(&[&new], one(10..20)).await.unwrap();
    assert_eq!(new.drain(after(60)).await.waiting, 10);
    assert_eq!(old.drain(after(60)).await.waiting, 10);
    drop((old, new, context));
    disk.restart().await;
    let exporter = Scripted::new([], Act::Take);
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    assert_eq!(outbox.drain(after(60)).await, drained(20, 0, 0));
    assert_eq!(exporter.taken(), (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_queue_in_memory_goes_on_in_front_of_one_on_disk() {
    let disk = Disk::new();
    let ledger = Ledger::default();
    let context = disk.context("x", &ledger);
    let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
    let mut config = in_order();
    // The clock of the test runs on while the disk is waited for.
    config.retry_on_failure.max_elapsed_time = Some(::config::Duration::default());
    let old = start_in(&context, &dead, config, None).await;
    record(&[&old], one(0..10)).await.unwrap();
    let new = start_in(&context, &exporter, persistent(), Some(&old)).await;
    record(&[&new], one(10..20)).await.unwrap();
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert!(exporter.requests().is_empty(), "it sends nothing before its turn");
    assert_eq!(new.take_over(&old, after(60)).await, drained(0, 0, 0));
    until(|| held(&new) == 0).await;
    assert_eq!(exporter.taken(), (0..20).collect::<Vec<_>>());
    assert_eq!(new.drain(after(60)).await, drained(20, 0, 0));
}

/// What the reloads of one run have in common.
struct Reloads {
    current: Mutex<Arc<Outbox>>,
    is_over: AtomicBool,
}

impl Reloads {
    fn outbox(&self) -> Arc<Outbox> {
        self.current.lock().unwrap().clone()
    }
}

/// Sends batches of a resource of its own, each as often as it is refused; returns how many points.
async fn send(reloads: Arc<Reloads>, sender: i64, mut random: Random) -> i64 {
    let mut next = sender * 1_000_000;
    while !reloads.is_over.load(Ordering::Relaxed) {
        let batch: Batch = points(&format!("sender {sender}"), next..next + 5).into_iter().collect();
        if record(&[&reloads.outbox()], batch).await.is_ok() {
            next += 5;
        }
        match random.below(4) {
            0 => tokio::time::sleep(Duration::from_millis(random.below(4))).await,
            _ => tokio::task::yield_now().await,
        }
    }
    next - sender * 1_000_000
}

/// A sequence of numbers that looks like chance.
#[derive(Clone, Copy)]
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Reloads under load at random moments, also before the last one has ended; everything arrives once, in order.
async fn reload_under_load(seed: u64, mut config: Config) {
    config.retry_on_failure.initial_interval = ::config::Duration(Duration::from_millis(1));
    let disk = Disk::new();
    let ledger = Ledger::default();
    let context = disk.context("x", &ledger);
    let mut random = Random(seed);
    let acts = [Act::Take, Act::TakeAfter(1), Act::TakeAfter(3), Act::Retry, Act::AtMost(4)];
    let script = (0..10_000).map(|_| acts[random.below(5) as usize]);
    let exporter = Scripted::new(script.collect::<Vec<_>>(), Act::Take);
    let first = start_in(&context, &exporter, config.clone(), None).await;
    let reloads = Arc::new(Reloads { current: Mutex::new(first), is_over: AtomicBool::new(false) });
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            tokio::task::spawn_local(send(reloads.clone(), sender, Random(seed * 100 + sender as u64)))
        })
        .collect();
    let (mut changes, mut all) = (Vec::new(), vec![reloads.outbox()]);
    for _ in 0..12 {
        tokio::time::sleep(Duration::from_millis(random.below(30))).await;
        let old = reloads.outbox();
        let new = start_in(&context, &exporter, config.clone(), Some(&old)).await;
        tokio::time::sleep(Duration::from_millis(random.below(3))).await;
        *reloads.current.lock().unwrap() = new.clone();
        all.push(new.clone());
        changes.push(tokio::task::spawn_local(async move { new.take_over(&old, after(60)).await }));
    }
    tokio::time::sleep(Duration::from_millis(random.below(10))).await;
    reloads.is_over.store(true, Ordering::Relaxed);
    let mut expected = Vec::new();
    for (sender, task) in senders.into_iter().enumerate() {
        let start = sender as i64 * 1_000_000;
        expected.extend(start..start + task.await.unwrap());
    }
    for change in changes {
        let end = change.await.unwrap();
        assert_eq!((end.undelivered, end.dropped), (0, 0), "seed {seed}");
    }
    let last = reloads.outbox();
    until(|| held(&last) == 0).await;
    assert_eq!(last.drain(after(60)).await.waiting, 0);
    let mut taken = exporter.taken();
    taken.sort_by_key(|value| value / 1_000_000);
    assert_eq!(taken, expected, "seed {seed}");
    assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (expected.len() as u64, 0), "seed {seed}");
    let delivered: u64 = all.iter().map(|outbox| outbox.dispatch.queue.counts().delivered).sum();
    assert_eq!(delivered, expected.len() as u64, "seed {seed}");
}

#[tokio::test]
async fn reloads_at_any_moment_lose_nothing_send_nothing_twice_and_keep_the_order() {
    tokio::task::LocalSet::new()
        .run_until(async {
            for seed in 1..=20 {
                reload_under_load(seed, persistent()).await;
                reload_under_load(seed, Config::default()).await;
            }
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_nobody_goes_on_with_is_told_with_its_place() {
    let disk = Disk::new();
    let (dead, ledger, told) = (Scripted::new([], Act::Retry), Ledger::default(), Told::new());
    let context = disk.context("x", &ledger);
    let old = start_in(&context, &dead, persistent(), None).await;
    record(&[&old], one(0..10)).await.unwrap();
    // The new one has its queue in memory.
    let new = start_in(&context, &dead, in_order(), Some(&old)).await;
    assert_eq!(new.take_over(&old, after(60)).await.waiting, 10);
    assert_eq!(old.drain(after(60)).await.waiting, 10);
    let lines = told.with("on disk");
    assert_eq!(lines.len(), 1, "{lines:#?}");
    assert!(lines[0].starts_with("WARN") && lines[0].contains(&disk.config.directory), "{}", lines[0]);
    // What is there for the next start is told as that.
    let other = start_in(&disk.context("y", &ledger), &dead, persistent(), None).await;
    record(&[&other], one(0..10)).await.unwrap();
    other.drain(after(60)).await;
    let lines = told.with("wait on disk for the next start");
    assert!(lines.len() == 1 && lines[0].starts_with("INFO"), "{lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn what_became_too_old_before_the_queue_was_handed_on_is_given_up_by_the_heir() {
    let max_age = ::config::Duration::from_secs(60);
    let rig = Rig::on(SimDisk::default(), storage::Config { max_age, ..rig::config() });
    let folder = tempfile::tempdir().unwrap();
    let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
    let ledger = Ledger::default();
    let context =
        Context { registry: registry(), storages: rig.storages(ID, folder.path()), ..context("x", &ledger) };
    let old = start_in(&context, &dead, persistent(), None).await;
    for value in 0..10 {
        record(&[&old], one(value..value + 1)).await.unwrap();
    }
    let new = start_in(&context, &exporter, persistent(), Some(&old)).await;
    assert_eq!(old.drain(after(60)).await.waiting, 10);
    let pressure = new.spool.as_ref().unwrap().reader().unwrap().pressure();
    until(|| {
        rig.pass(60);
        pressure.borrow().is_some()
    })
    .await;
    new.take_over(&old, after(60)).await;
    until(|| held(&new) == 0).await;
    assert_eq!((failed(&ledger, "too_old"), exporter.taken()), (10, Vec::new()));
}
