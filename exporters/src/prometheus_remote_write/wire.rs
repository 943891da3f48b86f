//! Writes the fields that the messages of both versions are made of; what is zero or empty is left out.

use pipeline::wire::put_varint;

/// Starts a field of so many bytes.
#[inline]
pub(super) fn put_start(buffer: &mut Vec<u8>, tag: u8, length: usize) {
    buffer.push(tag);
    put_varint(buffer, length as u64);
}

#[inline]
pub(super) fn put_bytes(buffer: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    put_start(buffer, tag, bytes.len());
    buffer.extend_from_slice(bytes);
}

#[inline]
pub(super) fn put_double(buffer: &mut Vec<u8>, tag: u8, value: f64) {
    // A negative zero is written, as it is another value.
    if value.to_bits() != 0 {
        buffer.push(tag);
        buffer.extend_from_slice(&value.to_le_bytes());
    }
}

#[inline]
pub(super) fn put_integer(buffer: &mut Vec<u8>, tag: u8, value: u64) {
    if value != 0 {
        buffer.push(tag);
        put_varint(buffer, value);
    }
}

/// A `sint32` or `sint64`.
pub(super) fn zigzag(value: i64) -> u64 {
    (value << 1 ^ value >> 63) as u64
}
