//! Reads bodies: decompressed as they come, and never more of them than a limit.

mod budget;
mod decompress;
mod snappy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Full};

use budget::Claim;
pub use budget::{BUDGET_BYTES_MAX, Budget};
use decompress::{Decompressor, Progress, corrupt};
pub use snappy::unsnap;

/// How long a sender may take for a whole request body.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(30);

/// What a buffer starts with, and what compressed input may have over the limit.
const SLACK_BYTES: usize = 64 * 1024;

/// The largest part that a buffer grows by.
const PART_BYTES_MAX: usize = 8 << 20;

/// How a body is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// Why a body could not be read.
#[derive(Debug)]
pub enum BodyError {
    /// More than the limit after decompression; reading stopped there.
    TooLarge { limit: usize },
    /// The compressed stream is broken or cut short.
    Corrupt(String),
    /// The connection broke.
    Broken(String),
    /// Too many bytes of other requests are being read: try later.
    Busy,
    /// The sender took longer than [`BODY_TIME_MAX`].
    Slow,
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "body is larger than {limit} bytes"),
            Self::Corrupt(reason) => write!(f, "cannot decompress body: {reason}"),
            Self::Broken(reason) => write!(f, "cannot read body: {reason}"),
            Self::Busy => f.write_str("too many requests are being read at once"),
            Self::Slow => write!(f, "body took longer than {} seconds", BODY_TIME_MAX.as_secs()),
        }
    }
}

impl std::error::Error for BodyError {}

impl Encoding {
    /// Reads a `Content-Encoding` header's value, in any case; `None` for what we do not know.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Identity),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            "zstd" => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Reads a body to its end, decompressed as it comes; holds at most `limit` bytes and a window more.
///
/// For answers of others: the caller has a timeout of its own.
pub async fn collect<B>(body: B, encoding: Encoding, limit: usize) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Send,
    B::Error: fmt::Display,
{
    read(body, encoding, Buffer::new(limit, None)).await
}

/// Reads a request's body like [`collect`], within [`BODY_TIME_MAX`] and a budget shared by all requests.
///
/// The bytes count against the budget until the last clone of them is dropped.
pub async fn receive<B>(
    body: B,
    encoding: Encoding,
    limit: usize,
    budget: &Budget,
) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Send,
    B::Error: fmt::Display,
{
    let reading = read(body, encoding, Buffer::new(limit, Some(budget.claim())));
    tokio::time::timeout(BODY_TIME_MAX, reading).await.unwrap_or(Err(BodyError::Slow))
}

/// Decompresses what has been received already, with the same bounds.
pub async fn decompress(
    bytes: Bytes,
    encoding: Encoding,
    limit: usize,
    budget: &Budget,
) -> Result<Bytes, BodyError> {
    read(Full::new(bytes), encoding, Buffer::new(limit, Some(budget.claim()))).await
}

async fn read<B>(body: B, encoding: Encoding, mut buffer: Buffer) -> Result<Bytes, BodyError>
where
    B: Body<Data = Bytes> + Send,
    B::Error: fmt::Display,
{
    let mut body = pin!(body);
    let mut decompressor = Decompressor::new(encoding)?;
    if encoding == Encoding::Identity && body.size_hint().lower() > buffer.limit as u64 {
        return Err(BodyError::TooLarge { limit: buffer.limit });
    }
    // Compressed input has a bound too: a stream can go on for ever without producing anything.
    let input_max = buffer.limit.saturating_add(buffer.limit / 8).saturating_add(SLACK_BYTES);
    let mut input_bytes = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        input_bytes = input_bytes.saturating_add(data.len());
        if input_bytes > input_max {
            return Err(BodyError::TooLarge { limit: buffer.limit });
        }
        if encoding == Encoding::Identity && buffer.is_empty() && body.is_end_stream() {
            return buffer.adopt(data).await;
        }
        let mut input = &data[..];
        while decompressor.step(&mut input, &mut buffer.bytes)? == Progress::OutputFull {
            buffer.grow().await?;
        }
    }
    decompressor.finish()?;
    buffer.join().await
}

/// Output that grows, counted, up to one byte past the limit.
///
/// It grows with what has come, to twice of that at most, whatever the sender announces: who announces much and
/// sends little would keep others out. It grows by parts, which are put together at the end: a buffer that grows by being moved would hold
/// nearly twice of what counts, and what grows past the limit is never put together.
struct Buffer {
    full: Vec<Vec<u8>>,
    full_bytes: usize,
    /// The part that is being filled.
    bytes: Vec<u8>,
    limit: usize,
    claim: Option<Claim>,
}

/// Bytes that count against a budget for as long as they live.
struct Held {
    bytes: Bytes,
    _claim: Claim,
}

impl Buffer {
    fn new(limit: usize, claim: Option<Claim>) -> Self {
        Self { full: Vec::new(), full_bytes: 0, bytes: Vec::new(), limit, claim }
    }

    fn len(&self) -> usize {
        self.full_bytes + self.bytes.len()
    }

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Makes room, or says that the limit is passed.
    async fn grow(&mut self) -> Result<(), BodyError> {
        let len = self.len();
        if len > self.limit {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        let part = len.clamp(SLACK_BYTES, PART_BYTES_MAX).min(self.limit.saturating_add(1) - len);
        self.raise(len + part).await?;
        let filled = std::mem::replace(&mut self.bytes, Vec::with_capacity(part));
        if !filled.is_empty() {
            self.full_bytes += filled.len();
            self.full.push(filled);
        }
        // Decompressing much takes long: let others run in between.
        tokio::task::yield_now().await;
        Ok(())
    }

    async fn raise(&mut self, bytes: usize) -> Result<(), BodyError> {
        match &mut self.claim {
            Some(claim) => claim.raise(bytes).await.map_err(|_| BodyError::Busy),
            None => Ok(()),
        }
    }

    /// Takes a body that came in one piece as it is.
    async fn adopt(mut self, data: Bytes) -> Result<Bytes, BodyError> {
        if data.len() > self.limit {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        self.raise(data.len()).await?;
        Ok(hold(data, self.claim))
    }

    /// Puts the parts together, each given back once it is copied.
    async fn join(mut self) -> Result<Bytes, BodyError> {
        let len = self.len();
        if len > self.limit {
            return Err(BodyError::TooLarge { limit: self.limit });
        }
        if !self.full.is_empty() {
            self.raise(len + len.min(PART_BYTES_MAX)).await?;
            let mut joined = Vec::with_capacity(len);
            for part in self.full.drain(..).chain([std::mem::take(&mut self.bytes)]) {
                joined.extend_from_slice(&part);
            }
            self.bytes = joined;
            if let Some(claim) = &mut self.claim {
                claim.lower(len);
            }
        }
        Ok(hold(Bytes::from(self.bytes), self.claim))
    }
}

fn hold(bytes: Bytes, claim: Option<Claim>) -> Bytes {
    match claim {
        Some(claim) => Bytes::from_owner(Held { bytes, _claim: claim }),
        None => bytes,
    }
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
