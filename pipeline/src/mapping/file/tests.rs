//! The published JSON Schema says what the types read.

use config::Section;
use serde::de::{Deserialize, Deserializer, Error, Visitor, value};
use serde_json::Value;

use super::*;
use crate::mapping::builtin::{DIALECTS, SCHEMAS};

fn schema() -> Value {
    serde_json::from_str(include_str!("../../../../config/mapping.schema.json")).unwrap()
}

/// Reads nothing: tells which keys a type has.
struct Keys<'a>(&'a mut Vec<&'static str>);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, value::Error> {
        Err(value::Error::custom("this is no struct"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, value::Error> {
        self.0.extend_from_slice(fields);
        Err(value::Error::custom("only the keys are wanted"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[track_caller]
fn check<'de, T: Deserialize<'de>>(pointer: &str) {
    let mut keys = Vec::new();
    let _ = T::deserialize(Keys(&mut keys));
    keys.sort_unstable();
    let schema = schema();
    let part = schema.pointer(pointer).unwrap();
    let mut published: Vec<_> = part["properties"].as_object().unwrap().keys().cloned().collect();
    published.sort_unstable();
    assert_eq!(published, keys, "{pointer}");
    assert_eq!(part["additionalProperties"], Value::Bool(false), "{pointer}");
}

#[test]
fn the_published_schema_has_the_keys_of_the_types() {
    check::<MappingFile>("");
    check::<Parameter>("/$defs/parameter");
    check::<InputMetric>("/$defs/input_metric");
    check::<Rule>("/$defs/rule");
    check::<Ratio>("/$defs/rule/properties/ratio");
    check::<Difference>("/$defs/rule/properties/difference");
    check::<Input>("/$defs/input");
    check::<Valid>("/$defs/valid");
    check::<LabelMap>("/$defs/label_map");
    check::<ConditionMap>("/$defs/condition_map");
    check::<States>("/$defs/states");
    check::<State>("/$defs/state");
    check::<Endpoint>("/$defs/endpoint");
    check::<Facade>("/$defs/facade");
}

/// What of a JSON Schema this one uses; the error is where and why a value does not fit.
fn fits(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        return fits(root, root.pointer(name.trim_start_matches('#')).unwrap(), value, at);
    }
    if let Some(ways) = schema["anyOf"].as_array() {
        let tried: Vec<_> = ways.iter().map(|way| fits(root, way, value, at)).collect();
        if tried.iter().all(Result::is_err) {
            return Err(format!("{at}: {tried:?}"));
        }
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        return Err(format!("{at}: {value} is none of {allowed:?}"));
    }
    let kinds = match &schema["type"] {
        Value::String(kind) => vec![kind.as_str()],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let is_kind = |kind: &&str| match *kind {
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "null" => value.is_null(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        kind => panic!("{kind}"),
    };
    if !kinds.is_empty() && !kinds.iter().any(is_kind) {
        return Err(format!("{at}: {value} is no {kinds:?}"));
    }
    for (index, element) in value.as_array().into_iter().flatten().enumerate() {
        fits(root, &schema["items"], element, &format!("{at}[{index}]"))?;
    }
    let missing = schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    if let Some(missing) = missing.into_iter().find(|key| value.is_object() && value.get(key).is_none()) {
        return Err(format!("{at}: {missing} is missing"));
    }
    for (key, member) in value.as_object().into_iter().flatten() {
        let own = schema["properties"].get(key).unwrap_or(&schema["additionalProperties"]);
        if *own == Value::Bool(false) {
            return Err(format!("{at}.{key} is unknown"));
        }
        fits(root, own, member, &format!("{at}.{key}"))?;
    }
    Ok(())
}

fn read(name: &str, text: &str) -> Value {
    Section::from_text(name, text).unwrap().read().unwrap()
}

#[test]
fn every_built_in_file_fits_the_published_schema() {
    let schema = schema();
    for (name, text) in DIALECTS.iter().chain(SCHEMAS) {
        fits(&schema, &schema, &read(name, text), name).unwrap_or_else(|message| panic!("{message}"));
    }
}

#[test]
fn the_published_schema_refuses_what_the_types_refuse() {
    let head = "mapping: x\nkind: schema\nabout: x\n";
    let schema = schema();
    for (rest, expected) in [
        ("rule: []", "x.rule is unknown"),
        ("rules: [{from: up}]", "x.rules[0].from"),
        ("rules: [{from: {metrics: up}}]", "metrics is unknown"),
        ("rules: [{type: number}]", "is none of"),
        ("rules: [{labels: {a: {valeu: x}}}]", "valeu is unknown"),
        ("rules: [{states: {label: x}}]", "of is missing"),
        ("endpoints: [{}]", "path is missing"),
    ] {
        let text = format!("{head}{rest}");
        assert!(Section::from_text("x", &text).unwrap().read::<MappingFile>().is_err(), "{rest}");
        let message = fits(&schema, &schema, &read("x", &text), "x").unwrap_err();
        assert!(message.contains(expected), "`{message}` should contain `{expected}`");
    }
}
