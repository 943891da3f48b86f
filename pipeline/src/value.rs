//! The values an attribute may have, owned (`AnyValue`) and borrowed from encoded bytes (`ValueRef`).

use crate::wire::{DEPTH_MAX, Reader, VALUES_MAX, WireError, WireType, put_bytes, put_varint};

/// A value of any kind OTLP allows (opentelemetry/proto/common/v1/common.proto, `AnyValue`).
#[derive(Debug, Clone, PartialEq, Default)]
pub enum AnyValue {
    #[default]
    Empty,
    String(String),
    Bool(bool),
    Int(i64),
    Double(f64),
    Array(Vec<AnyValue>),
    /// Pairs in the order they came; keys may repeat.
    Map(Vec<(String, AnyValue)>),
    Bytes(Vec<u8>),
}

/// The same, borrowed; nested values stay encoded until they are asked for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ValueRef<'a> {
    Empty,
    String(&'a str),
    Bool(bool),
    Int(i64),
    Double(f64),
    /// An array or a map, as the encoded `AnyValue`; [`AnyValue::decode`] unfolds it.
    Nested(&'a [u8]),
    Bytes(&'a [u8]),
}

impl AnyValue {
    /// Reads an encoded `AnyValue`, checking UTF-8, depth and number; unknown fields are passed over.
    ///
    /// The `string_value_strindex` of profiles reads as empty.
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let (mut value, mut left) = (Self::Empty, VALUES_MAX);
        value.merge(message, 0, &mut left)?;
        Ok(value)
    }

    /// Reads an encoded `AnyValue` over this one: of two values the later stays, two lists are joined.
    fn merge(&mut self, message: &[u8], depth: usize, left: &mut usize) -> Result<(), WireError> {
        if depth > DEPTH_MAX {
            return Err(WireError::TooDeep);
        }
        *left = left.checked_sub(1).ok_or(WireError::TooManyValues)?;
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Bytes) => *self = Self::String(reader.string()?.to_owned()),
                (2, WireType::Varint) => *self = Self::Bool(reader.varint()? != 0),
                (3, WireType::Varint) => *self = Self::Int(reader.varint()? as i64),
                (4, WireType::Fixed64) => *self = Self::Double(f64::from_bits(reader.fixed64()?)),
                (5, WireType::Bytes) => self.merge_array(reader.bytes()?, depth, left)?,
                (6, WireType::Bytes) => self.merge_map(reader.bytes()?, depth, left)?,
                (7, WireType::Bytes) => *self = Self::Bytes(reader.bytes()?.to_vec()),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    fn merge_array(&mut self, message: &[u8], depth: usize, left: &mut usize) -> Result<(), WireError> {
        let mut values = match std::mem::take(self) {
            Self::Array(values) => values,
            _ => Vec::new(),
        };
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Bytes) => {
                    let mut value = Self::Empty;
                    value.merge(reader.bytes()?, depth + 1, left)?;
                    values.push(value);
                }
                (_, wire) => reader.skip(wire)?,
            }
        }
        *self = Self::Array(values);
        Ok(())
    }

    fn merge_map(&mut self, message: &[u8], depth: usize, left: &mut usize) -> Result<(), WireError> {
        let mut pairs = match std::mem::take(self) {
            Self::Map(pairs) => pairs,
            _ => Vec::new(),
        };
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Bytes) => pairs.push(decode_pair(reader.bytes()?, depth + 1, left)?),
                (_, wire) => reader.skip(wire)?,
            }
        }
        *self = Self::Map(pairs);
        Ok(())
    }

    /// Appends the encoded `AnyValue` (its fields, without a tag or length around them).
    pub fn encode(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Empty => {}
            Self::String(text) => put_bytes(buffer, 1, text.as_bytes()),
            Self::Bool(value) => buffer.extend_from_slice(&[0x10, u8::from(*value)]),
            Self::Int(value) => {
                buffer.push(0x18);
                put_varint(buffer, *value as u64);
            }
            Self::Double(value) => {
                buffer.push(0x21);
                buffer.extend_from_slice(&value.to_le_bytes());
            }
            Self::Array(values) => {
                let mut inner = Vec::new();
                for value in values {
                    let mut item = Vec::new();
                    value.encode(&mut item);
                    put_bytes(&mut inner, 1, &item);
                }
                put_bytes(buffer, 5, &inner);
            }
            Self::Map(pairs) => {
                let mut inner = Vec::new();
                for (key, value) in pairs {
                    let mut item = Vec::new();
                    encode_pair(key, value, &mut item);
                    put_bytes(&mut inner, 1, &item);
                }
                put_bytes(buffer, 6, &inner);
            }
            Self::Bytes(bytes) => put_bytes(buffer, 7, bytes),
        }
    }
}

/// Reads an encoded `KeyValue`; `left` says how many values its set may still hold.
pub(crate) fn decode_pair(
    message: &[u8],
    depth: usize,
    left: &mut usize,
) -> Result<(String, AnyValue), WireError> {
    let (mut key, mut value) = ("", AnyValue::Empty);
    *left = left.checked_sub(1).ok_or(WireError::TooManyValues)?;
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Bytes) => key = reader.string()?,
            (2, WireType::Bytes) => value.merge(reader.bytes()?, depth, left)?,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok((key.to_owned(), value))
}

/// Appends an encoded `KeyValue`; the value field is always there, so one value has one encoding.
pub(crate) fn encode_pair(key: &str, value: &AnyValue, buffer: &mut Vec<u8>) {
    put_bytes(buffer, 1, key.as_bytes());
    let mut encoded = Vec::new();
    value.encode(&mut encoded);
    put_bytes(buffer, 2, &encoded);
}

impl<'a> ValueRef<'a> {
    /// Reads bytes that [`AnyValue::encode`] wrote.
    pub(crate) fn of_encoded(message: &'a [u8]) -> Self {
        Self::read(message).expect("attributes hold only what this crate encoded")
    }

    fn read(message: &'a [u8]) -> Result<Self, WireError> {
        let mut reader = Reader::new(message);
        Ok(match reader.tag()? {
            Some((1, _)) => Self::String(reader.string()?),
            Some((2, _)) => Self::Bool(reader.varint()? != 0),
            Some((3, _)) => Self::Int(reader.varint()? as i64),
            Some((4, _)) => Self::Double(f64::from_bits(reader.fixed64()?)),
            Some((5 | 6, _)) => Self::Nested(message),
            Some((7, _)) => Self::Bytes(reader.bytes()?),
            _ => Self::Empty,
        })
    }

    pub fn to_owned(self) -> AnyValue {
        match self {
            Self::Empty => AnyValue::Empty,
            Self::String(text) => AnyValue::String(text.to_owned()),
            Self::Bool(value) => AnyValue::Bool(value),
            Self::Int(value) => AnyValue::Int(value),
            Self::Double(value) => AnyValue::Double(value),
            Self::Nested(message) => {
                AnyValue::decode(message).expect("attributes hold only what this crate encoded")
            }
            Self::Bytes(bytes) => AnyValue::Bytes(bytes.to_vec()),
        }
    }

    /// The text, where the value is a string.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for AnyValue {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for AnyValue {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<i64> for AnyValue {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<f64> for AnyValue {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<bool> for AnyValue {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
