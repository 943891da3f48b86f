//! Reads points in the notation.

use std::sync::Arc;

use super::cursor::{Cursor, Number, Reason};
use super::{Error, is_unit};
use crate::attributes::Attributes;
use crate::batch::Batch;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::point::{
    Buckets, Exemplar, ExemplarValue, Exemplars, ExponentialHistogram, Histogram, NO_RECORDED_VALUE, Point,
    Summary, Value,
};
use crate::registry::Registry;

/// Reads a batch; its series come from `registry`.
pub fn parse(text: &str, registry: &Registry) -> Result<Batch, Error> {
    let mut parser = Parser {
        registry,
        resource: registry.resource(Resource::default()),
        scope: registry.scope(Scope::default()),
        description: String::new(),
        metadata: Attributes::empty(),
    };
    let mut batch = Batch::new();
    for (index, line) in text.lines().enumerate() {
        let point = parser.line(line).map_err(|reason| Error { line: index + 1, reason })?;
        batch.extend(point);
    }
    Ok(batch)
}

/// What the lines above say about the points below.
struct Parser<'a> {
    registry: &'a Registry,
    resource: Arc<Resource>,
    scope: Arc<Scope>,
    description: String,
    metadata: Attributes,
}

impl Parser<'_> {
    fn line(&mut self, line: &str) -> Result<Option<Point>, Reason> {
        let mut cursor = Cursor::new(line);
        if cursor.is_at_end() || cursor.starts_with('#') {
            return Ok(None);
        }
        let before = cursor;
        let point = match cursor.word() {
            "resource" => {
                self.resource = self.registry.resource(resource(&mut cursor)?);
                self.scope = self.registry.scope(Scope::default());
                self.describe(String::new(), Attributes::empty());
                None
            }
            "scope" => {
                self.scope = self.registry.scope(scope(&mut cursor)?);
                self.describe(String::new(), Attributes::empty());
                None
            }
            "about" => {
                let description = optional_string(&mut cursor)?;
                let metadata = optional_map(&mut cursor)?;
                self.describe(description, metadata);
                None
            }
            word => match kind(word, &mut cursor) {
                Some(kind) => Some(self.point(kind, &mut cursor)?),
                None => {
                    return Err(before.unexpected("`resource`, `scope`, `about` or a kind such as `gauge`"));
                }
            },
        };
        if cursor.is_at_end() { Ok(point) } else { Err(cursor.unexpected("the end of the line")) }
    }

    fn describe(&mut self, description: String, metadata: Attributes) {
        self.description = description;
        self.metadata = metadata;
    }

    fn point(&self, kind: Kind, cursor: &mut Cursor) -> Result<Point, Reason> {
        let name = cursor.name()?;
        let attributes = optional_map(cursor)?;
        let unit = unit(cursor)?;
        let metadata = self.metadata.clone();
        let metric = Metric { name, unit, kind, description: self.description.clone(), metadata };
        cursor.expect('=')?;
        let is_marker = cursor.eat_word("stale");
        let value = if is_marker { Value::Empty } else { value(kind, cursor)? };
        let (start_unix_nano, time_unix_nano) = times(cursor)?;
        let mut flags = if is_marker { NO_RECORDED_VALUE } else { 0 };
        if cursor.eat_word("flags") {
            flags |= cursor.integer::<u32>()?;
        }
        let mut exemplars = Vec::new();
        while cursor.eat_word("exemplar") {
            exemplars.push(exemplar(cursor)?);
        }
        let metric = self.registry.metric(metric);
        let series = self.registry.series(&self.resource, &self.scope, &metric, attributes);
        let series = series.map_err(|full| full.to_string())?;
        let exemplars = Exemplars::new(exemplars);
        Ok(Point { series, start_unix_nano, time_unix_nano, value, flags, exemplars })
    }
}

fn kind(word: &str, cursor: &mut Cursor) -> Option<Kind> {
    let is_delta = word == "delta";
    let temporality = if is_delta { Temporality::Delta } else { Temporality::Cumulative };
    match if is_delta { cursor.word() } else { word } {
        "gauge" if !is_delta => Some(Kind::Gauge),
        "summary" if !is_delta => Some(Kind::Summary),
        "counter" => Some(Kind::Sum { temporality, is_monotonic: true }),
        "updown" => Some(Kind::Sum { temporality, is_monotonic: false }),
        "histogram" => Some(Kind::Histogram { temporality }),
        "exponential" => Some(Kind::ExponentialHistogram { temporality }),
        _ => None,
    }
}

fn resource(cursor: &mut Cursor) -> Result<Resource, Reason> {
    let attributes = optional_map(cursor)?;
    let (schema_url, dropped_attributes_count) = origin(cursor)?;
    let mut entity_refs = Vec::new();
    while cursor.eat_word("entity") {
        entity_refs.push(cursor.bytes()?.into());
    }
    Ok(Resource { attributes, schema_url, dropped_attributes_count, entity_refs })
}

fn scope(cursor: &mut Cursor) -> Result<Scope, Reason> {
    let name = optional_string(cursor)?;
    let version = optional_string(cursor)?;
    let attributes = optional_map(cursor)?;
    let (schema_url, dropped_attributes_count) = origin(cursor)?;
    Ok(Scope { name, version, attributes, schema_url, dropped_attributes_count })
}

fn origin(cursor: &mut Cursor) -> Result<(String, u32), Reason> {
    let schema_url = if cursor.eat_word("schema") { cursor.string()? } else { String::new() };
    let dropped = if cursor.eat_word("dropped") { cursor.integer()? } else { 0 };
    Ok((schema_url, dropped))
}

fn optional_string(cursor: &mut Cursor) -> Result<String, Reason> {
    if cursor.starts_with('"') { cursor.string() } else { Ok(String::new()) }
}

fn optional_map(cursor: &mut Cursor) -> Result<Attributes, Reason> {
    if cursor.starts_with('{') { cursor.map(0).map(Attributes::new) } else { Ok(Attributes::empty()) }
}

fn unit(cursor: &mut Cursor) -> Result<String, Reason> {
    if !cursor.eat('[') {
        return Ok(String::new());
    }
    let unit = if cursor.starts_with('"') { cursor.string()? } else { cursor.take(is_unit).to_owned() };
    cursor.expect(']')?;
    Ok(unit)
}

fn times(cursor: &mut Cursor) -> Result<(u64, u64), Reason> {
    if !cursor.eat('@') {
        return Ok((0, 0));
    }
    let first = cursor.integer()?;
    if !cursor.eat('.') {
        return Ok((0, first));
    }
    cursor.expect('.')?;
    Ok((first, cursor.integer()?))
}

fn value(kind: Kind, cursor: &mut Cursor) -> Result<Value, Reason> {
    if cursor.eat_word("empty") {
        return Ok(Value::Empty);
    }
    Ok(match kind {
        Kind::Gauge | Kind::Sum { .. } => match cursor.number()? {
            Number::Int(value) => Value::Int(value),
            Number::Double(value) => Value::Double(value),
        },
        Kind::Histogram { .. } => Value::Histogram(Box::new(histogram(cursor)?)),
        Kind::ExponentialHistogram { .. } => Value::ExponentialHistogram(Box::new(exponential(cursor)?)),
        Kind::Summary => Value::Summary(Box::new(summary(cursor)?)),
    })
}

/// Whether the words of a value are over.
fn is_over(cursor: &Cursor) -> bool {
    let mut ahead = *cursor;
    cursor.is_at_end() || cursor.starts_with('@') || matches!(ahead.word(), "flags" | "exemplar")
}

fn histogram(cursor: &mut Cursor) -> Result<Histogram, Reason> {
    let mut histogram = Histogram::default();
    while !is_over(cursor) {
        let before = *cursor;
        match cursor.word() {
            "count" => histogram.count = cursor.integer()?,
            "sum" => histogram.sum = Some(cursor.double()?),
            "min" => histogram.min = Some(cursor.double()?),
            "max" => histogram.max = Some(cursor.double()?),
            "buckets" => {
                let (mut bounds, mut counts) = (Vec::new(), Vec::new());
                while is_number_next(cursor) {
                    bounds.push(cursor.double()?);
                    cursor.expect(':')?;
                    counts.push(cursor.integer()?);
                }
                if bounds.pop() != Some(f64::INFINITY) {
                    return Err("expected the last bucket to be `inf`".to_owned());
                }
                (histogram.bounds, histogram.bucket_counts) = (bounds.into(), counts);
            }
            "bounds" => histogram.bounds = list(cursor, Cursor::double)?.into(),
            "counts" => histogram.bucket_counts = list(cursor, Cursor::integer)?,
            _ => return Err(before.unexpected("`count`, `sum`, `min`, `max` or `buckets`")),
        }
    }
    Ok(histogram)
}

fn exponential(cursor: &mut Cursor) -> Result<ExponentialHistogram, Reason> {
    let mut histogram = ExponentialHistogram::default();
    while !is_over(cursor) {
        let before = *cursor;
        match cursor.word() {
            "count" => histogram.count = cursor.integer()?,
            "sum" => histogram.sum = Some(cursor.double()?),
            "min" => histogram.min = Some(cursor.double()?),
            "max" => histogram.max = Some(cursor.double()?),
            "scale" => histogram.scale = cursor.integer()?,
            "zero" => histogram.zero_count = cursor.integer()?,
            "threshold" => histogram.zero_threshold = cursor.double()?,
            "positive" => histogram.positive = buckets(cursor)?,
            "negative" => histogram.negative = buckets(cursor)?,
            _ => return Err(before.unexpected("a word such as `count`, `scale` or `positive`")),
        }
    }
    Ok(histogram)
}

fn buckets(cursor: &mut Cursor) -> Result<Buckets, Reason> {
    let offset = cursor.integer()?;
    cursor.expect(':')?;
    let mut counts = Vec::new();
    if is_number_next(cursor) {
        counts.push(cursor.integer()?);
    }
    while cursor.eat(',') {
        counts.push(cursor.integer()?);
    }
    Ok(Buckets { offset, counts })
}

fn summary(cursor: &mut Cursor) -> Result<Summary, Reason> {
    let mut summary = Summary::default();
    while !is_over(cursor) {
        let before = *cursor;
        match cursor.word() {
            "count" => summary.count = cursor.integer()?,
            "sum" => summary.sum = cursor.double()?,
            "quantiles" => {
                while is_number_next(cursor) {
                    let quantile = cursor.double()?;
                    cursor.expect(':')?;
                    summary.quantiles.push((quantile, cursor.double()?));
                }
            }
            _ => return Err(before.unexpected("`count`, `sum` or `quantiles`")),
        }
    }
    Ok(summary)
}

fn list<'a, T>(
    cursor: &mut Cursor<'a>,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, Reason>,
) -> Result<Vec<T>, Reason> {
    let mut values = Vec::new();
    while is_number_next(cursor) {
        values.push(read(cursor)?);
    }
    Ok(values)
}

fn is_number_next(cursor: &Cursor) -> bool {
    let mut ahead = *cursor;
    // Counts may be greater than a point's integer.
    ahead.number().is_ok() || ahead.integer::<u64>().is_ok()
}

fn exemplar(cursor: &mut Cursor) -> Result<Exemplar, Reason> {
    let value = match cursor.number()? {
        Number::Int(value) => ExemplarValue::Int(value),
        Number::Double(value) => ExemplarValue::Double(value),
    };
    let time_unix_nano = if cursor.eat('@') { cursor.integer()? } else { 0 };
    let attributes = optional_map(cursor)?;
    let trace_id = if cursor.eat_word("trace") { cursor.bytes()? } else { Vec::new() };
    let span_id = if cursor.eat_word("span") { cursor.bytes()? } else { Vec::new() };
    Ok(Exemplar { attributes, time_unix_nano, value, trace_id, span_id })
}
