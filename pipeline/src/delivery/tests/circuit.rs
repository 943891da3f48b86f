//! A dead backend is asked once a wait, whatever the number of consumers; one that fails at random is not dead.

use super::*;

const OPEN: &str = "inferometer_exporter_circuit_open{x";

fn unbounded() -> Config {
    let mut config = Config { sending_queue: QueueConfig::default(), ..in_order() };
    config.retry_on_failure.max_elapsed_time = Some(::config::Duration::default());
    config
}

#[tokio::test(start_paused = true)]
async fn a_dead_backend_sees_one_attempt_a_wait_and_all_when_it_is_back() {
    let (exporter, ledger) = (Scripted::new([Act::Retry; 10], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, unbounded(), &ledger).await;
    for value in 0..30 {
        push(&outbox, value..value + 1).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((exporter.requests().len(), ledger.gauge(OPEN)), (5, Some(1)));
    tokio::time::sleep(Duration::from_mins(3)).await;
    let seconds: Vec<_> = exporter.requests().iter().map(|request| request.at.as_secs()).collect();
    // Five, seven and a half, eleven and a quarter, and so on up to thirty seconds from one to the next.
    assert_eq!(seconds[..5], [0; 5]);
    assert_eq!(seconds[5..11], [5, 12, 23, 40, 65, 95]);
    assert_eq!(seconds[11..], [95; 29]);
    assert_eq!(ledger.gauge(OPEN), Some(0));
    assert_eq!(ledger.sum("inferometer_exporter_retries"), 10);
    assert_eq!(outbox.drain(after(1)).await, drained(30, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_was_asked_for_outlasts_the_wait() {
    let script = [Act::Retry; 4].into_iter().chain([Act::RetryAfter(60)]);
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    let outbox = start("x", &exporter, unbounded(), &ledger).await;
    for value in 0..10 {
        push(&outbox, value..value + 1).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(59)).await;
    assert_eq!(exporter.requests().len(), 5);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(outbox.drain(after(0)).await, drained(10, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_single_failure_holds_up_nothing_else() {
    let (exporter, ledger) = (Scripted::new([Act::Retry; 4], Act::Take), Ledger::default());
    let outbox = start("x", &exporter, unbounded(), &ledger).await;
    for value in 0..20 {
        push(&outbox, value..value + 1).unwrap();
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!((exporter.taken().len(), ledger.gauge(OPEN)), (16, Some(0)));
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(exporter.taken().len(), 20);
    assert_eq!(outbox.drain(after(0)).await, drained(20, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn one_batch_that_never_gets_through_holds_up_no_other() {
    // Whatever else is sent, so that all attempts in a row may be of that one.
    for pause in [1, 10, 100] {
        let (exporter, ledger) = (Scripted::new([], Act::FailAt(7)), Ledger::default());
        let outbox = start("x", &exporter, unbounded(), &ledger).await;
        push(&outbox, 7..8).unwrap();
        tokio::time::sleep(Duration::from_mins(5)).await;
        for value in 8..14 {
            push(&outbox, value..value + 1).unwrap();
            tokio::time::sleep(Duration::from_secs(pause)).await;
        }
        tokio::time::sleep(Duration::from_mins(1)).await;
        assert_eq!(exporter.taken(), (8..14).collect::<Vec<_>>(), "{pause}");
    }
}

#[tokio::test(start_paused = true)]
async fn seven_failures_in_ten_lose_nothing_and_stall_nothing_for_long() {
    let script = (0_u64..4000).map(|index| {
        let is_failure = index.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32 & 0xff < 179;
        if is_failure { Act::Retry } else { Act::Take }
    });
    let (exporter, ledger) = (Scripted::new(script, Act::Take), Ledger::default());
    let outbox = start("x", &exporter, unbounded(), &ledger).await;
    for value in 0..300 {
        push(&outbox, value..value + 1).unwrap();
    }
    // Each batch needs some three attempts with five to eight seconds between them, ten batches at a time.
    tokio::time::sleep(Duration::from_mins(20)).await;
    let mut taken = exporter.taken();
    taken.sort_unstable();
    assert_eq!(taken, (0..300).collect::<Vec<_>>());
    assert_eq!(outbox.drain(after(0)).await, drained(300, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_never_tried_is_not_given_up_for_the_time_it_waited() {
    let (exporter, ledger) = (Scripted::new([], Act::Retry), Ledger::default());
    let mut config = unbounded();
    config.retry_on_failure.max_elapsed_time = Some(::config::Duration::from_secs(60));
    let outbox = start("x", &exporter, config, &ledger).await;
    for value in 0..100 {
        push(&outbox, value..value + 1).unwrap();
    }
    tokio::time::sleep(Duration::from_mins(30)).await;
    let lost = failed(&ledger, "retries_exhausted");
    assert!((10..90).contains(&lost), "{lost}");
    let attempts = exporter.requests().len() as u64;
    assert!(attempts >= lost && attempts < 90, "{attempts}");
    assert_eq!(outbox.dispatch.queue.counts().held.points, 100 - lost);
}
