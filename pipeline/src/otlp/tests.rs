//! Against the reference types: what comes in goes out, however it was written.

mod hostile;
mod json;
mod normal;
mod random;
mod rejected;
mod scramble;

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use proptest::prelude::*;
use prost::Message;

use self::normal::points;
use self::random::Random;
use super::json::schema::REQUEST;
use super::{Decoder, encode, encode_json, fuzz};
use crate::batch::Batch;
use crate::registry::Registry;

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Registry::new(100_000)))
}

fn reference(bytes: &[u8]) -> ExportMetricsServiceRequest {
    ExportMetricsServiceRequest::decode(bytes).unwrap()
}

fn encoded(batch: &Batch) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(batch, &mut bytes);
    bytes
}

fn encoded_json(batch: &Batch) -> Vec<u8> {
    let mut text = Vec::new();
    encode_json(batch, &mut text);
    text
}

/// Compares sets of points, and shows only where the first that differ do.
#[track_caller]
fn assert_same(left: Vec<String>, right: Vec<String>) {
    if let Some((left, right)) = left.iter().zip(&right).find(|(left, right)| left != right) {
        let same = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
        let tail = |text: &str| text.chars().skip(same.saturating_sub(60)).take(150).collect::<String>();
        panic!("`{}` is not `{}`", tail(left), tail(right));
    }
    assert_eq!(left.len(), right.len());
}

/// Decodes bytes that must be wholly good.
#[track_caller]
fn decoded(decoder: &Decoder, bytes: &[u8]) -> Batch {
    let decoded = decoder.decode(bytes).unwrap();
    assert_eq!((decoded.rejected, decoded.message.as_str()), (0, ""));
    decoded.batch
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_that_crosses_is_the_same_set_of_points(seed: u64) {
        let request = Random::new(seed).request();
        let bytes = request.encode_to_vec();
        let decoder = decoder();
        let written = encoded(&decoded(&decoder, &bytes));
        assert_same(points(reference(&written)), points(request));
        // The second time everything is remembered.
        prop_assert_eq!(encoded(&decoded(&decoder, &bytes)), written);
    }

    #[test]
    fn a_request_in_other_bytes_is_the_same_request(seed: u64) {
        let mut random = Random::new(seed);
        let request = random.request();
        let scrambled = scramble::scramble(&request.encode_to_vec(), &REQUEST, &mut random.random);
        assert_same(points(reference(&scrambled)), points(request.clone()));
        let decoder = decoder();
        for _ in 0..2 {
            let written = encoded(&decoded(&decoder, &scrambled));
            assert_same(points(reference(&written)), points(request.clone()));
        }
    }

    #[test]
    fn json_carries_the_same(seed: u64) {
        let request = Random::new(seed).request();
        let decoder = decoder();
        let batch = decoded(&decoder, &request.encode_to_vec());
        let text = encoded_json(&batch);
        let again = decoder.decode_json(&text).unwrap();
        prop_assert_eq!(again.rejected, 0);
        assert_same(points(reference(&encoded(&again.batch))), points(request));
    }

    #[test]
    fn the_reference_types_read_and_write_the_same_json(seed: u64) {
        let request = Random::plain(seed).request();
        let theirs = serde_json::to_vec(&request).unwrap();
        let decoder = decoder();
        let batch = decoder.decode_json(&theirs).unwrap().batch;
        assert_same(points(reference(&encoded(&batch))), points(request.clone()));
        let ours: ExportMetricsServiceRequest = serde_json::from_slice(&encoded_json(&batch)).unwrap();
        assert_same(points(ours), points(request));
    }

    #[test]
    fn any_bytes_may_come(bytes: Vec<u8>) {
        fuzz::protobuf(&bytes);
        fuzz::json(&bytes);
    }

    #[test]
    fn damaged_requests_may_come(seed: u64, damages: Vec<(prop::sample::Index, u8)>) {
        let request = Random::new(seed).request();
        let mut bytes = request.encode_to_vec();
        let mut text = encoded_json(&decoded(&decoder(), &bytes));
        for (index, byte) in damages.iter().take(4) {
            if !bytes.is_empty() {
                let place = index.index(bytes.len());
                bytes[place] = *byte;
            }
            let place = index.index(text.len());
            text[place] = *byte;
        }
        fuzz::protobuf(&bytes);
        fuzz::json(&text);
        fuzz::protobuf(&bytes[..bytes.len() / 2]);
        fuzz::json(&text[..text.len() / 2]);
    }
}

#[test]
fn batches_merged_from_many_requests_are_grouped_again() {
    let decoder = decoder();
    let request = |resource: &str, metric: &str| {
        let text = format!(
            r#"{{"resourceMetrics":[{{"resource":{{"attributes":[{{"key":"host","value":{{"stringValue":"{resource}"}}}}]}},
            "scopeMetrics":[{{"metrics":[{{"name":"{metric}","gauge":{{"dataPoints":[{{"timeUnixNano":"1","asInt":"1"}}]}}}}]}}]}}]}}"#
        );
        decoder.decode_json(text.as_bytes()).unwrap().batch
    };
    let mut batch = Batch::new();
    for resource in ["a", "b", "a", "b"] {
        for metric in ["m", "n", "m"] {
            batch.append(request(resource, metric));
        }
    }
    let request = reference(&encoded(&batch));
    assert_eq!(request.resource_metrics.len(), 2);
    for resource_metrics in request.resource_metrics {
        assert_eq!(resource_metrics.scope_metrics.len(), 1);
        let metrics: Vec<_> =
            resource_metrics.scope_metrics[0].metrics.iter().map(|metric| &metric.name).collect();
        assert_eq!(metrics, ["m", "n"]);
    }
    let again = decoder.decode(&encoded(&batch)).unwrap();
    assert_eq!(again.batch.len(), 12);
}

#[test]
fn what_is_no_longer_sent_is_forgotten() {
    let registry = Arc::new(Registry::new(100));
    let decoder = Decoder::new(registry.clone());
    let request = |label: &str| {
        format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"m","gauge":{{"dataPoints":[{{"timeUnixNano":"1","asInt":"1",
            "attributes":[{{"key":"l","value":{{"stringValue":"{label}"}}}}]}}]}}}}]}}]}}]}}"#
        )
    };
    decoder.decode_json(request("a").as_bytes()).unwrap();
    for _ in 0..5 {
        decoder.decode_json(request("b").as_bytes()).unwrap();
        assert_eq!(registry.live(), 2);
        decoder.sweep();
    }
    assert_eq!(registry.live(), 1);
    let remembered = || decoder.shards.iter().map(|shard| shard.lock().unwrap().used_bytes()).max();
    assert!(remembered() > Some(0));
    (0..5).for_each(|_| decoder.sweep());
    assert_eq!((registry.live(), remembered()), (0, Some(0)));
    assert_eq!(decoder.decode_json(request("a").as_bytes()).unwrap().batch.len(), 1);
}

#[test]
fn when_memory_is_short_what_was_not_met_lately_is_forgotten_at_once() {
    let registry = Arc::new(Registry::new(100));
    let decoder = Decoder::new(registry.clone());
    let send = |name: &str| {
        let request = format!(
            r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"{name}","gauge":{{"dataPoints":[{{"timeUnixNano":"1","asInt":"1"}}]}}}}]}}]}}]}}"#
        );
        decoder.decode_json(request.as_bytes()).unwrap();
    };
    ["a", "b", "c"].into_iter().for_each(send);
    decoder.forget();
    assert_eq!(registry.live(), 3);
    send("b");
    decoder.forget();
    assert_eq!(registry.live(), 1);
    decoder.forget();
    assert_eq!(registry.live(), 0);
}

#[test]
fn without_room_to_remember_points_are_still_read() {
    let mut decoder = decoder();
    decoder.shards = vec![std::sync::Mutex::new(super::Cache::new(Arc::new(super::Room::new(0))))].into();
    for seed in 0..20 {
        let request = Random::new(seed).request();
        let bytes = request.encode_to_vec();
        for _ in 0..2 {
            let batch = decoded(&decoder, &bytes);
            assert_same(points(reference(&encoded(&batch))), points(request.clone()));
        }
    }
}

#[test]
fn several_connections_share_a_decoder() {
    let decoder = decoder();
    let bytes: Vec<_> = (0..8).map(|seed| Random::new(seed).request().encode_to_vec()).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for bytes in bytes.iter().cycle().take(40) {
                    let written = encoded(&decoded(&decoder, bytes));
                    assert_same(points(reference(&written)), points(reference(bytes)));
                }
            });
        }
    });
}
