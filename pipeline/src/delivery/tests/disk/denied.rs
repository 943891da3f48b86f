//! What the other side wants no credentials for is kept while it is safe on disk.

use super::*;

#[tokio::test(start_paused = true)]
async fn what_is_denied_waits_on_disk_until_the_credentials_are_mended() {
    let mut disk = Disk::new();
    let (denying, ledger) = (Scripted::new([], Act::DenyAt(1)), Ledger::default());
    let outbox = disk.start(&denying, persistent(), &ledger).await;
    for first in 0..10 {
        record(&[&outbox], one(first * 10..first * 10 + 10)).await.unwrap();
    }
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert!(denying.requests().len() > 20, "{}", denying.requests().len());
    assert_eq!((held(&outbox), ledger.sum(FAILED)), (100, 0));
    assert_eq!(ledger.gauge("inferometer_exporter_circuit_open"), Some(1), "the whole destination is away");
    // A stop does not wait for what will not come, and a start goes on.
    assert_eq!(outbox.drain(after(60)).await, Drained { waiting: 100, ..Drained::default() });
    drop(outbox);
    disk.restart().await;
    let exporter = Scripted::new([], Act::Take);
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken(), (0..100).collect::<Vec<_>>());
    assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn what_alone_is_denied_while_others_are_taken_is_given_up_and_holds_up_nothing() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::DenyAt(7)), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    record(&[&outbox], points("gate", 7..8).into_iter().collect()).await.unwrap();
    let mut next = 8;
    while ledger.sum(FAILED) == 0 {
        let other = if next % 7 == 0 { next + 1 } else { next };
        record(&[&outbox], one(other..other + 1)).await.unwrap();
        until(|| exporter.taken().contains(&other)).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        next = other + 1;
        assert!(next < 1000, "it was never given up");
    }
    assert_eq!((failed(&ledger, "permanent"), ledger.sum(FAILED)), (1, 1));
    let refusals = exporter.requests().iter().filter(|request| !request.was_taken).count();
    assert!(refusals > 2, "it was given up after {refusals}");
    record(&[&outbox], points("gate", 1..2).into_iter().collect()).await.unwrap();
    until(|| held(&outbox) == 0).await;
    assert_eq!(exporter.taken().last(), Some(&1));
}

#[tokio::test(start_paused = true)]
async fn what_is_denied_without_a_disk_is_counted_and_lost() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([Act::DenyAt(1)], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, in_order(), &ledger).await;
    record(&[&outbox], one(0..10)).await.unwrap();
    record(&[&outbox], one(10..20)).await.unwrap();
    until(|| held(&outbox) == 0).await;
    assert_eq!((failed(&ledger, "permanent"), ledger.sum(SENT)), (10, 10));
}
