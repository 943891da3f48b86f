//! Exemplars: read, and brought to the point of their series.

use pipeline::wire::WireError;

use super::{Current, Walk};
use crate::prometheus::identity::Pairs;
use crate::prometheus::points::exemplar_of;
use crate::prometheus_remote_write::decoder::{Memory, Pending};
use crate::prometheus_remote_write::labels::{Fault, LABEL_BYTES_MAX, add_pair, read_pairs};
use crate::prometheus_remote_write::message::{RawExemplar, nanos, read_exemplar};
use crate::prometheus_remote_write::reason::Reason;
use crate::prometheus_remote_write::symbols::{References, Symbols};

/// What an exemplar takes besides its labels.
const EXEMPLAR_BYTES: usize = 200;

/// The labels of an exemplar that may wait have no more bytes than this.
const PENDING_BYTES_MAX: usize = 512;

impl Walk<'_> {
    #[cold]
    pub(super) fn exemplar(&mut self, current: Current<'_>, message: &[u8]) -> Result<(), WireError> {
        let raw = read_exemplar(message)?;
        self.take_room(EXEMPLAR_BYTES + message.len())?;
        let labels = match exemplar_labels(&raw, current.symbols, &mut self.copies) {
            Ok(labels) => labels,
            Err(Fault::Wire(error)) => return Err(error),
            Err(Fault::Reason(reason)) => {
                self.decoded.failures.add(current.index, 0, reason);
                self.decoded.dropped_exemplars += 1;
                return Ok(());
            }
        };
        let label_bytes: usize = labels.iter().map(|(name, value)| name.len() + value.len()).sum();
        self.take_room(label_bytes)?;
        let exemplar = exemplar_of(labels, raw.value, nanos(raw.time_millis).unwrap_or(0));
        let Memory { table, waiting, request, .. } = &mut *self.memory;
        let known = table.get_mut(current.slot);
        let (in_request, place) = known.place;
        let point = self.decoded.batch.iter_mut().nth(place as usize);
        if let Some(point) = point.filter(|_| in_request == *request) {
            point.exemplars.push(exemplar);
            self.decoded.written.exemplars += 1;
            return Ok(());
        }
        // Prometheus sends exemplars apart, mostly behind their sample; this one waits for the next.
        known.pending = None;
        match Pending::new(exemplar, waiting) {
            Some(pending) if label_bytes <= PENDING_BYTES_MAX => {
                known.pending = Some(Box::new(pending));
                self.decoded.written.exemplars += 1;
            }
            // Counted when it is dropped.
            Some(_) => {}
            None => self.decoded.dropped_exemplars += 1,
        }
        Ok(())
    }
}

/// A few bytes may refer to a long symbol, so what is looked through is taken from `copies`.
fn exemplar_labels<'a>(
    raw: &'a RawExemplar<'_>,
    symbols: Option<&'a Symbols<'a>>,
    copies: &mut usize,
) -> Result<Pairs<'a>, Fault> {
    let Some(symbols) = symbols else { return read_pairs(&raw.labels) };
    let mut references = References::default();
    references.read(&raw.labels)?;
    let mut pairs = Pairs::new();
    let mut bytes = 0;
    for pair in references.pairs(symbols)? {
        let (name, value) = pair?;
        let more = name.len() + value.len();
        bytes += more;
        if bytes > LABEL_BYTES_MAX {
            return Err(Reason::LabelsTooLong.into());
        }
        *copies = copies.checked_sub(more).ok_or(WireError::TooLarge)?;
        add_pair(&mut pairs, name, value)?;
    }
    Ok(pairs)
}
