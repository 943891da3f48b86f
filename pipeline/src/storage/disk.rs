//! What the log does with files: a seam at which tests break things.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{
    AtFlags, Dir, FallocateFlags, Mode, OFlags, fallocate, fstatvfs, openat, renameat, unlinkat,
};
use rustix::io::Errno;

use super::place;

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
}

/// A folder that is open and locked for as long as this lives.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) path: String,
    pub(super) root: OwnedFd,
    pub(super) readers: OwnedFd,
    /// Holds the lock; the system lets go of it when the process ends, however it does.
    pub(super) _lock: OwnedFd,
}

impl Folder {
    /// The folder a name is in, and the rest of the name.
    fn within<'a>(&self, name: &'a str) -> (&OwnedFd, &'a str) {
        match name.strip_prefix(place::FOLDER).and_then(|name| name.strip_prefix('/')) {
            Some(name) => (&self.readers, name),
            None => (&self.root, name),
        }
    }

    fn open_with(&self, name: &str, flags: OFlags) -> io::Result<File> {
        let (folder, name) = self.within(name);
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(File::from(openat(folder, name, flags, Mode::from_raw_mode(0o600))?))
    }
}

impl Disk for Folder {
    fn path(&self) -> String {
        self.path.clone()
    }

    fn names(&self, folder: &str) -> io::Result<Vec<String>> {
        let folder = if folder == place::FOLDER { &self.readers } else { &self.root };
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
        let (folder, name) = self.within(name);
        Ok(unlinkat(folder, name, AtFlags::empty())?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from_folder, from) = self.within(from);
        let (to_folder, to) = self.within(to);
        Ok(renameat(from_folder, from, to_folder, to)?)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        Ok(rustix::fs::fsync(self.within(name).0)?)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let found = fstatvfs(&self.root)?;
        Ok(found.f_bavail.saturating_mul(found.f_frsize))
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
}
