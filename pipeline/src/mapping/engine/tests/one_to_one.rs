//! A series in, a series out.

use super::builder::*;
use crate::mapping::compiled::*;
use crate::mapping::engine::Options;
use crate::mapping::names::glob;

#[tokio::test(start_paused = true)]
async fn a_series_gets_its_new_name_and_labels_and_stays_an_integer() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a"))])]);
    let made = bench.map("resource {host=\"h\"}\ncounter a{model=\"m\",other=\"x\"} = 3\ngauge c = 1");
    assert_eq!(made, [r#"counter b{model="m"} = 3"#]);
    let batch = bench.engine.tick();
    assert!(batch.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_untyped_metric_is_a_number_of_which_the_exposition_says_so() {
    let rule = Rule { kind: Some(OutputKind::Untyped), ..one("b", input("a")) };
    let mut bench = Bench::new(vec![schema(vec![rule])]);
    let mut batch = bench.parse("counter a = 3\nhistogram a{x=1} = count 1 buckets inf:1");
    bench.engine.process(&mut batch);
    let text = crate::notation::write(&batch);
    assert_eq!(text, "about {prometheus.literal=true,prometheus.type=\"unknown\"}\ngauge b = 3\n");
}

#[tokio::test(start_paused = true)]
async fn a_dialect_keeps_resource_and_scope_and_what_it_does_not_know() {
    let mut bench = Bench::new(vec![dialect("vllm", vec![one("b", input("vllm:a"))])]);
    let mut batch = bench.parse("resource {host=\"h\"}\nscope \"s\" \"1\"\ngauge vllm:a = 3\ngauge c = 1");
    bench.engine.process(&mut batch);
    let text = crate::notation::write(&batch);
    let expected = "resource {host=\"h\"}\nscope \"s\" \"1\"\nabout {inferometer.dialect=\"vllm\"}\ngauge b = 3\n\
        about\ngauge c = 1\n";
    assert_eq!(text, expected);
}

#[tokio::test(start_paused = true)]
async fn a_name_with_total_is_also_the_counter_without_it() {
    let mut bench = Bench::new(vec![schema(vec![one("x", input("a_total")), one("y", input("b"))])]);
    assert_eq!(bench.map("counter a = 1\ncounter b_total = 2"), ["counter x = 1", "counter y = 2"]);
    assert!(bench.map("gauge b_total = 2\nupdown a = 3").is_empty());
}

#[tokio::test(start_paused = true)]
async fn units_are_converted_by_the_series_own_and_else_by_the_declared() {
    let rule = |input| Rule { unit: Some("ms".to_owned()), ..one("b", input) };
    let declared = Input { unit: Some("us".to_owned()), ..input("c") };
    let mut bench = Bench::new(vec![schema(vec![rule(input("a")), rule(declared)])]);
    let made = bench.map("gauge a{model=1} [s] = 2\ngauge c{model=2} = 2000\ngauge c{model=3} [s] = 2");
    let expected = [
        "gauge b{model=\"1\"} [ms] = 2000.0",
        "gauge b{model=\"2\"} [ms] = 2.0",
        "gauge b{model=\"3\"} [ms] = 2000.0",
    ];
    assert_eq!(made, expected);
    let made = bench.map("histogram a{model=4} [s] = count 3 sum 2.5 min 0.5 max 1.0 buckets 1.0:3 inf:0");
    assert_eq!(
        made,
        ["histogram b{model=\"4\"} [ms] = count 3 sum 2500.0 min 500.0 max 1000.0 buckets 1000.0:3 inf:0"]
    );
}

#[tokio::test(start_paused = true)]
async fn whole_numbers_are_rounded_after_all_else() {
    let whole = |name| Input { is_whole: true, ..input(name) };
    let percent = Rule { unit: Some("%".to_owned()), ..one("b", whole("a")) };
    let mut bench = Bench::new(vec![schema(vec![percent, one("d", whole("c"))])]);
    let made = bench.map("gauge a{model=1} [1] = 0.29\ngauge c{model=1} = 2.5\ngauge c{model=2} = -7");
    // Without it the first would be 28.999999999999996.
    assert_eq!(
        made,
        ["gauge b{model=\"1\"} [%] = 29.0", "gauge d{model=\"1\"} = 3.0", "gauge d{model=\"2\"} = -7"]
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_divided_by_a_whole_number_is_exact() {
    let rule = |metric, unit: &str, input| Rule { unit: Some(unit.to_owned()), ..one(metric, input) };
    let rules = vec![rule("t", "ms", input("t")), rule("p", "1", input("p"))];
    let mut bench = Bench::new(vec![schema(rules)]);
    // By 0.001 and 0.01 they would be 1.1000000000000001 and 0.07 with a tail.
    assert_eq!(
        bench.map("gauge t [us] = 1100\ngauge p [%] = 7"),
        ["gauge p [1] = 0.07", "gauge t [ms] = 1.1"]
    );
    let made = bench.map("histogram t{model=1} [us] = count 1 sum 4300.0 buckets 2900.0:0 inf:1");
    assert_eq!(made, ["histogram t{model=\"1\"} [ms] = count 1 sum 4.3 buckets 2.9:0 inf:1"]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_number_or_not_valid_is_absent() {
    let valid = Valid { at_least: Some(0.0), below: Some(9.0) };
    let mut bench =
        Bench::new(vec![schema(vec![one("b", input("a")), one("d", Input { valid, ..input("c") })])]);
    assert!(bench.map("gauge a = nan\ngauge c = -1\ngauge c = 9\ngauge c = inf").is_empty());
    assert_eq!(bench.map("gauge a = 1.5\ngauge c = 0"), ["gauge b = 1.5", "gauge d = 0"]);
    // What was there ends, once.
    assert_eq!(bench.map("gauge a = inf\ngauge c = nan"), ["gauge b = stale", "gauge d = stale"]);
    assert!(bench.map("gauge a = inf\ngauge c = nan").is_empty());
    assert_eq!(bench.map("gauge a = 2.5"), ["gauge b = 2.5"]);
}

#[tokio::test(start_paused = true)]
async fn parts_of_a_histogram_are_taken() {
    let take = |take| Input { take, ..input("h") };
    let rules = vec![
        one("n", take(Take::Count)),
        one("s", take(Take::Sum)),
        one("m", take(Take::Mean)),
        one("o", take(Take::One)),
    ];
    let mut bench = Bench::new(vec![schema(rules)]);
    let made = bench.map("histogram h = count 4 sum 2.0 buckets 1.0:4 inf:0");
    assert_eq!(made, ["counter n = 4", "counter s = 2.0", "gauge m = 0.5", "gauge o = 1"]);
    let made = bench.map("histogram h = count 0 sum 0.0 buckets 1.0:0 inf:0");
    assert_eq!(made, ["counter n = 0", "counter s = 0.0", "gauge m = stale", "gauge o = 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_age_of_a_time_is_counted_from_now() {
    let mut bench = Bench::new(vec![schema(vec![one("age", Input { take: Take::Age, ..input("start") })])]);
    assert_eq!(bench.map("gauge start = 90.5"), ["gauge age [s] = 9.5"]);
    after(5).await;
    assert_eq!(bench.map("gauge start = 90.5"), ["gauge age [s] = 14.5"]);
}

#[tokio::test(start_paused = true)]
async fn of_two_inputs_with_one_output_the_first_keeps_it_until_it_ends() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a"))])]);
    assert_eq!(bench.map("gauge a{host=1} = 1\ngauge a{host=2} = 2"), ["gauge b = 1"]);
    assert_eq!(bench.map("gauge a{host=2} = 2\ngauge a{host=1} = 3"), ["gauge b = 3"]);
    assert_eq!(bench.map("gauge a{host=1} = stale"), ["gauge b = stale"]);
    assert_eq!(bench.map("gauge a{host=2} = 4"), ["gauge b = 4"]);
    assert!(bench.map("gauge a{host=1} = 5").is_empty());
    // Silence ends it too.
    after(301).await;
    assert_eq!(bench.tick(), ["gauge b = stale"]);
    assert_eq!(bench.map("gauge a{host=1} = 6\ngauge a{host=2} = 7"), ["gauge b = 6"]);
}

#[tokio::test(start_paused = true)]
async fn the_first_live_input_of_the_list_has_the_metric() {
    let ranked = rule("b", vec![vec![input("first")], vec![input("second")]]);
    let mut bench = Bench::new(vec![schema(vec![ranked])]);
    assert_eq!(bench.map("gauge second = 2"), ["gauge b = 2"]);
    assert_eq!(bench.map("gauge first = 1\ngauge second = 2"), ["gauge b = 1"]);
    assert_eq!(bench.map("gauge second = 2\ngauge first = stale"), ["gauge b = stale"]);
    assert_eq!(bench.map("gauge second = 2\n"), ["gauge b = 2"]);
    assert_eq!(bench.map("gauge first = 1"), ["gauge b = 1"]);
    assert!(bench.tick().is_empty());
    after(301).await;
    assert_eq!(bench.map("gauge second = 2\n"), Vec::<String>::new());
    assert_eq!(bench.tick(), ["gauge b = stale"]);
    assert_eq!(bench.map("gauge second = 2\n"), ["gauge b = 2"]);
}

#[tokio::test(start_paused = true)]
async fn what_the_new_source_does_not_make_ends() {
    let ranked = rule("b", vec![vec![input("first")], vec![input("second")]]);
    let mut bench = Bench::new(vec![schema(vec![ranked])]);
    assert_eq!(bench.map("gauge second{model=1} = 2\ngauge second{model=2} = 2").len(), 2);
    assert_eq!(bench.map("gauge first{model=1} = 1"), ["gauge b{model=\"1\"} = 1"]);
    assert_eq!(bench.tick(), ["gauge b{model=\"2\"} = stale"]);
    assert!(bench.tick().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dialect_chooses_for_each_resource() {
    let ranked = rule("b", vec![vec![input("vllm:first")], vec![input("vllm:second")]]);
    let mut bench = Bench::new(vec![dialect("vllm", vec![ranked])]);
    let text = "resource {host=1}\ngauge vllm:first = 1\ngauge vllm:second = 2\nresource {host=2}\ngauge vllm:second = 3";
    assert_eq!(bench.map(text), ["gauge b = 1", "gauge b = 3"]);
}

#[tokio::test(start_paused = true)]
async fn foreign_names_are_taken_only_from_resources_that_speak_the_dialect() {
    let foreign = || Input { is_foreign: true, ..input("up") };
    let vllm = dialect("vllm", vec![one("v.up", foreign()), one("v.a", input("vllm:a"))]);
    let ray = dialect("ray", vec![one("r.up", foreign())]);
    let mut bench = Bench::new(vec![vllm, ray]);
    let text = "resource {host=1}\ngauge up = 1\nresource {host=2}\ngauge up = 1\ngauge vllm:a = 1\n\
        resource {inferometer.runner=\"ray\"}\ngauge up = 1";
    assert_eq!(
        bench.map(text),
        ["gauge r.up = 1", "gauge up = 1", "gauge up = 1", "gauge up = 1", "gauge v.a = 1", "gauge v.up = 1"]
    );
    // The first resource turns out to speak both.
    let text = "resource {host=1}\ngauge vllm:a = 1\ngauge ray:x = 1";
    assert_eq!(bench.map(text), ["gauge ray:x = 1", "gauge v.a = 1"]);
    let made = bench.map("resource {host=1}\ngauge up = 1");
    // What is not the runner's own stays.
    assert_eq!(made, ["gauge r.up = 1", "gauge up = 1", "gauge v.up = 1"]);
}

#[tokio::test(start_paused = true)]
async fn the_rest_is_what_no_other_rule_takes_and_a_drop_takes_too() {
    let prefix = |prefix: &str| input_from(From::Metric(NameMatch::Prefix(prefix.to_owned())));
    let rest = Rule {
        metric: Some(Template(vec![Part::Text("rest.".to_owned()), Part::Name])),
        is_rest: true,
        ..one("", prefix("a"))
    };
    let dropped = Rule { metric: None, ..one("", input("ab")) };
    let mut bench = Bench::new(vec![schema(vec![rest, dropped, one("x", input("aa"))])]);
    assert_eq!(bench.map("gauge aa = 1\ngauge ab = 2\ngauge ac = 3"), ["gauge rest.ac = 3", "gauge x = 1"]);
}

#[tokio::test(start_paused = true)]
async fn originals_stay_where_that_is_wanted() {
    let options = Options { keeps_originals: true };
    let mut bench = Bench::with(vec![schema(vec![one("b", input("a"))])], options);
    assert_eq!(bench.map("gauge a = 1\ngauge c = 2"), ["gauge a = 1", "gauge b = 1"]);
    // One that would be made again under its own name stays what it is.
    let corrected = Rule { kind: Some(OutputKind::Gauge), ..one("a", input("a")) };
    let mut bench = Bench::with(vec![dialect("d", vec![corrected])], options);
    assert_eq!(bench.map("counter a = 1"), ["counter a = 1"]);
}

#[tokio::test(start_paused = true)]
async fn a_series_that_died_and_came_back_has_its_output_at_once() {
    let mut bench = Bench::new(vec![schema(vec![one("b", input("a")), sum("c", input("d"))])]);
    assert_eq!(bench.map("gauge a = 1\ncounter d = 5"), ["counter c = 5", "gauge b = 1"]);
    bench.forget();
    assert_eq!(bench.map("gauge a = 2\ncounter d = 6"), ["counter c = 6", "gauge b = 2"]);
}

#[tokio::test(start_paused = true)]
async fn labels_are_the_first_that_is_there_translated_or_the_default() {
    let translate =
        vec![(glob("stop").unwrap(), "success".to_owned()), (glob("*.X").unwrap(), "other".to_owned())];
    let status = Label {
        translate,
        is_lower_tail: true,
        default: Some("none".to_owned()),
        ..label("status", &["reason"])
    };
    let labels = Labels { labels: vec![status, label("node", &["node", "resource:host"])], keep: Vec::new() };
    let mut bench = Bench::new(vec![schema(vec![one("b", Input { labels, ..input("a") })])]);
    let made = bench.map(
        "resource {host=\"h\"}\ngauge a{reason=\"stop\",node=\"n\"} = 1\ngauge a{reason=\"T.X\"} = 2\n\
         gauge a{reason=\"T.Y\"} = 3\ngauge a = 4",
    );
    let expected = [
        r#"gauge b{node="h",status="none"} = 4"#,
        r#"gauge b{node="h",status="other"} = 2"#,
        r#"gauge b{node="h",status="y"} = 3"#,
        r#"gauge b{node="n",status="success"} = 1"#,
    ];
    assert_eq!(made, expected);
}
