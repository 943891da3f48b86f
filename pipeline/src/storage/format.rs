//! The bytes of a segment: what a file begins with, and how a record is written. All numbers are little endian.

use smallvec::SmallVec;

use super::Sequence;

/// The version this program writes; it reads this one and all before it.
pub(super) const VERSION: u32 = 1;

/// What every file begins with: eight bytes of magic, the version, and a checksum of these twelve bytes.
pub(super) const PRELUDE: usize = 16;

pub(super) const SEGMENT_MAGIC: [u8; 8] = *b"IMTRLOG\n";
pub(super) const PLACE_MAGIC: [u8; 8] = *b"IMTRPLC\n";

/// What a record begins with, so that one is found again behind damaged bytes.
pub(super) const MARKER: [u8; 4] = [0xf1, b'R', b'E', b'C'];

/// The head without the readers' keys.
pub(super) const HEAD: usize = 40;

/// No record has this number, or a larger one, before the end of days: what says so is damaged.
pub(super) const SEQUENCE_MAX: Sequence = 1 << 62;

/// More readers of one record than this are taken for damage.
const READERS_MAX: usize = 1024;

/// The keys of the readers a record is for.
pub(super) type Keys = SmallVec<[u64; 4]>;

/// What stands before a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) sequence: Sequence,
    pub(super) written_unix_nano: u64,
    pub(super) points: u32,
    /// Of the request, in bytes.
    pub(super) length: u32,
    /// Of the request.
    pub(super) checksum: u32,
    pub(super) keys: Keys,
}

/// What the beginning of a file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Prelude {
    /// Written by a program that may be newer than this one.
    Version(u32),
    Damaged,
}

pub(super) fn prelude(magic: [u8; 8], version: u32) -> [u8; PRELUDE] {
    let mut bytes = [0; PRELUDE];
    bytes[..8].copy_from_slice(&magic);
    bytes[8..12].copy_from_slice(&version.to_le_bytes());
    let checksum = crc32fast::hash(&bytes[..12]);
    bytes[12..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

pub(super) fn read_prelude(bytes: &[u8], magic: [u8; 8]) -> Prelude {
    let Some(bytes) = bytes.get(..PRELUDE) else { return Prelude::Damaged };
    if bytes[..8] == magic && crc32fast::hash(&bytes[..12]) == u32_at(bytes, 12) {
        Prelude::Version(u32_at(bytes, 8))
    } else {
        Prelude::Damaged
    }
}

impl Head {
    /// Of the head, in bytes.
    pub(super) fn len(&self) -> usize {
        head_len(self.keys.len())
    }

    /// Of head and request, in bytes.
    pub(super) fn record_len(&self) -> usize {
        self.len() + self.length as usize
    }

    pub(super) fn put(&self, buffer: &mut Vec<u8>) {
        let start = buffer.len();
        buffer.extend_from_slice(&MARKER);
        buffer.extend_from_slice(&[0; 4]);
        buffer.extend_from_slice(&self.length.to_le_bytes());
        buffer.extend_from_slice(&self.checksum.to_le_bytes());
        buffer.extend_from_slice(&self.sequence.to_le_bytes());
        buffer.extend_from_slice(&self.written_unix_nano.to_le_bytes());
        buffer.extend_from_slice(&self.points.to_le_bytes());
        buffer.extend_from_slice(&(self.keys.len() as u16).to_le_bytes());
        // Flags: none are known in version 1.
        buffer.extend_from_slice(&[0; 2]);
        for key in &self.keys {
            buffer.extend_from_slice(&key.to_le_bytes());
        }
        let checksum = crc32fast::hash(&buffer[start + 8..]);
        buffer[start + 4..start + 8].copy_from_slice(&checksum.to_le_bytes());
    }

    /// The head these bytes begin with; `None` where it is damaged or not whole.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() < HEAD || bytes[..4] != MARKER {
            return None;
        }
        let readers = usize::from(u16::from_le_bytes([bytes[36], bytes[37]]));
        if readers > READERS_MAX {
            return None;
        }
        let head = bytes.get(..head_len(readers))?;
        if crc32fast::hash(&head[8..]) != u32_at(head, 4) {
            return None;
        }
        let sequence = Some(u64_at(head, 16)).filter(|sequence| *sequence < SEQUENCE_MAX)?;
        Some(Self {
            sequence,
            written_unix_nano: u64_at(head, 24),
            points: u32_at(head, 32),
            length: u32_at(head, 8),
            checksum: u32_at(head, 12),
            keys: (0..readers).map(|index| u64_at(head, HEAD + 8 * index)).collect(),
        })
    }
}

/// Of the head of a record for so many readers, in bytes.
pub(super) fn head_len(readers: usize) -> usize {
    HEAD + 8 * readers
}

/// What a reader is called in records: the first eight bytes of the SHA-1 of its exporter's id.
pub(super) fn key(exporter: &str) -> u64 {
    use sha1::Digest;
    u64_at(&sha1::Sha1::digest(exporter.as_bytes()), 0)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
