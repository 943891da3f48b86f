//! Inputs that say what has changed since the point before.

use super::builder::*;

#[tokio::test(start_paused = true)]
async fn changes_add_up_to_a_cumulative_sum() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    assert_eq!(bench.map("delta counter a{host=1} = 3\ndelta counter a{host=2} = 4"), ["counter b = 7"]);
    // As much again is more.
    assert_eq!(bench.map("delta counter a{host=1} = 3"), ["counter b = 10"]);
    assert_eq!(bench.map("delta counter a{host=1} = 1\ndelta counter a{host=1} = 1"), ["counter b = 12"]);
}

#[tokio::test(start_paused = true)]
async fn changes_of_what_may_fall_add_up_too() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    assert_eq!(bench.map("delta updown a{host=1} = 3\ndelta updown a{host=2} = 4"), ["updown b = 7"]);
    assert_eq!(bench.map("delta updown a{host=1} = -2"), ["updown b = 5"]);
}

#[tokio::test(start_paused = true)]
async fn histograms_of_changes_add_up() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    let text = "delta histogram a = count 2 sum 1.0 buckets 1.0:1 inf:1";
    assert_eq!(bench.map(text), ["histogram b = count 2 sum 1.0 buckets 1.0:1 inf:1"]);
    assert_eq!(bench.map(text), ["histogram b = count 4 sum 2.0 buckets 1.0:2 inf:2"]);
}

#[tokio::test(start_paused = true)]
async fn one_to_one_a_change_stays_a_change() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a"))])]);
    assert_eq!(bench.map("delta counter a = 3"), ["delta counter b = 3"]);
    assert_eq!(bench.map("delta counter a = 2"), ["delta counter b = 2"]);
}
