//! Memory stays flat, and what is given up is counted.

use super::*;
use crate::Registry;

#[tokio::test(start_paused = true)]
async fn a_long_queue_is_forgotten_and_comes_back_in_order() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([Act::RetryAfter(300)], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    // A point takes 94 bytes by the estimate, so some 180 000 of these are kept.
    let (batches, each) = (100, 8192);
    for first in 0..batches {
        record(&[&outbox], one(first * each..(first + 1) * each)).await.unwrap();
    }
    let all = (batches * each) as u64;
    {
        let state = outbox.dispatch.queue.state();
        let in_memory = state.waiting.size().points;
        assert!(in_memory * 94 <= 16 << 20, "{in_memory}");
        assert_eq!(state.counts.held.points, all);
    }
    assert_eq!(ledger.gauge("inferometer_exporter_queue_points"), Some(all));
    tokio::time::sleep(Duration::from_secs(301)).await;
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken().len() as u64, all);
    assert!(exporter.taken().iter().copied().eq(0..batches * each));
    assert_eq!(outbox.drain(after(60)).await, drained(all, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_bound_of_the_queue_holds_for_what_is_on_disk() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let mut config = persistent();
    config.sending_queue.queue_size = 5;
    let outbox = disk.start(&exporter, config, &ledger).await;
    for value in 0..5 {
        record(&[&outbox], one(value..value + 1)).await.unwrap();
    }
    record(&[&outbox], one(5..6)).await.unwrap_err();
    assert_eq!(ledger.sum(MISSED), 1);
}

#[tokio::test(start_paused = true)]
async fn series_that_find_no_room_are_counted_when_they_are_read_back() {
    let mut disk = Disk::new();
    let (dead, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let outbox = disk.start(&dead, persistent(), &ledger).await;
    for value in 0..10 {
        let points = points(&value.to_string(), value..value + 1);
        record(&[&outbox], points.into_iter().collect()).await.unwrap();
    }
    drop(outbox);
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let context = Context { registry: Arc::new(Registry::new(4)), ..disk.context("x", &ledger) };
    let outbox = start_in(&context, &exporter, persistent(), None).await;
    until(|| failed(&ledger, "unreadable") > 0).await;
    assert_eq!((failed(&ledger, "unreadable"), held(&outbox)), (6, 4));
    check_accounts(outbox.dispatch.queue.counts(), 10, &ledger);
}
