use std::collections::BTreeMap;
use std::fs;

use proptest::prelude::*;
use serde::Deserialize;

use super::*;
use crate::values::{Duration, Secret};

/// Files in a folder of their own, and the other sources.
struct Case {
    folder: tempfile::TempDir,
    sources: Sources,
}

fn yaml(text: &str) -> Case {
    Case::default().file("a.yaml", text)
}

impl Default for Case {
    fn default() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), sources: Sources::default() }
    }
}

impl Case {
    fn file(mut self, name: &str, text: &str) -> Self {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        self.sources.files.push(path);
        self
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.sources.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    fn flag(mut self, flag: &str) -> Self {
        self.sources.overrides.push(flag.to_owned());
        self
    }

    fn defaults(mut self, text: &str) -> Self {
        self.sources.defaults = Some(text.to_owned());
        self
    }

    fn load(&self) -> Document {
        Document::load(&self.sources).unwrap_or_else(|problems| panic!("{problems}"))
    }

    /// The problems, with the folder cut off.
    fn problems(&self) -> String {
        self.cut(&Document::load(&self.sources).unwrap_err().to_string())
    }

    fn cut(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// The value at a path, as JSON.
    fn value(&self, path: &str) -> String {
        let value: serde_json::Value = self.load().section(path).read().unwrap();
        value.to_string()
    }

    #[track_caller]
    fn has(&self, path: &str, json: &str) {
        assert_eq!(self.value(path), json, "{path}");
    }
}

#[test]
fn a_file_is_read_in_its_order() {
    let case = yaml("receivers:\n  otlp:\n    x: 1\n  host: {}\nexporters:\n  a/b: {}\n");
    let document = case.load();
    assert_eq!(document.keys(), ["receivers", "exporters"]);
    let receivers = document.entries("receivers").unwrap();
    let ids: Vec<_> = receivers.iter().map(|(id, section)| (id.as_str(), section.path())).collect();
    assert_eq!(ids, [("otlp", "receivers.otlp"), ("host", "receivers.host")]);
    assert!(document.entries("processors").unwrap().is_empty());
    assert_eq!(case.cut(&document.source_of("receivers.otlp.x").unwrap()), "a.yaml:3:8");
    assert_eq!(document.source_of("receivers.otlp.y"), None);
}

#[test]
fn later_files_win_and_lists_are_replaced() {
    let case = yaml("a: {b: 1, c: [1, 2]}\nd: 1\n").file("b.toml", "[a]\nc = [3]\ne = \"x\"\n");
    case.has("", r#"{"a":{"b":1,"c":[3],"e":"x"},"d":1}"#);
    assert_eq!(case.cut(&case.load().source_of("a.e").unwrap()), "b.toml:3:5");
    assert_eq!(case.cut(&case.load().source_of("a.b").unwrap()), "a.yaml:1:8");
}

#[test]
fn a_null_in_a_later_file_deletes_a_map_and_an_empty_map_does_not() {
    let base = "processors: {batch: {x: 1}}\nreceivers: {otlp: {}}\n";
    yaml(base).file("b.yaml", "processors:\n").has("", r#"{"processors":null,"receivers":{"otlp":{}}}"#);
    let kept = yaml(base).file("b.yaml", "processors: {}\n");
    kept.has("processors", r#"{"batch":{"x":1}}"#);
    let again =
        yaml(base).file("b.yaml", "processors:\n").file("c.json", r#"{"processors": {"filter": {}}}"#);
    again.has("processors", r#"{"filter":{}}"#);
}

#[test]
fn a_map_without_a_value_is_empty() {
    let document = yaml("receivers:\nprocessors: {}\n").load();
    assert!(document.entries("receivers").unwrap().is_empty());
    assert!(document.section("receivers").keys().is_empty());
    assert!(yaml("").load().keys().is_empty());
    assert!(yaml("# nothing\n").load().keys().is_empty());
}

#[test]
fn a_map_that_is_none_is_a_problem_with_its_place() {
    let case = yaml("receivers: [otlp]\n");
    let problems = case.load().entries("receivers").unwrap_err().to_string();
    assert_eq!(case.cut(&problems), "a.yaml:1:1: receivers: expected a map, got a list");
}

#[derive(Debug, Deserialize, PartialEq, Default)]
#[serde(default, deny_unknown_fields)]
struct Typed {
    port: u16,
    name: String,
    token: Secret,
    timeout: Duration,
    insecure: bool,
    ratio: f64,
    targets: Vec<String>,
    labels: BTreeMap<String, String>,
    limit: Option<u32>,
}

#[test]
fn the_environment_sets_values_whatever_the_case_of_the_keys() {
    let case = yaml("exporters:\n  otlp_http/mimir:\n    port: 1\n  Mixed: {}\n")
        .variable("INFEROMETER__EXPORTERS__OTLP_HTTP_MIMIR__PORT", "4318")
        .variable("INFEROMETER__EXPORTERS__MIXED__NAME", "0123")
        .variable("INFEROMETER__EXPORTERS__NEW__TOKEN", "0123")
        .variable("INFEROMETER_CONFIG", "ignored")
        .variable("HOME", "/root");
    let exporters = case.load().entries("exporters").unwrap();
    let read = |index: usize| exporters[index].1.read::<Typed>().unwrap();
    assert_eq!(read(0), Typed { port: 4318, ..Typed::default() });
    assert_eq!(read(1), Typed { name: "0123".into(), ..Typed::default() });
    assert_eq!(read(2), Typed { token: Secret::new("0123"), ..Typed::default() });
    assert_eq!(exporters[2].0, "new");
    let source = case.load().source_of("exporters.new.token").unwrap();
    assert_eq!(source, "environment INFEROMETER__EXPORTERS__NEW__TOKEN");
}

#[test]
fn flags_win_over_everything() {
    let case = yaml("a: {port: 1, name: file}\n")
        .defaults("a: {port: 0, ratio: 0.5}\n")
        .variable("INFEROMETER__A__PORT", "2")
        .flag("a.port=3")
        .flag("a::labels::x.y=z")
        .flag(r#"a.labels."b.c"=0123"#)
        .flag("a.targets=[x, y]")
        .flag("a.timeout=15s");
    let labels = [("x.y", "z"), ("b.c", "0123")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    let expected = Typed {
        port: 3,
        name: "file".into(),
        timeout: Duration::from_secs(15),
        ratio: 0.5,
        targets: vec!["x".into(), "y".into()],
        labels: BTreeMap::from(labels),
        ..Typed::default()
    };
    assert_eq!(case.load().section("a").read::<Typed>().unwrap(), expected);
    assert_eq!(case.load().source_of("a.port").unwrap(), "--set a.port");
    assert_eq!(case.load().source_of("a.ratio").unwrap(), "built-in default:1:21");
}

#[track_caller]
fn check_problems(case: &Case, expected: &str) {
    assert_eq!(case.problems(), expected);
}

#[test]
fn what_is_no_yaml_says_where() {
    let check = |text: &str, expected: &str| check_problems(&yaml(text), expected);
    check("a: 1\nb: [1, 2\n", "a.yaml:2:4: cannot read this as YAML: unclosed bracket '['");
    check(
        "a:\n\tb: 1\n",
        "a.yaml:2:2: cannot read this as YAML: tabs disallowed within this context (block indentation)",
    );
    check("a: 1\na: 2\n", "a.yaml:2:1: `a` is there already in this map");
    check("a: {b: 1, b: 2}\n", "a.yaml:1:11: `b` is there already in this map");
    check("a: *x\n", "a.yaml:1:4: cannot read this as YAML: alias references unknown anchor");
    check("- a\n", "a.yaml:1:1: expected a map such as `receivers: ...` at the top");
    check("text\n", "a.yaml:1:1: expected a map such as `receivers: ...` at the top");
    check("? [a, b]\n: 1\n", "a.yaml:1:3: cannot read this as YAML: expected string scalar");
    check("a: 'x\n", "a.yaml:1:4: cannot read this as YAML: unclosed quote");
    check(
        "a: b: c\n",
        "a.yaml:1:5: cannot read this as YAML: mapping values are not allowed in this context",
    );
    let second = "a.yaml:3:1: a second document begins here; give it a file of its own";
    check("a: 1\n---\nb: 1\n", second);
}

#[test]
fn a_reference_without_quotes_in_a_flow_map_gets_a_hint() {
    check_problems(
        &yaml("a: {b: ${env:X}, c: 1}\n"),
        "a.yaml:1:9: cannot read this as YAML: while parsing a flow mapping, did not find expected ',' or '}'; \
         within `[]` and `{}`, put `${...}` in quotes",
    );
    yaml("a: {b: '${env:X}', c: 1}\n").variable("X", "y").has("a", r#"{"b":"y","c":1}"#);
}

#[test]
fn what_is_no_toml_says_where() {
    let check = |text: &str, expected: &str| check_problems(&Case::default().file("a.toml", text), expected);
    check(
        "a = 1\nb = \n",
        "a.toml:2:5: cannot read this as TOML: string values must be quoted, expected literal string",
    );
    check("a = 1\na = 2\n", "a.toml:2:1: cannot read this as TOML: duplicate key");
    check(
        "[x]\na = \"secret\n",
        "a.toml:2:12: cannot read this as TOML: invalid basic string, expected `\"`",
    );
}

#[test]
fn what_is_no_json_says_where() {
    let check = |text: &str, expected: &str| check_problems(&Case::default().file("a.json", text), expected);
    check("{\"a\": 1,\n \"a\": 2}", "a.json:2:2: `a` is there already in this map");
    check(
        "{\"a\": 1,\n \"b\": [}",
        "a.json:2:7: cannot read this as YAML: mismatched bracket '[' closed by '}'",
    );
}

#[test]
fn json_is_read_with_its_escapes_and_tabs() {
    let case = Case::default()
        .file("a.json", "{\n\t\"a\": \"\\ud83d\\ude00\\/\\u00e9\",\n\t\"b\": [1, 2.5, null, true]\n}\n");
    case.has("", "{\"a\":\"😀/é\",\"b\":[1,2.5,null,true]}");
    assert_eq!(case.cut(&case.load().source_of("b").unwrap()), "a.json:3:7");
}

#[test]
fn toml_is_read_with_its_tables() {
    let text = "a.b = 1\n[receivers.\"x/y.z\"]\nat = 2024-01-02\nlist = [1, 0x10]\n[[targets]]\nurl = 'x'\n[[targets]]\nurl = 'y'\n";
    let case = Case::default().file("a.toml", text);
    case.has("", r#"{"a":{"b":1},"receivers":{"x/y.z":{"at":"2024-01-02","list":[1,16]}},"targets":[{"url":"x"},{"url":"y"}]}"#);
    let source = |path: &str| case.cut(&case.load().source_of(path).unwrap());
    assert_eq!(source("a.b"), "a.toml:1:7");
    assert_eq!(source("receivers.x/y.z.list"), "a.toml:4:8");
    assert_eq!(source("receivers.\"x/y.z\""), "a.toml:2:1");
    assert_eq!(source("targets[1].url"), "a.toml:8:7");
}

#[test]
fn yaml_is_read_with_anchors_and_merge_keys() {
    let case = yaml("base: &base {x: 1, y: 2}\na:\n  <<: *base\n  y: 3\nb: *base\n");
    case.has("a", r#"{"x":1,"y":3}"#);
    case.has("b", r#"{"x":1,"y":2}"#);
}

#[test]
fn bombs_do_not_go_off() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for index in 1..12 {
        let aliases = vec![format!("*a{}", index - 1); 10].join(", ");
        text = format!("{text}a{index}: &a{index} [{aliases}]\n");
    }
    let message = "this is nested deeper than 48 levels or has more than 250000 values";
    check_problems(&yaml(&text), &format!("a.yaml:6:15: {message}"));
    check_problems(&yaml(&format!("a: {}", "{a: ".repeat(100))), &format!("a.yaml:1:192: {message}"));
    let path = "a.".repeat(10_000);
    for text in [format!("{path}a = 1"), format!("[{path}a]")] {
        let case = Case::default().file("a.toml", &text);
        check_problems(&case, "a.toml:1:1: cannot read this as TOML: recursion limit");
    }
    let shown = &path[..120];
    let flag = yaml("").flag(&format!("{path}a=1"));
    check_problems(&flag, &format!("--set {shown}: the path has more than 48 keys"));
    let deep = (0..200).fold(String::new(), |text, depth| text + &" ".repeat(depth) + "a:\n");
    check_problems(&yaml(&deep), &format!("a.yaml:49:49: {message}"));
    check_problems(
        &yaml(&"[".repeat(100_000)),
        "a.yaml:1:49: cannot read this as YAML: recursion limit exceeded",
    );
    check_problems(
        &Case::default().file("a.toml", &format!("a = {}", "[".repeat(100_000))),
        "a.toml:1:85: cannot read this as TOML: cannot recurse further; max recursion depth met",
    );
    check_problems(
        &yaml(&"#".repeat((16 << 20) + 1)),
        "a.yaml: cannot read the file: it is larger than 16 MiB",
    );
}

#[test]
fn everything_that_cannot_be_read_is_reported_at_once() {
    let mut case = yaml("a: [\n").variable("INFEROMETER__A____B", "1").flag("x").flag("a..b=1").flag("b=[");
    case.sources.files.push(case.folder.path().join("missing.yaml"));
    case.sources.files.push("http://localhost/a.yaml".into());
    case.sources.files.push("env:NOT_SET".into());
    fs::write(case.folder.path().join("latin1.yaml"), b"a: \xe9\n").unwrap();
    case.sources.files.push(case.folder.path().join("latin1.yaml"));
    check_problems(
        &case,
        "a.yaml:1:4: cannot read this as YAML: unclosed bracket '['
missing.yaml: cannot read the file: No such file or directory (os error 2)
http://localhost/a.yaml: configuration is not fetched over the network; give a file
env:NOT_SET: the variable is not set
latin1.yaml: cannot read the file: it is not UTF-8 from byte 3 on
environment INFEROMETER__A____B: a: the name has an empty key; it must be `INFEROMETER__KEY__KEY`
--set: expected `path=value`, found no `=`
--set a..b: the path has an empty key
--set b: b: cannot read this as YAML: unclosed bracket '['",
    );
}

#[test]
fn a_path_into_a_list_or_a_value_cannot_be_set() {
    let case = yaml("a: [1]\nb: 1\n").variable("INFEROMETER__A__0", "2").flag("a.0=2").flag("b.c=2");
    check_problems(
        &case,
        "environment INFEROMETER__A__0: a: there is no `0` in it, for it is a list; set it as a whole
--set a.0: a: there is no `0` in it, for it is a list; set it as a whole
--set b.c: b: there is no `c` in it, for it is a single value; set it as a whole",
    );
}

#[test]
fn a_variable_that_may_mean_two_keys_means_none() {
    let case = yaml("c: {x-y: 1, x.y: 2}\n").variable("INFEROMETER__C__X_Y", "3");
    check_problems(
        &case,
        "environment INFEROMETER__C__X_Y: c: `X_Y` may be `x-y` or `x.y`; use `--set` instead",
    );
    let exact = yaml("c: {x-y: 1, x_y: 2}\n").variable("INFEROMETER__C__X_Y", "3");
    exact.has("c", r#"{"x-y":1,"x_y":3}"#);
}

#[test]
fn a_problem_names_the_source_of_its_value_and_keeps_it_secret() {
    let case = yaml("a:\n  name: x\n  labels: ${env:LABELS}\n")
        .variable("INFEROMETER__A__PORT", "secret")
        .variable("LABELS", "{a: {b: hunter2}}")
        .variable("T", "hunter2")
        .flag("a.timeout=5")
        .flag("a.insecure=${env:T}")
        .flag("a.ratio=x");
    let section = case.load().section("a");
    let problems = section.read::<Typed>().unwrap_err().to_string();
    let expected = "a.yaml:3:11: a.labels: expected text, got the value of ${env:LABELS}
environment INFEROMETER__A__PORT: a.port: expected a whole number, not below 0, got the value of \
INFEROMETER__A__PORT
--set a.timeout: a.timeout: expected a duration such as `15s` or `1m30s`, got `5`
--set a.insecure: a.insecure: expected `true` or `false`, got the value of ${env:T}
--set a.ratio: a.ratio: expected a number, got the text `x`";
    assert_eq!(case.cut(&problems), expected);
    assert_eq!(
        section.problem("port", "`secret` is no port, secret").to_string(),
        "environment INFEROMETER__A__PORT: a.port: the value of INFEROMETER__A__PORT is no port, \
         the value of INFEROMETER__A__PORT"
    );
}

#[test]
fn a_section_remembers_what_it_said_and_not_where() {
    let before = yaml("a: {token: '${env:T}', port: 1}\nb: 1\n").variable("T", "x");
    let moved = yaml("b: 2\n\na:\n  port: 1\n  token: x\n");
    let changed = yaml("a: {token: '${env:T}', port: 1}\nb: 1\n").variable("T", "y");
    let section = |case: &Case| case.load().section("a");
    assert_eq!(section(&before), section(&moved));
    assert_ne!(section(&before), section(&changed));
}

#[test]
fn the_sources_do_not_print_variables() {
    let case = yaml("").variable("TOKEN", "hunter2");
    let printed = format!("{:?} {:?}", case.sources, case.load());
    assert!(printed.contains("TOKEN") && !printed.contains("hunter2"), "{printed}");
}

#[test]
fn a_map_stands_where_a_file_wrote_it() {
    let case = yaml("x: 1\na:\n  port: 1\n").variable("INFEROMETER__A__PORT", "2").flag("b.c=1");
    let document = case.load();
    let problem = |path: &str, key: &str| case.cut(&document.section(path).problem(key, "no").to_string());
    assert_eq!(problem("a", "name"), "a.yaml:2:1: a.name: no");
    assert_eq!(problem("", "a.name"), "a.yaml:2:1: a.name: no");
    assert_eq!(problem("a", "port"), "environment INFEROMETER__A__PORT: a.port: no");
    assert_eq!(problem("b", "d"), "--set b.c: b.d: no");
    assert_eq!(problem("", "service"), "a.yaml:1:1: service: no");
}

fn model(below: serde_json::Value, above: serde_json::Value) -> serde_json::Value {
    use serde_json::Value::Object;
    match (below, above) {
        (Object(mut below), Object(above)) => {
            for (key, value) in above {
                let merged = match below.remove(&key) {
                    Some(under) => model(under, value),
                    None => value,
                };
                below.insert(key, merged);
            }
            Object(below)
        }
        (_, above) => above,
    }
}

fn layer() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::json!(null)),
        (0..9_i32).prop_map(|number| serde_json::json!(number)),
        "[a-c.]{0,2}".prop_map(|text: String| serde_json::json!(text)),
    ];
    let tree = leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(|list| serde_json::json!(list)),
            prop::collection::btree_map("[a-c.]{1,2}", inner, 0..4).prop_map(|map| serde_json::json!(map)),
        ]
    });
    prop::collection::btree_map("[a-c]", tree, 0..4).prop_map(|map| serde_json::json!(map))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn layers_are_merged_as_a_model_says(layers in prop::collection::vec(layer(), 1..5)) {
        let mut case = Case::default();
        for (index, layer) in layers.iter().enumerate() {
            case = case.file(&format!("{index}.json"), &layer.to_string());
        }
        let read: serde_json::Value = case.load().section("").read().unwrap();
        let expected = layers.into_iter().reduce(model).unwrap();
        prop_assert_eq!(read, expected);
    }
}

#[test]
fn a_folder_is_no_file() {
    let mut case = Case::default();
    case.sources.files.push(case.folder.path().join("."));
    assert!(case.problems().contains("cannot read the file"), "{}", case.problems());
}

#[test]
fn whole_configurations_may_stand_in_a_variable_or_an_argument() {
    let mut case = Case::default().variable("CONFIG", "a: {port: 1}");
    case.sources.files.push("env:CONFIG".into());
    case.sources.files.push("yaml:a::name: x".into());
    case.has("a", r#"{"name":"x","port":1}"#);
}
