//! The end with the other side away: what is on disk stays there, and what is not is tried until the deadline.

use super::*;
use crate::delivery::claim::Recorded;

/// Queues a batch that finds no room on disk.
fn leave_in_memory(outbox: &Arc<Outbox>, batch: Batch) {
    let load = Load::new(Arc::new(batch));
    outbox.reserve_or_miss(&load, &[]).unwrap().commit_unrecorded(load);
}

async fn start_held(disk: &Disk, exporter: &Arc<Scripted>, ledger: &Ledger) -> Arc<Outbox> {
    let mut config = persistent();
    config.sending_queue.num_consumers = 1;
    config.timeout = ::config::Duration::default();
    exporter.hold(true);
    disk.start(exporter, config, ledger).await
}

fn two(values: std::ops::Range<i64>) -> Batch {
    points("two", values).into_iter().collect()
}

/// What the next life sends.
async fn next_life(disk: &mut Disk) -> Vec<i64> {
    disk.restart().await;
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    until(|| held(&outbox) == 0).await;
    outbox.drain(after(60)).await;
    exporter.taken()
}

#[tokio::test(start_paused = true)]
async fn what_is_in_memory_alone_is_tried_until_the_deadline() {
    let mut disk = Disk::new();
    let script = [Act::Retry, Act::Retry, Act::Take];
    let (exporter, ledger) = (Scripted::new(script, Act::Retry), Ledger::default());
    let outbox = start_held(&disk, &exporter, &ledger).await;
    record(&[&outbox], one(0..10)).await.unwrap();
    record(&[&outbox], one(10..20)).await.unwrap();
    leave_in_memory(&outbox, two(20..30));
    exporter.hold(false);
    let end = outbox.drain(after(60)).await;
    assert_eq!(end, Drained { delivered: 10, waiting: 20, ..Drained::default() });
    assert_eq!(exporter.taken(), (20..30).collect::<Vec<_>>());
    assert_eq!((exporter.requests().len(), ledger.sum(FAILED)), (3, 0));
    drop(outbox);
    assert_eq!(next_life(&mut disk).await, (0..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_reload_hands_on_what_is_in_memory_alone_under_way_or_not() {
    for is_under_way in [false, true] {
        let disk = Disk::new();
        let ledger = Ledger::default();
        let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
        let old = start_held(&disk, &dead, &ledger).await;
        if is_under_way {
            leave_in_memory(&old, two(10..20));
            record(&[&old], one(0..10)).await.unwrap();
        } else {
            record(&[&old], one(0..10)).await.unwrap();
            leave_in_memory(&old, two(10..20));
        }
        until(|| ledger.gauge("otelcol_exporter_in_flight_requests") == Some(1)).await;
        let new = start_in(&disk.context("x", &ledger), &exporter, persistent(), Some(&old)).await;
        dead.hold(false);
        assert_eq!(new.take_over(&old, after(60)).await, drained(0, 0, 0));
        until(|| held(&new) == 0).await;
        let mut taken = exporter.taken();
        taken.sort_unstable();
        assert_eq!(taken, (0..20).collect::<Vec<_>>());
        assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (20, 0));
        assert_eq!(new.drain(after(60)).await, drained(20, 0, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_arrived_in_part_is_not_left_for_the_next_life() {
    let mut disk = Disk::new();
    let script = [Act::AtMost(5), Act::Take, Act::Retry, Act::Retry, Act::Take];
    let (exporter, ledger) = (Scripted::new(script, Act::Retry), Ledger::default());
    let outbox = start_held(&disk, &exporter, &ledger).await;
    record(&[&outbox], one(0..10)).await.unwrap();
    record(&[&outbox], one(10..20)).await.unwrap();
    exporter.hold(false);
    let end = outbox.drain(after(60)).await;
    assert_eq!(end, Drained { delivered: 10, waiting: 10, ..Drained::default() });
    drop(outbox);
    assert_eq!(next_life(&mut disk).await, (10..20).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn parts_that_were_left_go_on_when_another_arrived() {
    let disk = Disk::new();
    // One part fails while the other is still under way.
    let script = [Act::Retry, Act::TakeAfter(500), Act::Retry];
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    exporter.parts.store(2, Ordering::Relaxed);
    let outbox = start_held(&disk, &exporter, &ledger).await;
    // So many that neither part is empty.
    let series = (0..20).flat_map(|value| points(&value.to_string(), value..value + 1));
    record(&[&outbox], series.collect()).await.unwrap();
    // Both parts are under way.
    until(|| ledger.gauge("otelcol_exporter_in_flight_requests") == Some(2)).await;
    exporter.hold(false);
    assert_eq!(outbox.drain(after(60)).await, drained(20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_arrived_of_a_request_in_memory_is_not_lost_at_the_end() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([Act::AtMost(5), Act::Take], Act::Retry), Ledger::default());
    let outbox = start_held(&disk, &exporter, &ledger).await;
    leave_in_memory(&outbox, one(0..10));
    record(&[&outbox], two(10..30)).await.unwrap();
    exporter.hold(false);
    let end = outbox.drain(after(10)).await;
    assert_eq!(end, Drained { delivered: 5, undelivered: 5, waiting: 20, ..Drained::default() });
    assert_eq!(failed(&ledger, "shutdown"), 5);
}

#[tokio::test(start_paused = true)]
async fn what_has_no_record_keeps_its_place_in_a_queue_that_is_handed_on() {
    let disk = Disk::new();
    let ledger = Ledger::default();
    let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
    let context = disk.context("x", &ledger);
    let old = start_in(&context, &dead, persistent(), None).await;
    record(&[&old], one(0..10)).await.unwrap();
    let new = start_in(&context, &exporter, persistent(), Some(&old)).await;
    leave_in_memory(&new, one(10..20));
    record(&[&new], one(20..30)).await.unwrap();
    new.take_over(&old, after(60)).await;
    until(|| held(&new) == 0).await;
    assert_eq!(exporter.taken(), (0..30).collect::<Vec<_>>());
    assert_eq!(new.drain(after(60)).await, drained(30, 0, 0));
}

/// Queues a batch that is on its way to the disk, and waits until it was tried to send it.
async fn begin_to_write(outbox: &Arc<Outbox>, exporter: &Scripted, batch: Batch) -> Arc<Recorded> {
    let load = Load::new(Arc::new(batch));
    let reader = outbox.spool.as_ref().unwrap().reader().unwrap();
    let record = Recorded::new(&reader, 1, load.size.points);
    let queue = &outbox.dispatch.queue;
    queue.reserve(load.size).unwrap();
    let size = load.size;
    assert_eq!(queue.push_recorded(load, &record, size), size);
    until(|| !exporter.requests().is_empty()).await;
    record
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_written_while_it_was_under_way_is_not_left_for_the_next_life() {
    // It is sent at last, or given up at the deadline.
    for (failures, seconds, expected) in [(6, 30, drained(10, 0, 0)), (1000, 2, drained(0, 0, 10))] {
        let disk = Disk::new();
        let script = std::iter::repeat_n(Act::Retry, failures);
        let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
        let outbox = disk.start(&exporter, persistent(), &ledger).await;
        let record = begin_to_write(&outbox, &exporter, one(0..10)).await;
        let lost = outbox.dispatch.queue.lose(&record);
        assert_eq!((lost.dropped, lost.withdrawn), (0, 0));
        assert_eq!(outbox.drain(after(seconds)).await, expected);
        assert_eq!(failed(&ledger, "shutdown"), expected.undelivered);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_left_and_could_not_be_written_then_is_counted() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    let record = begin_to_write(&outbox, &exporter, one(0..10)).await;
    let queue = &outbox.dispatch.queue;
    queue.leaving.cancel();
    // The consumer leaves it, and the end is yet to come.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let lost = queue.lose(&record);
    assert_eq!((lost.dropped, lost.withdrawn), (0, 0));
    assert_eq!(outbox.drain(after(10)).await, drained(0, 0, 10));
    assert_eq!(failed(&ledger, "shutdown"), 10);
}

// By the real clock, as a paused one goes on while the disk is waited for.
#[tokio::test]
async fn a_pause_that_outlasts_the_deadline_is_not_waited_for() {
    let disk = Disk::new();
    let (exporter, ledger) = (Scripted::new([Act::RetryAfter(3600)], Act::Take), Ledger::default());
    let outbox = disk.start(&exporter, persistent(), &ledger).await;
    record(&[&outbox], one(0..10)).await.unwrap();
    until(|| !exporter.requests().is_empty()).await;
    let drained = tokio::time::timeout(Duration::from_mins(1), outbox.drain(after(1800))).await;
    assert_eq!(drained.expect("it is waited for"), Drained { waiting: 10, ..Drained::default() });
}
