//! A control group with a bound on memory, where this machine allows making one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Removed when dropped, once nothing is in it any more.
#[derive(Debug)]
pub struct Group {
    folder: PathBuf,
    is_version_2: bool,
}

impl Group {
    /// `None`, with a line that says so, where none can be made.
    pub fn with_memory(bytes: u64) -> Option<Self> {
        let made = Self::version_2(bytes).or_else(|| Self::version_1(bytes));
        if made.is_none() {
            eprintln!("skipped: no control group with a bound on memory can be made here");
        }
        made
    }

    /// What a shell must do before it runs a program in the group.
    pub fn enter(&self) -> String {
        format!("echo $$ > '{}/cgroup.procs'", self.folder.display())
    }

    /// How often the kernel has killed for want of memory.
    pub fn kills(&self) -> u64 {
        let file = if self.is_version_2 { "memory.events" } else { "memory.oom_control" };
        let text = fs::read_to_string(self.folder.join(file)).expect("the group is there");
        let count = text.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.and_then(|count| count.trim().parse().ok()).expect("the kernel counts them")
    }

    /// Beside or above the group that the test is in: a group with processes cannot divide its memory.
    fn version_2(bytes: u64) -> Option<Self> {
        let top = Path::new("/sys/fs/cgroup");
        let own = top.join(own_path("0::")?.trim_start_matches('/'));
        let divides = |folder: &&Path| {
            let controllers = fs::read_to_string(folder.join("cgroup.subtree_control")).unwrap_or_default();
            controllers.split_whitespace().any(|controller| controller == "memory")
        };
        let parent = own.ancestors().take_while(|folder| folder.starts_with(top)).find(divides)?;
        Self::make(parent, true, "memory.max", bytes)
    }

    fn version_1(bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let path = groups.lines().find_map(|line| line.split_once(":memory:").map(|(_, path)| path))?;
        let parent = Path::new("/sys/fs/cgroup/memory").join(path.trim_start_matches('/'));
        Self::make(&parent, false, "memory.limit_in_bytes", bytes)
    }

    fn make(parent: &Path, is_version_2: bool, file: &str, bytes: u64) -> Option<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = parent.join(format!("inferometer-test-{}-{number}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        let group = Self { folder, is_version_2 };
        fs::write(group.folder.join(file), bytes.to_string()).ok()?;
        Some(group)
    }
}

fn own_path(prefix: &str) -> Option<String> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups.lines().find_map(|line| line.strip_prefix(prefix).map(str::to_owned))
}

impl Drop for Group {
    fn drop(&mut self) {
        // The kernel takes a moment to forget a process that was killed.
        for _ in 0..50 {
            if fs::remove_dir(&self.folder).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        eprintln!("cannot remove {}", self.folder.display());
    }
}
