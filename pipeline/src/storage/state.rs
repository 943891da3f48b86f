//! What the log knows and all who use it share, under one lock that is never held while the disk is waited for.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeInclusive;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::{oneshot, watch};

use super::answer::Answer;
use super::config::Config;
use super::format::key;
use super::index::{Segment, Slot};
use super::ranges::Ranges;
use super::records::Entry;
use super::room::Room;
use super::{Backlog, GiveUp, Sequence, Unwritable, place};
use crate::batch::Batch;
use crate::component::BoxError;

/// The readers a record is for.
pub(super) type Group = SmallVec<[Slot; 4]>;

pub(super) struct State {
    pub(super) config: Config,
    /// The last that was given out.
    pub(super) last: Sequence,
    /// The fate of all up to this one is known: they are in a segment, or have failed.
    pub(super) published: Sequence,
    /// For the writer, in order.
    pub(super) queue: Vec<Command>,
    pub(super) segments: VecDeque<Segment>,
    /// What may be in files that the disk could not read, and is there again when it can.
    pub(super) unread: Ranges,
    /// What was in files that somebody has deleted.
    pub(super) gone: Ranges,
    pub(super) places: Vec<Place>,
    slots: HashMap<u64, Slot>,
    pub(super) groups: Vec<Group>,
    pub(super) room: Room,
    /// Who wants the files to be looked after; dropped when that is done.
    pub(super) looks: Vec<mpsc::Sender<()>>,
    /// What the segment that is made ahead takes.
    pub(super) spare: u64,
    /// Some reader settled something, which is to be written.
    pub(super) is_dirty: bool,
    pub(super) is_closed: bool,
    /// The writer is gone: nothing is written any more, and nobody reads the queue.
    pub(super) has_stopped: bool,
}

/// What the writer is asked to do.
pub(super) enum Command {
    Append(Pending),
    /// Of a record that is not written yet.
    Settle(Slot, Sequence),
    /// To answer when all before it is written.
    Barrier(Answer),
    /// To answer when the fate of all before it is known: what cannot be written now is given up for it.
    Tell(oneshot::Sender<()>),
}

impl Command {
    /// Tells whoever waits for it.
    pub(super) fn done(self) {
        match self {
            Self::Append(Pending { answer, .. }) | Self::Barrier(answer) => answer.written(),
            // Whoever asked may have gone away.
            Self::Tell(answer) => drop(answer.send(())),
            Self::Settle(..) => {}
        }
    }
}

/// A record that is to be written.
pub(super) struct Pending {
    pub(super) sequence: Sequence,
    pub(super) batch: Arc<Batch>,
    pub(super) group: u16,
    /// What it takes of the room until its fate is known.
    pub(super) bytes: u64,
    pub(super) answer: Answer,
}

/// What one exporter has here, whether it is configured or not.
pub(super) struct Place {
    /// Not known for a very long one that nobody has claimed yet.
    pub(super) exporter: Option<String>,
    pub(super) key: u64,
    pub(super) file: String,
    pub(super) is_claimed: bool,
    /// Since when nobody has claimed it.
    pub(super) unclaimed_since: Duration,
    pub(super) backlog: Backlog,
    /// What was settled and is not in the file.
    pub(super) dirty: Vec<(Sequence, Sequence)>,
    /// What was settled of what is in [`State::unread`].
    pub(super) settled_unread: Vec<(Sequence, Sequence)>,
    pub(super) pressure: watch::Sender<Option<GiveUp>>,
    pub(super) suspect: Option<Suspect>,
}

/// A record the disk has an error at.
pub(super) struct Suspect {
    pub(super) file: String,
    pub(super) sequence: Sequence,
    pub(super) since: Duration,
    /// It was waited for long enough.
    pub(super) is_lost: bool,
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            last: 0,
            published: 0,
            queue: Vec::new(),
            segments: VecDeque::new(),
            unread: Ranges::default(),
            gone: Ranges::default(),
            places: Vec::new(),
            slots: HashMap::new(),
            groups: Vec::new(),
            room: Room::default(),
            looks: Vec::new(),
            spare: 0,
            is_dirty: false,
            is_closed: false,
            has_stopped: false,
        }
    }

    /// The slot of a reader with this key; one is made where there is none.
    pub(super) fn slot(&mut self, key: u64, now: Duration) -> Slot {
        let places = &mut self.places;
        *self.slots.entry(key).or_insert_with(|| {
            places.push(Place {
                exporter: None,
                key,
                file: format!("{}/~{key:016x}", place::FOLDER),
                is_claimed: false,
                unclaimed_since: now,
                backlog: Backlog::default(),
                dirty: Vec::new(),
                settled_unread: Vec::new(),
                pressure: watch::Sender::new(None),
                suspect: None,
            });
            places.len() - 1
        })
    }

    pub(super) fn knows(&self, exporter: &str) -> bool {
        self.slots.contains_key(&key(exporter))
    }

    pub(super) fn claim(&mut self, exporter: &str, now: Duration) -> Result<(Slot, Backlog), BoxError> {
        let slot = self.slot(key(exporter), now);
        let place = &mut self.places[slot];
        if place.is_claimed {
            return Err(format!("`{exporter}` already keeps its queue here").into());
        }
        if place.exporter.as_ref().is_some_and(|known| known != exporter) {
            return Err(
                format!("`{exporter}` cannot keep its queue here: rename it, its key is taken").into()
            );
        }
        place.exporter = Some(exporter.to_owned());
        place.file = place::name(exporter);
        place.is_claimed = true;
        // Its file is to be written.
        self.is_dirty = true;
        // Whoever was here before was asked for things; the new one is asked anew.
        place.pressure = watch::Sender::new(None);
        Ok((slot, place.backlog))
    }

    pub(super) fn group(&mut self, mut group: Group) -> Option<u16> {
        group.sort_unstable();
        group.dedup();
        let index = self.groups.iter().position(|known| *known == group).unwrap_or_else(|| {
            self.groups.push(group);
            self.groups.len() - 1
        });
        u16::try_from(index).ok()
    }

    pub(super) fn keys(&self, group: u16) -> impl Iterator<Item = u64> {
        self.groups[usize::from(group)].iter().map(|slot| self.places[*slot].key)
    }

    /// Asks the writer, unless it is gone: then whoever waits for an answer sees that it will not come.
    pub(super) fn ask(&mut self, command: Command) {
        if !self.has_stopped {
            self.queue.push(command);
        }
    }

    /// Lets go of a record for a reader; if it is not yet written, behind its being written.
    pub(super) fn settle(&mut self, slot: Slot, sequence: Sequence) {
        if sequence > self.published {
            if sequence <= self.last {
                self.ask(Command::Settle(slot, sequence));
            }
            return;
        }
        let index = self.segments.partition_point(|segment| segment.last < sequence);
        let gone = self.segments.get_mut(index).and_then(|segment| segment.settle(slot, sequence));
        if let Some(gone) = gone {
            let place = &mut self.places[slot];
            place.backlog -= gone;
            push(&mut place.dirty, sequence);
            if self.unread.contains(sequence) {
                push(&mut place.settled_unread, sequence);
            }
            self.is_dirty = true;
        }
    }

    /// A record that will not be written, but may be found at the next start, if what is behind the end of a file could
    /// not be cut off: nobody was answered for it, and it counts as settled.
    pub(super) fn disown(&mut self, sequence: Sequence, group: u16) {
        for slot in &self.groups[usize::from(group)] {
            push(&mut self.places[*slot].dirty, sequence);
        }
        self.is_dirty = true;
    }

    /// Whether somebody holds something of a segment who is not here, and may yet come.
    pub(super) fn is_awaited(&self, segment: &Segment, now: Duration) -> bool {
        let mut holders = segment.holders().map(|slot| &self.places[slot]);
        holders.any(|place| !place.is_claimed && !place.is_unclaimed(now))
    }

    /// Whether a segment would be free if readers that nobody claims let go of it.
    pub(super) fn is_unclaimed(&self, segment: &Segment, now: Duration) -> bool {
        !segment.is_active && segment.holders().all(|slot| self.places[slot].is_unclaimed(now))
    }

    /// Lets go of what readers that nobody claims hold in a segment; how many points.
    pub(super) fn drop_unclaimed(&mut self, index: usize, now: Duration) -> u64 {
        let mut points = 0;
        for slot in 0..self.places.len() {
            if !self.places[slot].is_unclaimed(now) {
                continue;
            }
            let has_unreadable = self.segments[index].has_unreadable;
            if let Some((ranges, gone)) = self.segments[index].settle_all(slot) {
                let place = &mut self.places[slot];
                place.backlog -= gone;
                if has_unreadable {
                    place.settled_unread.extend(&ranges);
                }
                place.dirty.extend(ranges);
                self.is_dirty = true;
                points += gone.points;
            }
        }
        points
    }

    /// What a reader holds of these records.
    pub(super) fn backlog_within(&self, slot: Slot, records: RangeInclusive<Sequence>) -> Backlog {
        let (from, last) = records.into_inner();
        let mut backlog = Backlog::default();
        let segments = self.segments.iter().skip_while(|segment| segment.last < from);
        for segment in segments.take_while(|segment| segment.first() <= last) {
            if segment.first() >= from && segment.last <= last {
                backlog += segment.backlog(slot);
            } else {
                let held = segment.held_by(slot, from).take_while(|entry| entry.sequence <= last);
                held.for_each(|entry| backlog += entry.backlog());
            }
        }
        backlog
    }

    /// Forgets the files that are not there any more, and what was held of them: how many they were, and how much was
    /// held, once for each reader.
    pub(super) fn forget(&mut self, is_there: impl Fn(&str) -> bool) -> (usize, Backlog) {
        let (mut gone, mut held) = (Vec::new(), Backlog::default());
        let before = self.segments.len();
        let places = &mut self.places;
        self.segments.retain(|segment| {
            if is_there(&segment.name) {
                return true;
            }
            for (slot, place) in places.iter_mut().enumerate() {
                let backlog = segment.backlog(slot);
                place.backlog -= backlog;
                held += backlog;
            }
            gone.extend((segment.first() <= segment.last).then_some((segment.first(), segment.last)));
            false
        });
        self.gone.merge(Ranges::new(gone));
        (before - self.segments.len(), held)
    }

    /// The first record that a reader holds.
    pub(super) fn first_held(&self, slot: Slot) -> Option<Entry> {
        let segment = self.segments.iter().find(|segment| segment.holds(slot))?;
        segment.held_by(slot, 0).next()
    }

    /// All a reader has settled, as its file is to say it: whatever its fate was and it does not hold, but for what may
    /// be where it cannot be read.
    pub(super) fn settled(&self, slot: Slot) -> Ranges {
        let (mut ranges, mut start) = (Vec::new(), 0);
        for entry in self.segments.iter().flat_map(|segment| segment.held_by(slot, 0)) {
            if entry.sequence > start {
                ranges.push((start, entry.sequence - 1));
            }
            start = entry.sequence + 1;
        }
        if start <= self.published {
            ranges.push((start, self.published));
        }
        let mut settled = Ranges::new(ranges).without(&self.unread);
        settled.merge(Ranges::new(self.places[slot].settled_unread.clone()));
        settled
    }

    /// Whether there is a segment that nobody needs any more, and that can be deleted as far as is known.
    pub(super) fn has_emptied(&self) -> bool {
        self.segments.iter().any(|segment| segment.is_done() && !segment.is_stuck)
    }

    /// When the oldest record was written that some reader holds.
    pub(super) fn oldest_written(&self) -> Option<u32> {
        self.segments.iter().find_map(Segment::oldest_held).map(|entry| entry.written)
    }

    /// What the files take.
    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum::<u64>() + self.spare
    }

    /// Whether so many bytes more can be written, behind those that wait.
    pub(super) fn has_room(&self, bytes: u64, path: &str) -> Result<(), Unwritable> {
        if self.room.has(bytes) {
            return Ok(());
        }
        let lack = self.room.lack.as_deref().unwrap_or("the disk does not keep up with what comes in");
        Err(Unwritable { reason: format!("`{path}` takes nothing more: {lack}") })
    }
}

impl Place {
    /// Nobody has claimed it for so long that it is no longer about to be claimed.
    pub(super) fn is_unclaimed(&self, now: Duration) -> bool {
        !self.is_claimed && now.saturating_sub(self.unclaimed_since) >= super::UNCLAIMED_AFTER
    }

    /// Asks its reader to give up to this record, unless it was asked for more.
    pub(super) fn ask(&self, give_up: GiveUp) {
        self.pressure.send_if_modified(|asked| {
            let is_more = asked.is_none_or(|asked| asked.up_to < give_up.up_to);
            if is_more {
                *asked = Some(give_up);
            }
            is_more
        });
    }
}

/// Adds a sequence to ranges, to the last where it is the next.
fn push(ranges: &mut Vec<(Sequence, Sequence)>, sequence: Sequence) {
    match ranges.last_mut() {
        Some((_, to)) if *to + 1 == sequence => *to = sequence,
        _ => ranges.push((sequence, sequence)),
    }
}
