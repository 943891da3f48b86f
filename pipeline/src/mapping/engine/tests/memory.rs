//! What stays of series that are gone, and what happens where there is no room for more.

use super::builder::*;
use crate::Batch;
use crate::mapping::compiled::*;
use crate::mapping::engine::{LeftOut, Options};

/// A day, and what a sum is kept for.
const DAY: u64 = 24 * 3600 + 1;

#[tokio::test(start_paused = true)]
async fn of_a_hundred_thousand_series_that_lived_for_a_moment_nothing_is_left() {
    let all = Input { labels: Labels::default(), ..input("a") };
    let by_model = Rule { is_hidden: true, ..sum("n", input("a")) };
    let of_rule = input_from(From::Rule(1));
    let rules = vec![
        one("o", input("a")),
        by_model,
        sum("all", all),
        sum("s", of_rule),
        Rule { combine: Some(Combine::Max), ..ranked("top", "a", "z") },
        ranked("either", "a", "z"),
    ];
    let mut bench = Bench::of(vec![schema(rules)], Options::default(), 1_000_000);
    let live = bench.registry.live();
    for thousand in 0..100 {
        let line = |one: u32| format!("counter a{{model={}}} = 1\n", thousand * 1000 + one);
        let mut batch = bench.parse(&(0..1000).map(line).collect::<String>());
        bench.engine.process(&mut batch);
    }
    assert!(bench.registry.live() > 100_000);
    for _ in 0..3 {
        after(DAY).await;
        bench.engine.tick();
        bench.engine.sweep();
    }
    let engine = &bench.engine;
    assert_eq!(bench.registry.live(), live);
    assert_eq!(
        (engine.plans.living().count(), engine.consumers.len(), engine.groups.iter().count()),
        (0, 0, 0)
    );
    let (members, choices) = (engine.groups.members.len(), engine.choices.len());
    assert_eq!((members, choices, engine.owners.len()), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn of_ratios_nothing_is_left_when_their_operands_have_gone() {
    let operand = |metric, from| Rule { is_hidden: true, ..sum(metric, input(from)) };
    let ratio = Rule { inputs: Inputs::Ratio { of: 0, to: 1 }, ..one("r", input("")) };
    let mut bench = Bench::new(vec![schema(vec![operand("n", "a"), operand("m", "c"), ratio])]);
    let live = bench.registry.live();
    let lines = |one: u32| format!("gauge a{{model={one}}} = 1\ngauge c{{model={one}}} = 2\n");
    assert_eq!(bench.map(&(0..1000).map(lines).collect::<String>()).len(), 1000);
    bench.forget();
    for _ in 0..3 {
        after(DAY).await;
        bench.engine.tick();
        bench.engine.sweep();
    }
    assert_eq!(bench.registry.live(), live);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_was_swept_begins_anew_and_one_that_was_not_goes_on() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    bench.map("counter a{host=1} = 5\ncounter a{host=2} = 5");
    after(1800).await;
    bench.tick();
    bench.engine.sweep();
    assert_eq!(bench.map("counter a{host=1} = 6"), ["counter b = 11"]);
    after(1801).await;
    bench.tick();
    bench.engine.sweep();
    assert_eq!(bench.map("counter a{host=1} = 7\ncounter a{host=2} = 6"), ["counter b = 18"]);
}

#[tokio::test(start_paused = true)]
async fn what_finds_no_room_is_counted_and_has_it_once_there_is() {
    let mut bench = Bench::of(vec![schema(vec![one("b", input("a"))])], Options::default(), 3);
    assert_eq!(bench.map("gauge a{model=1} = 1"), ["gauge b{model=\"1\"} = 1"]);
    assert!(bench.map("gauge a{model=2} = 2").is_empty());
    assert!(bench.map("gauge a{model=2} = 2").is_empty());
    assert_eq!(bench.engine.left_out(), LeftOut { full: 2, conflicts: 0 });
    assert_eq!(bench.engine.left_out(), LeftOut::default());
    bench.registry.limit(4);
    assert_eq!(bench.map("gauge a{model=2} = 2"), ["gauge b{model=\"2\"} = 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_left_out_as_another_has_its_series_is_counted() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a"))])]);
    bench.map("gauge a{host=1} = 1\ngauge a{host=2} = 2");
    bench.map("gauge a{host=2} = 2");
    assert_eq!(bench.engine.left_out(), LeftOut { conflicts: 2, full: 0 });
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_stays_empty() {
    let mut bench = Bench::new(vec![schema(vec![sum("b", input("a"))])]);
    let mut batch = Batch::new();
    bench.engine.process(&mut batch);
    assert!(batch.is_empty());
}
