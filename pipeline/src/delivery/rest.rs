//! What a queue hands on to the queue that replaces it: all that is not decided, in order; of a queue on disk what is in
//! memory alone.
//!
//! Were the old one to send what it has while the new one sends what comes, points of a series would overtake each
//! other; were it given a time for that, what it has would be lost when the time is over. So the old one ends no more than
//! the attempts that are under way, and the new one sends nothing before it has the rest.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::claim::Tie;
use super::load::Load;
use super::parcel::{Parcel, Piece};
use super::queue::{Queue, State};
use super::reply::{Reply, Share};
use super::size::Size;
use crate::batch::Batch;

/// How a queue stands to the one before it and the one behind it.
#[derive(Debug, Default)]
pub(super) struct Rest {
    /// What the one before has, as long as it has not handed it on: it goes before all else, and has its room here.
    awaited: Option<Size>,
    /// What came back of requests that were under way, by their number.
    returned: BTreeMap<u64, Vec<Piece>>,
}

impl Rest {
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited.is_some()
    }

    pub(super) fn awaited(&self) -> Size {
        self.awaited.unwrap_or_default()
    }

    /// What came back, and was not handed on.
    pub(super) fn points(&self) -> u64 {
        self.returned.values().flatten().map(|piece| piece.size.points).sum()
    }
}

impl Queue {
    /// Nothing is sent before the other has handed on what it has, or [`Queue::go_on`].
    pub(super) fn await_rest(&self, before: &Self) {
        let expected = {
            let state = before.state();
            let mut expected = state.counts.held;
            expected += state.rest.awaited();
            expected
        };
        self.state().rest.awaited = Some(expected);
    }

    /// There is nothing to wait for any more.
    pub(super) fn go_on(&self) {
        self.state().rest.awaited = None;
        self.work.notify_one();
        self.room.notify_waiters();
    }

    /// Sends nothing more: what is under way comes back when its attempt fails, and [`Queue::hand_on`] takes it from here.
    pub(super) fn give_way(&self) {
        self.handed_on.cancel();
        self.leaving.cancel();
    }

    /// What of a request is not decided is to be handed on, unless the other finds it on disk.
    pub(super) fn put_back(&self, mut parcel: Parcel, left: Vec<Arc<Batch>>, is_exhausted: bool) {
        if parcel.only_in_memory() == 0 {
            return self.leave(&parcel);
        }
        let mut state = self.state();
        state.waiting.release(&parcel.resources);
        state.under_way.remove(&parcel.number);
        let pieces = pieces_of(&mut parcel, left, is_exhausted);
        // Its points are held as before, and what was counted with the request goes with the first of them.
        state.counts.held -= Size { points: 0, ..parcel.size };
        for piece in &pieces {
            state.counts.held += Size { points: 0, ..piece.size };
        }
        state.rest.returned.insert(parcel.number, pieces);
        self.publish(&state);
        drop(state);
        self.work.notify_one();
    }

    /// Gives all that waits, or is in memory alone, to the queue behind, if that takes anything yet; for it nothing is lost if it is too late, as
    /// what stays is counted at the end.
    pub(super) fn hand_on(&self, heir: &Self) {
        // The older one first, as everywhere.
        let (mut own, mut other) = (self.state(), heir.state());
        if other.has_ended {
            return;
        }
        let pieces = own.take_rest();
        let mut size = Size::default();
        for piece in &pieces {
            size += piece.size;
        }
        own.counts.accepted -= size.points;
        own.counts.held -= size;
        other.counts.accepted += size.points;
        other.counts.held += size;
        other.waiting.put_first(pieces);
        other.rest.awaited = None;
        self.publish(&own);
        heir.publish(&other);
        drop((own, other));
        heir.work.notify_one();
        heir.room.notify_waiters();
    }
}

impl State {
    /// All that waits and is not on disk, in order: what had been begun goes before the rest of its series.
    fn take_rest(&mut self) -> Vec<Piece> {
        self.bring_in();
        let returned = std::mem::take(&mut self.rest.returned).into_values().flatten();
        let waiting = self.waiting.remove(|piece| piece.only_in_memory() > 0);
        returned.chain(waiting.into_iter().map(Piece::without_record)).collect()
    }
}

/// What is left of a request, in its order, as it was before it was merged.
fn pieces_of(parcel: &mut Parcel, left: Vec<Arc<Batch>>, is_exhausted: bool) -> Vec<Piece> {
    let points = left.iter().map(|batch| batch.len() as u64).sum();
    // Whoever waits for any of it hears of it when all is decided, as before.
    let ties: Vec<Tie> =
        std::mem::take(&mut parcel.ties).into_iter().filter_map(Tie::without_record).collect();
    let reply = (!ties.is_empty()).then(|| Reply::to_all(ties, points, is_exhausted));
    let mut requests = parcel.size.requests;
    left.into_iter()
        .map(|batch| {
            let load = Load::new(batch);
            let share = reply.as_ref().map(|reply| Share { reply: reply.clone(), points: load.size.points });
            let mut piece = Piece::new(load, share.map(Tie::Sender));
            piece.size.requests = std::mem::take(&mut requests);
            piece.since = parcel.since.unwrap_or(piece.since);
            piece
        })
        .collect()
}
