//! Little that becomes a lot: compressed zeros.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

const MIB: usize = 1 << 20;

/// So many MiB of zeros as gzip, about a thousandth of that.
pub fn gzip_bomb(mib: usize) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    let mut add = |start: usize| {
        encoder.write_all(&vec![0; MIB]).and_then(|()| encoder.flush()).expect("memory can be written to");
        encoder.get_ref().get(start..).unwrap_or_default().to_vec()
    };
    let first = add(0);
    // After a flush the next MiB stands for itself, so that it can be repeated without being compressed again.
    let next = add(first.len());
    let mut bomb = first;
    for _ in 1..mib {
        bomb.extend_from_slice(&next);
    }
    // An empty last block; the checksum is wrong, which nobody gets to see who stops in time.
    bomb.extend_from_slice(&[0x03, 0x00, 0, 0, 0, 0, 0, 0, 0, 0]);
    bomb
}

/// So many MiB of zeros as zstd: a frame of blocks of four bytes that stand for 128 KiB each.
pub fn zstd_bomb(mib: usize) -> Vec<u8> {
    const RUN: u32 = 1 << 1;
    const LAST: u32 = 1;
    const BLOCK_SIZE: u32 = 128 << 10;
    // The magic number, no flags, and a window of 128 KiB.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38];
    let blocks = mib * MIB / BLOCK_SIZE as usize;
    for block in 1..=blocks {
        let last = if block == blocks { LAST } else { 0 };
        let head = (BLOCK_SIZE << 3 | RUN | last).to_le_bytes();
        bomb.extend_from_slice(&head[..3]);
        bomb.push(0);
    }
    bomb
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn a_gzip_bomb_is_zeros() {
        let mut zeros = Vec::new();
        let _ = flate2::read::GzDecoder::new(&gzip_bomb(3)[..]).read_to_end(&mut zeros);
        assert_eq!(zeros.len(), 3 * MIB);
        assert!(zeros.iter().all(|byte| *byte == 0));
        assert!(gzip_bomb(1024).len() < 2 * MIB);
    }

    #[test]
    fn a_zstd_bomb_is_short() {
        assert!(zstd_bomb(1024).len() < 64 << 10);
    }
}
