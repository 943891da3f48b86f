//! Snappy's block format, which says at its beginning how much will come out.

use bytes::Bytes;
use snap::raw::{Decoder, decompress_len};

use super::{BodyError, Budget, corrupt, hold};

/// Decompresses a block that has been received already.
///
/// What the block says will come out is compared with `limit` and counted against the budget before
/// any memory is set aside for it.
pub async fn unsnap(block: Bytes, limit: usize, budget: &Budget) -> Result<Bytes, BodyError> {
    let len = decompress_len(&block).map_err(corrupt)?;
    if len > limit {
        return Err(BodyError::TooLarge { limit });
    }
    let mut claim = budget.claim();
    claim.raise(len).await.map_err(|_| BodyError::Busy)?;
    let mut bytes = vec![0; len];
    Decoder::new().decompress(&block, &mut bytes).map_err(corrupt)?;
    Ok(hold(Bytes::from(bytes), Some(claim)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(bytes: &[u8]) -> Bytes {
        Bytes::from(snap::raw::Encoder::new().compress_vec(bytes).unwrap())
    }

    #[tokio::test]
    async fn a_block_comes_out_and_counts_while_it_lives() {
        let budget = Budget::new(1 << 20);
        let bytes = unsnap(block(&[7; 1000]), 1000, &budget).await.unwrap();
        assert_eq!((&bytes[..], budget.held()), (&[7; 1000][..], 1000));
        drop(bytes);
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_block_claims_is_refused_before_memory_is_set_aside() {
        // 4 GiB - 1, in five bytes of a varint.
        let liar = Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, b'x']);
        let budget = Budget::new(1 << 20);
        let error = unsnap(liar, 32 << 20, &budget).await.unwrap_err();
        assert!(matches!(error, BodyError::TooLarge { limit } if limit == 32 << 20), "{error}");
        let error = unsnap(block(&vec![0; 2 << 20]), 32 << 20, &budget).await.unwrap_err();
        assert!(matches!(error, BodyError::Busy), "{error}");
        assert_eq!(budget.held(), 0);
    }

    #[tokio::test]
    async fn what_is_no_block_is_said() {
        let budget = Budget::new(1 << 20);
        for bytes in [&b""[..], &[0xff; 11], b"\x05ab", &block(&[7; 1000])[..10]] {
            let error = unsnap(Bytes::copy_from_slice(bytes), 32 << 20, &budget).await.unwrap_err();
            assert!(matches!(error, BodyError::Corrupt(_)), "{bytes:?}: {error}");
        }
    }
}
