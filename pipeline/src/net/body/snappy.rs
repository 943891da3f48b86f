//! Snappy's block format, which says at its beginning how much will come out.

use bytes::Bytes;
use snap::raw::{Decoder, decompress_len};

use super::{BodyError, Budget, corrupt, hold};

/// What is longer takes too long to come out for others to wait.
const INLINE_BYTES_MAX: usize = 100 << 10;

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
    let decompress = move || {
        let mut bytes = vec![0; len];
        Decoder::new().decompress(&block, &mut bytes).map_err(corrupt)?;
        Ok(hold(Bytes::from(bytes), Some(claim)))
    };
    if len <= INLINE_BYTES_MAX {
        return decompress();
    }
    // It only fails where the process is about to end.
    let done = tokio::task::spawn_blocking(decompress).await;
    done.unwrap_or_else(|error| Err(BodyError::Broken(error.to_string())))
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

    #[test]
    fn others_run_while_a_long_block_comes_out() {
        let runtime = tokio::runtime::Builder::new_current_thread().max_blocking_threads(1).build().unwrap();
        let (end, wait) = std::sync::mpsc::channel::<()>();
        runtime.spawn_blocking(move || wait.recv());
        let budget = Budget::new(1 << 20);
        let unsnapped = |len: usize| {
            let (block, budget) = (block(&vec![7; len]), budget.clone());
            runtime.spawn(async move { unsnap(block, 1 << 20, &budget).await.unwrap().len() })
        };
        let (long, short) = (unsnapped(INLINE_BYTES_MAX + 1), unsnapped(INLINE_BYTES_MAX));
        // The thread for what takes long has something else to do; the one that there is besides goes on.
        assert_eq!(runtime.block_on(short).unwrap(), INLINE_BYTES_MAX);
        assert!(!long.is_finished());
        end.send(()).unwrap();
        assert_eq!(runtime.block_on(long).unwrap(), INLINE_BYTES_MAX + 1);
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
