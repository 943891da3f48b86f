//! The symbols of a 2.0 request, and what refers to them.

use pipeline::wire::{Reader, WireError, WireType};

use super::families::HELP_BYTES_MAX;
use super::labels::{Fault, LABEL_BYTES_MAX, LABELS_MAX};
use super::message::{Layout, SAMPLES, Told, kind, put_label};
use super::reason::Reason;

/// Each label has two.
const REFERENCES_MAX: usize = 2 * LABELS_MAX;

/// What is said once in a request, and referred to by its number.
#[derive(Debug)]
pub(super) struct Symbols<'a> {
    symbols: Vec<&'a [u8]>,
}

/// A name and a value, where the references to them are good.
type Pair<'a> = Result<(&'a [u8], &'a [u8]), Reason>;

/// What one series says by reference; kept from series to series for its memory.
#[derive(Debug, Default)]
pub(super) struct References {
    labels_refs: Vec<u32>,
    kind: u64,
    help: u32,
    unit: u32,
    /// The labels as 1.0 writes them.
    labels: Vec<u8>,
}

impl<'a> Symbols<'a> {
    /// Collects them, wherever they stand, and takes what they need from `room`.
    pub(super) fn read(request: &'a [u8], room: &mut usize) -> Result<Self, WireError> {
        let mut symbols = Vec::new();
        let mut reader = Reader::new(request);
        while let Some(tag) = reader.tag()? {
            match tag {
                (4, WireType::Bytes) => {
                    // The list doubles as it grows.
                    *room = room.checked_sub(2 * size_of::<&[u8]>()).ok_or(WireError::TooLarge)?;
                    symbols.push(reader.bytes()?);
                }
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(Self { symbols })
    }

    #[inline]
    fn get(&self, reference: u32) -> Result<&'a [u8], Reason> {
        self.symbols.get(reference as usize).copied().ok_or(Reason::ReferenceOutOfRange)
    }

    /// What text of metadata is referred to, as much of it as is kept; reference 0 is none.
    fn optional(&self, reference: u32) -> Result<&'a str, Reason> {
        if reference == 0 {
            return Ok("");
        }
        let text = self.get(reference)?;
        // Cut first: each series may refer to the same long text.
        let kept = text.get(..HELP_BYTES_MAX).unwrap_or(text);
        match std::str::from_utf8(kept) {
            Ok(kept) => Ok(kept),
            Err(error) if error.error_len().is_none() && kept.len() < text.len() => {
                std::str::from_utf8(&kept[..error.valid_up_to()]).map_err(|_| Reason::InvalidUtf8)
            }
            Err(_) => Err(Reason::InvalidUtf8),
        }
    }
}

impl References {
    /// Reads the references of a series or an exemplar.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<(), WireError> {
        self.labels_refs.clear();
        (self.kind, self.help, self.unit) = (0, 0, 0);
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Varint) => {
                    let reference = reference(reader.varint()?);
                    self.push(reference);
                }
                (1, WireType::Bytes) => {
                    let mut packed = Reader::new(reader.bytes()?);
                    while !packed.is_empty() {
                        let reference = reference(packed.varint()?);
                        self.push(reference);
                    }
                }
                (5, WireType::Bytes) => self.read_metadata(reader.bytes()?)?,
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    /// Keeps one more than may be, to know of it.
    fn push(&mut self, reference: u32) {
        if self.labels_refs.len() <= REFERENCES_MAX {
            self.labels_refs.push(reference);
        }
    }

    fn read_metadata(&mut self, message: &[u8]) -> Result<(), WireError> {
        let mut reader = Reader::new(message);
        while let Some(tag) = reader.tag()? {
            match tag {
                (1, WireType::Varint) => self.kind = reader.varint()?,
                (3, WireType::Varint) => self.help = reference(reader.varint()?),
                (4, WireType::Varint) => self.unit = reference(reader.varint()?),
                (_, wire) => reader.skip(wire)?,
            }
        }
        Ok(())
    }

    /// Checks that a series has values, of one sort.
    pub(super) fn check(message: &[u8], layout: Layout) -> Result<(), Reason> {
        let (mut samples, mut histograms, mut exemplars) = (false, false, false);
        let mut reader = Reader::new(message);
        // The message was walked before, so nothing can be wrong with it.
        while let Ok(Some((field, wire))) = reader.tag() {
            samples |= field == SAMPLES;
            histograms |= field == layout.histograms;
            exemplars |= field == layout.exemplars;
            if reader.skip(wire).is_err() {
                break;
            }
        }
        if samples && histograms {
            return Err(Reason::Mixed);
        }
        // Exemplars come alone, though they should not.
        if samples || histograms || exemplars { Ok(()) } else { Err(Reason::NoValues) }
    }

    /// Writes the labels as 1.0 has them, for [`References::labels`]; says what the series' metadata is.
    ///
    /// A few bytes may refer to a long symbol again and again, so what is written is taken from `copies`.
    pub(super) fn resolve<'a>(
        &mut self,
        symbols: &Symbols<'a>,
        copies: &mut usize,
    ) -> Result<Told<'a>, Fault> {
        let mut labels = std::mem::take(&mut self.labels);
        labels.clear();
        let written = self.write(symbols, &mut labels, copies);
        self.labels = labels;
        written?;
        let (help, unit) = (symbols.optional(self.help)?, symbols.optional(self.unit)?);
        Ok(Told { kind: kind(self.kind), help, unit })
    }

    fn write(&self, symbols: &Symbols<'_>, labels: &mut Vec<u8>, copies: &mut usize) -> Result<(), Fault> {
        let mut previous: Option<&[u8]> = None;
        for pair in self.pairs(symbols)? {
            let (name, value) = pair?;
            let bytes = name.len() + value.len();
            if labels.len() + bytes > LABEL_BYTES_MAX {
                return Err(Reason::LabelsTooLong.into());
            }
            *copies = copies.checked_sub(bytes).ok_or(WireError::TooLarge)?;
            match previous {
                Some(previous) if previous == name => return Err(Reason::RepeatedLabel.into()),
                Some(previous) if previous > name => return Err(Reason::UnsortedLabels.into()),
                _ => previous = Some(name),
            }
            put_label(labels, name, value);
        }
        Ok(())
    }

    pub(super) fn labels(&self) -> &[u8] {
        &self.labels
    }

    /// The names and values referred to.
    pub(super) fn pairs<'a>(&self, symbols: &Symbols<'a>) -> Result<impl Iterator<Item = Pair<'a>>, Reason> {
        if self.labels_refs.len() > REFERENCES_MAX {
            return Err(Reason::TooManyLabels);
        }
        let (pairs, rest) = self.labels_refs.as_chunks::<2>();
        if !rest.is_empty() {
            return Err(Reason::OddReferences);
        }
        Ok(pairs.iter().map(|[name, value]| Ok((symbols.get(*name)?, symbols.get(*value)?))))
    }
}

/// A number too large for a reference is beyond all symbols.
fn reference(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
