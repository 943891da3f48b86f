//! What the log knows and all who use it share, under one lock that is never held while the disk is waited for.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;
use tokio::sync::{oneshot, watch};

use super::answer::Answer;
use super::config::Config;
use super::format::key;
use super::index::{Segment, Slot};
use super::{Backlog, GiveUp, Sequence, Unwritable, place};
use crate::batch::Batch;
use crate::component::BoxError;

/// About what a point takes, before any was written.
const BYTES_A_POINT: u64 = 100;

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
    /// Points in the queue and in the writer's hands.
    pub(super) points_queued: u64,
    pub(super) bytes_a_point: u64,
    pub(super) segments: VecDeque<Segment>,
    pub(super) places: Vec<Place>,
    slots: HashMap<u64, Slot>,
    pub(super) groups: Vec<Group>,
    pub(super) room: Room,
    /// What the segment that is made ahead takes.
    pub(super) spare: u64,
    /// Some reader settled something, which is to be written.
    pub(super) is_dirty: bool,
    pub(super) is_closed: bool,
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

/// What may still be written, as far as is known.
#[derive(Debug, Default)]
pub(super) struct Room {
    /// Bytes that are set aside.
    pub(super) aside: u64,
    /// Bytes that `max_size` leaves besides.
    pub(super) free: u64,
    /// How large a segment is.
    pub(super) segment: u64,
    /// Why there is no segment set aside.
    pub(super) lack: Option<String>,
}

impl State {
    pub(super) fn new(config: Config) -> Self {
        Self {
            config,
            last: 0,
            published: 0,
            queue: Vec::new(),
            points_queued: 0,
            bytes_a_point: BYTES_A_POINT,
            segments: VecDeque::new(),
            places: Vec::new(),
            slots: HashMap::new(),
            groups: Vec::new(),
            room: Room::default(),
            spare: 0,
            is_dirty: false,
            is_closed: false,
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
                pressure: watch::Sender::new(None),
                suspect: None,
            });
            places.len() - 1
        })
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

    /// Lets go of a record for a reader; if it is not yet written, behind its being written.
    pub(super) fn settle(&mut self, slot: Slot, sequence: Sequence) {
        if sequence > self.published {
            if sequence <= self.last {
                self.queue.push(Command::Settle(slot, sequence));
            }
            return;
        }
        let index = self.segments.partition_point(|segment| segment.last < sequence);
        let gone = self.segments.get_mut(index).and_then(|segment| segment.settle(slot, sequence));
        if let Some(gone) = gone {
            let place = &mut self.places[slot];
            place.backlog -= gone;
            match place.dirty.last_mut() {
                Some((_, to)) if *to + 1 == sequence => *to = sequence,
                _ => place.dirty.push((sequence, sequence)),
            }
            self.is_dirty = true;
        }
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
            if let Some((range, gone)) = self.segments[index].settle_all(slot) {
                let place = &mut self.places[slot];
                place.backlog -= gone;
                place.dirty.push(range);
                self.is_dirty = true;
                points += gone.points;
            }
        }
        points
    }

    /// What a reader holds up to this record.
    pub(super) fn backlog_until(&self, slot: Slot, last: Sequence) -> Backlog {
        let mut backlog = Backlog::default();
        for segment in &self.segments {
            if segment.last <= last {
                backlog += segment.backlog(slot);
                continue;
            }
            let held = segment.held_by(slot, 0).take_while(|entry| entry.sequence <= last);
            held.for_each(|entry| backlog += entry.backlog());
            break;
        }
        backlog
    }

    /// The first record that a reader holds.
    pub(super) fn first_held(&self, slot: Slot) -> Option<&super::index::Entry> {
        let segment = self.segments.iter().find(|segment| segment.holds(slot))?;
        segment.held_by(slot, 0).next()
    }

    /// All a reader has settled, as its file is to say it.
    pub(super) fn settled(&self, slot: Slot) -> place::Settled {
        let first = self.first_held(slot).map_or(self.published + 1, |entry| entry.sequence);
        let mut ranges = vec![(0, first - 1)];
        for segment in self.segments.iter().filter(|segment| segment.last >= first) {
            ranges.extend(segment.settled_by(slot, first));
        }
        place::Settled::new(ranges)
    }

    /// So many points no longer wait to be written.
    pub(super) fn decided(&mut self, points: u64) {
        self.points_queued = self.points_queued.saturating_sub(points);
    }

    /// Whether there is a segment that nobody needs any more.
    pub(super) fn has_emptied(&self) -> bool {
        self.segments.iter().any(Segment::is_done)
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
        let queued = self.points_queued.saturating_mul(self.bytes_a_point);
        let needed = bytes.saturating_add(queued);
        let room = &self.room;
        // What is larger than a segment gets one of its own, when nothing else waits.
        let is_large = bytes > room.segment && queued == 0 && room.lack.is_none() && needed <= room.free;
        if needed <= room.aside || is_large {
            return Ok(());
        }
        let lack = room.lack.as_deref().unwrap_or("the disk does not keep up with what comes in");
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
