//! A disk that takes its time: what it is not known to have is not said to wait there.

use super::*;
use crate::storage::rig::Rig;
use crate::storage::sim::SimDisk;

/// A simulated disk in the place of the folder.
pub(super) struct Slow {
    pub(super) rig: Rig,
    folder: TempDir,
    pub(super) ledger: Ledger,
}

impl Slow {
    pub(super) fn on(disk: SimDisk) -> Self {
        let rig = Rig::on(disk, storage::rig::config());
        Self { rig, folder: tempfile::tempdir().unwrap(), ledger: Ledger::default() }
    }

    pub(super) fn context(&self, id: &str) -> Context {
        let storages = self.rig.storages(ID, self.folder.path());
        Context { registry: registry(), storages, ..context(id, &self.ledger) }
    }

    async fn start(&self, exporter: &Arc<Scripted>) -> Arc<Outbox> {
        self.start_after(exporter, None).await
    }

    async fn start_after(&self, exporter: &Arc<Scripted>, old: Option<&Outbox>) -> Arc<Outbox> {
        let mut config = persistent();
        config.timeout = ::config::Duration::default();
        start_in(&self.context("x"), exporter, config, old).await
    }
}

/// Hands a batch over as a scrape does, which waits for nothing.
pub(super) fn hand_over(outbox: &Arc<Outbox>, batch: Batch) {
    let mut permit = outbox.reserve(&batch, ONCE, &[]).unwrap().unwrap();
    commit(&Load::new(Arc::new(batch)), vec![&mut permit], &mut Writes::new());
}

#[tokio::test(start_paused = true)]
async fn what_a_disk_that_hangs_is_not_known_to_have_is_counted_at_the_end() {
    let slow = Slow::on(SimDisk::default());
    let outbox = slow.start(&Scripted::new([], Act::Retry)).await;
    slow.rig.disk.hold_syncs();
    hand_over(&outbox, one(0..10));
    hand_over(&outbox, one(10..20));
    let end = outbox.drain(after(60)).await;
    assert_eq!((end, failed(&slow.ledger, "shutdown")), (drained(0, 0, 20), 20));
    slow.rig.disk.release_syncs();
}

#[tokio::test(start_paused = true)]
async fn what_a_disk_that_hangs_is_not_known_to_have_is_tried_until_the_deadline() {
    let slow = Slow::on(SimDisk::default());
    let exporter = Scripted::new([Act::Retry; 10], Act::Take);
    let outbox = slow.start(&exporter).await;
    slow.rig.disk.hold_syncs();
    hand_over(&outbox, one(0..10));
    hand_over(&outbox, one(10..20));
    assert_eq!(outbox.drain(after(60)).await, drained(20, 0, 0));
    assert_eq!(exporter.taken(), (0..20).collect::<Vec<_>>());
    slow.rig.disk.release_syncs();
}

#[tokio::test]
async fn the_end_waits_for_what_is_on_its_way_to_the_disk() {
    let slow = Slow::on(SimDisk::default());
    let outbox = slow.start(&Scripted::new([], Act::Retry)).await;
    slow.rig.disk.hold_syncs();
    hand_over(&outbox, one(0..10));
    hand_over(&outbox, one(10..20));
    let draining = tokio::spawn(async move { outbox.drain(after(60)).await });
    pass(100).await;
    assert!(!draining.is_finished(), "the disk has not answered");
    slow.rig.disk.release_syncs();
    assert_eq!(draining.await.unwrap(), Drained { waiting: 20, ..Drained::default() });

    let found = Slow::on(slow.rig.disk.killed());
    let exporter = Scripted::new([], Act::Take);
    let outbox = found.start(&exporter).await;
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken(), (0..20).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_was_taken_from_the_queue_before_it_was_on_disk_is_left_there_all_the_same() {
    let slow = Slow::on(SimDisk::default());
    // A pause that outlasts the deadline.
    let exporter = Scripted::new([], Act::RetryAfter(3599));
    let outbox = slow.start(&exporter).await;
    hand_over(&outbox, one(0..1));
    until(|| exporter.requests().len() == 1).await;
    slow.rig.disk.hold_syncs();
    hand_over(&outbox, points("other", 1..2).into_iter().collect());
    pass(100).await;
    slow.rig.disk.release_syncs();
    let end = tokio::time::timeout(Duration::from_mins(1), outbox.drain(after(600))).await;
    assert_eq!(end, Ok(Drained { waiting: 2, ..Drained::default() }));
}

#[tokio::test]
async fn nobody_takes_a_queue_over_while_the_disk_hangs_and_the_old_one_goes_on() {
    let slow = Arc::new(Slow::on(SimDisk::default()));
    let (old_exporter, exporter) = (Scripted::new([], Act::Take), Scripted::new([], Act::Take));
    let old = slow.start(&old_exporter).await;
    slow.rig.disk.hold_syncs();
    hand_over(&old, one(0..10));
    let starting = tokio::spawn({
        let (slow, exporter, old) = (slow.clone(), exporter.clone(), old.clone());
        async move { slow.start_after(&exporter, Some(&old)).await }
    });
    pass(100).await;
    hand_over(&old, one(10..20));
    until(|| old_exporter.taken().len() == 20).await;
    assert!(!starting.is_finished(), "it would send nothing as long as the disk hangs");
    slow.rig.disk.release_syncs();
    let new = starting.await.unwrap();

    // Should the disk hang when the new one is there already, the old one goes on with what it has.
    slow.rig.disk.hold_syncs();
    old_exporter.hold(true);
    hand_over(&old, one(20..30));
    let taking_over = tokio::spawn({
        let (old, new) = (old.clone(), new.clone());
        async move { new.take_over(&old, after(60)).await }
    });
    pass(100).await;
    hand_over(&old, one(30..40));
    old_exporter.hold(false);
    until(|| old_exporter.taken().len() == 40).await;
    slow.rig.disk.release_syncs();
    assert_eq!(taking_over.await.unwrap(), drained(40, 0, 0));
    assert_eq!(new.drain(after(60)).await, drained(0, 0, 0));
}
