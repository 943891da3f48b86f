//! The attributes of a point, a scope or a resource: sorted, immutable, one allocation.
//!
//! They are kept as the OTLP bytes an exporter sends, so that sending them is a copy and comparing
//! them a `memcmp`. Keys are sorted and unique; of a repeated key, which OTLP
//! does not allow, the last value is kept. Whoever wants to change them collects the pairs and builds anew.

use std::fmt;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::value::{AnyValue, ValueRef, decode_pair, encode_pair};
use crate::wire::{Reader, VALUES_MAX, WireError, put_bytes, put_varint, varint_len};

/// The tag byte written before each pair: field 7, length-delimited, as a number point has it.
pub const ATTRIBUTE_TAG: u8 = 0x3a;

/// Attributes, cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Attributes {
    // Invariant: pairs sorted by key, no key twice, each written by `encode_pair` behind `ATTRIBUTE_TAG`.
    bytes: Arc<[u8]>,
}

impl Attributes {
    /// Builds from pairs in any order.
    pub fn new(pairs: impl IntoIterator<Item = (String, AnyValue)>) -> Self {
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        // Stable, so that of equal keys the later one stays behind the earlier one.
        pairs.sort_by(|(left, _), (right, _)| left.cmp(right));
        pairs.reverse();
        pairs.dedup_by(|(key, _), (kept, _)| key == kept);
        pairs.reverse();
        let mut bytes = Vec::new();
        let mut pair = Vec::new();
        for (key, value) in &pairs {
            pair.clear();
            encode_pair(key, value, &mut pair);
            bytes.push(ATTRIBUTE_TAG);
            put_varint(&mut bytes, pair.len() as u64);
            bytes.extend_from_slice(&pair);
        }
        Self { bytes: bytes.into() }
    }

    /// Builds from string pairs, for labels.
    pub fn of_strings<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut pairs: SmallVec<[(&str, &str); 16]> = pairs.into_iter().collect();
        // Stable, so that of equal keys the later one stays behind the earlier one.
        pairs.sort_by_key(|&(key, _)| key);
        let mut bytes =
            Vec::with_capacity(pairs.iter().map(|(key, value)| key.len() + value.len() + 16).sum());
        for (index, (key, value)) in pairs.iter().enumerate() {
            if pairs.get(index + 1).is_some_and(|(next, _)| next == key) {
                continue;
            }
            let value_length = field_length(value.len());
            bytes.push(ATTRIBUTE_TAG);
            put_varint(&mut bytes, (field_length(key.len()) + field_length(value_length)) as u64);
            put_bytes(&mut bytes, 1, key.as_bytes());
            bytes.push(0x12);
            put_varint(&mut bytes, value_length as u64);
            put_bytes(&mut bytes, 1, value.as_bytes());
        }
        Self { bytes: bytes.into() }
    }

    /// Builds from encoded `KeyValue` messages, as they came over the wire.
    pub fn decode<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, WireError> {
        let mut left = VALUES_MAX;
        let pairs: Result<Vec<_>, _> =
            messages.into_iter().map(|message| decode_pair(message, 0, &mut left)).collect();
        Ok(Self::new(pairs?))
    }

    /// Takes pairs that are already as this type keeps them (see [`Attributes::as_bytes`]), without
    /// reading them one by one; `None` where anything is otherwise.
    ///
    /// Most senders sort their attributes, so most of what is pushed can be taken so.
    pub fn of_canonical(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let mut previous: Option<&[u8]> = None;
        while !reader.is_empty() {
            let pair = plain_field(&mut reader, ATTRIBUTE_TAG)?;
            let mut pair = Reader::new(pair);
            let key = plain_field(&mut pair, 0x0a)?;
            if previous.is_some_and(|previous| previous >= key) {
                return None;
            }
            std::str::from_utf8(key).ok()?;
            let value = plain_field(&mut pair, 0x12)?;
            if !pair.is_empty() || !is_plain_value(value) {
                return None;
            }
            previous = Some(key);
        }
        Some(Self { bytes: bytes.into() })
    }

    pub fn empty() -> Self {
        Self::new([])
    }

    /// The encoded pairs, each behind [`ATTRIBUTE_TAG`] and its length.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The encoded `KeyValue` messages in key order, without tag and length.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        let mut reader = Reader::new(&self.bytes);
        std::iter::from_fn(move || {
            if reader.is_empty() {
                return None;
            }
            reader.tag().ok()?;
            reader.bytes().ok()
        })
    }

    /// The pairs in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, ValueRef<'_>)> {
        self.messages().map(|message| read_pair(message).expect("written by `encode_pair`"))
    }

    /// Reads the value of a key; walks, so it is not for the way of each point.
    pub fn get(&self, key: &str) -> Option<ValueRef<'_>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The pairs, owned, for whoever builds changed attributes from them.
    pub fn to_pairs(&self) -> Vec<(String, AnyValue)> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
}

/// Reads a length-delimited field with this one-byte tag and a length of the fewest bytes.
fn plain_field<'a>(reader: &mut Reader<'a>, tag: u8) -> Option<&'a [u8]> {
    let before = reader.rest();
    if *before.first()? != tag {
        return None;
    }
    reader.tag().ok()?;
    let bytes = reader.bytes().ok()?;
    let length_size = before.len() - 1 - bytes.len() - reader.rest().len();
    (length_size == varint_len(bytes.len() as u64)).then_some(bytes)
}

/// Whether an encoded `AnyValue` is a scalar, written as [`AnyValue::encode`] writes it.
fn is_plain_value(value: &[u8]) -> bool {
    let mut reader = Reader::new(value);
    let is_plain = match value.first() {
        None => true,
        Some(0x0a) => plain_field(&mut reader, 0x0a).is_some_and(|text| std::str::from_utf8(text).is_ok()),
        Some(0x10) => return matches!(value, [_, 0 | 1]),
        Some(0x18) => {
            reader.tag().is_ok()
                && reader.varint().is_ok_and(|integer| value.len() == 1 + varint_len(integer))
        }
        Some(0x21) => return value.len() == 9,
        Some(0x3a) => plain_field(&mut reader, 0x3a).is_some(),
        Some(_) => false,
    };
    is_plain && reader.is_empty()
}

/// How long a field of this many bytes is with its tag (of one byte) and its length.
fn field_length(bytes: usize) -> usize {
    1 + varint_len(bytes as u64) + bytes
}

fn read_pair(message: &[u8]) -> Result<(&str, ValueRef<'_>), WireError> {
    let mut reader = Reader::new(message);
    reader.tag()?;
    let key = reader.string()?;
    reader.tag()?;
    Ok((key, ValueRef::of_encoded(reader.bytes()?)))
}

impl Default for Attributes {
    fn default() -> Self {
        Self::empty()
    }
}

impl fmt::Debug for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_sorted_and_the_last_of_a_repeated_key_stays() {
        let attributes = Attributes::of_strings([("b", "1"), ("a", "2"), ("b", "3")]);
        let pairs: Vec<_> = attributes.iter().map(|(key, value)| (key, value.as_str().unwrap())).collect();
        assert_eq!(pairs, [("a", "2"), ("b", "3")]);
        assert_eq!(attributes.get("b"), Some(ValueRef::String("3")));
        assert_eq!(attributes.get("c"), None);
    }

    #[test]
    fn strings_are_encoded_as_other_values_are() {
        let long = "x".repeat(300);
        let pairs = [("b", "1"), ("a", ""), (long.as_str(), long.as_str()), ("b", "2"), ("k", &long[..127])];
        let values = pairs.map(|(key, value)| (key.to_owned(), AnyValue::from(value)));
        assert_eq!(Attributes::of_strings(pairs), Attributes::new(values));
    }

    #[test]
    fn every_kind_of_value_round_trips() {
        let pairs = vec![
            ("array".to_owned(), AnyValue::Array(vec![AnyValue::Int(-1), AnyValue::Empty, "x".into()])),
            ("bool".to_owned(), AnyValue::Bool(false)),
            ("bytes".to_owned(), AnyValue::Bytes(vec![0, 255])),
            ("double".to_owned(), AnyValue::Double(-0.0)),
            ("empty".to_owned(), AnyValue::Empty),
            ("int".to_owned(), AnyValue::Int(i64::MIN)),
            ("map".to_owned(), AnyValue::Map(vec![("k".to_owned(), AnyValue::Map(Vec::new()))])),
            ("string".to_owned(), "é".into()),
        ];
        let attributes = Attributes::new(pairs.clone());
        assert_eq!(attributes.to_pairs(), pairs);
        let again = Attributes::decode(attributes.messages()).unwrap();
        assert_eq!(again, attributes);
    }

    #[test]
    fn only_what_is_canonical_is_taken_as_it_is() {
        let sorted = Attributes::new([
            ("a".to_owned(), AnyValue::Empty),
            ("b".to_owned(), AnyValue::Int(-7)),
            ("c".to_owned(), AnyValue::Double(0.5)),
            ("d".to_owned(), "x".repeat(200).into()),
            ("e".to_owned(), AnyValue::Bool(true)),
            ("f".to_owned(), AnyValue::Bytes(vec![0xff])),
        ]);
        assert_eq!(Attributes::of_canonical(sorted.as_bytes()), Some(sorted.clone()));
        assert_eq!(Attributes::of_canonical(&[]), Some(Attributes::empty()));
        let check = |bytes: &[u8]| assert_eq!(Attributes::of_canonical(bytes), None, "{bytes:?}");
        check(&sorted.as_bytes()[..20]);
        check(&[sorted.as_bytes(), sorted.as_bytes()].concat());
        // No value field; a value before its key; another tag; a length in two bytes; text that is not
        // UTF-8; a boolean of 2; an integer in two bytes that fits in one; an array.
        check(&[0x3a, 3, 0x0a, 1, b'a']);
        check(&[0x3a, 5, 0x12, 0, 0x0a, 1, b'a']);
        check(&[0x4a, 5, 0x0a, 1, b'a', 0x12, 0]);
        check(&[0x3a, 0x85, 0, 0x0a, 1, b'a', 0x12, 0]);
        check(&[0x3a, 5, 0x0a, 1, 0xff, 0x12, 0]);
        check(&[0x3a, 8, 0x0a, 1, b'a', 0x12, 3, 0x0a, 1, 0xff]);
        check(&[0x3a, 7, 0x0a, 1, b'a', 0x12, 2, 0x10, 2]);
        check(&[0x3a, 8, 0x0a, 1, b'a', 0x12, 3, 0x18, 0x81, 0]);
        check(&[0x3a, 7, 0x0a, 1, b'a', 0x12, 2, 0x2a, 0]);
    }

    #[test]
    fn split_values_are_merged() {
        // One pair whose value comes in two parts: `[1]` and `[2]`.
        let part = |item| [0x12, 6, 0x2a, 4, 0x0a, 2, 0x18, item];
        let pair = [&[0x0a, 1, b'k'][..], &part(1), &part(2)].concat();
        let attributes = Attributes::decode([pair.as_slice()]).unwrap();
        let both = AnyValue::Array(vec![AnyValue::Int(1), AnyValue::Int(2)]);
        assert_eq!(attributes.to_pairs(), [("k".to_owned(), both)]);
    }

    #[test]
    fn too_many_values_are_refused() {
        let empty = AnyValue::Array(vec![AnyValue::Empty; VALUES_MAX]);
        let mut message = Vec::new();
        encode_pair("many", &empty, &mut message);
        assert_eq!(Attributes::decode([message.as_slice()]), Err(WireError::TooManyValues));
    }

    #[test]
    fn a_value_nested_too_deep_is_refused() {
        let mut value = AnyValue::Empty;
        for _ in 0..70 {
            value = AnyValue::Array(vec![value]);
        }
        let mut message = Vec::new();
        encode_pair("deep", &value, &mut message);
        assert_eq!(Attributes::decode([message.as_slice()]), Err(WireError::TooDeep));
    }
}
