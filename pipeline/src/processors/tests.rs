//! Processors built from YAML and asked for a series, in one-line notation.

use std::sync::Arc;

use config::Section;

use super::PROCESSORS;
use crate::attributes::Attributes;
use crate::clock::Clock;
use crate::component::{Context, Processor, ProcessorEntry, SeriesProcessor};
use crate::metric::{Kind, Metric, Resource, Scope};
use crate::net::Net;
use crate::registry::Registry;
use crate::series::Series;
use crate::value::AnyValue;

fn context() -> Context {
    Context {
        id: "test".to_owned(),
        registry: Arc::new(Registry::new(100)),
        clock: Clock::starting_at(0),
        meter: opentelemetry::global::meter("test").into(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn entry(name: &str) -> &'static ProcessorEntry {
    PROCESSORS.iter().find(|entry| entry.name == name).unwrap()
}

fn build(name: &str, yaml: &str, context: &Context) -> Box<dyn SeriesProcessor> {
    let section = Section::from_yaml("processors.test", yaml).unwrap();
    match (entry(name).build)(&section, context) {
        Ok(Processor::Series(processor)) => processor,
        other => panic!("{yaml}: {other:?}"),
    }
}

fn attributes(text: &str) -> Attributes {
    Attributes::new(text.split_whitespace().map(|pair| {
        let (key, value) = pair.split_once('=').unwrap();
        let value = match (value.parse::<i64>(), value.parse::<f64>()) {
            (Ok(number), _) => AnyValue::Int(number),
            (_, Ok(number)) => AnyValue::Double(number),
            _ => AnyValue::from(value.trim_matches('"')),
        };
        (key.to_owned(), value)
    }))
}

/// `name | resource | attributes`, with text values quoted where they would read as numbers.
fn series(text: &str, context: &Context) -> Series {
    let parts: Vec<_> = text.split('|').collect();
    let resource = Resource { attributes: attributes(parts[1]), ..Resource::default() };
    let metric = Arc::new(Metric::new(parts[0].trim(), "1", Kind::Gauge));
    let registry = &context.registry;
    registry
        .series(&registry.resource(resource), &Arc::new(Scope::default()), &metric, attributes(parts[2]))
        .unwrap()
}

fn text(series: &Series) -> String {
    let pairs = |attributes: &Attributes| {
        let pair = |(key, value): (&str, crate::value::ValueRef<'_>)| match value.to_owned() {
            AnyValue::String(text) if text.parse::<f64>().is_ok() => format!("{key}=\"{text}\""),
            AnyValue::Double(number) => format!("{key}={number:?}"),
            value => format!("{key}={}", super::actions::text_of(&value)),
        };
        attributes.iter().map(pair).collect::<Vec<_>>().join(" ")
    };
    format!(
        "{} | {} | {}",
        series.metric().name,
        pairs(&series.resource().attributes),
        pairs(series.attributes())
    )
}

#[track_caller]
fn check(name: &str, yaml: &str, before: &str, after: &str) {
    let context = context();
    let processor = build(name, yaml, &context);
    let series = series(before, &context);
    let processed = processor.process(&series).unwrap();
    assert_eq!(processed.as_ref().map_or("DROPPED".to_owned(), text), after, "{yaml}");
    if before == after {
        assert_eq!(processed, Some(series), "unchanged should be the same series");
    }
}

#[track_caller]
fn check_problems(name: &str, yaml: &str, expected: &[&str]) {
    let section = Section::from_yaml("processors.test", yaml).unwrap();
    let problems = (entry(name).build)(&section, &context()).unwrap_err();
    let problems: Vec<_> = problems.0.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "`{problem}` should contain `{expected}`");
    }
}

#[test]
fn every_example_builds_and_prints_its_effective_form() {
    for entry in PROCESSORS {
        let section = Section::from_yaml("processors.example", entry.example).unwrap();
        (entry.build)(&section, &context()).unwrap_or_else(|problems| panic!("{}: {problems}", entry.name));
        (entry.effective)(&section).unwrap_or_else(|problems| panic!("{}: {problems}", entry.name));
        assert!(entry.about.ends_with('.'), "{}", entry.name);
    }
}

#[track_caller]
fn check_action(action: &str, before: &str, after: &str) {
    let (before, after) = (before.trim(), after.trim());
    check(
        "attributes",
        &format!("actions: [{action}]"),
        &format!("m | r=x | {before}"),
        &format!("m | r=x | {after}"),
    );
    check(
        "resource",
        &format!("attributes: [{action}]"),
        &format!("m | {before} | a=x"),
        &format!("m | {after} | a=x"),
    );
}

#[test]
fn insert_update_and_upsert_differ_in_what_must_be_there() {
    check_action("{key: k, value: new, action: insert}", "b=y", "b=y k=new");
    check_action("{key: k, value: new, action: insert}", "k=old", "k=old");
    check_action("{key: k, value: new, action: update}", "b=y", "b=y");
    check_action("{key: k, value: new, action: update}", "k=old", "k=new");
    check_action("{key: k, value: new, action: upsert}", "b=y", "b=y k=new");
    check_action("{key: k, value: new, action: upsert}", "k=old", "k=new");
}

#[test]
fn a_value_has_the_type_of_the_file_or_of_its_attribute() {
    check_action("{key: k, value: 5, action: upsert}", "b=y", "b=y k=5");
    check_action("{key: k, value: '5', action: upsert}", "b=y", "b=y k=\"5\"");
    check_action("{key: k, value: 0.5, action: upsert}", "b=y", "b=y k=0.5");
    check_action("{key: k, from_attribute: b, action: upsert}", "b=7", "b=7 k=7");
    check_action("{key: k, from_attribute: none, action: upsert}", "b=7", "b=7");
    check_action("{key: k, from_attribute: none, default_value: d, action: upsert}", "b=7", "b=7 k=d");
}

#[test]
fn delete_and_hash_go_by_key_and_pattern() {
    check_action("{key: k, action: delete}", "b=y k=v", "b=y");
    check_action("{pattern: ^x_, action: delete}", "b=y x_1=v x_2=w", "b=y");
    check_action("{key: b, pattern: ^x_, action: delete}", "b=y c=z x_1=v", "c=z");
    check_action("{key: k, action: hash}", "k=hello", "k=aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d");
    check_action(
        "{pattern: k, action: hash}",
        "b=y k1=hello",
        "b=y k1=aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d",
    );
    // SHA-1 of the eight bytes of 1, lowest first.
    check_action("{key: k, action: hash}", "k=1", "k=3da89ee273be13437e7ecf760f3fbd4dc0e8d1fe");
    check_action("{key: k, action: hash}", "b=y", "b=y");
}

#[test]
fn extract_writes_named_groups() {
    let action = r#"{key: k, pattern: "(?P<host>[a-z]+):(?P<port>[0-9]+)", action: extract}"#;
    check_action(action, "k=abc:80", "host=abc k=abc:80 port=\"80\"");
    check_action(action, "k=none", "k=none");
    check_action(action, "k=5", "k=5");
}

#[test]
fn convert_leaves_what_it_cannot() {
    check_action("{key: k, converted_type: int, action: convert}", "k=\"12\"", "k=12");
    check_action("{key: k, converted_type: int, action: convert}", "k=2.9", "k=2");
    check_action("{key: k, converted_type: int, action: convert}", "k=text", "k=text");
    check_action("{key: k, converted_type: double, action: convert}", "k=2", "k=2.0");
    check_action("{key: k, converted_type: string, action: convert}", "k=2", "k=\"2\"");
}

#[test]
fn actions_run_in_order() {
    check(
        "attributes",
        "actions: [{key: c, from_attribute: a, action: insert}, {key: a, action: delete}]",
        "m |  | a=v",
        "m |  | c=v",
    );
}

#[test]
fn attributes_of_other_metrics_stay() {
    let yaml = "{include: {match_type: regexp, metric_names: [cpu]}, exclude: {match_type: strict, metric_names: [cpu.x]}, actions: [{key: a, action: delete}]}";
    check("attributes", yaml, "sys.cpu.time |  | a=v", "sys.cpu.time |  | ");
    check("attributes", yaml, "cpu.x |  | a=v", "cpu.x |  | a=v");
    check("attributes", yaml, "mem |  | a=v", "mem |  | a=v");
    let yaml = "{include: {match_type: strict, resources: [{key: host, value: h1}]}, actions: [{key: a, action: delete}]}";
    check("attributes", yaml, "m | host=h1 | a=v", "m | host=h1 | ");
    check("attributes", yaml, "m | host=h2 | a=v", "m | host=h2 | a=v");
}

#[test]
fn every_problem_of_every_action_is_reported() {
    check_problems(
        "attributes",
        "actions: [{key: a}, {action: insert}, {key: a, action: extract, pattern: '(x)'}, {key: a, action: upsert, value: 1, from_attribute: b}, {key: k, action: delete, value: 1}, {key: k, action: upsert, from_context: metadata.x}]",
        &[
            "processors.test.actions[0]: needs an `action`",
            "processors.test.actions[1]: needs a `key`",
            "processors.test.actions[1]: needs either a `value` or `from_attribute`",
            "processors.test.actions[2]: the pattern `(x)` must have groups, all named",
            "processors.test.actions[3]: needs either a `value` or `from_attribute`",
            "processors.test.actions[4]: `value` means nothing for this action",
            "processors.test.actions[5]: `from_context` is not supported",
            "processors.test.actions[5]: needs either a `value`",
        ],
    );
    check_problems("resource", "", &["processors.test.attributes: needs at least one action"]);
    check_problems(
        "attributes",
        "{include: {metric_names: [a]}, exclude: {match_type: regexp, metric_names: ['(']}, actions: [{key: a, action: delete}]}",
        &[
            "processors.test.include.match_type: expected `strict` or `regexp`",
            "processors.test.exclude.metric_names[0]: cannot compile the pattern `(`",
        ],
    );
}

#[track_caller]
fn check_filter(yaml: &str, kept: &[&str], dropped: &[&str]) {
    for series in kept {
        check("filter", yaml, series, series);
    }
    for series in dropped {
        check("filter", yaml, series, "DROPPED");
    }
}

#[test]
fn filter_by_names() {
    check_filter(
        "metrics: {include: {match_type: strict, metric_names: [a, b]}}",
        &["a |  | ", "b |  | "],
        &["c |  | "],
    );
    check_filter(
        "metrics: {include: {match_type: regexp, metric_names: [^a]}, exclude: {match_type: strict, metric_names: [ab]}}",
        &["ac |  | "],
        &["ab |  | ", "b |  | "],
    );
    check_filter("metrics: {exclude: {match_type: regexp, metric_names: [x]}}", &["a |  | "], &["axb |  | "]);
}

#[test]
fn filter_by_the_resource() {
    check_filter(
        "metrics: {include: {match_type: strict, resource_attributes: [{key: h, value: one}, {key: p}]}}",
        &["a | h=one p=x | "],
        &["a | h=one | ", "a | h=two p=x | "],
    );
    check_filter(
        "metrics: {exclude: {match_type: regexp, metric_names: [^b$], resource_attributes: [{key: h, value: ^t}]}}",
        &["a | h=one | "],
        &["a | h=two | ", "b | h=one | "],
    );
}

#[test]
fn filter_by_conditions() {
    check_filter(
        r#"metrics: {metric: ['name == "a"', 'unit == "s"'], datapoint: ['attributes["k"] == "v"']}"#,
        &["b |  | k=w"],
        &["a |  | ", "b |  | k=v"],
    );
    check_filter(r#"metrics: {resource: ['attributes["h"] == nil']}"#, &["a | h=x | "], &["a |  | "]);
    check_filter(
        r#"metric_conditions: ['metric.name == "a"', {context: datapoint, conditions: ['attributes["k"] == 1'], error_mode: silent}]"#,
        &["b |  | k=2"],
        &["a |  | ", "b |  | k=1"],
    );
}

#[test]
fn every_problem_of_a_filter_is_reported() {
    check_problems("filter", "", &["processors.test: has nothing to filter by"]);
    check_problems(
        "filter",
        r#"metrics: {include: {metric_names: [a]}, exclude: {match_type: strict}, metric: ["name =="], datapoint: ["x"]}"#,
        &[
            "metrics.include.match_type: expected `strict` or `regexp`",
            "metrics.exclude: needs `metric_names` or `resource_attributes`",
            "metrics.metric[0]: ends at character 8",
            "metrics.datapoint[0]: `x` at character 1",
        ],
    );
}

#[test]
fn relabel_sees_the_name_and_attributes_as_labels() {
    check(
        "relabel",
        "rules: [{source_labels: [__name__], regex: 'a(.*)', target_label: __name__, replacement: 'z$1'}]",
        "ab | r=x | k=v",
        "zb | r=x | k=v",
    );
    check("relabel", "rules: [{source_labels: [k], regex: v, action: drop}]", "m |  | k=v", "DROPPED");
    check(
        "relabel",
        "rules: [{source_labels: [k], target_label: l, replacement: 'x$1'}, {regex: k, action: labeldrop}]",
        "m |  | k=v",
        "m |  | l=xv",
    );
    check("relabel", "rules: [{source_labels: [k], target_label: __tmp}]", "m |  | k=v", "m |  | k=v");
    check("relabel", "rules: [{action: labeldrop, regex: __name__}]", "m |  | k=v", "m |  | k=v");
}

#[test]
fn relabel_keeps_the_type_of_what_it_leaves_alone() {
    check("relabel", "rules: [{target_label: l, replacement: w}]", "m |  | k=5", "m |  | k=5 l=w");
    check(
        "relabel",
        "rules: [{source_labels: [k], target_label: k, replacement: '1$1'}]",
        "m |  | k=5",
        "m |  | k=\"15\"",
    );
    check("relabel", "rules: [{target_label: l, replacement: w}]", "m |  | k=", "m |  | k= l=w");
}

#[test]
fn relabel_lends_job_and_instance_for_reading() {
    let resource = "service.instance.id=i1 service.name=n";
    check(
        "relabel",
        "rules: [{source_labels: [job, instance], target_label: who}]",
        &format!("m | {resource} | "),
        &format!("m | {resource} | who=n;i1"),
    );
    check(
        "relabel",
        "rules: [{source_labels: [job], target_label: who}]",
        "m | service.name=n service.namespace=s | ",
        "m | service.name=n service.namespace=s | who=s/n",
    );
    check(
        "relabel",
        "rules: [{target_label: job, replacement: x}]",
        &format!("m | {resource} | "),
        &format!("m | {resource} | "),
    );
    check(
        "relabel",
        "rules: [{source_labels: [job], target_label: who}]",
        &format!("m | {resource} | job=own"),
        &format!("m | {resource} | job=own who=own"),
    );
}

#[test]
fn relabel_reports_every_problem() {
    check_problems(
        "relabel",
        "rules: [{action: hashmod, target_label: x}, {regex: '('}]",
        &[
            "rules[0]: the action `hashmod` needs a `modulus`",
            "rules[1]: the action `replace` needs a `target_label`",
            "rules[1]: cannot compile the pattern",
        ],
    );
    check_problems("relabel", "rules: []", &["processors.test.rules: needs at least one rule"]);
}
