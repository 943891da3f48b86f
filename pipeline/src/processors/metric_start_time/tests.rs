//! Golden streams of every strategy.

use crate::processors::golden::{Bench, check, check_refused};

const NAME: &str = "metric_start_time";

#[tokio::test(start_paused = true)]
async fn a_stream_starts_with_its_first_point() {
    check(
        NAME,
        "",
        "
        counter a = 5 @10    -> counter a = 5 @10..10
        counter a = 7 @20    -> counter a = 7 @10..20
        # Counted anew: since the last point that was not.
        counter a = 2 @30    -> counter a = 2 @20..30 & reset value
        counter a = 2 @40    -> counter a = 2 @20..40
        counter a = 0.5 @50  -> counter a = 0.5 @40..50 & reset value
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn every_type_shows_when_it_is_counted_anew() {
    check(
        NAME,
        "",
        "
        histogram h = count 3 sum 3.0 min 1.0 max 1.0 buckets 1.0:2 inf:1 @10  -> histogram h = count 3 sum 3.0 min 1.0 max 1.0 buckets 1.0:2 inf:1 @10..10
        histogram h = count 4 sum 2.0 min 1.0 max 1.0 buckets 1.0:3 inf:1 @20  -> histogram h = count 4 sum 2.0 min 1.0 max 1.0 buckets 1.0:3 inf:1 @10..20
        histogram h = count 5 sum 3.0 buckets 1.0:2 inf:3 @30  -> histogram h = count 5 sum 3.0 buckets 1.0:2 inf:3 @20..30 & reset value
        histogram h = count 4 sum 3.0 buckets 1.0:2 inf:2 @40  -> histogram h = count 4 sum 3.0 buckets 1.0:2 inf:2 @30..40 & reset value
        histogram h = count 9 sum 9.0 buckets 2.0:9 inf:0 @50  -> histogram h = count 9 sum 9.0 buckets 2.0:9 inf:0 @40..50 & reset value
        exponential e = count 3 zero 1 positive 0:2 @10  -> exponential e = count 3 zero 1 positive 0:2 @10..10
        exponential e = count 4 zero 1 positive 0:3 @20  -> exponential e = count 4 zero 1 positive 0:3 @10..20
        exponential e = count 9 zero 9 @30               -> exponential e = count 9 zero 9 @20..30 & reset value
        summary s = count 2 sum 1.0 quantiles 0.5:1.0 @10  -> summary s = count 2 sum 1.0 quantiles 0.5:1.0 @10..10
        summary s = count 3 sum 0.5 @20  -> summary s = count 3 sum 0.5 @10..20
        summary s = count 1 sum 0.5 @30  -> summary s = count 1 sum 0.5 @20..30 & reset value
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn what_has_a_start_keeps_it_and_what_does_not_count_needs_none() {
    for strategy in ["true_reset_point", "subtract_initial_point"] {
        check(
            NAME,
            &format!("strategy: {strategy}"),
            "
            counter a = 5 @3..10         -> counter a = 5 @3..10
            gauge g = 5 @10              -> gauge g = 5 @10
            updown u = 5 @10             -> updown u = 5 @10
            delta counter d = 5 @10      -> delta counter d = 5 @10
            counter s = stale @10        -> counter s = stale @10
            ",
        );
    }
}

#[tokio::test(start_paused = true)]
async fn late_points_and_markers_change_nothing() {
    check(
        NAME,
        "",
        "
        counter a = 5 @10      -> counter a = 5 @10..10
        counter a = 9 @30      -> counter a = 9 @10..30
        counter a = 7 @20      -> counter a = 7 @10..20
        counter a = 3 @5       -> counter a = 3 @5
        counter a = 9 @30      -> counter a = 9 @10..30
        counter a = stale @40  -> counter a = stale @40
        counter a = nan @50    -> counter a = nan @10..50
        counter a = 10 @60     -> counter a = 10 @10..60
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_point_is_taken_away_from_the_others() {
    check(
        NAME,
        "strategy: subtract_initial_point",
        "
        counter a = 5 @10   -> dropped first
        counter a = 7 @20   -> counter a = 2 @10..20
        counter a = 7 @20   -> dropped duplicate
        counter a = 6 @15   -> dropped out_of_order
        counter a = 9 @30   -> counter a = 4 @10..30
        # Counted anew, so there is nothing to take away.
        counter a = 6 @40   -> counter a = 6 @30..40 & reset value
        counter a = 8 @50   -> counter a = 8 @30..50
        counter d = 1.5 @10 -> dropped first
        counter d = 2.0 @20 -> counter d = 0.5 @10..20
        histogram h = count 3 sum 3.0 min 0.5 max 1.0 buckets 1.0:2 inf:1 @10 -> dropped first
        histogram h = count 5 sum 7.0 min 0.5 max 2.0 buckets 1.0:3 inf:2 @20 -> histogram h = count 2 sum 4.0 buckets 1.0:1 inf:1 @10..20
        histogram h = count 1 sum 1.0 min 1.0 max 1.0 buckets 1.0:1 inf:0 @30 -> histogram h = count 1 sum 1.0 min 1.0 max 1.0 buckets 1.0:1 inf:0 @20..30 & reset value
        exponential e = count 3 sum 3.0 zero 1 positive 0:2 @10 -> dropped first
        exponential e = count 5 sum 7.0 zero 2 positive 0:3 @20 -> exponential e = count 2 sum 4.0 zero 1 positive 0:1 @10..20
        summary s = count 2 sum 1.0 @10 -> dropped first
        summary s = count 5 sum 4.0 quantiles 0.5:1.0 @20 -> summary s = count 3 sum 3.0 quantiles 0.5:1.0 @10..20
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_metric_of_the_same_resource_tells_the_start() {
    let mut bench = Bench::new(NAME, "strategy: start_time_metric");
    // Nothing is known yet.
    assert_eq!(bench.feed("counter a = 5 @3000000000"), "counter a = 5 @3000000000");
    let points = "resource {service.name=\"one\"} & counter a = 5 @3000000000 & histogram h = count 1 sum 1.0 @3000000000 & \
        updown u = 1 @3000000000 & summary s = count 1 sum 1.0 @3000000000 & gauge g = 1 @3000000000 & \
        counter b = 5 @2000000000..3000000000 & counter old = 1 @1000000000 & \
        gauge process_start_time_seconds [s] = 1.5 @3000000000 & \
        resource {service.name=\"two\"} & counter a = 5 @3000000000";
    let expected = "counter a = 5 @1500000000..3000000000 & histogram h = count 1 sum 1.0 @1500000000..3000000000 & \
        updown u = 1 @1500000000..3000000000 & summary s = count 1 sum 1.0 @1500000000..3000000000 & gauge g = 1 @3000000000 & \
        counter b = 5 @2000000000..3000000000 & counter old = 1 @1000000000 & \
        gauge process_start_time_seconds [s] = 1.5 @3000000000 & \
        counter a = 5 @3000000000";
    assert_eq!(bench.feed(points), expected);
    assert_eq!(bench.streams(), 1);
    // It need not come with each batch.
    let one = |points: &str| format!("resource {{service.name=\"one\"}} & {points}");
    assert_eq!(bench.feed(&one("counter a = 6 @4000000000")), "counter a = 6 @1500000000..4000000000");
    // The process was started again.
    bench.feed(&one("gauge process_start_time_seconds [s] = 4.5 @5000000000"));
    assert_eq!(bench.feed(&one("counter a = 1 @5000000000")), "counter a = 1 @4500000000..5000000000");
    // What is no time changes nothing.
    bench.feed(&one("gauge process_start_time_seconds [s] = nan @5000000000"));
    assert_eq!(bench.feed(&one("counter a = 1 @6000000000")), "counter a = 1 @4500000000..6000000000");
    super::super::golden::wait(std::time::Duration::from_mins(11));
    bench.processor.sweep();
    assert_eq!(bench.feed(&one("counter a = 1 @7000000000")), "counter a = 1 @7000000000");
    assert_eq!(bench.streams(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_metric_may_have_another_name() {
    check(
        NAME,
        "{strategy: start_time_metric, start_time_metric_regex: '^.+_start_time$'}",
        "
        gauge app_start_time = 1 @3000000000 & counter a = 1 @3000000000 -> gauge app_start_time = 1 @3000000000 & counter a = 1 @1000000000..3000000000
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_forgotten_after_a_silence() {
    check(
        NAME,
        "",
        "
        counter a = 5 @10  -> counter a = 5 @10..10
        wait 9m
        sweep
        counter a = 6 @20  -> counter a = 6 @10..20
        wait 11m
        sweep
        counter a = 7 @30  -> counter a = 7 @30..30
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_points_pass_without_a_start_where_they_can() {
    check(
        NAME,
        "max_streams: 1",
        "
        counter a = 5 @10  -> counter a = 5 @10..10
        counter b = 5 @10  -> counter b = 5 @10
        ",
    );
    check(
        NAME,
        "{strategy: subtract_initial_point, max_streams: 1}",
        "
        counter a = 5 @10  -> dropped first
        counter b = 5 @10  -> dropped stream_limit
        ",
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_refused(
        NAME,
        "{gc_interval: 0s, max_streams: 0, start_time_metric_regex: '('}",
        &["gc_interval", "max_streams", "unclosed group"],
    );
    check_refused(NAME, "strategy: guess", &["strategy"]);
}

#[tokio::test(start_paused = true)]
async fn a_point_from_the_future_stops_no_stream_for_good() {
    check(
        NAME,
        "{strategy: subtract_initial_point, gc_interval: 5m}",
        "
        counter a = 5 @20             -> dropped first
        counter a = 6 @700000000000   -> dropped future
        counter a = 7 @30             -> counter a = 2 @20..30
        counter a = 8 @600000000000   -> counter a = 3 @20..600000000000
        wait 3m
        counter a = 9 @50             -> dropped out_of_order
        wait 3m
        counter a = 9 @60             -> dropped first
        counter a = 11 @70            -> counter a = 2 @60..70
        ",
    );
}
