mod bad;
mod circuit;
mod disk;
mod handover;
mod log_lines;
mod order;
mod parts;

use std::sync::atomic::Ordering;
use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;

use super::queue::Counts;
use super::scripted::{Act, Scripted, batch, in_order, start, start_direct};
use super::size::Size;
use super::*;
use crate::batch::Batch;
use crate::output::Refused;
use crate::telemetry::ledger::Ledger;

const SENT: &str = "otelcol_exporter_sent_metric_points{x}";
const FAILED: &str = "otelcol_exporter_send_failed_metric_points{x";
const MISSED: &str = "otelcol_exporter_enqueue_failed_metric_points{x}";

const ONCE: Copies = Copies { queued: 1, written: 1 };

/// Queues a batch and returns whether there was room.
fn push(outbox: &Arc<Outbox>, values: std::ops::Range<i64>) -> Result<(), Refused> {
    push_batch(outbox, batch(values))
}

fn push_batch(outbox: &Arc<Outbox>, batch: Batch) -> Result<(), Refused> {
    let mut permit = outbox.reserve(&batch, ONCE, &[])?.expect("no test waits for room here");
    let mut writes = Writes::new();
    commit(&Load::new(Arc::new(batch)), vec![&mut permit], &mut writes);
    Ok(())
}

/// Queues a batch that nobody asks about, if there is room.
fn offer(outbox: &Arc<Outbox>, batch: Batch) {
    let load = Load::new(Arc::new(batch));
    if let Some(mut permit) = outbox.reserve_or_miss(&load, &[]) {
        permit.commit(load);
    }
}

fn after(seconds: u64) -> Instant {
    Instant::now() + Duration::from_secs(seconds)
}

fn failed(ledger: &Ledger, reason: &str) -> u64 {
    ledger.sum(&format!("{FAILED},{reason}}}"))
}

fn drained(delivered: u64, dropped: u64, undelivered: u64) -> Drained {
    Drained { delivered, dropped, undelivered, waiting: 0 }
}

#[tokio::test(start_paused = true)]
async fn what_is_queued_is_delivered_in_order_and_counted() {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    for first in [0, 10, 20] {
        push(&outbox, first..first + 10).unwrap();
    }
    assert_eq!(outbox.drain(after(5)).await, drained(30, 0, 0));
    assert_eq!(exporter.taken(), (0..30).collect::<Vec<_>>());
    assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (30, 0));
}

#[tokio::test(start_paused = true)]
async fn a_backend_that_refuses_for_20_seconds_loses_nothing_while_the_queue_has_room() {
    // Five seconds, then seven and a half, then eleven and a quarter: the fourth attempt is after 23 seconds.
    let (exporter, ledger) = (Scripted::new([Act::Retry; 3], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    for first in 0..20 {
        push(&outbox, first * 10..first * 10 + 10).unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(ledger.gauge("otelcol_exporter_queue_size"), Some(20));
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(exporter.taken(), (0..200).collect::<Vec<_>>());
    let seconds: Vec<_> = exporter.requests().iter().map(|request| request.at.as_secs()).take(4).collect();
    assert_eq!(seconds, [0, 5, 12, 23]);
    assert_eq!(outbox.drain(after(0)).await, drained(200, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_says_when_to_come_again() {
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let mut config = in_order();
    config.sending_queue.queue_size = 2;
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..1).unwrap();
    push(&outbox, 1..2).unwrap();
    let refused = push(&outbox, 2..5).unwrap_err();
    assert_eq!(refused.reason, "the queue of `x` is full");
    let seconds = refused.retry_after.as_secs_f64();
    assert!((22.0..=30.0).contains(&seconds), "nothing was ever sent: {seconds}");
    assert_eq!(ledger.sum(MISSED), 3);
    offer(&outbox, batch(2..6));
    assert_eq!(ledger.sum(MISSED), 7);
    assert_eq!(outbox.dispatch.queue.counts().accepted, 2);
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_the_refused_follows_the_rate_of_the_outbox() {
    let (exporter, ledger) = (Scripted::new([], Act::TakeAfter(100)), Ledger::default());
    let mut config = in_order();
    config.sending_queue.queue_size = 10;
    let outbox = start("x", &exporter, config, &ledger).await;
    for _ in 0..300 {
        let _ = push(&outbox, 0..10);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let refused = loop {
        if let Err(refused) = push(&outbox, 0..10) {
            break refused;
        }
    };
    assert!(refused.retry_after < Duration::from_millis(1300), "{:?}", refused.retry_after);
}

#[tokio::test(start_paused = true)]
async fn requests_are_bounded_in_points_too() {
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let mut config = in_order();
    config.sending_queue.queue_size = 2;
    let outbox = start("x", &exporter, config, &ledger).await;
    // Larger than the whole queue, and yet it is taken, as the queue is empty.
    push(&outbox, 0..2001).unwrap();
    push(&outbox, 0..1).unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_throttled_outbox_sends_nothing_while_another_goes_on() {
    let ledger = Ledger::default();
    let throttled = Scripted::new([Act::RetryAfter(30)], Act::Take);
    let other = Scripted::new([], Act::Take);
    let first = start("x", &throttled, Config::default(), &ledger).await;
    let second = start("y", &other, Config::default(), &ledger).await;
    for value in 0..20 {
        push(&first, value..value + 1).unwrap();
        push(&second, value..value + 1).unwrap();
        // The first answer holds back even the consumers that have not sent yet.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!((throttled.requests().len(), other.taken().len()), (1, 20));
    tokio::time::sleep(Duration::from_secs(11)).await;
    let times: Vec<_> = throttled.requests().iter().map(|request| request.at).collect();
    assert_eq!(times.len(), 21);
    assert!(times[1..].iter().all(|at| *at >= Duration::from_secs(30)), "{times:?}");
    assert_eq!(first.drain(after(0)).await, drained(20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_absurd_pause_is_not_kept() {
    let (exporter, ledger) = (Scripted::new([Act::RetryAfter(4000)], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..1).unwrap();
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(exporter.taken(), [0]);
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_ends_at_the_timeout_and_does_not_hold_others() {
    let (exporter, ledger) = (Scripted::new([Act::Hang], Act::Take), Ledger::default());
    let mut config = in_order();
    config.sending_queue.num_consumers = 2;
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..1).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(ledger.gauge("otelcol_exporter_in_flight_requests"), Some(1));
    push(&outbox, 1..2).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exporter.taken(), [1]);
    // Five seconds of timeout, five seconds of backoff.
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert_eq!(exporter.taken(), [1, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_too_large_is_halved_until_it_fits() {
    let (exporter, ledger) = (Scripted::new([], Act::AtMost(3)), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..10).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(10, 0, 0));
    assert_eq!(exporter.taken(), (0..10).collect::<Vec<_>>());
    assert_eq!(exporter.sizes(), [2, 3, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn a_single_point_that_is_too_large_is_dropped() {
    let (exporter, ledger) = (Scripted::new([], Act::AtMost(0)), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..4).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(0, 4, 0));
    assert_eq!(exporter.requests().len(), 7);
    assert_eq!(failed(&ledger, "permanent"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_poison_batch_is_dropped_once_and_those_behind_it_flow() {
    let (exporter, ledger) = (Scripted::new([Act::Take, Act::Drop], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    for value in 0..4 {
        push(&outbox, value..value + 1).unwrap();
    }
    assert_eq!(outbox.drain(after(1)).await, drained(3, 1, 0));
    assert_eq!(exporter.taken(), [0, 2, 3]);
    assert_eq!((exporter.requests().len(), failed(&ledger, "permanent")), (4, 1));
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_one_batch() {
    let (exporter, ledger) = (Scripted::new([Act::Panic], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..2).unwrap();
    push(&outbox, 2..3).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(1, 2, 0));
    assert_eq!(failed(&ledger, "permanent"), 2);
}

#[tokio::test(start_paused = true)]
async fn what_was_tried_for_long_enough_is_dropped() {
    let (exporter, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let mut config = in_order();
    config.retry_on_failure.max_elapsed_time = Some(::config::Duration::from_secs(30));
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..5).unwrap();
    // After the attempt at 23.75 s the next would be later than 30 s: given up at once.
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!((exporter.requests().len(), failed(&ledger, "retries_exhausted")), (4, 5));
    assert_eq!(outbox.drain(after(0)).await, drained(0, 5, 0));
}

#[tokio::test(start_paused = true)]
async fn without_retry_one_failure_is_the_end() {
    let (exporter, ledger) = (Scripted::new([Act::Retry], Act::Take), Ledger::default());
    let mut config = in_order();
    config.retry_on_failure.enabled = false;
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..5).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(0, 5, 0));
    assert_eq!(failed(&ledger, "retries_exhausted"), 5);
}

#[tokio::test(start_paused = true)]
async fn points_the_other_side_rejected_are_counted_as_such() {
    let (exporter, ledger) = (Scripted::new([Act::Reject(3), Act::Reject(99)], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..10).unwrap();
    push(&outbox, 0..10).unwrap();
    assert_eq!(outbox.drain(after(1)).await, drained(7, 13, 0));
    assert_eq!((ledger.sum(SENT), failed(&ledger, "rejected")), (7, 13));
}

#[tokio::test(start_paused = true)]
async fn failures_at_random_lose_nothing_and_one_consumer_keeps_the_order() {
    // Seven of ten fail, in an order that looks like none.
    let script = (0_u64..2000).map(|index| {
        let is_failure = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xff < 179;
        if is_failure { Act::Retry } else { Act::Take }
    });
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    for value in 0..300 {
        push(&outbox, value..value + 1).unwrap();
    }
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert!(exporter.requests().len() > 700);
    assert_eq!(exporter.taken(), (0..300).collect::<Vec<_>>());
    assert_eq!(outbox.drain(after(0)).await, drained(300, 0, 0));
}

/// Queues batches of these sizes, and says what requests come of it and when, in milliseconds.
async fn check_batching(batch: BatchConfig, sizes: &[i64], expected: &[(usize, u64)]) {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let mut config = in_order();
    config.sending_queue.batch = Some(batch);
    let outbox = start("x", &exporter, config, &ledger).await;
    let mut first = 0;
    for size in sizes {
        push(&outbox, first..first + size).unwrap();
        first += size;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    let requests = exporter.requests();
    let seen: Vec<_> = requests
        .iter()
        .map(|request| (request.values.len(), request.at.as_millis() as u64 / 10 * 10))
        .collect();
    assert_eq!(seen, expected);
    assert_eq!(exporter.taken(), (0..first).collect::<Vec<_>>());
    assert_eq!(outbox.drain(after(0)).await, drained(first as u64, 0, 0));
    assert_eq!(outbox.dispatch.queue.counts().held, Size::default());
}

fn sizes(min_size: u64, max_size: u64) -> BatchConfig {
    BatchConfig { min_size, max_size, ..BatchConfig::default() }
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_merged_by_size_and_by_time() {
    check_batching(sizes(10, 0), &[4, 4, 4, 4], &[(12, 0), (4, 200)]).await;
    check_batching(sizes(10, 0), &[25], &[(25, 0)]).await;
    check_batching(sizes(10, 10), &[25], &[(10, 0), (10, 0), (5, 200)]).await;
    check_batching(sizes(10, 12), &[4, 4, 4, 40], &[(12, 0), (12, 0), (12, 0), (12, 0), (4, 200)]).await;
    check_batching(sizes(0, 10), &[4, 25], &[(4, 0), (10, 0), (10, 0), (5, 0)]).await;
    check_batching(sizes(100, 0), &[1, 1, 1], &[(3, 200)]).await;
    // A point takes 30 bytes by the estimate; a request holds at least one.
    let bytes = BatchConfig { sizer: Some(BatchSizer::Bytes), ..sizes(60, 70) };
    check_batching(bytes, &[5], &[(2, 0), (2, 0), (1, 200)]).await;
    let tiny = BatchConfig { sizer: Some(BatchSizer::Bytes), ..sizes(1, 1) };
    check_batching(tiny, &[2], &[(1, 0), (1, 0)]).await;
}

#[tokio::test(start_paused = true)]
async fn merging_moves_the_points_nobody_else_holds() {
    let (left, right) = (batch(0..3), batch(3..6));
    let series = left.iter().next().unwrap().series.clone();
    let holders = Arc::strong_count(&series.0);
    let mut parcel = parcel::Parcel::default();
    for batch in [left, right] {
        parcel.push(parcel::Piece::new(Load::new(Arc::new(batch)), None));
    }
    let merged = parcel.merge();
    assert_eq!((merged.len(), Arc::strong_count(&series.0)), (6, holders));
}

#[tokio::test(start_paused = true)]
async fn many_consumers_send_at_once() {
    let (exporter, ledger) = (Scripted::new([], Act::TakeAfter(200)), Ledger::default());
    let mut config = in_order();
    config.sending_queue.num_consumers = 8;
    let outbox = start("x", &exporter, config, &ledger).await;
    for value in 0..80 {
        push(&outbox, value..value + 1).unwrap();
    }
    assert_eq!(outbox.drain(after(2) + Duration::from_millis(100)).await, drained(80, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_drain_waits_neither_for_company_nor_for_long_retries() {
    let (exporter, ledger) = (Scripted::new([Act::Retry; 3], Act::Take), Ledger::default());
    let mut config = in_order();
    config.sending_queue.batch = Some(sizes(100, 0));
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..5).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    push(&outbox, 5..10).unwrap();
    let began = Instant::now();
    assert_eq!(outbox.drain(after(10)).await, drained(10, 0, 0));
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_delivered_by_the_deadline_is_reported() {
    let (exporter, ledger) = (Scripted::new([Act::Take, Act::Drop], Act::Retry), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    for value in 0..6 {
        push(&outbox, value..value + 1).unwrap();
    }
    let began = Instant::now();
    assert_eq!(outbox.drain(after(10)).await, drained(1, 1, 4));
    assert_eq!(began.elapsed().as_secs(), 10);
    assert!((9..=12).contains(&exporter.requests().len()), "{}", exporter.requests().len());
    assert_eq!((failed(&ledger, "shutdown"), failed(&ledger, "permanent")), (4, 1));
    // Draining again changes nothing, and nothing new is taken.
    assert_eq!(outbox.drain(after(10)).await, drained(1, 1, 4));
    assert_eq!(exporter.stopped.load(Ordering::Relaxed), 1);
    let refused = push(&outbox, 0..1).unwrap_err();
    assert_eq!(refused.reason, "`x` is stopping");
    offer(&outbox, batch(0..2));
    assert_eq!(ledger.sum(MISSED), 2);
}

#[tokio::test(start_paused = true)]
async fn a_batch_reserved_before_the_drain_is_still_delivered() {
    let (exporter, ledger) = (Scripted::new([], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    let late = batch(0..3);
    let mut permit = outbox.reserve(&late, ONCE, &[]).unwrap().unwrap();
    let draining = tokio::spawn({
        let outbox = outbox.clone();
        async move { outbox.drain(after(5)).await }
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    permit.commit(Load::new(Arc::new(late)));
    drop(permit);
    assert_eq!(draining.await.unwrap(), drained(3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_gauges_end_with_the_outbox() {
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let mut config = in_order();
    config.sending_queue.sizer = Sizer::Items;
    let outbox = start("x", &exporter, config, &ledger).await;
    push(&outbox, 0..5).unwrap();
    assert_eq!(ledger.gauge("otelcol_exporter_queue_size{x,metrics}"), Some(5));
    assert_eq!(ledger.gauge("otelcol_exporter_queue_capacity{x,metrics}"), Some(1000));
    outbox.drain(after(0)).await;
    drop(outbox);
    assert_eq!(ledger.gauge("otelcol_exporter_queue_size"), None);
    assert_eq!(ledger.gauge("otelcol_exporter_in_flight_requests"), None);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_outbox_ends_its_consumers() {
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push(&outbox, 0..5).unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    drop(outbox);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&exporter), 1);
}

#[tokio::test(start_paused = true)]
async fn direct_delivery_counts_what_fails_and_never_tries_again() {
    let ledger = Ledger::default();
    let exporter = Scripted::new([Act::Take, Act::Drop, Act::Retry, Act::Panic, Act::Reject(1)], Act::Take);
    let outbox = start_direct("x", &exporter, &ledger).await;
    for _ in 0..5 {
        outbox.export(&batch(0..2)).await;
    }
    assert_eq!((ledger.sum(SENT), failed(&ledger, "permanent"), failed(&ledger, "rejected")), (3, 6, 1));
    assert_eq!(outbox.drain(after(0)).await, drained(3, 7, 0));
    outbox.export(&batch(0..2)).await;
    assert_eq!(ledger.sum(MISSED), 2);
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_goes_away_while_its_batch_is_exported_leaves_the_accounts_right() {
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let outbox = start_direct("x", &exporter, &ledger).await;
    let export = async { outbox.export(&batch(0..2)).await };
    assert!(tokio::time::timeout(Duration::from_secs(1), export).await.is_err());
    assert_eq!(outbox.drain(after(5)).await, drained(0, 2, 0));
}

fn acts() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Take),
        2 => Just(Act::Retry),
        1 => (0_u64..40).prop_map(Act::RetryAfter),
        1 => (0_u64..6000).prop_map(Act::TakeAfter),
        1 => Just(Act::Drop),
        1 => (0_usize..20).prop_map(Act::AtMost),
        1 => (0_u64..20).prop_map(Act::Reject),
        1 => Just(Act::Hang),
    ]
}

fn queues() -> impl Strategy<Value = QueueConfig> {
    let sizer = prop_oneof![Just(Sizer::Requests), Just(Sizer::Items), Just(Sizer::Bytes)];
    let batch_sizer = proptest::option::of(prop_oneof![Just(BatchSizer::Items), Just(BatchSizer::Bytes)]);
    let batch = (0_u64..60, 0_u64..60, batch_sizer).prop_map(|(min_size, extra, sizer)| {
        let max_size = if extra == 0 { 0 } else { min_size + extra };
        BatchConfig { min_size, max_size, sizer, ..BatchConfig::default() }
    });
    (1_usize..4, 1_u64..60, sizer, proptest::option::of(batch)).prop_map(
        |(num_consumers, queue_size, sizer, batch)| QueueConfig {
            num_consumers,
            queue_size,
            sizer,
            batch,
            ..QueueConfig::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the other side does, every point is accounted for: in the accounts, in the counters, and
    /// by what the other side has seen.
    #[test]
    fn accepted_is_delivered_and_dropped_and_held(
        script in prop::collection::vec(acts(), 0..40),
        pushes in prop::collection::vec((1_i64..30, 0_u64..3000), 1..30),
        queue in queues(),
        grace in 0_u64..60,
    ) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
            let config = Config { sending_queue: queue, ..Config::default() };
            let outbox = start("x", &exporter, config, &ledger).await;
            let (mut accepted, mut next) = (0, 0);
            for (points, pause) in pushes {
                if push(&outbox, next..next + points).is_ok() {
                    accepted += points as u64;
                }
                next += points;
                tokio::time::sleep(Duration::from_millis(pause)).await;
                check_accounts(outbox.dispatch.queue.counts(), accepted, &ledger);
            }
            let end = outbox.drain(after(grace)).await;
            let counts = outbox.dispatch.queue.counts();
            check_accounts(counts, accepted, &ledger);
            assert_eq!(end.delivered + end.dropped + end.undelivered, accepted);
            assert_eq!((counts.held, failed(&ledger, "shutdown")), (Size::default(), end.undelivered));
            let taken = exporter.taken().len() as u64;
            // What was taken twice was taken once without our hearing of it: not in this script, except
            // that an answer may come too late.
            assert!(taken >= end.delivered + failed(&ledger, "rejected"));
        });
    }
}

#[track_caller]
fn check_accounts(counts: Counts, accepted: u64, ledger: &Ledger) {
    assert_eq!(counts.accepted, accepted);
    assert_eq!(counts.accepted, counts.delivered + counts.dropped + counts.held.points);
    assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (counts.delivered, counts.dropped));
}
