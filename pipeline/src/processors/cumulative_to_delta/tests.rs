//! Golden streams of every type, and laws.

use proptest::prelude::*;

use crate::processors::golden::{Bench, check, check_refused};

const NAME: &str = "cumulative_to_delta";

#[tokio::test(start_paused = true)]
async fn a_delta_is_what_was_added_since_the_point_before() {
    check(
        NAME,
        "",
        "
        counter a{k=1} [By] = 5 @100..110   -> delta counter a{k=1} [By] = 5 @100..110
        counter a{k=1} [By] = 9 @100..120   -> delta counter a{k=1} [By] = 4 @110..120
        counter a{k=1} [By] = 9 @100..130   -> delta counter a{k=1} [By] = 0 @120..130
        counter a{k=2} [By] = 1 @100..130   -> delta counter a{k=2} [By] = 1 @100..130
        counter d = 0.5 @100..110           -> delta counter d = 0.5 @100..110
        counter d = 2.0 @100..120           -> delta counter d = 1.5 @110..120
        counter d = 3 @100..130             -> delta counter d = 1.0 @120..130
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn the_first_point_is_kept_where_all_of_it_is_of_our_time() {
    check(
        NAME,
        "",
        "
        # Without a start; with one of before we began; with one that says that it is not known.
        counter a = 5 @110       -> dropped first
        counter a = 7 @120       -> delta counter a = 2 @110..120
        counter b = 5 @99..110   -> dropped first
        counter b = 6 @99..120   -> delta counter b = 1 @110..120
        counter c = 5 @110..110  -> dropped first
        counter c = 6 @110..120  -> delta counter c = 1 @110..120
        counter d = 5 @100..110  -> delta counter d = 5 @100..110
        ",
    );
    check(
        NAME,
        "initial_value: keep",
        "
        counter a = 5 @110      -> delta counter a = 5 @110
        counter a = 7 @120      -> delta counter a = 2 @110..120
        counter b = 5 @50..110  -> delta counter b = 5 @50..110
        ",
    );
    check(
        NAME,
        "initial_value: drop",
        "
        counter a = 5 @100..110  -> dropped first
        counter a = 7 @100..120  -> delta counter a = 2 @110..120
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_value_that_drops_or_a_new_start_is_a_reset() {
    check(
        NAME,
        "",
        "
        counter a = 5 @110       -> dropped first
        counter a = 3 @120       -> delta counter a = 3 @110..120 & reset value
        counter a = 4 @130       -> delta counter a = 1 @120..130
        counter b = 5 @100..110  -> delta counter b = 5 @100..110
        # More than before, but counted anew.
        counter b = 6 @115..120  -> delta counter b = 6 @115..120 & reset start
        counter b = 7 @115..130  -> delta counter b = 1 @120..130
        counter b = 8 @130..140  -> delta counter b = 8 @130..140 & reset start
        # A start that moves within what was counted already is of a source that is not sure of it.
        counter c = 5 @100..110  -> delta counter c = 5 @100..110
        counter c = 6 @101..120  -> delta counter c = 1 @110..120
        counter c = 7 @99..130   -> delta counter c = 1 @120..130
        counter c = 2 @125..140  -> delta counter c = 2 @130..140 & reset value
        # One that is the time says that it is not known: the value tells.
        counter f = 5000 @110..110  -> dropped first
        counter f = 5010 @120..120  -> delta counter f = 10 @110..120
        counter f = 5020 @120..130  -> delta counter f = 10 @120..130
        counter f = 7 @140..140     -> delta counter f = 7 @140..140 & reset value
        # A start behind the time is none.
        counter c = 3 @200..150  -> delta counter c = 1 @140..150
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn duplicates_and_late_points_are_dropped() {
    check(
        NAME,
        "",
        "
        counter a = 5 @100..110  -> delta counter a = 5 @100..110
        counter a = 5 @100..110  -> dropped duplicate
        counter a = 6 @100..110  -> dropped duplicate
        counter a = 2 @100..105  -> dropped out_of_order
        counter a = 8 @100..120  -> delta counter a = 3 @110..120
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn the_points_of_a_batch_are_taken_in_the_order_of_their_times() {
    check(
        NAME,
        "",
        "
        counter a = 9 @100..120 & counter b = 1 @100..110 & counter a = 5 @100..110 -> delta counter a = 5 @100..110 & delta counter b = 1 @100..110 & delta counter a = 4 @110..120
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_compared_is_dropped_and_does_no_harm() {
    check(
        NAME,
        "",
        "
        counter a = 5 @100..110     -> delta counter a = 5 @100..110
        counter a = nan @100..120   -> dropped not_finite
        counter a = inf @100..120   -> dropped not_finite
        counter a = empty @100..120 -> dropped empty
        counter a = 7 @100..120     -> delta counter a = 2 @110..120
        counter a = -3 @100..130    -> dropped negative
        counter a = 1 @100..140     -> delta counter a = 4 @130..140
        ",
    );
    check(
        NAME,
        "initial_value: keep",
        "
        counter a = -5 @100..110    -> dropped negative
        counter a = -3 @100..120    -> delta counter a = 2 @110..120
        counter a = -0.5 @120..130  -> dropped negative
        counter a = 1 @120..140     -> delta counter a = 1.5 @130..140
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_marker_passes_and_the_stream_goes_on_behind_it() {
    check(
        NAME,
        "",
        "
        counter a = 5 @100..110      -> delta counter a = 5 @100..110
        counter a = stale @120       -> delta counter a = stale @120
        counter a = 8 @100..130      -> delta counter a = 3 @110..130
        counter n = stale @120       -> delta counter n = stale @120
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn histograms_are_compared_by_bucket() {
    check(
        NAME,
        "",
        "
        histogram h = count 3 sum 4.0 min 0.5 max 2.5 buckets 1.0:1 2.0:1 inf:1 @100..110 -> delta histogram h = count 3 sum 4.0 min 0.5 max 2.5 buckets 1.0:1 2.0:1 inf:1 @100..110
        # The least and the greatest of all time say nothing of the last ten.
        histogram h = count 5 sum 5.5 min 0.5 max 2.5 buckets 1.0:2 2.0:2 inf:1 @100..120 -> delta histogram h = count 2 sum 1.5 buckets 1.0:1 2.0:1 inf:0 @110..120
        # Sums of negative observations go down.
        histogram h = count 6 sum 4.5 buckets 1.0:3 2.0:2 inf:1 @100..130 -> delta histogram h = count 1 sum -1.0 buckets 1.0:1 2.0:0 inf:0 @120..130
        # Fewer in all, or in one bucket: a reset.
        histogram h = count 2 sum 2.0 buckets 1.0:1 2.0:1 inf:0 @140 -> delta histogram h = count 2 sum 2.0 buckets 1.0:1 2.0:1 inf:0 @130..140 & reset value
        histogram h = count 3 sum 3.0 buckets 1.0:0 2.0:3 inf:0 @150 -> delta histogram h = count 3 sum 3.0 buckets 1.0:0 2.0:3 inf:0 @140..150 & reset value
        # Other bounds: nobody can tell what was added.
        histogram h = count 4 sum 4.0 buckets 1.0:0 4.0:4 inf:0 @160 -> dropped bounds_changed
        histogram h = count 5 sum 5.0 buckets 1.0:0 4.0:5 inf:0 @170 -> delta histogram h = count 1 sum 1.0 buckets 1.0:0 4.0:1 inf:0 @160..170
        # Unless it was counted anew.
        histogram h = count 9 sum 9.0 buckets 1.0:0 8.0:9 inf:0 @175..180 -> delta histogram h = count 9 sum 9.0 buckets 1.0:0 8.0:9 inf:0 @175..180 & reset start
        histogram h = count 1 sum 1.0 buckets 2.0:1 inf:0 @175..190 -> delta histogram h = count 1 sum 1.0 buckets 2.0:1 inf:0 @180..190 & reset value
        histogram h = count 2 buckets 2.0:2 inf:0 @175..200 -> delta histogram h = count 1 buckets 2.0:1 inf:0 @190..200
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn exponential_histograms_are_compared_at_the_coarser_scale() {
    check(
        NAME,
        "",
        "
        exponential e = count 11 sum 20.0 scale 1 zero 1 positive 0:1,2,3,4 @100..110 -> delta exponential e = count 11 sum 20.0 scale 1 zero 1 positive 0:1,2,3,4 @100..110
        exponential e = count 12 sum 24.0 scale 1 zero 1 positive 0:1,2,3,5 @100..120 -> delta exponential e = count 1 sum 4.0 scale 1 positive 0:0,0,0,1 @110..120
        exponential e = count 14 sum 28.0 zero 1 positive 0:4,9 @100..130 -> delta exponential e = count 2 sum 4.0 positive 0:1,1 @120..130
        # All up to 2 is in the zero bucket from now on.
        exponential e = count 16 sum 30.0 zero 7 threshold 2.0 positive 1:9 @100..140 -> delta exponential e = count 2 sum 2.0 zero 2 threshold 2.0 positive 1:0 @130..140
        exponential e = count 1 sum 1.0 positive 0:1 @150 -> delta exponential e = count 1 sum 1.0 positive 0:1 @140..150 & reset value
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn everything_else_passes() {
    check(
        NAME,
        "",
        "
        gauge g = 1 @110                            -> gauge g = 1 @110
        updown u = 5 @100..110                      -> updown u = 5 @100..110
        delta counter c = 5 @100..110               -> delta counter c = 5 @100..110
        delta histogram h = count 1 sum 1.0 @100..110 -> delta histogram h = count 1 sum 1.0 @100..110
        summary s = count 1 sum 1.0 @100..110       -> summary s = count 1 sum 1.0 @100..110
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn only_what_is_included_and_not_excluded_is_converted() {
    check(
        NAME,
        "{include: {metrics: [a, b], match_type: strict}, exclude: {metrics: [b], match_type: strict}}",
        "
        counter a = 5 @100..110   -> delta counter a = 5 @100..110
        counter b = 5 @100..110   -> counter b = 5 @100..110
        counter aa = 5 @100..110  -> counter aa = 5 @100..110
        ",
    );
    check(
        NAME,
        "{include: {metrics: ['^a'], match_type: regexp, metric_types: [sum]}}",
        "
        counter ab = 5 @100..110                  -> delta counter ab = 5 @100..110
        counter ba = 5 @100..110                  -> counter ba = 5 @100..110
        histogram ah = count 1 sum 1.0 @100..110  -> histogram ah = count 1 sum 1.0 @100..110
        ",
    );
    check(
        NAME,
        "{exclude: {metric_types: [histogram]}}",
        "
        counter a = 5 @100..110                  -> delta counter a = 5 @100..110
        histogram h = count 1 sum 1.0 @100..110  -> histogram h = count 1 sum 1.0 @100..110
        exponential e = count 1 zero 1 @100..110 -> delta exponential e = count 1 zero 1 @100..110
        ",
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_forgotten_after_a_silence() {
    let silence = |outcome: &str| {
        format!(
            "
            counter a = 5 @110  -> dropped first
            wait 59m
            sweep
            counter a = 6 @120  -> delta counter a = 1 @110..120
            wait 61m
            sweep
            counter a = 7 @130  -> {outcome}
            "
        )
    };
    check(NAME, "", &silence("dropped first"));
    check(NAME, "max_staleness: 0", &silence("delta counter a = 1 @120..130"));
    check(NAME, "max_staleness: 2h", &silence("delta counter a = 1 @120..130"));
}

#[tokio::test(start_paused = true)]
async fn what_was_told_before_a_silence_is_not_told_again() {
    for sweep in ["", "sweep"] {
        let text = format!(
            "
            counter a = 5 @100..110   -> delta counter a = 5 @100..110
            # Nothing has been forgotten, so it cannot have been told.
            counter b = 5 @105..110   -> delta counter b = 5 @105..110
            wait 61m
            {sweep}
            counter a = 7 @100..120   -> dropped first
            counter a = 8 @100..130   -> delta counter a = 1 @120..130
            # It may be as old as what was forgotten, with a clock ten minutes ahead; the next cannot be.
            counter c = 1 @600000000100..700000000000 -> dropped first
            counter d = 1 @600000000101..700000000000 -> delta counter d = 1 @600000000101..700000000000
            "
        );
        check(NAME, "", &text);
    }
}

#[tokio::test(start_paused = true)]
async fn past_the_bound_new_streams_are_dropped() {
    check(
        NAME,
        "max_streams: 1",
        "
        counter a = 1 @100..110  -> delta counter a = 1 @100..110
        counter b = 1 @100..110  -> dropped stream_limit
        gauge g = 1 @110         -> gauge g = 1 @110
        counter a = 2 @100..120  -> delta counter a = 1 @110..120
        ",
    );
}

#[test]
fn what_makes_no_sense_is_refused() {
    check_refused(NAME, "{include: {}}", &["include"]);
    check_refused(NAME, "{include: {metrics: [a]}}", &["`strict` or `regexp`"]);
    check_refused(NAME, "{exclude: {metrics: ['a('], match_type: regexp}}", &["unclosed group"]);
    check_refused(NAME, "{include: {metric_types: [gauge]}}", &["include.metric_types"]);
    check_refused(NAME, "{max_streams: 0, initial_value: first}", &["max_streams", "initial_value"]);
}

/// Takes cumulative values through to deltas and back; the deltas, and what came back.
fn there_and_back(values: &[(u64, String)]) -> (Vec<String>, Vec<String>) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    let _inside = runtime.enter();
    let (mut there, mut back) = (Bench::new(NAME, ""), Bench::new("delta_to_cumulative", ""));
    let (mut deltas, mut cumulative) = (Vec::new(), Vec::new());
    for (time, value) in values {
        let delta = there.feed(&format!("{value} @100..{time}"));
        cumulative.push(back.feed(delta.split(" & ").next().unwrap()));
        deltas.push(delta);
    }
    (deltas, cumulative)
}

proptest! {
    #[test]
    fn what_goes_to_deltas_comes_back(
        steps in prop::collection::vec((1_u64..100, 0_i64..1000, prop::array::uniform4(0_u64..50)), 1..30),
    ) {
        let (mut time, mut sum, mut counts) = (100, 0, [0_u64; 4]);
        let (mut sums, mut histograms, mut exponentials) = (Vec::new(), Vec::new(), Vec::new());
        for (length, add, more) in steps {
            time += length;
            sum += add;
            counts = std::array::from_fn(|index| counts[index] + more[index]);
            let [a, b, c, d] = counts;
            let count = a + b + c + d;
            sums.push((time, format!("counter a = {sum}")));
            histograms.push((time, format!("histogram h = count {count} sum {sum}.0 buckets 1.0:{a} 2.0:{b} 4.0:{c} inf:{d}")));
            // The first and last bucket that count something are always the same.
            let count = count + 2;
            exponentials.push((time, format!("exponential e = count {count} sum {sum}.0 scale 2 positive -1:1,{a},{b},{c},{d},1")));
        }
        for values in [sums, histograms, exponentials] {
            let (_, cumulative) = there_and_back(&values);
            for ((time, value), back) in values.iter().zip(&cumulative) {
                prop_assert_eq!(back, &format!("{value} @100..{time}"));
            }
        }
    }

    #[test]
    fn totals_survive_resets(steps in prop::collection::vec((1_u64..100, 0_i64..1000, any::<bool>()), 1..30)) {
        let (mut time, mut value, mut total) = (100, 0, 0);
        let mut values = Vec::new();
        for (length, add, restarts) in steps {
            time += length;
            // Whoever counts anew and has counted as much again meanwhile cannot be told without a start.
            let restarted = restarts && add < value;
            value = if restarted { add } else { value + add };
            total += add;
            values.push((time, format!("counter a = {value}")));
        }
        let (deltas, cumulative) = there_and_back(&values);
        let sum: i64 = deltas
            .iter()
            .map(|delta| delta.split([' ', '@']).nth(4).unwrap().parse::<i64>().unwrap())
            .sum();
        prop_assert_eq!(sum, total);
        prop_assert_eq!(cumulative.last().unwrap(), &format!("counter a = {total} @100..{time}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_point_from_the_future_stops_no_stream_for_good() {
    check(
        NAME,
        "{initial_value: keep, max_staleness: 5m}",
        "
        counter a = 5 @10..20             -> delta counter a = 5 @10..20
        counter a = 6 @10..700000000000   -> dropped future
        counter a = 7 @10..30             -> delta counter a = 2 @20..30
        counter a = 8 @10..600000000000   -> delta counter a = 1 @30..600000000000
        wait 3m
        counter a = 9 @10..50             -> dropped out_of_order
        wait 3m
        counter a = 9 @10..60             -> delta counter a = 9 @10..60
        ",
    );
}
