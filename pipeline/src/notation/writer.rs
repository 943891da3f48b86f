//! Writes points in the notation.

use std::fmt::{self, Write};

use super::{is_bare, is_bare_start, is_unit, is_unprintable};
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::point::{
    Buckets, Exemplar, ExemplarValue, ExponentialHistogram, Histogram, NO_RECORDED_VALUE, Point, Summary,
    Value,
};
use crate::series::Series;
use crate::value::AnyValue;

/// Writes a batch: a line a point, and a line for each resource, scope and description that changes.
pub fn write(batch: &Batch) -> String {
    let mut text = String::new();
    let (mut resource, mut scope) = (Resource::default(), Scope::default());
    let mut about = (String::new(), Attributes::empty());
    for point in batch {
        let series = &point.series;
        if **series.resource() != resource {
            resource = (**series.resource()).clone();
            (scope, about) = Default::default();
            infallible(write_resource(&mut text, &resource));
        }
        if **series.scope() != scope {
            scope = (**series.scope()).clone();
            about = Default::default();
            infallible(write_scope(&mut text, &scope));
        }
        let metric = series.metric();
        if metric.description != about.0 || metric.metadata != about.1 {
            about = (metric.description.clone(), metric.metadata.clone());
            infallible(write_about(&mut text, metric));
        }
        write_point(&mut text, point);
        text.push('\n');
    }
    text
}

/// Appends the line of one point, without line feed, resource, scope and description.
pub fn write_point(text: &mut String, point: &Point) {
    infallible(write_line(text, point));
}

/// Appends the name and the attributes of a series.
pub fn write_series(text: &mut String, series: &Series) {
    infallible(write_identity(text, series));
}

fn infallible(result: fmt::Result) {
    result.expect("writing to a string does not fail");
}

fn write_resource(text: &mut String, resource: &Resource) -> fmt::Result {
    text.push_str("resource");
    write_blank_map(text, &resource.attributes)?;
    write_origin(text, &resource.schema_url, resource.dropped_attributes_count)?;
    for entity in &resource.entity_refs {
        text.push_str(" entity ");
        write_bytes(text, entity)?;
    }
    text.push('\n');
    Ok(())
}

fn write_scope(text: &mut String, scope: &Scope) -> fmt::Result {
    text.push_str("scope");
    if !scope.name.is_empty() || !scope.version.is_empty() {
        text.push(' ');
        write_string(text, &scope.name)?;
    }
    if !scope.version.is_empty() {
        text.push(' ');
        write_string(text, &scope.version)?;
    }
    write_blank_map(text, &scope.attributes)?;
    write_origin(text, &scope.schema_url, scope.dropped_attributes_count)?;
    text.push('\n');
    Ok(())
}

fn write_origin(text: &mut String, schema_url: &str, dropped: u32) -> fmt::Result {
    if !schema_url.is_empty() {
        text.push_str(" schema ");
        write_string(text, schema_url)?;
    }
    if dropped > 0 {
        write!(text, " dropped {dropped}")?;
    }
    Ok(())
}

fn write_about(text: &mut String, metric: &Metric) -> fmt::Result {
    text.push_str("about");
    if !metric.description.is_empty() {
        text.push(' ');
        write_string(text, &metric.description)?;
    }
    write_blank_map(text, &metric.metadata)?;
    text.push('\n');
    Ok(())
}

fn write_line(text: &mut String, point: &Point) -> fmt::Result {
    let metric = point.series.metric();
    text.push_str(kind_words(metric.kind));
    text.push(' ');
    write_identity(text, &point.series)?;
    if !metric.unit.is_empty() {
        text.push_str(" [");
        if metric.unit.chars().all(is_unit) {
            text.push_str(&metric.unit);
        } else {
            write_string(text, &metric.unit)?;
        }
        text.push(']');
    }
    text.push_str(" = ");
    let is_marker = point.value == Value::Empty && point.flags == NO_RECORDED_VALUE;
    if is_marker {
        text.push_str("stale");
    } else {
        write_value(text, &point.value)?;
    }
    match (point.start_unix_nano, point.time_unix_nano) {
        (0, 0) => {}
        (0, time) => write!(text, " @{time}")?,
        (start, time) => write!(text, " @{start}..{time}")?,
    }
    if point.flags != 0 && !is_marker {
        write!(text, " flags {}", point.flags)?;
    }
    point.exemplars.iter().try_for_each(|exemplar| write_exemplar(text, exemplar))
}

fn write_identity(text: &mut String, series: &Series) -> fmt::Result {
    write_name(text, &series.metric().name)?;
    if series.attributes().is_empty() {
        return Ok(());
    }
    write_map(text, series.attributes())
}

fn kind_words(kind: Kind) -> &'static str {
    use Temporality::{Cumulative, Delta};
    match kind {
        Kind::Gauge => "gauge",
        Kind::Sum { temporality: Cumulative, is_monotonic: true } => "counter",
        Kind::Sum { temporality: Cumulative, is_monotonic: false } => "updown",
        Kind::Sum { temporality: Delta, is_monotonic: true } => "delta counter",
        Kind::Sum { temporality: Delta, is_monotonic: false } => "delta updown",
        Kind::Histogram { temporality: Cumulative } => "histogram",
        Kind::Histogram { temporality: Delta } => "delta histogram",
        Kind::ExponentialHistogram { temporality: Cumulative } => "exponential",
        Kind::ExponentialHistogram { temporality: Delta } => "delta exponential",
        Kind::Summary => "summary",
    }
}

fn write_value(text: &mut String, value: &Value) -> fmt::Result {
    match value {
        Value::Empty => text.write_str("empty"),
        Value::Int(value) => write!(text, "{value}"),
        Value::Double(value) => write_double(text, *value),
        Value::Histogram(histogram) => write_histogram(text, histogram),
        Value::ExponentialHistogram(histogram) => write_exponential(text, histogram),
        Value::Summary(summary) => write_summary(text, summary),
    }
}

fn write_histogram(text: &mut String, histogram: &Histogram) -> fmt::Result {
    let Histogram { count, sum, min, max, bounds, bucket_counts } = histogram;
    write!(text, "count {count}")?;
    write_optional(text, [("sum", *sum), ("min", *min), ("max", *max)])?;
    if bucket_counts.len() == bounds.len() + 1 {
        text.push_str(" buckets");
        let bounds = bounds.iter().copied().chain([f64::INFINITY]);
        for (bound, count) in bounds.zip(bucket_counts) {
            text.push(' ');
            write_double(text, bound)?;
            write!(text, ":{count}")?;
        }
        return Ok(());
    }
    // Not what a histogram should be, but it must be seen as it is.
    if !bounds.is_empty() {
        text.push_str(" bounds");
        for bound in bounds.iter() {
            text.push(' ');
            write_double(text, *bound)?;
        }
    }
    if !bucket_counts.is_empty() {
        text.push_str(" counts");
        bucket_counts.iter().try_for_each(|count| write!(text, " {count}"))?;
    }
    Ok(())
}

fn write_exponential(text: &mut String, histogram: &ExponentialHistogram) -> fmt::Result {
    write!(text, "count {}", histogram.count)?;
    write_optional(text, [("sum", histogram.sum), ("min", histogram.min), ("max", histogram.max)])?;
    if histogram.scale != 0 {
        write!(text, " scale {}", histogram.scale)?;
    }
    if histogram.zero_count != 0 {
        write!(text, " zero {}", histogram.zero_count)?;
    }
    if histogram.zero_threshold.to_bits() != 0 {
        write_optional(text, [("threshold", Some(histogram.zero_threshold))])?;
    }
    write_buckets(text, "positive", &histogram.positive)?;
    write_buckets(text, "negative", &histogram.negative)
}

fn write_buckets(text: &mut String, word: &str, buckets: &Buckets) -> fmt::Result {
    if *buckets == Buckets::default() {
        return Ok(());
    }
    write!(text, " {word} {}:", buckets.offset)?;
    for (index, count) in buckets.counts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(text, "{comma}{count}")?;
    }
    Ok(())
}

fn write_summary(text: &mut String, summary: &Summary) -> fmt::Result {
    write!(text, "count {}", summary.count)?;
    write_optional(text, [("sum", Some(summary.sum))])?;
    if !summary.quantiles.is_empty() {
        text.push_str(" quantiles");
    }
    for (quantile, value) in &summary.quantiles {
        text.push(' ');
        write_double(text, *quantile)?;
        text.push(':');
        write_double(text, *value)?;
    }
    Ok(())
}

fn write_optional<const N: usize>(text: &mut String, pairs: [(&str, Option<f64>); N]) -> fmt::Result {
    for (word, value) in pairs {
        if let Some(value) = value {
            write!(text, " {word} ")?;
            write_double(text, value)?;
        }
    }
    Ok(())
}

fn write_exemplar(text: &mut String, exemplar: &Exemplar) -> fmt::Result {
    text.push_str(" exemplar ");
    match exemplar.value {
        ExemplarValue::Int(value) => write!(text, "{value}")?,
        ExemplarValue::Double(value) => write_double(text, value)?,
    }
    if exemplar.time_unix_nano != 0 {
        write!(text, " @{}", exemplar.time_unix_nano)?;
    }
    write_blank_map(text, &exemplar.attributes)?;
    for (word, bytes) in [(" trace ", &exemplar.trace_id), (" span ", &exemplar.span_id)] {
        if !bytes.is_empty() {
            text.push_str(word);
            write_bytes(text, bytes)?;
        }
    }
    Ok(())
}

fn write_blank_map(text: &mut String, attributes: &Attributes) -> fmt::Result {
    if attributes.is_empty() {
        return Ok(());
    }
    text.push(' ');
    write_map(text, attributes)
}

fn write_map(text: &mut String, attributes: &Attributes) -> fmt::Result {
    text.push('{');
    for (index, (name, value)) in attributes.iter().enumerate() {
        write_pair(text, index, name, &value.to_owned())?;
    }
    text.push('}');
    Ok(())
}

fn write_pair(text: &mut String, index: usize, name: &str, value: &AnyValue) -> fmt::Result {
    if index > 0 {
        text.push(',');
    }
    write_name(text, name)?;
    text.push('=');
    write_any(text, value)
}

fn write_any(text: &mut String, value: &AnyValue) -> fmt::Result {
    match value {
        AnyValue::Empty => text.write_str("null"),
        AnyValue::String(string) => write_string(text, string),
        AnyValue::Bool(value) => write!(text, "{value}"),
        AnyValue::Int(value) => write!(text, "{value}"),
        AnyValue::Double(value) => write_double(text, *value),
        AnyValue::Bytes(bytes) => write_bytes(text, bytes),
        AnyValue::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                text.push_str(if index == 0 { "" } else { "," });
                write_any(text, value)?;
            }
            text.write_str("]")
        }
        AnyValue::Map(pairs) => {
            text.push('{');
            for (index, (name, value)) in pairs.iter().enumerate() {
                write_pair(text, index, name, value)?;
            }
            text.write_str("}")
        }
    }
}

fn write_name(text: &mut String, name: &str) -> fmt::Result {
    if name.starts_with(is_bare_start) && name.chars().all(is_bare) {
        return text.write_str(name);
    }
    write_string(text, name)
}

fn write_string(text: &mut String, string: &str) -> fmt::Result {
    text.push('"');
    for character in string.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            character if is_unprintable(character) => write!(text, "\\u{{{:x}}}", character as u32)?,
            character => text.push(character),
        }
    }
    text.push('"');
    Ok(())
}

fn write_bytes(text: &mut String, bytes: &[u8]) -> fmt::Result {
    text.push_str("0x");
    bytes.iter().try_for_each(|byte| write!(text, "{byte:02x}"))
}

fn write_double(text: &mut String, value: f64) -> fmt::Result {
    if value.is_nan() {
        text.push_str("nan");
        if value.to_bits() != f64::NAN.to_bits() {
            write!(text, "({:x})", value.to_bits())?;
        }
    } else if value.is_infinite() {
        text.push_str(if value > 0.0 { "inf" } else { "-inf" });
    } else {
        text.push_str(zmij::Buffer::new().format_finite(value));
    }
    Ok(())
}
