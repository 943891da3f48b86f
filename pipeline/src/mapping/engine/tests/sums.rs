//! Inputs put together.

use super::builder::*;
use crate::mapping::compiled::*;

#[tokio::test(start_paused = true)]
async fn a_sum_of_counters_never_goes_backwards() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    assert_eq!(bench.map("counter a{host=1} = 10\ncounter a{host=2} = 5"), ["counter b = 15"]);
    // One starts anew.
    assert_eq!(bench.map("counter a{host=1} = 2"), ["counter b = 17"]);
    // One leaves, and the other goes on.
    assert_eq!(bench.map("counter a{host=2} = stale"), ["counter b = 17"]);
    assert_eq!(bench.map("counter a{host=1} = 3"), ["counter b = 18"]);
    // It comes back where it was, and another joins.
    assert_eq!(bench.map("counter a{host=2} = 6\ncounter a{host=3} = 1"), ["counter b = 20"]);
    // All are gone.
    after(400).await;
    assert_eq!(bench.tick(), ["counter b = 20"]);
}

#[tokio::test(start_paused = true)]
async fn a_later_start_says_that_a_counter_began_anew() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    assert_eq!(bench.map("counter a = 10 @5..6"), ["counter b = 10"]);
    assert_eq!(bench.map("counter a = 12 @7..8"), ["counter b = 22"]);
}

#[tokio::test(start_paused = true)]
async fn a_histogram_begins_anew_with_a_source_of_other_bounds() {
    let ranked = rule("b", vec![vec![input("first")], vec![input("second")]]);
    let mut bench = Bench::new(vec![schema(vec![Rule { combine: Some(Combine::Sum), ..ranked }])]);
    let made = bench.map("histogram second = count 4 sum 2.0 buckets 1.0:4 inf:0");
    assert_eq!(made, ["histogram b = count 4 sum 2.0 buckets 1.0:4 inf:0"]);
    let made = bench.map("histogram first = count 6 sum 9.0 buckets 2.0:5 inf:1");
    assert_eq!(made, ["histogram b = count 0 sum 0.0 buckets 2.0:0 inf:0"]);
    let made = bench.map("histogram first = count 8 sum 10.0 buckets 2.0:7 inf:1");
    assert_eq!(made, ["histogram b = count 2 sum 1.0 buckets 2.0:2 inf:0"]);
}

#[tokio::test(start_paused = true)]
async fn gauges_are_put_together_over_what_lives() {
    let check = |combine, expected: &str, left: &str| {
        let mut bench =
            Bench::new(vec![schema(vec![Rule { combine: Some(combine), ..one("b", input("a")) }])]);
        assert_eq!(bench.map("gauge a{host=1} = 4\ngauge a{host=2} = 1\ngauge a{host=3} = nan"), [expected]);
        assert_eq!(bench.map("gauge a{host=2} = stale\ngauge a{host=3} = stale"), [left]);
        assert_eq!(bench.map("gauge a{host=1} = nan"), ["gauge b = stale"]);
    };
    check(Combine::Sum, "gauge b = 5", "gauge b = 4");
    check(Combine::Min, "gauge b = 1", "gauge b = 4");
    check(Combine::Max, "gauge b = 4", "gauge b = 4");
    check(Combine::Mean, "gauge b = 2.5", "gauge b = 4.0");
    check(Combine::Count, "gauge b = 2", "gauge b = 1");
}

#[tokio::test(start_paused = true)]
async fn a_silent_gauge_is_out_after_five_minutes() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    assert_eq!(bench.map("gauge a{host=1} = 1\ngauge a{host=2} = 2"), ["gauge b = 3"]);
    after(200).await;
    assert_eq!(bench.map("gauge a{host=1} = 1"), ["gauge b = 3"]);
    after(101).await;
    assert_eq!(bench.tick(), ["gauge b = 1"]);
    after(200).await;
    assert_eq!(bench.tick(), ["gauge b = stale"]);
    assert!(bench.tick().is_empty());
}

#[tokio::test(start_paused = true)]
async fn zeros_are_there_from_the_start_and_when_nothing_is_left() {
    let zero = |metric: &str, from: &str, kind| Rule {
        kind: Some(kind),
        zero: vec![vec![("model".to_owned(), "m".to_owned())]],
        ..sum(metric, input(from))
    };
    let rules = vec![
        zero("n", "a", OutputKind::Counter),
        zero("g", "c", OutputKind::Gauge),
        Rule { combine: None, ..zero("o", "e", OutputKind::Gauge) },
    ];
    let mut bench = Bench::new(vec![schema(rules)]);
    let expected = [r#"counter n{model="m"} = 0"#, r#"gauge g{model="m"} = 0"#, r#"gauge o{model="m"} = 0"#];
    assert_eq!(bench.tick(), expected);
    let made = bench.map("counter a{model=\"m\"} = 7\ngauge c{model=\"m\"} = 2\ngauge e{model=\"m\"} = 3");
    let expected = [r#"counter n{model="m"} = 7"#, r#"gauge g{model="m"} = 2"#, r#"gauge o{model="m"} = 3"#];
    assert_eq!(made, expected);
    assert_eq!(bench.tick(), expected[..2]);
    assert_eq!(bench.map("gauge c{model=\"m\"} = stale"), [r#"gauge g{model="m"} = 0"#]);
}

#[tokio::test(start_paused = true)]
async fn a_dialect_sums_within_a_resource_and_the_sum_ends_with_it() {
    let mut bench = Bench::new(vec![dialect("vllm", vec![sum("b", input("vllm:a"))])]);
    let text = "resource {host=1}\ncounter vllm:a{e=1} = 1\ncounter vllm:a{e=2} = 2\nresource {host=2}\ncounter vllm:a = 5";
    assert_eq!(bench.map(text), ["counter b = 3", "counter b = 5"]);
    assert_eq!(bench.map("resource {host=2}\ncounter vllm:a = stale"), ["counter b = stale"]);
}

#[tokio::test(start_paused = true)]
async fn constants_and_ratios_and_differences() {
    let constant =
        Rule { inputs: Inputs::Constant { value: 4.0, labels: Labels::default() }, ..one("c", input("")) };
    let ratio = Rule { inputs: Inputs::Ratio { of: 0, to: 1 }, ..one("r", input("")) };
    let difference = Rule { inputs: Inputs::Difference { of: 0, less: 1 }, ..one("d", input("")) };
    let hidden = Rule { is_hidden: true, ..sum("n", input("a")) };
    let mut bench = Bench::new(vec![schema(vec![hidden, constant, ratio, difference])]);
    assert_eq!(bench.tick(), ["gauge c = 4"]);
    let made = bench.map("gauge a{model=1} = 8\ngauge a{model=2} = 2");
    let expected = [
        "gauge d{model=\"1\"} = 4.0",
        "gauge d{model=\"2\"} = -2.0",
        "gauge r{model=\"1\"} = 2.0",
        "gauge r{model=\"2\"} = 0.5",
    ];
    assert_eq!(made, expected);
    let ended = bench.map("gauge a{model=1} = stale");
    assert!(ended.contains(&"gauge r{model=\"1\"} = stale".to_owned()), "{ended:?}");
}
