//! Golden streams.

use crate::processors::golden::{Bench, check, check_refused};

const NAME: &str = "delta_to_rate";

#[tokio::test(start_paused = true)]
async fn a_rate_is_what_was_added_a_second() {
    check(
        NAME,
        "metrics: [a, u]",
        "
        delta counter a{k=1} [By] = 5 @1000000000..3000000000    -> gauge a{k=1} [By] = 2.5 @1000000000..3000000000
        delta counter a{k=1} [By] = 1.5 @3000000000..3500000000  -> gauge a{k=1} [By] = 3.0 @3000000000..3500000000
        delta updown u = -4 @1000000000..2000000000              -> gauge u = -4.0 @1000000000..2000000000
        delta counter a{k=1} [By] = stale @4000000000            -> gauge a{k=1} [By] = stale @4000000000
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn without_a_span_of_time_there_is_no_rate() {
    check(
        NAME,
        "metrics: [a]",
        "
        delta counter a = 5 @20      -> dropped no_interval
        delta counter a = 5 @20..20  -> dropped no_interval
        delta counter a = 5 @30..20  -> dropped no_interval
        delta counter a = empty @10..20 -> dropped empty
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_not_named_or_no_delta_sum_passes() {
    check(
        NAME,
        "metrics: [a]",
        "
        delta counter b = 5 @10..20                    -> delta counter b = 5 @10..20
        counter a = 5 @10..20                          -> counter a = 5 @10..20
        gauge a = 5 @20                                -> gauge a = 5 @20
        delta histogram a = count 1 sum 1.0 @10..20    -> delta histogram a = count 1 sum 1.0 @10..20
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_registry_is_a_reason() {
    let mut bench = Bench::new(NAME, "metrics: [a]");
    let mut batch = bench.batch("delta counter a = 1 @10..20");
    bench.registry.limit(1);
    bench.processor.process(&mut batch);
    assert!(batch.is_empty());
    assert_eq!(bench.ledger.sum("inferometer_processor_dropped_metric_points{test,metrics,series_limit"), 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_series_that_are_gone() {
    let mut bench = Bench::new(NAME, "metrics: [a]");
    for index in 0..100 {
        bench.feed(&format!("delta counter a{{k={index}}} = 1 @1..2"));
        bench.processor.sweep();
    }
    assert_eq!(bench.registry.live(), 0);
}

#[test]
fn it_needs_names() {
    check_refused(NAME, "", &["needs the name of a metric"]);
}
