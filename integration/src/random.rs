//! Random OTLP, the same for the same seed: every kind of metric, odd names, units, attributes and values.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{
    AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value,
};
use opentelemetry_proto::tonic::metrics::v1::exponential_histogram_data_point::Buckets;
use opentelemetry_proto::tonic::metrics::v1::summary_data_point::ValueAtQuantile;
use opentelemetry_proto::tonic::metrics::v1::{
    Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar, metric,
    number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;

const NAMES: &[&str] = &[
    "x",
    "x_total",
    "x_count",
    "x_sum",
    "x_bucket",
    "x_created",
    "x_info",
    "x.total",
    "x_ratio",
    "1st",
    "a.b",
    "a_b",
    "a/b",
    "a b",
    "é",
    "total",
    "target_info",
    "up",
    "le",
    "a:b",
    "_",
    "__a__",
    "http.server.duration",
    "line\nbreak",
    "a\"b",
    "a\\b",
    "bytes",
    "x_bytes_total",
    "otel_scope_info",
    "🦀",
];

const UNITS: &[&str] = &[
    "",
    "1",
    "By",
    "s",
    "ms",
    "%",
    "{request}",
    "By/s",
    "1/s",
    "m/s",
    "°C",
    "Cel",
    "kBy",
    "MiBy",
    "weird unit",
    "a/b/c",
    "/",
    "{",
    "_",
    "total",
    "\n",
    "info",
];

const KEYS: &[&str] = &[
    "a",
    "a.b",
    "a_b",
    "a/b",
    "le",
    "quantile",
    "__name__",
    "job",
    "instance",
    "é",
    "1x",
    " ",
    "\n",
    "otel_scope_name",
    "exported_job",
    "_",
    "service.name",
    "x\"y",
];

const TEXTS: &[&str] = &[
    "",
    "a",
    "with \"quotes\"",
    "line\nbreak",
    "back\\slash",
    "é🦀",
    "+Inf",
    "}",
    "\u{1b}[31m",
    "\r",
    "\0",
    "# EOF",
];

const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    1e-300,
    1e300,
    f64::MAX,
    f64::MIN_POSITIVE,
    5e-324,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    1e15,
    123_456_789.125,
];

const START: u64 = 1_700_000_000_000_000_000;

/// So many requests with a hundred metrics each.
pub fn random_requests(seed: u64, requests: usize) -> Vec<ExportMetricsServiceRequest> {
    let mut random = Random(seed | 1);
    (0..requests).map(|_| random.request()).collect()
}

/// Xorshift with a multiplication at the end; good enough to pick from lists.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    fn pick<T: Copy>(&mut self, list: &[T]) -> T {
        list[self.below(list.len() as u64) as usize]
    }

    fn float(&mut self) -> f64 {
        if self.one_in(2) { self.pick(FLOATS) } else { self.below(1_000_000) as f64 / 64.0 }
    }

    fn name(&mut self) -> String {
        match self.below(20) {
            0 => self.pick(NAMES).repeat(100),
            1..8 => format!("{}{}", self.pick(NAMES), self.below(50)),
            _ => self.pick(NAMES).to_owned(),
        }
    }

    fn value(&mut self, depth: u64) -> AnyValue {
        use any_value::Value;
        let value = match self.below(if depth == 0 { 6 } else { 8 }) {
            0..3 => Value::StringValue(self.pick(TEXTS).to_owned()),
            3 => Value::IntValue(self.pick(&[0, -1, i64::MIN, i64::MAX])),
            4 => Value::DoubleValue(self.float()),
            5 if self.one_in(2) => Value::BoolValue(self.one_in(2)),
            5 => Value::BytesValue(vec![0, 0xff, b'"']),
            6 => Value::ArrayValue(ArrayValue { values: (0..3).map(|_| self.value(depth - 1)).collect() }),
            _ => Value::KvlistValue(KeyValueList { values: self.attributes(depth - 1) }),
        };
        AnyValue { value: (!self.one_in(30)).then_some(value) }
    }

    fn attributes(&mut self, depth: u64) -> Vec<KeyValue> {
        let mut keys: Vec<&str> = (0..self.below(5)).map(|_| self.pick(KEYS)).collect();
        keys.sort_unstable();
        keys.dedup();
        let pair =
            |key: &str, value| KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() };
        keys.into_iter().map(|key| pair(key, self.value(depth))).collect()
    }

    fn request(&mut self) -> ExportMetricsServiceRequest {
        let resource_metrics = (0..4).map(|_| {
            let resource = Resource { attributes: self.attributes(2), ..Resource::default() };
            let scope_metrics = (0..5).map(|_| self.scope()).collect();
            ResourceMetrics {
                resource: (!self.one_in(8)).then_some(resource),
                scope_metrics,
                ..Default::default()
            }
        });
        ExportMetricsServiceRequest { resource_metrics: resource_metrics.collect() }
    }

    fn scope(&mut self) -> ScopeMetrics {
        let scope = InstrumentationScope {
            name: self.pick(TEXTS).to_owned(),
            version: self.pick(TEXTS).to_owned(),
            attributes: self.attributes(1),
            ..InstrumentationScope::default()
        };
        let metrics = (0..5).map(|_| self.metric()).collect();
        ScopeMetrics { scope: (!self.one_in(4)).then_some(scope), metrics, ..ScopeMetrics::default() }
    }

    fn metric(&mut self) -> Metric {
        Metric {
            name: self.name(),
            description: self.pick(TEXTS).to_owned(),
            unit: self.pick(UNITS).to_owned(),
            data: Some(self.data()),
            ..Metric::default()
        }
    }

    fn data(&mut self) -> metric::Data {
        // Delta and cumulative.
        let temporality = if self.one_in(4) { 1 } else { 2 };
        let is_monotonic = !self.one_in(3);
        let points = 1 + self.below(3);
        match self.below(6) {
            0 => {
                metric::Data::Gauge(Gauge { data_points: (0..points).map(|_| self.number(false)).collect() })
            }
            1 | 2 => metric::Data::Sum(Sum {
                data_points: (0..points).map(|_| self.number(is_monotonic)).collect(),
                aggregation_temporality: temporality,
                is_monotonic,
            }),
            3 => metric::Data::Histogram(Histogram {
                data_points: (0..points).map(|_| self.histogram()).collect(),
                aggregation_temporality: temporality,
            }),
            4 => metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: (0..points).map(|_| self.exponential()).collect(),
                aggregation_temporality: temporality,
            }),
            _ => {
                metric::Data::Summary(Summary { data_points: (0..points).map(|_| self.summary()).collect() })
            }
        }
    }

    fn time(&mut self) -> u64 {
        START + self.below(1_000_000_000_000)
    }

    fn flags(&mut self) -> u32 {
        u32::from(self.one_in(20))
    }

    fn number(&mut self, is_counter: bool) -> NumberDataPoint {
        let value = match self.below(2) {
            0 if is_counter => number_data_point::Value::AsInt(self.below(1 << 40) as i64),
            0 => number_data_point::Value::AsInt(self.pick(&[0, -1, i64::MIN, i64::MAX])),
            _ if is_counter => number_data_point::Value::AsDouble(self.float().abs()),
            _ => number_data_point::Value::AsDouble(self.float()),
        };
        NumberDataPoint {
            attributes: self.attributes(2),
            start_time_unix_nano: if self.one_in(3) { 0 } else { START },
            time_unix_nano: self.time(),
            exemplars: self.exemplars(),
            flags: self.flags(),
            value: Some(value),
        }
    }

    fn exemplars(&mut self) -> Vec<Exemplar> {
        let exemplar = |random: &mut Self| Exemplar {
            filtered_attributes: random.attributes(1),
            time_unix_nano: random.time(),
            span_id: if random.one_in(2) { vec![1; 8] } else { Vec::new() },
            trace_id: if random.one_in(2) { vec![2; 16] } else { Vec::new() },
            value: Some(exemplar::Value::AsDouble(random.float())),
        };
        (0..self.below(3)).map(|_| exemplar(self)).collect()
    }

    fn histogram(&mut self) -> HistogramDataPoint {
        let bounds: Vec<f64> = (0..self.below(6)).map(|index| index as f64 * 0.3 - 0.5).collect();
        let counts: Vec<u64> = match bounds.len() {
            0 if self.one_in(2) => Vec::new(),
            bounds => (0..=bounds).map(|_| self.below(1_000)).collect(),
        };
        let count = if counts.is_empty() { self.below(100) } else { counts.iter().sum() };
        HistogramDataPoint {
            attributes: self.attributes(2),
            start_time_unix_nano: START,
            time_unix_nano: self.time(),
            count,
            sum: (!self.one_in(4)).then(|| self.float()),
            bucket_counts: counts,
            explicit_bounds: bounds,
            exemplars: self.exemplars(),
            flags: self.flags(),
            min: self.one_in(2).then_some(-1.0),
            max: self.one_in(2).then_some(9.0),
        }
    }

    fn exponential(&mut self) -> ExponentialHistogramDataPoint {
        let buckets = |random: &mut Self| Buckets {
            offset: random.below(400) as i32 - 200,
            bucket_counts: (0..random.below(160)).map(|_| random.below(4)).collect(),
        };
        let (positive, negative) = (buckets(self), buckets(self));
        let zero_count = self.below(3);
        let count = zero_count + positive.bucket_counts.iter().chain(&negative.bucket_counts).sum::<u64>();
        ExponentialHistogramDataPoint {
            attributes: self.attributes(2),
            start_time_unix_nano: START,
            time_unix_nano: self.time(),
            count,
            sum: (!self.one_in(4)).then(|| self.float()),
            scale: self.below(30) as i32 - 10,
            zero_count,
            positive: Some(positive),
            negative: (!self.one_in(2) || count > 0).then_some(negative),
            flags: self.flags(),
            exemplars: self.exemplars(),
            min: None,
            max: None,
            zero_threshold: self.pick(&[0.0, 1e-9]),
        }
    }

    fn summary(&mut self) -> SummaryDataPoint {
        let mut quantiles: Vec<f64> = (0..self.below(4)).map(|index| index as f64 / 3.0).collect();
        quantiles.dedup();
        let value = |random: &mut Self, quantile| ValueAtQuantile { quantile, value: random.float().abs() };
        SummaryDataPoint {
            attributes: self.attributes(2),
            start_time_unix_nano: START,
            time_unix_nano: self.time(),
            count: self.below(1_000),
            sum: self.float(),
            quantile_values: quantiles.into_iter().map(|quantile| value(self, quantile)).collect(),
            flags: self.flags(),
        }
    }
}
