//! Writes what readers have settled to their files, which are also where their names are known from.

use std::collections::HashMap;
use std::io;

use super::config::Fsync;
use super::disk::Data;
use super::index::Slot;
use super::log::Shared;
use super::place::{ENTRY, FOLDER, encode, put};

/// A file is written anew when it has grown by so much, and to twice what it would be.
const GROWTH: u64 = 64 << 10;

/// Where a file is written before it takes the place of the old one. No place has this name.
const NEW: &str = "readers/~new";

/// The files of the readers; each is written anew when its reader first comes, so that its name is known whatever follows.
#[derive(Debug, Default)]
pub(super) struct Places {
    files: HashMap<Slot, File>,
}

#[derive(Debug)]
struct File {
    /// Nothing where the last write failed: then the whole is to be written.
    data: Option<Box<dyn Data>>,
    len: u64,
    len_max: u64,
}

impl Places {
    /// Writes what was settled since the last time; with `retry` also what failed before.
    ///
    /// Should it fail, for which the first error is returned, records are read again after a crash.
    pub(super) fn write(&mut self, shared: &Shared, retry: bool) -> io::Result<()> {
        let mut outcome = Ok(());
        let slots = shared.state().places.len();
        for slot in 0..slots {
            let failed = self.files.get(&slot).is_some_and(|file| file.data.is_none());
            let (dirty, is_new) = {
                let mut state = shared.state();
                let place = &mut state.places[slot];
                (std::mem::take(&mut place.dirty), place.is_claimed && !self.files.contains_key(&slot))
            };
            let is_due = if failed { retry } else { is_new || !dirty.is_empty() };
            if !is_due {
                continue;
            }
            let bytes = (dirty.len() * ENTRY) as u64;
            let written = match self.files.get_mut(&slot) {
                Some(File { data: Some(data), len, len_max }) if *len + bytes <= *len_max => {
                    append(&**data, len, &dirty)
                }
                _ => rewrite(shared, slot).map(|file| {
                    self.files.insert(slot, file);
                }),
            };
            if let Err(error) = written {
                self.files.insert(slot, File { data: None, len: 0, len_max: 0 });
                outcome = outcome.and(Err(error));
            }
        }
        outcome
    }

    /// Those that somebody has deleted are to be written anew.
    pub(super) fn look(&mut self, shared: &Shared) {
        let Ok(names) = shared.disk.names(FOLDER) else { return };
        for (slot, file) in &mut self.files {
            let name = shared.state().places[*slot].file.clone();
            let is_there = name.strip_prefix(FOLDER).and_then(|name| name.strip_prefix('/'));
            if is_there.is_none_or(|name| !names.iter().any(|other| other == name)) {
                file.data = None;
            }
        }
    }

    /// Writes what is left, so that even a loss of power behind a clean end brings nothing back.
    pub(super) fn close(&mut self, shared: &Shared) -> io::Result<()> {
        let outcome = self.write(shared, true);
        if shared.state().config.fsync == Fsync::Never || self.files.is_empty() {
            return outcome;
        }
        for data in self.files.values().filter_map(|file| file.data.as_ref()) {
            let _ = data.sync();
        }
        let _ = shared.disk.sync_folder(NEW);
        outcome
    }
}

fn append(data: &dyn Data, len: &mut u64, ranges: &[(u64, u64)]) -> io::Result<()> {
    let mut bytes = Vec::with_capacity(ranges.len() * ENTRY);
    for (from, to) in ranges {
        put(&mut bytes, *from, *to);
    }
    data.write_at(&bytes, *len)?;
    *len += bytes.len() as u64;
    Ok(())
}

fn rewrite(shared: &Shared, slot: Slot) -> io::Result<File> {
    let (bytes, name, fsync) = {
        let state = shared.state();
        (encode(&state.settled(slot)), state.places[slot].file.clone(), state.config.fsync)
    };
    debug_assert!(name.starts_with(FOLDER));
    let data = shared.disk.create(NEW)?;
    data.write_at(&bytes, 0)?;
    if fsync != Fsync::Never {
        // A name without its bytes would be a place that has settled nothing.
        data.sync()?;
    }
    shared.disk.rename(NEW, &name)?;
    let len = bytes.len() as u64;
    Ok(File { data: Some(data), len, len_max: 2 * len + GROWTH })
}
