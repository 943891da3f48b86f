//! Queues on disk: what was taken is sent, whatever ends in between.

mod crash;
mod deleted;
mod denied;
mod held;
mod leaving;
mod limits;
mod slow;
mod succession;

use std::collections::HashMap;

use tempfile::TempDir;

use super::*;
use crate::component::{BuiltExporter, Context, Delivery};
use crate::delivery::scripted::{context, points, registry};
use crate::storage::{self, Fsync, Storages};

const ID: &str = "file_storage/x";

/// A folder, and what is in service on it; a new one for each life of the process.
struct Disk {
    folder: TempDir,
    config: storage::Config,
    storages: Arc<Storages>,
}

impl Disk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = storage::Config {
            directory: folder.path().join("queue").to_str().unwrap().to_owned(),
            fsync: Fsync::Never,
            ..storage::Config::default()
        };
        let storages = in_service(&config);
        Self { folder, config, storages }
    }

    /// As after a start of the process.
    async fn restart(&mut self) {
        // Tasks that were ended let go of the log when they are next looked at.
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(self.folder.path().exists());
        self.storages = in_service(&self.config);
    }

    /// With the registry of what the tests queue: what is read back is of the same series.
    fn context(&self, id: &str, ledger: &Ledger) -> Context {
        Context { registry: registry(), storages: self.storages.clone(), ..context(id, ledger) }
    }

    async fn start(&self, exporter: &Arc<Scripted>, config: Config, ledger: &Ledger) -> Arc<Outbox> {
        start_in(&self.context("x", ledger), exporter, config, None).await
    }
}

fn in_service(config: &storage::Config) -> Arc<Storages> {
    Arc::new(Storages::default().with(HashMap::from([(ID.to_owned(), config.clone())])))
}

async fn start_in(
    context: &Context,
    exporter: &Arc<Scripted>,
    config: Config,
    old: Option<&Outbox>,
) -> Arc<Outbox> {
    let built = BuiltExporter { exporter: exporter.clone(), delivery: Delivery::Queued(config) };
    Outbox::start_after(context, built, old).await.unwrap().0
}

/// Points of one resource.
fn one(values: std::ops::Range<i64>) -> Batch {
    points("one", values).into_iter().collect()
}

fn persistent() -> Config {
    let mut config = in_order();
    config.sending_queue.num_consumers = 4;
    config.sending_queue.queue_size = 1_000_000;
    config.sending_queue.storage = Some(ID.to_owned());
    config
}

/// Queues a batch in all of these, written once; returns when it is as safe as it gets.
async fn record(outboxes: &[&Arc<Outbox>], batch: Batch) -> Result<(), Refused> {
    let mut permits = Vec::new();
    for outbox in outboxes {
        permits.push(outbox.reserve(&batch, ONCE, &permits)?.expect("no test waits for room here"));
    }
    let mut writes = Writes::new();
    commit(&Load::new(Arc::new(batch)), permits.iter_mut().collect(), &mut writes);
    drop(permits);
    let mut outcome = Ok(());
    for write in writes {
        outcome = outcome.and(write.finish().await);
    }
    outcome
}

/// The same, coming again for as long as the disk does not keep up.
async fn insist(outbox: &Arc<Outbox>, values: std::ops::Range<i64>) {
    while record(&[outbox], one(values.clone())).await.is_err() {
        pass(5).await;
    }
}

/// A queue of so many batches of 8192 points, of which an exporter that is held has taken none; and how many points.
async fn long_queue(
    disk: &Disk,
    exporter: &Arc<Scripted>,
    ledger: &Ledger,
    batches: i64,
) -> (Arc<Outbox>, i64) {
    const EACH: i64 = 8192;
    let mut config = persistent();
    config.timeout = ::config::Duration::default();
    exporter.hold(true);
    let outbox = disk.start(exporter, config, ledger).await;
    for first in 0..batches {
        insist(&outbox, first * EACH..(first + 1) * EACH).await;
    }
    (outbox, batches * EACH)
}

fn held(outbox: &Outbox) -> u64 {
    outbox.dispatch.queue.counts().held.points
}

/// Waits, in real time as the disk does, until it is so.
async fn until(is_so: impl Fn() -> bool) {
    for _ in 0..60_000 {
        if is_so() {
            return;
        }
        pass(1).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("it never was so");
}

/// Lets so many milliseconds of real time pass, and all tasks go on meanwhile.
async fn pass(millis: u64) {
    tokio::task::spawn_blocking(move || std::thread::sleep(Duration::from_millis(millis))).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_one_life_took_the_next_one_sends_in_order() {
    let mut disk = Disk::new();
    let (dead, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let outbox = disk.start(&dead, persistent(), &ledger).await;
    for first in 0..20 {
        record(&[&outbox], one(first * 10..first * 10 + 10)).await.unwrap();
    }
    let end = outbox.drain(after(60)).await;
    assert_eq!(end, Drained { waiting: 200, ..Drained::default() });
    assert_eq!(ledger.sum(FAILED), 0, "nothing is lost");
    drop(outbox);

    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    assert_eq!(ledger.gauge("otelcol_exporter_queue_size"), Some(20));
    assert_eq!(ledger.gauge("inferometer_exporter_queue_points"), Some(200));
    record(&[&outbox], one(200..210)).await.unwrap();
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken(), (0..210).collect::<Vec<_>>());
    assert_eq!(outbox.drain(after(60)).await, drained(210, 0, 0));
    drop(outbox);

    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    assert_eq!(outbox.drain(after(60)).await, drained(0, 0, 0));
    assert!(exporter.requests().is_empty(), "nothing is sent twice");
}

#[tokio::test(start_paused = true)]
async fn one_record_serves_all_exporters_that_share_a_storage() {
    let mut disk = Disk::new();
    let ledger = Ledger::default();
    let (taker, dead) = (Scripted::new([], Act::Take), Scripted::new([], Act::Retry));
    let first = start_in(&disk.context("x", &ledger), &taker, persistent(), None).await;
    let second = start_in(&disk.context("y", &ledger), &dead, persistent(), None).await;
    for value in 0..50 {
        record(&[&first, &second], one(value..value + 1)).await.unwrap();
    }
    assert_eq!(first.drain(after(60)).await, drained(50, 0, 0));
    assert_eq!(second.drain(after(60)).await.waiting, 50);
    drop((first, second));

    disk.restart().await;
    let (first, second) = (Scripted::new([], Act::Take), Scripted::new([], Act::Take));
    let x = start_in(&disk.context("x", &ledger), &first, persistent(), None).await;
    let y = start_in(&disk.context("y", &ledger), &second, persistent(), None).await;
    assert_eq!(x.drain(after(60)).await, drained(0, 0, 0));
    assert_eq!(y.drain(after(60)).await, drained(50, 0, 0));
    assert_eq!(second.taken(), (0..50).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_drain_sends_while_the_other_side_takes_it_and_ends_at_the_first_failure() {
    let disk = Disk::new();
    let script = std::iter::repeat_n(Act::TakeAfter(100), 10).chain([Act::Retry]);
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    let mut config = persistent();
    config.sending_queue.num_consumers = 1;
    config.timeout = ::config::Duration::default();
    exporter.hold(true);
    let outbox = disk.start(&exporter, config, &ledger).await;
    for value in 0..30 {
        record(&[&outbox], one(value..value + 1)).await.unwrap();
    }
    exporter.hold(false);
    let end = outbox.drain(after(60)).await;
    assert_eq!(end, Drained { delivered: 10, waiting: 20, ..Drained::default() });
    assert_eq!(exporter.requests().len(), 11);
}

#[tokio::test(start_paused = true)]
async fn records_that_are_cut_halved_and_refused_are_settled_when_all_is_decided() {
    let mut disk = Disk::new();
    let script = [Act::Retry, Act::Drop, Act::Reject(2), Act::AtMost(3), Act::BadAt(7), Act::LeaveOut(1, 1)];
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    let mut config = persistent();
    config.sending_queue.batch = Some(sizes(5, 9));
    let outbox = disk.start(&exporter, config, &ledger).await;
    for first in 0..20 {
        record(&[&outbox], one(first * 20..first * 20 + 20)).await.unwrap();
    }
    until(|| held(&outbox) == 0).await;
    let end = outbox.drain(after(60)).await;
    assert_eq!(end.delivered + end.dropped, 400);
    check_accounts(outbox.dispatch.queue.counts(), 400, &ledger);
    drop(outbox);
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    assert_eq!(outbox.drain(after(60)).await, drained(0, 0, 0));
    assert!(exporter.requests().is_empty());
}
