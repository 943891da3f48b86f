//! Histograms and summaries, put together and taken apart.

use std::time::Duration;

use super::builder::*;
use crate::mapping::compiled::*;

#[tokio::test(start_paused = true)]
async fn histograms_are_merged_over_the_bounds_that_all_have() {
    let mut bench = Bench::new(vec![schema(vec![sum("s", input("h"))])]);
    let text = "histogram h{host=1} = count 6 sum 1.0 buckets 1.0:1 2.0:2 4.0:3 inf:0\n\
        histogram h{host=2} = count 3 sum 2.0 buckets 2.0:1 4.0:1 inf:1";
    assert_eq!(bench.map(text), ["histogram s = count 9 sum 3.0 buckets 2.0:4 4.0:4 inf:1"]);
}

#[tokio::test(start_paused = true)]
async fn exponential_histograms_are_merged_at_the_coarser_scale() {
    let mut bench = Bench::new(vec![schema(vec![sum("s", input("h"))])]);
    // At scale 1 the buckets from 0 are up to 1.41, 2, 2.82, 4; two of them are one at scale 0.
    let text = "exponential h{host=1} = count 11 sum 20.0 scale 1 zero 1 positive 0:1,2,3,4\n\
        exponential h{host=2} = count 5 sum 9.0 positive 1:5";
    let expected = "exponential s = count 16 sum 29.0 zero 1 positive 0:3,12";
    assert_eq!(bench.map(text), [expected]);
    // Only what it has grown by is added, whatever its scale is now.
    let text = "exponential h{host=1} = count 13 sum 24.0 zero 1 positive 0:4,8";
    let expected = "exponential s = count 18 sum 33.0 zero 1 positive 0:4,13";
    assert_eq!(bench.map(text), [expected]);
    // It starts anew.
    let text = "exponential h{host=1} = count 1 sum 1.0 positive 0:1";
    let expected = "exponential s = count 19 sum 34.0 zero 1 positive 0:5,13";
    assert_eq!(bench.map(text), [expected]);
}

#[tokio::test(start_paused = true)]
async fn an_exponential_histogram_becomes_coarser_rather_than_very_long() {
    let mut bench = Bench::new(vec![schema(vec![sum("s", input("h"))])]);
    let text = "exponential h{host=1} = count 1 sum 1.0 scale 3 positive -1600:1\n\
        exponential h{host=2} = count 1 sum 1.0 scale 3 positive 1600:1";
    let made = bench.map(text);
    // 3201 buckets fit into 1024 at a quarter of the resolution.
    let counts = made[0].strip_prefix("exponential s = count 2 sum 2.0 scale 1 positive -400:");
    let counts: Vec<&str> = counts.unwrap_or_else(|| panic!("{made:?}")).split(',').collect();
    assert_eq!((counts.len(), counts[0], counts[800]), (801, "1", "1"));
    assert!(counts[1..800].iter().all(|count| *count == "0"));
}

#[tokio::test(start_paused = true)]
async fn buckets_that_were_added_up_twice_are_repaired() {
    let twice = Input { is_accumulated_twice: true, ..input("h") };
    let mut bench = Bench::new(vec![schema(vec![one("r", twice)])]);
    // Buckets of 2, 1, 4 and 0: the page says 2, 3, 7, 7 of each, added up once more 2, 5, 12 and 7.
    let made = bench.map("histogram h = count 7 sum 9.0 buckets 1.0:2 2.0:3 4.0:7 inf:0");
    assert_eq!(made, ["histogram r = count 7 sum 9.0 buckets 1.0:2 2.0:1 4.0:4 inf:0"]);
    // One that was added up once is right as it is.
    let made = bench.map("histogram h = count 7 sum 9.0 buckets 1.0:2 2.0:1 4.0:2 inf:2");
    assert_eq!(made, ["histogram r = count 7 sum 9.0 buckets 1.0:2 2.0:1 4.0:2 inf:2"]);
    // With some beyond the last bound.
    let made = bench.map("histogram h = count 9 sum 9.0 buckets 1.0:2 2.0:3 4.0:7 inf:0");
    assert_eq!(made, ["histogram r = count 9 sum 9.0 buckets 1.0:2 2.0:1 4.0:4 inf:2"]);
}

fn quantiles(window: Duration) -> Bench {
    let derive = Derive::Quantiles { quantiles: vec![0.5], window };
    Bench::new(vec![schema(vec![Rule { derive: Some(derive), ..sum("q", input("h")) }])])
}

#[tokio::test(start_paused = true)]
async fn observations_leave_the_quantiles_with_the_window() {
    let mut bench = quantiles(Duration::from_mins(1));
    bench.map("histogram h = count 0 sum 0.0 buckets 1.0:0 2.0:0 inf:0");
    after(5).await;
    let made = bench.map("histogram h = count 4 sum 2.0 buckets 1.0:4 2.0:0 inf:0");
    assert_eq!(made, ["summary q = count 4 sum 2.0 quantiles 0.5:0.5"]);
    after(10).await;
    let made = bench.map("histogram h = count 8 sum 8.0 buckets 1.0:4 2.0:4 inf:0");
    assert_eq!(made, ["summary q = count 8 sum 8.0 quantiles 0.5:1.0"]);
    // The four of below 1 leave.
    after(51).await;
    assert_eq!(bench.tick(), ["summary q = count 8 sum 8.0 quantiles 0.5:1.5"]);
    // And then the others: nothing is new.
    after(60).await;
    assert_eq!(bench.tick(), ["summary q = count 8 sum 8.0"]);
    let made = bench.map("histogram h = count 10 sum 9.0 buckets 1.0:6 2.0:4 inf:0");
    assert_eq!(made, ["summary q = count 10 sum 9.0 quantiles 0.5:0.5"]);
}

#[tokio::test(start_paused = true)]
async fn quantiles_are_of_what_came_after_a_source_has_started_anew_too() {
    let mut bench = quantiles(Duration::from_mins(1));
    bench.map("histogram h = count 4 sum 2.0 buckets 1.0:4 2.0:0 inf:0");
    after(5).await;
    bench.tick();
    after(65).await;
    let made = bench.map("histogram h = count 2 sum 3.0 buckets 1.0:0 2.0:2 inf:0");
    assert_eq!(made, ["summary q = count 6 sum 5.0 quantiles 0.5:1.5"]);
}
