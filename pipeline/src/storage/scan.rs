//! Finds the records in a segment's bytes, whatever has happened to them.

use std::ops::Range;

use memchr::memmem;

use super::Sequence;
use super::format::{Head, MARKER, PRELUDE, Prelude, SEGMENT_MAGIC, VERSION, read_prelude};

/// So many times the segment's length is checksummed at most while records are sought behind damage: bytes made
/// to look like records must not keep the log from being opened.
const SEARCH_FACTOR: usize = 16;

/// What a segment holds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Scan {
    pub(super) records: Vec<Scanned>,
    /// Stretches in the middle that are no records.
    pub(super) damages: Vec<Range<usize>>,
    /// What is behind the last record is not one, and not empty either.
    pub(super) torn: usize,
    /// Where the next record would go.
    pub(super) end: usize,
}

/// A record in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) head: Head,
    pub(super) offset: usize,
    /// The request is not what was written; the head is.
    pub(super) is_damaged: bool,
}

/// The file was written by a newer program.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Newer(pub(super) u32);

/// Reads a segment whose sequences are in this range.
///
/// `is_last`: it may end in what was being written when the process or the machine stopped. That was not
/// answered for, where `fsync` is `always`, so it is torn and not damaged.
pub(super) fn scan(bytes: &[u8], sequences: Range<Sequence>, is_last: bool) -> Result<Scan, Newer> {
    if let Prelude::Version(version) = read_prelude(bytes, SEGMENT_MAGIC)
        && version > VERSION
    {
        return Err(Newer(version));
    }
    let mut scan = Scan { end: PRELUDE.min(bytes.len()), ..Scan::default() };
    let mut next = sequences.start;
    let mut budget = bytes.len().saturating_mul(SEARCH_FACTOR);
    while scan.end < bytes.len() {
        let head = head_at(bytes, scan.end, next..sequences.end);
        let Some(head) = head else {
            match search(bytes, scan.end + 1, next..sequences.end, &mut budget) {
                Some(found) => scan.damages.push(std::mem::replace(&mut scan.end, found)..found),
                None => break,
            }
            continue;
        };
        next = head.sequence.saturating_add(1);
        let offset = scan.end;
        scan.end += head.record_len();
        let is_damaged = !is_whole(bytes, offset, &head);
        scan.records.push(Scanned { head, offset, is_damaged });
    }
    if is_last {
        while let Some(last) = scan.records.pop_if(|last| last.is_damaged) {
            scan.end = last.offset;
        }
    }
    let rest = &bytes[scan.end..];
    // A file may have grown without its bytes having come to the disk.
    scan.torn = rest.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(scan)
}

/// The head of a record here that ends within the bytes.
fn head_at(bytes: &[u8], at: usize, sequences: Range<Sequence>) -> Option<Head> {
    let head = Head::parse(&bytes[at..])?;
    (sequences.contains(&head.sequence) && head.record_len() <= bytes.len() - at).then_some(head)
}

fn is_whole(bytes: &[u8], offset: usize, head: &Head) -> bool {
    let request = &bytes[offset + head.len()..offset + head.record_len()];
    crc32fast::hash(request) == head.checksum
}

/// The first record from here on that is whole: a head alone may be part of a request.
fn search(bytes: &[u8], from: usize, sequences: Range<Sequence>, budget: &mut usize) -> Option<usize> {
    let markers = memmem::find_iter(bytes.get(from..)?, &MARKER).map(|at| from + at);
    for at in markers {
        let Some(head) = head_at(bytes, at, sequences.clone()) else { continue };
        *budget = budget.checked_sub(head.record_len())?;
        if is_whole(bytes, at, &head) {
            return Some(at);
        }
    }
    None
}
