//! What the kernel says of memory, waiting, groups and processes; and its tables with its own keys.

use super::*;

#[test]
fn pressure_is_told_with_totals_and_averages_where_the_kernel_measures_it() {
    let files = [
        ("proc/stat", "cpu0 0 0 0 0 0 0 0 0\n"),
        ("proc/pressure/irq", "full avg10=1.50 avg60=0.25 avg300=0.00 total=2000000\n"),
    ];
    let only = "system.cpu.time: {enabled: false}";
    let full = "system.pressure.stall_type=full";
    check(
        &files,
        &format!("cpu: {{metrics: {{{only}}}}}"),
        &[
            &format!("system.irq.linux.pressure.total {full} 2.0"),
            &format!("system.irq.linux.pressure.share {full} system.pressure.window=10s 0.015"),
            &format!("system.irq.linux.pressure.share {full} system.pressure.window=60s 0.0025"),
            &format!("system.irq.linux.pressure.share {full} system.pressure.window=300s 0.0"),
        ],
    );
    // Of the whole machine it is not defined that all wait for a processor.
    let never = "some avg10=1.00 total=7000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
    let some = "system.pressure.stall_type=some";
    check(
        &[files[0], ("proc/pressure/cpu", never)],
        &format!("cpu: {{metrics: {{{only}}}}}"),
        &[
            &format!("system.cpu.linux.pressure.total {some} 7.0"),
            &format!("system.cpu.linux.pressure.share {some} system.pressure.window=10s 0.01"),
        ],
    );
    // A kernel without it has no folder, a broken line no value.
    check(&files[..1], &format!("cpu: {{metrics: {{{only}}}}}"), &[]);
    check(
        &[files[0], ("proc/pressure/cpu", "some total=x avg10=\nfull\nodd total=7\n")],
        &format!("cpu: {{metrics: {{{only}}}}}"),
        &[],
    );
}

#[test]
fn kills_for_want_of_memory_and_pools_of_huge_pages_are_told() {
    let pool = "sys/kernel/mm/hugepages/hugepages-2048kB";
    let folder = folder(&[
        ("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 300 kB\n"),
        ("proc/vmstat", "oom_kill 3\n"),
        (&format!("{pool}/nr_hugepages"), "10\n"),
        (&format!("{pool}/free_hugepages"), "4\n"),
        (&format!("{pool}/resv_hugepages"), "1\n"),
        ("sys/kernel/mm/hugepages/odd/nr_hugepages", "10\n"),
    ]);
    let mut host = host(&folder, "memory: ");
    let lines = lines(&host.scrape(TIME));
    let expected = [
        "system.memory.linux.oom_kills 3",
        "system.memory.linux.hugepages.pool.limit system.memory.linux.hugepages.size=2097152 10",
        "system.memory.linux.hugepages.pool.usage system.memory.linux.hugepages.size=2097152 system.memory.linux.hugepages.state=used 6",
        "system.memory.linux.hugepages.pool.usage system.memory.linux.hugepages.size=2097152 system.memory.linux.hugepages.state=free 4",
        "system.memory.linux.hugepages.pool.usage system.memory.linux.hugepages.size=2097152 system.memory.linux.hugepages.state=reserved 1",
    ];
    assert_eq!(lines[..expected.len()], expected);
}

const NODE: &str = "Node 1 MemTotal: 1000 kB\nNode 1 MemFree: 400 kB\nNode 1 Active(anon): 5 kB\nNode 1 HugePages_Total: 6\nodd\n";

#[test]
fn memory_is_told_by_node() {
    check(
        &[
            ("sys/devices/system/node/node1/meminfo", NODE),
            ("sys/devices/system/node/node1/numastat", "numa_hit 7\nother_node 8\nnew_key 9\nbroken x\n"),
            ("sys/devices/system/node/node1/hugepages/hugepages-1048576kB/nr_hugepages", "2\n"),
            ("sys/devices/system/node/node1/hugepages/hugepages-1048576kB/free_hugepages", "3\n"),
            ("sys/devices/system/node/has_cpu", "0-1\n"),
        ],
        "numa: ",
        &[
            "system.memory.numa.limit system.numa.node=1 1024000",
            "system.memory.numa.usage system.memory.state=used system.numa.node=1 614400",
            "system.memory.numa.usage system.memory.state=free system.numa.node=1 409600",
            "system.memory.numa.hugepages.limit system.memory.linux.hugepages.size=1073741824 system.numa.node=1 2",
            "system.memory.numa.hugepages.usage system.memory.linux.hugepages.size=1073741824 system.memory.linux.hugepages.state=free system.numa.node=1 3",
            "system.memory.numa.allocations system.numa.allocation=hit system.numa.node=1 7",
            "system.memory.numa.allocations system.numa.allocation=other_node system.numa.node=1 8",
        ],
    );
    check(&[("x", "")], "numa: ", &[]);
}

#[test]
fn our_own_group_is_told_with_its_limits_and_kills() {
    let group = "sys/fs/cgroup/system.slice/inferometer.service";
    let path = "system.cgroup.path=/system.slice/inferometer.service";
    check(
        &[
            ("proc/self/cgroup", "0::/system.slice/inferometer.service\n"),
            ("sys/fs/cgroup/cgroup.controllers", "cpu memory pids\n"),
            (&format!("{group}/memory.current"), "1000\n"),
            (&format!("{group}/memory.max"), "max\n"),
            (&format!("{group}/memory.events"), "oom 2\noom_kill 1\n"),
            (&format!("{group}/pids.current"), "5\n"),
            (&format!("{group}/pids.max"), "100\n"),
            (&format!("{group}/cpu.max"), "150000 100000\n"),
            (
                &format!("{group}/cpu.stat"),
                "usage_usec 3\nuser_usec 2000000\nsystem_usec 1000000\nnr_periods 9\nnr_throttled 4\nthrottled_usec 500000\n",
            ),
            (&format!("{group}/io.pressure"), "some avg10=0.00 avg60=0.00 avg300=0.00 total=7000000\n"),
        ],
        "cgroup: ",
        &[
            &format!("system.cgroup.memory.usage {path} 1000"),
            &format!("system.cgroup.process.count {path} 5"),
            &format!("system.cgroup.process.limit {path} 100"),
            &format!("system.cgroup.memory.events system.cgroup.event=oom {path} 2"),
            &format!("system.cgroup.memory.events system.cgroup.event=oom_kill {path} 1"),
            &format!("system.cgroup.cpu.limit {path} 1.5"),
            &format!("system.cgroup.cpu.time cpu.mode=user {path} 2.0"),
            &format!("system.cgroup.cpu.time cpu.mode=system {path} 1.0"),
            &format!("system.cgroup.cpu.throttled.time {path} 0.5"),
            &format!("system.cgroup.cpu.periods {path} 9"),
            &format!("system.cgroup.cpu.throttled.periods {path} 4"),
            &format!(
                "system.cgroup.pressure.total {path} system.pressure.resource=io system.pressure.stall_type=some 7.0"
            ),
        ],
    );
    check(&[("x", "")], "cgroup: ", &[]);
}

#[test]
fn groups_that_are_asked_for_are_told_beside_our_own() {
    let files = [
        ("proc/self/cgroup", "0::/a\n"),
        ("sys/fs/cgroup/cgroup.controllers", "\n"),
        ("sys/fs/cgroup/a/pids.current", "1\n"),
        ("sys/fs/cgroup/a/b/pids.current", "2\n"),
        ("sys/fs/cgroup/c/pids.current", "3\n"),
    ];
    check(
        &files,
        "cgroup: {include: {paths: [^/a], match_type: regexp}}",
        &[
            "system.cgroup.process.count system.cgroup.path=/a 1",
            "system.cgroup.process.count system.cgroup.path=/a/b 2",
        ],
    );
    assert_eq!(problems("{scrapers: {cgroup: {include: {paths: []}}}}").len(), 2);
}

#[test]
fn the_first_version_of_groups_is_read_where_it_is_mounted() {
    let text = "5:memory:/job\n4:cpu,cpuacct:/job\n3:pids:/elsewhere\n0::/\n";
    check(
        &[
            ("proc/self/cgroup", text),
            ("sys/fs/cgroup/memory/job/memory.usage_in_bytes", "1000\n"),
            ("sys/fs/cgroup/memory/job/memory.limit_in_bytes", "9223372036854771712\n"),
            ("sys/fs/cgroup/memory/job/memory.oom_control", "oom_kill_disable 0\noom_kill 6\n"),
            ("sys/fs/cgroup/pids/pids.max", "50\n"),
            ("sys/fs/cgroup/cpu/job/cpu.cfs_quota_us", "200000\n"),
            ("sys/fs/cgroup/cpu/job/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu/job/cpu.stat", "nr_periods 2\nnr_throttled 1\nthrottled_time 3000000000\n"),
        ],
        "cgroup: ",
        &[
            "system.cgroup.memory.usage system.cgroup.path=/job 1000",
            "system.cgroup.process.limit system.cgroup.path=/elsewhere 50",
            "system.cgroup.memory.events system.cgroup.event=oom_kill system.cgroup.path=/job 6",
            "system.cgroup.cpu.limit system.cgroup.path=/job 2.0",
            "system.cgroup.cpu.periods system.cgroup.path=/job 2",
            "system.cgroup.cpu.throttled.periods system.cgroup.path=/job 1",
            "system.cgroup.cpu.throttled.time system.cgroup.path=/job 3.0",
        ],
    );
}

#[test]
fn processes_that_stay_defunct_are_told_by_name() {
    let defunct = PROCESS.replace(") S", ") Z");
    let folder = folder(&[
        ("proc/stat", STAT),
        ("proc/sys/kernel/pid_max", "4194304\n"),
        ("proc/sys/kernel/threads-max", "1000\n"),
        ("proc/1/stat", &format!("1 {PROCESS}")),
        ("proc/2/stat", &format!("2 {defunct}")),
    ]);
    let mut host = host(&folder, "processes: {metrics: {linux.process.state: {enabled: true}}}");
    let first = lines(&host.scrape(TIME));
    assert!(!first.iter().any(|line| line.contains("stuck")), "{first:#?}");
    for expected in [
        "linux.process.state linux.process.state=S 1",
        "linux.process.state linux.process.state=Z 1",
        "system.thread.count 4",
        "system.process.limit 4194304",
        "system.thread.limit 1000",
    ] {
        assert!(first.iter().any(|line| line == expected), "{expected} is not in {first:#?}");
    }
    // One that has only just ended is no trouble yet.
    write(folder.path(), "proc/3/stat", &format!("3 {}", defunct.replace("runner", "other")));
    let second = lines(&host.scrape(TIME + 1));
    let stuck: Vec<_> = second.iter().filter(|line| line.contains("stuck")).collect();
    assert_eq!(stuck, ["system.process.stuck process.executable.name=runner process.state=defunct 1"]);
}

#[test]
fn a_process_tells_its_limits_where_it_has_them() {
    let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096  files\nMax address space         unlimited            unlimited            bytes\n";
    let folder = folder(&[
        ("proc/uptime", "60.5 100\n"),
        ("proc/self/stat", &format!("42 {PROCESS}")),
        ("proc/self/limits", limits),
    ]);
    let both =
        "process.unix.file_descriptor.limit: {enabled: true}, process.memory.virtual.limit: {enabled: true}";
    let lines = lines(&host(&folder, &format!("process: {{metrics: {{{both}}}}}")).scrape(TIME));
    let limits: Vec<_> = lines.iter().filter(|line| line.contains("limit")).collect();
    assert_eq!(limits, ["process.unix.file_descriptor.limit 1024"]);
}

#[test]
fn the_system_tells_what_it_is_and_how_full_its_own_limits_are() {
    let metrics = ["system.boot.time", "system.entropy.available", "system.os.info", "system.dmi.info"];
    let metrics: String = metrics.iter().map(|metric| format!("{metric}: {{enabled: true}}, ")).collect();
    check(
        &[
            ("proc/uptime", "1 1\n"),
            ("proc/stat", STAT),
            ("proc/sys/fs/file-nr", "1024\t0\t9223372036854775807\n"),
            ("proc/sys/kernel/hung_task_detect_count", "2\n"),
            ("proc/sys/kernel/random/entropy_avail", "256\n"),
            ("etc/os-release", "ID=ubuntu\nVERSION_ID=\"24.04\"\nHOME_URL=x\n"),
            ("sys/class/dmi/id/sys_vendor", "Acme\n"),
            ("sys/class/dmi/id/product_name", "\n"),
        ],
        &format!("system: {{metrics: {{{metrics}}}}}"),
        &[
            "system.uptime 1.0",
            "system.kernel.hung_tasks 2",
            "system.entropy.available 256",
            "system.file_descriptor.count 1024",
            "system.file_descriptor.limit 9223372036854775807",
            "system.boot.time 1600000000",
            "system.os.info system.os.id=ubuntu system.os.version_id=24.04 1",
            "system.dmi.info system.dmi.sys_vendor=Acme 1",
        ],
    );
}

#[test]
fn the_clock_is_asked_for_nothing_but_answers() {
    let folder = folder(&[("x", "")]);
    let on = "system.clock.time: {enabled: true}, linux.timex: {enabled: true}";
    let mut host = host(&folder, &format!("clock: {{metrics: {{{on}}}}}"));
    let batch = host.scrape(TIME);
    let names: Vec<_> = batch.iter().map(|point| point.series.metric().name.as_str()).collect();
    assert_eq!(names[0], "system.clock.time");
    // A sandbox may refuse; what it tells, it tells whole.
    assert!(
        names.len() == 1
            || names.contains(&"system.clock.synchronized") && names.contains(&"linux.timex.tick")
    );
    assert_eq!(host.errors(), []);
}

/// One table of the kernel: what follows from these files, besides how the scrapers fared.
#[track_caller]
fn check_table(files: &[(&str, &str)], metrics: &str, expected: &[&str]) {
    let folder = folder(files);
    let mut host = host(&folder, &format!("linux: {{metrics: {{{metrics}}}}}"));
    let mut lines = lines(&host.scrape(TIME));
    lines.retain(|line| !line.starts_with("linux.scraper."));
    assert_eq!(lines, expected);
    assert_eq!(host.errors(), []);
}

#[test]
fn memory_has_the_kernel_s_keys() {
    let text = "MemTotal: 1000 kB\nActive(anon): 5 kB\nHugePages_Total: 4\nbroken: x kB\nno colon\n";
    check_table(
        &[("proc/meminfo", text)],
        "",
        &[
            "linux.meminfo.MemTotal 1024000",
            "linux.meminfo.Active_anon 5120",
            "linux.meminfo.pages.HugePages_Total 4",
        ],
    );
    check_table(
        &[
            ("sys/devices/system/node/node1/meminfo", NODE),
            ("sys/devices/system/node/node1/numastat", "numa_hit 7\nbroken x\n"),
        ],
        "",
        &[
            "linux.numa.meminfo.MemTotal system.numa.node=1 1024000",
            "linux.numa.meminfo.MemFree system.numa.node=1 409600",
            "linux.numa.meminfo.Active_anon system.numa.node=1 5120",
            "linux.numa.meminfo.pages.HugePages_Total system.numa.node=1 6",
            "linux.numa.stat.numa_hit system.numa.node=1 7",
        ],
    );
    check_table(
        &[("proc/vmstat", "nr_free_pages 5\npgfault 7\nbroken x\n")],
        "",
        &["linux.vmstat.nr_free_pages 5", "linux.vmstat.pgfault 7"],
    );
}

#[test]
fn processors_have_the_kernel_s_keys() {
    check_table(
        &[(
            "proc/stat",
            "cpu 1 2\nintr 100 1 2 3\nctxt 5\nbtime 9\nprocesses 7\nprocs_running 2\nprocs_blocked 1\nsoftirq 50 1\n",
        )],
        "",
        &[
            "linux.stat.intr 100",
            "linux.stat.ctxt 5",
            "linux.stat.processes 7",
            "linux.stat.procs_running 2",
            "linux.stat.procs_blocked 1",
            "linux.stat.softirq 50",
        ],
    );
    check_table(
        &[(
            "proc/1/net/softnet_stat",
            "0000001e 00000001 00000002 0 0 0 0 0 00000003 00000004 00000005 00000006 00000007 0 0\nff 1 2\n",
        )],
        "",
        &[
            "linux.softnet.processed cpu.logical_number=7 30",
            "linux.softnet.dropped cpu.logical_number=7 1",
            "linux.softnet.times_squeezed cpu.logical_number=7 2",
            "linux.softnet.cpu_collision cpu.logical_number=7 3",
            "linux.softnet.received_rps cpu.logical_number=7 4",
            "linux.softnet.flow_limit_count cpu.logical_number=7 5",
            "linux.softnet.backlog_len cpu.logical_number=7 6",
            "linux.softnet.processed cpu.logical_number=1 255",
            "linux.softnet.dropped cpu.logical_number=1 1",
            "linux.softnet.times_squeezed cpu.logical_number=1 2",
        ],
    );
    check_table(
        &[("proc/schedstat", "version 15\ncpu0 0 0 0 0 0 0 1500000000 500000000 8\ndomain0 3 1\ncpu1 0\n")],
        "",
        &[
            "linux.schedstat.running cpu.logical_number=0 1.5",
            "linux.schedstat.waiting cpu.logical_number=0 0.5",
            "linux.schedstat.timeslices cpu.logical_number=0 8",
        ],
    );
}

#[test]
fn interrupts_are_only_told_where_they_are_asked_for() {
    let text = "           CPU0       CPU2\n  24:     10   20  IR-PCI-MSI 1048576-edge      nvidia\n  25:  0  0  IR-PCI-MSI 7-edge idle\n NMI:   0  2   Non-maskable interrupts\n ERR:   3\n";
    let softirqs = "      CPU0 CPU2\n   NET_RX:  5  6\n";
    let files = [("proc/interrupts", text), ("proc/softirqs", softirqs)];
    check_table(&files, "", &[]);
    check_table(
        &files,
        "linux.interrupts: {enabled: true}, linux.softirqs: {enabled: true}",
        &[
            "linux.interrupts cpu.logical_number=0 linux.irq=24 linux.irq.devices=1048576-edge nvidia linux.irq.info=IR-PCI-MSI 10",
            "linux.interrupts cpu.logical_number=2 linux.irq=24 linux.irq.devices=1048576-edge nvidia linux.irq.info=IR-PCI-MSI 20",
            "linux.interrupts cpu.logical_number=2 linux.irq=NMI linux.irq.info=Non-maskable interrupts 2",
            "linux.interrupts cpu.logical_number=0 linux.irq=ERR 3",
            "linux.softirqs cpu.logical_number=0 linux.softirq=NET_RX 5",
            "linux.softirqs cpu.logical_number=2 linux.softirq=NET_RX 6",
        ],
    );
}

#[test]
fn the_network_has_the_kernel_s_keys() {
    check_table(
        &[
            ("proc/1/net/netstat", "TcpExt: SyncookiesSent ListenDrops\nTcpExt: 1 2\n"),
            (
                "proc/1/net/snmp",
                "Tcp: MaxConn RetransSegs\nTcp: -1 18446744073709551615\nUdp: InErrors\nUdp: 4\n",
            ),
            ("proc/1/net/snmp6", "Ip6InReceives 5\nnothing 6\n"),
        ],
        "",
        &[
            "linux.netstat.TcpExt.SyncookiesSent 1",
            "linux.netstat.TcpExt.ListenDrops 2",
            "linux.netstat.Tcp.MaxConn -1",
            "linux.netstat.Udp.InErrors 4",
            "linux.netstat.Ip6.InReceives 5",
        ],
    );
    let bytes = 3 * rustix::param::page_size();
    check_table(
        &[
            (
                "proc/1/net/sockstat",
                "sockets: used 26\nTCP: inuse 8 mem 3\nFRAG: inuse 0 memory 0\nbroken: x\n",
            ),
            ("proc/1/net/sockstat6", "TCP6: inuse 2\n"),
            (
                "proc/1/net/stat/nf_conntrack",
                "entries found drop\n0000000a 00000001 00000010\n0000000a 00000002 00000001\n",
            ),
        ],
        "",
        &[
            "linux.sockstat.sockets.used 26",
            "linux.sockstat.TCP.inuse 8",
            "linux.sockstat.TCP.mem 3",
            &format!("linux.sockstat.TCP.mem_bytes {bytes}"),
            "linux.sockstat.FRAG.inuse 0",
            "linux.sockstat.FRAG.memory 0",
            "linux.sockstat.TCP6.inuse 2",
            "linux.conntrack.drop 17",
            "linux.conntrack.found 3",
        ],
    );
}

#[test]
fn raids_bonds_and_disks_have_the_kernel_s_keys() {
    check_table(
        &[
            (
                "proc/mdstat",
                "Personalities : [raid1]\nmd0 : active raid1 sdb1[1](F) sda1[0]\n      1000 blocks super 1.2 [2/1] [U_]\n      [=>..]  recovery =  8.5% (85/1000) finish=1.0min speed=1K/sec\n\nunused devices: <none>\n",
            ),
            ("sys/class/net/bonding_masters", "bond0\n"),
            ("sys/class/net/bond0/bonding/slaves", "eth0 eth1\n"),
            ("sys/class/net/eth0/bonding_slave/mii_status", "up\n"),
            ("sys/class/nvme/nvme0/model", "Fast One\n"),
        ],
        "",
        &[
            "linux.bonding.slaves network.interface.name=bond0 2",
            "linux.bonding.active network.interface.name=bond0 1",
            "linux.nvme.info linux.nvme.model=Fast One system.device=nvme0 1",
            "linux.md.disks linux.md.state=failed system.device=md0 1",
            "linux.md.disks linux.md.state=spare system.device=md0 0",
            "linux.md.state linux.md.state=active system.device=md0 0",
            "linux.md.state linux.md.state=inactive system.device=md0 0",
            "linux.md.state linux.md.state=recovering system.device=md0 1",
            "linux.md.state linux.md.state=resync system.device=md0 0",
            "linux.md.state linux.md.state=check system.device=md0 0",
            "linux.md.disks_required system.device=md0 2",
            "linux.md.disks linux.md.state=active system.device=md0 1",
        ],
    );
}

#[test]
fn each_scraper_says_how_it_fared_where_the_tables_are_read() {
    let folder = folder(&[("x", "")]);
    let mut host = host(&folder, "linux: , load: ");
    let lines = lines(&host.scrape(TIME));
    assert!(lines.contains(&"linux.scraper.success linux.scraper=load 0".to_owned()), "{lines:#?}");
    assert!(lines.contains(&"linux.scraper.success linux.scraper=linux 1".to_owned()), "{lines:#?}");
    assert_eq!(lines.iter().filter(|line| line.starts_with("linux.scraper.duration")).count(), 2);
}

#[test]
fn keys_are_bounded_and_what_counts_has_a_start() {
    let long = "x".repeat(200);
    let folder = folder(&[
        ("proc/stat", STAT),
        ("proc/vmstat", &format!("pgfault 1\nnr_dirty 2\nworkingset_nodes 4\n{long} 3\n")),
    ]);
    let mut host = host(&folder, "linux: ");
    let batch = host.scrape(TIME);
    let start = |name: &str| {
        batch.iter().find(|point| point.series.metric().name == name).map(|point| point.start_unix_nano)
    };
    assert_eq!(start("linux.vmstat.pgfault"), Some(1_600_000_000_000_000_000));
    assert_eq!(start("linux.vmstat.nr_dirty"), Some(0));
    assert_eq!(start("linux.vmstat.workingset_nodes"), Some(0));
    assert!(host.errors()[0].1.contains("too many keys"), "{:?}", host.errors());
    write(folder.path(), "proc/vmstat", "nr_dirty 2\n");
    let second = lines(&host.scrape(TIME + 1));
    assert!(second.contains(&"linux.vmstat.pgfault STALE".to_owned()), "{second:#?}");
}
