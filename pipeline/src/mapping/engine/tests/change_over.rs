//! A metric that goes from one input of its list to another.

use super::builder::*;
use crate::mapping::compiled::*;

fn summed() -> Bench {
    Bench::new(vec![schema(vec![Rule { combine: Some(Combine::Sum), ..ranked("b", "first", "second") }])])
}

#[tokio::test(start_paused = true)]
async fn a_sum_goes_on_from_its_value_with_the_increases_of_the_new_source() {
    let mut bench = summed();
    assert_eq!(bench.map("counter second = 100"), ["counter b = 100"]);
    after(1).await;
    // What comes with the change-over is what was counted by way of the source before.
    let both = "counter first{host=1} = 90\ncounter first{host=2} = 10\ncounter second = 101";
    assert_eq!(bench.map(both), ["counter b = 100"]);
    after(1).await;
    assert_eq!(bench.map("counter first{host=1} = 95\ncounter second = 105"), ["counter b = 105"]);
    after(1).await;
    let ended = "counter first{host=1} = stale\ncounter first{host=2} = stale\ncounter second = 107";
    assert_eq!(bench.map(ended), ["counter b = 107"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_appears_after_a_change_over_joins_with_its_value() {
    let mut bench = summed();
    bench.map("counter second = 100");
    after(1).await;
    assert_eq!(bench.map("counter first{host=1} = 90"), ["counter b = 100"]);
    after(1).await;
    assert_eq!(bench.map("counter first{host=2} = 7"), ["counter b = 107"]);
    assert_eq!(bench.map("counter first{host=2} = 8"), ["counter b = 108"]);
}

#[tokio::test(start_paused = true)]
async fn what_was_counted_by_way_of_another_while_a_source_was_away_is_not_counted_again() {
    let mut bench = summed();
    assert_eq!(bench.map("counter first = 90\ncounter second = 100"), ["counter b = 90"]);
    after(1).await;
    assert_eq!(bench.map("counter first = stale\ncounter second = 101"), ["counter b = 91"]);
    after(1).await;
    assert_eq!(bench.map("counter second = 120"), ["counter b = 110"]);
    after(1).await;
    assert_eq!(bench.map("counter first = 110\ncounter second = 121"), ["counter b = 110"]);
    after(1).await;
    assert_eq!(bench.map("counter first = 115"), ["counter b = 115"]);
}

#[tokio::test(start_paused = true)]
async fn a_source_that_has_fallen_silent_hands_over_after_five_minutes() {
    let mut bench = summed();
    bench.map("counter first = 90\ncounter second = 100");
    after(200).await;
    assert_eq!(bench.map("counter second = 110"), ["counter b = 90"]);
    after(101).await;
    assert_eq!(bench.tick(), ["counter b = 90"]);
    assert_eq!(bench.map("counter second = 111"), ["counter b = 91"]);
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let mut bench = Bench::new(vec![schema(vec![ranked("b", "first", "second")])]);
    // Both are known.
    bench.map("gauge first = 0\ngauge second = 0");
    bench.map("gauge first = stale");
    assert_eq!(bench.map("gauge second = 1"), ["gauge b = 1"]);
    assert_eq!(bench.map(text), [expected], "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_series_has_one_point_in_the_batch_in_which_it_changes_over() {
    check("gauge first = 1\ngauge second = 2", "gauge b = 1");
    check("gauge second = 2\ngauge first = 1", "gauge b = 1");
    check("gauge second = stale\ngauge first = 1", "gauge b = 1");
    check("gauge other = 1\ngauge second = 2\ngauge first = 1\ngauge second = 3", "gauge b = 1");
    check("gauge first = 1\ngauge second = 2\ngauge first = stale\ngauge second = 3", "gauge b = 3");
    let mut bench = Bench::new(vec![schema(vec![ranked("b", "first", "second")])]);
    bench.map("gauge second = 2");
    assert_eq!(bench.map("gauge second = 2\ngauge first = 1"), ["gauge b = 1"]);
    let mut bench = summed();
    bench.map("counter second = 2");
    assert_eq!(bench.map("counter second = 3\ncounter first = 1"), ["counter b = 3"]);
}

#[tokio::test(start_paused = true)]
async fn one_that_owned_a_series_before_two_change_overs_does_not_own_it_still() {
    let mut bench = Bench::new(vec![schema(vec![ranked("b", "first", "second")])]);
    bench.map("gauge first = 1");
    bench.map("gauge first{other=1} = 1");
    bench.map("gauge first = stale\ngauge first{other=1} = stale");
    assert_eq!(bench.map("gauge second = 2"), ["gauge b = 2"]);
    assert_eq!(bench.map("gauge first{other=1} = 3"), ["gauge b = 3"]);
    // The end of what is not in use any more ends nothing.
    assert!(bench.map("gauge second = stale").is_empty());
    assert!(bench.tick().is_empty());
}
