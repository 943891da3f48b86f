//! Golden streams of every type, and laws.

use proptest::prelude::*;

use crate::processors::golden::{Bench, check, check_refused, wait};
use crate::telemetry::ledger::Ledger;

const NAME: &str = "delta_to_cumulative";

#[tokio::test(start_paused = true)]
async fn deltas_of_integers_add_up_under_the_first_start() {
    check(
        NAME,
        "",
        "
        delta counter a{k=1} [By] = 5 @10..20  -> counter a{k=1} [By] = 5 @10..20
        delta counter a{k=1} [By] = 3 @20..30  -> counter a{k=1} [By] = 8 @10..30
        delta counter a{k=1} [By] = 0 @30..40  -> counter a{k=1} [By] = 8 @10..40
        # Another stream has a sum of its own.
        delta counter a{k=2} [By] = 1 @30..40  -> counter a{k=2} [By] = 1 @30..40
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn doubles_and_sums_that_go_down_add_up() {
    check(
        NAME,
        "",
        "
        delta counter a = 0.5 @10..20   -> counter a = 0.5 @10..20
        delta counter a = 0.25 @20..30  -> counter a = 0.75 @10..30
        delta updown u = 5 @10..20      -> updown u = 5 @10..20
        delta updown u = -7 @20..30     -> updown u = -2 @10..30
        delta updown v = -1.5 @10..20   -> updown v = -1.5 @10..20
        # A stream may change from integers to doubles.
        delta counter m = 1 @10..20     -> counter m = 1 @10..20
        delta counter m = 0.5 @20..30   -> counter m = 1.5 @10..30
        delta counter m = 2 @30..40     -> counter m = 3.5 @10..40
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_point_without_a_start_is_taken_for_the_next_one() {
    check(
        NAME,
        "",
        "
        delta counter a = 5 @20      -> counter a = 5 @20..20
        delta counter a = 3 @30      -> counter a = 8 @20..30
        delta counter a = 1 @30..40  -> counter a = 9 @20..40
        # A start behind the time is none.
        delta counter b = 5 @30..20  -> counter b = 5 @20..20
        delta counter b = 1 @40..30  -> counter b = 6 @20..30
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn duplicates_late_points_and_overlaps_are_dropped() {
    check(
        NAME,
        "",
        "
        delta counter a = 5 @10..20  -> counter a = 5 @10..20
        delta counter a = 5 @10..20  -> dropped duplicate
        delta counter a = 4 @0..20   -> dropped duplicate
        delta counter a = 2 @5..15   -> dropped out_of_order
        delta counter a = 2 @15..30  -> dropped overlap
        delta counter a = 2 @5..30   -> dropped overlap
        delta counter a = 3 @20..30  -> counter a = 8 @10..30
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn the_points_of_a_batch_are_added_in_the_order_of_their_times() {
    check(
        NAME,
        "",
        "
        delta counter a = 4 @20..30 & delta counter b = 1 @10..20 & delta counter a = 5 @10..20 -> counter a = 5 @10..20 & counter b = 1 @10..20 & counter a = 9 @10..30
        delta counter a = 1 @30..40 & delta counter a = 1 @30..40 -> counter a = 10 @10..40 & dropped duplicate
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_added_over_or_begins_anew() {
    let stream = |outcome: &str| {
        format!(
            "
            delta counter a = 5 @10..20  -> counter a = 5 @10..20
            delta counter a = 3 @25..30  -> {outcome}
            "
        )
    };
    check(NAME, "", &stream("counter a = 8 @10..30"));
    check(NAME, "gaps: reset", &stream("counter a = 3 @25..30 & reset gap"));
    check(
        NAME,
        "gaps: reset",
        "
        delta histogram h = count 1 sum 1.0 buckets 1.0:1 inf:0 @10..20  -> histogram h = count 1 sum 1.0 buckets 1.0:1 inf:0 @10..20
        delta histogram h = count 1 sum 1.0 buckets 1.0:1 inf:0 @21..30  -> histogram h = count 1 sum 1.0 buckets 1.0:1 inf:0 @21..30 & reset gap
        delta histogram h = count 2 sum 2.0 buckets 1.0:2 inf:0 @30..40  -> histogram h = count 3 sum 3.0 buckets 1.0:3 inf:0 @21..40
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_sum_that_would_overflow_begins_anew() {
    check(
        NAME,
        "",
        "
        delta counter a = 9223372036854775807 @10..20  -> counter a = 9223372036854775807 @10..20
        delta counter a = 2 @20..30                    -> counter a = 2 @20..30 & reset overflow
        delta counter a = 1 @40                        -> counter a = 3 @20..40
        delta updown u = -9223372036854775808 @10..20  -> updown u = -9223372036854775808 @10..20
        # Without a start of its own it begins where the sum before has ended.
        delta updown u = -1 @30                        -> updown u = -1 @20..30 & reset overflow
        delta counter d = 1.7e+308 @10..20              -> counter d = 1.7e+308 @10..20
        delta counter d = 1.7e+308 @20..30              -> counter d = 1.7e+308 @20..30 & reset overflow
        delta histogram h = count 18446744073709551615 @10..20  -> histogram h = count 18446744073709551615 @10..20
        delta histogram h = count 1 @20..30            -> histogram h = count 1 @20..30 & reset overflow
        delta exponential e = count 18446744073709551615 zero 18446744073709551615 @10..20 -> exponential e = count 18446744073709551615 zero 18446744073709551615 @10..20
        delta exponential e = count 1 zero 1 @20..30   -> exponential e = count 1 zero 1 @20..30 & reset overflow
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_added_is_dropped_and_does_no_harm() {
    check(
        NAME,
        "",
        "
        delta counter a = 5 @10..20     -> counter a = 5 @10..20
        delta counter a = -1 @20..30    -> dropped negative
        delta counter a = -0.5 @20..30  -> dropped negative
        delta counter a = nan @20..30   -> dropped not_finite
        delta counter a = inf @20..30   -> dropped not_finite
        delta counter a = empty @20..30 -> dropped empty
        delta counter a = 1 @20..30     -> counter a = 6 @10..30
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn histograms_add_up_by_bucket_until_the_bounds_change() {
    check(
        NAME,
        "",
        "
        delta histogram h = count 3 sum 4.0 min 0.5 max 2.5 buckets 1.0:1 2.0:1 inf:1 @10..20  -> histogram h = count 3 sum 4.0 min 0.5 max 2.5 buckets 1.0:1 2.0:1 inf:1 @10..20
        delta histogram h = count 2 sum 1.0 min 0.25 max 0.75 buckets 1.0:2 2.0:0 inf:0 @20..30 -> histogram h = count 5 sum 5.0 min 0.25 max 2.5 buckets 1.0:3 2.0:1 inf:1 @10..30
        # What counted nothing has no least and no greatest.
        delta histogram h = count 0 sum 0.0 buckets 1.0:0 2.0:0 inf:0 @30..40 -> histogram h = count 5 sum 5.0 min 0.25 max 2.5 buckets 1.0:3 2.0:1 inf:1 @10..40
        delta histogram h = count 1 sum 1.0 buckets 1.0:1 4.0:0 inf:0 @40..50 -> histogram h = count 1 sum 1.0 buckets 1.0:1 4.0:0 inf:0 @40..50 & reset bounds_changed
        delta histogram h = count 1 sum 1.0 @50..60 -> histogram h = count 1 sum 1.0 @50..60 & reset bounds_changed
        # Without a sum in one of them there is none of all.
        delta histogram h = count 1 @60..70 -> histogram h = count 2 @50..70
        delta histogram h = count 1 @60..70 -> dropped duplicate
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn exponential_histograms_add_up_at_the_coarser_scale() {
    check(
        NAME,
        "",
        "
        # At scale 1 the buckets from 0 are up to 1.41, 2, 2.82, 4; two of them are one at scale 0.
        delta exponential e = count 11 sum 20.0 scale 1 zero 1 positive 0:1,2,3,4 @10..20 -> exponential e = count 11 sum 20.0 scale 1 zero 1 positive 0:1,2,3,4 @10..20
        delta exponential e = count 5 sum 9.0 positive 1:5 negative 0:1 @20..30 -> exponential e = count 16 sum 29.0 zero 1 positive 0:3,12 negative 0:1 @10..30
        delta exponential e = count 2 sum 2.0 scale 1 positive -2:1,0,0,1 @30..40 -> exponential e = count 18 sum 31.0 zero 1 positive -1:1,4,12 negative 0:1 @10..40
        delta exponential e = count 2 sum 2.0 scale 1 positive -2:1,0,0,1 @30..40 -> dropped duplicate
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn the_wider_zero_bucket_is_shared() {
    check(
        NAME,
        "",
        "
        delta exponential e = count 6 sum 20.0 zero 1 positive 0:1,2,2 @10..20 -> exponential e = count 6 sum 20.0 zero 1 positive 0:1,2,2 @10..20
        # All up to 2 is in the zero bucket from now on.
        delta exponential e = count 2 sum 8.0 zero 1 threshold 2.0 positive 2:1 @20..30 -> exponential e = count 8 sum 28.0 zero 3 threshold 2.0 positive 1:2,3 @10..30
        # A threshold of 3 would cut the bucket up to 4, which is in use: so it is 4.
        delta exponential e = count 1 sum 0.0 zero 1 threshold 3.0 @30..40 -> exponential e = count 9 sum 28.0 zero 6 threshold 4.0 positive 2:3 @10..40
        delta exponential e = count 1 sum 1.5 positive 0:1 @40..50 -> exponential e = count 10 sum 29.5 zero 7 threshold 4.0 positive 2:3 @10..50
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn an_exponential_histogram_becomes_coarser_rather_than_long() {
    let mut bench = Bench::new(NAME, "");
    bench.feed("delta exponential e = count 1 sum 1.0 scale 3 positive -400:1 @10..20");
    let made = bench.feed("delta exponential e = count 1 sum 1.0 scale 3 positive 400:1 @20..30");
    // 801 buckets fit into 160 at an eighth of the resolution.
    let counts = made.strip_prefix("exponential e = count 2 sum 2.0 positive -50:").unwrap();
    let counts: Vec<&str> = counts.strip_suffix(" @10..30").unwrap().split(',').collect();
    assert_eq!((counts.len(), counts[0], counts[100]), (101, "1", "1"));
    // So does one that is long by itself.
    let long = vec!["1"; 400].join(",");
    let made = bench.feed(&format!("delta exponential f = count 400 scale 4 positive 0:{long} @10..20"));
    assert!(made.starts_with("exponential f = count 400 scale 2 positive 0:4,4,4"), "{made}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_a_marker_or_by_silence() {
    check(
        NAME,
        "max_stale: 5m",
        "
        delta counter a = 5 @10..20  -> counter a = 5 @10..20
        delta counter a = stale @30  -> counter a = stale @30
        delta counter a = 2 @30..40  -> counter a = 2 @30..40
        wait 4m
        sweep
        delta counter a = 1 @40..50  -> counter a = 3 @30..50
        wait 6m
        delta counter a = 1 @50..60  -> counter a = 1 @50..60
        wait 6m
        sweep
        delta counter a = 1 @60..70  -> counter a = 1 @60..70
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn everything_else_passes() {
    check(
        NAME,
        "",
        "
        gauge g = 1 @20                           -> gauge g = 1 @20
        counter c = 5 @10..20                     -> counter c = 5 @10..20
        updown u = -5 @10..20                     -> updown u = -5 @10..20
        histogram h = count 1 sum 1.0 @10..20     -> histogram h = count 1 sum 1.0 @10..20
        summary s = count 1 sum 1.0 @10..20       -> summary s = count 1 sum 1.0 @10..20
        gauge g = stale @30                       -> gauge g = stale @30
        gauge g = nan @30                         -> gauge g = nan @30
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn exemplars_and_flags_stay() {
    check(
        NAME,
        "",
        "
        delta counter a = 5 @10..20 flags 2 exemplar 5 @15 -> counter a = 5 @10..20 flags 2 exemplar 5 @15
        delta counter a = 1 @20..30 exemplar 1 @25         -> counter a = 6 @10..30 exemplar 1 @25
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_new_streams_are_dropped_until_others_end() {
    check(
        NAME,
        "max_streams: 2",
        "
        delta counter a = 1 @10..20  -> counter a = 1 @10..20
        delta counter b = 1 @10..20  -> counter b = 1 @10..20
        delta counter c = 1 @10..20  -> dropped stream_limit
        delta counter a = 1 @20..30  -> counter a = 2 @10..30
        delta counter b = stale @30  -> counter b = stale @30
        delta counter c = 1 @20..30  -> counter c = 1 @20..30
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_full_registry_is_a_reason_and_not_the_end() {
    let mut bench = Bench::new(NAME, "");
    let batch = bench.batch("delta counter a = 1 @10..20");
    bench.registry.limit(1);
    let mut first = batch.clone();
    bench.processor.process(&mut first);
    assert!(first.is_empty());
    assert_eq!(bench.ledger.sum("inferometer_processor_dropped_metric_points{test,metrics,series_limit"), 1);
    bench.registry.limit(10);
    let mut second = batch;
    bench.processor.process(&mut second);
    assert_eq!(second.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_collectors_own_names_tell_of_it() {
    let mut bench = Bench::new(NAME, "max_streams: 1");
    bench.feed("delta counter a = 1 @10..20 & gauge g = 1 @20");
    bench.feed("delta counter a = 1 @10..20 & delta counter a = 1 @20..30");
    bench.feed("delta counter b = 1 @10..20");
    let rows = bench.ledger.rows("otelcol_deltatocumulative_");
    let rows: Vec<_> = rows.iter().map(|(row, sum)| format!("{row} {sum}")).collect();
    assert_eq!(
        rows,
        [
            "otelcol_deltatocumulative_datapoints{test,delta.ErrOutOfOrder} 1",
            "otelcol_deltatocumulative_datapoints{test,limit} 1",
            "otelcol_deltatocumulative_datapoints{test} 2",
            "otelcol_deltatocumulative_streams_tracked{test} 1",
        ]
    );
    let limits = |ledger: &Ledger| {
        ["limit", "max_stale"]
            .map(|limit| ledger.gauge(&format!("otelcol_deltatocumulative_streams_{limit}{{test}}")))
    };
    assert_eq!(limits(&bench.ledger), [Some(1), Some(300)]);
    assert_eq!(bench.streams(), 1);
    wait(std::time::Duration::from_mins(6));
    bench.processor.sweep();
    assert_eq!(bench.streams(), 0);
    let ledger = bench.ledger.clone();
    bench.feed("delta counter a = 1 @30..40");
    drop(bench);
    assert_eq!(ledger.sum("otelcol_deltatocumulative_streams_tracked"), 0);
    assert_eq!(ledger.sum("inferometer_processor_streams{"), 0);
    assert_eq!(limits(&ledger), [None, None]);
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_refused(NAME, "{max_stale: 0s, max_streams: 0}", &["max_stale", "max_streams"]);
    check_refused(NAME, "gaps: ignore", &["gaps"]);
}

proptest! {
    #[test]
    fn what_comes_out_never_goes_down(deltas in prop::collection::vec((0_u64..4, 0_u64..6, 0_i64..10), 0..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let mut bench = Bench::new(NAME, "");
        let (mut time, mut sum) = (100, 0);
        let mut shown = (0, 0);
        for (skip, length, delta) in deltas {
            let start = time - 2 + skip;
            let end = start + length;
            let made = bench.feed(&format!("delta counter a = {delta} @{start}..{end}"));
            if let Some(line) = made.strip_prefix("counter a = ") {
                let (value, times) = line.split_once(" @100..").or_else(|| line.split_once(" @")).unwrap();
                sum += delta;
                let end: u64 = times.rsplit("..").next().unwrap().parse().unwrap();
                let now = (end, value.parse::<i64>().unwrap());
                // All that was taken is in it, and nothing else.
                prop_assert_eq!(now.1, sum);
                prop_assert!(now.0 > shown.0 && now.1 >= shown.1);
                shown = now;
                time = end;
            } else {
                prop_assert!(made.starts_with("dropped "), "{}", made);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_point_from_the_future_stops_no_stream_for_good() {
    check(
        NAME,
        "max_stale: 5m",
        "
        delta counter a = 5 @10..20             -> counter a = 5 @10..20
        delta counter a = 5 @20..700000000000   -> dropped future
        delta counter a = 1 @20..30             -> counter a = 6 @10..30
        # As far ahead as a clock may be wrong; until the stream is forgotten all others are too old.
        delta counter a = 1 @30..600000000000   -> counter a = 7 @10..600000000000
        wait 3m
        delta counter a = 1 @40..50             -> dropped out_of_order
        wait 3m
        delta counter a = 1 @50..60             -> counter a = 1 @50..60
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_sum_that_is_no_number_does_not_stay_in_a_histogram() {
    check(
        NAME,
        "",
        "
        delta histogram h = count 1 sum 1.0 @10..20    -> histogram h = count 1 sum 1.0 @10..20
        delta histogram h = count 1 sum nan @20..30    -> dropped not_finite
        delta histogram h = count 1 sum inf @20..30    -> dropped not_finite
        delta histogram h = count 1 sum 1e308 @30..40  -> histogram h = count 2 sum 1e+308 @10..40
        delta histogram h = count 1 sum 1e308 @40..50  -> histogram h = count 1 sum 1e+308 @40..50 & reset overflow
        ",
    );
}
