//! The attributes of a point, a scope or a resource: sorted, immutable, one allocation.
//!
//! They are kept as the OTLP bytes an exporter sends, so that sending them is a copy and comparing
//! them a `memcmp`. Keys are sorted and unique; of a repeated key the last value is kept (OTLP
//! checklist item 33). Whoever wants to change them collects the pairs and builds anew.

use std::fmt;
use std::sync::Arc;

use crate::value::{AnyValue, ValueRef, decode_pair, encode_pair};
use crate::wire::{Reader, WireError, put_varint};

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
        Self::new(pairs.into_iter().map(|(key, value)| (key.to_owned(), AnyValue::from(value))))
    }

    /// Builds from encoded `KeyValue` messages, as they came over the wire.
    pub fn decode<'a>(messages: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, WireError> {
        let pairs: Result<Vec<_>, _> = messages.into_iter().map(|message| decode_pair(message, 0)).collect();
        Ok(Self::new(pairs?))
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

    pub fn get(&self, key: &str) -> Option<ValueRef<'_>> {
        self.iter().find(|(name, _)| *name == key).map(|(_, value)| value)
    }

    /// The pairs, owned, for whoever builds changed attributes from them.
    pub fn to_pairs(&self) -> Vec<(String, AnyValue)> {
        self.iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
    }
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
