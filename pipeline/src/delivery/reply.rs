//! What a sender that waits for the end of its batch is told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::oneshot;

use super::claim::Tie;

/// Shared by the parts of one batch; when the last part is gone, the sender hears what came of it.
#[derive(Debug)]
pub(super) struct Reply {
    open_points: AtomicU64,
    is_exhausted: AtomicBool,
    sender: Option<oneshot::Sender<bool>>,
    /// Of a request that was handed on.
    ties: Vec<Tie>,
}

/// The part of a batch that went into one request.
#[derive(Debug)]
pub(super) struct Share {
    pub(super) reply: Arc<Reply>,
    pub(super) points: u64,
}

impl Reply {
    /// The receiver gets `true` when sending the batch again would not help: it was sent or refused for good.
    pub(super) fn new(points: u64) -> (Arc<Self>, oneshot::Receiver<bool>) {
        let (sender, receiver) = oneshot::channel();
        let reply = Self {
            open_points: AtomicU64::new(points),
            is_exhausted: AtomicBool::new(false),
            sender: Some(sender),
            ties: Vec::new(),
        };
        (Arc::new(reply), receiver)
    }

    /// For what is left of a request: all of these hear of its end.
    pub(super) fn to_all(ties: Vec<Tie>, points: u64, is_exhausted: bool) -> Arc<Self> {
        Arc::new(Self {
            open_points: AtomicU64::new(points),
            is_exhausted: AtomicBool::new(is_exhausted),
            sender: None,
            ties,
        })
    }
}

impl Share {
    /// Cuts off the share of the first `points`.
    pub(super) fn cut(&mut self, points: u64) -> Self {
        self.points -= points;
        Self { reply: self.reply.clone(), points }
    }

    /// The fate of this part is decided.
    pub(super) fn settle(self, is_exhausted: bool) {
        self.reply.open_points.fetch_sub(self.points, Ordering::Relaxed);
        if is_exhausted {
            self.reply.is_exhausted.store(true, Ordering::Relaxed);
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        // Points still open were in a queue that ended.
        let (is_decided, is_exhausted) = (*self.open_points.get_mut() == 0, *self.is_exhausted.get_mut());
        let is_final = is_decided && !is_exhausted;
        for tie in self.ties.drain(..).filter(|_| is_decided) {
            tie.settle(is_exhausted);
        }
        if let Some(sender) = self.sender.take() {
            // The sender may have gone away meanwhile.
            let _ = sender.send(is_final);
        }
    }
}
