//! What the kernel says of memory: how much this process holds, and how much it may hold.

#[cfg(test)]
mod tests;

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The first version's number for "no limit" is the largest there is, less a page; nobody has as much memory.
const UNLIMITED: u64 = 1 << 62;

/// Where control groups are mounted; the second version is beside the first on machines that have both.
const VERSION_2: [&str; 2] = ["sys/fs/cgroup", "sys/fs/cgroup/unified"];
const VERSION_1: &str = "sys/fs/cgroup/memory";

/// Bytes of anonymous memory resident now: what the process has allocated and touched.
///
/// What is mapped from files is left out: the kernel can take it back at any time, so it kills nobody for it.
/// `None` where the kernel does not say. One read of a line; takes a microsecond or two. The file stays open: when
/// it is asked for, there may be no more files to open.
pub(crate) fn anonymous_bytes() -> impl Fn() -> Option<u64> + Send + Sync + 'static {
    let statm = File::open("/proc/self/statm");
    move || {
        let mut line = [0; 256];
        let length = statm.as_ref().ok()?.read_at(&mut line, 0).ok()?;
        let line = std::str::from_utf8(line.get(..length)?).ok()?;
        parse_anonymous_pages(line).map(|pages| pages * page_bytes())
    }
}

/// How much memory there is for this process: the least of what its control groups may have and of what the
/// machine has. `root` is `/`, but for tests.
pub(crate) fn total_bytes(root: &Path) -> Option<u64> {
    let machine = parse_total(&std::fs::read_to_string(root.join("proc/meminfo")).ok()?);
    let groups = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    machine.into_iter().chain(limits(root, &groups)).min()
}

/// The limits of the process's groups and of all groups around them.
fn limits(root: &Path, groups: &str) -> Vec<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        // `4:memory:/path` in the first version, `0::/path` in the second.
        let mut fields = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (fields.next(), fields.next()) else { continue };
        if controllers.is_empty() {
            for folder in VERSION_2 {
                up(&root.join(folder), path, "memory.max", &mut limits);
            }
        } else if controllers.split(',').any(|controller| controller == "memory") {
            up(&root.join(VERSION_1), path, "memory.limit_in_bytes", &mut limits);
        }
    }
    limits
}

/// Reads the file in the group and in every group around it.
///
/// In a container the path may be the host's, and the group itself at the top: so a folder that is not there is
/// left out, and the top is looked at too.
fn up(top: &Path, path: &str, file: &str, limits: &mut Vec<u64>) {
    let group = top.join(path.trim_start_matches('/'));
    for folder in group.ancestors().take_while(|folder| folder.starts_with(top)) {
        let text = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
        // `max` is no limit, and no number.
        limits.extend(text.trim().parse::<u64>().ok().filter(|limit| *limit < UNLIMITED));
    }
}

fn page_bytes() -> u64 {
    rustix::param::page_size() as u64
}

/// The second number is what is resident, the third what of it is mapped from files or shared.
fn parse_anonymous_pages(statm: &str) -> Option<u64> {
    let mut pages = statm.split_ascii_whitespace().skip(1).map(str::parse::<u64>);
    let (resident, shared) = (pages.next()?.ok()?, pages.next()?.ok()?);
    Some(resident.saturating_sub(shared))
}

fn parse_total(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}
