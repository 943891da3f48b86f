//! How whoever added something to the log hears what came of it, and when that takes longer than one attempt.

use std::fmt;

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

use super::Unwritable;

/// It could not be written at the first attempt. It keeps its place in the order, and is tried again.
pub struct Late {
    /// Why.
    pub unwritable: Unwritable,
    /// Ends when it is as safe as `fsync` asks for. Where that failed, it is not in the log and will not be.
    pub written: BoxFuture<'static, Result<(), Unwritable>>,
}

/// Where the fate of a record, or of all before some moment, is told.
pub(super) enum Answer {
    First(oneshot::Sender<Result<(), Late>>),
    Later(oneshot::Sender<Result<(), Unwritable>>),
}

impl Answer {
    pub(super) fn new() -> (Self, BoxFuture<'static, Result<(), Late>>) {
        let (answer, answered) = oneshot::channel();
        let stopped = || {
            let written = Box::pin(async { Err(stopped()) });
            Late { unwritable: stopped(), written }
        };
        (Self::First(answer), Box::pin(async move { answered.await.unwrap_or_else(|_| Err(stopped())) }))
    }

    /// It is not written yet; said once.
    pub(super) fn late(&mut self, reason: &str) {
        if !matches!(self, Self::First(_)) {
            return;
        }
        let (answer, answered) = oneshot::channel();
        if let Self::First(first) = std::mem::replace(self, Self::Later(answer)) {
            let written = Box::pin(async move { answered.await.unwrap_or_else(|_| Err(stopped())) });
            // Whoever asked may have gone away, here and below.
            let _ = first.send(Err(Late { unwritable: Unwritable { reason: reason.to_owned() }, written }));
        }
    }

    /// It is as safe as it gets.
    pub(super) fn written(self) {
        match self {
            Self::First(answer) => drop(answer.send(Ok(()))),
            Self::Later(answer) => drop(answer.send(Ok(()))),
        }
    }

    /// It will not be written.
    pub(super) fn failed(mut self, reason: &str) {
        self.late(reason);
        if let Self::Later(answer) = self {
            drop(answer.send(Err(Unwritable { reason: reason.to_owned() })));
        }
    }
}

impl fmt::Debug for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Late").field(&self.unwritable).finish()
    }
}

fn stopped() -> Unwritable {
    Unwritable { reason: String::from("the storage's writer has stopped") }
}
