//! What was called, and how often.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use super::lock;

/// The calls since the library was loaded, by name.
#[derive(Default)]
pub(crate) struct Calls(Mutex<BTreeMap<&'static str, u64>>);

impl Calls {
    pub(crate) fn count(&self, name: &'static str) {
        *lock(&self.0).entry(name).or_default() += 1;
    }

    /// All calls where no name is given.
    pub(crate) fn of(&self, name: &str) -> u64 {
        let calls = lock(&self.0);
        if name.is_empty() { calls.values().sum() } else { calls.get(name).copied().unwrap_or(0) }
    }

    /// Writes the counts beside the script, for those who cannot ask in this process.
    pub(crate) fn write(&self, script: Option<&Path>) {
        let Some(path) = script.map(super::beside) else { return };
        let mut text = String::new();
        for (name, count) in lock(&self.0).iter() {
            let _ = writeln!(text, "{name}: {count}");
        }
        // Renamed into place, so that nobody reads half of it.
        let draft = path.with_extension("calls.new");
        if let Err(error) = std::fs::write(&draft, text).and_then(|()| std::fs::rename(&draft, &path)) {
            eprintln!("fake libnvidia-ml: cannot write `{}`: {error}", path.display());
        }
    }
}
