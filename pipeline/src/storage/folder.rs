//! Opens the folder of a log: makes it, looks who else could write to it, and locks it.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, Stat, flock, fstat, mkdirat, open, openat, statat};
use rustix::io::{Errno, pread, pwrite};
use rustix::process::{geteuid, getpid};

use super::config::Config;
use super::disk::Opened;
use super::place;
use crate::component::BoxError;
use crate::errors::Caused;

/// The file that is locked.
pub(super) const LOCK: &str = "lock";

/// Between two tries to lock.
const LOCK_WAIT: Duration = Duration::from_millis(20);

/// The folder's one true name. The folder is made where it is missing and may be.
pub(super) fn path(config: &Config) -> Result<PathBuf, BoxError> {
    let path = Path::new(&config.directory);
    make(path, config)?;
    let found = fs::canonicalize(path);
    Ok(found.map_err(|error| Caused::new(format!("cannot find the folder `{}`", path.display()), error))?)
}

/// Makes the folder where it is missing and may be.
pub(super) fn make(path: &Path, config: &Config) -> Result<(), BoxError> {
    if path.exists() {
        return Ok(());
    }
    if !config.create_directory {
        let message =
            format!("there is no folder `{}`; make it, or set `create_directory: true`", path.display());
        return Err(message.into());
    }
    let missing = path.ancestors().take_while(|folder| !folder.exists() && *folder != Path::new("")).count();
    let mode = config.directory_permissions.0;
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(|error| not_made(path, &error))?;
    // A new folder is one after a loss of power when the one it is in is synced.
    for folder in path.ancestors().skip(1).take(missing) {
        let folder = if folder == Path::new("") { Path::new(".") } else { folder };
        let _ = fs::File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

fn not_made(path: &Path, error: &io::Error) -> String {
    let (path, own) = (path.display(), geteuid().as_raw());
    format!("cannot make the folder `{path}`: {error}; one would do that is there and belongs to user {own}")
}

/// Whether both have the same folder, however it is written.
pub(super) fn is_same(one: &Config, other: &Config) -> bool {
    let found = |config: &Config| fs::canonicalize(&config.directory);
    one.directory == other.directory
        || found(one).ok().zip(found(other).ok()).is_some_and(|(one, other)| one == other)
}

/// Whether there is something in the folder that was written.
pub(super) fn has_data(config: &Config) -> bool {
    let names = fs::read_dir(&config.directory).into_iter().flatten().flatten();
    names.map(|entry| entry.path()).any(|path| path.extension().is_some_and(|extension| extension == "log"))
}

/// Opens the folder and locks it, waiting so long for another process to let go of it.
///
/// `held` is the lock that this process has already, if it is still the one that is there.
pub(super) fn open_folder(
    path: &Path,
    timeout: Duration,
    held: Option<&OwnedFd>,
) -> Result<Opened, BoxError> {
    let shown = path.display();
    let failed =
        |doing: &str, error: Errno| Caused::new(format!("cannot {doing} `{shown}`"), io::Error::from(error));
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let folder = open(path, flags, Mode::empty()).map_err(|error| failed("open the folder", error))?;
    check(&folder, path)?;
    let held = held.filter(|held| is_same_file(statat(&folder, LOCK, AtFlags::SYMLINK_NOFOLLOW), held));
    let lock = match held {
        Some(held) => held.try_clone()?,
        None => lock(&folder, path, timeout)?,
    };
    match mkdirat(&folder, place::FOLDER, Mode::from_raw_mode(0o700)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(failed("make the folder `readers` in", error).into()),
    }
    let readers = openat(&folder, place::FOLDER, flags, Mode::empty())
        .map_err(|error| failed("open the folder `readers` in", error))?;
    check(&readers, &path.join(place::FOLDER))?;
    Ok(Opened { root: folder, readers, lock })
}

/// Whether what was found is what is open.
pub(super) fn is_same_file(found: Result<Stat, Errno>, open: &OwnedFd) -> bool {
    let both = found.ok().zip(fstat(open).ok());
    both.is_some_and(|(found, open)| (found.st_dev, found.st_ino) == (open.st_dev, open.st_ino))
}

/// Whoever may write to the folder could change what is sent, so it must be ours alone.
fn check(folder: &OwnedFd, path: &Path) -> Result<(), BoxError> {
    let found = fstat(folder).map_err(io::Error::from)?;
    let path = path.display();
    let own = geteuid().as_raw();
    if found.st_uid != own {
        let owner = found.st_uid;
        return Err(format!(
            "`{path}` belongs to user {owner}, and this process is user {own}: a folder of its own inside would do, \
             which `create_directory` makes"
        )
        .into());
    }
    if found.st_mode & 0o022 != 0 {
        return Err(format!("others may write to `{path}`: run `chmod go-w {path}`").into());
    }
    Ok(())
}

fn lock(folder: &OwnedFd, path: &Path, timeout: Duration) -> Result<OwnedFd, BoxError> {
    let shown = path.display();
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let lock = openat(folder, LOCK, flags, Mode::from_raw_mode(0o600))
        // A file system that has become read-only can still be read from.
        .or_else(|_| openat(folder, LOCK, OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty()))
        .map_err(|error| Caused::new(format!("cannot make the lock in `{shown}`"), io::Error::from(error)))?;
    let start = Instant::now();
    while let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        if error != Errno::WOULDBLOCK {
            return Err(Caused::new(format!("cannot lock `{shown}`"), io::Error::from(error)).into());
        }
        if start.elapsed() >= timeout {
            let holder = holder(&lock);
            return Err(format!(
                "`{shown}` is in use by {holder}: stop it, or give this one a `directory` of its own"
            )
            .into());
        }
        std::thread::sleep(LOCK_WAIT);
    }
    // Only for the message above, so it need not succeed.
    let written = rustix::fs::ftruncate(&lock, 0);
    let pid = format!("{}\n", getpid().as_raw_nonzero());
    let _ = written.and_then(|()| pwrite(&lock, pid.as_bytes(), 0));
    Ok(lock)
}

fn holder(lock: &OwnedFd) -> String {
    let mut bytes = [0; 16];
    let read = pread(lock, &mut bytes, 0).unwrap_or(0);
    let pid = std::str::from_utf8(&bytes[..read]).ok().and_then(|text| text.trim().parse::<u32>().ok());
    pid.map_or_else(|| String::from("another process"), |pid| format!("process {pid}"))
}
