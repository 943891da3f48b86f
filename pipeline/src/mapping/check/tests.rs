//! Mappings in YAML: what good ones become, and what is said of bad ones.

mod bad;

use std::collections::BTreeMap;

use crate::mapping::compiled::*;
use crate::mapping::names::is_match;
use crate::mapping::{Loaded, load};

const SCHEMA: &str = "mapping: test\nkind: schema\nabout: For tests.\n";
const DIALECT: &str =
    "mapping: test\nkind: dialect\nabout: For tests.\nvocabulary: [\"run:*\"]\ndetect: [\"run:*\"]\n";

#[track_caller]
fn loaded(head: &str, rest: &str) -> Loaded {
    load("test.yaml", &format!("{head}{rest}"), &BTreeMap::new())
        .unwrap_or_else(|problems| panic!("{problems}"))
}

fn inputs(rule: &Rule) -> Vec<&Input> {
    match &rule.inputs {
        Inputs::Ranked(ranked) => ranked.iter().flatten().collect(),
        other => panic!("{other:?}"),
    }
}

fn name(rule: &Rule) -> String {
    match rule.metric.as_ref().unwrap().0.as_slice() {
        [Part::Text(text)] => text.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn rules_come_behind_those_they_are_made_of() {
    let mapping = loaded(
        SCHEMA,
        r#"
rules:
  - {metric: share, type: gauge, unit: "1", help: h., ratio: {of: a, to: b}}
  - {metric: twice, type: gauge, unit: "1", help: h., from: {metric: share, scale: 2}}
  - {metric: a, type: gauge, unit: "", hidden: true, from: {metric: up}}
  - {metric: b, type: gauge, unit: "", hidden: true, constant: 1}
"#,
    )
    .mapping;
    let names: Vec<_> = mapping.rules.iter().map(name).collect();
    assert_eq!(names, ["a", "b", "share", "twice"]);
    assert!(matches!(mapping.rules[2].inputs, Inputs::Ratio { of: 0, to: 1 }));
    assert!(matches!(inputs(&mapping.rules[3])[0].from, From::Rule(2)));
    assert_eq!(mapping.rules[2].place, "test.yaml:6");
}

#[test]
fn inputs_are_ranked_and_those_of_an_element_belong_together() {
    let mapping = loaded(
        SCHEMA,
        r#"
inputs: {"vllm:prompt_tokens": {type: counter, unit: "{token}"}}
rules:
  - metric: m
    type: counter
    unit: ""
    help: h.
    combine: sum
    from:
      - metric: gen_ai.server.requests
        where: {error.type: {present: true}, "resource:a": [x, 1], "scope:b": {not: y, or_absent: true}}
        version: ">=0.9"
        runner: vllm
      - all:
          - {metric: "vllm:prompt_tokens_total"}
          - {metric: gen_ai.server.request.duration, take: count, valid: {at_least: 0}}
"#,
    )
    .mapping;
    let Inputs::Ranked(ranked) = &mapping.rules[0].inputs else { panic!() };
    assert_eq!(ranked.iter().map(Vec::len).collect::<Vec<_>>(), [1, 2]);
    let first = &ranked[0][0];
    assert_eq!(first.conditions[0].of, Place::Point("error.type".to_owned()));
    assert_eq!(first.conditions[0].test.present, Some(true));
    assert_eq!(first.conditions[1].of, Place::Resource("a".to_owned()));
    assert_eq!(first.conditions[1].test.one_of, Some(vec!["x".to_owned(), "1".to_owned()]));
    assert_eq!(first.conditions[2].test.none_of, ["y"]);
    assert!(first.conditions[2].or_absent && first.version.as_ref().unwrap().contains("0.9.2"));
    assert_eq!(ranked[1][1].take, Take::Count);
    assert_eq!(ranked[1][1].valid.at_least, Some(0.0));
}

#[test]
fn labels_of_the_input_are_over_the_rules_and_these_over_the_files() {
    let yaml = r#"
parameters:
  cluster: {about: c., default: c1}
  empty: {about: c., default: ""}
labels:
  cluster: {parameter: cluster}
  nothing: {parameter: empty}
  gone: x
  node: "resource:host.name"
rules:
  - metric: m
    type: gauge
    unit: "1"
    help: h.
    labels: {gone: null, kind: {value: a}, state: {from: [p, q], translate: {"R.*": r, "*": o}, default: d, lower_tail: true}}
    keep: [engine, "tp_*"]
    from: [{metric: up, labels: {kind: {value: b}}}, {metric: other}]
  - {metric: other, type: gauge, unit: "1", hidden: true, from: {metric: up}}
"#;
    let mapping = loaded(SCHEMA, yaml).mapping;
    let rule = mapping.rules.iter().find(|rule| name(rule) == "m").unwrap();
    let input = inputs(rule)[0];
    let label =
        |input: &Input, name: &str| input.labels.labels.iter().find(|label| label.name == name).cloned();
    let text = |text: &str| vec![Template(vec![Part::Text(text.to_owned())])];
    assert_eq!(label(input, "kind").unwrap().from, text("b"));
    assert_eq!(label(input, "cluster").unwrap().from, text("c1"));
    assert!(label(input, "nothing").unwrap().from.is_empty());
    assert!(label(input, "gone").is_none());
    let state = label(input, "state").unwrap();
    assert!(
        state.is_lower_tail
            && is_match(&state.translate[0].0, "R.x")
            && !is_match(&state.translate[0].0, "Rx")
    );
    assert!(is_match(&state.translate[1].0, "") && state.from.len() == 2);
    assert!(is_match(&input.labels.keep[1], "tp_rank") && !is_match(&input.labels.keep[1], "pp_rank"));
    // What another rule gives has the labels of the file already.
    let of_rule = inputs(rule)[1];
    let node = Template(vec![Part::Attribute(Place::Point("node".to_owned()))]);
    assert_eq!(label(of_rule, "node").unwrap().from, [node]);
    assert_eq!(label(of_rule, "cluster").unwrap().from, text("c1"));
}

#[test]
fn names_outside_the_vocabulary_are_foreign() {
    let mapping = loaded(
        DIALECT,
        r#"
inputs:
  queue_size: {type: gauge, unit: "{request}", about: q.}
rules:
  - {metric: a, type: gauge, unit: "{request}", help: h., from: [{metric: "run:x"}, {metric: queue_size}]}
  - {metric: "b.${1}", type: gauge, from: [{pattern: "run:(.*)_perc"}, {pattern: "queue_(.*)"}]}
  - {from: {prefix: "run:"}, rest: true}
  - {drop: [{metric: "run:debug"}, {prefix: queue_}]}
"#,
    )
    .mapping;
    let foreign = |rule: &Rule| inputs(rule).iter().map(|input| input.is_foreign).collect::<Vec<_>>();
    let all: Vec<_> = mapping.rules.iter().map(foreign).collect();
    assert_eq!(all, [vec![false, true], vec![false, true], vec![false], vec![false, true]]);
    assert!(mapping.keeps_unmapped && mapping.rules[3].metric.is_none());
    assert_eq!(mapping.rules[2].metric, Some(Template(vec![Part::Name])));
    assert_eq!(mapping.rules[1].metric.as_ref().unwrap().0[1], Part::Group(1));
}

#[test]
fn a_rule_may_pass_on_the_metric_whose_name_it_has() {
    let mapping = loaded(
        SCHEMA,
        "rules: [{metric: up, type: gauge, unit: '1', help: h., from: {metric: up}, labels: {job: 'resource:service.name'}}]",
    )
    .mapping;
    assert!(
        matches!(&inputs(&mapping.rules[0])[0].from, From::Metric(NameMatch::Exact(name)) if name == "up")
    );
}

#[test]
fn what_is_derived_is_compiled() {
    let mapping = loaded(
        SCHEMA,
        r#"
labels: {cluster: {value: c}}
rules:
  - {metric: r, type: gauge, unit: "{token}/s", help: h., combine: sum, rate: 1m, from: {metric: gen_ai.server.generation_tokens}}
  - {metric: q, type: summary, unit: ms, help: h., combine: sum, quantiles: [0.5, 0.9], from: {metric: gen_ai.server.request.duration}}
  - {metric: i, type: histogram, unit: "{token}/s", help: h., invert: true, from: {metric: gen_ai.server.time_per_output_token}}
  - metric: s
    type: gauge
    unit: "{node}"
    help: h.
    combine: count
    zero: [{status: healthy}, {status: offline}]
    from: {metric: up}
    states: {label: status, of: [{state: healthy, value: {at_least: 1}}, {state: offline, silent: 30s}, {state: degraded}]}
  - {metric: z, type: counter, unit: "{request}", help: h., combine: sum, zero: true, from: {metric: gen_ai.server.requests}}
"#,
    )
    .mapping;
    let seconds = std::time::Duration::from_secs;
    assert_eq!(mapping.rules[0].derive, Some(Derive::Rate { window: seconds(60) }));
    let quantiles = Derive::Quantiles { quantiles: vec![0.5, 0.9], window: seconds(300) };
    assert_eq!(mapping.rules[1].derive, Some(quantiles));
    assert_eq!(mapping.rules[2].derive, Some(Derive::Invert));
    let states = mapping.rules[3].states.as_ref().unwrap();
    assert!(matches!(states.of[1].1, StateTest::Silent(after) if after == seconds(30)));
    assert!(matches!(states.of[2].1, StateTest::Otherwise));
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(mapping.rules[3].zero[0], [pair("status", "healthy"), pair("cluster", "c")]);
    assert_eq!(mapping.rules[4].zero, [vec![pair("cluster", "c")]]);
}

#[test]
fn parameters_take_their_defaults_and_nothing_else() {
    let yaml = format!("{SCHEMA}parameters: {{a: {{about: The a.}}, cluster: {{about: b., default: x}}}}\n");
    let given = |pairs: &[(&str, &str)]| {
        let given = pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        load("test.yaml", &yaml, &given).map(drop).map_err(|problems| problems.to_string())
    };
    assert_eq!(given(&[("a", "1")]), Ok(()));
    assert_eq!(given(&[]).unwrap_err(), "parameters.a: must be given, it has no default: The a.");
    assert!(given(&[("a", "1"), ("clutser", "")]).unwrap_err().contains("did you mean `cluster`?"));
}

#[test]
fn endpoints_are_read() {
    let file = loaded(
        SCHEMA,
        r#"
facade: {port: 3000, port_variable: PORT}
endpoints:
  - {path: /metrics, metrics: ["m_*"]}
  - {path: /x, format: json, port: 1, body: {total: {$metric: m_a, round: 0}}}
rules: [{metric: m_a, type: gauge, unit: "", help: h., constant: 1}]
"#,
    )
    .file;
    assert_eq!(file.facade.unwrap().port, Some(3000));
    assert_eq!(file.endpoints[1].body.as_ref().unwrap()["total"]["$metric"], "m_a");
    assert_eq!(file.endpoints[0].status, 200);
}

#[test]
fn what_the_conventions_say_need_not_be_said_again() {
    let mapping =
        loaded(DIALECT, "rules: [{metric: gen_ai.server.requests.running, from: {metric: 'run:x'}}]").mapping;
    let rule = &mapping.rules[0];
    assert_eq!((rule.kind, rule.unit.as_deref()), (Some(OutputKind::Gauge), Some("{request}")));
    assert_eq!(rule.help.as_deref(), Some("Requests being worked on."));
}

#[test]
fn a_label_may_be_made_of_several_attributes_where_one_alone_is_missing() {
    let mapping = loaded(
        SCHEMA,
        r#"
rules:
  - metric: m
    type: gauge
    unit: ""
    help: h.
    from: {metric: up}
    labels: {id: {from: [id, "${model}@${resource:service.instance.id}"]}}
"#,
    )
    .mapping;
    let from = &inputs(&mapping.rules[0])[0].labels.labels[0].from;
    assert_eq!(from[0].0, [Part::Attribute(Place::Point("id".to_owned()))]);
    assert_eq!(
        from[1].0,
        [
            Part::Attribute(Place::Point("model".to_owned())),
            Part::Text("@".to_owned()),
            Part::Attribute(Place::Resource("service.instance.id".to_owned())),
        ]
    );
}

#[test]
fn a_default_may_be_the_name_of_this_machine() {
    let rest = r#"
parameters: {node: {about: The node., default: "${host.name}"}}
rules: [{metric: m, type: gauge, unit: "", help: h., constant: 1, labels: {node: {parameter: node}}}]
"#;
    let mapping = loaded(SCHEMA, rest).mapping;
    let Inputs::Constant { labels, .. } = &mapping.rules[0].inputs else { panic!() };
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    assert_eq!(labels.labels[0].from[0].0, [Part::Text(name.trim().to_owned())]);
}
