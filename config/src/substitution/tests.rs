use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::problem::Problems;
use crate::section::Section;
use crate::values::Secret;

const ENVIRONMENT: [(&str, &str); 9] = [
    ("HOST", "db.local"),
    ("PORT", "4317"),
    ("ZIP", "0123"),
    ("EMPTY", ""),
    ("LIST", "[a, b]"),
    ("NAME", "HOST"),
    ("MAP", "a: b # c"),
    ("SLY", "x\"\nadmin: true\n${env:HOST} $$"),
    ("BOOL", "true"),
];

fn apply(text: &str) -> (Node, Vec<String>, Vec<Problem>) {
    let environment = ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let mut substitution = Substitution::new(&environment);
    let mut node = yaml::parse("x.yaml", text).unwrap();
    substitution.apply(&mut node, "");
    (node, substitution.warnings, substitution.problems)
}

/// What a field of any type reads, as JSON.
#[track_caller]
fn check(value: &str, json: &str) {
    let (node, _, problems) = apply(&format!("v: {value}"));
    assert_eq!(problems, []);
    let read: BTreeMap<String, serde_json::Value> = Section::new("", &node, None).read().unwrap();
    assert_eq!(read["v"].to_string(), json, "{value}");
}

/// What a text field reads.
#[track_caller]
fn check_text(value: &str, expected: &str) {
    let (node, _, problems) = apply(&format!("v: {value}"));
    assert_eq!(problems, []);
    let section = Section::new("", &node, None);
    assert_eq!(section.read::<BTreeMap<String, String>>().unwrap()["v"], expected, "{value}");
    assert_eq!(section.read::<BTreeMap<String, Secret>>().unwrap()["v"].reveal(), expected, "{value}");
}

#[track_caller]
fn check_problem(value: &str, expected: &str) {
    let (_, _, problems) = apply(&format!("v: {value}"));
    assert_eq!(Problems(problems).to_string(), expected, "{value}");
}

#[track_caller]
fn check_warnings(value: &str, expected: &[&str]) {
    let (_, warnings, problems) = apply(&format!("v: {value}"));
    assert_eq!(problems, []);
    assert_eq!(warnings, expected, "{value}");
}

#[test]
fn a_whole_value_is_read_as_yaml_and_as_text_where_text_is_wanted() {
    check("${env:PORT}", "4317");
    check("'${env:PORT}'", "4317");
    check("${PORT}", "4317");
    check("${env:BOOL}", "true");
    check("${env:LIST}", r#"["a","b"]"#);
    check("${env:EMPTY}", r#""""#);
    check_text("${env:ZIP}", "0123");
    check_text("${env:BOOL}", "true");
    check_text("${env:LIST}", "[a, b]");
    check_text("${env:MAP}", "a: b # c");
    check_text("${env:EMPTY}", "");
}

#[test]
fn a_part_of_a_value_is_put_in_as_text() {
    check_text("http://${env:HOST}:${PORT}/", "http://db.local:4317/");
    check_text("${env:ZIP}${env:ZIP}", "01230123");
    check("0${env:PORT}", r#""04317""#);
}

#[test]
fn what_comes_in_changes_no_structure_and_is_not_looked_through_again() {
    check_text("\"<${env:SLY}>\"", "<x\"\nadmin: true\n${env:HOST} $$>");
    check_text("${env:SLY}", "x\"\nadmin: true\n${env:HOST} $$");
    check("'${env:SLY}'", r#""x\"\nadmin: true\n${env:HOST} $$""#);
}

#[test]
fn a_default_is_taken_only_where_the_variable_is_not_set() {
    check("${env:NO:-5}", "5");
    check("${NO:-5}", "5");
    check_text("${env:NO:-0123}", "0123");
    check_text("${env:NO:-}", "");
    check_text("${env:EMPTY:-x}", "");
    check_text("${env:NO:-http://a:-b}", "http://a:-b");
    check_text("a ${env:NO:-${env:NEITHER:-b}} c", "a b c");
}

#[test]
fn references_are_resolved_from_the_inside() {
    check_text("${env:${env:NAME}}", "db.local");
    check_text("${${NAME}}", "db.local");
    check_text("${env:NO:-${env:HOST}}", "db.local");
    check_text("${env:H${yaml:OS}T}", "db.local");
}

#[test]
fn two_dollars_are_one() {
    check_text("$$1", "$1");
    check_text("$${env:HOST}", "${env:HOST}");
    check_text("$$${env:HOST}", "$db.local");
    check_text("$$$$", "$$");
    check_text("$1-$", "$1-$");
    check_text("^a$", "^a$");
}

#[test]
fn nothing_is_in_the_place_of_what_is_not_set() {
    check("${env:NO}", "null");
    check_text("a${env:NO}b", "ab");
    let warning = "x.yaml:1:4: v: `${env:NO}` is not set, so there is nothing in its place; \
                   `${env:NO:-DEFAULT}` gives a default";
    check_warnings("${env:NO}", &[warning]);
    check_warnings("${env:HOST:-${env:NO}}", &[]);
}

#[test]
fn a_name_without_braces_stays_and_warns_where_it_is_a_variable() {
    check_warnings("$HOST:1", &["x.yaml:1:4: v: `$HOST` is not replaced; write `${env:HOST}`"]);
    check_warnings("$UNKNOWN $1", &[]);
}

#[test]
fn what_is_no_reference_is_a_problem() {
    check_problem(
        "${env:HOST",
        "x.yaml:1:4: v: `${` is not closed with `}`; write `$${` for the text itself",
    );
    check_problem(
        "${1}",
        "x.yaml:1:4: v: `${1}` does not name an environment variable; write `$${1}` for the text itself",
    );
    check_problem(
        "${env:}",
        "x.yaml:1:4: v: `${env:}` does not name an environment variable; write `$${env:}` for the text itself",
    );
    check_problem(
        "${vault:x}",
        "x.yaml:1:4: v: `${vault:x}` is not known; known are `${env:NAME}` and `${file:PATH}`, and \
         `$${vault:x}` is the text itself",
    );
    check_problem(
        "${file:/no/such}",
        "x.yaml:1:4: v: cannot read the file of `${file:/no/such}`: No such file or directory (os error 2)",
    );
    let deep = format!("{}{}", "${".repeat(100), "}".repeat(100));
    check_problem(&deep, "x.yaml:1:4: v: more than 16 references within one another");
}

#[test]
fn the_content_of_a_variable_is_in_no_error() {
    let (_, warnings, problems) = apply("a: ${env:${env:SLY}}\nb: ${${env:MAP}}\nc: ${file:/${env:HOST}}");
    let text = format!("{warnings:?} {}", Problems(problems));
    assert!(text.contains("${env:SLY}") && !text.contains("admin") && !text.contains("db.local"), "{text}");
}

#[test]
fn a_file_is_put_in_without_its_last_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    std::fs::write(&path, "hunter2: x\n").unwrap();
    check_text(&format!("${{file:{}}}", path.display()), "hunter2: x");
    check_text(&format!("Bearer ${{file:{}}}", path.display()), "Bearer hunter2: x");
    check_text(&format!("${{file:{}/no:-none}}", folder.path().display()), "none");
}

#[test]
fn values_in_lists_and_maps_are_replaced_and_keys_are_not() {
    let (node, _, _) = apply("a: [{b: '${HOST}'}]\n${HOST}: 1\n");
    assert_eq!(node.find("a[0].b").node.as_text().as_deref(), Some("db.local"));
    assert!(node.find("${HOST}").complete);
}

proptest! {
    #[test]
    fn any_text_is_replaced_or_refused(text in r"([$]|[{]|[}]|:|-|env|HOST|NO|.){0,20}") {
        let pieces = reference::parse(&text);
        if !text.contains('$') && !text.is_empty() {
            prop_assert_eq!(pieces, Ok(vec![Piece::Text(text.clone())]));
        }
    }

    #[test]
    fn any_variable_reads_back_as_the_same_text(value in "\\PC{0,30}|[a-z:#{}\\[\\]\"' \n\t,&*!|>%@`$-]{0,12}") {
        let environment = [("V".to_owned(), value.clone())];
        let mut substitution = Substitution::new(&environment);
        let mut node = yaml::parse("x", "v: ${env:V}\nw: <${V}>").unwrap();
        substitution.apply(&mut node, "");
        let read: BTreeMap<String, String> = Section::new("", &node, None).read().unwrap();
        prop_assert_eq!(&read["v"], &value);
        prop_assert_eq!(&read["w"], &format!("<{value}>"));
    }
}
