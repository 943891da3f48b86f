//! Reads and writes the protobuf wire format: varints, tags, length-delimited fields.
//!
//! Everything here borrows; nothing allocates for what it reads, and every length is checked against
//! the bytes that are there before it is believed (Protocol Buffers, "Encoding").

use std::fmt;

/// The wire types a field may have, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireType {
    Varint,
    Fixed64,
    Bytes,
    StartGroup,
    EndGroup,
    Fixed32,
}

/// Why bytes could not be read as protobuf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WireError {
    /// The message ends inside a field.
    Truncated,
    /// A varint has more than ten bytes.
    VarintTooLong,
    /// The tag names no field or an unknown wire type.
    InvalidTag,
    /// A `string` field is not UTF-8.
    InvalidUtf8,
    /// Messages are nested deeper than [`DEPTH_MAX`].
    TooDeep,
    /// One set of attributes holds more than [`VALUES_MAX`] values.
    TooManyValues,
    /// What is said in few bytes would take many times as many in memory.
    TooLarge,
}

/// How deep attribute values, and skipped groups, may nest.
pub const DEPTH_MAX: usize = 64;

/// How many values one set of attributes may hold, nested ones included: an empty value is two bytes on
/// the wire and many more in memory.
pub const VALUES_MAX: usize = 65_536;

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "message ends inside a field",
            Self::VarintTooLong => "varint is longer than ten bytes",
            Self::InvalidTag => "field number or wire type is not valid",
            Self::InvalidUtf8 => "string is not UTF-8",
            Self::TooDeep => "values are nested deeper than 64 levels",
            Self::TooManyValues => "more than 65536 values in one set",
            Self::TooLarge => "request would take many times its size in memory; send less at once",
        })
    }
}

impl std::error::Error for WireError {}

/// Walks the fields of one message.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Reads the next tag: field number and wire type; `None` at the end of the message.
    #[inline]
    pub fn tag(&mut self) -> Result<Option<(u32, WireType)>, WireError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let wire = match key & 7 {
            0 => WireType::Varint,
            1 => WireType::Fixed64,
            2 => WireType::Bytes,
            3 => WireType::StartGroup,
            4 => WireType::EndGroup,
            5 => WireType::Fixed32,
            _ => return Err(WireError::InvalidTag),
        };
        match u32::try_from(key >> 3) {
            Ok(field) if field > 0 && field < 1 << 29 => Ok(Some((field, wire))),
            _ => Err(WireError::InvalidTag),
        }
    }

    #[inline]
    pub fn varint(&mut self) -> Result<u64, WireError> {
        if let [byte, rest @ ..] = self.rest
            && *byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(*byte));
        }
        self.long_varint()
    }

    fn long_varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, &byte) in self.rest.iter().enumerate().take(10) {
            value |= u64::from(byte & 0x7f) << (index * 7);
            if byte < 0x80 {
                self.rest = &self.rest[index + 1..];
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::VarintTooLong })
    }

    #[inline]
    pub fn fixed64(&mut self) -> Result<u64, WireError> {
        let (bytes, rest) = self.rest.split_first_chunk::<8>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(u64::from_le_bytes(*bytes))
    }

    pub fn fixed32(&mut self) -> Result<u32, WireError> {
        let (bytes, rest) = self.rest.split_first_chunk::<4>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(u32::from_le_bytes(*bytes))
    }

    /// Reads a length and that many bytes.
    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let length = self.varint()?;
        if length > self.rest.len() as u64 {
            return Err(WireError::Truncated);
        }
        let (bytes, rest) = self.rest.split_at(length as usize);
        self.rest = rest;
        Ok(bytes)
    }

    pub fn string(&mut self) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes()?).map_err(|_| WireError::InvalidUtf8)
    }

    /// Passes over short length-delimited fields that follow each other, all with this one-byte tag.
    ///
    /// It stops before whatever is not so simple, and leaves that to the careful way.
    #[inline]
    pub fn skip_run(&mut self, tag: u8) {
        while let [first, length, rest @ ..] = self.rest
            && *first == tag
            && *length < 0x80
            && let Some(rest) = rest.get(usize::from(*length)..)
        {
            self.rest = rest;
        }
    }

    /// Passes over a field whose tag has just been read.
    pub fn skip(&mut self, wire: WireType) -> Result<(), WireError> {
        self.skip_nested(wire, 0)
    }

    fn skip_nested(&mut self, wire: WireType, depth: usize) -> Result<(), WireError> {
        match wire {
            WireType::Varint => self.varint().map(drop),
            WireType::Fixed64 => self.fixed64().map(drop),
            WireType::Fixed32 => self.fixed32().map(drop),
            WireType::Bytes => self.bytes().map(drop),
            WireType::EndGroup => Err(WireError::InvalidTag),
            WireType::StartGroup if depth >= DEPTH_MAX => Err(WireError::TooDeep),
            WireType::StartGroup => loop {
                match self.tag()?.ok_or(WireError::Truncated)? {
                    (_, WireType::EndGroup) => return Ok(()),
                    (_, wire) => self.skip_nested(wire, depth + 1)?,
                }
            },
        }
    }
}

/// The number of bytes [`put_varint`] writes.
#[inline]
pub fn varint_len(value: u64) -> usize {
    // Seven bits a byte; `| 1` because zero still takes one byte.
    (70 - (value | 1).leading_zeros() as usize) / 7
}

#[inline]
pub fn put_varint(buffer: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        buffer.push(value as u8 | 0x80);
        value >>= 7;
    }
    buffer.push(value as u8);
}

/// Writes a length-delimited field.
pub fn put_bytes(buffer: &mut Vec<u8>, field: u32, bytes: &[u8]) {
    put_varint(buffer, u64::from(field << 3 | 2));
    put_varint(buffer, bytes.len() as u64);
    buffer.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_varint(value: u64, length: usize) {
        let mut buffer = Vec::new();
        put_varint(&mut buffer, value);
        assert_eq!(buffer.len(), length);
        assert_eq!(varint_len(value), length);
        assert_eq!(Reader::new(&buffer).varint(), Ok(value));
    }

    #[test]
    fn varints_round_trip_in_the_fewest_bytes() {
        check_varint(0, 1);
        check_varint(127, 1);
        check_varint(128, 2);
        check_varint(16_383, 2);
        check_varint(16_384, 3);
        check_varint(u64::MAX, 10);
    }

    #[test]
    fn a_length_past_the_end_is_refused() {
        assert_eq!(Reader::new(&[5, 1, 2]).bytes(), Err(WireError::Truncated));
        assert_eq!(Reader::new(&[0xff; 11]).varint(), Err(WireError::VarintTooLong));
        assert_eq!(Reader::new(&[0xff; 3]).varint(), Err(WireError::Truncated));
    }

    #[test]
    fn a_run_ends_at_another_tag_a_long_field_or_a_broken_length() {
        let check = |message: &[u8], rest: &[u8]| {
            let mut reader = Reader::new(message);
            reader.skip_run(0x3a);
            assert_eq!(reader.rest(), rest);
        };
        check(&[0x3a, 1, 7, 0x3a, 0, 0x18, 1], &[0x18, 1]);
        check(&[0x3a, 0x80, 1], &[0x3a, 0x80, 1]);
        check(&[0x3a, 2, 7], &[0x3a, 2, 7]);
        check(&[0x3a], &[0x3a]);
        check(&[], &[]);
    }

    #[test]
    fn groups_are_skipped_and_bounded_in_depth() {
        let mut reader = Reader::new(&[0x0b, 0x10, 1, 0x0c, 0x18]);
        let (_, wire) = reader.tag().unwrap().unwrap();
        reader.skip(wire).unwrap();
        assert_eq!(reader.rest(), [0x18]);
        let deep = [0x0b; 100];
        let mut reader = Reader::new(&deep);
        let (_, wire) = reader.tag().unwrap().unwrap();
        assert_eq!(reader.skip(wire), Err(WireError::TooDeep));
    }
}
