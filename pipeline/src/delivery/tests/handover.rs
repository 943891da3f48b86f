//! A reload hands a queue in memory on: nothing is lost, and the order stays.

use super::*;
use crate::component::{BuiltExporter, Delivery};
use crate::delivery::scripted::{context, points};

async fn replace(old: &Outbox, exporter: &Arc<Scripted>, config: Config, ledger: &Ledger) -> Arc<Outbox> {
    let built = BuiltExporter { exporter: exporter.clone(), delivery: Delivery::Queued(config) };
    Outbox::start_after(&context("x", ledger), built, Some(old)).await.unwrap().0
}

/// Points of one resource.
fn one(values: std::ops::Range<i64>) -> Batch {
    points("one", values).into_iter().collect()
}

async fn pause(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn several() -> Config {
    let mut config = in_order();
    config.sending_queue.num_consumers = 4;
    config
}

#[tokio::test(start_paused = true)]
async fn a_changed_exporter_sends_what_the_old_one_had_before_what_came_since() {
    for config in [in_order(), several()] {
        let ledger = Ledger::default();
        let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
        let old = start("x", &dead, config.clone(), &ledger).await;
        for value in 0..10 {
            push_batch(&old, one(value..value + 1)).unwrap();
            pause(1).await;
        }
        let new = replace(&old, &exporter, config, &ledger).await;
        push_batch(&new, one(10..20)).unwrap();
        pause(60).await;
        assert!(exporter.requests().is_empty(), "it sends nothing before its turn");
        let began = Instant::now();
        assert_eq!(new.take_over(&old, after(60)).await, drained(0, 0, 0));
        assert!(began.elapsed() < Duration::from_secs(1), "the other side is not waited for");
        pause(1).await;
        assert_eq!(exporter.taken(), (0..20).collect::<Vec<_>>());
        assert_eq!(new.drain(after(1)).await, drained(20, 0, 0));
        assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (20, 0));
        check_accounts(old.dispatch.queue.counts(), 0, &Ledger::default());
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_under_way_is_waited_for_and_what_arrived_of_it_is_not_sent_again() {
    let ledger = Ledger::default();
    let script = [Act::AtMost(5), Act::Take, Act::TakeAfter(2000)];
    let (old_exporter, exporter) = (Scripted::new(script, Act::Retry), Scripted::new([], Act::Take));
    let old = start("x", &old_exporter, in_order(), &ledger).await;
    // The first half arrives at once, the second while the old one ends.
    push_batch(&old, one(0..10)).unwrap();
    push_batch(&old, one(10..20)).unwrap();
    pause(1).await;
    let new = replace(&old, &exporter, in_order(), &ledger).await;
    push_batch(&new, one(20..30)).unwrap();
    let end = new.take_over(&old, after(60)).await;
    assert_eq!(end, drained(10, 0, 0));
    pause(1).await;
    assert_eq!(old_exporter.taken(), (0..10).collect::<Vec<_>>());
    assert_eq!(exporter.taken(), (10..30).collect::<Vec<_>>());
    assert_eq!(new.drain(after(1)).await, drained(20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn the_rest_of_a_request_that_arrived_in_part_is_handed_on() {
    let ledger = Ledger::default();
    let script = [Act::AtMost(5), Act::Take];
    let (old_exporter, exporter) = (Scripted::new(script, Act::Retry), Scripted::new([], Act::Take));
    let old = start("x", &old_exporter, in_order(), &ledger).await;
    push_batch(&old, one(0..10)).unwrap();
    push_batch(&old, one(10..20)).unwrap();
    pause(1).await;
    let new = replace(&old, &exporter, in_order(), &ledger).await;
    assert_eq!(new.take_over(&old, after(60)).await, drained(5, 0, 0));
    pause(1).await;
    assert_eq!(exporter.taken(), (5..20).collect::<Vec<_>>());
    assert_eq!(new.drain(after(1)).await, drained(15, 0, 0));
    assert_eq!(new.dispatch.queue.counts().held, Size::default());
    assert_eq!((ledger.sum(SENT), ledger.sum(FAILED)), (20, 0));
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_waits_for_the_result_hears_of_it_from_the_new_one() {
    for (act, is_final) in [(Act::Take, true), (Act::Retry, false)] {
        let ledger = Ledger::default();
        let mut config = in_order();
        config.sending_queue.wait_for_result = true;
        config.sending_queue.batch = Some(sizes(2, 0));
        config.retry_on_failure.max_elapsed_time = Some(::config::Duration::from_secs(60));
        let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], act));
        let old = start("x", &dead, config.clone(), &ledger).await;
        // Two are under way in one request, and one waits.
        let mut results = Vec::new();
        for value in 0..3 {
            let batch = one(value..value + 1);
            let mut permit = old.reserve(&batch, ONCE, &[]).unwrap().unwrap();
            permit.commit(Load::new(Arc::new(batch)));
            results.push(permit.finish());
        }
        pause(1).await;
        assert_eq!(dead.requests()[0].values, [0, 1]);
        let new = replace(&old, &exporter, config, &ledger).await;
        new.take_over(&old, after(60)).await;
        for result in results {
            assert_eq!(result.await.is_ok(), is_final);
        }
        new.drain(after(60)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn reloads_in_a_row_hand_everything_to_the_last_within_one_bound() {
    let ledger = Ledger::default();
    let mut config = in_order();
    config.sending_queue.queue_size = 5;
    let slow = Scripted::new([Act::TakeAfter(2000)], Act::Retry);
    let exporters = [Scripted::new([], Act::Hang), Scripted::new([], Act::Take)];
    let first = start("x", &slow, config.clone(), &ledger).await;
    for value in 0..3 {
        push_batch(&first, one(value..value + 1)).unwrap();
    }
    pause(1).await;
    let second = replace(&first, &exporters[0], config.clone(), &ledger).await;
    push_batch(&second, one(3..4)).unwrap();
    let third = replace(&second, &exporters[1], config.clone(), &ledger).await;
    push_batch(&third, one(4..5)).unwrap();
    push_batch(&third, one(5..6)).unwrap_err();
    let until = after(60);
    let (end, other) = tokio::join!(third.take_over(&second, until), second.take_over(&first, until));
    assert_eq!((end, other), (drained(0, 0, 0), drained(1, 0, 0)));
    pause(1).await;
    assert_eq!(exporters[1].taken(), [1, 2, 3, 4]);
    assert!(exporters[0].requests().is_empty());
    assert_eq!(third.drain(after(1)).await, drained(4, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_exporter_that_was_removed_and_comes_back_goes_on_with_its_queue() {
    let ledger = Ledger::default();
    let (dead, exporter) = (Scripted::new([], Act::Retry), Scripted::new([], Act::Take));
    let old = start("x", &dead, in_order(), &ledger).await;
    push_batch(&old, one(0..10)).unwrap();
    let draining = tokio::spawn({
        let old = old.clone();
        async move { old.drain(after(60)).await }
    });
    pause(10).await;
    let new = replace(&old, &exporter, in_order(), &ledger).await;
    push_batch(&new, one(10..20)).unwrap();
    assert_eq!(new.take_over(&old, after(60)).await, drained(0, 0, 0));
    assert_eq!(draining.await.unwrap(), drained(0, 0, 0));
    pause(1).await;
    assert_eq!(exporter.taken(), (0..20).collect::<Vec<_>>());
    assert_eq!(new.drain(after(1)).await, drained(20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_handed_on_any_more_is_counted() {
    let ledger = Ledger::default();
    let (dead, exporter) = (Scripted::new([], Act::TakeAfter(60_000)), Scripted::new([], Act::Take));
    let mut config = in_order();
    config.timeout = ::config::Duration::default();
    let old = start("x", &dead, config.clone(), &ledger).await;
    push_batch(&old, one(0..1)).unwrap();
    push_batch(&old, one(1..3)).unwrap();
    pause(1).await;
    let new = replace(&old, &exporter, config, &ledger).await;
    push_batch(&new, one(3..7)).unwrap();
    // The new one ends before the old one has heard what came of its request.
    let (end, old_end) = tokio::join!(new.drain(after(5)), new.take_over(&old, after(10)));
    assert_eq!((end, old_end), (drained(0, 0, 4), drained(0, 0, 3)));
    assert_eq!(failed(&ledger, "shutdown"), 7);
}

#[tokio::test(start_paused = true)]
async fn an_heir_that_is_told_to_stop_sends_what_it_is_handed_before_the_deadline() {
    let ledger = Ledger::default();
    let (slow, exporter) = (Scripted::new([], Act::TakeAfter(2000)), Scripted::new([], Act::Take));
    let old = start("x", &slow, in_order(), &ledger).await;
    for value in 0..4 {
        push_batch(&old, one(value..value + 1)).unwrap();
    }
    pause(1).await;
    let new = replace(&old, &exporter, in_order(), &ledger).await;
    push_batch(&new, one(4..5)).unwrap();
    let (end, old_end) = tokio::join!(new.drain(after(30)), new.take_over(&old, after(60)));
    assert_eq!((end, old_end), (drained(4, 0, 0), drained(1, 0, 0)));
    assert_eq!(exporter.taken(), (1..5).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn an_end_that_is_cut_short_while_the_exporter_closes_says_what_was_lost() {
    let ledger = Ledger::default();
    let exporter = Scripted::new([], Act::Take);
    exporter.hold(true);
    let outbox = start("x", &exporter, in_order(), &ledger).await;
    push_batch(&outbox, one(0..10)).unwrap();
    let end = outbox.drain(Instant::now());
    tokio::time::timeout(Duration::from_secs(1), end).await.expect_err("the exporter closes at once");
    assert_eq!(outbox.drain(after(60)).await, drained(0, 0, 10));
    assert_eq!(failed(&ledger, "shutdown"), 10);
}
