//! Recognises a metric that comes with one number again and again, by its whole message.
//!
//! Instruments without attributes are sent so, and there are many of them. Times and values have eight
//! bytes each wherever they stand, so the next message has the same length and the same bytes around
//! them; then it need not be taken apart.

use crate::point::{Point, Value};
use crate::series::Series;
use crate::wire::{Reader, WireType};

/// A metric's last message, and where in it the numbers are that change.
#[derive(Debug)]
pub(super) struct Single {
    series: Series,
    bytes: Box<[u8]>,
    numbers: Numbers,
}

/// Where the numbers of a message begin, each of eight bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Numbers {
    /// 0 where the point has none.
    start: u32,
    time: u32,
    value: u32,
    is_integer: bool,
    /// All of them in the order of the message; the first twice where there are only two.
    in_order: [u32; 3],
}

const NUMBER_LEN: usize = 8;

impl Single {
    /// Learns a message, whose point was taken in for `series`; `None` where there is more to it.
    #[cold]
    pub(super) fn of(message: &[u8], series: &Series) -> Option<Self> {
        let numbers = Numbers::of(message)?;
        Some(Self { series: series.clone(), bytes: message.into(), numbers })
    }

    /// How many bytes it takes besides itself.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether a message differs from this one in its numbers only.
    #[inline]
    pub(super) fn is_like(&self, message: &[u8]) -> bool {
        let own = &*self.bytes;
        if own.len() != message.len() {
            return false;
        }
        let [first, second, third] = self.numbers.in_order.map(|place| place as usize);
        let parts = [
            (0, first),
            (first + NUMBER_LEN, second),
            (second + NUMBER_LEN, third),
            (third + NUMBER_LEN, own.len()),
        ];
        // Most that differs at all differs at the end, where the attributes are.
        parts.iter().rev().all(|(from, to)| {
            // Of two equal places the way between them is none.
            from >= to || own.get(*from..*to) == message.get(*from..*to)
        })
    }

    /// The point of a message that [`Single::is_like`] this one; `None` without a time.
    #[inline]
    pub(super) fn point(&self, message: &[u8]) -> Option<Point> {
        let Numbers { start, time, value, is_integer, .. } = self.numbers;
        let bits = number(message, value)?;
        let value = if is_integer { Value::Int(bits as i64) } else { Value::Double(f64::from_bits(bits)) };
        let time_unix_nano = number(message, time).filter(|time| *time > 0)?;
        let start_unix_nano = if start == 0 { 0 } else { number(message, start)? };
        Some(Point { start_unix_nano, ..Point::new(self.series.clone(), time_unix_nano, value) })
    }
}

impl Numbers {
    /// Finds them, where a message has one point with nothing but attributes and one number of each sort.
    fn of(message: &[u8]) -> Option<Self> {
        u32::try_from(message.len()).ok()?;
        let data = only(message, |field| matches!(field, 5 | 7))?;
        let is_data = |field| matches!(field, 5 | 7 | 9 | 10 | 11);
        if count(message, is_data)? != 1 || count(data, |field| field == 1)? != 1 {
            return None;
        }
        let point = only(data, |field| field == 1)?;
        let base = point.as_ptr().addr().checked_sub(message.as_ptr().addr())?;
        let mut numbers = Self::default();
        let mut found = Vec::new();
        let mut reader = Reader::new(point);
        while let Some(tag) = reader.tag().ok()? {
            let place = (base + point.len() - reader.rest().len()) as u32;
            let number = match tag {
                (7, WireType::Bytes) => {
                    reader.bytes().ok()?;
                    continue;
                }
                (2, WireType::Fixed64) => &mut numbers.start,
                (3, WireType::Fixed64) => &mut numbers.time,
                (4 | 6, WireType::Fixed64) => &mut numbers.value,
                _ => return None,
            };
            reader.fixed64().ok()?;
            if *number != 0 {
                return None;
            }
            *number = place;
            numbers.is_integer |= tag.0 == 6;
            found.push(place);
        }
        if numbers.time == 0 || numbers.value == 0 {
            return None;
        }
        let first = *found.first()?;
        numbers.in_order = [first, first, first];
        for (place, found) in numbers.in_order.iter_mut().rev().zip(found.iter().rev()) {
            *place = *found;
        }
        Some(numbers)
    }
}

/// The length-delimited field that `is` it.
fn only(message: &[u8], is: impl Fn(u32) -> bool) -> Option<&[u8]> {
    let mut reader = Reader::new(message);
    while let Some((field, wire)) = reader.tag().ok()? {
        if is(field) && wire == WireType::Bytes {
            return reader.bytes().ok();
        }
        reader.skip(wire).ok()?;
    }
    None
}

/// How many fields `are` it, of whatever wire type.
fn count(message: &[u8], are: impl Fn(u32) -> bool) -> Option<usize> {
    let mut number = 0;
    let mut reader = Reader::new(message);
    while let Some((field, wire)) = reader.tag().ok()? {
        number += usize::from(are(field));
        reader.skip(wire).ok()?;
    }
    Some(number)
}

#[inline]
fn number(message: &[u8], place: u32) -> Option<u64> {
    let bytes = message.get(place as usize..)?.first_chunk::<NUMBER_LEN>()?;
    Some(u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests;
