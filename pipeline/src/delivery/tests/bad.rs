//! A request that is called bad costs its bad points, and a bounded effort.

use super::*;

#[tokio::test(start_paused = true)]
async fn one_bad_point_costs_itself() {
    let (exporter, ledger) = (Scripted::new([], Act::BadAt(5000)), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 1..8193).unwrap();
    push(&outbox, 8193..8200).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(8198, 1, 0));
    assert_eq!(failed(&ledger, "permanent"), 1);
    // The whole, two halves at each of thirteen levels, and the batch behind it.
    assert_eq!(exporter.requests().len(), 1 + 2 * 13 + 1);
    let expected: Vec<_> = (1..8200).filter(|value| *value != 5000).collect();
    assert_eq!(exporter.taken(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_effort_is_bounded_and_what_was_not_found_is_dropped() {
    let (exporter, ledger) = (Scripted::new([], Act::BadAt(100)), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 1..8193).unwrap();
    let end = outbox.drain(after(1)).await;
    assert_eq!(end.delivered + end.dropped, 8192);
    assert_eq!(exporter.taken().len() as u64, end.delivered);
    assert!(exporter.requests().len() <= 1 + 2 * 14 * 33, "{}", exporter.requests().len());
    assert_eq!(failed(&ledger, "permanent"), end.dropped);
}

#[tokio::test(start_paused = true)]
async fn some_bad_points_in_a_large_request_cost_themselves() {
    for every in [256, 397, 1000] {
        let (exporter, ledger) = (Scripted::new([], Act::BadAt(every)), Ledger::default());
        let outbox = start("x", &exporter, in_order(), &ledger).await;
        push(&outbox, 1..8193).unwrap();
        let bad = 8192 / every as u64;
        assert_eq!(outbox.drain(after(1)).await, drained(8192 - bad, bad, 0), "one in {every}");
        let expected: Vec<_> = (1..8193).filter(|value| value % every != 0).collect();
        assert_eq!(exporter.taken(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn where_everything_is_bad_it_is_soon_not_looked_into() {
    let (exporter, ledger) = (Scripted::new([], Act::BadAt(1)), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..1000).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let first = exporter.requests().len();
    assert!((17..=65).contains(&first), "{first}");
    for _ in 0..10 {
        push(&outbox, 0..1000).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exporter.requests().len(), first + 2 * 10);
    // After a while it is tried again.
    tokio::time::sleep(Duration::from_mins(5)).await;
    push(&outbox, 0..1000).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(0, 12_000, 0));
    assert!(exporter.requests().len() > first + 2 * 10 + 15);
}

#[tokio::test(start_paused = true)]
async fn a_good_half_ends_the_distrust() {
    let script = std::iter::repeat_n(Act::BadAt(1), 65);
    let (exporter, ledger) = (Scripted::new(script, Act::BadAt(700)), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..1000).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exporter.requests().len(), 65);
    // Its first half is good, so its second is looked into.
    push(&outbox, 1..1001).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(999, 1001, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_protocol_cannot_say_is_counted_apart() {
    let (exporter, ledger) = (Scripted::new([Act::LeaveOut(2, 3)], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..10).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(5, 5, 0));
    assert_eq!((failed(&ledger, "unsupported"), failed(&ledger, "out_of_order")), (2, 3));
}
