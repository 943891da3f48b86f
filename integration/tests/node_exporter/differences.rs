//! Where the two differ, and why that is right; what is not here must agree.

/// Families that only node_exporter has: a name, or how it begins with a `*`.
pub(crate) const ONLY_THEIRS: &[(&str, &str)] = &[
    ("go_*", "of its runtime"),
    ("promhttp_*", "of its web server"),
    ("node_exporter_build_info", "the collector is not node_exporter"),
    ("process_start_time_seconds", "not told by the receiver"),
    ("process_virtual_memory_max_bytes", "where there is no limit, it is absent"),
    ("node_network_address_assign_type", NETCLASS),
    ("node_network_device_id", NETCLASS),
    ("node_network_dormant", NETCLASS),
    ("node_network_flags", NETCLASS),
    ("node_network_iface_id", NETCLASS),
    ("node_network_iface_link*", NETCLASS),
    ("node_network_name_assign_type", NETCLASS),
    ("node_network_net_dev_group", NETCLASS),
    ("node_network_protocol_type", NETCLASS),
    ("node_network_transmit_queue_length", NETCLASS),
    ("node_processes_threads_state", "it would take a file of each thread"),
    ("node_os_version", "the same number is a label of node_os_info"),
    ("node_selinux_enabled", "not read"),
    ("node_time_clocksource_*", "not read"),
    ("node_time_zone_offset_seconds", "not read"),
    ("node_xfs_*", "not read"),
    ("node_btrfs_*", "not read"),
    ("node_bcache_*", "not read"),
    ("node_zfs_*", "not read"),
    ("node_ipvs_*", "not read"),
    ("node_nfsd_*", "this is about the client of NFS"),
    ("node_fibrechannel_*", "not read"),
    ("node_tape_*", "not read"),
    ("node_rapl_*", "only the zones of packages and cores, and those only for root"),
    ("node_power_supply_*", "only whether it is online"),
    ("node_cpu_frequency_*", "what the processor says of itself; what it is set to is there"),
    ("node_md_blocks*", "how far a repair is"),
    ("node_mountstats_nfs_event_*", MOUNTSTATS),
    ("node_mountstats_nfs_transport_*", MOUNTSTATS),
    ("node_mountstats_nfs_read_pages_total", MOUNTSTATS),
    ("node_mountstats_nfs_write_pages_total", MOUNTSTATS),
    ("node_mountstats_nfs_operations_received_bytes_total", MOUNTSTATS),
    ("node_mountstats_nfs_operations_sent_bytes_total", MOUNTSTATS),
    ("node_infiniband_legacy_*", "only the 64 bit counters of today"),
];

/// Why families are not here that the schema does not make, and of which nothing more is said above.
pub(crate) const NOT_MADE: &str =
    "not made: no dashboard asks for it, or it is of another version of node_exporter";

/// Families of which series at zero may be absent here.
pub(crate) const ZEROS: &[(&str, &str)] = &[
    ("node_filesystem_avail_bytes", NO_SIZE),
    ("node_filesystem_files", NO_SIZE),
    ("node_filesystem_files_free", NO_SIZE),
    ("node_filesystem_free_bytes", NO_SIZE),
    ("node_filesystem_size_bytes", NO_SIZE),
    ("node_mountstats_nfs_operations_*", "an operation that was never called"),
    ("node_interrupts_total", "a line that has not come to a processor"),
];

const NO_SIZE: &str = "a file system that does not count space or inodes has none, rather than 0 of 0";

const MOUNTSTATS: &str = "of an NFS mount, bytes and operations with their times are told";

const NETCLASS: &str = "numbers of an interface that no dashboard asks for";

/// Families that only we have.
pub(crate) const ONLY_OURS: &[(&str, &str)] = &[
    ("node_cpu_online", LATER),
    (
        "node_hwmon_*",
        "sensors move between two readings; they are compared where both read a folder, and not on a machine",
    ),
    ("node_infiniband_*", "of hw_counters, in later versions of node_exporter"),
    ("node_mountstats_nfs_mountpoint_info", LATER),
    ("node_filesystem_mount_info", LATER),
    ("node_kernel_hung_tasks_total", LATER),
    ("node_kernel_hung_tasks", "the name that the dashboard asks for"),
    ("node_pressure_irq_stalled_seconds_total", LATER),
    ("node_softnet_backlog_len", LATER),
    ("node_softnet_cpu_collision_total", LATER),
    ("node_softnet_flow_limit_count_total", LATER),
    ("node_softnet_received_rps_total", LATER),
];

const LATER: &str = "in later versions of node_exporter";

/// Families whose series are others, or whose values are of another thing.
pub(crate) const OTHERWISE: &[(&str, &str)] = &[
    ("node_scrape_collector_*", "how long its own readers took, which are others"),
    ("process_*", "each is about its own process"),
    (
        "node_tcp_connection_states",
        "where the kernel's table is dear to read, what it said is told again for up to a minute",
    ),
];

/// Labels that only one of them has: family, label, why. The series are compared without them.
pub(crate) const LABELS: &[(&str, &str, &str)] = &[
    ("node_network_info", "adminstate", LATER),
    ("node_nvme_info", "cntlid", LATER),
    ("node_dmi_info", "board_asset_tag", SECRET),
    ("node_dmi_info", "board_serial", SECRET),
    ("node_dmi_info", "chassis_asset_tag", SECRET),
    ("node_dmi_info", "chassis_serial", SECRET),
    ("node_dmi_info", "product_serial", SECRET),
    ("node_dmi_info", "product_uuid", SECRET),
    (
        "node_mountstats_*",
        "mountaddr",
        "the server's address also where the mount names it otherwise, as NFS 4 does",
    ),
    ("node_rapl_*", "path", "as the machine has it, wherever its files are mounted"),
    ("node_disk_info", "model", UDEV),
    ("node_disk_info", "path", UDEV),
    ("node_disk_info", "revision", UDEV),
    ("node_disk_info", "serial", UDEV),
    ("node_disk_info", "wwn", UDEV),
];

const SECRET: &str = "numbers that tell one machine from all others, which only root may read, are not told";

const UDEV: &str = "node_exporter has it from udev's files, where there are any; the collector from the disk";

/// Series that only we have: family, how its labels begin, why.
pub(crate) const SERIES: &[(&str, &str, &str)] = &[
    ("node_nfs_requests_total", "method=\"copy", LATER),
    ("node_nfs_requests_total", "method=\"offload_cancel", LATER),
];

/// The reason in a list, where it has the name.
pub(crate) fn reason(list: &[(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    list.iter().find(|(pattern, _)| is_of(pattern, name)).map(|(_, reason)| *reason)
}

/// Whether a name is this one, or begins as one that ends with a `*`.
pub(crate) fn is_of(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

/// How far a gauge may be from what node_exporter says before and after: a share of it, and a number besides.
///
/// Only what moves by itself is here; all else is the same or between the two.
pub(crate) fn tolerance(name: &str) -> (f64, f64) {
    const MIB: f64 = 1_048_576.0;
    match name {
        // What both processes and the test itself do in between.
        "node_load1" | "node_load5" | "node_load15" => (0.2, 0.5),
        "node_entropy_available_bits" => (0.0, 256.0),
        "node_filefd_allocated" => (0.1, 64.0),
        "node_procs_running" | "node_procs_blocked" | "node_disk_io_now" => (0.5, 4.0),
        "node_processes_pids" | "node_processes_threads" | "node_processes_state" => (0.1, 8.0),
        "node_filesystem_avail_bytes" | "node_filesystem_free_bytes" => (0.02, 64.0 * MIB),
        "node_filesystem_files_free" => (0.01, 100.0),
        "node_netstat_Tcp_CurrEstab" => (0.5, 8.0),
        "node_udp_queues" => (0.0, MIB),
        "node_hwmon_temp_celsius" | "node_thermal_zone_temp" => (0.1, 3.0),
        "node_cpu_scaling_frequency_hertz" => (1.0, 0.0),
        _ if name.starts_with("node_sockstat_") => (0.5, 65_536.0),
        _ if name.starts_with("node_memory_") && !name.contains("HugePages_") => (0.1, 64.0 * MIB),
        _ => (1e-9, 1e-9),
    }
}

#[test]
fn names_are_found_whole_or_by_their_beginning() {
    assert_eq!(reason(OTHERWISE, "process_open_fds"), Some("each is about its own process"));
    assert_eq!(reason(ONLY_THEIRS, "node_os_version_more"), None);
    assert_eq!(tolerance("node_memory_HugePages_Free"), (1e-9, 1e-9));
}
