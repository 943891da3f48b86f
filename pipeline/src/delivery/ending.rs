//! The end of an outbox: everything is sent, or given up and counted, or left on disk for the next.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::Outbox;
use super::spool::{Left, Spool};

/// How long an exporter may take to close what it opened.
const STOP_MAX: Duration = Duration::from_secs(2);

/// How long an end waits to hear from the disk what is on it; what it has not heard of by then is in memory alone.
const WRITE_MAX: Duration = Duration::from_secs(3);

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
    /// for is kept, even if it outlasts the deadline. Where the queue is on disk, such a pause and the first failure are the
    /// end, and what is left waits there; but what is in memory alone, or has arrived in part, is tried until then.
    /// Draining again returns what the first time returned.
    pub async fn drain(&self, deadline: Instant) -> Drained {
        self.end(deadline, false).await
    }

    /// Drains an outbox whose exporter is configured no more, or not with this queue.
    pub async fn retire(&self, deadline: Instant) -> Drained {
        self.is_retired.store(true, Ordering::Relaxed);
        self.drain(deadline).await
    }

    /// Drains an outbox that this one replaces. Where this one can go on with its queue, as it is in memory or in the same
    /// place on disk, only what is under way is waited for. Before that the old one goes on as long as the disk hangs, which
    /// is no part of its time.
    pub async fn take_over(&self, old: &Self, mut deadline: Instant) -> Drained {
        if !self.is_heir_of(old) {
            return old.retire(deadline).await;
        }
        // However this ends: who waits behind this one goes on.
        let _has_inherited = self.has_inherited.clone().drop_guard();
        if let Some(spool) = &old.spool {
            let began = Instant::now();
            spool.wait_for_disk().await;
            deadline += began.elapsed();
        } else {
            // It took more since this one began.
            self.dispatch.queue.await_rest(&old.dispatch.queue);
        }
        *old.heir.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.dispatch.clone());
        old.dispatch.queue.give_way();
        let drained = old.end(deadline, true).await;
        // What was before that one may still be sending; it has no later deadline.
        let _ = tokio::time::timeout_at(deadline + 2 * STOP_MAX, old.has_inherited.cancelled()).await;
        if let Some(spool) = self.spool.as_ref().filter(|_| self.dispatch.queue.is_held_back()) {
            self.inherit(spool).await;
        }
        self.dispatch.queue.go_on();
        Drained { waiting: 0, ..drained }
    }

    /// Goes on with what is on disk. Nobody else settles or adds anything in this place any more.
    async fn inherit(&self, spool: &Spool) {
        let queue = &self.dispatch.queue;
        let Some(reader) = spool.reader() else { return };
        let (recorded, (up_to, caught_up)) = {
            // So both are of the same moment.
            let _order = spool.log().order();
            (queue.recorded(), spool.log().caught_up())
        };
        // Records and what was settled of them may still be on their way to the disk. What is added meanwhile comes
        // behind, and by way of this outbox alone.
        caught_up.await;
        let left = Left { up_to, backlog: reader.backlog_until(up_to) };
        queue.inherit(left, recorded, |sequence| reader.holds(sequence));
    }

    /// Gives what waits in memory to the outbox behind, if there is one.
    async fn hand_on(&self, deadline: Instant) {
        if !self.dispatch.queue.handed_on.is_cancelled() {
            return;
        }
        // What is before goes before.
        let _ = tokio::time::timeout_at(deadline, self.has_inherited.cancelled()).await;
        if let Some(heir) = self.heir.lock().unwrap_or_else(PoisonError::into_inner).take() {
            self.dispatch.queue.hand_on(&heir.queue);
        }
    }

    fn say_waiting(&self, points: u64) {
        let exporter = &self.id;
        let log = self.spool.as_ref().map(Spool::log);
        if let Some(path) = log.filter(|_| self.is_retired.load(Ordering::Relaxed)).map(|log| log.path()) {
            tracing::warn!(
                exporter,
                points,
                path,
                "points stay on disk, where the new configuration does not look for them: put the exporter and its \
                 storage back as they were to send them"
            );
        } else {
            tracing::info!(exporter, points, "points wait on disk for the next start");
        }
    }

    /// Somebody may have deleted what is to wait on disk.
    async fn look_again(&self, spool: &Spool) {
        let log = spool.log().clone();
        // Should it fail, what is known already has to do.
        let _ = tokio::task::spawn_blocking(move || log.look()).await;
        if let Some(reader) = spool.reader().filter(|reader| *reader.deleted().borrow() > 0) {
            self.dispatch.miss_deleted(&reader, true);
        }
    }

    /// Whether this outbox is to go on with the queue of the other.
    pub fn is_heir_of(&self, old: &Self) -> bool {
        self.is_heir && Arc::ptr_eq(&self.line, &old.line)
    }

    /// Lets consumers send what they have to, and the disk take what it was given, until the deadline.
    async fn empty(&self, deadline: Instant) {
        let queue = &self.dispatch.queue;
        let mut consumers =
            std::mem::take(&mut *self.consumers.lock().unwrap_or_else(PoisonError::into_inner));
        let emptied = async {
            while consumers.join_next().await.is_some() {}
            if !queue.leaving.is_cancelled() {
                queue.wait_until_empty().await;
            }
            queue.wait_until_written().await;
        };
        let doubting = async {
            loop {
                tokio::time::sleep(WRITE_MAX).await;
                let points = queue.doubt();
                if points > 0 {
                    self.unwritten(points, "the disk does not answer");
                }
            }
        };
        // Whether the time was enough is in the accounts.
        tokio::select! {
            () = emptied => {}
            () = doubting => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
        consumers.shutdown().await;
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
        if self.spool.is_some() && self.dispatch.circuit.is_held_until(deadline) {
            // Nothing will be sent; why wait.
            queue.leaving.cancel();
        }
        self.empty(deadline).await;
        let mut loader = std::mem::take(&mut *self.loader.lock().unwrap_or_else(PoisonError::into_inner));
        loader.shutdown().await;
        if let Some(spool) = self.spool.as_ref().filter(|_| !leaves_the_rest) {
            self.look_again(spool).await;
        }
        // What was before this one has no later deadline.
        self.hand_on(deadline + 2 * STOP_MAX).await;
        let (counts, undelivered) = queue.end();
        if undelivered > 0 {
            self.dispatch.metrics.send_failed(undelivered, "shutdown");
            tracing::error!(exporter = self.id, points = undelivered, "points left undelivered at the end");
        }
        let waiting = counts.held.points;
        if waiting > 0 && !leaves_the_rest && !queue.handed_on.is_cancelled() {
            self.say_waiting(waiting);
        }
        self.spool.iter().for_each(Spool::let_go);
        let dropped = counts.dropped - undelivered;
        // Before the exporter is waited for: whoever cuts that short and asks again is to hear of what was lost.
        let drained = *drained.insert(Drained { delivered: counts.delivered, dropped, undelivered, waiting });
        let stop = AssertUnwindSafe(async { self.dispatch.exporter.stop().await }).catch_unwind();
        if !matches!(tokio::time::timeout(STOP_MAX, stop).await, Ok(Ok(()))) {
            tracing::warn!(exporter = self.id, "exporter did not stop in order");
        }
        drained
    }
}
