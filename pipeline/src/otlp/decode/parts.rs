//! Takes a metric apart: what it says of itself, and its data.

use std::borrow::Cow;

use super::super::context::{kind, merge};
use super::super::fault::Fault;
use crate::metric::Kind;
use crate::wire::{Reader, WireType};

/// A metric in two parts: what it says of itself, and where its data is.
pub(super) struct Parts<'a> {
    message: &'a [u8],
    pub(super) header: Cow<'a, [u8]>,
    /// The field of the data, 0 where there is none.
    pub(super) field: u32,
    /// Where the first message of the data starts; others before it were of another kind.
    data_start: usize,
    temporality: u64,
    is_monotonic: bool,
    pub(super) points: usize,
}

impl<'a> Parts<'a> {
    pub(super) fn of(message: &'a [u8]) -> Result<Self, Fault> {
        let mut parts = Self {
            message,
            header: Cow::Borrowed(&[]),
            field: 0,
            data_start: 0,
            temporality: 0,
            is_monotonic: false,
            points: 0,
        };
        let mut reader = Reader::new(message);
        let mut header_start = 0;
        loop {
            let start = message.len() - reader.rest().len();
            let Some((field, wire)) = reader.tag()? else { break };
            if !matches!((field, wire), (5 | 7 | 9 | 10 | 11, WireType::Bytes)) {
                reader.skip(wire)?;
                continue;
            }
            merge(&mut parts.header, &message[header_start..start]);
            if field != parts.field {
                // Of two kinds of data the later counts.
                parts = Self {
                    field,
                    data_start: start,
                    temporality: 0,
                    is_monotonic: false,
                    points: 0,
                    ..parts
                };
            }
            parts.count(reader.bytes()?)?;
            header_start = message.len() - reader.rest().len();
        }
        merge(&mut parts.header, &message[header_start..]);
        Ok(parts)
    }

    fn count(&mut self, data: &[u8]) -> Result<(), Fault> {
        let mut reader = Reader::new(data);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Bytes) => {
                    reader.bytes()?;
                    self.points += 1;
                }
                (2, WireType::Varint) if self.field != 5 && self.field != 11 => {
                    self.temporality = reader.varint()?;
                }
                (3, WireType::Varint) if self.field == 7 => self.is_monotonic = reader.varint()? != 0,
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    pub(super) fn kind(&self) -> Option<Kind> {
        if self.field == 0 {
            return None;
        }
        kind(self.field, self.temporality, self.is_monotonic)
    }

    /// The kind as a number, for keys.
    pub(super) fn code(&self) -> u32 {
        self.field << 8 | (self.temporality as u32 & 3) << 1 | u32::from(self.is_monotonic)
    }

    /// The messages of the data, which may have come split.
    pub(super) fn data(&self) -> impl Iterator<Item = &'a [u8]> {
        let (mut reader, wanted) = (Reader::new(&self.message[self.data_start..]), self.field);
        std::iter::from_fn(move || {
            // The message was walked before, so nothing can be wrong with it.
            while let Ok(Some((field, wire))) = reader.tag() {
                if field == wanted && wire == WireType::Bytes {
                    return reader.bytes().ok();
                }
                reader.skip(wire).ok()?;
            }
            None
        })
    }
}
