//! What the log does with files: a seam at which tests break things.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::fs::{
    AtFlags, Dir, FallocateFlags, Mode, OFlags, fallocate, fstatvfs, openat, renameat, stat, statat, unlinkat,
};
use rustix::io::Errno;

use super::config::Config;
use super::{folder, place};
use crate::component::BoxError;
use crate::errors::chain;

/// A folder with a folder `readers` in it; names are relative to it.
pub(super) trait Disk: Send + Sync + fmt::Debug {
    /// For messages.
    fn path(&self) -> String;
    /// What is in the folder with this name, or in the folder itself.
    fn names(&self, folder: &str) -> io::Result<Vec<String>>;
    fn open(&self, name: &str) -> io::Result<Box<dyn Data>>;
    /// Makes an empty file in the place of whatever has this name.
    fn create(&self, name: &str) -> io::Result<Box<dyn Data>>;
    fn remove(&self, name: &str) -> io::Result<()>;
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Makes names in the folder of `name` survive a loss of power.
    fn sync_folder(&self, name: &str) -> io::Result<()>;
    fn free_bytes(&self) -> io::Result<u64>;
    /// Makes again what somebody has taken away of the folder and its lock; whether there was nothing to make.
    fn restore(&self) -> io::Result<bool>;
}

/// An open file.
pub(super) trait Data: Send + Sync + fmt::Debug {
    fn len(&self) -> io::Result<u64>;
    /// Fills the buffer, or fails.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all, or fails with any part of it written.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    fn cut(&self, len: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    /// Sets so many bytes of the disk aside; whether the file system can do that at all.
    fn allocate(&self, len: u64) -> io::Result<bool>;
    /// Whether it has a name: a file that was deleted can be written to, and is gone when it is closed.
    fn has_name(&self) -> io::Result<bool>;
}

/// A folder that is open and locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    config: Config,
    path: PathBuf,
    opened: Mutex<Arc<Opened>>,
}

/// What is open of a folder.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) root: OwnedFd,
    pub(super) readers: OwnedFd,
    /// Holds the lock; the system lets go of it when the process ends, however it does.
    pub(super) lock: OwnedFd,
}

impl Folder {
    /// Opens and locks the folder at this path, which is that of the configuration.
    pub(super) fn open(path: PathBuf, config: Config) -> Result<Self, BoxError> {
        let opened = Mutex::new(Arc::new(folder::open_folder(&path, config.timeout.0, None)?));
        Ok(Self { config, path, opened })
    }

    fn opened(&self) -> Arc<Opened> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn open_again(&self) -> Result<Opened, BoxError> {
        folder::make(&self.path, &self.config)?;
        folder::open_folder(&self.path, Duration::ZERO, Some(&self.opened().lock))
    }

    fn open_with(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let opened = self.opened();
        let (folder, name) = opened.within(name);
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(folder, name, flags, Mode::from_raw_mode(0o600))?))
    }
}

impl Opened {
    /// The folder a name is in, and the rest of the name.
    fn within<'a>(&self, name: &'a str) -> (&OwnedFd, &'a str) {
        match name.strip_prefix(place::FOLDER).and_then(|name| name.strip_prefix('/')) {
            Some(name) => (&self.readers, name),
            None => (&self.root, name),
        }
    }

    /// Whether whoever opens the folder at this path finds the same, and the same lock.
    fn is_found(&self, path: &Path) -> bool {
        let find = |name| statat(&self.root, name, AtFlags::SYMLINK_NOFOLLOW);
        folder::is_same_file(stat(path), &self.root)
            && folder::is_same_file(find(folder::LOCK), &self.lock)
            && folder::is_same_file(find(place::FOLDER), &self.readers)
    }
}

impl Disk for Folder {
    fn path(&self) -> String {
        self.path.display().to_string()
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let opened = self.opened();
        let folder = if folder == place::FOLDER { &opened.readers } else { &opened.root };
        let mut names = Vec::new();
        for entry in Dir::read_from(folder)? {
            names.extend(entry?.file_name().to_str().ok().map(str::to_owned));
        }
        Ok(names)
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Data>> {
        match self.open_with(name, OFlags::RDWR) {
            Err(error)
                if matches!(
                    Errno::from_io_error(&error),
                    Some(Errno::ROFS | Errno::ACCESS | Errno::PERM)
                ) =>
            {
                Ok(Box::new(self.open_with(name, OFlags::RDONLY)?))
            }
            opened => Ok(Box::new(opened?)),
        }
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn Data>> {
        match self.remove(name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Box::new(self.open_with(name, OFlags::RDWR | OFlags::CREATE | OFlags::EXCL)?))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let opened = self.opened();
        let (folder, name) = opened.within(name);
        Ok(unlinkat(folder, name, AtFlags::empty())?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let opened = self.opened();
        let (from_folder, from) = opened.within(from);
        let (to_folder, to) = opened.within(to);
        Ok(renameat(from_folder, from, to_folder, to)?)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.opened().within(name).0)?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = fstatvfs(&self.opened().root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
    }

    fn restore(&self) -> io::Result<bool> {
        if self.opened().is_found(&self.path) {
            return Ok(true);
        }
        let opened = self.open_again().map_err(|error| io::Error::other(chain(&*error)))?;
        *self.opened.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(opened);
        Ok(false)
    }
}

impl Data for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<bool> {
        match fallocate(self.as_fd(), FallocateFlags::KEEP_SIZE, 0, len) {
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => Ok(false),
            allocated => Ok(allocated.map(|()| true)?),
        }
    }

    fn has_name(&self) -> io::Result<bool> {
        Ok(self.metadata()?.nlink() > 0)
    }
}
