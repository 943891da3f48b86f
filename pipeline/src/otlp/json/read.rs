//! Rewrites an OTLP/JSON request as protobuf bytes.
//!
//! One pass, no tree: each member is looked up in the schema and written where the text has it. What
//! the schema does not name is passed over, at any depth and without recursion; the only known thing
//! that nests without end, attribute values, is bounded.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::output::Output;
use super::scalar::{base64, double, identifier, integer, whole};
use super::schema::{Field, Kind, Message, Occurs, REQUEST};
use crate::otlp::DecodeError;
use crate::wire::{DEPTH_MAX, WireType, put_varint, varint_len};

/// No message has more fields.
const FIELDS_MAX: usize = 16;

/// Reads a value of a field and writes it; tells whether there was one (`null` is none).
struct Value<'a> {
    field: &'static Field,
    place: Place,
    /// How many attribute values are around this one.
    depth: usize,
    output: &'a mut Output,
}

/// Where a value stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Member,
    Item,
    /// In a list that is written without tags.
    PackedItem,
}

/// Reads the whole text.
struct Root<'a>(&'a mut Output);

/// Finds a member's field; `usize` is where it is looked for first.
struct Name(&'static Message, usize);

/// Rewrites a request; the error says where in the text it is.
pub(in crate::otlp) fn transcode(text: &[u8]) -> Result<Vec<u8>, DecodeError> {
    let mut output = Output { bytes: Vec::with_capacity(text.len() / 2), ..Output::default() };
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    // The schema bounds the depth; and values that are 64 deep are deeper than that in JSON.
    deserializer.disable_recursion_limit();
    match Root(&mut output).deserialize(&mut deserializer).and_then(|()| deserializer.end()) {
        Ok(()) => Ok(output.bytes),
        Err(error) => Err(output.error(&error)),
    }
}

impl<'de> DeserializeSeed<'de> for Root<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Root<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `resourceMetrics`")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<(), A::Error> {
        transcode_members(&REQUEST, 0, members, self.0)
    }
}

/// Writes the members of an object as fields of a message.
fn transcode_members<'de, A: MapAccess<'de>>(
    message: &'static Message,
    depth: usize,
    mut members: A,
    output: &mut Output,
) -> Result<(), A::Error> {
    let mut written: [Range<usize>; FIELDS_MAX] = Default::default();
    let mut expected = 0;
    while let Some(found) = members.next_key_seed(Name(message, expected))? {
        let Some(index) = found else {
            members.next_value::<IgnoredAny>()?;
            continue;
        };
        expected = index + 1;
        // Of a member that comes again the last counts, whole.
        let earlier = std::mem::take(&mut written[index]);
        if !earlier.is_empty() {
            erase(&mut output.bytes, earlier, &mut written);
        }
        let start = output.bytes.len();
        let field = &message.fields[index];
        output.path.push((field.name, None));
        members.next_value_seed(Value { field, place: Place::Member, depth, output: &mut *output })?;
        output.path.pop();
        written[index] = start..output.bytes.len();
    }
    let is_chosen =
        |(field, range): &(&Field, &Range<usize>)| field.occurs == Occurs::OneOf && !range.is_empty();
    let mut chosen = message.fields.iter().zip(&written).filter(is_chosen).map(|(field, _)| field.name);
    if let (Some(first), Some(second)) = (chosen.next(), chosen.next()) {
        return Err(A::Error::custom(format_args!("only one of `{first}` and `{second}` may be set")));
    }
    Ok(())
}

fn erase(output: &mut Vec<u8>, range: Range<usize>, written: &mut [Range<usize>]) {
    let length = range.len();
    for other in written.iter_mut().filter(|other| other.start >= range.end) {
        *other = other.start - length..other.end - length;
    }
    output.drain(range);
}

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<usize>, E> {
        let Self(message, expected) = self;
        let is_it = |field: &Field| field.name == name;
        if message.fields.get(expected).is_some_and(is_it) {
            return Ok(Some(expected));
        }
        Ok(message.fields.iter().position(is_it))
    }
}

impl<'de> DeserializeSeed<'de> for Value<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        if self.place == Place::Member { Ok(()) } else { Err(self.unexpected("null")) }
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        match self.kind() {
            Some(Kind::Bool) => self.put_varint(u64::from(value)),
            _ => return Err(self.unexpected("a boolean")),
        }
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        match self.kind() {
            Some(Kind::Double) => self.put_fixed((value as f64).to_bits()),
            _ => return self.put_integer(i128::from(value)),
        }
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        match self.kind() {
            Some(Kind::Double) => self.put_fixed((value as f64).to_bits()),
            _ => return self.put_integer(i128::from(value)),
        }
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        match (self.kind(), whole(value)) {
            (Some(Kind::Double), _) => self.put_fixed(value.to_bits()),
            (_, Some(integer)) => return self.put_integer(integer),
            (_, None) => return Err(self.unexpected("a number with a fraction")),
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        let unexpected = |value: &Self| value.unexpected("another string");
        match self.kind() {
            Some(Kind::String) => self.put_bytes(text.as_bytes()),
            Some(Kind::Double) => match double(text) {
                Some(number) => self.put_fixed(number.to_bits()),
                None => return Err(unexpected(&self)),
            },
            Some(Kind::Bytes) => match base64(text) {
                Some(bytes) => self.put_bytes(&bytes),
                None => return Err(unexpected(&self)),
            },
            Some(Kind::Id(length)) => match identifier(text, length) {
                Some(bytes) => self.put_bytes(&bytes),
                None => return Err(unexpected(&self)),
            },
            Some(
                Kind::Fixed64
                | Kind::SignedFixed64
                | Kind::Int64
                | Kind::Uint64
                | Kind::Uint32
                | Kind::ZigZag32,
            ) => match integer(text) {
                Some(number) => return self.put_integer(number),
                None => return Err(unexpected(&self)),
            },
            _ => return Err(self.unexpected("a string")),
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Self { field, place, depth, output } = self;
        if field.occurs != Occurs::Repeated || place != Place::Member {
            return Err(Value { field, place, depth, output }.unexpected("a list"));
        }
        let is_packed = !matches!(field.kind, Kind::Message(_) | Kind::String);
        let place = if is_packed { Place::PackedItem } else { Place::Item };
        let start = is_packed.then(|| {
            put_varint(&mut output.bytes, u64::from(field.number << 3 | WireType::Bytes as u32));
            open(&mut output.bytes)
        });
        for index in 0.. {
            output.at_item(Some(index));
            let item = Value { field, place, depth, output: &mut *output };
            if items.next_element_seed(item)?.is_none() {
                break;
            }
        }
        output.at_item(None);
        if let Some(start) = start {
            close(&mut output.bytes, start);
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(mut self, members: A) -> Result<(), A::Error> {
        let Some(Kind::Message(message)) = self.kind() else { return Err(self.unexpected("an object")) };
        let depth = self.depth + usize::from(message.is_value);
        // The outermost value is at depth 0, as it is on the wire.
        if depth > DEPTH_MAX + 1 {
            return Err(A::Error::custom(format_args!("values are nested deeper than {DEPTH_MAX} levels")));
        }
        self.put_tag(WireType::Bytes);
        let start = open(&mut self.output.bytes);
        transcode_members(message, depth, members, self.output)?;
        close(&mut self.output.bytes, start);
        Ok(())
    }
}

impl Value<'_> {
    /// What may stand here; `None` where only a list may.
    fn kind(&self) -> Option<Kind> {
        let is_list = self.field.occurs == Occurs::Repeated && self.place == Place::Member;
        (!is_list).then_some(self.field.kind)
    }

    fn expected(&self) -> &'static str {
        match self.kind() {
            None => "a list",
            Some(Kind::String) => "a string",
            Some(Kind::Bool) => "`true` or `false`",
            Some(Kind::Enum) => "an integer (names are not allowed)",
            Some(Kind::Double) => "a number, `NaN`, `Infinity` or `-Infinity`",
            Some(Kind::SignedFixed64 | Kind::Int64) => "an integer of 64 bits, as a string or number",
            Some(Kind::Fixed64 | Kind::Uint64) => "an integer of 64 bits that is not negative",
            Some(Kind::Uint32) => "an integer of 32 bits that is not negative",
            Some(Kind::ZigZag32) => "an integer of 32 bits",
            Some(Kind::Bytes) => "base64",
            Some(Kind::Id(8)) => "16 hexadecimal digits",
            Some(Kind::Id(_)) => "32 hexadecimal digits",
            Some(Kind::Message(_)) => "an object",
        }
    }

    fn unexpected<E: Error>(&self, found: &str) -> E {
        E::custom(format_args!("`{}`: expected {}, found {found}", self.field.name, self.expected()))
    }

    fn put_integer<E: Error>(self, value: i128) -> Result<(), E> {
        let out_of_range = |value: &Self| value.unexpected("a number out of range");
        match self.kind() {
            Some(Kind::Fixed64) => match u64::try_from(value) {
                Ok(value) => self.put_fixed(value),
                Err(_) => return Err(out_of_range(&self)),
            },
            Some(Kind::SignedFixed64) => match i64::try_from(value) {
                Ok(value) => self.put_fixed(value as u64),
                Err(_) => return Err(out_of_range(&self)),
            },
            Some(Kind::Int64) => match i64::try_from(value) {
                Ok(value) => self.put_varint(value as u64),
                Err(_) => return Err(out_of_range(&self)),
            },
            Some(Kind::Uint64) => match u64::try_from(value) {
                Ok(value) => self.put_varint(value),
                Err(_) => return Err(out_of_range(&self)),
            },
            Some(Kind::Uint32) => match u32::try_from(value) {
                Ok(value) => self.put_varint(u64::from(value)),
                Err(_) => return Err(out_of_range(&self)),
            },
            Some(kind @ (Kind::Enum | Kind::ZigZag32)) => match i32::try_from(value) {
                Ok(value) if matches!(kind, Kind::Enum) => self.put_varint(i64::from(value) as u64),
                Ok(value) => self.put_varint(u64::from((value << 1 ^ value >> 31) as u32)),
                Err(_) => return Err(out_of_range(&self)),
            },
            _ => return Err(self.unexpected("a number")),
        }
        Ok(())
    }

    fn put_tag(&mut self, wire: WireType) {
        if self.place != Place::PackedItem {
            put_varint(&mut self.output.bytes, u64::from(self.field.number << 3 | wire as u32));
        }
    }

    fn put_varint(mut self, value: u64) {
        self.put_tag(WireType::Varint);
        put_varint(&mut self.output.bytes, value);
    }

    fn put_fixed(mut self, bits: u64) {
        self.put_tag(WireType::Fixed64);
        self.output.bytes.extend_from_slice(&bits.to_le_bytes());
    }

    fn put_bytes(mut self, bytes: &[u8]) {
        self.put_tag(WireType::Bytes);
        put_varint(&mut self.output.bytes, bytes.len() as u64);
        self.output.bytes.extend_from_slice(bytes);
    }
}

/// Leaves a byte for a length, which most fit in.
fn open(output: &mut Vec<u8>) -> usize {
    output.push(0);
    output.len()
}

/// Writes the length of what came since, moving it where the length takes more than a byte.
fn close(output: &mut Vec<u8>, start: usize) {
    let length = output.len() - start;
    let size = varint_len(length as u64);
    if size > 1 {
        output.resize(output.len() + size - 1, 0);
        output.copy_within(start..start + length, start + size - 1);
    }
    let mut rest = length;
    for place in &mut output[start - 1..start - 1 + size] {
        *place = rest as u8 | 0x80;
        rest >>= 7;
    }
    output[start + size - 2] &= 0x7f;
}
