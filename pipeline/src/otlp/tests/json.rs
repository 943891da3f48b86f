//! The rules of OTLP/JSON that the reference types do not keep, or cannot tell.

use super::super::json::transcode;
use super::{decoder, encoded_json};
use crate::point::Value;

fn request(point: &str) -> String {
    format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"gauge":{{"dataPoints":[{{{point}}}]}}}}]}}]}}]}}"#
    )
}

/// The point as it is written again.
#[track_caller]
fn check(point: &str, expected: &str) {
    let decoded = decoder().decode_json(request(point).as_bytes()).unwrap();
    let text = String::from_utf8(encoded_json(&decoded.batch)).unwrap();
    let (_, rest) = text.split_once("\"dataPoints\":[{").expect("a point");
    assert_eq!(rest.strip_suffix("}]}}]}]}]}").unwrap(), expected);
}

#[track_caller]
fn check_bad(point: &str, message: &str) {
    let error = decoder().decode_json(request(point).as_bytes()).unwrap_err();
    assert!(error.message.starts_with(message), "{}", error.message);
    assert!(error.message.contains(" at line 1 column "), "{}", error.message);
}

#[test]
fn integers_come_as_strings_and_as_numbers() {
    let expected = r#""timeUnixNano":"1000","asInt":"-5""#;
    check(r#""timeUnixNano":"1000","asInt":"-5""#, expected);
    check(r#""timeUnixNano":1000,"asInt":-5"#, expected);
    check(r#""timeUnixNano":1e3,"asInt":-5.0"#, expected);
    check(r#""timeUnixNano":"1.0e3","asInt":"-50e-1""#, expected);
    check(
        r#""timeUnixNano":18446744073709551615,"asInt":"-9223372036854775808""#,
        r#""timeUnixNano":"18446744073709551615","asInt":"-9223372036854775808""#,
    );
    let unsigned = "`timeUnixNano`: expected an integer of 64 bits that is not negative, found ";
    check_bad(r#""timeUnixNano":18446744073709551616"#, &format!("{unsigned}a number out of range"));
    check_bad(r#""timeUnixNano":-1"#, &format!("{unsigned}a number out of range"));
    check_bad(r#""timeUnixNano":1.5"#, &format!("{unsigned}a number with a fraction"));
    check_bad(r#""timeUnixNano":"x""#, &format!("{unsigned}another string"));
    check_bad(r#""timeUnixNano":true"#, &format!("{unsigned}a boolean"));
    check_bad(
        r#""asInt":"9223372036854775808""#,
        "`asInt`: expected an integer of 64 bits, as a string or number",
    );
    check_bad(r#""flags":4294967296"#, "`flags`: expected an integer of 32 bits that is not negative");
}

#[test]
fn doubles_come_with_their_words() {
    let check_double = |written: &str, expected: &str| {
        check(
            &format!(r#""timeUnixNano":1,"asDouble":{written}"#),
            &format!(r#""timeUnixNano":"1","asDouble":{expected}"#),
        );
    };
    check_double("1", "1.0");
    check_double("-0.0", "-0.0");
    check_double("\"-0.0\"", "-0.0");
    check_double("\"1.5e3\"", "1500.0");
    check_double("\"NaN\"", "\"NaN\"");
    check_double("\"Infinity\"", "\"Infinity\"");
    check_double("\"-Infinity\"", "\"-Infinity\"");
    check_bad(r#""asDouble":"nan""#, "`asDouble`: expected a number, `NaN`, `Infinity` or `-Infinity`");
    check_bad(r#""asDouble":1e999"#, "number out of range");
}

#[test]
fn null_is_absent_and_the_last_of_a_repeated_member_counts() {
    check(
        r#""timeUnixNano":1,"asInt":null,"asDouble":2,"exemplars":null"#,
        r#""timeUnixNano":"1","asDouble":2.0"#,
    );
    check(r#""timeUnixNano":1,"asInt":1,"timeUnixNano":2,"asInt":3"#, r#""timeUnixNano":"2","asInt":"3""#);
    check(r#""timeUnixNano":1,"asInt":1,"asInt":null,"asDouble":2"#, r#""timeUnixNano":"1","asDouble":2.0"#);
    check(
        r#""attributes":[{"key":"a"},{"key":"c"}],"timeUnixNano":1,"attributes":[{"key":"b"}],"asInt":1"#,
        r#""attributes":[{"key":"b","value":{}}],"timeUnixNano":"1","asInt":"1""#,
    );
    check_bad(r#""asInt":1,"asDouble":2"#, "only one of `asDouble` and `asInt` may be set");
    check_bad(r#""attributes":[null]"#, "`attributes`: expected an object, found null");
}

#[test]
fn unknown_members_are_passed_over_at_any_depth() {
    for unknown in ["1", "\"x\"", "null", r#"{"a":[{"b":1}]}"#, "[[],{}]"] {
        let text = format!(
            r#"{{"x":{unknown},"resourceMetrics":[{{"x":{unknown},"resource":{{"x":{unknown},"attributes":[{{"x":{unknown},"key":"k","value":{{"x":{unknown},"arrayValue":{{"x":{unknown},"values":[{{"kvlistValue":{{"x":{unknown}}}}}]}}}}}}]}},
            "scopeMetrics":[{{"x":{unknown},"scope":{{"x":{unknown}}},"metrics":[{{"x":{unknown},"histogram":{{"x":{unknown},"aggregationTemporality":2,"dataPoints":[{{"x":{unknown},"timeUnixNano":1,"time_unix_nano":{unknown},"exemplars":[{{"x":{unknown},"asInt":1}}]}}]}}}},
            {{"summary":{{"x":{unknown},"dataPoints":[{{"x":{unknown},"timeUnixNano":1,"quantileValues":[{{"x":{unknown}}}]}}]}}}},
            {{"exponentialHistogram":{{"aggregationTemporality":1.0,"dataPoints":[{{"timeUnixNano":1,"positive":{{"x":{unknown}}}}}]}}}}]}}]}}]}}"#
        );
        let decoded = decoder().decode_json(text.as_bytes()).unwrap();
        assert_eq!((decoded.batch.len(), decoded.message.as_str()), (3, ""));
    }
}

#[test]
fn ids_are_hexadecimal_and_bytes_are_base64() {
    let exemplar =
        |member: &str| format!(r#""timeUnixNano":1,"asInt":1,"exemplars":[{{"asInt":1,{member}}}]"#);
    check(
        &exemplar(r#""traceId":"5B8EFFF798038103D269B633813FC60C","spanId":"eEe19b7ec3c1b174""#),
        r#""timeUnixNano":"1","asInt":"1","exemplars":[{"asInt":"1","spanId":"eee19b7ec3c1b174","traceId":"5b8efff798038103d269b633813fc60c"}]"#,
    );
    check(&exemplar(r#""traceId":"""#), r#""timeUnixNano":"1","asInt":"1","exemplars":[{"asInt":"1"}]"#);
    check_bad(
        &exemplar(r#""traceId":"5B8E""#),
        "`traceId`: expected 32 hexadecimal digits, found another string",
    );
    check_bad(&exemplar(r#""spanId":"xEe19b7ec3c1b174""#), "`spanId`: expected 16 hexadecimal digits");
    let bytes = |text: &str| {
        format!(
            r#""timeUnixNano":1,"asInt":1,"attributes":[{{"key":"b","value":{{"bytesValue":"{text}"}}}}]"#
        )
    };
    for text in ["+/8=", "-_8=", "-_8", "+/8", "-_9"] {
        check(
            &bytes(text),
            r#""attributes":[{"key":"b","value":{"bytesValue":"+/8="}}],"timeUnixNano":"1","asInt":"1""#,
        );
    }
    check_bad(&bytes("?"), "`bytesValue`: expected base64, found another string");
}

#[test]
fn the_sign_of_zero_is_kept_where_zero_is_the_default() {
    let summary =
        r#""timeUnixNano":"1","sum":-0.0,"quantileValues":[{"quantile":0.5,"value":-0.0},{"quantile":1.0}]"#;
    let text = request(summary).replace("gauge", "summary");
    let batch = decoder().decode_json(text.as_bytes()).unwrap().batch;
    let again = decoder().decode(&super::encoded(&batch)).unwrap().batch;
    assert!(String::from_utf8(encoded_json(&again)).unwrap().contains(summary));
}

#[test]
fn enumerations_are_integers() {
    let sum = |temporality: &str| {
        let text = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"sum":{{"dataPoints":[{{"timeUnixNano":1,"asInt":1}}],"aggregationTemporality":{temporality}}}}}]}}]}}]}}"#
        );
        decoder().decode_json(text.as_bytes()).map(|decoded| decoded.batch.len())
    };
    assert_eq!((sum("1"), sum("2.0")), (Ok(1), Ok(1)));
    for name in ["\"AGGREGATION_TEMPORALITY_DELTA\"", "\"1\""] {
        let error = sum(name).unwrap_err();
        assert!(error.message.contains("expected an integer (names are not allowed)"), "{error}");
    }
}

#[test]
fn only_one_whole_object_is_a_request() {
    for text in [
        "",
        " ",
        "[]",
        "1",
        "null",
        "{}{}",
        "{} x",
        "\u{feff}{}",
        "{\"resourceMetrics\":{}}",
        "{",
        "{\"a\":1,}",
    ] {
        assert!(decoder().decode_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(decoder().decode_json(b" {} \n").is_ok());
    assert!(decoder().decode_json(b"{\"resourceMetrics\":[{\"schemaUrl\":\"\xff\"}]}").is_err());
}

#[test]
fn depth_is_bounded_without_a_stack_to_overflow() {
    let nested = |levels: usize| {
        let value = format!("{}{}", r#"{"arrayValue":{"values":["#.repeat(levels), "]}}".repeat(levels));
        request(&format!(r#""timeUnixNano":1,"asInt":1,"attributes":[{{"key":"k","value":{value}}}]"#))
    };
    assert_eq!(decoder().decode_json(nested(64).as_bytes()).unwrap().batch.len(), 1);
    for levels in [66, 10_000] {
        let error = transcode(nested(levels).as_bytes()).unwrap_err();
        assert!(error.message.starts_with("values are nested deeper than 64 levels"), "{error}");
    }
    let unknown = format!(r#"{{"x":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert!(decoder().decode_json(unknown.as_bytes()).is_ok());
    assert!(
        decoder().decode_json(format!(r#"{{"resourceMetrics":{}"#, "[".repeat(100_000)).as_bytes()).is_err()
    );
}

#[test]
fn an_error_is_short_whatever_was_sent() {
    let long = format!(r#"{{"resourceMetrics":"{}"}}"#, "x".repeat(100_000));
    assert!(decoder().decode_json(long.as_bytes()).unwrap_err().message.len() <= 256);
    let long = format!(r#""{}""#, "x".repeat(100_000));
    assert!(decoder().decode_json(long.as_bytes()).unwrap_err().message.len() <= 256);
}

#[test]
fn members_may_come_in_any_order() {
    let text = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"sum":{"dataPoints":[{"asInt":7,"timeUnixNano":1}],"isMonotonic":true,"aggregationTemporality":2},"name":"late"}]}],"schemaUrl":"u","resource":{}}]}"#;
    let batch = decoder().decode_json(text.as_bytes()).unwrap().batch;
    let point = batch.iter().next().unwrap();
    assert_eq!(point.series.metric().name, "late");
    assert_eq!(point.series.metric().kind, crate::Kind::COUNTER);
    assert_eq!(point.series.resource().schema_url, "u");
    assert_eq!(point.value, Value::Int(7));
}

#[test]
fn an_error_names_the_field() {
    let check = |text: &str, field: Option<&str>| {
        let error = decoder().decode_json(text.as_bytes()).unwrap_err();
        assert_eq!(error.field.as_deref(), field, "{error}");
    };
    check("[]", None);
    check(r#"{"resourceMetrics":7}"#, Some("resourceMetrics"));
    check(r#"{"resourceMetrics":[{},{"scopeMetrics":[{},7]}]}"#, Some("resourceMetrics[1].scopeMetrics[1]"));
    let point = "resourceMetrics[0].scopeMetrics[0].metrics[0].gauge.dataPoints[0]";
    check(&request(r#""attributes":[{"key":"a"},{"key":1}]"#), Some(&format!("{point}.attributes[1].key")));
    check(&request(r#""timeUnixNano":-1"#), Some(&format!("{point}.timeUnixNano")));
    let long = format!(
        "{}{}",
        r#"{"resourceMetrics":[{"resource":{"attributes":[{"value":"#,
        r#"{"arrayValue":{"values":["#.repeat(60)
    );
    assert_eq!(decoder().decode_json(long.as_bytes()).unwrap_err().field.map(|field| field.len()), Some(256));
}
