//! A reader's place: which records it has settled, as ranges in a file that grows until it is written anew.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::Sequence;
use super::format::{
    PLACE_MAGIC, PRELUDE, Prelude, SEQUENCE_MAX, VERSION, key, prelude, read_prelude, u64_at,
};
use super::ranges::Ranges;
use super::scan::Newer;

/// From, to (both settled), and a checksum of both.
pub(super) const ENTRY: usize = 20;

/// The folder of these files.
pub(super) const FOLDER: &str = "readers";

/// Longer ids are not in the name of the file, which has at most 255 bytes.
const NAME_MAX: usize = 200;

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// What is in a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Parsed {
    pub(super) settled: Ranges,
    /// Bytes that say nothing; what they said is read again.
    pub(super) damaged: usize,
}

/// A whole file.
pub(super) fn encode(settled: &Ranges) -> Vec<u8> {
    let mut bytes = prelude(PLACE_MAGIC, VERSION).to_vec();
    for (from, to) in settled.iter() {
        put(&mut bytes, from, to);
    }
    bytes
}

pub(super) fn put(bytes: &mut Vec<u8>, from: Sequence, to: Sequence) {
    let start = bytes.len();
    bytes.extend_from_slice(&from.to_le_bytes());
    bytes.extend_from_slice(&to.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[start..]);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

/// Reads a file, whatever has happened to it. Entries have one length, so a damaged one hides no other.
pub(super) fn parse(bytes: &[u8]) -> Result<Parsed, Newer> {
    match read_prelude(bytes, PLACE_MAGIC) {
        Prelude::Version(version) if version > VERSION => return Err(Newer(version)),
        Prelude::Version(_) | Prelude::Damaged => {}
    }
    let (mut ranges, mut damaged) = (Vec::new(), 0);
    let entries = bytes.get(PRELUDE..).unwrap_or_default();
    for entry in entries.chunks(ENTRY) {
        let (from, to) = if entry.len() == ENTRY { (u64_at(entry, 0), u64_at(entry, 8)) } else { (1, 0) };
        let is_whole =
            from <= to && to < SEQUENCE_MAX && crc32fast::hash(&entry[..16]).to_le_bytes() == entry[16..];
        if is_whole {
            ranges.push((from, to));
        } else {
            damaged += entry.len();
        }
    }
    Ok(Parsed { settled: Ranges::new(ranges), damaged })
}

/// The file of an exporter's place.
pub(super) fn name(exporter: &str) -> String {
    let encoded = utf8_percent_encode(exporter, KEPT).to_string();
    if encoded.len() <= NAME_MAX {
        format!("{FOLDER}/{encoded}")
    } else {
        format!("{FOLDER}/~{:016x}", key(exporter))
    }
}

/// The exporter and the key of a file with this name, in its folder; `None` where it is no place.
pub(super) fn exporter(name: &str) -> Option<(Option<String>, u64)> {
    if let Some(hash) = name.strip_prefix('~') {
        return u64::from_str_radix(hash, 16).ok().map(|key| (None, key));
    }
    let exporter = percent_decode_str(name).decode_utf8().ok()?.into_owned();
    (self::name(&exporter).strip_prefix(FOLDER)?.strip_prefix('/')? == name).then(|| {
        let key = key(&exporter);
        (Some(exporter), key)
    })
}
