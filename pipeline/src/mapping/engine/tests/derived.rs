//! What is made of sums, and what time does.

use std::time::Duration;

use super::builder::*;
use crate::mapping::compiled::*;

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
async fn a_histogram_is_inverted() {
    let mut bench = Bench::new(vec![schema(vec![derived("i", "h", Derive::Invert)])]);
    let made = bench.map("histogram h = count 7 sum 3.0 buckets 0.5:1 2.0:2 inf:4");
    assert_eq!(made, ["histogram i = count 7 sum 7.6 buckets 0.5:4 2.0:2 inf:1"]);
}

#[tokio::test(start_paused = true)]
async fn series_are_counted_by_their_state() {
    let mut bench = Bench::new(vec![schema(vec![by_state(Some(Combine::Count))])]);
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

fn by_state(combine: Option<Combine>) -> Rule {
    let states = States {
        label: "status".to_owned(),
        of: vec![
            ("healthy".to_owned(), StateTest::Value(Valid { at_least: Some(1.0), below: None })),
            ("offline".to_owned(), StateTest::Silent(Duration::from_secs(30))),
            ("degraded".to_owned(), StateTest::Otherwise),
        ],
    };
    Rule { states: Some(states), combine, ..one("nodes", input("up")) }
}

#[tokio::test(start_paused = true)]
async fn without_a_count_a_series_has_its_value_in_the_state_that_it_is_in() {
    let mut bench = Bench::new(vec![schema(vec![by_state(None)])]);
    assert_eq!(bench.map("gauge up{model=1} = 1"), [r#"gauge nodes{model="1",status="healthy"} = 1"#]);
    let (degraded, healthy) = (
        r#"gauge nodes{model="1",status="degraded"} = 0"#,
        r#"gauge nodes{model="1",status="healthy"} = stale"#,
    );
    assert_eq!(bench.map("gauge up{model=1} = 0"), [degraded, healthy]);
    after(30).await;
    let made = bench.tick();
    let expected = [
        r#"gauge nodes{model="1",status="degraded"} = stale"#,
        r#"gauge nodes{model="1",status="offline"} = 0"#,
    ];
    assert_eq!(made, expected);
}

fn operand(metric: &str, from: &str, labels: &[&str]) -> Rule {
    let keep = labels.iter().map(|name| NameMatch::Exact((*name).to_owned())).collect();
    let labels = Labels { labels: Vec::new(), keep };
    Rule { is_hidden: true, ..sum(metric, Input { labels, ..input(from) }) }
}

#[tokio::test(start_paused = true)]
async fn an_operand_with_fewer_labels_goes_with_each_that_has_them() {
    let ratio = |of, to| Rule { inputs: Inputs::Ratio { of, to }, ..one("r", input("")) };
    let text =
        "gauge a{model=1,host=\"x\"} = 8\ngauge a{model=2,host=\"x\"} = 4\ngauge a{model=2,host=\"y\"} = 6";
    let left = || operand("a", "a", &["model", "host"]);
    let ours = |values: [&str; 3]| {
        let labels = [("x", "1"), ("x", "2"), ("y", "2")];
        let line = |((host, model), value): ((&str, &str), &str)| {
            format!("gauge r{{host=\"{host}\",model=\"{model}\"}} = {value}")
        };
        labels.into_iter().zip(values).map(line).collect::<Vec<_>>()
    };
    let mut bench = Bench::new(vec![schema(vec![left(), operand("c", "c", &[]), ratio(0, 1)])]);
    assert_eq!(bench.map(&format!("{text}\ngauge c = 2")), ours(["4.0", "2.0", "3.0"]));
    let mut bench = Bench::new(vec![schema(vec![left(), operand("c", "c", &["model"]), ratio(0, 1)])]);
    let made = bench.map(&format!("{text}\ngauge c{{model=1}} = 2\ngauge c{{model=2}} = 4"));
    assert_eq!(made, ours(["4.0", "1.0", "1.5"]));
    // The other way round, and without any that fits.
    let mut bench = Bench::new(vec![schema(vec![operand("c", "c", &["model"]), left(), ratio(0, 1)])]);
    assert_eq!(bench.map(&format!("{text}\ngauge c{{model=2}} = 12")), ours(["", "3.0", "2.0"])[1..]);
    // Nothing is divided by zero.
    assert!(bench.map("gauge a{model=2,host=\"x\"} = 0").contains(&ours(["", "stale", ""])[1]));
}
