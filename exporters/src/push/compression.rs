//! Compresses request bodies.

use std::io::{self, Write};

use bytes::Bytes;
use config::{Problem, Section};
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};

/// Bodies longer than this are compressed away from the tasks that serve others.
pub(crate) const INLINE_SIZE_MAX: usize = 64 << 10;

/// The `compression` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    #[default]
    Gzip,
    Zstd,
    #[serde(alias = "")]
    None,
}

/// The `compression_params` key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Params {
    /// 1 (fast) to 9 for gzip, to 22 for zstd; by default 6 and 3.
    pub(crate) level: Option<i32>,
}

impl Compression {
    /// The `Content-Encoding` of such a body; `None` for a plain one.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Gzip => Some("gzip"),
            Self::Zstd => Some("zstd"),
            Self::None => None,
        }
    }

    /// The level to use, or what is wrong with the one given.
    pub(crate) fn level(self, params: Params, section: &Section) -> Result<i32, Problem> {
        let (default, max) = match self {
            Self::Gzip => (6, 9),
            Self::Zstd => (3, 22),
            Self::None => (0, i32::MAX),
        };
        match params.level {
            None | Some(-1) => Ok(default),
            Some(level) if (1..=max).contains(&level) => Ok(level),
            Some(level) => {
                let message = format!("expected a level from 1 to {max}, got `{level}`");
                Err(section.problem("compression_params.level", message))
            }
        }
    }

    /// Compresses a body; a long one on a thread of its own.
    pub(crate) async fn compress(self, body: Vec<u8>, level: i32) -> io::Result<Bytes> {
        if self == Self::None {
            return Ok(body.into());
        }
        if body.len() <= INLINE_SIZE_MAX {
            return self.compress_now(&body, level);
        }
        tokio::task::spawn_blocking(move || self.compress_now(&body, level)).await?
    }

    fn compress_now(self, body: &[u8], level: i32) -> io::Result<Bytes> {
        match self {
            Self::Gzip => {
                let capacity = body.len() / 8;
                let level = flate2::Compression::new(level as u32);
                let mut encoder = GzEncoder::new(Vec::with_capacity(capacity), level);
                encoder.write_all(body)?;
                Ok(encoder.finish()?.into())
            }
            Self::Zstd => Ok(zstd::bulk::compress(body, level)?.into()),
            Self::None => Ok(Bytes::copy_from_slice(body)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[tokio::test]
    async fn what_is_compressed_comes_back() {
        for length in [0, 100, INLINE_SIZE_MAX + 1] {
            let body: Vec<u8> = (0..length).map(|index| (index % 7) as u8).collect();
            let gzip = Compression::Gzip.compress(body.clone(), 6).await.unwrap();
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(&gzip[..]).read_to_end(&mut back).unwrap();
            assert_eq!(back, body);
            let zstd = Compression::Zstd.compress(body.clone(), 3).await.unwrap();
            assert_eq!(zstd::decode_all(&zstd[..]).unwrap(), body);
            assert_eq!(Compression::None.compress(body.clone(), 0).await.unwrap(), body);
        }
    }

    #[test]
    fn a_level_that_does_not_exist_is_a_problem() {
        let section = Section::from_yaml("exporters.x", "").unwrap();
        let level = |compression: Compression, level| compression.level(Params { level }, &section).ok();
        assert_eq!(level(Compression::Gzip, None), Some(6));
        assert_eq!(level(Compression::Gzip, Some(9)), Some(9));
        assert_eq!(level(Compression::Gzip, Some(10)), None);
        assert_eq!(level(Compression::Zstd, Some(22)), Some(22));
        assert_eq!(level(Compression::Zstd, Some(0)), None);
    }
}
