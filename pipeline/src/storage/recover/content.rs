//! Reads whole files, as far as the disk can read them.

use std::io;
use std::ops::Range;
use std::time::Duration;

use super::super::disk::{Data, Disk};
use super::super::reader::is_own_lack;

/// What a disk is asked for where it cannot read a whole file.
const BLOCK: usize = 4096;

/// How often reading is tried again while a log is opened, all files together, and how long each try is waited for.
const RETRIES: u32 = 10;
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Larger files are none of ours; what is behind this is not looked at.
pub(super) const LEN_MAX: u64 = u32::MAX as u64;

/// What could be read of a file.
pub(super) struct Content {
    /// Zeros where the disk could not read; nothing where the file could not even be opened.
    pub(super) bytes: Vec<u8>,
    pub(super) unreadable: Vec<Range<usize>>,
    /// How long the file is, or may be.
    pub(super) len: u64,
    /// Why not all of it could be read.
    pub(super) error: Option<io::Error>,
}

/// Reads files, again and again where that fails.
pub(super) struct Files<'a> {
    disk: &'a dyn Disk,
    retries: u32,
}

impl<'a> Files<'a> {
    pub(super) fn new(disk: &'a dyn Disk) -> Self {
        Self { disk, retries: RETRIES }
    }

    /// An error is one that has nothing to do with this file, or that a person is to mend.
    pub(super) fn read(&mut self, name: &str) -> io::Result<Content> {
        let disk = self.disk;
        let opened = self.patiently(|| disk.open(name).and_then(|file| Ok((file.len()?, file))));
        let (len, file) = match opened {
            Ok((len, file)) => (len.min(LEN_MAX), file),
            Err(error) if is_beyond_the_disk(&error) => return Err(error),
            Err(error) => {
                // How much that is nobody knows.
                let unreadable = std::iter::once(0..0).collect();
                return Ok(Content { bytes: Vec::new(), unreadable, len: LEN_MAX, error: Some(error) });
            }
        };
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        let error = self.patiently(|| file.read_at(&mut bytes, 0)).err();
        let unreadable = if error.is_some() { read_blocks(&*file, &mut bytes) } else { Vec::new() };
        Ok(Content { bytes, unreadable, len, error })
    }

    fn patiently<T>(&mut self, mut work: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match work() {
                Err(error) if self.retries > 0 && !is_beyond_the_disk(&error) => {
                    self.retries -= 1;
                    std::thread::sleep(RETRY_PAUSE);
                }
                outcome => return outcome,
            }
        }
    }
}

impl Content {
    /// Whether the disk could read all of it.
    pub(super) fn is_readable(&self) -> bool {
        self.unreadable.is_empty()
    }

    pub(super) fn is_opened(&self) -> bool {
        self.is_readable() || !self.bytes.is_empty()
    }
}

fn is_beyond_the_disk(error: &io::Error) -> bool {
    is_own_lack(error) || error.kind() == io::ErrorKind::PermissionDenied
}

/// Reads what can be read; what cannot is zeros, and told.
fn read_blocks(file: &dyn Data, bytes: &mut [u8]) -> Vec<Range<usize>> {
    let mut unreadable: Vec<Range<usize>> = Vec::new();
    for (index, block) in bytes.chunks_mut(BLOCK).enumerate() {
        let start = index * BLOCK;
        if file.read_at(block, start as u64).is_ok() {
            continue;
        }
        block.fill(0);
        let end = start + block.len();
        match unreadable.last_mut() {
            Some(last) if last.end == start => last.end = end,
            _ => unreadable.push(start..end),
        }
    }
    unreadable
}
