//! Rules in the place of a mapping's own.

use std::sync::Arc;

use super::builder::*;
use crate::mapping::compiled::*;
use crate::mapping::live::Overlay;

fn lay(bench: &mut Bench, replaced: &[&str], rules: Vec<Rule>) {
    let replaced = replaced.iter().map(|name| (*name).to_owned()).collect();
    bench.engine.overlay("example", Some(Arc::new(Overlay { replaced, rules })));
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
async fn a_sum_that_is_laid_over_ends_and_begins_anew() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a")), sum("c", input("a"))])]);
    assert_eq!(bench.map("counter a = 5"), ["counter b = 5", "counter c = 5"]);
    lay(&mut bench, &["b"], vec![sum("x", input("a"))]);
    assert_eq!(bench.tick(), ["counter b = stale", "counter c = 5"]);
    assert_eq!(bench.map("counter a = 6"), ["counter c = 6", "counter x = 6"]);
    // Another overlay in the place of the first.
    lay(&mut bench, &["c"], vec![sum("y", input("a"))]);
    assert_eq!(bench.tick(), ["counter c = stale", "counter x = stale"]);
    assert_eq!(bench.map("counter a = 7"), ["counter b = 7", "counter y = 7"]);
    bench.engine.overlay("example", None);
    assert_eq!(bench.tick(), ["counter b = 7", "counter y = stale"]);
    assert_eq!(bench.map("counter a = 8"), ["counter b = 8", "counter c = 8"]);
}

#[tokio::test(start_paused = true)]
async fn a_rule_that_others_are_made_of_goes_on_unseen_when_it_is_laid_over() {
    let of_rule = Input { labels: Labels::default(), ..input_from(From::Rule(0)) };
    let mut bench = Bench::new(vec![schema(vec![sum("n", input("a")), sum("all", of_rule)])]);
    assert_eq!(bench.map("counter a{model=1} = 5").len(), 2);
    lay(&mut bench, &["n"], vec![]);
    assert_eq!(bench.tick(), ["counter all = 5", "counter n{model=\"1\"} = stale"]);
    assert_eq!(bench.map("counter a{model=1} = 6"), ["counter all = 6"]);
    bench.engine.overlay("example", None);
    assert!(bench.map("counter a{model=1} = 7").contains(&"counter n{model=\"1\"} = 7".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_overlay_of_another_mapping_changes_nothing() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a"))])]);
    let overlay = Overlay { replaced: vec!["b".to_owned()], rules: Vec::new() };
    bench.engine.overlay("other", Some(Arc::new(overlay)));
    assert_eq!(bench.map("gauge a = 1"), ["gauge b = 1"]);
}
