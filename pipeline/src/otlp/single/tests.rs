use std::sync::Arc;

use super::Numbers;
use crate::notation::{parse, write};
use crate::otlp::{Decoder, encode};
use crate::registry::Registry;

fn bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&parse(text, &Registry::new(100)).unwrap(), &mut bytes);
    bytes
}

/// What comes of each request, one decoder having read all before it, is what comes of it alone.
#[track_caller]
fn check(requests: &[&str]) {
    let registry = Arc::new(Registry::new(100));
    let decoder = Decoder::new(registry);
    for text in requests.iter().chain(requests) {
        let read = decoder.decode(&bytes(text)).unwrap();
        let alone = Decoder::new(Arc::new(Registry::new(100))).decode(&bytes(text)).unwrap();
        assert_eq!(write(&read.batch), write(&alone.batch));
        assert_eq!((read.rejected, read.message), (alone.rejected, alone.message));
    }
}

#[test]
fn numbers_change_and_what_is_around_them_is_seen() {
    check(&[
        "gauge a{k=1} = 1.0 @1..2",
        "gauge a{k=1} = 2.0 @1..3",
        "gauge a{k=1} = 2 @1..3",
        "gauge a{k=1} = 2 @4",
        "gauge a{k=2} = 2 @5",
        "counter a{k=2} = 2 @5",
        "delta counter a{k=2} = 2 @5",
        "gauge a{k=2} = stale @5",
        "gauge a{k=2} = 1 @5 flags 2",
        "gauge a{k=2} = 1 @5 exemplar 1 @4",
        "gauge a{k=1} = 1 @5\ngauge a{k=2} = 1 @5",
        "gauge a{k=2} = 1",
        "gauge a{k=2} = 0 @7",
    ]);
}

#[test]
fn another_resource_or_scope_is_another_series() {
    check(&[
        "gauge a = 1 @1\ngauge b = 1 @1\ngauge c = 1 @1",
        "gauge a = 2 @2\ngauge c = 2 @2\ngauge b = 2 @2",
        "resource {x=1}\ngauge a = 3 @3",
        "resource {x=1}\nscope \"s\"\ngauge a = 3 @3\nscope \"t\"\ngauge a = 3 @3",
        "resource {x=1}\ngauge a = 3 @3\nresource {x=2}\ngauge a = 3 @3",
    ]);
}

#[test]
fn a_message_with_anything_unusual_is_not_learned() {
    let check = |point: &[u8], is_learned: bool| {
        let data = [&[0x0a, point.len() as u8], point].concat();
        let metric = [&[0x0a, 1, b'm', 0x2a, data.len() as u8], &data[..]].concat();
        assert_eq!(Numbers::of(&metric).is_some(), is_learned, "{point:?}");
    };
    let time = [&[0x19][..], &[1; 8]].concat();
    let value = [&[0x21][..], &[1; 8]].concat();
    check(&[&time[..], &value].concat(), true);
    check(&[&value[..], &time].concat(), true);
    check(&time, false);
    check(&value, false);
    check(&[&time[..], &value, &value].concat(), false);
    check(&[&time[..], &value, &[0x40, 1]].concat(), false);
    check(&[&time[..], &value, &[0x3a]].concat(), false);
}
