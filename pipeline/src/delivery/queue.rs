//! The bounded queue of one exporter: what waits, what is under way, and what came of the rest.
//!
//! One lock holds all of it, so that the accounts agree at every moment: what was accepted is what was
//! delivered, what was dropped, and what is held. A point is held from when it is accepted until it is
//! known what became of it; so the bound covers requests under way, too.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::config::{BatchConfig, BatchSizer, QueueConfig, Sizer};
use super::parcel::{Parcel, Piece};
use super::rate::DrainRate;
use super::reply::Share;
use super::size::Size;
use crate::batch::Batch;
use crate::telemetry::QueueLevels;

/// With `sizer: requests` a queue holds this many points a request, on average, at most.
const POINTS_PER_REQUEST: u64 = 1000;

/// Batches on their way to an exporter.
#[derive(Debug)]
pub(super) struct Queue {
    sizer: Sizer,
    capacity: u64,
    batch: Option<Merging>,
    counts_bytes: bool,
    levels: Option<Arc<QueueLevels>>,
    state: Mutex<State>,
    // One consumer at a time waits for work; the others wait for their turn.
    turn: tokio::sync::Mutex<()>,
    work: Notify,
    room: Notify,
    /// Cancelled when nothing new is taken any more.
    pub(super) closing: CancellationToken,
}

/// When and how what waits is merged.
#[derive(Debug)]
struct Merging {
    flush_timeout: Duration,
    min_size: u64,
    max_size: u64,
    sizer: BatchSizer,
}

#[derive(Debug, Default)]
struct State {
    pieces: VecDeque<Piece>,
    // What is in `pieces`.
    waiting: Size,
    // What is promised to senders that have not handed it over yet.
    reserved: Size,
    counts: Counts,
    rate: DrainRate,
    // The outbox has ended; what comes now can go nowhere.
    has_ended: bool,
}

/// The accounts of an outbox.
///
/// Invariant: `accepted == delivered + dropped + held.points`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) accepted: u64,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    /// What waits and what is under way.
    pub(super) held: Size,
}

/// There is no room; what to tell the sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// There may be room after this long.
    Full(Duration),
    /// The outbox is ending.
    Closed,
}

/// What a consumer does next.
enum Next {
    Send(Parcel),
    WaitUntil(Instant),
    Wait,
    End,
}

impl Queue {
    pub(super) fn new(config: &QueueConfig, levels: Option<Arc<QueueLevels>>) -> Self {
        let batch = config.batch.as_ref().map(|batch| Merging::of(batch, config.sizer));
        let batch_bytes = matches!(&batch, Some(batch) if batch.sizer == BatchSizer::Bytes);
        Self {
            sizer: config.sizer,
            capacity: config.queue_size.max(1),
            batch,
            counts_bytes: config.sizer == Sizer::Bytes || batch_bytes,
            levels,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            work: Notify::new(),
            room: Notify::new(),
            closing: CancellationToken::new(),
        }
    }

    /// A queue without a bound, for what is delivered in the sender's own turn: it only keeps accounts.
    pub(super) fn unbounded() -> Self {
        Self::new(&QueueConfig { queue_size: u64::MAX, ..QueueConfig::default() }, None)
    }

    pub(super) fn measure(&self, batch: &Batch) -> Size {
        Size::of(batch, self.counts_bytes)
    }

    /// Keeps room for `size`, until it is pushed or released.
    pub(super) fn reserve(&self, size: Size) -> Result<(), NoRoom> {
        let mut state = self.state();
        if self.closing.is_cancelled() {
            return Err(NoRoom::Closed);
        }
        let share = self.overflow(&state, size);
        if share > 0.0 {
            return Err(NoRoom::Full(state.rate.time_to_settle(share, state.counts.held.points)));
        }
        state.reserved += size;
        Ok(())
    }

    /// How much would have to leave before `size` fits, as a share of the whole queue.
    fn overflow(&self, state: &State, size: Size) -> f64 {
        let mut total = state.counts.held;
        total += state.reserved;
        // What is larger than the whole queue would otherwise never be taken.
        if total == Size::default() {
            return 0.0;
        }
        total += size;
        let over = |amount: u64, limit: u64| amount.saturating_sub(limit) as f64 / limit as f64;
        match self.sizer {
            Sizer::Requests => over(total.requests, self.capacity)
                .max(over(total.points, self.capacity.saturating_mul(POINTS_PER_REQUEST))),
            Sizer::Items => over(total.points, self.capacity),
            Sizer::Bytes => over(total.bytes, self.capacity),
        }
    }

    /// Waits until there is room for `size`, or never will be. Somebody else may still take it first.
    pub(super) async fn wait_for_room(&self, size: Size) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if self.closing.is_cancelled() || self.overflow(&self.state(), size) == 0.0 {
                return;
            }
            room.await;
        }
    }

    /// Gives back room that was reserved.
    pub(super) fn release(&self, size: Size) {
        self.state().reserved -= size;
        self.room.notify_waiters();
        if self.closing.is_cancelled() {
            // A consumer ends only when nothing can come any more.
            self.work.notify_one();
        }
    }

    /// Takes a batch in, using up to `reserved` of what was promised; returns what it used.
    ///
    /// Fails when the outbox has ended meanwhile; the batch is lost and in the accounts.
    pub(super) fn push(&self, batch: Arc<Batch>, share: Option<Share>, reserved: Size) -> Result<Size, Size> {
        let size = self.measure(&batch);
        let used = size.min(reserved);
        let mut state = self.state();
        state.reserved -= used;
        state.counts.accepted += size.points;
        if state.has_ended {
            state.counts.dropped += size.points;
            return Err(used);
        }
        state.counts.held += size;
        state.waiting += size;
        state.pieces.push_back(Piece::new(batch, size, share));
        self.publish(&state);
        drop(state);
        self.work.notify_one();
        Ok(used)
    }

    /// Takes a batch into the accounts that never waits in the queue, and for which room was reserved.
    pub(super) fn accept(&self, size: Size) {
        let mut state = self.state();
        state.reserved -= size;
        state.counts.accepted += size.points;
        state.counts.held += size;
    }

    /// The next request to send; `None` when the queue is closed and empty.
    pub(super) async fn take(&self) -> Option<Parcel> {
        let _turn = self.turn.lock().await;
        loop {
            let next = self.next();
            match next {
                Next::Send(parcel) => return Some(parcel),
                Next::End => return None,
                Next::Wait => tokio::select! {
                    () = self.work.notified() => {}
                    () = self.closing.cancelled(), if !self.closing.is_cancelled() => {}
                },
                Next::WaitUntil(instant) => tokio::select! {
                    () = self.work.notified() => {}
                    () = self.closing.cancelled() => {}
                    () = tokio::time::sleep_until(instant) => {}
                },
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.state();
        let is_closing = self.closing.is_cancelled();
        let Some(oldest) = state.pieces.front() else {
            let is_over = is_closing && state.reserved == Size::default();
            return if is_over { Next::End } else { Next::Wait };
        };
        let Some(rule) = &self.batch else {
            return state.take_front().map_or(Next::Wait, |piece| Next::Send(piece.into()));
        };
        let due = oldest.since + rule.flush_timeout;
        let is_large = measured(state.waiting, rule.sizer) >= rule.min_size;
        if !is_large && !is_closing && Instant::now() < due {
            return Next::WaitUntil(due);
        }
        Next::Send(state.take_merged(rule))
    }

    /// The fate of points is decided: they are held no more.
    pub(super) fn settle(&self, size: Size, delivered: u64) {
        let mut state = self.state();
        state.counts.held -= size;
        state.counts.delivered += delivered;
        state.counts.dropped += size.points - delivered;
        state.rate.settled(size.points);
        self.publish(&state);
        drop(state);
        self.room.notify_waiters();
    }

    /// Takes nothing new from now on.
    pub(super) fn close(&self) {
        // Under the lock, so that no reservation slips through.
        let state = self.state();
        self.closing.cancel();
        drop(state);
        self.room.notify_waiters();
    }

    /// Waits until nothing is held.
    pub(super) async fn wait_until_empty(&self) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if self.state().counts.held.points == 0 {
                return;
            }
            room.await;
        }
    }

    /// Drops what is left; to be called when nobody consumes any more. Returns the accounts before that.
    pub(super) fn end(&self) -> Counts {
        let mut state = self.state();
        let counts = state.counts;
        state.has_ended = true;
        state.pieces.clear();
        state.waiting = Size::default();
        state.counts.dropped += counts.held.points;
        state.counts.held = Size::default();
        self.publish(&state);
        counts
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    fn publish(&self, state: &State) {
        let counts = &state.counts;
        debug_assert_eq!(counts.accepted, counts.delivered + counts.dropped + counts.held.points);
        if let Some(levels) = &self.levels {
            levels.size(match self.sizer {
                Sizer::Requests => counts.held.requests,
                Sizer::Items => counts.held.points,
                Sizer::Bytes => counts.held.bytes,
            });
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Merging {
    fn of(config: &BatchConfig, queue: Sizer) -> Self {
        Self {
            flush_timeout: config.flush_timeout.0,
            min_size: config.min_size,
            max_size: config.max_size,
            sizer: config.sizer_in(queue),
        }
    }
}

impl State {
    fn take_front(&mut self) -> Option<Piece> {
        let piece = self.pieces.pop_front()?;
        self.waiting -= piece.size;
        Some(piece)
    }

    /// Takes pieces from the front until the request is large enough, and cuts the last where it is too large.
    fn take_merged(&mut self, rule: &Merging) -> Parcel {
        let mut parcel = Parcel::default();
        while let Some(mut piece) = self.take_front() {
            let room = match rule.max_size {
                0 => u64::MAX,
                max => max.saturating_sub(measured(parcel.size, rule.sizer)),
            };
            let is_first = parcel.size.points == 0;
            // A single point larger than a request may be is a request all the same.
            if measured(piece.size, rule.sizer) <= room || (is_first && piece.size.points == 1) {
                parcel.push(piece);
            } else {
                if let Some(front) = piece.cut(room, rule.sizer, is_first) {
                    parcel.push(front);
                }
                self.waiting += piece.size;
                self.pieces.push_front(piece);
                break;
            }
            if measured(parcel.size, rule.sizer) >= rule.min_size {
                break;
            }
        }
        parcel
    }
}

fn measured(size: Size, sizer: BatchSizer) -> u64 {
    match sizer {
        BatchSizer::Items => size.points,
        BatchSizer::Bytes => size.bytes,
    }
}
