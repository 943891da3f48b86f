use std::sync::Arc;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::*;
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::point::{
    Buckets, Exemplar, ExemplarValue, Exemplars, ExponentialHistogram, Histogram, Point, Summary, Value,
};
use crate::registry::Registry;
use crate::value::AnyValue;

#[track_caller]
fn check(text: &str) {
    let registry = Registry::new(100);
    let batch = parse(text, &registry).unwrap();
    assert_eq!(write(&batch), text);
}

#[track_caller]
fn check_error(text: &str, expected: &str) {
    let error = parse(text, &Registry::new(1)).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn every_kind_is_written_as_it_is_read() {
    check("gauge hw.gpu.utilization{gpu=0,\"odd key\"=\"x\"} [1] = 0.25 @1700000000000000000\n");
    check("counter vllm:requests [{request}] = 17 @1600..1700\n");
    check("delta counter a.b [\"s s\"] = -1.5 flags 2\n");
    check("updown a = 1e+300\n");
    check("delta updown \"0\" = nan\n");
    check("gauge a = nan(7ff0000000000002)\n");
    check("gauge a = stale @5\n");
    check("gauge a = empty @5..0\n");
    check("histogram a [s] = count 10 sum 2.5 min 0.1 max 3.0 buckets 1.0:3 2.0:5 inf:2 @7\n");
    check("delta histogram a = count 1 buckets inf:1\n");
    check("histogram a = count 0\n");
    check("histogram a = count 3 bounds 1.0 2.0 counts 3 flags 1\n");
    check("exponential a = count 3 sum 1.0 scale -2 zero 1 threshold 0.5 positive -4:1,0 negative 3: @7\n");
    check("summary a = count 3 sum 1.0 quantiles 0.5:1.0 0.99:nan @7\n");
}

#[test]
fn lines_above_hold_for_the_points_below() {
    check(
        "gauge a = 1\n\
         resource {service.name=\"vllm\"} schema \"u\" dropped 3 entity 0x0aff\n\
         scope \"name\" \"1.0\" {a=true} schema \"v\" dropped 1\n\
         about \"A line.\\nAnother.\" {prometheus.type=\"counter\"}\n\
         counter a = 1\n\
         about\n\
         counter b = 1\n\
         resource\n\
         counter b = 1\n",
    );
    let registry = Registry::new(10);
    let batch = parse("# a note\n\nresource {a=1}\nscope \"s\"\nresource\ngauge a = 1", &registry).unwrap();
    assert_eq!(write(&batch), "gauge a = 1\n");
}

#[test]
fn every_value_of_an_attribute_is_told_apart() {
    check("gauge a{a=\"1\",b=1,c=1.0,d=true,e=null,f=0x,g=0x00ff,h=[1,[],{}],i={k=1,k=\"2\"},j=-inf} = 1\n");
    check("gauge a{\"\"=\"\\u{1b}[31m\\u{202e}\\\"\\\\\\t\"} = 1\n");
}

#[test]
fn exemplars_stand_behind_their_point() {
    check(
        "counter a = 1 @5 exemplar 0.5 @4 {k=\"v\"} trace 0x0102 span 0x03 exemplar 7 exemplar 1.0 span 0x04\n",
    );
}

#[test]
fn an_error_says_where_and_what_would_do() {
    check_error("gauge a = 1\ngauge b = x", "line 2: expected a number, got `x`");
    check_error("gauge a = 1\ngauge b = 1", "line 2: the limit of 1 live series is reached");
    check_error(
        "guage a = 1",
        "line 1: expected `resource`, `scope`, `about` or a kind such as `gauge`, got `guage a = 1`",
    );
    check_error("gauge a", "line 1: expected `=`, got the end of the line");
    check_error("gauge a = 1 @", "line 1: expected a whole number, got the end of the line");
    check_error("gauge a{b=1 = 1", "line 1: expected `,`, got `= 1`");
    check_error("gauge a{b=\"} = 1", "line 1: expected `\"` at the end of a string");
    check_error("gauge a{b=\"\\q\"} = 1", "line 1: unknown escape `\\q`");
    check_error("histogram a = count 1 buckets 1.0:1", "line 1: expected the last bucket to be `inf`");
    check_error("gauge a = 99999999999999999999", "line 1: expected a number, got `99999999999999999999`");
    check_error("gauge a = 1 2", "line 1: expected the end of the line, got `2`");
    let deep = format!("gauge a{{b={}", "[".repeat(100_000));
    check_error(&deep, "line 1: values are nested deeper than 64");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z._:]{0,8}", any::<String>()]
}

fn any_value() -> impl Strategy<Value = AnyValue> {
    let leaf = prop_oneof![
        Just(AnyValue::Empty),
        text().prop_map(AnyValue::String),
        any::<bool>().prop_map(AnyValue::Bool),
        any::<i64>().prop_map(AnyValue::Int),
        finite().prop_map(AnyValue::Double),
        vec(any::<u8>(), 0..5).prop_map(AnyValue::Bytes),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(AnyValue::Array),
            vec((text(), inner), 0..4).prop_map(AnyValue::Map),
        ]
    })
}

fn attributes() -> impl Strategy<Value = Attributes> {
    vec((text(), any_value()), 0..4).prop_map(Attributes::new)
}

/// Not a NaN, which equals nothing.
fn finite() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a NaN", |value| !value.is_nan())
}

fn buckets() -> impl Strategy<Value = Buckets> {
    (any::<i32>(), vec(any::<u64>(), 0..4)).prop_map(|(offset, counts)| Buckets { offset, counts })
}

type Limits = (u64, Option<f64>, Option<f64>, Option<f64>);

fn limits() -> impl Strategy<Value = Limits> {
    (any::<u64>(), option::of(finite()), option::of(finite()), option::of(finite()))
}

fn histogram() -> impl Strategy<Value = Value> {
    (limits(), vec(finite(), 0..4), vec(any::<u64>(), 0..5)).prop_map(|(limits, bounds, bucket_counts)| {
        let (count, sum, min, max) = limits;
        Value::Histogram(Box::new(Histogram { count, sum, min, max, bounds: bounds.into(), bucket_counts }))
    })
}

fn exponential() -> impl Strategy<Value = Value> {
    let zero = (any::<i32>(), any::<u64>(), finite());
    (limits(), zero, buckets(), buckets()).prop_map(|(limits, zero, positive, negative)| {
        let (count, sum, min, max) = limits;
        let (scale, zero_count, zero_threshold) = zero;
        Value::ExponentialHistogram(Box::new(ExponentialHistogram {
            count,
            sum,
            min,
            max,
            scale,
            zero_count,
            zero_threshold,
            positive,
            negative,
        }))
    })
}

fn summary() -> impl Strategy<Value = Value> {
    (any::<u64>(), finite(), vec((finite(), finite()), 0..4))
        .prop_map(|(count, sum, quantiles)| Value::Summary(Box::new(Summary { count, sum, quantiles })))
}

fn kind_and_value() -> impl Strategy<Value = (Kind, Value)> {
    let temporality = || prop_oneof![Just(Temporality::Cumulative), Just(Temporality::Delta)];
    let number = || prop_oneof![any::<i64>().prop_map(Value::Int), finite().prop_map(Value::Double)];
    let sum = (temporality(), any::<bool>())
        .prop_map(|(temporality, is_monotonic)| Kind::Sum { temporality, is_monotonic });
    let kind_and_value = prop_oneof![
        (Just(Kind::Gauge), number()),
        (sum, number()),
        (temporality().prop_map(|temporality| Kind::Histogram { temporality }), histogram()),
        (temporality().prop_map(|temporality| Kind::ExponentialHistogram { temporality }), exponential()),
        (Just(Kind::Summary), summary()),
    ];
    (kind_and_value, prop::bool::weighted(0.1))
        .prop_map(|((kind, value), is_empty)| if is_empty { (kind, Value::Empty) } else { (kind, value) })
}

fn exemplar() -> impl Strategy<Value = Exemplar> {
    let value =
        prop_oneof![any::<i64>().prop_map(ExemplarValue::Int), finite().prop_map(ExemplarValue::Double)];
    let ids = (vec(any::<u8>(), 0..17), vec(any::<u8>(), 0..9));
    (attributes(), any::<u64>(), value, ids).prop_map(
        |(attributes, time_unix_nano, value, (trace_id, span_id))| Exemplar {
            attributes,
            time_unix_nano,
            value,
            trace_id,
            span_id,
        },
    )
}

fn resource() -> impl Strategy<Value = Resource> {
    (attributes(), text(), any::<u32>(), vec(vec(any::<u8>(), 0..4), 0..2)).prop_map(
        |(attributes, schema_url, dropped_attributes_count, entities)| Resource {
            attributes,
            schema_url,
            dropped_attributes_count,
            entity_refs: entities.into_iter().map(Vec::into_boxed_slice).collect(),
        },
    )
}

fn scope() -> impl Strategy<Value = Scope> {
    (text(), text(), attributes(), text(), any::<u32>()).prop_map(
        |(name, version, attributes, schema_url, dropped_attributes_count)| Scope {
            name,
            version,
            attributes,
            schema_url,
            dropped_attributes_count,
        },
    )
}

fn point(registry: Arc<Registry>) -> impl Strategy<Value = Point> {
    let identity = (resource(), scope(), [text(), text(), text()], attributes(), attributes());
    let times = (any::<u64>(), any::<u64>(), prop_oneof![Just(0), Just(1), any::<u32>()]);
    (identity, kind_and_value(), times, vec(exemplar(), 0..2)).prop_map(
        move |((resource, scope, texts, metadata, attributes), (kind, value), times, exemplars)| {
            let [name, unit, description] = texts;
            let metric = Arc::new(Metric { name, unit, kind, description, metadata });
            let series = registry.series(&Arc::new(resource), &Arc::new(scope), &metric, attributes).unwrap();
            let (start_unix_nano, time_unix_nano, flags) = times;
            let exemplars = Exemplars::new(exemplars);
            Point { series, start_unix_nano, time_unix_nano, value, flags, exemplars }
        },
    )
}

#[track_caller]
fn assert_same(left: &Point, right: &Point) {
    assert_eq!(left.series.resource(), right.series.resource());
    assert_eq!(left.series.scope(), right.series.scope());
    assert_eq!(left.series.metric(), right.series.metric());
    assert_eq!(left.series.attributes(), right.series.attributes());
    let right = Point { series: left.series.clone(), ..right.clone() };
    assert_eq!(*left, right);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_is_written_is_read_back_equal(
        batch in vec(point(Arc::new(Registry::new(100_000))), 0..4).prop_map(Batch::from_iter),
    ) {
        let text = write(&batch);
        let again = parse(&text, &Registry::new(100)).unwrap();
        assert_eq!(again.len(), batch.len());
        for (left, right) in batch.iter().zip(&again) {
            assert_same(left, right);
        }
        assert!(!text.chars().any(|character| is_unprintable(character) && character != '\n'));
        assert_eq!(write(&again), text);
    }

    #[test]
    fn arbitrary_text_does_not_panic(text in any::<String>(), tail in "[a-z0-9{}=@.,:\\[\\]\" ]{0,40}") {
        let registry = Registry::new(10);
        let _ = parse(&text, &registry);
        let _ = parse(&format!("gauge {tail}"), &registry);
        let _ = parse(&format!("histogram a = {tail}"), &registry);
    }
}
