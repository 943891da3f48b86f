//! An attribute's value as the text of a label.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pipeline::{AnyValue, ValueRef};
use serde_json::{Map, Value};

/// The text of a value: a string as it is, everything else as JSON would have it.
pub(crate) fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Empty => String::new(),
        ValueRef::String(text) => text.to_owned(),
        ValueRef::Bool(value) => value.to_string(),
        ValueRef::Int(value) => value.to_string(),
        ValueRef::Double(value) => match double(value) {
            Value::String(word) => word,
            number => number.to_string(),
        },
        ValueRef::Bytes(bytes) => STANDARD.encode(bytes),
        ValueRef::Nested(_) => json(value.to_owned()).to_string(),
    }
}

fn json(value: AnyValue) -> Value {
    match value {
        AnyValue::Empty => Value::Null,
        AnyValue::String(text) => Value::String(text),
        AnyValue::Bool(value) => Value::Bool(value),
        AnyValue::Int(value) => Value::from(value),
        AnyValue::Double(value) => double(value),
        AnyValue::Bytes(bytes) => Value::String(STANDARD.encode(bytes)),
        AnyValue::Array(values) => Value::Array(values.into_iter().map(json).collect()),
        AnyValue::Map(pairs) => {
            Value::Object(pairs.into_iter().map(|(key, value)| (key, json(value))).collect::<Map<_, _>>())
        }
    }
}

/// JSON has no numbers that are not finite; they become words.
fn double(value: f64) -> Value {
    let word = if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "Infinity"
    } else {
        "-Infinity"
    };
    serde_json::Number::from_f64(value).map_or_else(|| Value::String(word.to_owned()), Value::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use pipeline::Attributes;

    #[track_caller]
    fn check(value: impl Into<AnyValue>, expected: &str) {
        let attributes = Attributes::new([("a".to_owned(), value.into())]);
        assert_eq!(text(attributes.get("a").unwrap()), expected);
    }

    #[test]
    fn every_value_has_a_text() {
        check(AnyValue::Empty, "");
        check("text", "text");
        check(true, "true");
        check(-5, "-5");
        check(1.5, "1.5");
        check(f64::NAN, "NaN");
        check(f64::INFINITY, "Infinity");
        check(f64::NEG_INFINITY, "-Infinity");
        check(AnyValue::Bytes(vec![0, 255, 1]), "AP8B");
        check(
            AnyValue::Array(vec!["a\"".into(), 1.into(), AnyValue::Empty, f64::NAN.into()]),
            r#"["a\"",1,null,"NaN"]"#,
        );
        check(AnyValue::Map(vec![("k".to_owned(), AnyValue::Bytes(vec![1]))]), r#"{"k":"AQ=="}"#);
    }
}
