//! Points that are not valid are refused one by one, counted and explained.

use std::sync::Arc;

use super::super::Decoder;
use super::decoder;
use crate::point::Value;
use crate::registry::Registry;

fn request(metric: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{metric}]}}]}}]}}"#)
}

/// `data` with one good point besides what is said.
#[track_caller]
fn check(data: &str, rejected: u64, message: &str) {
    let text = request(&format!(r#"{{"name":"m",{data}}}"#));
    let decoder = decoder();
    for _ in 0..2 {
        let decoded = decoder.decode_json(text.as_bytes()).unwrap();
        assert_eq!((decoded.rejected, decoded.message.as_str()), (rejected, message));
    }
}

#[track_caller]
fn check_accepted(data: &str) -> Vec<Value> {
    let text = request(&format!(r#"{{"name":"m",{data}}}"#));
    let decoded = decoder().decode_json(text.as_bytes()).unwrap();
    assert_eq!((decoded.rejected, decoded.message.as_str()), (0, ""));
    decoded.batch.into_iter().map(|point| point.value).collect()
}

#[test]
fn a_point_without_time_or_value_is_refused() {
    check(r#""gauge":{"dataPoints":[{"asInt":"1"}]}"#, 1, "metric `m`: time_unix_nano is zero");
    check(
        r#""gauge":{"dataPoints":[{"timeUnixNano":"1"},{"timeUnixNano":"1","asInt":"0"},{"timeUnixNano":"2"}]}"#,
        2,
        "metric `m`: point has no value",
    );
    check(
        r#""summary":{"dataPoints":[{"count":"1"},{"timeUnixNano":"1","quantileValues":[{"quantile":2}]}]}"#,
        2,
        "metric `m`: time_unix_nano is zero; metric `m`: quantiles are not strictly increasing from 0 to 1",
    );
}

#[test]
fn without_temporality_all_points_of_the_metric_are_refused() {
    let message = "metric `m`: aggregation_temporality is neither delta nor cumulative";
    check(r#""sum":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"},{}]}"#, 2, message);
    check(r#""histogram":{"aggregationTemporality":0,"dataPoints":[{"timeUnixNano":"1"}]}"#, 1, message);
    check(r#""exponentialHistogram":{"aggregationTemporality":3,"dataPoints":[{}]}"#, 1, message);
    check(r#""sum":{}"#, 0, message);
}

#[test]
fn a_metric_without_data_is_a_warning() {
    check(r#""unit":"s""#, 0, "metric `m`: has no data");
}

#[test]
fn empty_envelopes_are_fine() {
    for text in ["{}", r#"{"resourceMetrics":[]}"#, r#"{"resourceMetrics":[{}]}"#, &request("")] {
        let decoded = decoder().decode_json(text.as_bytes()).unwrap();
        assert_eq!((decoded.batch.len(), decoded.rejected, decoded.message.as_str()), (0, 0, ""));
    }
    assert!(decoder().decode(&[]).unwrap().batch.is_empty());
    assert!(check_accepted(r#""gauge":{}"#).is_empty());
}

#[test]
fn histograms_must_add_up() {
    let check = |point: &str, message: &str| {
        let data = format!(
            r#""histogram":{{"aggregationTemporality":2,"dataPoints":[{{"timeUnixNano":"1",{point}}}]}}"#
        );
        check(&data, 1, &format!("metric `m`: {message}"));
    };
    check(
        r#""count":"3","bucketCounts":["1","1"],"explicitBounds":[1]"#,
        "bucket counts do not add up to count",
    );
    let fit = "bucket_counts do not have one more item than explicit_bounds";
    check(r#""count":"2","bucketCounts":["1","1"]"#, fit);
    check(r#""count":"2","explicitBounds":[1]"#, fit);
    let increasing = "explicit_bounds are not strictly increasing";
    check(r#""count":"0","bucketCounts":[0,0,0],"explicitBounds":[1,1]"#, increasing);
    check(r#""count":"0","bucketCounts":[0,0,0],"explicitBounds":[1,"NaN"]"#, increasing);
    check(r#""count":"0","bucketCounts":[0,0],"explicitBounds":["NaN"]"#, increasing);
    check(
        r#""count":"1","bucketCounts":["18446744073709551615","2"],"explicitBounds":[1]"#,
        "bucket counts do not add up to count",
    );
}

#[test]
fn histograms_without_buckets_or_with_one_are_fine() {
    let data = |point: &str| {
        format!(r#""histogram":{{"aggregationTemporality":1,"dataPoints":[{{"timeUnixNano":"1",{point}}}]}}"#)
    };
    check_accepted(&data(r#""count":"7","sum":3"#));
    check_accepted(&data(r#""count":"7","bucketCounts":["7"]"#));
    check_accepted(&data(r#""count":"1","bucketCounts":[0,1],"explicitBounds":["Infinity"]"#));
}

#[test]
fn exponential_histograms_must_add_up_and_stay_in_range() {
    let check = |point: &str, message: &str| {
        let data = format!(
            r#""exponentialHistogram":{{"aggregationTemporality":2,"dataPoints":[{{"timeUnixNano":"1",{point}}}]}}"#
        );
        check(&data, 1, &format!("metric `m`: {message}"));
    };
    check(
        r#""count":"3","zeroCount":"1","positive":{"bucketCounts":["1"]}"#,
        "bucket counts do not add up to count",
    );
    check(
        r#""count":"1","scale":0,"negative":{"offset":1024,"bucketCounts":["1"]}"#,
        "scale and index of a bucket leave the range of a double",
    );
}

#[test]
fn a_stale_marker_needs_only_a_time() {
    assert_eq!(check_accepted(r#""gauge":{"dataPoints":[{"timeUnixNano":"1","flags":5}]}"#), [Value::Empty]);
    for kind in ["histogram", "exponentialHistogram"] {
        let data = |point: &str| {
            format!(
                r#""{kind}":{{"aggregationTemporality":2,"dataPoints":[{{"timeUnixNano":"1","flags":1{point}}}]}}"#
            )
        };
        assert_eq!(check_accepted(&data("")), [Value::Empty]);
        assert_eq!(
            check_accepted(&data(r#","count":"1","bucketCounts":["2"],"positive":{"bucketCounts":[2]}"#))
                .len(),
            1
        );
    }
    let broken =
        r#""summary":{"dataPoints":[{"timeUnixNano":"1","flags":1,"quantileValues":[{"quantile":2}]}]}"#;
    assert_eq!(check_accepted(broken), [Value::Empty]);
    check(r#""gauge":{"dataPoints":[{"flags":1}]}"#, 1, "metric `m`: time_unix_nano is zero");
}

#[test]
fn an_exemplar_that_is_not_valid_does_not_spoil_its_point() {
    // An exemplar without a value, and one whose trace id has three bytes.
    for exemplar in [&[0x2a_u8, 0][..], &[0x2a, 14, 0x31, 1, 0, 0, 0, 0, 0, 0, 0, 0x2a, 3, 1, 2, 3]] {
        let mut point = vec![0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x31, 1, 0, 0, 0, 0, 0, 0, 0];
        point.extend_from_slice(exemplar);
        let mut request = point;
        for tag in [0x0a_u8, 0x2a, 0x12, 0x12, 0x0a] {
            request.insert(0, request.len() as u8);
            request.insert(0, tag);
        }
        let decoded = decoder().decode(&request).unwrap();
        assert_eq!((decoded.batch.len(), decoded.rejected), (1, 0));
        assert!(decoded.batch.iter().all(|point| point.exemplars.is_empty()));
    }
}

#[test]
fn series_beyond_the_bound_are_refused() {
    let decoder = Decoder::new(Arc::new(Registry::new(1)));
    let text = request(
        r#"{"name":"m","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"}]}},
           {"name":"n","gauge":{"dataPoints":[{"timeUnixNano":"1","asInt":"1"},{"timeUnixNano":"2","asInt":"1"}]}}"#,
    );
    for _ in 0..2 {
        let decoded = decoder.decode_json(text.as_bytes()).unwrap();
        assert_eq!((decoded.batch.len(), decoded.rejected), (1, 2));
        assert_eq!(decoded.message, "metric `n`: the limit of 1 live series is reached");
    }
}

#[test]
fn of_a_repeated_key_the_last_value_is_kept() {
    let point = r#"{"timeUnixNano":"1","asInt":"1","attributes":[{"key":"a","value":{"intValue":1}},{"key":"a","value":{"boolValue":true}}]}"#;
    let text = request(&format!(r#"{{"name":"m","gauge":{{"dataPoints":[{point}]}}}}"#));
    let batch = decoder().decode_json(text.as_bytes()).unwrap().batch;
    let attributes = batch.iter().next().unwrap().series.attributes().to_pairs();
    assert_eq!(attributes, [("a".to_owned(), true.into())]);
}

#[test]
fn repeated_keys_are_counted_in_each_request() {
    let pair = |value: u8| format!(r#"{{"key":"k","value":{{"intValue":{value}}}}}"#);
    let attributes = format!(r#""attributes":[{},{},{}]"#, pair(1), pair(2), pair(3));
    let decoder = decoder();
    let text = format!(
        r#"{{"resourceMetrics":[{{"resource":{{{attributes}}},"scopeMetrics":[{{"scope":{{"name":"s",{attributes}}},"metrics":[
           {{"name":"m","gauge":{{"dataPoints":[{{"timeUnixNano":"1","asInt":"1",{attributes}}}]}}}},
           {{"name":"n","gauge":{{"dataPoints":[{{"timeUnixNano":"1",{attributes}}}]}}}}]}}]}}]}}"#
    );
    for _ in 0..4 {
        let decoded = decoder.decode_json(text.as_bytes()).unwrap();
        assert_eq!((decoded.batch.len(), decoded.rejected, decoded.repeated_keys), (1, 1, 8));
    }
}
