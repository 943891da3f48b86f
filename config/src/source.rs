//! Opens files, within bounds.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The largest file that is read.
pub(crate) const BYTES_MAX: usize = 16 << 20;

/// Reads a text file; the error does not repeat the path.
pub(crate) fn read(path: &Path) -> io::Result<String> {
    let mut bytes = Vec::new();
    File::open(path)?.take(BYTES_MAX as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > BYTES_MAX {
        return Err(io::Error::other(format!("it is larger than {} MiB", BYTES_MAX >> 20)));
    }
    String::from_utf8(bytes).map_err(|error| {
        io::Error::other(format!("it is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()))
    })
}
