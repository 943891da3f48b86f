use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Write;
use std::pin::Pin;
use std::task::{Context, Poll};

use http_body::Frame;
use proptest::prelude::*;

use super::*;

/// A body of given pieces.
struct Pieces(VecDeque<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }
}

fn pieces(bytes: &[u8], size: usize) -> Pieces {
    Pieces(bytes.chunks(size.max(1)).map(Bytes::copy_from_slice).collect())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

fn compress(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Identity => bytes.to_vec(),
        Encoding::Gzip => gzip(bytes),
        Encoding::Zstd => zstd(bytes),
    }
}

/// A gibibyte of zeros, in members or frames of 4 MiB.
fn bomb(encoding: Encoding) -> Vec<u8> {
    compress(&vec![0; 4 << 20], encoding).repeat(256)
}

#[track_caller]
fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

#[track_caller]
fn check(body: &[u8], encoding: Encoding, limit: usize, expected: Result<&[u8], &str>) {
    for size in [1, 7, 4096, body.len()] {
        let read = wait(collect(pieces(body, size), encoding, limit)).map_err(|error| error.to_string());
        match &expected {
            Ok(bytes) => assert_eq!(read.as_deref(), Ok(*bytes)),
            Err(message) => assert!(read.as_ref().is_err_and(|text| text.contains(message)), "{read:?}"),
        }
    }
}

#[test]
fn a_body_is_read_whole_up_to_the_limit() {
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        let text = b"some text, some text, some text".as_slice();
        let body = compress(text, encoding);
        check(&body, encoding, 1000, Ok(text));
        check(&body, encoding, text.len(), Ok(text));
        check(&body, encoding, text.len() - 1, Err("body is larger than 30 bytes"));
        check(&compress(b"", encoding), encoding, 0, Ok(b""));
    }
}

#[test]
fn no_body_at_all_is_empty() {
    for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
        check(b"", encoding, 10, Ok(b""));
    }
}

#[test]
fn members_and_frames_in_a_row_are_one_stream() {
    let members = [gzip(b"one "), gzip(b""), gzip(b"two")].concat();
    check(&members, Encoding::Gzip, 100, Ok(b"one two"));
    check(&members, Encoding::Gzip, 6, Err("larger"));
    let frames = [zstd(b"one "), zstd(b""), zstd(b"two")].concat();
    check(&frames, Encoding::Zstd, 100, Ok(b"one two"));
}

#[test]
fn a_stream_cut_short_is_corrupt() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let body = compress(b"some text that is long enough to be cut", encoding);
        for length in 1..body.len() {
            check(&body[..length], encoding, 1000, Err("cannot decompress body: "));
        }
    }
}

#[test]
fn a_broken_stream_is_corrupt() {
    check(b"not compressed at all", Encoding::Gzip, 100, Err("cannot decompress body: "));
    check(b"not compressed at all", Encoding::Zstd, 100, Err("cannot decompress body: "));
    check(&[gzip(b"text"), b"tail".to_vec()].concat(), Encoding::Gzip, 100, Err("cannot decompress body: "));
    let mut checksum = gzip(b"text");
    let place = checksum.len() - 6;
    checksum[place] ^= 1;
    check(&checksum, Encoding::Gzip, 100, Err("cannot decompress body: "));
}

#[test]
fn members_without_content_do_not_go_on_for_ever() {
    let body = gzip(b"").repeat(5000);
    let read = wait(collect(pieces(&body, 4096), Encoding::Gzip, 1 << 20));
    assert_eq!(read.unwrap_err().to_string(), "cannot decompress body: too many empty gzip members");
}

#[test]
fn a_bomb_stops_at_the_limit() {
    for encoding in [Encoding::Gzip, Encoding::Zstd] {
        let body = bomb(encoding);
        assert!(body.len() < 16 << 20);
        let budget = Budget::new((1 << 20) + 1);
        let read = wait(receive(pieces(&body, 16 << 10), encoding, 1 << 20, &budget));
        // The budget is just the limit: had more been held, the error would be another.
        assert!(matches!(read, Err(BodyError::TooLarge { limit: 1_048_576 })), "{read:?}");
        assert_eq!(budget.held(), 0);
    }
}

#[test]
fn a_hundred_bombs_at_once_stay_within_the_budget() {
    const LIMIT: usize = 2 << 20;
    let bodies = [bomb(Encoding::Gzip), bomb(Encoding::Zstd)];
    let budget = Budget::new(4 * LIMIT);
    wait(async {
        let bombs = (0..100).map(|index| {
            let (encoding, body) = ([Encoding::Gzip, Encoding::Zstd][index % 2], &bodies[index % 2]);
            let own = budget.of_request();
            async move {
                receive(pieces(&body[..body.len().min(64 << 10)], 16 << 10), encoding, LIMIT, &own).await
            }
        });
        for read in futures_util::future::join_all(bombs).await {
            assert!(matches!(read, Err(BodyError::TooLarge { .. } | BodyError::Busy)), "{read:?}");
        }
        assert_eq!(budget.held(), 0);
        let honest = receive(pieces(b"text", 4), Encoding::Identity, LIMIT, &budget.of_request()).await;
        assert_eq!(honest.unwrap(), "text");
    });
}

#[test]
fn a_zstd_window_beyond_the_bound_is_refused() {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(27).unwrap();
    encoder.long_distance_matching(true).unwrap();
    encoder.write_all(b"text").unwrap();
    check(&encoder.finish().unwrap(), Encoding::Zstd, 100, Err("cannot decompress body: "));
}

#[test]
fn the_budget_is_held_until_the_bytes_are_dropped() {
    // Room for one while it is put together, and not for two.
    let budget = Budget::new(500 << 10);
    let body = vec![7; 200 << 10];
    wait(async {
        let first =
            receive(pieces(&body, 4096), Encoding::Identity, 1 << 20, &budget.of_request()).await.unwrap();
        assert_eq!(budget.held(), body.len());
        let second = receive(pieces(&body, 4096), Encoding::Identity, 1 << 20, &budget.of_request()).await;
        assert!(matches!(second, Err(BodyError::Busy)), "{second:?}");
        drop(first);
        assert_eq!(budget.held(), 0);
        receive(pieces(&body, 4096), Encoding::Identity, 1 << 20, &budget.of_request()).await.unwrap();
    });
}

#[test]
fn where_memory_is_short_large_requests_come_one_at_a_time() {
    let budget = Budget::new(1 << 20);
    budget.limit(Some(100 << 10));
    let body = vec![7; 200 << 10];
    wait(async {
        let read = async || {
            let own = budget.of_request();
            receive(pieces(&body, 4096), Encoding::Identity, 1 << 20, &own).await
        };
        let first = read().await.unwrap();
        assert!(matches!(read().await, Err(BodyError::Busy)));
        drop(first);
        drop(read().await.unwrap());
        budget.limit(None);
        let _first = read().await.unwrap();
        read().await.unwrap();
    });
}

#[test]
fn where_memory_is_short_a_compressed_request_alone_is_still_read() {
    let budget = Budget::new(4 << 20);
    budget.limit(Some(100 << 10));
    let body: Vec<u8> =
        (0..200_000_u32).flat_map(|number| number.wrapping_mul(0x9e37_79b1).to_le_bytes()).collect();
    let zstd = compress(&body, Encoding::Zstd);
    let snappy = snap::raw::Encoder::new().compress_vec(&body).unwrap();
    wait(async {
        for _ in 0..2 {
            let own = budget.of_request();
            let block = receive(pieces(&snappy, 4096), Encoding::Identity, 1 << 20, &own).await.unwrap();
            assert_eq!(unsnap(block, 1 << 20, &own).await.unwrap(), body);
            let own = budget.of_request();
            let received = receive(pieces(&zstd, 4096), Encoding::Identity, 1 << 20, &own).await.unwrap();
            let first = decompress(received, Encoding::Zstd, 1 << 20, &own).await.unwrap();
            assert_eq!(first, body);
            // Beside it nothing else is.
            let own = budget.of_request();
            let other = receive(pieces(&zstd, 4096), Encoding::Identity, 1 << 20, &own).await;
            assert!(matches!(other, Err(BodyError::Busy)), "{other:?}");
            drop(first);
            assert_eq!(budget.held(), 0);
        }
    });
}

#[test]
fn a_request_waits_for_another_to_end() {
    let budget = Budget::new(100 << 10);
    let body = vec![7; 80 << 10];
    wait(async {
        let first = receive(pieces(&body, 80 << 10), Encoding::Identity, 1 << 20, &budget.of_request())
            .await
            .unwrap();
        let begin = tokio::time::Instant::now();
        let second = async {
            receive(pieces(&body, 80 << 10), Encoding::Identity, 1 << 20, &budget.of_request())
                .await
                .unwrap();
            begin.elapsed()
        };
        let end_first = async {
            tokio::time::sleep(Duration::from_millis(500)).await;
            drop(first);
        };
        let (waited, ()) = futures_util::join!(second, end_first);
        assert!(waited >= Duration::from_millis(500), "{waited:?}");
    });
}

#[test]
fn a_body_that_does_not_come_is_given_up() {
    struct Silent;
    impl Body for Silent {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            Poll::Pending
        }
    }
    let read = wait(receive(Silent, Encoding::Identity, 100, &Budget::default()));
    assert!(matches!(read, Err(BodyError::Slow)), "{read:?}");
}

#[test]
fn who_announces_much_and_sends_little_keeps_nobody_out() {
    /// Announces 64 MiB, sends a little more than the first part, and then nothing.
    struct Stalled(Option<Bytes>);
    impl Body for Stalled {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
        }

        fn size_hint(&self) -> http_body::SizeHint {
            http_body::SizeHint::with_exact(64 << 20)
        }
    }
    const SENT_BYTES: usize = 70_000;
    let budget = Budget::default();
    wait(async {
        let stalled = futures_util::future::join_all((0..20).map(|_| {
            let own = budget.of_request();
            async move {
                let body = Stalled(Some(Bytes::from(vec![7; SENT_BYTES])));
                receive(body, Encoding::Identity, 64 << 20, &own).await
            }
        }));
        let honest = async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            assert!(budget.held() <= 20 * 2 * SENT_BYTES, "{}", budget.held());
            let body = vec![7; 1 << 20];
            receive(pieces(&body, 4096), Encoding::Identity, 64 << 20, &budget.of_request()).await
        };
        let (stalled, honest) = futures_util::join!(stalled, honest);
        assert_eq!(honest.unwrap().len(), 1 << 20);
        assert!(stalled.iter().all(|read| matches!(read, Err(BodyError::Slow))), "{stalled:?}");
        assert_eq!(budget.held(), 0);
    });
}

#[test]
fn encodings_are_known_in_any_case() {
    assert_eq!(Encoding::parse(" GZip "), Some(Encoding::Gzip));
    assert_eq!(Encoding::parse("identity"), Some(Encoding::Identity));
    assert_eq!(Encoding::parse("zstd"), Some(Encoding::Zstd));
    assert_eq!(Encoding::parse("br"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_is_compressed_comes_out_again(bytes in prop::collection::vec(any::<u8>(), 0..5000), size in 1..2000_usize) {
        for encoding in [Encoding::Identity, Encoding::Gzip, Encoding::Zstd] {
            let read = wait(collect(pieces(&compress(&bytes, encoding), size), encoding, 5000)).unwrap();
            prop_assert_eq!(&read[..], &bytes[..]);
        }
    }

    #[test]
    fn garbage_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
        for encoding in [Encoding::Gzip, Encoding::Zstd] {
            let _ = wait(collect(pieces(&bytes, 64), encoding, 5000));
        }
    }
}
