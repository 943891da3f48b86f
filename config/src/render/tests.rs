use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::section::Section;

fn value(json: &serde_json::Value) -> Value {
    Value::serialize(json).unwrap()
}

#[track_caller]
fn check(json: &serde_json::Value, expected: &str) {
    assert_eq!(render_yaml(&value(json)), expected);
}

#[test]
fn maps_and_lists_are_blocks() {
    check(
        &json!({"b": {"c": [1, {"x": "t", "z": []}, [2, 3]], "d": {}}, "a": null}),
        "a: null
b:
  c:
    - 1
    - x: t
      z: []
    - - 2
      - 3
  d: {}
",
    );
    check(&json!([1, 2]), "- 1\n- 2\n");
    check(&json!({}), "{}\n");
    check(&json!("a"), "a\n");
}

#[test]
fn texts_are_quoted_where_they_would_be_something_else() {
    for plain in [
        "localhost:4317",
        "http://a.b:1/c",
        "a b",
        "<redacted>",
        "/metrics",
        "15s",
        "64MiB",
        "0.0.0.0:4317",
        "$1",
    ] {
        check(&json!({ "v": plain }), &format!("v: {plain}\n"));
    }
    for quoted in [
        "0123",
        "1_000",
        "0x1F",
        "0b1",
        "12:30:45",
        "2024-01-02",
        "1.5",
        "1e3",
        "true",
        "No",
        "null",
        "",
        " a",
        "a ",
        "a: b",
        "a:",
        "- a",
        "#",
        "*a",
        "[a]",
        "~",
        "a, b",
        "<<",
        "{}",
    ] {
        check(&json!({ "v": quoted }), &format!("v: \"{quoted}\"\n"));
    }
    check(&json!({"v": "a\"b\\\n\t\u{1}é"}), "v: \"a\\\"b\\\\\\n\\t\\U00000001é\"\n");
}

#[test]
fn numbers_keep_their_kind() {
    check(
        &json!([1, -1, 1.0, 1.5, u64::MAX, 1e300]),
        "- 1\n- -1\n- 1.0\n- 1.5\n- 18446744073709551615\n- 1e300\n",
    );
    let infinite = Value::serialize([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]).unwrap();
    assert_eq!(render_yaml(&infinite), "- .inf\n- -.inf\n- .nan\n");
}

fn tree() -> impl Strategy<Value = serde_json::Value> {
    let text = "\\PC{0,12}|[a-z:#{}\\[\\]\"' \n\t\r,&*!|>%@`$~?=<.-]{0,8}|[0-9eExo._+-]{1,6}";
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(|bool| json!(bool)),
        any::<i64>().prop_map(|number| json!(number)),
        any::<u64>().prop_map(|number| json!(number)),
        (-1e12..1e12).prop_map(|number: f64| json!(number)),
        text.prop_map(|text: String| json!(text)),
    ];
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(|list| json!(list)),
            prop::collection::btree_map(text, inner, 0..6).prop_map(|map| json!(map)),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_as_it_was(tree in tree()) {
        let text = render_yaml(&value(&json!({ "v": tree })));
        let section = Section::from_yaml("x", &text);
        let section = section.map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
        let read: BTreeMap<String, serde_json::Value> = section.read().unwrap();
        prop_assert_eq!(&read["v"], &tree, "{}", text);
    }

    #[test]
    fn json_reads_as_it_was(tree in tree()) {
        let text = serde_json::to_string_pretty(&json!({ "v": tree })).unwrap();
        let section = Section::from_yaml("x", &text);
        let section = section.map_err(|problems| TestCaseError::fail(format!("{problems}\n{text}")))?;
        let read: BTreeMap<String, serde_json::Value> = section.read().unwrap();
        prop_assert_eq!(&read["v"], &tree, "{}", text);
    }
}
