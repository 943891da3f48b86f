//! What is made of sums, and what time does.

use std::sync::Arc;
use std::time::Duration;

use super::builder::*;
use crate::mapping::compiled::*;
use crate::mapping::live::Overlay;

fn derived(metric: &str, from: &str, derive: Derive) -> Rule {
    Rule { derive: Some(derive), ..sum(metric, input(from)) }
}

#[tokio::test(start_paused = true)]
async fn a_rate_is_the_increase_a_second_over_the_window() {
    let rate = Derive::Rate { window: Duration::from_mins(1) };
    let mut bench = Bench::new(vec![schema(vec![derived("r", "a", rate)])]);
    assert!(bench.map("counter a = 1000").is_empty());
    after(10).await;
    assert_eq!(bench.map("counter a = 1030"), ["gauge r = 3.0"]);
    after(60).await;
    assert_eq!(bench.tick(), ["gauge r = 0.0"]);
}

#[tokio::test(start_paused = true)]
async fn quantiles_are_of_the_window_and_count_and_sum_of_all() {
    let quantiles = Derive::Quantiles { quantiles: vec![0.5], window: Duration::from_mins(1) };
    let mut bench = Bench::new(vec![schema(vec![derived("q", "h", quantiles)])]);
    assert!(bench.map("histogram h = count 0 sum 0.0 buckets 1.0:0 2.0:0 inf:0").is_empty());
    after(5).await;
    let made = bench.map("histogram h = count 4 sum 2.0 buckets 1.0:4 2.0:0 inf:0");
    assert_eq!(made, ["summary q = count 4 sum 2.0 quantiles 0.5:0.5"]);
    after(70).await;
    let made = bench.map("histogram h = count 8 sum 8.0 buckets 1.0:4 2.0:4 inf:0");
    assert_eq!(made, ["summary q = count 8 sum 8.0 quantiles 0.5:1.5"]);
    after(120).await;
    bench.tick();
    after(61).await;
    assert_eq!(bench.tick(), ["summary q = count 8 sum 8.0"]);
}

#[tokio::test(start_paused = true)]
async fn a_histogram_is_inverted() {
    let mut bench = Bench::new(vec![schema(vec![derived("i", "h", Derive::Invert)])]);
    let made = bench.map("histogram h = count 7 sum 3.0 buckets 0.5:1 2.0:2 inf:4");
    assert_eq!(made, ["histogram i = count 7 sum 7.6 buckets 0.5:4 2.0:2 inf:1"]);
}

#[tokio::test(start_paused = true)]
async fn series_are_counted_by_their_state() {
    let states = States {
        label: "status".to_owned(),
        of: vec![
            ("healthy".to_owned(), StateTest::Value(Valid { at_least: Some(1.0), below: None })),
            ("offline".to_owned(), StateTest::Silent(Duration::from_secs(30))),
            ("degraded".to_owned(), StateTest::Otherwise),
        ],
    };
    let rule = Rule { states: Some(states), combine: Some(Combine::Count), ..one("nodes", input("up")) };
    let mut bench = Bench::new(vec![schema(vec![rule])]);
    let nodes = |degraded: u8, healthy: u8, offline: u8| {
        vec![
            format!("gauge nodes{{status=\"degraded\"}} = {degraded}"),
            format!("gauge nodes{{status=\"healthy\"}} = {healthy}"),
            format!("gauge nodes{{status=\"offline\"}} = {offline}"),
        ]
    };
    assert_eq!(bench.map("gauge up{host=1} = 1\ngauge up{host=2} = 1"), nodes(0, 2, 0));
    assert_eq!(bench.map("gauge up{host=1} = 0"), nodes(1, 1, 0));
    after(30).await;
    assert_eq!(bench.tick(), nodes(0, 1, 1));
}

#[tokio::test(start_paused = true)]
async fn histograms_are_merged_over_the_bounds_that_all_have() {
    let mut bench = Bench::new(vec![schema(vec![sum("s", input("h"))])]);
    let text = "histogram h{host=1} = count 6 sum 1.0 buckets 1.0:1 2.0:2 4.0:3 inf:0\n\
        histogram h{host=2} = count 3 sum 2.0 buckets 2.0:1 4.0:1 inf:1";
    assert_eq!(bench.map(text), ["histogram s = count 9 sum 3.0 buckets 2.0:4 4.0:4 inf:1"]);
}

#[tokio::test(start_paused = true)]
async fn an_overlay_replaces_rules_until_it_is_taken_away() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a")), one("c", input("a"))])]);
    assert_eq!(bench.map("gauge a = 1"), ["gauge b = 1", "gauge c = 1"]);
    let rules = vec![one("x", input("a"))];
    bench.engine.overlay("example", Some(Arc::new(Overlay { replaced: vec!["b".to_owned()], rules })));
    assert_eq!(bench.tick(), ["gauge b = stale"]);
    assert_eq!(bench.map("gauge a = 1"), ["gauge c = 1", "gauge x = 1"]);
    bench.engine.overlay("example", None);
    assert_eq!(bench.tick(), ["gauge x = stale"]);
    assert_eq!(bench.map("gauge a = 1"), ["gauge b = 1", "gauge c = 1"]);
}

#[tokio::test(start_paused = true)]
async fn it_says_what_feeds_a_metric_and_what_is_missing() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a")), one("c", input("d"))])]);
    bench.map("gauge a{model=1} = 1");
    let explained = bench.engine.explain("b");
    assert_eq!(
        (explained[0].inputs.as_slice(), explained[0].outputs.as_slice()),
        (&["a{model=1}".to_owned()][..], &["b{model=\"1\"}".to_owned()][..])
    );
    assert!(explained[0].missing.is_empty() && explained[0].status.sources[0].is_used);
    assert_eq!(bench.engine.explain("c")[0].missing, ["No live series feeds it: none is `d`."]);
    assert_eq!(bench.engine.status().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_rule_is_made_of_another_in_the_same_batch() {
    let hidden = Rule { is_hidden: true, ..sum("n", input("a")) };
    let max = Rule {
        combine: Some(Combine::Max),
        ..one("top", Input { labels: Labels::default(), ..input_from(From::Rule(0)) })
    };
    let mut bench = Bench::new(vec![schema(vec![hidden, max])]);
    assert_eq!(
        bench.map("gauge a{model=1} = 1\ngauge a{model=1,h=1} = 2\ngauge a{model=2} = 2"),
        ["gauge top = 3"]
    );
}
