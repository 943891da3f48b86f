//! The law of the page: whatever is exported, no scraper refuses it.
//!
//! The check here is of structure: names, types, order, duplicates, values. It reads only what we write.

use std::collections::{BTreeSet, HashMap, HashSet};

use config::Section;
use pipeline::mapping::LITERAL;
use pipeline::point::{
    Buckets, Exemplar, ExemplarValue, Exemplars, ExponentialHistogram, Histogram, Summary,
};
use pipeline::{AnyValue, Attributes, Kind, Metric, Point, Registry, Resource, Scope, Temporality, Value};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::sync::Arc;

use super::config::Config;
use super::escaping::Escaping;
use super::negotiation::Format;
use super::page::{Options, Page};
use super::store::{Limits, Now, Store};

/// A line that is not metadata.
struct Sample<'a> {
    name: String,
    labels: BTreeSet<(String, String)>,
    value: f64,
    has_exemplar: bool,
    line: &'a str,
}

/// Reads a name, bare or in quotes, and what is behind it.
fn name(text: &str) -> Option<(String, &str)> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let is_legal = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = text.find(|c| !is_legal(c)).unwrap_or(text.len());
    let name = &text[..end];
    let starts_well = name.starts_with(|c: char| !c.is_ascii_digit());
    starts_well.then(|| (name.to_owned(), &text[end..]))
}

fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.strip_prefix('"')?.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[index + 2..])),
            '\\' => value.push(match characters.next()?.1 {
                'n' => '\n',
                character @ ('\\' | '"') => character,
                _ => return None,
            }),
            character => value.push(character),
        }
    }
    None
}

fn number(text: &str) -> Option<f64> {
    match text {
        "+Inf" => Some(f64::INFINITY),
        "-Inf" => Some(f64::NEG_INFINITY),
        "NaN" => Some(f64::NAN),
        _ if text.contains(|c: char| c.is_ascii_digit()) => text.parse().ok(),
        _ => None,
    }
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let (mut sample_name, mut rest) = if line.starts_with('{') { (String::new(), line) } else { name(line)? };
    let mut labels = BTreeSet::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        loop {
            let (key, behind) = name(rest)?;
            rest = behind;
            if let Some(value) = rest.strip_prefix('=') {
                let (value, behind) = quoted(value)?;
                rest = behind;
                assert!(labels.iter().all(|(other, _)| *other != key), "label twice: {line}");
                assert!(!value.is_empty(), "empty label: {line}");
                labels.insert((key, value));
            } else if sample_name.is_empty() {
                sample_name = key;
            } else {
                return None;
            }
            if let Some(behind) = rest.strip_prefix('}') {
                rest = behind;
                break;
            }
            rest = rest.strip_prefix(',')?;
        }
    }
    let rest = rest.strip_prefix(' ')?;
    let (own, exemplar) =
        rest.split_once(" # ").map_or((rest, None), |(own, exemplar)| (own, Some(exemplar)));
    let value = number(own.split(' ').next()?)?;
    Some(Sample { name: sample_name, labels, value, has_exemplar: exemplar.is_some(), line })
}

/// The suffixes of samples, by type.
fn suffixes(metric_type: &str, is_open_metrics: bool) -> &'static [&'static str] {
    match (metric_type, is_open_metrics) {
        ("counter", true) => &["_total", "_created"],
        ("info", true) => &["_info"],
        ("histogram", true) => &["_bucket", "_sum", "_count", "_created"],
        ("summary", true) => &["", "_sum", "_count", "_created"],
        ("histogram", false) => &["_bucket", "_sum", "_count"],
        ("summary", false) => &["", "_sum", "_count"],
        _ => &[""],
    }
}

fn check(page: &str, is_open_metrics: bool) {
    let page = if is_open_metrics { page.strip_suffix("# EOF\n").expect("the end") } else { page };
    assert!(page.is_empty() || page.ends_with('\n'));
    let mut claimed = HashSet::new();
    let mut seen = HashSet::new();
    let mut buckets: HashMap<BTreeSet<(String, String)>, (f64, f64)> = HashMap::new();
    let mut family = (String::new(), "");
    for line in page.split_terminator('\n') {
        if let Some(metadata) = line.strip_prefix("# ") {
            let (keyword, rest) = metadata.split_once(' ').expect("a keyword");
            let (family_name, text) = name(rest).expect("a family");
            let text = text.strip_prefix(' ').expect("a blank");
            if keyword == "TYPE" {
                let mut names: HashSet<_> = suffixes(text, is_open_metrics)
                    .iter()
                    .map(|suffix| format!("{family_name}{suffix}"))
                    .collect();
                names.insert(family_name.clone());
                assert!(names.iter().all(|name| !claimed.contains(name)), "clash: {line}");
                claimed.extend(names);
                family = (family_name, text);
                buckets.clear();
            } else {
                assert_eq!(family_name, family.0, "{line}");
                assert!(keyword != "UNIT" || family_name.ends_with(&format!("_{text}")), "{line}");
            }
            continue;
        }
        let sample = sample(line).unwrap_or_else(|| panic!("not a sample: {line}"));
        let suffix =
            sample.name.strip_prefix(&family.0).unwrap_or_else(|| panic!("not of {family:?}: {line}"));
        assert!(suffixes(family.1, is_open_metrics).contains(&suffix), "not of {family:?}: {line}");
        assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
        check_sample(&sample, family.1, suffix, is_open_metrics);
        if suffix == "_bucket" {
            let mut labels = sample.labels.clone();
            let le = labels.iter().find(|(name, _)| name == "le").expect("a bound").clone();
            labels.remove(&le);
            let le = number(&le.1).expect("a number");
            if let Some((bound, count)) = buckets.insert(labels, (le, sample.value)) {
                assert!(bound < le && count <= sample.value, "not cumulative: {line}");
            }
        }
        if suffix == "_count" && family.1 == "histogram" {
            assert_eq!(buckets[&sample.labels], (f64::INFINITY, sample.value), "{line}");
        }
    }
}

fn check_sample(sample: &Sample, metric_type: &str, suffix: &str, is_open_metrics: bool) {
    let Sample { value, line, .. } = sample;
    if !is_open_metrics {
        assert!(!sample.has_exemplar, "{line}");
        return;
    }
    match (metric_type, suffix) {
        ("counter" | "histogram", _) | ("summary", "_sum" | "_count") => {
            assert!(*value >= 0.0, "{line}");
        }
        ("summary", _) => assert!(value.is_nan() || *value >= 0.0, "{line}"),
        ("info", _) => assert!(*value == 1.0, "{line}"),
        ("stateset", _) => assert!(*value == 0.0 || *value == 1.0, "{line}"),
        _ => {}
    }
    assert!(!sample.has_exemplar || ["_total", "_bucket"].contains(&suffix), "{line}");
}

fn metric_name() -> impl Strategy<Value = String> {
    let common = [
        "a",
        "a.total",
        "a_total",
        "a.count",
        "a_bucket",
        "a.sum",
        "a.info",
        "a_created",
        "total",
        "_total",
        "target",
        "target_info",
        "target.total",
        "a.b",
        "a_b",
        "é",
        "9",
        "...",
        "a.created.total",
    ];
    prop_oneof![4 => prop::sample::select(common.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn key() -> impl Strategy<Value = String> {
    let common = [
        "le",
        "quantile",
        "job",
        "instance",
        "exported_job",
        "a.b",
        "a_b",
        "__name__",
        "..name",
        "otel_scope_name",
        "a",
        "a:b",
        "9",
        "service.name",
        "service.instance.id",
        "version",
        "",
    ];
    prop_oneof![4 => prop::sample::select(common.to_vec()).prop_map(str::to_owned), 1 => any::<String>()]
}

fn attributes() -> impl Strategy<Value = Attributes> {
    let value = prop_oneof![
        3 => prop::sample::select(vec!["", "x", "y"]).prop_map(AnyValue::from),
        1 => any::<String>().prop_map(AnyValue::from),
        1 => any::<f64>().prop_map(AnyValue::from),
        1 => vec(any::<u8>(), 0..3).prop_map(AnyValue::Bytes),
        1 => vec(any::<String>().prop_map(AnyValue::from), 0..3).prop_map(AnyValue::Array),
    ];
    vec((key(), value), 0..4).prop_map(Attributes::new)
}

fn double() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), prop::sample::select(vec![0.0, 1.0, -1.0, f64::NAN, f64::INFINITY, 0.5])]
}

fn kind_and_value() -> impl Strategy<Value = (Kind, Value)> {
    let temporality = || prop_oneof![Just(Temporality::Cumulative), Just(Temporality::Delta)];
    let number = || prop_oneof![any::<i64>().prop_map(Value::Int), double().prop_map(Value::Double)];
    let histogram = (any::<u64>(), option::of(double()), vec(double(), 0..4), vec(0..u64::MAX, 0..5))
        .prop_map(|(count, sum, mut bounds, bucket_counts)| {
            bounds.sort_by(f64::total_cmp);
            let bounds = bounds.into();
            Value::Histogram(Box::new(Histogram {
                count,
                sum,
                bounds,
                bucket_counts,
                ..Histogram::default()
            }))
        });
    let buckets =
        || (any::<i32>(), vec(any::<u64>(), 0..4)).prop_map(|(offset, counts)| Buckets { offset, counts });
    let exponential =
        (any::<u64>(), option::of(double()), -12..22_i32, any::<u64>(), double(), buckets(), buckets())
            .prop_map(|(count, sum, scale, zero_count, zero_threshold, positive, negative)| {
                let histogram = ExponentialHistogram {
                    count,
                    sum,
                    scale,
                    zero_count,
                    zero_threshold,
                    positive,
                    negative,
                    ..ExponentialHistogram::default()
                };
                Value::ExponentialHistogram(Box::new(histogram))
            });
    let summary = (any::<u64>(), double(), vec((double(), double()), 0..4))
        .prop_map(|(count, sum, quantiles)| Value::Summary(Box::new(Summary { count, sum, quantiles })));
    let sum = (temporality(), any::<bool>())
        .prop_map(|(temporality, is_monotonic)| Kind::Sum { temporality, is_monotonic });
    prop_oneof![
        3 => (Just(Kind::Gauge), number()),
        4 => (sum, number()),
        1 => (temporality().prop_map(|temporality| Kind::Histogram { temporality }), histogram),
        1 => (temporality().prop_map(|temporality| Kind::ExponentialHistogram { temporality }), exponential),
        1 => (Just(Kind::Summary), summary),
    ]
}

/// Points of every kind, under names and with values that are meant to break things.
pub(crate) fn point(registry: Arc<Registry>) -> impl Strategy<Value = Point> {
    let hint = prop::sample::select(vec!["", "info", "stateset", "unknown", "gauge"]);
    let unit = prop::sample::select(vec!["", "1", "s", "By/s", "{x}", "é", "_", "total", "}{"]);
    let metadata = (hint, any::<bool>()).prop_map(|(hint, is_literal)| {
        let pairs = [("prometheus.type", AnyValue::from(hint)), (LITERAL, AnyValue::Bool(is_literal))];
        Attributes::new(pairs.map(|(key, value)| (key.to_owned(), value)))
    });
    let texts = (metric_name(), unit, any::<String>(), metadata);
    let exemplar = (attributes(), any::<u64>(), double(), vec(any::<u8>(), 0..17)).prop_map(
        |(attributes, time_unix_nano, value, trace_id)| {
            let value = ExemplarValue::Double(value);
            Exemplar { attributes, time_unix_nano, value, trace_id, span_id: Vec::new() }
        },
    );
    (texts, attributes(), attributes(), attributes(), kind_and_value(), 0..4_u64, vec(exemplar, 0..2))
        .prop_map(
            move |(
                (name, unit, description, metadata),
                resource,
                scope,
                attributes,
                (kind, value),
                time,
                exemplars,
            )| {
                let metric = Metric { name, unit: unit.to_owned(), kind, description, metadata };
                let resource = Resource { attributes: resource, ..Resource::default() };
                let scope = Scope { name: "s".to_owned(), attributes: scope, ..Scope::default() };
                let series =
                    registry.series(&resource.into(), &scope.into(), &metric.into(), attributes).unwrap();
                Point { exemplars: Exemplars::new(exemplars), ..Point::new(series, time, value) }
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn no_page_is_refused(
        points in vec(point(Arc::new(Registry::new(1_000_000))), 0..12),
        strategy in prop::sample::select(vec![
            "UnderscoreEscapingWithSuffixes",
            "UnderscoreEscapingWithoutSuffixes",
            "NoUTF8EscapingWithSuffixes",
            "NoTranslation",
        ]),
        switches in any::<[bool; 4]>(),
        size in prop::sample::select(vec![1, 300, 1_000_000]),
    ) {
        let [has_target_info, has_scope, is_promoting, has_more] = switches;
        let settings = format!(
            "translation_strategy: {strategy}\ntarget_info: {{enabled: {has_target_info}}}\n\
             without_scope_info: {}\nresource_to_telemetry_conversion: {{enabled: {is_promoting}}}",
            !has_scope,
        );
        let config = Config::read(&Section::from_yaml("p", &settings).unwrap(), &pipeline::net::Net::default()).unwrap();
        let mut store = Store::new(config.rules(), Limits { series_max: 1000, keeps_exemplars: true });
        for point in &points {
            store.update(point, Now { received: 0, unix_nano: 5 });
        }
        let options = Options { has_timestamps: has_more, has_created: has_more };
        for format in [Format::Text, Format::OpenMetrics] {
            for escaping in Escaping::ALL {
                if format == Format::Text && escaping == Escaping::AllowUtf8 {
                    continue;
                }
                let mut page = Page::new(format, escaping, options);
                let mut buffer = Vec::new();
                let mut piece = Vec::new();
                while page.write(&mut store, &mut piece, size) {
                    buffer.append(&mut piece);
                }
                buffer.append(&mut piece);
                let text = String::from_utf8(buffer).unwrap();
                check(&text, format.is_open_metrics());
            }
        }
    }
}
