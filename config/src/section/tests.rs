use std::collections::BTreeMap;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::values::{ByteSize, Duration, Secret};

fn section(text: &str) -> Section {
    Section::from_yaml("x", text).unwrap()
}

const TEXT: &str = "
grpc:
  endpoint: a
  tls:
targets:
  - name: b
    url: c
\"a.b\": {c: 1}
none:
";

#[track_caller]
fn check_place(key: &str, expected: &str) {
    assert_eq!(section(TEXT).problem(key, "wrong").to_string(), expected);
}

#[test]
fn a_key_can_be_taken_out() {
    let section = Section::from_yaml("x", "{grpc: {keepalive: {time: 5s}, endpoint: a}, b.c: 1}").unwrap();
    let left = section.without("grpc.keepalive").unwrap();
    assert_eq!((left.has("grpc.keepalive"), left.has("grpc.endpoint")), (false, true));
    assert!(left != section && section.has("grpc.keepalive.time"));
    assert!(!section.without("b.c").unwrap().has("b.c"));
    for key in ["keepalive", "grpc.keepalive.timeout", "grpc.endpoint.a", ""] {
        assert!(section.without(key).is_none(), "{key}");
    }
}

#[test]
fn a_problem_has_the_place_of_its_key_or_of_the_nearest_above() {
    check_place("grpc.endpoint", "x:3:13: x.grpc.endpoint: wrong");
    check_place("grpc", "x:2:1: x.grpc: wrong");
    check_place("grpc.tls", "x:4:3: x.grpc.tls: wrong");
    check_place("grpc.tls.ca_file", "x:4:3: x.grpc.tls.ca_file: wrong");
    check_place("grpc.keepalive.time", "x:2:1: x.grpc.keepalive.time: wrong");
    check_place("targets[0].url", "x:7:10: x.targets[0].url: wrong");
    check_place("targets.0.url", "x:7:10: x.targets.0.url: wrong");
    check_place("targets[0]", "x:6:5: x.targets[0]: wrong");
    check_place("targets[7].url", "x:5:1: x.targets[7].url: wrong");
    check_place("a.b.c", "x:8:12: x.a.b.c: wrong");
    check_place("\"a.b\".c", "x:8:12: x.\"a.b\".c: wrong");
    check_place("missing", "x:2:1: x.missing: wrong");
    check_place("", "x:2:1: x: wrong");
}

#[test]
fn parts_are_sections() {
    let section = section(TEXT);
    assert_eq!(section.keys(), ["grpc", "targets", "a.b", "none"]);
    assert_eq!(section.section("grpc").keys(), ["endpoint", "tls"]);
    assert_eq!(section.section("grpc").path(), "x.grpc");
    assert_eq!(
        section.section("grpc.keepalive").read::<BTreeMap<String, String>>().unwrap(),
        BTreeMap::new()
    );
    let ids: Vec<_> = section.entries().unwrap().into_iter().map(|(id, part)| (id, part.path)).collect();
    assert_eq!(ids[2], ("a.b".to_owned(), "x.\"a.b\"".to_owned()));
    assert!(section.has("grpc.tls") && section.has("none") && !section.has("grpc.x"));
    assert!(section.section("none").entries().unwrap().is_empty());
    let error = section.section("targets").entries().unwrap_err();
    assert_eq!(error.to_string(), "x:5:1: x.targets: expected a map, got a list");
}

#[test]
fn sections_are_equal_when_they_say_the_same() {
    let same = |a: &str, b: &str| section(a) == section(b);
    assert!(same("a: 1\nb: {c: [x]}", "\n\nb:\n  c:\n  - 'x'\na: 1"));
    assert!(!same("a: 1", "a: 2"));
    assert!(!same("a: 1", "a: '1'"));
    assert!(!same("a: 0123", "a: 123"));
    assert!(!same("a: [1, 2]", "a: [2, 1]"));
    assert!(!same("a: 1", "a: 1\nb:"));
    assert!(same("a: .nan", "a: .nan"));
}

#[test]
fn a_section_does_not_print_its_values() {
    let printed = format!("{:?}", section("token: hunter2"));
    assert_eq!(printed, r#"Section { path: "x", keys: ["token"], .. }"#);
}

#[derive(Debug, Deserialize, Serialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Config {
    token: Secret,
    timeout: Duration,
    headers: BTreeMap<String, Secret>,
}

#[test]
fn the_effective_section_has_all_defaults_and_no_secrets() {
    let value = effective::<Config>(&section("token: hunter2\nheaders: {a: b}")).unwrap();
    let expected = "headers:\n  a: <redacted>\ntimeout: 0s\ntoken: <redacted>\n";
    assert_eq!(crate::render_yaml(&value), expected);
}

#[test]
fn a_secret_is_in_no_error() {
    let texts = [
        "token: [hunter2]",
        "token: {hunter2: hunter2}",
        "headers: hunter2",
        "headers: [hunter2]",
        "headers: {a: [hunter2]}",
        "timeout: {hunter2: 1}",
        "tokn: hunter2",
        "{token: hunter2, tokn: hunter2}",
    ];
    for text in texts {
        let problems = section(text).read::<Config>().unwrap_err().to_string();
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}

#[derive(Debug, Deserialize, Default)]
#[serde(default, deny_unknown_fields)]
struct Anything {
    a: u8,
    b: Vec<Anything>,
    c: BTreeMap<String, Anything>,
    d: Option<Box<Anything>>,
    e: Duration,
    f: ByteSize,
    g: Option<Choice>,
    h: (u8, String),
    i: char,
    j: Option<Tagged>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(dead_code, reason = "only read, to see that nothing panics")]
enum Choice {
    A,
    B(Box<Anything>),
    C { a: u8, d: String },
    D(u8, u8),
}

#[derive(Debug, Deserialize)]
#[serde(tag = "a", rename_all = "lowercase")]
#[expect(dead_code, reason = "only read, to see that nothing panics")]
enum Tagged {
    A,
    B { b: u8, c: Vec<Duration> },
}

/// Flow YAML of maps with keys of one letter, so that many of them fit somewhere.
fn flow() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just(String::new()),
        "[0-9]{1,3}",
        "[a-j]",
        Just("1s".to_owned()),
        Just("'x, y'".to_owned()),
        Just("-1.5".to_owned()),
        Just("true".to_owned()),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        let members = prop::collection::btree_map("[a-j]", inner.clone(), 0..6);
        prop_oneof![
            prop::collection::vec(inner, 0..4).prop_map(|list| format!("[{}]", list.join(", "))),
            members.prop_map(|map| {
                let members: Vec<_> = map.into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
                format!("{{{}}}", members.join(", "))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "(\\PC|[\n\t]){0,60}|[a-d:#{}\\[\\]\"' \n\t,&*!|>%@`$<-]{0,40}") {
        if let Ok(section) = Section::from_yaml("x", &text) {
            let _ = section.read::<Anything>();
            let _ = section.problem(&text, &text);
        }
        let _ = crate::toml::parse("x", &text);
    }

    #[test]
    fn any_tree_is_read_or_has_problems(text in flow()) {
        if let Ok(section) = Section::from_yaml("x", &text)
            && let Err(problems) = section.read::<Anything>()
        {
            prop_assert!(!problems.0.is_empty(), "{}", text);
            for problem in problems.0 {
                prop_assert!(problem.location.is_some(), "{}", problem);
            }
        }
    }
}

fn made(text: &str) -> Result<(), String> {
    let section = Section::from_yaml("x", text).unwrap();
    let made = section.build(|config: BTreeMap<String, u16>| {
        let zeros = config.iter().filter(|(_, value)| **value == 0);
        let mut problems: Vec<_> = zeros.map(|(key, _)| section.problem(key, "expected above 0")).collect();
        if !config.contains_key("a") {
            problems.push(section.problem("a", "missing"));
        }
        if problems.is_empty() { Ok(()) } else { Err(Problems(problems)) }
    });
    made.map_err(|problems| problems.to_string())
}

#[test]
fn what_is_found_later_stands_beside_what_does_not_fit() {
    assert_eq!(made("{a: 1, b: 2}"), Ok(()));
    assert_eq!(made("{a: 1, b: 0}").unwrap_err(), "x:1:11: x.b: expected above 0");
    let both = "x:1:5: x.b: expected above 0
x:1:11: x.c: expected a whole number, not below 0, got the text `d`";
    assert_eq!(made("{b: 0, c: d, a: 1}").unwrap_err(), both);
    assert_eq!(made("{b: 2, c: d, a: 1}").unwrap_err(), both.lines().last().unwrap());
}

#[test]
fn what_follows_from_a_problem_is_not_reported() {
    assert_eq!(
        made("a: d").unwrap_err(),
        "x:1:4: x.a: expected a whole number, not below 0, got the text `d`"
    );
    let related = |one: &str, other: &str| {
        let problem = |path: &str| Problem::new(path, "wrong");
        Problems(vec![problem(one)]).and([problem(other)]).0.len() == 1
    };
    assert!(
        related("x.a", "x.a") && related("x.a", "x") && related("x", "x.a[0].b") && related("x.a[1]", "x.a")
    );
    assert!(!related("x.a", "x.ab") && !related("x.a", "x.b") && !related("x.a[1]", "x.a[10]"));
}

#[test]
fn defaults_lie_under_what_the_section_says() {
    let section = section("a: 1\nqueue: {size: 5, batch: }\nlist: [1]\nnothing:\n");
    let over = section
        .over("preset", "a: 2\nb: 3\nqueue: {size: 1, batch: {min: 7}, old: 8}\nlist: [2, 3]\nnothing: 4\n");
    let read: serde_json::Value = over.unwrap().read().unwrap();
    let expected = serde_json::json!({
        "a": 1, "b": 3, "queue": {"size": 5, "batch": {"min": 7}, "old": 8}, "list": [1], "nothing": 4,
    });
    assert_eq!(read, expected);
}

#[test]
fn a_problem_with_a_default_names_where_it_comes_from() {
    let over = section("a: 1\nb: 2\n").over("preset", "\nc: {d: 1}\nb: 3\n").unwrap();
    assert_eq!(over.problem("b", "wrong").to_string(), "x:2:4: x.b: wrong");
    assert_eq!(over.problem("c.d", "wrong").to_string(), "preset:2:8: x.c.d: wrong");
}
