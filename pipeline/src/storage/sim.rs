//! A disk in memory, that forgets what was not synced, has an end, and fails when told to.

#![cfg_attr(not(test), expect(dead_code, reason = "fuzz targets use a part of what tests use"))]

mod knobs;

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::disk::{Data, Disk};

/// A loss of power may leave any of these written or not.
const SECTOR: usize = 512;

#[derive(Debug, Clone, Default)]
pub(crate) struct SimDisk(Arc<(Mutex<Sim>, Condvar)>);

#[derive(Debug, Default)]
struct Sim {
    files: Vec<File>,
    names: BTreeMap<String, usize>,
    /// The names as of the last sync of a folder, and what has happened to them since.
    durable: BTreeMap<String, usize>,
    changes: Vec<BTreeMap<String, usize>>,
    operations: u64,
    crash_at: Option<u64>,
    is_frozen: bool,
    syncs: u64,
    holds_syncs: bool,
    /// In bytes.
    size: Option<u64>,
    fails: Option<i32>,
    fails_sync: Option<i32>,
    unreadable: Vec<(String, Range<u64>)>,
    unopenable: Vec<(String, i32)>,
    undeletable: Vec<(String, i32)>,
    /// So many reads fail yet.
    reads_fail: u32,
    fails_cut: Option<i32>,
    /// Space cannot be set aside, and this is no error.
    sets_nothing_aside: bool,
    panics: bool,
}

#[derive(Debug, Clone, Default)]
struct File {
    bytes: Vec<u8>,
    aside: u64,
    durable: Vec<u8>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    Cut(u64),
}

#[derive(Debug)]
struct Handle(SimDisk, usize);

impl SimDisk {
    fn sim(&self) -> MutexGuard<'_, Sim> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn used(&self) -> u64 {
        self.sim().used()
    }

    pub(super) fn list(&self) -> Vec<String> {
        self.sim().names.keys().cloned().collect()
    }

    pub(super) fn segments(&self) -> usize {
        self.list().iter().filter(|name| name.strip_suffix(".log").is_some()).count()
    }

    pub(super) fn len(&self, name: &str) -> usize {
        self.bytes(name).len()
    }

    pub(super) fn bytes(&self, name: &str) -> Vec<u8> {
        let sim = self.sim();
        sim.files[sim.names[name]].bytes.clone()
    }

    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        self.put_file(name, &bytes, 0);
    }

    fn put_file(&self, name: &str, bytes: &[u8], aside: u64) {
        let mut sim = self.sim();
        let (bytes, durable) = (bytes.to_vec(), bytes.to_vec());
        let file = File { bytes, aside, durable, ..File::default() };
        sim.files.push(file);
        let id = sim.files.len() - 1;
        sim.names.insert(name.to_owned(), id);
        sim.durable.insert(name.to_owned(), id);
    }

    /// What is there after the process was killed: the system has all that was written.
    pub(crate) fn killed(&self) -> Self {
        let copy = Self::default();
        let sim = self.sim();
        for (name, id) in &sim.names {
            copy.put_file(name, &sim.files[*id].bytes, sim.files[*id].aside);
        }
        copy
    }

    /// What is there after power was lost: what was synced, and any of what was not.
    pub(super) fn without_power(&self, seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let copy = Self::default();
        let sim = self.sim();
        let kept = random.random_range(0..=sim.changes.len());
        let names = kept.checked_sub(1).map_or(&sim.durable, |last| &sim.changes[last]);
        for (name, id) in names {
            copy.put(name, sim.files[*id].without_power(&mut random));
        }
        copy
    }
}

impl File {
    fn without_power(&self, random: &mut StdRng) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        let keeps = [0.0, 0.5, 0.9, 1.0][random.random_range(0..4)];
        for change in &self.changes {
            match change {
                Change::Cut(len) if random.random_bool(keeps) => bytes.resize(*len as usize, 0),
                Change::Cut(_) => {}
                Change::Write(offset, written) => {
                    for (index, sector) in written.chunks(SECTOR).enumerate() {
                        let start = *offset as usize + index * SECTOR;
                        let end = start + sector.len();
                        // The length may have come to the disk without the bytes.
                        if bytes.len() < end && random.random_bool(keeps) {
                            bytes.resize(end, 0);
                        }
                        if random.random_bool(keeps) {
                            bytes.resize(bytes.len().max(end), 0);
                            bytes[start..end].copy_from_slice(sector);
                        }
                    }
                }
            }
        }
        bytes
    }
}

impl Sim {
    fn used(&self) -> u64 {
        self.names.values().map(|id| self.files[*id].aside.max(self.files[*id].bytes.len() as u64)).sum()
    }

    fn has_room(&self, id: usize, len: u64) -> io::Result<()> {
        let file = &self.files[id];
        let grows = len.saturating_sub(file.aside.max(file.bytes.len() as u64));
        match self.size {
            Some(size) if grows > 0 && self.used() + grows > size => Err(io::Error::from_raw_os_error(28)),
            _ => Ok(()),
        }
    }

    /// Called before each change.
    fn change(&mut self) -> io::Result<()> {
        self.operations += 1;
        if self.crash_at.is_some_and(|at| self.operations > at) {
            self.is_frozen = true;
        }
        match (self.is_frozen, self.fails) {
            (true, _) => Err(io::Error::from_raw_os_error(5)),
            (false, Some(error)) => Err(io::Error::from_raw_os_error(error)),
            (false, None) => Ok(()),
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        self.names.get(name).copied().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    fn rename(&mut self, change: impl FnOnce(&mut BTreeMap<String, usize>)) {
        change(&mut self.names);
        let names = self.names.clone();
        self.changes.push(names);
    }
}

impl Disk for SimDisk {
    fn path(&self) -> String {
        String::from("/sim")
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let list = self.list();
        let names = list.iter().filter_map(|name| name.strip_prefix(&prefix));
        Ok(names.filter(|name| !name.contains('/')).map(str::to_owned).collect())
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Data>> {
        let sim = self.sim();
        let id = sim.find(name)?;
        if let Some((_, error)) = sim.unopenable.iter().find(|(other, _)| other == name) {
            return Err(io::Error::from_raw_os_error(*error));
        }
        drop(sim);
        Ok(Box::new(Handle(self.clone(), id)))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Data>> {
        let mut sim = self.sim();
        sim.change()?;
        sim.files.push(File::default());
        let id = sim.files.len() - 1;
        sim.rename(|names| {
            names.insert(name.to_owned(), id);
        });
        drop(sim);
        Ok(Box::new(Handle(self.clone(), id)))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut sim = self.sim();
        sim.find(name)?;
        if let Some((_, error)) = sim.undeletable.iter().find(|(other, _)| other == name) {
            return Err(io::Error::from_raw_os_error(*error));
        }
        // A full disk can always be deleted from.
        if sim.fails != Some(28) {
            sim.change()?;
        }
        sim.rename(|names| {
            names.remove(name);
        });
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut sim = self.sim();
        sim.change()?;
        let id = sim.find(from)?;
        sim.rename(|names| {
            names.remove(from);
            names.insert(to.to_owned(), id);
        });
        Ok(())
    }

    fn sync_folder(&self, _name: &str) -> io::Result<()> {
        let mut sim = self.sim();
        sim.change()?;
        sim.durable = sim.names.clone();
        sim.changes.clear();
        Ok(())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let sim = self.sim();
        Ok(sim.size.map_or(u64::MAX, |size| size.saturating_sub(sim.used())))
    }

    fn restore(&self) -> io::Result<bool> {
        Ok(true)
    }
}

impl Data for Handle {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.sim().files[self.1].bytes.len() as u64)
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut sim = self.0.sim();
        if sim.reads_fail > 0 {
            sim.reads_fail -= 1;
            return Err(io::Error::from_raw_os_error(5));
        }
        let end = offset + buffer.len() as u64;
        let is_bad = |(name, range): &(String, Range<u64>)| {
            sim.names.get(name) == Some(&self.1) && range.start < end && offset < range.end
        };
        if sim.unreadable.iter().any(is_bad) {
            return Err(io::Error::from_raw_os_error(5));
        }
        let bytes = sim.files[self.1].bytes.get(offset as usize..end as usize);
        buffer.copy_from_slice(bytes.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?);
        Ok(())
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut sim = self.0.sim();
        if std::mem::take(&mut sim.panics) {
            drop(sim);
            panic!("the disk makes the writer panic");
        }
        let (id, end) = (self.1, offset + bytes.len() as u64);
        let was_frozen = sim.is_frozen;
        let changed = sim.change().and_then(|()| sim.has_room(id, end));
        // Whatever fails may have done half of it.
        let bytes = if changed.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        if !was_frozen && sim.fails.is_none() {
            let file = &mut sim.files[id];
            let end = offset as usize + bytes.len();
            file.bytes.resize(file.bytes.len().max(end), 0);
            file.bytes[offset as usize..end].copy_from_slice(bytes);
            file.changes.push(Change::Write(offset, bytes.to_vec()));
        }
        changed
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        let mut sim = self.0.sim();
        sim.change()?;
        if let Some(error) = sim.fails_cut {
            return Err(io::Error::from_raw_os_error(error));
        }
        let file = &mut sim.files[self.1];
        file.bytes.resize(len as usize, 0);
        file.aside = 0;
        file.changes.push(Change::Cut(len));
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut sim = self.0.sim();
        while sim.holds_syncs {
            sim = self.0.0.1.wait(sim).unwrap_or_else(PoisonError::into_inner);
        }
        sim.syncs += 1;
        sim.change()?;
        if let Some(error) = sim.fails_sync {
            return Err(io::Error::from_raw_os_error(error));
        }
        let file = &mut sim.files[self.1];
        file.durable = file.bytes.clone();
        file.changes.clear();
        Ok(())
    }

    fn allocate(&self, len: u64) -> io::Result<bool> {
        let mut sim = self.0.sim();
        sim.change()?;
        if sim.sets_nothing_aside {
            return Ok(false);
        }
        sim.has_room(self.1, len)?;
        sim.files[self.1].aside = len;
        Ok(true)
    }

    fn has_name(&self) -> io::Result<bool> {
        Ok(self.0.sim().names.values().any(|id| *id == self.1))
    }
}
