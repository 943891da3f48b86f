//! Writes the same message in other bytes: fields in another order, parts split, numbers unpacked,
//! values that are overwritten later, fields nobody knows.

use std::collections::{BTreeMap, VecDeque};

use rand::Rng;
use rand::rngs::StdRng;

use super::super::json::schema::{Field, Kind, Message, Occurs};
use crate::wire::{Reader, WireType, put_bytes, put_varint};

/// Fields in the order they will stand, each with its tag.
type Fields = Vec<Vec<u8>>;

pub(super) fn scramble(message: &[u8], schema: &Message, random: &mut StdRng) -> Vec<u8> {
    scrambled_fields(message, schema, random).concat()
}

fn scrambled_fields(message: &[u8], schema: &Message, random: &mut StdRng) -> Fields {
    let mut queues: BTreeMap<u32, VecDeque<Vec<u8>>> = BTreeMap::new();
    let mut reader = Reader::new(message);
    while !reader.is_empty() {
        let before = reader.rest();
        let (number, wire) = reader.tag().unwrap().unwrap();
        let after_tag = reader.rest();
        reader.skip(wire).unwrap();
        let whole = &before[..before.len() - reader.rest().len()];
        let field = schema.fields.iter().find(|field| field.number == number).unwrap();
        let queue = queues.entry(number).or_default();
        match field.kind {
            Kind::Message(inner) => {
                let payload = Reader::new(after_tag).bytes().unwrap();
                let parts = scrambled_fields(payload, inner, random);
                queue.extend(split(field, parts, random));
            }
            _ if wire == WireType::Bytes
                && !matches!(field.kind, Kind::String | Kind::Bytes | Kind::Id(_)) =>
            {
                queue.extend(unpacked(field, Reader::new(after_tag).bytes().unwrap(), random));
            }
            _ => {
                if field.occurs == Occurs::Once && random.random_ratio(1, 4) {
                    queue.push_back(decoy(field, wire));
                }
                queue.push_back(whole.to_vec());
            }
        }
    }
    if random.random_ratio(1, 3) {
        queues.entry(u32::MAX).or_default().push_back(unknown(random));
    }
    interleave(queues, random)
}

/// Takes from the queues in random order: only fields of one number keep theirs.
fn interleave(mut queues: BTreeMap<u32, VecDeque<Vec<u8>>>, random: &mut StdRng) -> Fields {
    let is_mixed = random.random_ratio(1, 2);
    let mut fields = Vec::new();
    while !queues.is_empty() {
        let index = if is_mixed { random.random_range(0..queues.len()) } else { 0 };
        let number = *queues.keys().nth(index).unwrap();
        let queue = queues.get_mut(&number).unwrap();
        fields.extend(queue.pop_front());
        if queue.is_empty() {
            queues.remove(&number);
        }
    }
    fields
}

/// One message, or two that are merged when read.
fn split(field: &Field, mut parts: Fields, random: &mut StdRng) -> Vec<Vec<u8>> {
    let mut messages = vec![Vec::new()];
    if field.occurs != Occurs::Repeated && random.random_ratio(1, 3) {
        let at = random.random_range(0..=parts.len());
        messages.push(parts.split_off(at).concat());
    }
    messages[0] = parts.concat();
    messages
        .into_iter()
        .map(|message| {
            let mut bytes = Vec::new();
            put_bytes(&mut bytes, field.number, &message);
            bytes
        })
        .collect()
}

fn unpacked(field: &Field, packed: &[u8], random: &mut StdRng) -> Vec<Vec<u8>> {
    let is_varint = matches!(field.kind, Kind::Uint64);
    let wire = if is_varint { WireType::Varint } else { WireType::Fixed64 };
    let mut items = Vec::new();
    let mut reader = Reader::new(packed);
    while !reader.is_empty() {
        let before = reader.rest();
        reader.skip(wire).unwrap();
        items.push(before[..before.len() - reader.rest().len()].to_vec());
    }
    let at = random.random_range(0..=items.len());
    let mut fields: Vec<_> = items[..at]
        .iter()
        .map(|item| {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, u64::from(field.number << 3 | wire as u32));
            bytes.extend_from_slice(item);
            bytes
        })
        .collect();
    let mut rest = Vec::new();
    put_bytes(&mut rest, field.number, &items[at..].concat());
    fields.push(rest);
    fields
}

/// A value of the same field that is overwritten by the next.
fn decoy(field: &Field, wire: WireType) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_varint(&mut bytes, u64::from(field.number << 3 | wire as u32));
    match wire {
        WireType::Varint => put_varint(&mut bytes, 3),
        WireType::Fixed64 => bytes.extend_from_slice(&7_u64.to_le_bytes()),
        _ => bytes.extend_from_slice(&[5, b'd', b'e', b'c', b'o', b'y']),
    }
    bytes
}

fn unknown(random: &mut StdRng) -> Vec<u8> {
    let number = random.random_range(1000..5000_u32);
    let mut bytes = Vec::new();
    let tag = |bytes: &mut Vec<u8>, wire: u32| put_varint(bytes, u64::from(number << 3 | wire));
    match random.random_range(0..5) {
        0 => {
            tag(&mut bytes, 0);
            put_varint(&mut bytes, random.random());
        }
        1 => {
            tag(&mut bytes, 1);
            bytes.extend_from_slice(&[0xff; 8]);
        }
        2 => {
            tag(&mut bytes, 2);
            bytes.extend_from_slice(&[3, 0xff, 0x0a, 0]);
        }
        3 => {
            tag(&mut bytes, 3);
            bytes.extend_from_slice(&[0x0a, 1, 0xff, 0x13, 0x14]);
            tag(&mut bytes, 4);
        }
        _ => {
            tag(&mut bytes, 5);
            bytes.extend_from_slice(&[0xff; 4]);
        }
    }
    bytes
}
