//! The one thread that changes files: it writes what has come since the last time with one write and one sync.

mod held;
mod look;
mod trouble;

use std::sync::Arc;
use std::time::Duration;

use self::held::Held;
use super::Sequence;
use super::config::Fsync;
use super::disk::Disk;
use super::format::{Head, PRELUDE, head_len};
use super::log::Shared;
use super::places::Places;
use super::records::Entry;
use super::segments::{Active, Lack, Segments};
use super::state::{Command, Pending, State};
use super::upkeep::{Upkeep, remove_empty};
use crate::otlp;

/// How long a disk that failed is left alone.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How often limits are looked at.
const TICK: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) disk: Arc<dyn Disk>,
    segments: Segments,
    places: Places,
    upkeep: Upkeep,
    /// Records that are to be written together.
    buffer: Vec<u8>,
    group: Vec<Waiting>,
    held: Held,
    failure: Option<Failure>,
    synced_at: Duration,
}

/// A record in the buffer.
struct Waiting {
    entry: Entry,
    pending: Pending,
}

struct Failure {
    reason: String,
    retry_at: Duration,
}

/// Tells all who would wait that the thread is gone, even if it panicked.
struct Alive(Arc<Shared>);

impl Drop for Alive {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.room =
            super::room::Room { lack: Some(String::from("its writer has stopped")), ..Default::default() };
        // Those who wait for an answer see that it will not come, and nobody asks any more.
        state.has_stopped = true;
        state.queue.clear();
        state.looks.clear();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self {
            disk: shared.disk.clone(),
            shared,
            segments: Segments::default(),
            places: Places::default(),
            upkeep: Upkeep::default(),
            buffer: Vec::new(),
            group: Vec::new(),
            held: Held::default(),
            failure: None,
            synced_at: Duration::ZERO,
        }
    }

    /// Makes the first segment ahead, so that there is room before anybody asks.
    pub(super) fn begin(&mut self) {
        self.segments.drop_spare(&self.shared);
        self.keep_up();
    }

    /// Works until the log is closed and all is written.
    pub(super) fn run(mut self) {
        let _alive = Alive(self.shared.clone());
        let mut tick = self.now() + TICK;
        loop {
            let until = match self.sync_at() {
                _ if self.can_go_on() => Duration::ZERO,
                Some(at) => at.min(tick),
                None => tick,
            };
            let (commands, is_closed) = self.wait(until);
            let is_idle = commands.is_empty();
            let is_tick = self.now() >= tick;
            self.look(is_tick);
            self.write(commands);
            self.write_places(is_tick);
            if is_tick {
                tick = self.now() + TICK;
            }
            self.sync_interval();
            self.tell_sync();
            if is_tick || self.segments.spare.is_none() || self.shared.state().has_emptied() {
                self.keep_up();
            }
            if is_closed && is_idle {
                return self.close();
            }
        }
    }

    fn wait(&self, until: Duration) -> (Vec<Command>, bool) {
        let mut state = self.shared.state();
        while state.queue.is_empty() && state.looks.is_empty() && !state.is_dirty && !state.is_closed {
            let Some(left) = until.checked_sub(self.now()).filter(|left| !left.is_zero()) else { break };
            state = self.shared.wait(state, left);
        }
        state.is_dirty = false;
        (std::mem::take(&mut state.queue), state.is_closed)
    }

    /// Puts a record behind the others in the buffer; where it does not fit the segment, after a new one is begun.
    fn add(&mut self, pending: Pending) {
        let start = self.buffer.len();
        let written_unix_nano = self.shared.time.clock.unix_nano();
        let mut head = Head {
            sequence: pending.sequence,
            written_unix_nano,
            points: u32::try_from(pending.batch.len()).unwrap_or(u32::MAX),
            length: 0,
            checksum: 0,
            keys: self.shared.state().keys(pending.group).collect(),
        };
        self.buffer.resize(start + head.len(), 0);
        otlp::encode(&pending.batch, &mut self.buffer);
        let total = self.buffer.len() - start;
        let request = &self.buffer[start + head.len()..];
        head.checksum = crc32fast::hash(request);
        let needed = (total + PRELUDE) as u64;
        if let Some(lack) = self.never_fits(needed) {
            self.buffer.truncate(start);
            self.shared.state().room.give_back(pending.bytes);
            return pending.answer.failed(&self.lacks(&lack));
        }
        head.length = request.len() as u32;
        if let Err(lack) = self.fit(start, needed, pending.sequence) {
            self.buffer.truncate(self.buffer.len() - total);
            let reason = self.lacks(&lack);
            return self.held.push(pending, needed, reason);
        }
        let at = self.buffer.len() - total;
        let mut bytes = Vec::with_capacity(head_len(head.keys.len()));
        head.put(&mut bytes);
        self.buffer[at..at + bytes.len()].copy_from_slice(&bytes);
        let end = self.segments.active.as_ref().map_or(0, |active| active.end);
        let entry = Entry {
            sequence: pending.sequence,
            offset: (end + at as u64) as u32,
            length: head.length,
            points: head.points,
            written: self.shared.time.unix_seconds(),
            group: pending.group,
            is_damaged: false,
        };
        self.group.push(Waiting { entry, pending });
    }

    /// Why a file of this size can never be, whatever is deleted.
    fn never_fits(&self, needed: u64) -> Option<String> {
        let max_size = self.shared.state().config.max_size;
        if needed > max_size.0 {
            Some(format!("`max_size` of {max_size} is used up by one batch of {needed} bytes"))
        } else if u32::try_from(needed).is_err() {
            Some(String::from("a batch takes 4 GiB or more"))
        } else {
            None
        }
    }

    /// Sees to it that the segment has room for what stands in the buffer from `start` on; `needed` of a file of its own.
    fn fit(&mut self, start: usize, needed: u64, first: Sequence) -> Result<(), String> {
        let waiting = self.buffer.len() as u64;
        if self.segments.active.as_ref().is_some_and(|active| active.end + waiting <= active.capacity) {
            return Ok(());
        }
        self.flush(start);
        if let Some(failure) = self.failure.as_ref().filter(|_| self.is_left_alone()) {
            return Err(failure.reason.clone());
        }
        match self.segments.roll(&self.shared, needed, first) {
            Ok(()) => Ok(()),
            Err(Lack::Full(lack)) => Err(lack),
            Err(Lack::Disk(error)) => Err(self.fail("begin a file", &error)),
        }
    }

    /// Writes the first bytes of the buffer, which are the records that wait, and answers for them.
    fn flush(&mut self, bytes: usize) {
        let group = std::mem::take(&mut self.group);
        if group.is_empty() {
            self.buffer.drain(..bytes);
            return;
        }
        let written = self.segments.write(&self.shared, &self.buffer[..bytes]);
        self.buffer.drain(..bytes);
        match written {
            Ok(()) => self.publish(group),
            Err(error) => {
                // Cuts off what was written of it; behind a sync that failed nothing is sure either.
                self.segments.seal(&self.shared);
                let reason = self.fail("write", &error);
                let reason = self.lacks(&reason);
                self.held.push_first(group.into_iter().map(|waiting| waiting.pending), reason);
            }
        }
    }

    fn publish(&mut self, group: Vec<Waiting>) {
        let mut state = self.shared.state();
        let state = &mut *state;
        for Waiting { entry, pending } in &group {
            let slots = &state.groups[usize::from(entry.group)];
            for slot in slots {
                state.places[*slot].backlog += entry.backlog();
            }
            if let Some(segment) = state.segments.back_mut() {
                segment.push(*entry, slots.iter().copied());
            }
            state.room.give_back(pending.bytes);
            state.published = entry.sequence;
        }
        self.tell_room(state);
        for Waiting { pending, .. } in group {
            pending.answer.written();
        }
    }

    fn lacks(&self, lack: &str) -> String {
        format!("`{}` takes nothing more: {lack}", self.disk.path())
    }

    /// Writes what was settled; with `retry` also what could not be written before.
    pub(super) fn write_places(&mut self, retry: bool) {
        if let Err(error) = self.places.write(&self.shared, retry) {
            self.complain("note what was sent, which may be sent again", &error);
        }
    }

    /// Deletes what nobody needs, sees that there is a segment ahead, and keeps to the limits.
    fn keep_up(&mut self) {
        let now = self.now();
        let removed = remove_empty(&self.shared);
        if let Err(error) = removed {
            self.complain("delete a file", &error);
        }
        self.segments.cut_again(&self.shared);
        let is_due = self.failure.as_ref().is_none_or(|failure| now >= failure.retry_at);
        let capacity = self.shared.state().config.segment_bytes().max(self.held.needed());
        let mut is_full = false;
        if self.segments.spare.is_none() && is_due {
            match self.segments.make_spare(&self.shared, capacity) {
                Ok(()) => self.recovered(),
                Err(Lack::Full(lack)) => {
                    is_full = true;
                    self.failure = None;
                    self.say_full();
                    self.shared.state().room.lack = Some(lack);
                }
                Err(Lack::Disk(error)) => {
                    self.fail("set a file aside", &error);
                }
            }
        }
        self.upkeep.keep_limits(&self.shared, is_full);
        let mut state = self.shared.state();
        self.tell_room(&mut state);
    }

    fn tell_room(&self, state: &mut State) {
        state.room.active = self.segments.active.as_ref().map_or(0, Active::left);
        state.room.spare = self.segments.spare.as_ref().map_or(0, Active::left);
        // The spare may be from before segments were made larger; what does not fit it is larger than a segment yet.
        let spare = self.segments.spare.as_ref().map_or(u64::MAX, |spare| spare.capacity);
        state.room.segment = state.config.segment_bytes().min(spare) - PRELUDE as u64;
        state.room.free = state.config.max_size.0.saturating_sub(state.bytes());
    }

    /// When what was written is to be synced, with `fsync: interval`.
    fn sync_at(&self) -> Option<Duration> {
        let state = self.shared.state();
        let waits = self.segments.is_unsynced && self.segments.active.is_some();
        (waits && state.config.fsync == Fsync::Interval)
            .then(|| self.synced_at.saturating_add(state.config.fsync_interval.0))
    }

    fn sync_interval(&mut self) {
        let now = self.now();
        let is_due = self.sync_at().is_some_and(|at| now >= at);
        if let Some(active) = self.segments.active.as_ref().filter(|_| is_due) {
            // However long the sync takes, the next is due so long after this one began.
            self.synced_at = now;
            let synced = active.file.sync();
            self.segments.is_unsynced = false;
            if let Err(error) = synced {
                self.segments.seal(&self.shared);
                self.fail("sync", &error);
            }
        }
    }

    fn close(mut self) {
        // The disk may be well again.
        self.failure = None;
        self.write(Vec::new());
        self.give_up_held();
        self.segments.seal(&self.shared);
        self.tell_sync();
        if let Err(error) = self.places.close(&self.shared) {
            self.complain("note what was sent, which may be sent again", &error);
        }
        self.segments.drop_spare(&self.shared);
        let _ = remove_empty(&self.shared);
    }

    fn now(&self) -> Duration {
        (self.shared.time.steady)()
    }
}
