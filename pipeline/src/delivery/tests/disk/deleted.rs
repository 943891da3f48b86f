//! Somebody deletes the queue while it is in use: nothing that is not there is said to wait there.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_was_deleted_is_sent_from_memory_or_counted() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let (outbox, next) = long_queue(&disk, &exporter, &ledger, 40).await;
    let all = next as u64;
    std::fs::remove_dir_all(&disk.config.directory).unwrap();
    until(|| failed(&ledger, "unreadable") > 0).await;
    let lost = failed(&ledger, "unreadable");
    assert!(lost < all, "what is in memory is not lost");
    assert_eq!(held(&outbox), all - lost);
    insist(&outbox, next..next + 1).await;
    exporter.hold(false);
    until(|| held(&outbox) == 0).await;
    let expected = (0..(all - lost) as i64).chain([next]);
    assert!(exporter.taken().into_iter().eq(expected));
    assert_eq!(failed(&ledger, "unreadable"), lost);
    check_accounts(outbox.dispatch.queue.counts(), all + 1, &ledger);
}

#[tokio::test(start_paused = true)]
async fn what_was_deleted_does_not_wait_for_the_next_start() {
    let mut disk = Disk::new();
    let (dead, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let outbox = disk.start(&dead, persistent(), &ledger).await;
    for first in 0..20 {
        record(&[&outbox], one(first * 10..first * 10 + 10)).await.unwrap();
    }
    std::fs::remove_dir_all(&disk.config.directory).unwrap();
    assert_eq!(outbox.drain(after(60)).await, drained(0, 0, 200));
    assert_eq!(failed(&ledger, "shutdown"), 200);
    drop(outbox);
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    assert_eq!(outbox.drain(after(60)).await, drained(0, 0, 0));
}
