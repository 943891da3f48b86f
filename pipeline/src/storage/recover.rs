//! Opens what is on the disk, whatever has happened to it.

mod content;

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::ops::Range;
use std::time::{Duration, Instant};

use tracing::{info, warn};

use self::content::{Content, Files, LEN_MAX};
use super::Sequence;
use super::config::Config;
use super::disk::Disk;
use super::format::{PRELUDE, Prelude, SEGMENT_MAGIC, SEQUENCE_MAX, VERSION, read_prelude};
use super::index::{Segment, Slot};
use super::levels::Levels;
use super::log::Time;
use super::place;
use super::ranges::Ranges;
use super::records::Entry;
use super::scan::{Newer, Scan, scan};
use super::state::{Group, State};
use crate::component::BoxError;
use crate::errors::Caused;

/// 2020-01-01: a clock that shows less was not set yet.
const CLOCK_MIN: u32 = 1_577_836_800;

/// So many lines are logged about damage; all of it is counted.
const LINES_MAX: usize = 20;

/// What is put behind the name of a file without a record.
pub(super) const DAMAGED: &str = ".damaged";

/// More of them are deleted.
const DAMAGED_MAX: usize = 8;

/// How far behind all that is known sequences begin where a place cannot be read, which may know of more: beyond what
/// is ever written.
const LAST_UNKNOWN: Sequence = 1 << 40;

/// Opening a log.
struct Recovery<'a> {
    id: &'a str,
    disk: &'a dyn Disk,
    files: Files<'a>,
    levels: &'a Levels,
    now: u32,
    state: State,
    settled: HashMap<Slot, Ranges>,
    /// Ranges of what may be in files that cannot be read.
    unread: Vec<(Sequence, Sequence)>,
    /// Of all files, those that were put aside included.
    firsts: BTreeSet<Sequence>,
    lines: usize,
    /// Files without a record that are kept for whoever wants to look at them.
    kept_damaged: usize,
    has_unreadable: bool,
    /// By how much the last sequence may be greater than is known.
    last_unknown: Sequence,
    /// When the newest record was written up to now.
    newest: u32,
}

/// What was found; an error where a newer program has written here, or the folder cannot be read at all.
pub(super) fn recover(
    id: &str,
    config: Config,
    disk: &dyn Disk,
    time: &Time,
    levels: &Levels,
) -> Result<State, BoxError> {
    let start = Instant::now();
    let state = State::new(config);
    let (now, settled) = (time.unix_seconds(), HashMap::new());
    let mut recovery = Recovery {
        id,
        disk,
        files: Files::new(disk),
        levels,
        now,
        state,
        settled,
        unread: Vec::new(),
        firsts: BTreeSet::new(),
        lines: 0,
        kept_damaged: 0,
        has_unreadable: false,
        last_unknown: 0,
        newest: 0,
    };
    recovery.read_places()?;
    recovery.read_segments()?;
    recovery.keep_unread();
    let Recovery { mut state, lines, .. } = recovery;
    state.published = state.last;
    if lines > LINES_MAX {
        warn!(storage = %id, suppressed = lines - LINES_MAX, "storage has more damage than was said");
    }
    let (path, bytes, segments) = (disk.path(), state.bytes(), state.segments.len());
    let records: u64 = state.segments.iter().map(Segment::held).sum();
    let took_ms = start.elapsed().as_millis() as u64;
    info!(storage = %id, %path, segments, bytes, records, took_ms, "storage opened");
    Ok(state)
}

impl Recovery<'_> {
    fn read_places(&mut self) -> Result<(), BoxError> {
        let names = self.disk.names(place::FOLDER).map_err(|error| self.unreadable(place::FOLDER, error))?;
        for name in names {
            let Some((exporter, key)) = place::exporter(&name) else { continue };
            let file = format!("{}/{name}", place::FOLDER);
            let content = self.read(&file)?;
            let parsed = place::parse(&content.bytes).map_err(|newer| self.newer(&file, &newer))?;
            if parsed.damaged > 0 || content.bytes.len() < PRELUDE {
                self.say(
                    &file,
                    0,
                    parsed.damaged,
                    "what an exporter has settled is not known and is read again",
                );
            }
            if !content.is_readable() {
                self.last_unknown = LAST_UNKNOWN;
            }
            if !content.is_opened() {
                // Whatever it is, it must not be in the way of the one that is written anew.
                let _ = self.disk.rename(&file, &format!("{file}{DAMAGED}"));
            }
            self.state.last = self.state.last.max(parsed.settled.last());
            let slot = self.state.slot(key, Duration::ZERO);
            let place = &mut self.state.places[slot];
            if exporter.is_some() {
                (place.exporter, place.file) = (exporter, file);
            }
            let settled = self.settled.entry(slot).or_default();
            settled.merge(parsed.settled);
        }
        Ok(())
    }

    fn read_segments(&mut self) -> Result<(), BoxError> {
        let names = self.disk.names("").map_err(|error| self.unreadable("", error))?;
        let mut firsts: Vec<Sequence> = names.iter().filter_map(|name| first_of(name)).collect();
        firsts.sort_unstable();
        let damaged = names.iter().filter_map(|name| first_of(name.strip_suffix(DAMAGED)?));
        let damaged: Vec<Sequence> = damaged.filter(|first| !firsts.contains(first)).collect();
        self.firsts = firsts.iter().chain(&damaged).copied().collect();
        // A newer program's data is left as it is, all of it, so this comes first.
        for first in &firsts {
            self.check_version(&Segment::file_name(*first))?;
        }
        for first in damaged {
            // It may be put back when the disk can read it again.
            let name = format!("{}{DAMAGED}", Segment::file_name(first));
            let len = self.disk.open(&name).and_then(|file| file.len());
            self.note_unread(first, len.map_or(LEN_MAX, |len| len.min(LEN_MAX)));
        }
        self.kept_damaged = names.iter().filter(|name| name.ends_with(DAMAGED)).count();
        for (index, first) in firsts.iter().enumerate() {
            let below = firsts.get(index + 1).copied();
            let name = Segment::file_name(*first);
            let content = self.read(&name)?;
            let sequences = (*first).max(1)..below.unwrap_or(SEQUENCE_MAX);
            // What cannot be read now may be records, and is not to be cut off.
            let is_last = below.is_none() && content.is_readable();
            let scan = scan(&content.bytes, sequences, is_last).map_err(|newer| self.newer(&name, &newer))?;
            self.take_segment(*first, &content, scan, is_last);
        }
        self.state.last = self.state.last.saturating_add(self.last_unknown);
        self.forget_places();
        Ok(())
    }

    fn check_version(&self, name: &str) -> Result<(), BoxError> {
        let mut bytes = [0; PRELUDE];
        // What cannot be read is damage, which is met later.
        let _ = self.disk.open(name).and_then(|file| file.read_at(&mut bytes, 0));
        match read_prelude(&bytes, SEGMENT_MAGIC) {
            Prelude::Version(version) if version > VERSION => Err(self.newer(name, &Newer(version))),
            Prelude::Version(_) | Prelude::Damaged => Ok(()),
        }
    }

    fn take_segment(&mut self, first: Sequence, content: &Content, scan: Scan, is_last: bool) {
        let name = Segment::file_name(first);
        let is_readable = content.is_readable();
        self.state.last = self.state.last.max(first.saturating_sub(1));
        if !is_readable {
            self.note_unread(first, content.len);
        }
        self.count_damage(&name, content, &scan, is_last);
        if scan.records.is_empty() {
            self.clear(&name, !is_readable, scan.torn > 0 || !scan.damages.is_empty());
            return;
        }
        let bytes = match (is_readable, is_last) {
            (true, true) => scan.end as u64,
            (true, false) => (scan.end + scan.torn) as u64,
            (false, _) => content.len,
        };
        if is_readable {
            // So that a torn end is not said again. And whoever was killed has cut nothing: what was set aside for the
            // file is taken until it is cut, even to the length it has.
            let _ = self.disk.open(&name).and_then(|file| file.cut(bytes));
        }
        let mut segment = Segment::new(first, bytes, false);
        segment.has_unreadable = !is_readable;
        for record in scan.records {
            let (head, offset) = (record.head, record.offset);
            if record.is_damaged {
                self.damaged(
                    &name,
                    offset..offset + head.record_len(),
                    "its checksum is wrong, its points are lost",
                );
            }
            self.state.last = self.state.last.max(head.sequence);
            let slots = head.keys.iter().map(|key| self.state.slot(*key, Duration::ZERO)).collect();
            let Some(group) = self.state.group(slots) else {
                self.damaged(&name, offset..offset + head.record_len(), "it is for readers beyond counting");
                continue;
            };
            self.newest = self.newest.max(self.written(head.written_unix_nano));
            let entry = Entry {
                sequence: head.sequence,
                offset: offset as u32,
                length: head.length,
                points: head.points,
                written: self.newest,
                group,
                is_damaged: record.is_damaged,
            };
            let is_settled =
                |slot: &Slot| self.settled.get(slot).is_some_and(|it| it.contains(head.sequence));
            let group = &self.state.groups[usize::from(group)];
            let held: Group = group.iter().copied().filter(|slot| !is_settled(slot)).collect();
            for slot in &held {
                self.state.places[*slot].backlog += entry.backlog();
            }
            segment.push(entry, held.into_iter());
        }
        segment.seal(bytes);
        self.state.segments.push_back(segment);
    }

    /// Which sequences are in a file that cannot be read there is no telling, but each takes more than a byte: none of
    /// them is used again, and none counts as settled that was not.
    fn note_unread(&mut self, first: Sequence, len: u64) {
        let next = self.firsts.range(first.saturating_add(1)..).next();
        let last = first.saturating_add(len).min(next.map_or(SEQUENCE_MAX - 1, |next| next - 1));
        self.state.last = self.state.last.max(last);
        self.unread.push((first, last));
    }

    /// What readers had settled of what cannot be read stays settled.
    fn keep_unread(&mut self) {
        self.state.unread = Ranges::new(std::mem::take(&mut self.unread));
        for (slot, settled) in &self.settled {
            self.state.places[*slot].settled_unread = settled.within(&self.state.unread).iter().collect();
        }
    }

    fn count_damage(&mut self, name: &str, content: &Content, scan: &Scan, is_last: bool) {
        for unreadable in &content.unreadable {
            self.damaged(name, unreadable.clone(), "the disk cannot read it; the file is kept");
        }
        let torn = (scan.torn > 0).then(|| scan.end..scan.end + scan.torn);
        for damage in scan.damages.iter().cloned().chain(torn) {
            let overlaps = |other: &Range<usize>| damage.start < other.end && other.start < damage.end;
            if content.unreadable.iter().any(overlaps) {
                continue;
            }
            let is_end = is_last && damage.start >= scan.end;
            let reason = if is_end { "the end was not written" } else { "it is not a record" };
            self.damaged(name, damage, reason);
        }
    }

    /// When a record was written, in seconds. Where the clock cannot have been right, it is as if it were now: what is
    /// kept too long does less harm than what is given up too soon.
    fn written(&self, unix_nano: u64) -> u32 {
        let written = u32::try_from(unix_nano / 1_000_000_000).unwrap_or(u32::MAX);
        if written < CLOCK_MIN { self.now } else { written.min(self.now) }
    }

    /// Takes a file without a record out of the way; one that something was in is kept under another name.
    fn clear(&mut self, name: &str, must_keep: bool, has_content: bool) {
        if must_keep {
            let _ = self.disk.rename(name, &format!("{name}{DAMAGED}"));
        } else if has_content && self.kept_damaged < DAMAGED_MAX {
            self.kept_damaged += 1;
            let _ = self.disk.rename(name, &format!("{name}{DAMAGED}"));
        } else {
            let _ = self.disk.remove(name);
        }
    }

    /// Places that no record names are no longer needed.
    fn forget_places(&mut self) {
        if self.has_unreadable || !self.unread.is_empty() {
            // Records may name them that could not be read.
            return;
        }
        let named: Vec<bool> = {
            let groups = &self.state.groups;
            (0..self.state.places.len())
                .map(|slot| groups.iter().any(|group| group.contains(&slot)))
                .collect()
        };
        for (place, is_named) in self.state.places.iter().zip(named) {
            if !is_named {
                let _ = self.disk.remove(&place.file);
            }
        }
    }

    /// What can be read of a file.
    fn read(&mut self, name: &str) -> Result<Content, BoxError> {
        let content = self.files.read(name).map_err(|error| self.unreadable(name, error))?;
        self.has_unreadable |= !content.is_readable();
        if let Some(error) = &content.error {
            let reason = format!("the disk cannot read all of it: {error}");
            self.say(name, 0, content.bytes.len(), &reason);
        }
        Ok(content)
    }

    fn damaged(&mut self, file: &str, bytes: Range<usize>, reason: &str) {
        self.levels.damaged(1, bytes.len() as u64);
        self.say(file, bytes.start, bytes.len(), reason);
    }

    fn say(&mut self, file: &str, offset: usize, bytes: usize, reason: &str) {
        self.lines += 1;
        if self.lines <= LINES_MAX {
            let (storage, path) = (self.id, self.disk.path());
            warn!(%storage, %path, %file, offset, bytes, %reason, "storage is damaged");
        }
    }

    fn unreadable(&self, name: &str, error: io::Error) -> Caused {
        Caused::new(format!("cannot read `{}/{name}`", self.disk.path()), error)
    }

    fn newer(&self, name: &str, Newer(version): &Newer) -> BoxError {
        format!(
            "`{}/{name}` was written by a newer version of this program (format {version}): start that one, which \
             empties it, or give this one a `directory` of its own; nothing was changed",
            self.disk.path()
        )
        .into()
    }
}

/// The first sequence of a segment with this name; `None` where it is none.
fn first_of(name: &str) -> Option<Sequence> {
    let first = name.strip_suffix(".log")?.parse().ok()?;
    (first < SEQUENCE_MAX && Segment::file_name(first) == name).then_some(first)
}
