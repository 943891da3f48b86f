//! Points of gauges and sums.

use super::super::fault::Fault;
use super::super::rejections::Reason;
use super::Walk;
use super::head::{Head, Layout};
use crate::point::Value;
use crate::wire::{Reader, WireType};

pub(super) const LAYOUT: Layout = Layout { attributes: 7, exemplars: 5, flags: 8 };

/// The value while the point is read; plain, so that overwriting it is nothing but that.
#[derive(Clone, Copy)]
enum Number {
    None,
    Int(i64),
    Double(f64),
}

impl Walk<'_> {
    #[inline]
    pub(super) fn number_point(&mut self, message: &[u8]) -> Result<(), Fault> {
        let mut head = Head::new(message, self.progress.room);
        let mut number = Number::None;
        let mut reader = Reader::new(message);
        loop {
            let start = message.len() - reader.rest().len();
            match reader.tag()? {
                None => break,
                Some((4, WireType::Fixed64)) => number = Number::Double(f64::from_bits(reader.fixed64()?)),
                Some((6, WireType::Fixed64)) => number = Number::Int(reader.fixed64()? as i64),
                Some(tag) => head.take(&LAYOUT, tag, &mut reader, start)?,
            }
        }
        let value = match number {
            Number::Int(value) => Ok(Value::Int(value)),
            Number::Double(value) => Ok(Value::Double(value)),
            Number::None if head.is_stale() => Ok(Value::Empty),
            Number::None => Err(Reason::NoValue),
        };
        self.finish(&LAYOUT, head, value)
    }
}
