//! Reads what points share: resource, scope, metric. Asked only for bytes not seen before.

use std::borrow::Cow;

use super::fault::Fault;
use crate::attributes::Attributes;
use crate::metric::{Kind, Metric, Resource, Scope, Temporality};
use crate::value::decode_pair;
use crate::wire::{Reader, VALUES_MAX, WireError, WireType, put_bytes};

/// As many entity references may a resource have.
const ENTITY_REFS_MAX: usize = 1024;

/// Joins the parts of a message that came split: messages are merged by appending their bytes.
pub(super) fn merge<'a>(message: &mut Cow<'a, [u8]>, part: &'a [u8]) {
    if message.is_empty() {
        *message = Cow::Borrowed(part);
    } else if !part.is_empty() {
        message.to_mut().extend_from_slice(part);
    }
}

pub(super) fn read_resource(
    message: &[u8],
    schema_url: &[u8],
    repeated: &mut u32,
) -> Result<Resource, Fault> {
    let mut resource = Resource {
        schema_url: text(schema_url).map_err(|fault| fault.within("schema_url"))?,
        ..Resource::default()
    };
    resource.attributes = read_attributes(message, 1, repeated).map_err(|fault| fault.within("resource"))?;
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (2, WireType::Varint) => resource.dropped_attributes_count = reader.varint()? as u32,
            (3, WireType::Bytes) => {
                if resource.entity_refs.len() == ENTITY_REFS_MAX {
                    return Err(Fault::from(WireError::TooManyValues).within("resource.entity_refs"));
                }
                let entity = read_entity_ref(reader.bytes()?);
                resource.entity_refs.push(entity.map_err(|fault| fault.within("resource.entity_refs"))?);
            }
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(resource)
}

/// Reads an entity reference and writes what is known of it, so that nothing unknown is carried.
fn read_entity_ref(message: &[u8]) -> Result<Box<[u8]>, Fault> {
    let (mut schema_url, mut kind) = ("", "");
    let mut keys = Vec::new();
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Bytes) => schema_url = reader.string()?,
            (2, WireType::Bytes) => kind = reader.string()?,
            (field @ (3 | 4), WireType::Bytes) => put_bytes(&mut keys, field, reader.string()?.as_bytes()),
            (_, wire) => reader.skip(wire)?,
        }
    }
    let mut entity = Vec::new();
    for (field, text) in [(1, schema_url), (2, kind)] {
        if !text.is_empty() {
            put_bytes(&mut entity, field, text.as_bytes());
        }
    }
    entity.extend_from_slice(&keys);
    Ok(entity.into())
}

pub(super) fn read_scope(message: &[u8], schema_url: &[u8], repeated: &mut u32) -> Result<Scope, Fault> {
    let mut scope = Scope {
        schema_url: text(schema_url).map_err(|fault| fault.within("schema_url"))?,
        ..Scope::default()
    };
    scope.attributes = read_attributes(message, 3, repeated).map_err(|fault| fault.within("scope"))?;
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Bytes) => {
                scope.name = text(reader.bytes()?).map_err(|fault| fault.within("scope.name"))?;
            }
            (2, WireType::Bytes) => {
                scope.version = text(reader.bytes()?).map_err(|fault| fault.within("scope.version"))?;
            }
            (4, WireType::Varint) => scope.dropped_attributes_count = reader.varint()? as u32,
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(scope)
}

/// Reads what a metric says of itself beside its data.
pub(super) fn read_metric(header: &[u8], kind: Kind, repeated: &mut u32) -> Result<Metric, Fault> {
    let mut metric = Metric::new("", "", kind);
    metric.metadata = read_attributes(header, 12, repeated)?;
    let mut reader = Reader::new(header);
    while let Some(tag) = reader.tag()? {
        let (place, field) = match tag {
            (1, WireType::Bytes) => (&mut metric.name, "name"),
            (2, WireType::Bytes) => (&mut metric.description, "description"),
            (3, WireType::Bytes) => (&mut metric.unit, "unit"),
            (_, wire) => {
                reader.skip(wire)?;
                continue;
            }
        };
        *place = text(reader.bytes()?).map_err(|fault| fault.within(field))?;
    }
    Ok(metric)
}

/// Reads the attributes among the fields of a message; adds up those that another of the same key replaced.
pub(super) fn read_attributes(message: &[u8], field: u32, repeated: &mut u32) -> Result<Attributes, Fault> {
    let mut pairs = Vec::new();
    let mut left = VALUES_MAX;
    let mut reader = Reader::new(message);
    while let Some((number, wire)) = reader.tag()? {
        if (number, wire) != (field, WireType::Bytes) {
            reader.skip(wire)?;
            continue;
        }
        let pair = decode_pair(reader.bytes()?, 0, &mut left);
        pairs.push(pair.map_err(|error| Fault::from(error).within_item("attributes", pairs.len()))?);
    }
    let read = pairs.len();
    let attributes = Attributes::new(pairs);
    *repeated += (read - attributes.len()) as u32;
    Ok(attributes)
}

/// The kind of a metric whose data is in `field` of `Metric`; `None` without a known temporality.
pub(super) fn kind(field: u32, temporality: u64, is_monotonic: bool) -> Option<Kind> {
    let temporality = match temporality {
        1 => Some(Temporality::Delta),
        2 => Some(Temporality::Cumulative),
        _ => None,
    };
    match field {
        5 => Some(Kind::Gauge),
        7 => temporality.map(|temporality| Kind::Sum { temporality, is_monotonic }),
        9 => temporality.map(|temporality| Kind::Histogram { temporality }),
        10 => temporality.map(|temporality| Kind::ExponentialHistogram { temporality }),
        _ => Some(Kind::Summary),
    }
}

fn text(bytes: &[u8]) -> Result<String, Fault> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(WireError::InvalidUtf8.into()),
    }
}
