//! Random requests, in the reference types: all kinds of points, all kinds of values, all valid.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, EntityRef, InstrumentationScope, KeyValue, KeyValueList,
};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

/// Makes requests from a seed.
pub(super) struct Random {
    pub(super) random: StdRng,
    /// Only what the reference types' JSON writes and reads right.
    is_plain: bool,
}

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self { random: StdRng::seed_from_u64(seed), is_plain: false }
    }

    pub(super) fn plain(seed: u64) -> Self {
        Self { is_plain: true, ..Self::new(seed) }
    }

    fn list<T>(&mut self, max: usize, mut item: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.random.random_range(0..=max)).map(|_| item(self)).collect()
    }

    fn chance(&mut self) -> bool {
        self.random.random()
    }

    fn option<T>(&mut self, item: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.chance().then(|| item(self))
    }

    fn text(&mut self) -> String {
        let texts = ["", "a", "b", "é\u{1F600}", "quo\"te\\ \u{1}\n", "long.enough.to.need.two.length.bytes"];
        let text = texts.choose(&mut self.random).unwrap();
        if self.random.random_ratio(1, 8) { text.repeat(8) } else { (*text).to_owned() }
    }

    fn double(&mut self) -> f64 {
        let doubles = [0.0, -0.0, 1.5, -1e300, 5e-324, 0.1];
        let odd = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
        match self.random.random_range(0..4) {
            0 if !self.is_plain => *odd.choose(&mut self.random).unwrap(),
            1 => self.random.random_range(-1e6..1e6),
            _ => *doubles.choose(&mut self.random).unwrap(),
        }
    }

    fn integer(&mut self) -> u64 {
        let bits = self.random.random_range(0..64);
        self.random.random::<u64>() >> bits
    }

    fn value(&mut self, depth: usize) -> AnyValue {
        let kinds = if depth < 3 { 8 } else { 6 };
        AnyValue {
            value: match self.random.random_range(0..kinds) {
                0 if self.is_plain => Some(Value::BoolValue(true)),
                0 => None,
                1 => Some(Value::StringValue(self.text())),
                2 => Some(Value::BoolValue(self.chance())),
                3 => Some(Value::IntValue(self.integer() as i64)),
                4 => Some(Value::DoubleValue(self.double())),
                5 => Some(Value::BytesValue(self.list(5, |random| random.random.random()))),
                6 => Some(Value::ArrayValue(ArrayValue {
                    values: self.list(3, |random| random.value(depth + 1)),
                })),
                _ => Some(Value::KvlistValue(KeyValueList {
                    values: self.list(3, |random| random.pair(depth + 1)),
                })),
            },
        }
    }

    fn pair(&mut self, depth: usize) -> KeyValue {
        let value =
            if self.is_plain { Some(self.value(depth)) } else { self.option(|random| random.value(depth)) };
        KeyValue { key: self.text(), value, ..KeyValue::default() }
    }

    fn attributes(&mut self) -> Vec<KeyValue> {
        self.list(5, |random| random.pair(0))
    }

    /// A request as the reference types read it again: they lose the sign of zero in some fields.
    pub(super) fn request(&mut self) -> ExportMetricsServiceRequest {
        let request = ExportMetricsServiceRequest { resource_metrics: self.list(3, Self::resource_metrics) };
        ExportMetricsServiceRequest::decode(request.encode_to_vec().as_slice()).unwrap()
    }

    fn resource_metrics(&mut self) -> ResourceMetrics {
        let entity_refs = if self.is_plain { 0 } else { 2 };
        ResourceMetrics {
            resource: self.option(|random| Resource {
                attributes: random.attributes(),
                dropped_attributes_count: random.integer() as u32,
                entity_refs: random.list(entity_refs, |random| EntityRef {
                    schema_url: random.text(),
                    r#type: random.text(),
                    id_keys: random.list(2, Self::text),
                    description_keys: random.list(2, Self::text),
                }),
            }),
            scope_metrics: self.list(3, Self::scope_metrics),
            schema_url: self.text(),
        }
    }

    fn scope_metrics(&mut self) -> ScopeMetrics {
        ScopeMetrics {
            scope: self.option(|random| InstrumentationScope {
                name: random.text(),
                version: random.text(),
                attributes: random.attributes(),
                dropped_attributes_count: random.integer() as u32,
            }),
            metrics: self.list(4, Self::metric),
            schema_url: self.text(),
        }
    }

    /// Descriptions and metadata do not identify and the first seen stays, so they follow the name.
    fn metric(&mut self) -> Metric {
        let name = self.text();
        let temporality = self.random.random_range(1..=2);
        let data = match self.random.random_range(0..5) {
            0 => Data::Gauge(Gauge { data_points: self.list(4, Self::number) }),
            1 => Data::Sum(Sum {
                data_points: self.list(4, Self::number),
                aggregation_temporality: temporality,
                is_monotonic: self.chance(),
            }),
            2 => Data::Histogram(Histogram {
                data_points: self.list(4, Self::histogram),
                aggregation_temporality: temporality,
            }),
            3 => Data::ExponentialHistogram(ExponentialHistogram {
                data_points: self.list(4, Self::exponential),
                aggregation_temporality: temporality,
            }),
            _ => Data::Summary(Summary { data_points: self.list(4, Self::summary) }),
        };
        let told = AnyValue { value: Some(Value::StringValue(name.clone())) };
        Metric {
            description: format!("about {name}"),
            unit: self.text(),
            metadata: vec![KeyValue {
                key: "prometheus.type".to_owned(),
                value: Some(told),
                ..KeyValue::default()
            }],
            data: Some(data),
            name,
        }
    }

    fn time(&mut self) -> u64 {
        self.integer().max(1)
    }

    /// Mostly none, and never the flag that makes values unimportant.
    fn flags(&mut self) -> u32 {
        if self.random.random_ratio(1, 4) { self.integer() as u32 & !1 } else { 0 }
    }

    fn number(&mut self) -> NumberDataPoint {
        let value = match self.random.random_range(0..4) {
            0 => None,
            1 => Some(number_data_point::Value::AsInt(self.integer() as i64)),
            _ => Some(number_data_point::Value::AsDouble(self.double())),
        };
        NumberDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.integer(),
            time_unix_nano: self.time(),
            exemplars: self.list(2, Self::exemplar),
            flags: self.flags() | u32::from(value.is_none()),
            value,
        }
    }

    fn exemplar(&mut self) -> Exemplar {
        let mut id = |length| (0..length).map(|_| self.random.random()).collect();
        let (trace_id, span_id) = (id(16), id(8));
        let (trace_id, span_id) = if self.chance() { (trace_id, span_id) } else { (Vec::new(), Vec::new()) };
        Exemplar {
            filtered_attributes: self.attributes(),
            time_unix_nano: self.integer(),
            value: Some(if self.chance() {
                exemplar::Value::AsInt(self.integer() as i64)
            } else {
                exemplar::Value::AsDouble(self.double())
            }),
            trace_id,
            span_id,
        }
    }

    fn histogram(&mut self) -> HistogramDataPoint {
        let mut explicit_bounds =
            self.list(30, |random| random.random.random_range(-10..1000_i32) as f64 / 8.0);
        explicit_bounds.sort_by(f64::total_cmp);
        explicit_bounds.dedup();
        let mut bucket_counts: Vec<_> = (0..=explicit_bounds.len()).map(|_| self.integer() >> 8).collect();
        if explicit_bounds.is_empty() && self.chance() {
            bucket_counts.clear();
        }
        let count = if bucket_counts.is_empty() { self.integer() } else { bucket_counts.iter().sum() };
        HistogramDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.integer(),
            time_unix_nano: self.time(),
            count,
            sum: self.option(Self::double),
            bucket_counts,
            explicit_bounds,
            exemplars: self.list(2, Self::exemplar),
            flags: self.flags(),
            min: self.option(Self::double),
            max: self.option(Self::double),
        }
    }

    fn buckets(&mut self) -> Option<Buckets> {
        self.option(|random| Buckets {
            offset: random.random.random_range(-500..500),
            bucket_counts: random.list(20, |random| random.integer() >> 8),
        })
    }

    fn exponential(&mut self) -> ExponentialHistogramDataPoint {
        let (positive, negative) = (self.buckets(), self.buckets());
        let zero_count = self.integer() >> 8;
        let counts = positive.iter().chain(&negative).flat_map(|buckets| &buckets.bucket_counts);
        ExponentialHistogramDataPoint {
            count: counts.sum::<u64>() + zero_count,
            attributes: self.attributes(),
            start_time_unix_nano: self.integer(),
            time_unix_nano: self.time(),
            sum: self.option(Self::double),
            scale: self.random.random_range(0..20),
            zero_count,
            positive,
            negative,
            flags: self.flags(),
            exemplars: self.list(2, Self::exemplar),
            min: self.option(Self::double),
            max: self.option(Self::double),
            zero_threshold: self.double(),
        }
    }

    fn summary(&mut self) -> SummaryDataPoint {
        let quantiles = [0.0, 0.25, 0.5, 0.99, 1.0];
        SummaryDataPoint {
            attributes: self.attributes(),
            start_time_unix_nano: self.integer(),
            time_unix_nano: self.time(),
            count: self.integer(),
            sum: self.double(),
            quantile_values: quantiles
                .into_iter()
                .filter_map(|quantile| {
                    self.option(|random| ValueAtQuantile { quantile, value: random.double() })
                })
                .collect(),
            flags: self.flags(),
        }
    }
}
