//! The host's files, wherever they are mounted, read within a bound.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// No file that is read here is nearly as long, but a file system may lie.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// More entries of a folder are not looked at.
const ENTRIES_MAX: usize = 8192;

/// Most files here are shorter, so that reading one takes a single call and another that finds its end.
const FILE_BYTES_USUAL: usize = 2048;

/// The host's file system.
#[derive(Debug, Clone)]
pub(crate) struct Root {
    path: PathBuf,
    /// Whether it is mounted for us to look at, and is not our own.
    pub(crate) is_mounted: bool,
}

impl Root {
    pub(crate) fn new(root_path: &str) -> Self {
        let is_mounted = !matches!(root_path, "" | "/");
        let path = PathBuf::from(if is_mounted { root_path } else { "/" });
        Self { path, is_mounted }
    }

    pub(crate) fn path(&self, relative: &str) -> PathBuf {
        self.path.join(relative.trim_start_matches('/'))
    }

    /// Reads a file; what is not UTF-8 in it is replaced.
    pub(crate) fn read(&self, relative: &str) -> Result<String, String> {
        let path = self.path(relative);
        read(&path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
    }

    /// Reads a file that not every kernel has.
    pub(crate) fn read_optional(&self, relative: &str) -> Option<String> {
        read(&self.path(relative)).ok()
    }

    /// Reads what each process sees for itself: as the host's first process does, where the root is mounted.
    pub(crate) fn read_of_namespace(&self, file: &str) -> Result<String, String> {
        if self.is_mounted
            && let Some(text) = self.read_optional(&format!("proc/1/{file}"))
        {
            return Ok(text);
        }
        self.read(&format!("proc/self/{file}"))
    }

    /// The one word or line a file holds; `None` where it is missing or empty.
    pub(crate) fn word(&self, relative: &str) -> Option<String> {
        let mut text = self.read_optional(relative)?;
        text.truncate(text.trim_end().len());
        let start = text.len() - text.trim_start().len();
        text.drain(..start);
        (!text.is_empty()).then_some(text)
    }

    /// The one number a file holds.
    pub(crate) fn number<T: FromStr>(&self, relative: &str) -> Option<T> {
        self.read_optional(relative)?.trim().parse().ok()
    }

    /// What is in a folder, in order; nothing where there is none.
    pub(crate) fn names(&self, relative: &str) -> Vec<String> {
        let Ok(entries) = self.path(relative).read_dir() else { return Vec::new() };
        let names = entries.take(ENTRIES_MAX).filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let mut names: Vec<_> = names.collect();
        names.sort_unstable();
        names
    }

    /// What is in a folder and called `prefix` and a number, in the order of the numbers.
    pub(crate) fn numbered(&self, relative: &str, prefix: &str) -> Vec<u32> {
        let names = self.names(relative);
        let mut numbers: Vec<_> =
            names.iter().filter_map(|name| name.strip_prefix(prefix)?.parse().ok()).collect();
        numbers.sort_unstable();
        numbers
    }

    /// The numbers of all processes.
    pub(crate) fn process_ids(&self) -> Result<Vec<u32>, String> {
        let path = self.path("proc");
        let entries =
            path.read_dir().map_err(|error| format!("cannot list `{}`: {error}", path.display()))?;
        let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
        Ok(ids.collect())
    }
}

fn read(path: &Path) -> std::io::Result<String> {
    let mut bytes = Vec::with_capacity(FILE_BYTES_USUAL);
    File::open(path)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}

/// The numbers of a line, as far as they are numbers.
pub(crate) fn numbers(text: &str) -> Vec<u64> {
    text.split_ascii_whitespace().map_while(|word| word.parse().ok()).collect()
}

/// The value behind a name in a file of `name value` lines.
pub(crate) fn value_of(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| {
        let rest = line.strip_prefix(name)?;
        let rest = rest.strip_prefix(':').unwrap_or(rest);
        let is_whole = rest.starts_with([' ', '\t']);
        is_whole.then(|| rest.split_ascii_whitespace().next()?.parse().ok()).flatten()
    })
}
