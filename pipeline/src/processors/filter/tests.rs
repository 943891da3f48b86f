//! Conditions: what holds for what, and what an error says.

use std::sync::Arc;

use proptest::prelude::*;

use super::condition::{Condition, Level};
use crate::attributes::Attributes;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::registry::Registry;
use crate::series::Series;
use crate::value::AnyValue;

fn series() -> Series {
    let registry = Registry::new(10);
    let kind = Kind::Sum { temporality: Temporality::Cumulative, is_monotonic: true };
    let attributes = Attributes::new([
        ("k".to_owned(), AnyValue::from("v")),
        ("number".to_owned(), AnyValue::Int(3)),
        ("ratio".to_owned(), AnyValue::Double(0.5)),
        ("flag".to_owned(), AnyValue::Bool(true)),
    ]);
    let resource = Resource {
        attributes: Attributes::of_strings([("host.name", "h1"), ("service.name", "vllm")]),
        ..Resource::default()
    };
    let scope = Scope { name: "lib".to_owned(), version: "1.2".to_owned(), ..Scope::default() };
    let metric = Metric::new("http.requests", "{request}", kind).with_description("All of them.");
    registry.series(&Arc::new(resource), &Arc::new(scope), &Arc::new(metric), attributes).unwrap()
}

#[track_caller]
fn check(level: Level, text: &str, expected: bool) {
    let condition = Condition::parse(text, level).unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(condition.holds(&series()), expected, "{text}");
}

#[test]
fn a_condition_on_the_metric() {
    check(Level::Metric, r#"name == "http.requests""#, true);
    check(Level::Metric, r#"name != "http.requests""#, false);
    check(Level::Metric, r#"metric.name == "http.requests""#, true);
    check(Level::Metric, r#"IsMatch(name, "^http")"#, true);
    check(Level::Metric, r#"IsMatch(name, "quest")"#, true);
    check(Level::Metric, r#"IsMatch(name, "^quest") == false"#, true);
    check(Level::Metric, r#"HasPrefix(name, "http.") and HasSuffix(name, "s")"#, true);
    check(Level::Metric, "type == METRIC_DATA_TYPE_SUM", true);
    check(Level::Metric, "type == METRIC_DATA_TYPE_GAUGE", false);
    check(Level::Metric, r#"unit == "{request}" and description != """#, true);
    check(Level::Metric, "is_monotonic", true);
    check(Level::Metric, "is_monotonic == false", false);
    check(Level::Metric, "aggregation_temporality == AGGREGATION_TEMPORALITY_CUMULATIVE", true);
    check(Level::Metric, r#"HasAttrKeyOnDatapoint("k")"#, true);
    check(Level::Metric, r#"HasAttrKeyOnDatapoint("none")"#, false);
    check(Level::Metric, r#"HasAttrOnDatapoint("k", "v")"#, true);
    check(Level::Metric, r#"HasAttrOnDatapoint("k", "w")"#, false);
    check(Level::Metric, r#"resource.attributes["host.name"] == "h1""#, true);
    check(Level::Metric, r#"instrumentation_scope.name == "lib" and scope.version == "1.2""#, true);
}

#[test]
fn a_condition_on_the_point_and_the_resource() {
    check(Level::Datapoint, r#"attributes["k"] == "v""#, true);
    check(Level::Datapoint, r#"attributes["none"] == nil"#, true);
    check(Level::Datapoint, r#"attributes["none"] != nil"#, false);
    check(Level::Datapoint, r#"attributes["k"] != nil"#, true);
    check(Level::Datapoint, r#"IsMatch(attributes["k"], "^[uv]$")"#, true);
    check(Level::Datapoint, r#"IsMatch(attributes["none"], ".*")"#, false);
    check(Level::Datapoint, r#"IsMatch(attributes["number"], "^3$")"#, true);
    check(Level::Datapoint, r#"metric.name == "http.requests" and attributes["k"] == "v""#, true);
    check(Level::Resource, r#"attributes["service.name"] == "vllm""#, true);
    check(Level::Any, r#"datapoint.attributes["k"] == "v" and metric.name == "x""#, false);
    check(Level::Any, r#"resource.attributes["service.name"] == "vllm""#, true);
}

#[test]
fn values_compare_within_their_type() {
    check(Level::Datapoint, r#"attributes["number"] == 3"#, true);
    check(Level::Datapoint, r#"attributes["number"] == 3.0"#, true);
    check(Level::Datapoint, r#"attributes["number"] == "3""#, false);
    check(Level::Datapoint, r#"attributes["number"] != "3""#, true);
    check(Level::Datapoint, r#"attributes["number"] >= -3 and attributes["number"] < 4"#, true);
    check(Level::Datapoint, r#"attributes["ratio"] <= 0.5 and attributes["ratio"] > 0"#, true);
    check(Level::Datapoint, r#"attributes["flag"] == true"#, true);
    check(Level::Datapoint, r#"attributes["none"] < 4"#, false);
    check(Level::Datapoint, r#"IsInt(attributes["number"]) and not IsString(attributes["number"])"#, true);
    check(Level::Datapoint, r#"IsBool(attributes["flag"]) and IsDouble(attributes["ratio"])"#, true);
}

#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    check(Level::Metric, "true or true and false", true);
    check(Level::Metric, "(true or true) and false", false);
    check(Level::Metric, "not false and false", false);
    check(Level::Metric, "not (false and false)", true);
    check(Level::Metric, r#"name == "a\"\\" or name=="http.requests""#, true);
}

#[track_caller]
fn check_error(level: Level, text: &str, expected: &str) {
    let error = Condition::parse(text, level).err().unwrap_or_else(|| panic!("{text} should be refused"));
    assert!(error.contains(expected), "{text}: {error}");
}

#[test]
fn an_error_says_where() {
    check_error(Level::Metric, "", "ends at character 1, expected a condition");
    check_error(Level::Metric, "name", "expected a comparison such as `== \"x\"`");
    check_error(Level::Metric, "name ==", "ends at character 8, expected a value or a path");
    check_error(Level::Metric, r#"name == "x"#, "text without an end at character 9");
    check_error(Level::Metric, r#"name = "x""#, "unexpected `=` at character 6");
    check_error(Level::Metric, r#"name == "x" name"#, "unexpected `name` at character 13");
    check_error(Level::Metric, r#"Concat(name, "x") == "y""#, "unknown function `Concat` at character 1");
    check_error(Level::Metric, r#"IsMatch(name, "(")"#, "unclosed group, at character 15");
    check_error(Level::Metric, "IsMatch(name)", "unexpected `)` at character 13, expected `,`");
    check_error(
        Level::Metric,
        r#"attributes["k"] == "v""#,
        "`attributes` at character 1 is nothing a filter can see",
    );
    check_error(Level::Datapoint, "value_int == 0", "`value_int` at character 1 is nothing a filter can see");
    check_error(Level::Any, r#"attributes["k"] == "v""#, "say which: `datapoint.attributes");
    check_error(Level::Metric, &"(".repeat(100), "nested deeper than 64 at character 65");
    check_error(Level::Metric, &"not ".repeat(100), "nested deeper than 64");
}

proptest! {
    #[test]
    fn no_text_panics(text in r#"(name|attributes|\[|\]|\(|\)|"|\\|é|==|<|not |and |or |nil|IsMatch|,|\.|-|1| ){0,12}"#) {
        let _ = Condition::parse(&text, Level::Datapoint).map(|condition| condition.holds(&series()));
    }
}
