//! What is said of a metric.

use super::builder::*;
use crate::mapping::compiled::*;

fn missing(bench: &Bench, metric: &str) -> Vec<String> {
    bench.engine.explain(metric).remove(0).missing
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
async fn it_says_which_series_are_left_out_as_another_has_their_output() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a"))])]);
    bench.map("gauge a{host=1} = 1\ngauge a{host=2} = 2\ngauge a{host=3} = 2");
    let expected = "Left out, as another has the series that they would become: `a{host=2}`, `a{host=3}`.";
    assert_eq!(missing(&bench, "b"), [expected]);
    bench.map("gauge a{host=2} = stale\ngauge a{host=3} = stale");
    assert!(missing(&bench, "b").is_empty());
}

#[tokio::test(start_paused = true)]
async fn it_says_which_series_are_nothing_that_the_rule_makes() {
    let counter = Rule { kind: Some(OutputKind::Counter), ..sum("b", input("a")) };
    let mut bench = Bench::new(vec![schema(vec![counter])]);
    bench.map("histogram a{host=1} = count 1 sum 1.0 buckets inf:1");
    let expected = [
        "No live series feeds it: none is `a`.",
        "Left out, as the rule makes nothing of what they are: `a{host=1}`, a histogram.",
    ];
    assert_eq!(missing(&bench, "b"), expected);
}

#[tokio::test(start_paused = true)]
async fn it_says_how_many_points_had_no_valid_value() {
    let valid = Valid { at_least: Some(0.0), below: None };
    let rules = vec![one("b", Input { valid, ..input("a") }), sum("c", input("a"))];
    let mut bench = Bench::new(vec![schema(rules)]);
    bench.map("gauge a = -1");
    bench.map("gauge a = nan");
    let expected = ["What feeds it gives no value yet.", "Left out, as they had no valid value: 2 points."];
    assert_eq!(missing(&bench, "b"), expected);
    assert_eq!(missing(&bench, "c")[1..], ["Left out, as they had no valid value: 1 point."]);
}
