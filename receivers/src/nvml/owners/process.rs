//! A process as `/proc` has it.

use std::path::Path;

use crate::machine::root::Root;

/// The place of the first process namespace among the kernel's own files, the same on every machine.
const FIRST_PID_NAMESPACE: &str = "pid:[4026531836]";

/// What is read of the `stat` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) name: String,
    pub(super) parent: u32,
    pub(super) session: u32,
    /// Tells a process from a later one of the same number.
    pub(super) start_ticks: u64,
}

/// Reads what the kernel says of a process; `None` where there is none.
pub(super) fn stat(root: &Root, pid: u32) -> Option<Stat> {
    parse(&root.read_optional(&format!("proc/{pid}/stat"))?)
}

/// A name may hold anything, blanks and parentheses too, so the last one counts.
fn parse(text: &str) -> Option<Stat> {
    let (head, rest) = text.trim_end().rsplit_once(')')?;
    let words: Vec<_> = rest.split_ascii_whitespace().collect();
    // The word at 0 is the third field of the line in proc_pid_stat(5).
    let word = |field: usize| words.get(field - 3);
    Some(Stat {
        name: head.split_once('(')?.1.to_owned(),
        parent: word(4)?.parse().ok()?,
        session: word(6)?.parse().ok()?,
        start_ticks: word(22)?.parse().ok()?,
    })
}

/// The file that runs, or what the kernel calls the process where we may not see the file.
pub(super) fn executable_name(root: &Root, pid: u32, stat: &Stat) -> String {
    let target = std::fs::read_link(root.path(&format!("proc/{pid}/exe"))).ok();
    let name = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    let name = name.map(|name| name.strip_suffix(" (deleted)").unwrap_or(name));
    name.filter(|name| !name.is_empty()).unwrap_or(&stat.name).to_owned()
}

/// Whether the numbers of processes are the host's, as the driver's are.
///
/// Only the host sees the kernel's own processes; the number of a namespace may be read by root alone.
pub(super) fn is_of_host(root: &Root) -> bool {
    let namespace = |pid| std::fs::read_link(root.path(&format!("proc/{pid}/ns/pid"))).ok();
    root.read_optional("proc/2/comm").is_some_and(|name| name.trim() == "kthreadd")
        || namespace("1").is_some_and(|link| link.to_str() == Some(FIRST_PID_NAMESPACE))
}

/// Whether the process has opened a device of the driver's: in a namespace of our own the driver's number may be
/// that of another process, which has not.
pub(super) fn uses_gpu(root: &Root, pid: u32) -> bool {
    links(root, pid).any(|link| link.contains("/dev/nvidia"))
}

/// Files that a process has open, beyond which it is not looked further.
const FILES_MAX: usize = 16_384;

/// What the open files of a process are called; none where we may not see them.
pub(super) fn links(root: &Root, pid: u32) -> impl Iterator<Item = String> + use<> {
    let entries = std::fs::read_dir(root.path(&format!("proc/{pid}/fd"))).into_iter().flatten();
    let links = entries.take(FILES_MAX).filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    links.filter_map(|link| link.into_os_string().into_string().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_parentheses() {
        let line =
            "29371 (VLLM::Engine) (1)) S 29356 29356 7880 0 -1 4194304 102 0 3 0 7 8 0 0 20 0 2 0 161565 1 2";
        let expected =
            Stat { name: "VLLM::Engine) (1)".to_owned(), parent: 29356, session: 7880, start_ticks: 161565 };
        assert_eq!(parse(line), Some(expected));
        assert_eq!(parse("29371 (a) S 29356"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn this_process_runs_its_own_file() {
        let (root, pid) = (Root::new("/"), std::process::id());
        let own = std::env::current_exe().unwrap();
        let stat = stat(&root, pid).unwrap();
        assert_eq!(executable_name(&root, pid, &stat), own.file_name().unwrap().to_str().unwrap());
    }

    #[test]
    fn numbers_are_the_hosts_where_the_kernels_own_processes_are_seen() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path().to_str().unwrap());
        assert!(!is_of_host(&root));
        std::fs::create_dir_all(folder.path().join("proc/2")).unwrap();
        std::fs::write(folder.path().join("proc/2/comm"), "bash\n").unwrap();
        assert!(!is_of_host(&root));
        std::fs::write(folder.path().join("proc/2/comm"), "kthreadd\n").unwrap();
        assert!(is_of_host(&root));
    }
}
