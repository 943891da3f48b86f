//! Points of metrics that cannot be taken: they are read all the same, since what is broken in one
//! spoils the request whatever becomes of the point.

use std::borrow::Cow;

use super::super::context::{merge, read_attributes};
use super::super::fault::Fault;
use super::exponential::read_buckets;
use super::head::{Layout, read_exemplar};
use super::{exponential, histogram, number};
use crate::wire::{Reader, WireError, WireType};

/// What checks a point.
type Check = fn(&[u8]) -> Result<(), Fault>;

/// The name of a metric's data and what checks a point of it; for the kinds that may be refused as a whole.
pub(super) fn check(field: u32) -> Option<(&'static str, Check)> {
    match field {
        7 => Some(("sum", |point| check_shared(point, &number::LAYOUT))),
        9 => Some(("histogram", check_histogram)),
        10 => Some(("exponential_histogram", check_exponential)),
        _ => None,
    }
}

fn check_shared(point: &[u8], layout: &Layout) -> Result<(), Fault> {
    let mut reader = Reader::new(point);
    while let Some((field, wire)) = reader.tag()? {
        if field == layout.exemplars && wire == WireType::Bytes {
            read_exemplar(reader.bytes()?).map_err(|fault| fault.within("exemplars"))?;
        } else {
            reader.skip(wire)?;
        }
    }
    read_attributes(point, layout.attributes, &mut 0).map(drop)
}

fn check_histogram(point: &[u8]) -> Result<(), Fault> {
    check_shared(point, &histogram::LAYOUT)?;
    let mut reader = Reader::new(point);
    while let Some(tag) = reader.tag()? {
        match tag {
            (6 | 7, WireType::Bytes) => {
                if !reader.bytes()?.len().is_multiple_of(8) {
                    return Err(WireError::Truncated.into());
                }
            }
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok(())
}

fn check_exponential(point: &[u8]) -> Result<(), Fault> {
    check_shared(point, &exponential::LAYOUT)?;
    let (mut positive, mut negative) = (Cow::default(), Cow::default());
    let mut reader = Reader::new(point);
    while let Some(tag) = reader.tag()? {
        match tag {
            (8, WireType::Bytes) => merge(&mut positive, reader.bytes()?),
            (9, WireType::Bytes) => merge(&mut negative, reader.bytes()?),
            (_, wire) => reader.skip(wire)?,
        }
    }
    for (buckets, name) in [(&positive, "positive"), (&negative, "negative")] {
        // They are let go of at once.
        read_buckets(buckets, &mut { usize::MAX }).map_err(|error| Fault::from(error).within(name))?;
    }
    Ok(())
}
