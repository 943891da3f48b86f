//! The files that records are written to: the one that is written, and the one that is made ahead.

use std::io;
use std::time::Instant;

use rustix::io::Errno;

use super::Sequence;
use super::config::Fsync;
use super::disk::Data;
use super::format::{PRELUDE, SEGMENT_MAGIC, VERSION, prelude};
use super::index::Segment;
use super::log::Shared;

/// The segment that is made ahead.
pub(super) const SPARE: &str = "spare";

#[derive(Default)]
pub(super) struct Segments {
    pub(super) active: Option<Active>,
    pub(super) spare: Option<Active>,
    /// Something was written and is not synced.
    pub(super) is_unsynced: bool,
    /// A file was deleted by somebody else, which is to be looked after.
    pub(super) is_amiss: bool,
    /// The end of a segment could not be made sure of, which is to be told.
    pub(super) sync_failed: Option<io::Error>,
    /// Segments that could not be cut where their last record ends.
    uncut: Vec<(String, u64)>,
}

/// A segment that is written.
pub(super) struct Active {
    pub(super) file: Box<dyn Data>,
    pub(super) end: u64,
    /// What is set aside for it.
    pub(super) capacity: u64,
}

/// Why no segment can be made.
pub(super) enum Lack {
    /// The limit of the configuration.
    Full(String),
    Disk(io::Error),
}

impl Segments {
    /// Begins a new segment of at least this size.
    pub(super) fn roll(&mut self, shared: &Shared, capacity: u64, first: Sequence) -> Result<(), Lack> {
        self.seal(shared);
        if self.spare.as_ref().is_none_or(|spare| spare.capacity < capacity) {
            self.make_spare(shared, capacity)?;
        }
        let Some(active) = self.spare.take() else { return Ok(()) };
        let name = Segment::file_name(first);
        let fsync = shared.state().config.fsync;
        let renamed = shared
            .disk
            .rename(SPARE, &name)
            .and_then(|()| if fsync == Fsync::Never { Ok(()) } else { shared.disk.sync_folder(&name) });
        if let Err(error) = renamed {
            // Whichever name it has now, nothing is in it.
            let _ = shared.disk.remove(&name);
            let _ = shared.disk.remove(SPARE);
            shared.state().spare = 0;
            return Err(Lack::Disk(error));
        }
        // Whatever had this name before is gone.
        self.uncut.retain(|(uncut, _)| *uncut != name);
        let mut state = shared.state();
        state.spare = 0;
        let segment = Segment::new(first, active.capacity, true);
        // One that could not be written had the name, and was nothing but that.
        state.segments.pop_back_if(|last| last.name == segment.name);
        state.segments.push_back(segment);
        self.active = Some(active);
        Ok(())
    }

    /// Makes a segment ahead, so that a full disk is met here and not in the middle of a record.
    pub(super) fn make_spare(&mut self, shared: &Shared, needed: u64) -> Result<(), Lack> {
        self.drop_spare(shared);
        let (fsync, capacity, left, max_size) = {
            let state = shared.state();
            let config = &state.config;
            let left = config.max_size.0.saturating_sub(state.bytes());
            (config.fsync, needed.max(config.segment_bytes()), left, config.max_size)
        };
        if capacity > left {
            return Err(Lack::Full(format!("`max_size` of {max_size} is used up")));
        }
        let taken = self.active.as_ref().map_or(0, Active::left);
        let made = shared.disk.create(SPARE).and_then(|file| {
            // Where nothing can be set aside it must at least be there, or a batch would be taken and then not fit.
            if !file.allocate(capacity)? && shared.disk.free_bytes()? < capacity.saturating_add(taken) {
                return Err(io::Error::from_raw_os_error(Errno::NOSPC.raw_os_error()));
            }
            file.write_at(&prelude(SEGMENT_MAGIC, VERSION), 0)?;
            if fsync != Fsync::Never {
                file.sync()?;
            }
            Ok(file)
        });
        match made {
            Ok(file) => {
                self.spare = Some(Active { file, end: PRELUDE as u64, capacity });
                shared.state().spare = capacity;
                Ok(())
            }
            Err(error) => {
                let _ = shared.disk.remove(SPARE);
                Err(Lack::Disk(error))
            }
        }
    }

    /// Writes behind the last record, and makes as sure of it as is asked for.
    pub(super) fn write(&mut self, shared: &Shared, bytes: &[u8]) -> io::Result<()> {
        let Some(active) = &mut self.active else { return Err(io::ErrorKind::NotFound.into()) };
        let fsync = shared.state().config.fsync;
        active.file.write_at(bytes, active.end)?;
        if fsync == Fsync::Always {
            let start = Instant::now();
            active.file.sync()?;
            shared.levels.synced(start.elapsed());
        }
        if !active.file.has_name()? && is_deleted(shared)? {
            self.is_amiss = true;
            return Err(io::Error::new(io::ErrorKind::NotFound, "somebody has deleted the file"));
        }
        active.end += bytes.len() as u64;
        self.is_unsynced = fsync != Fsync::Always;
        Ok(())
    }

    /// Whether the files that are written, or are to be, can be found by others.
    pub(super) fn have_names(&self) -> bool {
        let mut files = self.active.iter().chain(&self.spare);
        !self.is_amiss && files.all(|file| file.file.has_name().unwrap_or(false))
    }

    /// Ends the segment where its last record ends.
    pub(super) fn seal(&mut self, shared: &Shared) {
        let Some(active) = self.active.take() else { return };
        if self.is_unsynced && shared.state().config.fsync == Fsync::Interval {
            self.sync_failed = active.file.sync().err().or(self.sync_failed.take());
        }
        // Also gives back what was set aside.
        let is_cut = active.file.cut(active.end).is_ok();
        let mut state = shared.state();
        if let Some(segment) = state.segments.back_mut() {
            segment.seal(if is_cut { active.end } else { active.capacity });
            if !is_cut {
                self.uncut.push((segment.name.clone(), active.end));
            }
        }
    }

    /// Cuts what could not be cut before. What is behind the end takes room, and may be records that count for nothing.
    pub(super) fn cut_again(&mut self, shared: &Shared) {
        self.uncut.retain(|(name, end)| {
            let is_there = shared.state().segments.iter().any(|segment| segment.name == *name);
            let is_cut = is_there && shared.disk.open(name).and_then(|file| file.cut(*end)).is_ok();
            let mut state = shared.state();
            if let Some(segment) = state.segments.iter_mut().find(|segment| is_cut && segment.name == *name) {
                segment.bytes = *end;
            }
            is_there && !is_cut
        });
    }

    pub(super) fn drop_spare(&mut self, shared: &Shared) {
        self.spare = None;
        // There may be one of a process that was killed.
        let _ = shared.disk.remove(SPARE);
        shared.state().spare = 0;
    }
}

/// Whether the last segment is not there any more; a file system may not know how many names a file has.
fn is_deleted(shared: &Shared) -> io::Result<bool> {
    let name = shared.state().segments.back().map(|segment| segment.name.clone());
    match shared.disk.names("") {
        Ok(names) => Ok(name.is_none_or(|name| !names.contains(&name))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) => Err(error),
    }
}

impl Active {
    /// What can be written to it without asking the disk for more.
    pub(super) fn left(&self) -> u64 {
        self.capacity.saturating_sub(self.end)
    }
}
