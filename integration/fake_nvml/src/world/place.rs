//! Where the script is, and whether it has changed.
#![expect(unsafe_code, reason = "the path of a loaded library is known to the loader alone")]

use std::ffi::{CStr, OsStr};
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::script::Script;

/// How long a script is taken to be as it was.
const CHECK_INTERVAL: Duration = Duration::from_millis(20);

/// The variable that names the script where none lies beside the library.
const VARIABLE: &str = "FAKE_NVML_SCRIPT";

/// The file a script is read from.
pub(super) struct Source {
    path: Option<PathBuf>,
    seen: Option<Version>,
    checked: Option<Instant>,
}

/// What tells a file from what it was; a file renamed over another has another number.
#[derive(PartialEq, Eq)]
struct Version {
    modified: (i64, i64),
    size: u64,
    inode: u64,
}

impl Source {
    /// `X.yaml` beside the library `X.so`, or what the environment names.
    pub(super) fn find() -> Self {
        let beside = library().map(|library| library.with_extension("yaml")).filter(|script| script.exists());
        let path = beside.or_else(|| std::env::var_os(VARIABLE).map(PathBuf::from));
        Self { path, seen: None, checked: None }
    }

    pub(super) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    pub(super) fn read(&mut self) -> Result<Script, String> {
        if self.path.is_none() {
            self.path = Self::find().path;
        }
        let path = self.path.as_ref().ok_or_else(|| {
            let place =
                library().map_or("the library".to_owned(), |library| format!("`{}`", library.display()));
            format!(
                "no script: {place} has no file with the ending `.yaml` beside it, and {VARIABLE} is not set"
            )
        })?;
        self.seen = Version::of(path);
        let failed = |reason: String| format!("`{}`: {reason}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
        Script::parse(&text).map_err(failed)
    }

    /// The script where the file is another than it was when it was last read.
    pub(super) fn changed(&mut self) -> Option<Result<Script, String>> {
        if self.checked.is_some_and(|checked| checked.elapsed() < CHECK_INTERVAL) {
            return None;
        }
        self.checked = Some(Instant::now());
        // A file that is being replaced may be gone for a moment.
        let version = Version::of(self.path.as_ref()?)?;
        (self.seen.as_ref() != Some(&version)).then(|| self.read())
    }
}

impl Version {
    fn of(path: &Path) -> Option<Self> {
        let metadata = path.metadata().ok()?;
        Some(Self {
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
            inode: metadata.ino(),
        })
    }
}

/// The file that this code was loaded from.
fn library() -> Option<PathBuf> {
    let mut found = MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: the address is one of this image's, and the structure is there to be written.
    let is_found = unsafe { libc::dladdr(library as *const libc::c_void, found.as_mut_ptr()) } != 0;
    // SAFETY: all zero is a valid value of its pointers and numbers.
    let found = unsafe { found.assume_init() };
    if !is_found || found.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader's text ends with a zero, and lives as long as the image it names, which is this one.
    let name = unsafe { CStr::from_ptr(found.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
