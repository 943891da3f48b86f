//! Inputs that ask where a series comes from.

use super::builder::*;
use crate::mapping::compiled::*;
use crate::mapping::version::Range;

const DURATION: &str = "gen_ai.server.duration";

fn of(runner: Runner) -> Input {
    Input { runner: Some(runner), ..input(DURATION) }
}

fn named(name: &str) -> Runner {
    Runner::Named(name.to_owned())
}

/// A metric that a dialect makes, and a push of the same name: the runner's own first.
fn both() -> (Bench, Bench) {
    let dialects = Bench::new(vec![dialect("vllm", vec![one(DURATION, input("vllm:duration"))])]);
    let ranked = rule("b", vec![vec![of(Runner::Any)], vec![input(DURATION)]]);
    let schemas = Bench::new(vec![schema(vec![Rule { combine: Some(Combine::Sum), ..ranked }])]);
    (dialects, schemas)
}

/// What both make of a batch, one behind the other.
fn through((dialects, schemas): &mut (Bench, Bench), text: &str) -> Vec<String> {
    let mut batch = dialects.parse(text);
    dialects.engine.process(&mut batch);
    schemas.map(&crate::notation::write(&batch))
}

#[tokio::test(start_paused = true)]
async fn what_a_dialect_makes_says_so_beside_what_it_said_before() {
    let mut bench = Bench::new(vec![dialect("vllm", vec![one("b", input("vllm:a"))])]);
    let mut batch = bench.parse("about \"h\" {prometheus.type=\"gauge\"}\ngauge vllm:a = 1");
    bench.engine.process(&mut batch);
    let metric = batch.iter().next().unwrap().series.metric().clone();
    let said =
        metric.metadata.iter().map(|(key, value)| (key.to_owned(), value.as_str().unwrap_or_default()));
    let expected = [("inferometer.dialect", "vllm"), ("prometheus.type", "gauge")];
    assert_eq!(said.collect::<Vec<_>>(), expected.map(|(key, value)| (key.to_owned(), value)));
}

#[tokio::test(start_paused = true)]
async fn the_runners_own_metric_comes_before_one_of_the_same_name_that_is_pushed() {
    let mut both = both();
    let resource = "resource {instance=1}";
    let pushed = "resource {service.name=\"app\"}\ncounter gen_ai.server.duration = ";
    assert_eq!(through(&mut both, &format!("{pushed}100")), ["counter b = 100"]);
    let made = through(&mut both, &format!("{resource}\ncounter vllm:duration = 90\n{pushed}101"));
    assert_eq!(made, ["counter b = 100"]);
    let made = through(&mut both, &format!("{resource}\ncounter vllm:duration = 95\n{pushed}180"));
    assert_eq!(made, ["counter b = 105"]);
    // The runner is gone, and the push goes on from there.
    let made = through(&mut both, &format!("{resource}\ncounter vllm:duration = stale\n{pushed}181"));
    assert_eq!(made, ["counter b = 106"]);
}

#[track_caller]
fn check(runner: Runner, text: &str, is_taken: bool) {
    let mut bench = Bench::new(vec![schema(vec![one("b", of(runner.clone()))])]);
    assert_eq!(!bench.map(text).is_empty(), is_taken, "{runner:?} {text}");
}

#[tokio::test(start_paused = true)]
async fn a_runner_is_known_by_its_mark_and_by_its_resource() {
    let mark = "about \"\" {inferometer.dialect=\"vllm\"}\ngauge gen_ai.server.duration = 1";
    let told = "resource {inferometer.runner=\"vllm\"}\ngauge gen_ai.server.duration = 1";
    let neither = "gauge gen_ai.server.duration = 1";
    for from_runner in [mark, told] {
        check(named("vllm"), from_runner, true);
        check(named("sglang"), from_runner, false);
        check(Runner::Any, from_runner, true);
        check(Runner::Absent, from_runner, false);
    }
    check(named("vllm"), neither, false);
    check(Runner::Any, neither, false);
    check(Runner::Absent, neither, true);
}

#[tokio::test(start_paused = true)]
async fn a_range_of_versions_takes_those_within_and_none_that_is_not_known() {
    let version = Some(Range::parse(">=0.9.2,<0.11").unwrap());
    let mut bench = Bench::new(vec![schema(vec![one("b", Input { version, ..input("a") })])]);
    assert!(bench.map("gauge a = 1\nresource {service.version=\"0.11.0\"}\ngauge a = 1").is_empty());
    assert_eq!(bench.map("resource {service.version=\"0.10.1\"}\ngauge a = 2"), ["gauge b = 2"]);
}
