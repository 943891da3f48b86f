use super::*;

/// A machine of 8 GiB with these groups and files.
#[track_caller]
fn check(groups: &str, files: &[(&str, &str)], expected_mib: u64) {
    let root = tempfile::tempdir().unwrap();
    let all =
        [("proc/meminfo", "MemTotal:        8388608 kB\nMemFree: 1 kB\n"), ("proc/self/cgroup", groups)];
    for (path, text) in all.iter().chain(files) {
        let path = root.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    assert_eq!(total_bytes(root.path()).map(|bytes| bytes >> 20), Some(expected_mib), "{groups}");
}

#[test]
fn the_least_of_the_groups_and_the_machine_is_what_there_is() {
    check("", &[], 8192);
    check("0::/\n", &[], 8192);
    check("0::/a/b\n", &[("sys/fs/cgroup/a/b/memory.max", "134217728\n")], 128);
    check("0::/a/b\n", &[("sys/fs/cgroup/a/b/memory.max", "max\n")], 8192);
    let both = [("sys/fs/cgroup/a/b/memory.max", "max\n"), ("sys/fs/cgroup/a/memory.max", "268435456\n")];
    check("0::/a/b\n", &both, 256);
    check("0::/a\n", &[("sys/fs/cgroup/a/memory.max", "99999999999999\n")], 8192);
    check("0::/a\n", &[("sys/fs/cgroup/unified/a/memory.max", "134217728\n")], 128);
}

#[test]
fn the_first_version_has_its_own_files() {
    let group = "4:memory:/docker/x\n3:cpu:/docker/x\n0::/\n";
    check(group, &[("sys/fs/cgroup/memory/docker/x/memory.limit_in_bytes", "134217728\n")], 128);
    // In a container the group is at the top, whatever its path is on the host.
    check(group, &[("sys/fs/cgroup/memory/memory.limit_in_bytes", "134217728\n")], 128);
    check(group, &[("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n")], 8192);
    check("4:cpu,memory:/x\n", &[("sys/fs/cgroup/memory/x/memory.limit_in_bytes", "134217728\n")], 128);
}

#[test]
fn what_is_mapped_from_files_is_left_out() {
    assert_eq!(parse_anonymous_pages("5000 1200 300 80 0 900 0\n"), Some(900));
    assert_eq!(parse_anonymous_pages("5000 100 300"), Some(0));
    assert_eq!(parse_anonymous_pages("5000 1200"), None);
    assert_eq!(parse_anonymous_pages(""), None);
}

#[test]
fn what_is_allocated_and_touched_is_seen() {
    let before = anonymous_bytes()().unwrap();
    let block = vec![7_u8; 64 << 20];
    let after = anonymous_bytes()().unwrap();
    assert!(after > before + (48 << 20), "{before} {after}");
    drop(block);
}
