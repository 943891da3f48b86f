//! The stream of a connection: what it does is noticed, and it ends so that the last answer arrives.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::Version;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::activity::Activity;

/// How long it is read on once all is answered.
const LINGER_TIME_MAX: Duration = Duration::from_secs(10);

/// What is read at a time where nothing is kept.
const PIECE_BYTES: usize = 16 * 1024;

/// A stream whose reads and writes are noticed, and that is read on when it is shut down.
pub(super) struct Watched<S> {
    stream: S,
    activity: Arc<Activity>,
    /// Everything is written; until then what still comes is read.
    lingers: Option<Pin<Box<Sleep>>>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity, lingers: None }
    }
}

impl<S: AsyncRead + Unpin> Watched<S> {
    /// Reads until the other side ends, and keeps nothing.
    fn poll_rest(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut piece = [0; PIECE_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut piece);
            match ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.activity.has_read();
        }
        result
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.activity.has_written(result.is_pending());
        result
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.activity.has_written(result.is_pending());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(context);
        self.activity.has_written(result.is_pending());
        result
    }

    /// Many clients send all of a request before they read the answer. Where that came early, a stream that is
    /// closed with bytes unread takes it away from them, and they send it all again.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.lingers.is_none() {
            ready!(Pin::new(&mut self.stream).poll_shutdown(context))?;
            // In HTTP/2 an answer that comes early says itself that the rest is not wanted.
            if self.activity.version().is_none_or(|version| version == Version::HTTP_2) {
                return Poll::Ready(Ok(()));
            }
            self.lingers = Some(Box::pin(tokio::time::sleep(LINGER_TIME_MAX)));
        }
        let is_over = self.lingers.as_mut().is_none_or(|lingers| lingers.as_mut().poll(context).is_ready());
        if !is_over {
            ready!(self.poll_rest(context));
        }
        Poll::Ready(Ok(()))
    }
}
