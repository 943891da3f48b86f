//! Deletes what nobody needs, and asks the readers to give up what is beyond the limits.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use tracing::{info, warn};

use super::config::{Unclaimed, WhenFull};
use super::index::Slot;
use super::log::Shared;
use super::recover::DAMAGED;
use super::state::State;
use super::{GiveUp, Sequence};

/// How long readers may take to begin with what they were asked, before more is asked of them: what they have
/// begun to send they keep, and so the segment it is in.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(super) struct Upkeep {
    asked: Option<Asked>,
    /// Up to here readers have given up what they will: the rest is being sent. To ask for it anew each time there is
    /// no room would keep senders waiting.
    begun: Sequence,
    /// The readers without an exporter that were spoken of.
    said: HashSet<Slot>,
}

/// What the readers were asked to give up for want of room.
#[derive(Debug, Clone, Copy)]
struct Asked {
    up_to: Sequence,
    /// When they last gave up something.
    at: Duration,
    /// How many records were still held then.
    held: u64,
}

impl Upkeep {
    /// `is_full`: there is no room for another segment.
    pub(super) fn keep_limits(&mut self, shared: &Shared, is_full: bool) {
        let now = (shared.time.steady)();
        let mut state = shared.state();
        let max_age = u32::try_from(state.config.max_age.0.as_secs()).unwrap_or(u32::MAX);
        let cutoff =
            shared.time.unix_seconds().checked_sub(max_age).filter(|_| !state.config.max_age.is_zero());
        self.speak_of_unclaimed(shared, &state, now);
        let points = drop_unclaimed(&mut state, now, cutoff, is_full);
        if points > 0 {
            shared.levels.dropped(points);
            info!(storage = %shared.id, points, "points of exporters that are not configured were given up");
        }
        if let Some(cutoff) = cutoff {
            give_up_old(&state, cutoff);
        }
        let has_freed = state.has_emptied();
        if is_full && !has_freed && state.config.when_full == WhenFull::DropOldest {
            self.give_up_oldest(&state, now);
        } else if !is_full {
            self.asked = None;
        }
    }

    fn give_up_oldest(&mut self, state: &State, now: Duration) {
        let held = |up_to| {
            let segments = state.segments.iter().filter(|segment| segment.last <= up_to);
            segments.map(super::index::Segment::held).sum::<u64>()
        };
        // What an exporter holds that may yet come stays whatever the others give up, so they are not asked.
        let is_awaited = |up_to| {
            let mut segments = state.segments.iter().filter(|segment| segment.last <= up_to);
            segments.any(|segment| state.is_awaited(segment, now))
        };
        if let Some(asked) = &mut self.asked {
            let left = held(asked.up_to);
            if is_awaited(asked.up_to) {
                (asked.at, asked.held) = (now, left);
                return;
            }
            if left < asked.held {
                (asked.at, asked.held) = (now, left);
            }
            if now.saturating_sub(asked.at) < PATIENCE {
                ask(state, asked.up_to, "storage_full");
                return;
            }
            // What is left is being sent; the next may be free sooner.
            self.begun = asked.up_to;
        }
        let next = state
            .segments
            .iter()
            .find(|segment| segment.last > self.begun && segment.held() > 0 && !segment.is_active);
        let up_to = next.map_or(self.begun, |segment| segment.last);
        if is_awaited(up_to) {
            return;
        }
        self.asked = Some(Asked { up_to, at: now, held: held(up_to) });
        ask(state, up_to, "storage_full");
    }

    fn speak_of_unclaimed(&mut self, shared: &Shared, state: &State, now: Duration) {
        for (slot, place) in state.places.iter().enumerate() {
            if place.backlog.records == 0 || !place.is_unclaimed(now) {
                self.said.remove(&slot);
            } else if self.said.insert(slot) {
                let exporter = place.exporter.as_deref().unwrap_or("an exporter whose name is lost");
                let (records, points, bytes) =
                    (place.backlog.records, place.backlog.points, place.backlog.bytes);
                warn!(
                    storage = %shared.id, %exporter, records, points, bytes,
                    "storage holds data for an exporter that does not use it: configure one with this id to send it, \
                     or set `unclaimed: drop` to let it go"
                );
            }
        }
    }
}

/// Deletes segments that nobody holds anything of; those in which more may be are put aside.
///
/// One that stays keeps no other; the first error is told.
pub(super) fn remove_empty(shared: &Shared) -> io::Result<()> {
    let names: Vec<(String, bool)> = {
        let state = shared.state();
        state
            .segments
            .iter()
            .filter(|segment| segment.is_done())
            .map(|segment| (segment.name.clone(), segment.has_unreadable))
            .collect()
    };
    let mut outcome = Ok(());
    for (name, has_unreadable) in names {
        let removed = if has_unreadable {
            shared.disk.rename(&name, &format!("{name}{DAMAGED}"))
        } else {
            shared.disk.remove(&name)
        };
        let mut state = shared.state();
        match removed {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                let mut segments = state.segments.iter_mut();
                if let Some(segment) = segments.find(|segment| segment.name == name) {
                    segment.is_stuck = true;
                }
                outcome = outcome.and(Err(error));
            }
            _ => state.segments.retain(|segment| segment.name != name),
        }
    }
    outcome
}

/// How many points were let go of that nobody will claim. For want of room it is a segment at a time, and only one
/// that nobody else needs: anything else would free nothing.
fn drop_unclaimed(state: &mut State, now: Duration, cutoff: Option<u32>, is_full: bool) -> u64 {
    if state.places.iter().all(|place| !place.is_unclaimed(now) || place.backlog.records == 0) {
        return 0;
    }
    let is_all = state.config.unclaimed == Unclaimed::Drop;
    let mut needs_room = is_full && !state.has_emptied();
    let mut points = 0;
    for index in 0..state.segments.len() {
        let is_old = cutoff.is_some_and(|cutoff| state.segments[index].newest() <= cutoff);
        let frees = || needs_room && state.is_unclaimed(&state.segments[index], now);
        if is_all || is_old || frees() {
            points += state.drop_unclaimed(index, now);
            needs_room &= !state.segments[index].is_done();
        }
    }
    points
}

fn give_up_old(state: &State, cutoff: u32) {
    let mut up_to = 0;
    for segment in &state.segments {
        up_to = segment.last_by(cutoff).unwrap_or(up_to);
        if segment.newest() > cutoff {
            break;
        }
    }
    if up_to > 0 {
        ask(state, up_to, GiveUp::TOO_OLD);
    }
}

/// Asks the readers that hold something up to there.
fn ask(state: &State, up_to: Sequence, reason: &'static str) {
    for (slot, place) in state.places.iter().enumerate() {
        let holds = || state.first_held(slot).is_some_and(|entry| entry.sequence <= up_to);
        if place.is_claimed && place.backlog.records > 0 && holds() {
            place.ask(GiveUp { up_to, reason });
        }
    }
}
