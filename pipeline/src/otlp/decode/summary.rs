//! Points of summaries.

use super::super::fault::Fault;
use super::super::rejections::Reason;
use super::Walk;
use super::head::{Head, Layout};
use crate::point::{Summary, Value};
use crate::wire::{Reader, WireError, WireType};

const LAYOUT: Layout = Layout { attributes: 7, exemplars: 0, flags: 8 };

impl Walk<'_> {
    pub(super) fn summary_point(&mut self, message: &[u8]) -> Result<(), Fault> {
        let mut head = Head::new(message, self.progress.room);
        let mut summary = Summary::default();
        let mut is_increasing = true;
        let mut reader = Reader::new(message);
        loop {
            let start = message.len() - reader.rest().len();
            let Some(tag) = reader.tag()? else { break };
            match tag {
                (4, WireType::Fixed64) => summary.count = reader.fixed64()?,
                (5, WireType::Fixed64) => summary.sum = f64::from_bits(reader.fixed64()?),
                (6, WireType::Bytes) => {
                    let (quantile, value) = read_quantile(reader.bytes()?)?;
                    // What cannot be kept is not collected either.
                    is_increasing &= (0.0..=1.0).contains(&quantile)
                        && summary.quantiles.last().is_none_or(|(last, _)| *last < quantile);
                    if is_increasing {
                        summary.quantiles.push((quantile, value));
                    }
                }
                tag => head.take(&LAYOUT, tag, &mut reader, start)?,
            }
        }
        let value = match is_increasing {
            false if head.is_stale() => Ok(Value::Empty),
            false => Err(Reason::QuantilesNotIncreasing),
            true if head.is_stale() && summary == Summary::default() => Ok(Value::Empty),
            true => Ok(Value::Summary(Box::new(summary))),
        };
        self.finish(&LAYOUT, head, value)
    }
}

fn read_quantile(message: &[u8]) -> Result<(f64, f64), WireError> {
    let (mut quantile, mut value) = (0.0, 0.0);
    let mut reader = Reader::new(message);
    while let Some(tag) = reader.tag()? {
        match tag {
            (1, WireType::Fixed64) => quantile = f64::from_bits(reader.fixed64()?),
            (2, WireType::Fixed64) => value = f64::from_bits(reader.fixed64()?),
            (_, wire) => reader.skip(wire)?,
        }
    }
    Ok((quantile, value))
}
