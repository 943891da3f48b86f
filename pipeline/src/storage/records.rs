//! The records of a segment, packed: a queue may be millions of records long, and most look like those before them.

use super::Backlog;
use super::Sequence;
use super::format::head_len;
use crate::wire::{Reader, put_varint};

/// So many records are a block. One is found by halving the blocks and reading through one of them.
const BLOCK: usize = 64;

/// What is written of a record.
const FIELDS: usize = 6;

/// A record of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) sequence: Sequence,
    pub(super) offset: u32,
    /// Of the request, in bytes.
    pub(super) length: u32,
    pub(super) points: u32,
    /// In seconds since 1970, by a clock that only goes forwards.
    pub(super) written: u32,
    /// Which readers it is for, an index into the groups.
    pub(super) group: u16,
    pub(super) is_damaged: bool,
}

/// Records in the order of their sequences, offsets and times: some four bytes each.
#[derive(Debug, Default)]
pub(super) struct Records {
    blocks: Vec<Block>,
    /// The records of each block but its first: a byte with a bit for each field that is not as it was in the record
    /// before, and these fields, seven bits to a byte.
    bytes: Vec<u8>,
    len: usize,
    last: Option<Packed>,
    /// Which are damaged, by index, in order.
    damaged: Vec<u32>,
}

#[derive(Debug)]
struct Block {
    first: Entry,
    /// Where its others begin.
    at: usize,
}

/// A record, and what is written of it.
#[derive(Debug, Clone, Copy)]
struct Packed {
    entry: Entry,
    fields: [u64; FIELDS],
}

/// Reads the records of a block one after the other.
#[derive(Debug)]
struct Walk<'a> {
    next: Option<Packed>,
    others: Reader<'a>,
    /// The index of the next, and of the end of the block.
    at: usize,
    end: usize,
    damaged: &'a [u32],
}

impl Entry {
    /// Of head and request, in bytes.
    pub(super) fn record_len(&self, readers: usize) -> usize {
        head_len(readers) + self.length as usize
    }

    pub(super) fn backlog(&self) -> Backlog {
        Backlog { records: 1, points: u64::from(self.points), bytes: u64::from(self.length) }
    }

    /// How it differs from the record before it.
    fn fields(&self, before: &Self) -> [u64; FIELDS] {
        let gap = self.offset.wrapping_sub(before.offset).wrapping_sub(before.length);
        let later = self.written.wrapping_sub(before.written);
        let [gap, length, points, later] = [gap, self.length, self.points, later].map(u64::from);
        [self.sequence.wrapping_sub(before.sequence), gap, length, points, later, u64::from(self.group)]
    }

    /// The record of these fields, behind another.
    fn behind(before: &Self, fields: &[u64; FIELDS]) -> Self {
        let [step, gap, length, points, later, group] = *fields;
        Self {
            sequence: before.sequence.wrapping_add(step),
            offset: before.offset.wrapping_add(before.length).wrapping_add(gap as u32),
            length: length as u32,
            points: points as u32,
            written: before.written.wrapping_add(later as u32),
            group: group as u16,
            is_damaged: false,
        }
    }
}

impl Records {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn first(&self) -> Option<Entry> {
        self.blocks.first().map(|block| block.first)
    }

    /// When the last was written.
    pub(super) fn newest(&self) -> u32 {
        self.last.map_or(0, |last| last.entry.written)
    }

    /// Adds a record behind all others.
    pub(super) fn push(&mut self, entry: Entry) {
        if entry.is_damaged {
            self.damaged.push(self.len as u32);
        }
        let packed = match &self.last {
            Some(last) if !self.len.is_multiple_of(BLOCK) => {
                let packed = Packed { entry, fields: entry.fields(&last.entry) };
                packed.put(last, &mut self.bytes);
                packed
            }
            _ => {
                self.blocks.push(Block { first: entry, at: self.bytes.len() });
                Packed::first(entry)
            }
        };
        self.last = Some(packed);
        self.len += 1;
    }

    /// Nothing comes any more.
    pub(super) fn close(&mut self) {
        self.blocks.shrink_to_fit();
        self.bytes.shrink_to_fit();
    }

    /// The record can no longer be read.
    pub(super) fn damage(&mut self, at: usize) {
        if let Err(place) = self.damaged.binary_search(&(at as u32)) {
            self.damaged.insert(place, at as u32);
        }
    }

    /// Where the first record is that is not before this one, or the end; and the record with this sequence, if it is one.
    pub(super) fn find(&self, sequence: Sequence) -> (usize, Option<Entry>) {
        let blocks = self.blocks.partition_point(|block| block.first.sequence <= sequence);
        let Some(block) = blocks.checked_sub(1) else { return (0, None) };
        let mut at = block * BLOCK;
        for entry in self.block(block) {
            if entry.sequence >= sequence {
                return (at, Some(entry).filter(|entry| entry.sequence == sequence));
            }
            at += 1;
        }
        (at, None)
    }

    /// How many of the first records are so; behind one that is not, none is.
    pub(super) fn partition_point(&self, is_so: impl Fn(&Entry) -> bool) -> usize {
        let blocks = self.blocks.partition_point(|block| is_so(&block.first));
        let Some(block) = blocks.checked_sub(1) else { return 0 };
        let first = block * BLOCK;
        first + self.block(block).take_while(|entry| is_so(entry)).count()
    }

    pub(super) fn get(&self, at: usize) -> Option<Entry> {
        self.from(at).next()
    }

    /// The records from there on.
    pub(super) fn from(&self, at: usize) -> impl Iterator<Item = Entry> {
        let block = at / BLOCK;
        (block..self.blocks.len()).flat_map(|block| self.block(block)).skip(at % BLOCK)
    }

    fn block(&self, block: usize) -> Walk<'_> {
        let at = block * BLOCK;
        let Block { first, at: bytes } = self.blocks[block];
        let others = Reader::new(&self.bytes[bytes..]);
        Walk {
            next: Some(Packed::first(first)),
            others,
            at,
            end: self.len.min(at + BLOCK),
            damaged: &self.damaged,
        }
    }
}

impl Packed {
    /// What the second of a block is compared with.
    fn first(entry: Entry) -> Self {
        let fields = [1, 0, entry.length.into(), entry.points.into(), 0, entry.group.into()];
        Self { entry, fields }
    }

    fn read(before: &Self, bytes: &mut Reader<'_>) -> Option<Self> {
        let mut fields = before.fields;
        let changed = bytes.varint().ok()?;
        for (index, field) in fields.iter_mut().enumerate() {
            if changed & 1 << index != 0 {
                *field = bytes.varint().ok()?;
            }
        }
        Some(Self { entry: Entry::behind(&before.entry, &fields), fields })
    }

    fn put(&self, before: &Self, bytes: &mut Vec<u8>) {
        let at = bytes.len();
        bytes.push(0);
        for (index, (field, before)) in self.fields.iter().zip(before.fields).enumerate() {
            if *field != before {
                bytes[at] |= 1 << index;
                put_varint(bytes, *field);
            }
        }
    }
}

impl Iterator for Walk<'_> {
    type Item = Entry;

    fn next(&mut self) -> Option<Entry> {
        let packed = self.next.take()?;
        let is_damaged = !self.damaged.is_empty() && self.damaged.binary_search(&(self.at as u32)).is_ok();
        self.at += 1;
        if self.at < self.end {
            self.next = Packed::read(&packed, &mut self.others);
        }
        Some(Entry { is_damaged, ..packed.entry })
    }
}

#[cfg(test)]
mod tests;
