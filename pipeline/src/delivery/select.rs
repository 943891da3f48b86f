//! What of a queue goes out next.
//!
//! A piece goes out when no request under way has points of its resources; those behind it may go before it if
//! they share none with it. What shares a resource with a request that goes out would have to wait for it, so it
//! goes along, up to a bound: a queue whose points are all of one resource has one request under way, a large one.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::bound::Bound;
use super::claim::Tie;
use super::config::{BatchConfig, BatchSizer, QueueConfig, Sizer};
use super::parcel::{Parcel, Piece};
use super::queue::Queue;
use super::resources::Resources;
use super::size::Size;

/// So many pieces that cannot go yet are looked past for one that can.
const SKIPPED_MAX: usize = 64;

/// When and how what waits is merged.
#[derive(Debug)]
pub(super) struct Rule {
    /// None: each batch is a request, but for what goes along.
    batch: Option<Merging>,
    /// With one consumer nothing can be under way at the same time.
    is_alone: bool,
}

#[derive(Debug)]
struct Merging {
    flush_timeout: Duration,
    min_size: u64,
    max_size: u64,
    sizer: BatchSizer,
}

/// What waits, in order, and what it has to wait for.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    pieces: VecDeque<Piece>,
    /// What is in `pieces`.
    size: Size,
    /// The resources of what is under way.
    busy: Resources,
    /// Resources of one service that tell no instance count as one.
    merges_services: bool,
    pub(super) bound: Bound,
}

/// What a consumer does next.
pub(super) enum Choice {
    Send(Parcel),
    WaitUntil(Instant),
    /// Until something comes, or something that is under way has ended.
    Wait,
}

impl Rule {
    pub(super) fn of(config: &QueueConfig) -> Self {
        let batch = config.batch.as_ref().map(|batch| Merging::of(batch, config.sizer));
        Self { batch, is_alone: config.num_consumers <= 1 }
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

    fn measured(&self, size: Size) -> u64 {
        match self.sizer {
            BatchSizer::Items => size.points,
            BatchSizer::Bytes => size.bytes,
        }
    }

    /// Whether a request of so much need not wait for more.
    fn is_enough(&self, size: Size, bound: Bound) -> bool {
        self.measured(size) >= self.min_size || self.max_size == 0 && bound.is_reached(size)
    }

    /// How much more a request may hold.
    fn room(&self, size: Size) -> u64 {
        if self.max_size == 0 { u64::MAX } else { self.max_size.saturating_sub(self.measured(size)) }
    }
}

impl Queue {
    /// The same, with resources of one service that tell no instance as one where `is_so`.
    pub(super) fn merging_services(self, is_so: bool) -> Self {
        self.state().waiting.merges_services = is_so;
        self
    }
}

impl Waiting {
    pub(super) fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(super) fn push(&mut self, mut piece: Piece) {
        if self.merges_services {
            piece.runs.merge_services();
        }
        self.size += piece.size;
        self.pieces.push_back(piece);
    }

    /// Before all that waits.
    pub(super) fn put_first(&mut self, pieces: Vec<Piece>) {
        for mut piece in pieces.into_iter().rev() {
            if self.merges_services {
                piece.runs.merge_services();
            }
            self.size += piece.size;
            self.pieces.push_front(piece);
        }
    }

    pub(super) fn size(&self) -> Size {
        self.size
    }

    /// How much is in memory alone.
    pub(super) fn only_in_memory(&self) -> Size {
        let mut size = Size::default();
        for piece in self.pieces.iter().filter(|piece| piece.only_in_memory() > 0) {
            size += piece.size;
        }
        size
    }

    pub(super) fn ties(&self) -> impl Iterator<Item = &Tie> {
        self.pieces.iter().filter_map(Piece::tie)
    }

    /// Takes out what `is_so`.
    pub(super) fn remove(&mut self, is_so: impl Fn(&Piece) -> bool) -> Vec<Piece> {
        let mut removed = Vec::new();
        for piece in std::mem::take(&mut self.pieces) {
            if is_so(&piece) {
                self.size -= piece.size;
                removed.push(piece);
            } else {
                self.pieces.push_back(piece);
            }
        }
        removed
    }

    /// When the oldest came.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.pieces.front().map(|piece| piece.since)
    }

    pub(super) fn clear(&mut self) {
        self.pieces.clear();
        self.size = Size::default();
    }

    /// A request has ended.
    pub(super) fn release(&mut self, resources: &Resources) {
        for id in resources {
            self.busy.remove(id);
        }
    }

    /// The next request; `in_a_hurry` it waits for no company.
    pub(super) fn choose(&mut self, rule: &Rule, in_a_hurry: bool) -> Choice {
        let Some(front) = self.pieces.front() else { return Choice::Wait };
        if let Some(merging) = rule.batch.as_ref().filter(|_| !in_a_hurry) {
            let due = front.since + merging.flush_timeout;
            let now = Instant::now();
            // Mostly this is enough to know, and costs nothing.
            if now < due && !merging.is_enough(self.size, self.bound) {
                return Choice::WaitUntil(due);
            }
            match self.due(merging) {
                Some(due) if now < due => return Choice::WaitUntil(due),
                Some(_) => {}
                None => return Choice::Wait,
            }
        }
        let parcel = self.take(rule);
        if parcel.size.points == 0 { Choice::Wait } else { Choice::Send(parcel) }
    }

    /// The next request of what is in memory alone; the rest is left for another.
    pub(super) fn choose_in_memory(&mut self, rule: &Rule) -> Choice {
        let on_disk = self.remove(|piece| piece.only_in_memory() == 0);
        let choice = self.choose(rule, true);
        self.put_first(on_disk);
        choice
    }

    /// When what could go now has to go; `None` when nothing could.
    fn due(&self, merging: &Merging) -> Option<Instant> {
        let (mut size, mut oldest) = (Size::default(), None);
        let (mut blocked, mut skipped) = (Resources::default(), 0);
        for piece in &self.pieces {
            if piece.runs.meet(&self.busy) || piece.runs.meet(&blocked) {
                blocked.extend(piece.runs.ids());
                skipped += 1;
                if skipped == SKIPPED_MAX {
                    break;
                }
                continue;
            }
            let oldest = *oldest.get_or_insert(piece.since);
            size += piece.size;
            if merging.is_enough(size, self.bound) {
                return Some(oldest);
            }
        }
        oldest.map(|oldest| oldest + merging.flush_timeout)
    }

    /// Takes out what goes in one request; nothing where nothing can go.
    fn take(&mut self, rule: &Rule) -> Parcel {
        let mut parcel = Parcel::default();
        let mut skipped = Vec::new();
        let mut blocked = Resources::default();
        while skipped.len() < SKIPPED_MAX {
            let Some(piece) = self.pieces.pop_front() else { break };
            let must_wait = piece.runs.meet(&self.busy) || piece.runs.meet(&blocked);
            let rest = if must_wait { Some(piece) } else { rule.add(&mut parcel, piece, self.bound) };
            let Some(piece) = rest else { continue };
            if rule.is_alone {
                self.pieces.push_front(piece);
                break;
            }
            blocked.extend(piece.runs.ids());
            skipped.push(piece);
        }
        for piece in skipped.into_iter().rev() {
            self.pieces.push_front(piece);
        }
        self.size -= parcel.size;
        if !rule.is_alone {
            self.busy.extend(&parcel.resources);
        }
        parcel
    }
}

impl Rule {
    /// Adds the piece to the request, or the front of it; returns what is left for later.
    fn add(&self, parcel: &mut Parcel, mut piece: Piece, bound: Bound) -> Option<Piece> {
        let is_first = parcel.size.points == 0;
        let is_enough = match &self.batch {
            Some(merging) => merging.measured(parcel.size) >= merging.min_size,
            None => true,
        };
        if !is_first {
            let has_limit = self.batch.as_ref().is_some_and(|merging| merging.max_size > 0);
            let mut total = parcel.size;
            total += piece.size;
            // Up to `min_size` it is a person who says how many points; how many bytes they are is another matter.
            let is_over = if is_enough { bound.is_passed(total) } else { bound.is_too_much(total) };
            // Enough: from here on only what would have to wait for this request.
            let stays_out = is_enough && (self.is_alone || !piece.runs.meet(&parcel.resources));
            if stays_out || !has_limit && is_over {
                return Some(piece);
            }
        }
        let Some(merging) = &self.batch else {
            parcel.push(piece);
            return None;
        };
        let room = merging.room(parcel.size);
        if room == 0 && !is_first {
            return Some(piece);
        }
        // A single point larger than a request may be is a request all the same.
        if merging.measured(piece.size) <= room || (is_first && piece.size.points == 1) {
            parcel.push(piece);
            return None;
        }
        if let Some(front) = piece.cut(room, merging.sizer, is_first) {
            parcel.push(front);
        }
        Some(piece)
    }
}
