//! Writes a batch as OTLP/JSON.
//!
//! Integers of 64 bits are strings, enumerations are numbers, ids are hexadecimal, what is default is
//! left out (opentelemetry-proto, docs/specification.md, "JSON Protobuf Encoding").

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::encode::point::{exemplars, fitting_value};
use super::super::group::{Level, runs};
use super::text::Writer;
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::point::{
    Buckets, Exemplar, ExemplarValue, ExponentialHistogram, Histogram, Point, Summary, Value,
};
use crate::value::{AnyValue, ValueRef};
use crate::wire::{Reader, WireType};

/// Appends the batch as OTLP/JSON, on one line.
pub fn encode_json(batch: &Batch, buffer: &mut Vec<u8>) {
    let mut writer = Writer::new(buffer);
    writer.raw(b"{\"resourceMetrics\":[");
    // What closes the messages that are open, from the level of the next run down.
    let ends: [(Level, &[u8]); 3] =
        [(Level::Metric, b"]}}"), (Level::Scope, b"]}"), (Level::Resource, b"]}")];
    let close = |writer: &mut Writer<'_>, level: Level| {
        for (_, end) in ends.iter().filter(|(needed, _)| *needed <= level) {
            writer.raw(end);
        }
    };
    for (index, run) in runs(batch).iter().enumerate() {
        if index > 0 {
            close(&mut writer, run.level);
        }
        if run.level == Level::Resource {
            writer.resource(run.series.resource());
        }
        if run.level >= Level::Scope {
            writer.scope(run.series.scope());
        }
        if run.level >= Level::Metric {
            writer.metric(run.series.metric());
        }
        for point in &batch.as_slice()[run.points.clone()] {
            writer.point(point);
        }
    }
    if !batch.is_empty() {
        close(&mut writer, Level::Resource);
    }
    writer.raw(b"]}");
}

impl Writer<'_> {
    /// Opens a resource's metrics, up to its scopes.
    fn resource(&mut self, resource: &Resource) {
        self.open(b"{");
        self.member("resource", b"{");
        self.attributes("attributes", &resource.attributes);
        self.number("droppedAttributesCount", resource.dropped_attributes_count);
        if !resource.entity_refs.is_empty() {
            self.member("entityRefs", b"[");
            for entity in &resource.entity_refs {
                self.entity_ref(entity);
            }
            self.raw(b"]");
        }
        self.raw(b"}");
        self.text("schemaUrl", &resource.schema_url);
        self.member("scopeMetrics", b"[");
    }

    fn entity_ref(&mut self, entity: &[u8]) {
        self.open(b"{");
        for (field, name, is_list) in
            [(1, "schemaUrl", false), (2, "type", false), (3, "idKeys", true), (4, "descriptionKeys", true)]
        {
            let mut reader = Reader::new(entity);
            // The decoder wrote these bytes, or a test: what is not right is left out.
            let mut texts = std::iter::from_fn(|| {
                while let Ok(Some((number, wire))) = reader.tag() {
                    if number == field && wire == WireType::Bytes {
                        return reader.string().ok();
                    }
                    reader.skip(wire).ok()?;
                }
                None
            })
            .peekable();
            if texts.peek().is_none() {
                continue;
            }
            self.member(name, if is_list { b"[" } else { b"" });
            for text in texts {
                self.item_text(text);
            }
            self.raw(if is_list { b"]" } else { b"" });
        }
        self.raw(b"}");
    }

    /// Opens a scope's metrics, up to the metrics.
    fn scope(&mut self, scope: &Scope) {
        self.open(b"{");
        self.member("scope", b"{");
        self.text("name", &scope.name);
        self.text("version", &scope.version);
        self.attributes("attributes", &scope.attributes);
        self.number("droppedAttributesCount", scope.dropped_attributes_count);
        self.raw(b"}");
        self.text("schemaUrl", &scope.schema_url);
        self.member("metrics", b"[");
    }

    /// Opens a metric, up to its points.
    fn metric(&mut self, metric: &Metric) {
        self.open(b"{");
        self.text("name", &metric.name);
        self.text("description", &metric.description);
        self.text("unit", &metric.unit);
        self.attributes("metadata", &metric.metadata);
        let data = match metric.kind {
            Kind::Gauge => "gauge",
            Kind::Sum { .. } => "sum",
            Kind::Histogram { .. } => "histogram",
            Kind::ExponentialHistogram { .. } => "exponentialHistogram",
            Kind::Summary => "summary",
        };
        self.member(data, b"{");
        match metric.kind.temporality() {
            Some(Temporality::Delta) => self.member("aggregationTemporality", b"1"),
            Some(Temporality::Cumulative) => self.member("aggregationTemporality", b"2"),
            None => {}
        }
        if let Kind::Sum { is_monotonic: true, .. } = metric.kind {
            self.member("isMonotonic", b"true");
        }
        self.member("dataPoints", b"[");
    }

    fn point(&mut self, point: &Point) {
        self.open(b"{");
        self.attributes("attributes", point.series.attributes());
        self.integer("startTimeUnixNano", point.start_unix_nano);
        self.integer("timeUnixNano", point.time_unix_nano);
        match fitting_value(point) {
            Value::Empty => {}
            Value::Int(value) => self.always_integer("asInt", *value),
            Value::Double(value) => self.always_double("asDouble", *value),
            Value::Histogram(histogram) => self.histogram(histogram),
            Value::ExponentialHistogram(histogram) => self.exponential(histogram),
            Value::Summary(summary) => self.summary(summary),
        }
        let mut exemplars = exemplars(point).peekable();
        if exemplars.peek().is_some() {
            self.member("exemplars", b"[");
            exemplars.for_each(|exemplar| self.exemplar(exemplar));
            self.raw(b"]");
        }
        self.number("flags", point.flags);
        self.raw(b"}");
    }

    fn histogram(&mut self, histogram: &Histogram) {
        self.integer("count", histogram.count);
        self.moments([histogram.sum, histogram.min, histogram.max]);
        self.integers("bucketCounts", &histogram.bucket_counts);
        if !histogram.bounds.is_empty() {
            self.member("explicitBounds", b"[");
            for bound in histogram.bounds.iter() {
                self.item_double(*bound);
            }
            self.raw(b"]");
        }
    }

    fn exponential(&mut self, histogram: &ExponentialHistogram) {
        self.integer("count", histogram.count);
        self.moments([histogram.sum, histogram.min, histogram.max]);
        self.number("scale", histogram.scale);
        self.integer("zeroCount", histogram.zero_count);
        for (name, Buckets { offset, counts }) in
            [("positive", &histogram.positive), ("negative", &histogram.negative)]
        {
            self.member(name, b"{");
            self.number("offset", *offset);
            self.integers("bucketCounts", counts);
            self.raw(b"}");
        }
        self.double("zeroThreshold", histogram.zero_threshold);
    }

    fn summary(&mut self, summary: &Summary) {
        self.integer("count", summary.count);
        self.double("sum", summary.sum);
        if summary.quantiles.is_empty() {
            return;
        }
        self.member("quantileValues", b"[");
        for (quantile, value) in &summary.quantiles {
            self.open(b"{");
            self.double("quantile", *quantile);
            self.double("value", *value);
            self.raw(b"}");
        }
        self.raw(b"]");
    }

    fn moments(&mut self, moments: [Option<f64>; 3]) {
        for (name, moment) in ["sum", "min", "max"].into_iter().zip(moments) {
            if let Some(moment) = moment {
                self.always_double(name, moment);
            }
        }
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        self.open(b"{");
        self.attributes("filteredAttributes", &exemplar.attributes);
        self.integer("timeUnixNano", exemplar.time_unix_nano);
        match exemplar.value {
            ExemplarValue::Int(value) => self.always_integer("asInt", value),
            ExemplarValue::Double(value) => self.always_double("asDouble", value),
        }
        for (name, id) in [("spanId", &exemplar.span_id), ("traceId", &exemplar.trace_id)] {
            if !id.is_empty() {
                self.member(name, b"\"");
                for byte in id {
                    let digit = |digit: u8| b"0123456789abcdef"[usize::from(digit)];
                    self.raw(&[digit(byte >> 4), digit(byte & 15)]);
                }
                self.raw(b"\"");
            }
        }
        self.raw(b"}");
    }

    fn attributes(&mut self, name: &str, attributes: &Attributes) {
        if attributes.is_empty() {
            return;
        }
        self.member(name, b"[");
        for (key, value) in attributes.iter() {
            self.pair(key, |writer| writer.value_ref(value));
        }
        self.raw(b"]");
    }

    fn pair(&mut self, key: &str, value: impl FnOnce(&mut Self)) {
        self.open(b"{");
        self.member("key", b"");
        self.quoted(key);
        self.member("value", b"");
        value(self);
        self.raw(b"}");
    }

    fn value_ref(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Nested(_) => self.value(&value.to_owned()),
            ValueRef::String(text) => self.value_text(text),
            ValueRef::Empty => self.raw(b"{}"),
            ValueRef::Bool(value) => self.value(&AnyValue::Bool(value)),
            ValueRef::Int(value) => self.value(&AnyValue::Int(value)),
            ValueRef::Double(value) => self.value(&AnyValue::Double(value)),
            ValueRef::Bytes(bytes) => self.value_bytes(bytes),
        }
    }

    fn value(&mut self, value: &AnyValue) {
        match value {
            AnyValue::String(text) => return self.value_text(text),
            AnyValue::Bytes(bytes) => return self.value_bytes(bytes),
            _ => self.raw(b"{"),
        }
        match value {
            AnyValue::Bool(value) => self.member("boolValue", if *value { b"true" } else { b"false" }),
            AnyValue::Int(value) => self.always_integer("intValue", *value),
            AnyValue::Double(value) => self.always_double("doubleValue", *value),
            AnyValue::Array(values) => {
                self.member("arrayValue", b"{\"values\":[");
                for value in values {
                    self.open(b"");
                    self.value(value);
                }
                self.raw(b"]}");
            }
            AnyValue::Map(pairs) => {
                self.member("kvlistValue", b"{\"values\":[");
                for (key, value) in pairs {
                    self.pair(key, |writer| writer.value(value));
                }
                self.raw(b"]}");
            }
            AnyValue::Empty | AnyValue::String(_) | AnyValue::Bytes(_) => {}
        }
        self.raw(b"}");
    }

    fn value_text(&mut self, text: &str) {
        self.raw(b"{\"stringValue\":");
        self.quoted(text);
        self.raw(b"}");
    }

    fn value_bytes(&mut self, bytes: &[u8]) {
        self.raw(b"{\"bytesValue\":\"");
        self.raw(STANDARD.encode(bytes).as_bytes());
        self.raw(b"\"}");
    }
}
