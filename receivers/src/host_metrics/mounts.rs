//! The list of mounts.

/// One mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) device: String,
    pub(super) point: String,
    pub(super) fs_type: String,
    /// Whether the mount, or the file system under it, is.
    pub(super) is_read_only: bool,
    /// The numbers of the device.
    pub(super) major: String,
    pub(super) minor: String,
}

/// More mounts than this are not looked at.
const MOUNTS_MAX: usize = 4096;

/// File systems that are only an interface of the kernel, or only exist in memory.
const VIRTUAL: [&str; 26] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "efivarfs",
    "fuse.lxcfs",
    "fusectl",
    "hugetlbfs",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "pstore",
    "ramfs",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tmpfs",
    "tracefs",
];

impl Mount {
    pub(super) fn is_virtual(&self) -> bool {
        VIRTUAL.contains(&self.fs_type.as_str())
    }

    /// Whether asking it would mount something.
    pub(super) fn is_automatic(&self) -> bool {
        self.fs_type == "autofs"
    }

    /// Reads a line of `mountinfo`, as proc_pid_mountinfo(5) describes it.
    fn parse(line: &str) -> Option<Self> {
        let (mount, file_system) = line.split_once(" - ")?;
        let mount: Vec<_> = mount.split(' ').collect();
        let file_system: Vec<_> = file_system.split(' ').collect();
        let is_read_only = |options: &&str| options.split(',').any(|option| option == "ro");
        let (major, minor) = mount.get(2)?.split_once(':')?;
        Some(Self {
            device: unescape(file_system.get(1)?),
            point: unescape(mount.get(4)?),
            fs_type: (*file_system.first()?).to_owned(),
            is_read_only: is_read_only(mount.get(5)?) || file_system.get(2).is_some_and(is_read_only),
            major: major.to_owned(),
            minor: minor.to_owned(),
        })
    }
}

/// Reads the list; of several mounts at one place only the last can be seen, and only it is told.
pub(super) fn parse(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<_> = text.lines().take(MOUNTS_MAX).filter_map(Mount::parse).collect();
    mounts.reverse();
    let mut seen = std::collections::HashSet::new();
    mounts.retain(|mount| seen.insert(mount.point.clone()));
    mounts.reverse();
    mounts
}

/// Undoes `\040` for a blank and its like.
fn unescape(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut unescaped = Vec::with_capacity(bytes.len());
    let mut place = 0;
    while let Some(byte) = bytes.get(place) {
        let digits = bytes.get(place + 1..place + 4).filter(|_| *byte == b'\\');
        let code = digits.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        unescaped.push(code.unwrap_or(*byte));
        place += if code.is_some() { 4 } else { 1 };
    }
    String::from_utf8_lossy(&unescaped).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_with_any_number_of_optional_fields() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime master:1 shared:2 - ext3 /dev/root rw\n\
                    37 35 98:1 / /b ro,relatime - nfs4 server:/x rw\n\
                    nonsense\n - \n1 2 3 4 - x\n\
                    38 35 98:2 / /b rw - xfs /dev/sdb1 rw\n";
        let mount = |device: &str, mount_point: &str, fs_type: &str, [major, minor]: [&str; 2]| Mount {
            device: device.to_owned(),
            point: mount_point.to_owned(),
            fs_type: fs_type.to_owned(),
            is_read_only: false,
            major: major.to_owned(),
            minor: minor.to_owned(),
        };
        let first = mount("/dev/root", "/mnt 2", "ext3", ["98", "0"]);
        assert_eq!(parse(text), [first, mount("/dev/sdb1", "/b", "xfs", ["98", "2"])]);
        let read_only = |line| parse(line)[0].is_read_only;
        assert!(read_only("1 0 8:1 / / ro - ext4 /dev/sda1 rw"));
        assert!(read_only("1 0 8:1 / / rw - ext4 /dev/sda1 errors=x,ro"));
        assert!(!read_only("1 0 8:1 / / rw - ext4 /dev/sda1 rw,errors=remount-ro"));
    }

    #[test]
    fn escapes_are_undone_where_they_are_whole() {
        assert_eq!(unescape(r"a\040b\134\11"), r"a b\\11");
        assert_eq!(unescape(r"\777\"), r"\777\");
        assert_eq!(unescape(r"\é0"), r"\é0");
    }
}
