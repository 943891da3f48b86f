//! The bounded queue of one exporter: what waits, what is under way, and what came of the rest.
//!
//! One lock holds all of it, so that the accounts agree at every moment: what was accepted is what was
//! delivered, what was dropped, and what is held. A point is held from when it is accepted until it is
//! known what became of it; so the bound covers requests under way, too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::claim::Tie;
use super::config::{QueueConfig, Sizer};
use super::load::Load;
use super::on_disk::OnDisk;
use super::parcel::{Parcel, Piece};
use super::rate::DrainRate;
use super::rest::Rest;
use super::select::{Choice, Rule, Waiting};
use super::size::Size;
use super::under_way::UnderWay;
use crate::batch::Batch;
use crate::telemetry::QueueLevels;

/// With `sizer: requests` a queue holds this many points a request, on average, at most.
const POINTS_PER_REQUEST: u64 = 1000;

/// Batches on their way to an exporter.
#[derive(Debug)]
pub(super) struct Queue {
    sizer: Sizer,
    capacity: u64,
    rule: Rule,
    counts_bytes: bool,
    levels: Option<Arc<QueueLevels>>,
    state: Mutex<State>,
    // One consumer at a time waits for work; the others wait for their turn.
    turn: tokio::sync::Mutex<()>,
    pub(super) work: Notify,
    pub(super) room: Notify,
    /// There may be something to read back from the disk, or room for it.
    pub(super) to_load: Notify,
    /// Cancelled when nothing new is taken any more.
    pub(super) closing: CancellationToken,
    /// Cancelled when nothing more is sent either, but what is in memory alone: the rest is on disk, for the next to send.
    pub(super) leaving: CancellationToken,
    /// Cancelled when even that is for another queue to send, as all is that is in memory alone.
    pub(super) handed_on: CancellationToken,
}

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) waiting: Waiting,
    pub(super) on_disk: OnDisk,
    pub(super) rest: Rest,
    // What is under way, by the number of the request.
    pub(super) under_way: BTreeMap<u64, UnderWay>,
    requests: u64,
    // What is promised to senders that have not handed it over yet.
    reserved: Size,
    pub(super) counts: Counts,
    rate: DrainRate,
    // The outbox has ended; what comes now can go nowhere.
    pub(super) has_ended: bool,
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoRoom {
    /// There may be room after this long.
    Full(Duration),
    /// The storage takes nothing now.
    Unwritable(String),
    /// The outbox is ending.
    Closed,
}

/// What a consumer does next.
enum Next {
    Do(Choice),
    End,
}

impl Queue {
    pub(super) fn new(config: &QueueConfig, levels: Option<Arc<QueueLevels>>) -> Self {
        Self {
            sizer: config.sizer,
            capacity: config.queue_size.max(1),
            rule: Rule::of(config),
            counts_bytes: config.sizer == Sizer::Bytes || config.storage.is_some(),
            levels,
            state: Mutex::default(),
            turn: tokio::sync::Mutex::default(),
            work: Notify::new(),
            room: Notify::new(),
            to_load: Notify::new(),
            closing: CancellationToken::new(),
            leaving: CancellationToken::new(),
            handed_on: CancellationToken::new(),
        }
    }

    /// A queue without a bound, for what is delivered in the sender's own turn: it only keeps accounts.
    pub(super) fn unbounded() -> Self {
        Self::new(&QueueConfig { queue_size: u64::MAX, ..QueueConfig::default() }, None)
    }

    /// What the queue has to know before it takes a batch.
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
        total += state.rest.awaited();
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
        self.wait_until(|| self.closing.is_cancelled() || self.overflow(&self.state(), size) == 0.0).await;
    }

    /// Waits until something is so that is looked at each time there is room, or the fate of a record is known.
    pub(super) async fn wait_until(&self, is_so: impl Fn() -> bool) {
        loop {
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            if is_so() {
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
    pub(super) fn push(&self, load: Load, tie: Option<Tie>, reserved: Size) -> Result<Size, Size> {
        let mut state = self.state();
        let used = state.accept(load.size, reserved);
        if state.has_ended {
            state.counts.held -= load.size;
            state.counts.dropped += load.size.points;
            return Err(used);
        }
        state.waiting.push(Piece::new(load, tie));
        self.publish(&state);
        drop(state);
        self.work.notify_one();
        Ok(used)
    }

    /// Takes a batch into the accounts that never waits in the queue, and for which room was reserved.
    pub(super) fn accept(&self, size: Size) {
        self.state().accept(size, size);
    }

    /// The next request to send; `None` when the queue is closed and empty.
    pub(super) async fn take(&self) -> Option<Parcel> {
        let _turn = self.turn.lock().await;
        loop {
            let next = self.next();
            match next {
                Next::End => return None,
                Next::Do(Choice::Send(parcel)) => return Some(parcel),
                Next::Do(Choice::Wait) => tokio::select! {
                    () = self.work.notified() => {}
                    () = self.leaving.cancelled(), if !self.leaving.is_cancelled() => {}
                    () = self.closing.cancelled(), if !self.closing.is_cancelled() => {}
                },
                Next::Do(Choice::WaitUntil(instant)) => tokio::select! {
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
        let is_leaving = self.leaving.is_cancelled();
        let is_handed_on = self.handed_on.is_cancelled();
        let must_wait = is_handed_on || state.rest.is_awaited();
        let is_empty = if must_wait {
            is_handed_on && !state.on_disk.is_being_written()
        } else if is_leaving {
            // What is in memory alone has nowhere else to go.
            state.bring_in();
            state.waiting.only_in_memory().points == 0 && !state.on_disk.is_being_written()
        } else {
            state.waiting.is_empty() && state.on_disk.is_empty()
        };
        if is_empty && is_closing && state.reserved == Size::default() {
            return Next::End;
        }
        let mut choice = if must_wait {
            Choice::Wait
        } else if is_leaving {
            state.waiting.choose_in_memory(&self.rule)
        } else {
            state.waiting.choose(&self.rule, is_closing)
        };
        if let Choice::Send(parcel) = &mut choice {
            state.requests += 1;
            parcel.number = state.requests;
            state.under_way.insert(parcel.number, UnderWay::of(parcel));
            self.to_load.notify_one();
        }
        Next::Do(choice)
    }

    /// A request got no answer in time. Returns whether it was larger than what is now sent in one.
    pub(super) fn too_slow(&self, batch: &Batch) -> bool {
        let mut state = self.state();
        state.waiting.bound.narrow();
        batch.len() > 1 && state.waiting.bound.is_passed(Size::of(batch, true))
    }

    /// A request was answered quickly.
    pub(super) fn quick(&self, batch: &Batch) {
        let mut state = self.state();
        if state.waiting.bound.is_narrow() {
            state.waiting.bound.widen(Size::of(batch, true));
        }
    }

    /// The fate of points is decided: they are held no more.
    pub(super) fn settle(&self, size: Size, delivered: u64) {
        self.settle_of(0, size, delivered);
    }

    /// The same for points of the request with this number.
    pub(super) fn settle_of(&self, number: u64, size: Size, delivered: u64) {
        let mut state = self.state();
        if let Some(request) = state.under_way.get_mut(&number) {
            request.settle(size.points);
        }
        state.settle(size, delivered);
        self.publish(&state);
        drop(state);
        self.room.notify_waiters();
    }

    /// The fate of all points of a request is decided: what shares resources with it may go.
    pub(super) fn done(&self, parcel: &Parcel) {
        let mut state = self.state();
        state.settle(Size { points: 0, ..parcel.size }, 0);
        state.under_way.remove(&parcel.number);
        state.waiting.release(&parcel.resources);
        self.publish(&state);
        drop(state);
        self.room.notify_waiters();
        self.work.notify_one();
    }

    /// What is not decided of a request is left to another; its points stay in the accounts.
    pub(super) fn leave(&self, parcel: &Parcel) {
        self.state().waiting.release(&parcel.resources);
        self.work.notify_one();
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
        self.wait_until(|| self.state().counts.held.points == 0).await;
    }

    /// Forgets what is left; to be called when nobody consumes any more. Returns the accounts, and how many of the
    /// points that were held are lost: those that are in memory alone.
    pub(super) fn end(&self) -> (Counts, u64) {
        let mut state = self.state();
        state.has_ended = true;
        let lost = state.write_off();
        state.waiting.clear();
        state.under_way.clear();
        state.on_disk = OnDisk::default();
        state.rest = Rest::default();
        state.counts.dropped += lost;
        state.counts.held.points -= lost;
        if state.counts.held.points == 0 {
            state.counts.held = Size::default();
        }
        self.publish(&state);
        (state.counts, lost)
    }

    pub(super) fn counts(&self) -> Counts {
        self.state().counts
    }

    pub(super) fn publish(&self, state: &State) {
        let counts = &state.counts;
        debug_assert_eq!(counts.accepted, counts.delivered + counts.dropped + counts.held.points);
        if let Some(levels) = &self.levels {
            let size = match self.sizer {
                Sizer::Requests => counts.held.requests,
                Sizer::Items => counts.held.points,
                Sizer::Bytes => counts.held.bytes,
            };
            levels.show(size, counts.held.points, counts.held.bytes, state.oldest());
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes points into the accounts, using up to `reserved` of what was promised; returns what it used.
    pub(super) fn accept(&mut self, size: Size, reserved: Size) -> Size {
        let used = size.min(reserved);
        self.reserved -= used;
        self.counts.accepted += size.points;
        self.counts.held += size;
        used
    }

    pub(super) fn settle(&mut self, size: Size, delivered: u64) {
        self.counts.held -= size;
        self.counts.delivered += delivered;
        self.counts.dropped += size.points - delivered;
        self.rate.settled(size.points);
    }

    /// When the oldest came that is held.
    fn oldest(&self) -> Option<Instant> {
        let under_way = self.under_way.values().map(|request| request.since).min();
        [under_way, self.waiting.oldest()].into_iter().flatten().min()
    }
}
