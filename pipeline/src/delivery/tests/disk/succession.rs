//! A reload hands a queue on: nothing is lost, and nothing is sent twice.

use super::*;

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
