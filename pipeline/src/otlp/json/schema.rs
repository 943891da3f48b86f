//! The messages of an OTLP metrics request: JSON names, field numbers, types.
//!
//! From opentelemetry/proto/{collector/metrics,metrics,resource,common}/v1.

/// A message type.
#[derive(Debug)]
pub(in crate::otlp) struct Message {
    pub(in crate::otlp) fields: &'static [Field],
    /// Values nest in values; the depth of that is bounded.
    pub(in crate::otlp) is_value: bool,
}

/// A field of a message.
#[derive(Debug)]
pub(in crate::otlp) struct Field {
    pub(in crate::otlp) name: &'static str,
    pub(in crate::otlp) number: u32,
    pub(in crate::otlp) kind: Kind,
    pub(in crate::otlp) occurs: Occurs,
}

/// How often a field may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::otlp) enum Occurs {
    Once,
    /// Once, and not together with others of the message that say the same.
    OneOf,
    Repeated,
}

/// What a field holds.
#[derive(Debug, Clone, Copy)]
pub(in crate::otlp) enum Kind {
    String,
    Bool,
    /// An integer in JSON too; names are not allowed.
    Enum,
    Double,
    Fixed64,
    SignedFixed64,
    Int64,
    Uint64,
    Uint32,
    /// `sint32`.
    ZigZag32,
    /// Base64 in JSON.
    Bytes,
    /// So many bytes, or none; hexadecimal in JSON.
    Id(usize),
    Message(&'static Message),
}

const fn field(name: &'static str, number: u32, kind: Kind, occurs: Occurs) -> Field {
    Field { name, number, kind, occurs }
}

const fn once(name: &'static str, number: u32, kind: Kind) -> Field {
    field(name, number, kind, Occurs::Once)
}

const fn one_of(name: &'static str, number: u32, kind: Kind) -> Field {
    field(name, number, kind, Occurs::OneOf)
}

const fn repeated(name: &'static str, number: u32, kind: Kind) -> Field {
    field(name, number, kind, Occurs::Repeated)
}

const fn message(fields: &'static [Field]) -> Message {
    Message { fields, is_value: false }
}

pub(in crate::otlp) static REQUEST: Message =
    message(&[repeated("resourceMetrics", 1, Kind::Message(&RESOURCE_METRICS))]);

static RESOURCE_METRICS: Message = message(&[
    once("resource", 1, Kind::Message(&RESOURCE)),
    repeated("scopeMetrics", 2, Kind::Message(&SCOPE_METRICS)),
    once("schemaUrl", 3, Kind::String),
]);

static RESOURCE: Message = message(&[
    repeated("attributes", 1, Kind::Message(&KEY_VALUE)),
    once("droppedAttributesCount", 2, Kind::Uint32),
    repeated("entityRefs", 3, Kind::Message(&ENTITY_REF)),
]);

pub(in crate::otlp) static ENTITY_REF: Message = message(&[
    once("schemaUrl", 1, Kind::String),
    once("type", 2, Kind::String),
    repeated("idKeys", 3, Kind::String),
    repeated("descriptionKeys", 4, Kind::String),
]);

static SCOPE_METRICS: Message = message(&[
    once("scope", 1, Kind::Message(&SCOPE)),
    repeated("metrics", 2, Kind::Message(&METRIC)),
    once("schemaUrl", 3, Kind::String),
]);

static SCOPE: Message = message(&[
    once("name", 1, Kind::String),
    once("version", 2, Kind::String),
    repeated("attributes", 3, Kind::Message(&KEY_VALUE)),
    once("droppedAttributesCount", 4, Kind::Uint32),
]);

static METRIC: Message = message(&[
    once("name", 1, Kind::String),
    once("description", 2, Kind::String),
    once("unit", 3, Kind::String),
    one_of("gauge", 5, Kind::Message(&GAUGE)),
    one_of("sum", 7, Kind::Message(&SUM)),
    one_of("histogram", 9, Kind::Message(&HISTOGRAM)),
    one_of("exponentialHistogram", 10, Kind::Message(&EXPONENTIAL_HISTOGRAM)),
    one_of("summary", 11, Kind::Message(&SUMMARY)),
    repeated("metadata", 12, Kind::Message(&KEY_VALUE)),
]);

static GAUGE: Message = message(&[repeated("dataPoints", 1, Kind::Message(&NUMBER_POINT))]);

static SUM: Message = message(&[
    repeated("dataPoints", 1, Kind::Message(&NUMBER_POINT)),
    once("aggregationTemporality", 2, Kind::Enum),
    once("isMonotonic", 3, Kind::Bool),
]);

static HISTOGRAM: Message = message(&[
    repeated("dataPoints", 1, Kind::Message(&HISTOGRAM_POINT)),
    once("aggregationTemporality", 2, Kind::Enum),
]);

static EXPONENTIAL_HISTOGRAM: Message = message(&[
    repeated("dataPoints", 1, Kind::Message(&EXPONENTIAL_POINT)),
    once("aggregationTemporality", 2, Kind::Enum),
]);

static SUMMARY: Message = message(&[repeated("dataPoints", 1, Kind::Message(&SUMMARY_POINT))]);

static NUMBER_POINT: Message = message(&[
    repeated("attributes", 7, Kind::Message(&KEY_VALUE)),
    once("startTimeUnixNano", 2, Kind::Fixed64),
    once("timeUnixNano", 3, Kind::Fixed64),
    one_of("asDouble", 4, Kind::Double),
    one_of("asInt", 6, Kind::SignedFixed64),
    repeated("exemplars", 5, Kind::Message(&EXEMPLAR)),
    once("flags", 8, Kind::Uint32),
]);

static HISTOGRAM_POINT: Message = message(&[
    repeated("attributes", 9, Kind::Message(&KEY_VALUE)),
    once("startTimeUnixNano", 2, Kind::Fixed64),
    once("timeUnixNano", 3, Kind::Fixed64),
    once("count", 4, Kind::Fixed64),
    once("sum", 5, Kind::Double),
    repeated("bucketCounts", 6, Kind::Fixed64),
    repeated("explicitBounds", 7, Kind::Double),
    repeated("exemplars", 8, Kind::Message(&EXEMPLAR)),
    once("flags", 10, Kind::Uint32),
    once("min", 11, Kind::Double),
    once("max", 12, Kind::Double),
]);

static EXPONENTIAL_POINT: Message = message(&[
    repeated("attributes", 1, Kind::Message(&KEY_VALUE)),
    once("startTimeUnixNano", 2, Kind::Fixed64),
    once("timeUnixNano", 3, Kind::Fixed64),
    once("count", 4, Kind::Fixed64),
    once("sum", 5, Kind::Double),
    once("scale", 6, Kind::ZigZag32),
    once("zeroCount", 7, Kind::Fixed64),
    once("positive", 8, Kind::Message(&BUCKETS)),
    once("negative", 9, Kind::Message(&BUCKETS)),
    once("flags", 10, Kind::Uint32),
    repeated("exemplars", 11, Kind::Message(&EXEMPLAR)),
    once("min", 12, Kind::Double),
    once("max", 13, Kind::Double),
    once("zeroThreshold", 14, Kind::Double),
]);

static BUCKETS: Message =
    message(&[once("offset", 1, Kind::ZigZag32), repeated("bucketCounts", 2, Kind::Uint64)]);

static SUMMARY_POINT: Message = message(&[
    repeated("attributes", 7, Kind::Message(&KEY_VALUE)),
    once("startTimeUnixNano", 2, Kind::Fixed64),
    once("timeUnixNano", 3, Kind::Fixed64),
    once("count", 4, Kind::Fixed64),
    once("sum", 5, Kind::Double),
    repeated("quantileValues", 6, Kind::Message(&VALUE_AT_QUANTILE)),
    once("flags", 8, Kind::Uint32),
]);

static VALUE_AT_QUANTILE: Message =
    message(&[once("quantile", 1, Kind::Double), once("value", 2, Kind::Double)]);

static EXEMPLAR: Message = message(&[
    repeated("filteredAttributes", 7, Kind::Message(&KEY_VALUE)),
    once("timeUnixNano", 2, Kind::Fixed64),
    one_of("asDouble", 3, Kind::Double),
    one_of("asInt", 6, Kind::SignedFixed64),
    once("spanId", 4, Kind::Id(8)),
    once("traceId", 5, Kind::Id(16)),
]);

static KEY_VALUE: Message =
    message(&[once("key", 1, Kind::String), once("value", 2, Kind::Message(&ANY_VALUE))]);

static ANY_VALUE: Message = Message {
    fields: &[
        one_of("stringValue", 1, Kind::String),
        one_of("boolValue", 2, Kind::Bool),
        one_of("intValue", 3, Kind::Int64),
        one_of("doubleValue", 4, Kind::Double),
        one_of("arrayValue", 5, Kind::Message(&ARRAY_VALUE)),
        one_of("kvlistValue", 6, Kind::Message(&KEY_VALUE_LIST)),
        one_of("bytesValue", 7, Kind::Bytes),
    ],
    is_value: true,
};

static ARRAY_VALUE: Message = message(&[repeated("values", 1, Kind::Message(&ANY_VALUE))]);

static KEY_VALUE_LIST: Message = message(&[repeated("values", 1, Kind::Message(&KEY_VALUE))]);
