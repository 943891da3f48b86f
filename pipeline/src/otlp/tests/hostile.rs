//! Bytes that are meant to do harm.

use super::decoder;
use crate::wire::put_bytes;

/// Wraps a message into fields, from the innermost out.
fn wrapped(message: &[u8], fields: &[u32]) -> Vec<u8> {
    fields.iter().fold(message.to_vec(), |message, field| {
        let mut bytes = Vec::new();
        put_bytes(&mut bytes, *field, &message);
        bytes
    })
}

/// A gauge whose one point is these bytes.
fn gauge(point: &[u8]) -> Vec<u8> {
    wrapped(point, &[1, 5, 2, 2, 1])
}

const GOOD: [u8; 18] = [0x19, 1, 0, 0, 0, 0, 0, 0, 0, 0x31, 1, 0, 0, 0, 0, 0, 0, 0];

#[track_caller]
fn check_broken(request: &[u8], message: &str) {
    assert_eq!(
        decoder().decode(request).map(|decoded| decoded.batch.len()).map_err(|error| error.to_string()),
        Err(message.to_owned())
    );
}

#[test]
fn broken_bytes_are_refused_and_the_way_to_them_told() {
    check_broken(&[0x0a], "message ends inside a field");
    check_broken(&[0x0a, 5, 1], "message ends inside a field");
    check_broken(&[0x0f], "field number or wire type is not valid");
    check_broken(&[0xff; 20], "varint is longer than ten bytes");
    check_broken(&wrapped(&[0x0a, 9], &[1]), "resource_metrics[0]: message ends inside a field");
    check_broken(
        &gauge(&[0x19, 1]),
        "resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]: message ends inside a field",
    );
    let mut request = gauge(&GOOD);
    request.truncate(request.len() - 1);
    check_broken(&request, "message ends inside a field");
}

#[test]
fn text_that_is_not_utf8_is_refused_and_named() {
    let text = [0x0a, 1, 0xff];
    check_broken(&wrapped(&[0x1a, 1, 0xff], &[1]), "resource_metrics[0].schema_url: string is not UTF-8");
    check_broken(
        &wrapped(&text, &[1, 1, 1]),
        "resource_metrics[0].resource.attributes[0]: string is not UTF-8",
    );
    check_broken(
        &wrapped(&text, &[1, 2, 1]),
        "resource_metrics[0].scope_metrics[0].scope.name: string is not UTF-8",
    );
    check_broken(
        &wrapped(&[&text[..], &[0x2a, 0]].concat(), &[2, 2, 1]),
        "resource_metrics[0].scope_metrics[0].metrics[0].name: string is not UTF-8",
    );
    let point = "resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0]";
    let bad = wrapped(&text, &[7]);
    let message = format!("{point}.attributes[0]: string is not UTF-8");
    check_broken(&gauge(&[&GOOD[..], &bad].concat()), &message);
    // Also in a point that would be refused anyway.
    check_broken(&gauge(&bad), &message);
    let exemplar = wrapped(&wrapped(&text, &[7]), &[5]);
    let message = format!("{point}.exemplars.attributes[0]: string is not UTF-8");
    check_broken(&gauge(&[&GOOD[..], &exemplar].concat()), &message);
}

#[test]
fn depth_is_bounded() {
    let nested = |levels: usize| {
        let value = (0..levels).fold(Vec::new(), |value, _| wrapped(&value, &[1, 5]));
        gauge(&[&GOOD[..], &wrapped(&value, &[2, 7])].concat())
    };
    assert_eq!(decoder().decode(&nested(64)).unwrap().batch.len(), 1);
    let message = "resource_metrics[0].scope_metrics[0].metrics[0].gauge.data_points[0].attributes[0]: values are nested deeper than 64 levels";
    check_broken(&nested(65), message);
    check_broken(&nested(10_000), message);
    let groups = vec![0x13; 100_000];
    check_broken(&groups, "values are nested deeper than 64 levels");
}

#[test]
fn what_was_nested_64_deep_crosses_json() {
    let value = (0..64).fold(Vec::new(), |value, _| wrapped(&value, &[2, 1, 6]));
    let request = gauge(&[&GOOD[..], &wrapped(&value, &[2, 7])].concat());
    super::fuzz::protobuf(&request);
}

#[test]
fn many_empty_things_take_no_memory() {
    // A point, an attribute or an entity in two bytes each, a million times.
    let million = |tag: u8| [tag, 0].repeat(1_000_000);
    let decoded = decoder().decode(&wrapped(&million(0x0a), &[5, 2, 2, 1])).unwrap();
    assert_eq!((decoded.batch.len(), decoded.rejected), (0, 1_000_000));
    check_broken(
        &wrapped(&million(0x0a), &[1, 1]),
        "resource_metrics[0].resource.attributes[65536]: more than 65536 values in one set",
    );
    check_broken(
        &wrapped(&million(0x1a), &[1, 1]),
        "resource_metrics[0].resource.entity_refs: more than 65536 values in one set",
    );
    assert!(decoder().decode(&wrapped(&million(0x2a), &[2, 2, 1])).unwrap().batch.is_empty());
    assert!(decoder().decode(&wrapped(&million(0x12), &[2, 1])).unwrap().message.len() < 500);
}

#[test]
fn old_and_unknown_fields_are_passed_over() {
    // Fields 4, 6 and 8 of a metric once held other data; 2000 is unknown, and a wrong wire type too.
    let metric = [
        &wrapped(&GOOD, &[1, 4])[..],
        &wrapped(&GOOD, &[1, 6]),
        &wrapped(&GOOD, &[1, 8]),
        &wrapped(&[1, 2, 3], &[2000]),
        &[0x08, 1],
        &wrapped(&GOOD, &[1, 5]),
    ]
    .concat();
    let decoded = decoder().decode(&wrapped(&metric, &[2, 2, 1])).unwrap();
    assert_eq!((decoded.batch.len(), decoded.rejected), (1, 0));
}

#[test]
fn of_two_kinds_of_data_the_later_counts() {
    let metric = [wrapped(&GOOD, &[1, 11]), wrapped(&GOOD, &[1, 5])].concat();
    let decoded = decoder().decode(&wrapped(&metric, &[2, 2, 1])).unwrap();
    assert_eq!(
        decoded.batch.iter().map(|point| point.series.metric().kind).collect::<Vec<_>>(),
        [crate::Kind::Gauge]
    );
}

#[test]
fn broken_points_of_a_metric_without_temporality_are_refused_too() {
    let data = |point: &[u8], field: u32| wrapped(point, &[1, field, 2, 2, 1]);
    let text = wrapped(&[0x0a, 1, 0xff], &[7]);
    let way = "resource_metrics[0].scope_metrics[0].metrics[0]";
    check_broken(&data(&text, 7), &format!("{way}.sum.data_points[0].attributes[0]: string is not UTF-8"));
    let message = format!("{way}.histogram.data_points[0]: message ends inside a field");
    check_broken(&data(&[0x32, 7, 1, 1, 1, 1, 1, 1, 1], 9), &message);
    let message = format!("{way}.exponential_histogram.data_points[0].negative: message ends inside a field");
    check_broken(&data(&[0x4a, 3, 0x12, 1, 0x80], 10), &message);
    let decoded = decoder().decode(&data(&GOOD, 7)).unwrap();
    assert_eq!((decoded.batch.len(), decoded.rejected), (0, 1));
}

#[test]
fn what_takes_many_times_its_size_is_refused() {
    let way = "resource_metrics[0].scope_metrics[0].metrics[0]";
    // Buckets in a byte each, in a delta histogram; exemplars in eleven bytes each.
    let buckets = |count: usize| {
        let point = [&GOOD[..9], &wrapped(&vec![0; count], &[2, 8])].concat();
        let data = [&wrapped(&point, &[1])[..], &[0x10, 1]].concat();
        wrapped(&data, &[10, 2, 2, 1])
    };
    assert_eq!(decoder().decode(&buckets(3 << 20)).unwrap().batch.len(), 1);
    let too_large = "request would take many times its size in memory; send less at once";
    check_broken(
        &buckets(5 << 20),
        &format!("{way}.exponential_histogram.data_points[0].positive: {too_large}"),
    );
    let exemplars = [&[0x2a, 9][..], &GOOD[9..]].concat().repeat(1 << 20);
    check_broken(
        &gauge(&[&GOOD[..], &exemplars].concat()),
        &format!("{way}.gauge.data_points[0]: {too_large}"),
    );
}
