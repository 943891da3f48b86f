//! Requests as sets of points, whatever way they were grouped and written.

use std::fmt::Debug;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::{Exemplar, Metric};

/// A line a point with everything around it, sorted.
pub(super) fn points(request: ExportMetricsServiceRequest) -> Vec<String> {
    let mut points = Vec::new();
    for resource_metrics in request.resource_metrics {
        let mut resource = resource_metrics.resource.unwrap_or_default();
        normalise_set(&mut resource.attributes);
        let around = format!("{resource:?} {:?}", resource_metrics.schema_url);
        for scope_metrics in resource_metrics.scope_metrics {
            let mut scope = scope_metrics.scope.unwrap_or_default();
            normalise_set(&mut scope.attributes);
            let around = format!("{around} {scope:?} {:?}", scope_metrics.schema_url);
            for metric in scope_metrics.metrics {
                metric_points(&around, metric, &mut points);
            }
        }
    }
    points.sort();
    points
}

fn metric_points(around: &str, mut metric: Metric, points: &mut Vec<String>) {
    normalise_set(&mut metric.metadata);
    let Some(data) = metric.data.take() else { return };
    let around = format!("{around} {metric:?}");
    let mut add = |kind: &dyn Debug, point: &dyn Debug| points.push(format!("{around} {kind:?} {point:?}"));
    match data {
        Data::Gauge(gauge) => {
            for mut point in gauge.data_points {
                normalise_set(&mut point.attributes);
                normalise_exemplars(&mut point.exemplars);
                add(&"gauge", &point);
            }
        }
        Data::Sum(sum) => {
            for mut point in sum.data_points {
                normalise_set(&mut point.attributes);
                normalise_exemplars(&mut point.exemplars);
                add(&("sum", sum.aggregation_temporality, sum.is_monotonic), &point);
            }
        }
        Data::Histogram(histogram) => {
            for mut point in histogram.data_points {
                normalise_set(&mut point.attributes);
                normalise_exemplars(&mut point.exemplars);
                add(&("histogram", histogram.aggregation_temporality), &point);
            }
        }
        Data::ExponentialHistogram(histogram) => {
            for mut point in histogram.data_points {
                normalise_set(&mut point.attributes);
                normalise_exemplars(&mut point.exemplars);
                point.positive.get_or_insert_default();
                point.negative.get_or_insert_default();
                add(&("exponential", histogram.aggregation_temporality), &point);
            }
        }
        Data::Summary(summary) => {
            for mut point in summary.data_points {
                normalise_set(&mut point.attributes);
                add(&"summary", &point);
            }
        }
    }
}

fn normalise_exemplars(exemplars: &mut [Exemplar]) {
    for exemplar in exemplars {
        normalise_set(&mut exemplar.filtered_attributes);
    }
}

/// Sorts, and keeps the last of equal keys.
fn normalise_set(attributes: &mut Vec<KeyValue>) {
    attributes.reverse();
    attributes.sort_by(|left, right| left.key.cmp(&right.key));
    attributes.dedup_by(|left, right| left.key == right.key);
    for pair in attributes {
        normalise(pair.value.get_or_insert_default());
    }
}

fn normalise(value: &mut AnyValue) {
    match &mut value.value {
        Some(Value::ArrayValue(array)) => array.values.iter_mut().for_each(normalise),
        Some(Value::KvlistValue(list)) => {
            for pair in &mut list.values {
                normalise(pair.value.get_or_insert_default());
            }
        }
        _ => {}
    }
}
