//! What one resource says comes in order, whatever fails, and others need not wait for it.

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::*;
use crate::delivery::scripted::points;

/// The values of a resource's points lie this far from those of the next.
const APART: i64 = 1_000_000;

fn batch_of(resource: i64, values: std::ops::Range<i64>) -> Batch {
    let first = resource * APART;
    points(&resource.to_string(), first + values.start..first + values.end).into_iter().collect()
}

#[track_caller]
fn check_order(taken: &[i64], resources: i64, each: i64) {
    for resource in 0..resources {
        let seen: Vec<_> = taken.iter().filter(|value| **value / APART == resource).collect();
        let expected: Vec<_> = (resource * APART..resource * APART + each).collect();
        assert_eq!(seen, expected.iter().collect::<Vec<_>>(), "resource {resource}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_at_random_never_change_the_order_of_a_resource() {
    for seed in 0..10 {
        let mut random = StdRng::seed_from_u64(seed);
        let script: Vec<_> = (0..3000)
            .map(|_| match random.random_range(0..10) {
                0..4 => Act::Retry,
                4 => Act::RetryAfter(random.random_range(1..5)),
                5..7 => Act::TakeAfter(random.random_range(1..3000)),
                7 => Act::AtMost(random.random_range(1..50)),
                _ => Act::Take,
            })
            .collect();
        let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
        let mut config = Config::default();
        config.retry_on_failure.max_elapsed_time = Some(::config::Duration::default());
        if seed % 2 == 1 {
            config.sending_queue.batch = Some(sizes(20, 30));
        }
        let outbox = start("x", &exporter, config, &ledger).await;
        let mut next = [0_i64; 7];
        while next.iter().any(|next| *next < 300) {
            let resource = random.random_range(0..7_usize);
            let first = next[resource];
            next[resource] = (first + random.random_range(1..20)).min(300);
            let mut batch = batch_of(resource as i64, first..next[resource]);
            if let Some(other) = next.iter().position(|next| *next < 290) {
                batch.append(batch_of(other as i64, next[other]..next[other] + 3));
                next[other] += 3;
            }
            push_batch(&outbox, batch).unwrap();
            tokio::time::sleep(Duration::from_millis(random.random_range(0..200))).await;
        }
        tokio::time::sleep(Duration::from_hours(4)).await;
        assert_eq!(outbox.drain(after(60)).await, drained(2100, 0, 0), "seed {seed}");
        check_order(&exporter.taken(), 7, 300);
    }
}

/// How long it takes to send 160 batches of 8 resources.
async fn time_to_send(num_consumers: usize) -> Duration {
    let (exporter, ledger) = (Scripted::new([], Act::TakeAfter(100)), Ledger::default());
    let mut config = in_order();
    config.sending_queue.num_consumers = num_consumers;
    config.sending_queue.batch = Some(sizes(1000, 1000));
    let outbox = start("x", &exporter, config, &ledger).await;
    for round in 0..20 {
        for resource in 0..8 {
            push_batch(&outbox, batch_of(resource, round * 1000..round * 1000 + 1000)).unwrap();
        }
    }
    let began = Instant::now();
    assert_eq!(outbox.drain(after(60)).await, drained(160_000, 0, 0));
    check_order(&exporter.taken(), 8, 20_000);
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn requests_of_different_resources_run_side_by_side() {
    let (alone, together) = (time_to_send(1).await, time_to_send(8).await);
    assert!(alone >= together * 7, "{alone:?} {together:?}");
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_own_resource_is_merged_and_holds_up_no_other() {
    let (exporter, ledger) = (Scripted::new([Act::TakeAfter(1000)], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, Config::default(), &ledger).await;
    push_batch(&outbox, batch_of(0, 0..1)).unwrap();
    tokio::time::sleep(Duration::from_millis(10)).await;
    for value in 1..5 {
        push_batch(&outbox, batch_of(0, value..value + 1)).unwrap();
        push_batch(&outbox, batch_of(value, 0..1)).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let others: Vec<_> = (1..5).map(|resource| resource * APART).collect();
    assert_eq!(exporter.requests().iter().skip(1).flat_map(|r| r.values.clone()).collect::<Vec<_>>(), others);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(exporter.requests().last().unwrap().values, [1, 2, 3, 4]);
    assert_eq!(outbox.drain(after(1)).await, drained(9, 0, 0));
}

/// How many requests are under way for resources of one service that tell no instance.
async fn side_by_side(merges_services: bool) -> u64 {
    let (exporter, ledger) = (Scripted::new([], Act::TakeAfter(1000)), Ledger::default());
    exporter.merges_services.store(merges_services, Ordering::Relaxed);
    let outbox = start("x", &exporter, Config::default(), &ledger).await;
    // Each has a resource of its own, with the same service, which is none.
    for value in 0..4 {
        push_batch(&outbox, batch(value..value + 1)).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let under_way = exporter.requests().len() as u64;
    assert_eq!(outbox.drain(after(60)).await, drained(4, 0, 0));
    assert!(!merges_services || exporter.taken() == [0, 1, 2, 3]);
    under_way
}

#[tokio::test(start_paused = true)]
async fn resources_of_one_service_wait_for_each_other_where_they_are_one_to_the_other_side() {
    assert_eq!((side_by_side(false).await, side_by_side(true).await), (4, 1));
}

/// Points of one resource, each of some 5 KiB.
fn wide(values: std::ops::Range<i64>) -> Batch {
    let registry = scripted::registry();
    let resource = registry.resource(crate::Resource::default());
    let metric = registry.metric(crate::Metric::new("wide", "", crate::Kind::Gauge));
    let attributes = crate::Attributes::of_strings([("text", "x".repeat(5000).as_str())]);
    let series = registry.series(&resource, &Arc::default(), &metric, attributes).unwrap();
    values.map(|value| crate::Point::new(series.clone(), 1, crate::Value::Int(value))).collect()
}

#[tokio::test(start_paused = true)]
async fn what_goes_along_is_bounded_in_bytes_too() {
    for merging in [None, Some(sizes(8192, 0)), Some(sizes(1, 0))] {
        let (exporter, ledger) = (Scripted::new([Act::TakeAfter(1000)], Act::Take), Ledger::default());
        let mut config = Config::default();
        config.sending_queue.batch = merging.clone();
        let outbox = start("x", &exporter, config, &ledger).await;
        for first in 0..50 {
            push_batch(&outbox, wide(first * 20..first * 20 + 20)).unwrap();
        }
        assert_eq!(outbox.drain(after(5)).await, drained(1000, 0, 0));
        assert_eq!(exporter.taken(), (0..1000).collect::<Vec<_>>());
        let most = exporter.sizes().into_iter().max();
        assert_eq!(most, Some(200), "{merging:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_gets_no_answer_in_time_is_sent_in_smaller_requests() {
    let (exporter, ledger) = (Scripted::new([], Act::HangAbove(700)), Ledger::default());
    let mut config = Config::default();
    config.retry_on_failure.max_elapsed_time = Some(::config::Duration::default());
    let outbox = start("x", &exporter, config, &ledger).await;
    exporter.hold(true);
    for first in 0..200 {
        push_batch(&outbox, batch_of(0, first * 100..first * 100 + 100)).unwrap();
    }
    exporter.hold(false);
    tokio::time::sleep(Duration::from_hours(1)).await;
    assert_eq!(outbox.drain(after(60)).await, drained(20_000, 0, 0));
    check_order(&exporter.taken(), 1, 20_000);
    // Thirty for the first request, which was as large as can be; what came behind was small enough.
    let late = exporter.requests().iter().filter(|request| !request.was_taken).count();
    assert!((4..40).contains(&late), "{late}");
    assert!(exporter.sizes().into_iter().max() > Some(400));
}

#[tokio::test(start_paused = true)]
async fn an_outage_without_answers_leaves_few_requests_behind() {
    let script = std::iter::repeat_n(Act::Hang, 100);
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    let mut config = Config::default();
    config.retry_on_failure.max_elapsed_time = Some(::config::Duration::default());
    let outbox = start("x", &exporter, config, &ledger).await;
    push_batch(&outbox, batch_of(0, 0..8192)).unwrap();
    tokio::time::sleep(Duration::from_hours(2)).await;
    assert_eq!(outbox.drain(after(60)).await, drained(8192, 0, 0));
    check_order(&exporter.taken(), 1, 8192);
    assert!(exporter.sizes().len() <= 8, "{:?}", exporter.sizes());
}

#[tokio::test(start_paused = true)]
async fn halves_of_what_was_late_have_no_time_of_their_own() {
    let (exporter, ledger) = (Scripted::new([], Act::Hang), Ledger::default());
    let outbox = start("x", &exporter, Config::default(), &ledger).await;
    push_batch(&outbox, batch_of(0, 0..8192)).unwrap();
    tokio::time::sleep(Duration::from_secs(310)).await;
    assert_eq!(outbox.dispatch.queue.counts().dropped, 8192);
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_cut_is_sent_piece_after_piece() {
    let (exporter, ledger) =
        (Scripted::new([Act::TakeAfter(900), Act::TakeAfter(500)], Act::Take), Ledger::default());
    let mut config = Config::default();
    config.sending_queue.batch = Some(sizes(10, 10));
    let outbox = start("x", &exporter, config, &ledger).await;
    push_batch(&outbox, batch_of(0, 0..35)).unwrap();
    assert_eq!(outbox.drain(after(5)).await, drained(35, 0, 0));
    check_order(&exporter.taken(), 1, 35);
    assert_eq!(exporter.sizes(), [10, 10, 10, 5]);
}
