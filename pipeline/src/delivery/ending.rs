//! The end of an outbox: everything is sent, or given up and counted, or left on disk for the next.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::PoisonError;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::Outbox;
use super::spool::Spool;
use crate::storage::Sequence;

/// How long an exporter may take to close what it opened.
const STOP_MAX: Duration = Duration::from_secs(2);

/// What a drain achieved, in points since the start of the outbox and at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    pub delivered: u64,
    /// Given up before the end, for any reason; counted when it happened.
    pub dropped: u64,
    /// Still in memory when the time was over, and lost.
    pub undelivered: u64,
    /// On disk, for the next start.
    pub waiting: u64,
}

impl Outbox {
    /// Takes nothing new, sends what is queued until `deadline`, stops the exporter.
    ///
    /// What cannot be sent by then is counted as `shutdown` and reported. A pause that the other side asked
    /// for is kept, even if it outlasts the deadline. Where the queue is on disk, the first failure is the end, and
    /// what is left waits there. Draining again returns what the first time returned.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        self.end(deadline, false).await
    }

    /// Drains an outbox that this one replaces. Where both have the same place on disk, only what is under way is
    /// waited for, and this one goes on with the rest.
    pub async fn take_over(&self, old: &Self, deadline: Instant) -> Drained {
        if !self.is_heir_of(old) {
            return old.drain(deadline).await;
        }
        let drained = old.end(deadline, true).await;
        let queue = &self.dispatch.queue;
        if let Some((spool, reader)) = self.spool.as_ref().and_then(|spool| Some((spool, spool.reader()?))) {
            // Nothing is appended meanwhile, but what was may still be on its way to the disk.
            let _order = spool.log().order();
            let mut backlog = reader.backlog();
            loop {
                let written: HashSet<Sequence> =
                    queue.unwritten().into_iter().filter(|sequence| reader.holds(*sequence)).collect();
                let again = reader.backlog();
                if again == backlog {
                    queue.inherit(backlog, |sequence| written.contains(&sequence));
                    break;
                }
                backlog = again;
            }
        }
        Drained { waiting: 0, ..drained }
    }

    /// Whether this outbox is to go on with what the other leaves on disk.
    pub fn is_heir_of(&self, old: &Self) -> bool {
        let shared = |other: &Spool| self.spool.as_ref().is_some_and(|own| own.has_place_of(other));
        self.is_heir && old.spool.as_ref().is_some_and(shared)
    }

    async fn end(&self, deadline: Instant, leaves_the_rest: bool) -> Drained {
        let queue = &self.dispatch.queue;
        // Who has not been handed on what was there before may not send what came since.
        if self.spool.is_some() && (leaves_the_rest || queue.is_held_back()) {
            queue.leaving.cancel();
        }
        let mut drained = self.drained.lock().await;
        if let Some(drained) = *drained {
            return drained;
        }
        queue.close();
        self.dispatch.circuit.hurry();
        let mut consumers =
            std::mem::take(&mut *self.consumers.lock().unwrap_or_else(PoisonError::into_inner));
        let emptied = async {
            while consumers.join_next().await.is_some() {}
            if !queue.leaving.is_cancelled() {
                queue.wait_until_empty().await;
            }
        };
        // Whether the time was enough is in the accounts.
        let _ = tokio::time::timeout_at(deadline, emptied).await;
        consumers.shutdown().await;
        let mut loader = std::mem::take(&mut *self.loader.lock().unwrap_or_else(PoisonError::into_inner));
        loader.shutdown().await;
        let (counts, undelivered) = queue.end();
        if undelivered > 0 {
            self.dispatch.metrics.send_failed(undelivered, "shutdown");
            tracing::error!(exporter = self.id, points = undelivered, "points left undelivered at the end");
        }
        let waiting = counts.held.points;
        if waiting > 0 && !leaves_the_rest {
            tracing::info!(exporter = self.id, points = waiting, "points wait on disk for the next start");
        }
        let stop = AssertUnwindSafe(async { self.dispatch.exporter.stop().await }).catch_unwind();
        if !matches!(tokio::time::timeout(STOP_MAX, stop).await, Ok(Ok(()))) {
            tracing::warn!(exporter = self.id, "exporter did not stop in order");
        }
        self.spool.iter().for_each(Spool::let_go);
        let dropped = counts.dropped - undelivered;
        *drained.insert(Drained { delivered: counts.delivered, dropped, undelivered, waiting })
    }
}
