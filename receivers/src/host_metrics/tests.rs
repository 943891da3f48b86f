//! Hosts made of files in a temporary folder, and what is read of them.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use ::config::Section;
use pipeline::net::Net;
use pipeline::output::Sink;
use pipeline::point::{Point, Value};
use pipeline::{Clock, Registry};
use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

mod devices;
mod kernel;
mod names;

const TIME: u64 = 1_700_000_000_000_000_000;

const STAT: &str = "cpu  300 0 100 600 0 0 0 0 0 0\ncpu0 100 0 50 350 0 0 0 0 0 0\n\
                    cpu12 200 1 50 250 10 2 3 4 0 0\nintr 1 2\nctxt 5\nbtime 1600000000\nprocesses 77\n";

fn context() -> Context {
    Context {
        id: "host_metrics".to_owned(),
        registry: Arc::new(Registry::new(10_000)),
        clock: Clock::starting_at(TIME),
        meter: opentelemetry::global::meter("test").into(),
        net: Arc::new(Net::default()),
        mappings: Arc::default(),
        storages: Arc::default(),
    }
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(folder.path(), path, text);
    }
    folder
}

fn write(folder: &Path, path: &str, text: &str) {
    let path = folder.join(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A host that reads `folder` with these scrapers, in YAML.
fn host(folder: &TempDir, scrapers: &str) -> Host {
    let yaml = format!("{{root_path: {}, scrapers: {{{scrapers}}}}}", folder.path().display());
    let config: Config = Section::from_yaml("receivers.host_metrics", &yaml).unwrap().read().unwrap();
    Host::new(&Plan::of(&config).unwrap(), &context(), AtWork::default())
}

fn line(point: &Point) -> String {
    let pair = |(key, value): (&str, pipeline::ValueRef<'_>)| match value.to_owned() {
        pipeline::AnyValue::String(text) => format!(" {key}={text}"),
        pipeline::AnyValue::Int(number) => format!(" {key}={number}"),
        other => format!(" {key}={other:?}"),
    };
    let attributes: String = point.series.attributes().iter().map(pair).collect();
    let value = match &point.value {
        Value::Int(number) => number.to_string(),
        Value::Double(number) => format!("{number:?}"),
        Value::Empty => "STALE".to_owned(),
        other => format!("{other:?}"),
    };
    format!("{}{attributes} {value}", point.series.metric().name)
}

fn lines(batch: &Batch) -> Vec<String> {
    batch.iter().map(line).collect()
}

/// One scraper on a host of these files; no error may come.
#[track_caller]
fn check(files: &[(&str, &str)], scrapers: &str, expected: &[&str]) {
    let folder = folder(files);
    let mut host = host(&folder, scrapers);
    assert_eq!(lines(&host.scrape(TIME)), expected);
    assert_eq!(host.errors(), []);
}

#[track_caller]
fn check_error(files: &[(&str, &str)], scrapers: &str, expected: &[&str], error: &str) {
    let folder = folder(files);
    let mut host = host(&folder, scrapers);
    assert_eq!(lines(&host.scrape(TIME)), expected);
    let errors = host.errors();
    assert!(errors.iter().any(|(_, message)| message.contains(error)), "{errors:?}");
}

#[test]
fn processor_time_is_told_by_processor_and_mode() {
    check(
        &[
            ("proc/stat", "cpu12 200 1 50 250 10 2 3 4 0 0\nbtime 1\n"),
            ("proc/pressure/cpu", "some avg10=0.00 total=1500000\nodd\n"),
        ],
        "cpu: {metrics: {system.cpu.logical.count: {enabled: true}}}",
        &[
            "system.cpu.linux.pressure.total system.pressure.stall_type=some 1.5",
            "system.cpu.linux.pressure.share system.pressure.stall_type=some system.pressure.window=10s 0.0",
            "system.cpu.logical.count 1",
            "system.cpu.time cpu.logical_number=12 cpu.mode=user 2.0",
            "system.cpu.time cpu.logical_number=12 cpu.mode=nice 0.01",
            "system.cpu.time cpu.logical_number=12 cpu.mode=system 0.5",
            "system.cpu.time cpu.logical_number=12 cpu.mode=idle 2.5",
            "system.cpu.time cpu.logical_number=12 cpu.mode=iowait 0.1",
            "system.cpu.time cpu.logical_number=12 cpu.mode=interrupt 0.02",
            "system.cpu.time cpu.logical_number=12 cpu.mode=softirq 0.03",
            "system.cpu.time cpu.logical_number=12 cpu.mode=steal 0.04",
        ],
    );
}

#[test]
fn utilization_needs_two_scrapes_and_counters_that_go_forward() {
    let folder = folder(&[("proc/stat", "cpu0 100 0 0 100 0 0 0 0\n")]);
    let metrics = "system.cpu.time: {enabled: false}, system.cpu.utilization: {enabled: true}";
    let mut host = host(&folder, &format!("cpu: {{metrics: {{{metrics}}}}}"));
    assert!(host.scrape(TIME).is_empty());
    write(folder.path(), "proc/stat", "cpu0 125 0 0 175 0 0 0 0\n");
    let batch = host.scrape(TIME + 1);
    assert_eq!(lines(&batch)[0], "system.cpu.utilization cpu.logical_number=0 cpu.mode=user 0.25");
    assert_eq!(lines(&batch)[3], "system.cpu.utilization cpu.logical_number=0 cpu.mode=idle 0.75");
    write(folder.path(), "proc/stat", "cpu0 100 0 0 175 0 0 0 0\n");
    let last = host.scrape(TIME + 2);
    assert_eq!(last.len(), batch.len());
    assert!(last.iter().all(Point::is_stale));
}

#[test]
fn what_the_kernel_takes_back_is_held_unless_a_processor_counts_anew() {
    let folder = folder(&[("proc/stat", "cpu0 100 0 0 1000 50 0 0 0\n")]);
    let mut host = host(&folder, "cpu: ");
    host.scrape(TIME);
    let mut told = |text: &str, after: u64| {
        write(folder.path(), "proc/stat", text);
        let lines = lines(&host.scrape(TIME + after));
        let value = |mode: &str| {
            let start = format!("system.cpu.time cpu.logical_number=0 cpu.mode={mode} ");
            lines.iter().find_map(|line| line.strip_prefix(&start).map(str::to_owned)).unwrap()
        };
        ["user", "idle", "iowait"].map(value)
    };
    assert_eq!(told("cpu0 110 0 0 990 20 0 0 0\n", 1), ["1.1", "10.0", "0.5"]);
    // From the highest that was told, not from what was read last.
    assert_eq!(told("cpu0 110 0 0 995 30 0 0 0\n", 2), ["1.1", "10.0", "0.5"]);
    assert_eq!(told("cpu0 120 0 0 1010 60 0 0 0\n", 3), ["1.2", "10.1", "0.6"]);
    assert_eq!(told("cpu0 5 0 0 10 1 0 0 0\n", 4), ["0.05", "0.1", "0.01"]);
}

#[test]
fn load_may_be_told_by_processor() {
    let files = [("proc/loadavg", "1.0 0.5 0.25 1/2 3\n"), ("proc/stat", STAT)];
    let expected = |loads: [&str; 3]| {
        ["1m", "5m", "15m"]
            .into_iter()
            .zip(loads)
            .map(|(span, load)| format!("system.cpu.load_average.{span} {load}"))
            .collect::<Vec<_>>()
    };
    let whole = expected(["1.0", "0.5", "0.25"]);
    check(&files, "load: ", &whole.iter().map(String::as_str).collect::<Vec<_>>());
    let shared = expected(["0.5", "0.25", "0.125"]);
    check(&files, "load: {cpu_average: true}", &shared.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn used_memory_is_what_is_not_available() {
    let text = "MemTotal: 1000 kB\nMemFree: 300 kB\nMemAvailable: 600 kB\nBuffers: 20 kB\nCached: 100 kB\nHugePages_Total: 4\nHugePages_Free: 1\n";
    check(
        &[("proc/meminfo", text)],
        "memory: {metrics: {system.memory.utilization: {enabled: true}, system.linux.memory.available: {enabled: false}}}",
        &[
            "system.memory.usage system.memory.state=used 409600",
            "system.memory.utilization system.memory.state=used 0.4",
            "system.memory.usage system.memory.state=free 307200",
            "system.memory.utilization system.memory.state=free 0.3",
            "system.memory.usage system.memory.state=buffers 20480",
            "system.memory.utilization system.memory.state=buffers 0.02",
            "system.memory.usage system.memory.state=cached 102400",
            "system.memory.utilization system.memory.state=cached 0.1",
            "system.memory.limit 1024000",
            "system.memory.linux.hugepages.limit 4",
            "system.memory.linux.hugepages.usage system.memory.linux.hugepages.state=used 3",
            "system.memory.linux.hugepages.usage system.memory.linux.hugepages.state=free 1",
        ],
    );
}

#[test]
fn swap_is_told_by_device_and_faults_by_kind() {
    check(
        &[
            ("proc/swaps", "Filename Type Size Used Priority\n/dev/sda2 partition 8 2 -2\n"),
            ("proc/vmstat", "pgpgin 1\npgpgout 2\npswpin 3\npgfault 10\npgmajfault 4\n"),
        ],
        "paging: ",
        &[
            "system.paging.usage system.device=/dev/sda2 system.paging.state=used 2048",
            "system.paging.usage system.device=/dev/sda2 system.paging.state=free 6144",
            "system.paging.operations system.paging.direction=in system.paging.fault.type=major 3",
            "system.paging.operations system.paging.direction=in system.paging.fault.type=minor 1",
            "system.paging.operations system.paging.direction=out system.paging.fault.type=minor 2",
            "system.paging.faults system.paging.fault.type=major 4",
            "system.paging.faults system.paging.fault.type=minor 6",
        ],
    );
}

#[test]
fn disks_are_told_but_for_spare_ones_and_those_left_out() {
    let text = "7 0 loop0 0 0 0 0 0 0 0 0 0 0 0\n8 0 sda 1 2 3 4000 5 6 7 8000 9 10000 11000 0 0\n8 1 sda1 1 1 1 1 1 1 1 1 1 1 1\n";
    check(
        &[("proc/diskstats", text)],
        "disk: {exclude: {devices: ['[0-9]$'], match_type: regexp}}",
        &[
            "system.disk.operations disk.io.direction=read system.device=sda 1",
            "system.disk.merged disk.io.direction=read system.device=sda 2",
            "system.disk.io disk.io.direction=read system.device=sda 1536",
            "system.disk.operation_time disk.io.direction=read system.device=sda 4.0",
            "system.disk.operations disk.io.direction=write system.device=sda 5",
            "system.disk.merged disk.io.direction=write system.device=sda 6",
            "system.disk.io disk.io.direction=write system.device=sda 3584",
            "system.disk.operation_time disk.io.direction=write system.device=sda 8.0",
            "system.disk.pending_operations system.device=sda 9",
            "system.disk.io_time system.device=sda 10.0",
            "system.disk.weighted_io_time system.device=sda 11.0",
        ],
    );
}

#[test]
fn interfaces_and_connections_are_those_of_the_hosts_first_process() {
    let dev = "Inter-|  Receive\n face |bytes packets\n  lo: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\neth0:10 20 30 40 0 0 0 0 50 60 70 80 0 0 0 0\n";
    let folder = folder(&[
        ("proc/1/net/dev", dev),
        ("proc/self/net/dev", "h\nh\nour0: 1 1 1 1 0 0 0 0 1 1 1 1 0 0 0 0\n"),
        ("proc/self/net/tcp", "head\n 0: 0:1 0:0 0A 0\n 1: 0:1 0:0 01 0\n 2: 0:1 0:0 FF 0\nodd\n"),
        ("proc/self/net/tcp6", "head\n 0: 0:1 0:0 01 0\n"),
    ]);
    let mut host = host(&folder, "network: {include: {interfaces: [eth0], match_type: strict}}");
    let lines = lines(&host.scrape(TIME));
    let interface = "network.interface.name=eth0 network.io.direction";
    assert!(
        lines.contains(
            &"system.network.connection.count network.connection.state=established network.transport=tcp 2"
                .to_owned()
        )
    );
    assert!(
        lines.contains(
            &"system.network.connection.count network.connection.state=closing network.transport=tcp 0"
                .to_owned()
        )
    );
    assert_eq!(
        lines[11..],
        [
            format!("system.network.io {interface}=receive 10"),
            "system.network.packet.count network.io.direction=receive system.device=eth0 20".to_owned(),
            format!("system.network.errors {interface}=receive 30"),
            format!("system.network.packet.dropped {interface}=receive 40"),
            format!("system.network.io {interface}=transmit 50"),
            "system.network.packet.count network.io.direction=transmit system.device=eth0 60".to_owned(),
            format!("system.network.errors {interface}=transmit 70"),
            format!("system.network.packet.dropped {interface}=transmit 80"),
        ]
    );
}

const PROCESS: &str = "(runner) S 1 1 1 0 -1 0 102 0 3 0 700 800 0 0 20 0 2 0 1000 3000 384 1 1 2 3 0 0 0 0 0 0 0 0 0 17 1 0 0 900 0 0";

#[test]
fn the_kernel_tells_what_it_is() {
    check(
        &[
            ("proc/uptime", "60.5 100\n"),
            ("proc/sys/kernel/ostype", "Linux\n"),
            ("proc/sys/kernel/osrelease", "6.8.0-45-generic\n"),
            ("proc/sys/kernel/version", "#45-Ubuntu SMP\n"),
            ("proc/sys/kernel/arch", "riscv64\n"),
        ],
        "system: ",
        &[
            "system.uptime 60.5",
            "system.kernel.info system.kernel.architecture=riscv64 system.kernel.name=Linux \
             system.kernel.release=6.8.0-45-generic system.kernel.version=#45-Ubuntu SMP 1",
        ],
    );
}

#[test]
fn a_kernel_before_arch_runs_on_our_processor() {
    let architecture = sysinfo::System::cpu_arch();
    let kernel = format!(
        "system.kernel.info system.kernel.architecture={architecture} system.kernel.release=5.15.0 1"
    );
    check(
        &[("proc/uptime", "1 1\n"), ("proc/sys/kernel/osrelease", "5.15.0\n")],
        "system: ",
        &["system.uptime 1.0", &kernel],
    );
}

#[test]
fn processes_are_counted_by_state() {
    check(
        &[
            ("proc/stat", STAT),
            ("proc/1/stat", &format!("1 {PROCESS}")),
            ("proc/2/stat", &format!("2 {PROCESS}")),
            ("proc/3/stat", &format!("3 {}", PROCESS.replace(") S", ") Z"))),
            ("proc/4/none", ""),
        ],
        "processes: ",
        &[
            "system.process.count process.state=defunct 1",
            "system.process.count process.state=running 0",
            "system.process.count process.state=sleeping 2",
            "system.process.count process.state=stopped 0",
            "system.thread.count 6",
            "system.process.created 77",
        ],
    );
}

#[test]
fn the_collector_tells_about_itself() {
    let folder = folder(&[
        ("etc/hostname", "node-1\n"),
        ("proc/stat", STAT),
        ("proc/uptime", "60.5 100\n"),
        ("proc/self/stat", &format!("42 {PROCESS}")),
        (
            "proc/self/status",
            "Name: x\nVmRSS:\t 8 kB\nvoluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t6\n",
        ),
        ("proc/self/io", "rchar: 1\nread_bytes: 11\nwrite_bytes: 12\n"),
        ("proc/self/fd/0", ""),
        ("proc/self/fd/1", ""),
    ]);
    let mut host = host(&folder, "process: , system: ");
    let batch = host.scrape(TIME);
    assert_eq!(
        lines(&batch),
        [
            "process.uptime 50.5",
            "process.cpu.time cpu.mode=user 7.0",
            "process.cpu.time cpu.mode=system 8.0",
            "process.cpu.time cpu.mode=wait 9.0",
            "process.memory.virtual 3000",
            "process.thread.count 2",
            "process.paging.faults system.paging.fault.type=major 3",
            "process.paging.faults system.paging.fault.type=minor 102",
            "process.memory.usage 8192",
            "process.context_switches process.context_switch.type=voluntary 5",
            "process.context_switches process.context_switch.type=involuntary 6",
            "process.disk.io disk.io.direction=read 11",
            "process.disk.io disk.io.direction=write 12",
            "process.unix.file_descriptor.count 2",
            "system.uptime 60.5",
        ]
    );
    let points: Vec<_> = batch.iter().collect();
    let resource = |point: &Point, key: &str| {
        let attribute = point.series.resource().attributes.get(key);
        attribute.map(|value| format!("{:?}", value.to_owned()))
    };
    assert_eq!(resource(points[1], "process.pid").as_deref(), Some("Int(42)"));
    assert_eq!(resource(points[1], "process.executable.name").as_deref(), Some("String(\"runner\")"));
    assert_eq!(resource(points[14], "process.pid"), None);
    assert_eq!(resource(points[14], "host.name").as_deref(), Some("String(\"node-1\")"));
    assert_eq!(resource(points[14], "os.type").as_deref(), Some("String(\"linux\")"));
    // Counting began ten seconds after the host was started; a gauge counts nothing.
    assert_eq!(points[1].start_unix_nano, 1_600_000_010_000_000_000);
    assert_eq!(points[0].start_unix_nano, 0);
    assert_eq!(points[0].time_unix_nano, TIME);
}

#[test]
fn processes_asked_for_by_name_are_told_once_old_enough() {
    let files = [
        ("proc/uptime", "60.5 100\n"),
        ("proc/stat", STAT),
        ("proc/7/stat", &format!("7 {PROCESS}")),
        ("proc/8/stat", &format!("8 {}", PROCESS.replace("runner", "other"))),
        ("proc/9/stat", &format!("9 {}", PROCESS.replace(" 1000 3000", " 6000 3000"))),
    ];
    let folder = folder(&files.each_ref().map(|(path, text)| (*path, *text)));
    let only = "include: {names: [^run], match_type: regexp}, scrape_process_delay: 5s";
    let mut host = host(&folder, &format!("process: {{{only}}}"));
    let batch = host.scrape(TIME);
    let count = batch.iter().filter(|point| point.series.metric().name == "process.uptime").count();
    assert_eq!(count, 1);
}

#[test]
fn a_file_system_is_asked_under_the_root() {
    let folder = folder(&[(
        "proc/1/mountinfo",
        "1 0 8:1 / / ro - ext4 /dev/sda1 rw\n2 1 0:5 / /proc rw - proc proc rw\n3 1 0:6 / /none rw - xfs /dev/sdb rw\n4 1 0:7 / /auto rw - autofs x rw\n",
    )]);
    let mut host = host(&folder, "filesystem: {metrics: {system.filesystem.utilization: {enabled: true}}}");
    let batch = host.scrape(TIME);
    let (answers, lines): (Vec<_>, Vec<_>) =
        lines(&batch).into_iter().partition(|line| line.starts_with("system.filesystem.device_error"));
    let answer = |device: &str, point: &str, fs_type: &str, error: u64| {
        format!(
            "system.filesystem.device_error system.device={device} system.filesystem.mountpoint={point} \
             system.filesystem.type={fs_type} {error}"
        )
    };
    assert_eq!(answers, [answer("/dev/sda1", "/", "ext4", 0), answer("/dev/sdb", "/none", "xfs", 1)]);
    let labels =
        "system.device=/dev/sda1 system.filesystem.mode=ro system.filesystem.mountpoint=/ system.filesystem";
    assert!(
        lines[0].starts_with(&format!(
            "system.filesystem.usage {labels}.state=used system.filesystem.type=ext4 "
        ))
    );
    assert!(lines.iter().all(|line| line.contains("mountpoint=/ ")), "{lines:#?}");
    assert!(lines.iter().any(|line| line.starts_with("system.filesystem.limit")));
    let shares: f64 = batch
        .iter()
        .filter(|point| point.series.metric().name == "system.filesystem.utilization")
        .map(|point| match point.value {
            Value::Double(share) => share,
            _ => f64::NAN,
        })
        .sum();
    assert!((shares - 1.0).abs() < 1e-9, "{shares}");
    assert!(host.errors()[0].1.contains("cannot ask the mount `/none`"), "{:?}", host.errors());
}

#[test]
fn what_cannot_be_read_is_absent_and_counted() {
    for name in
        ["cpu", "load", "memory", "paging", "disk", "filesystem", "network", "processes", "process", "system"]
    {
        check_error(&[("x", "")], &format!("{name}: "), &[], "cannot read");
    }
    check_error(&[("proc/stat", "garbage")], "cpu: ", &[], "names no processor");
    check_error(&[("proc/meminfo", "MemTotal: x kB\n")], "memory: ", &[], "no MemTotal");
    check_error(&[("proc/diskstats", "8 0 sda 1 x\n")], "disk: ", &[], "numbers of disk `sda`");
    check_error(&[("proc/uptime", "nan?")], "system: ", &[], "does not begin with a number");
    check_error(&[("proc/uptime", "1"), ("proc/self/stat", "(")], "process: ", &[], "is not as expected");
    let overflow = format!("MemTotal: {0} kB\nMemFree: {0} kB\n", u64::MAX);
    check_error(&[("proc/meminfo", &overflow)], "memory: ", &[], "no MemTotal");
}

#[test]
fn a_failed_scraper_does_not_stop_the_others() {
    let folder = folder(&[("proc/uptime", "5.0\n")]);
    assert_eq!(lines(&host(&folder, "load: , memory: , system: ").scrape(TIME)), ["system.uptime 5.0"]);
}

#[test]
fn series_are_resolved_once_and_end_with_a_marker() {
    let swaps = |devices: &[&str]| {
        let lines: String = devices.iter().map(|device| format!("{device} file 8 2 0\n")).collect();
        format!("head\n{lines}")
    };
    let folder = folder(&[("proc/vmstat", ""), ("proc/swaps", &swaps(&["a", "b"]))]);
    let mut host = host(&folder, "paging: ");
    let first = host.scrape(TIME);
    write(folder.path(), "proc/swaps", &swaps(&["a"]));
    let second = host.scrape(TIME + 1);
    let of_a = |batch: &Batch| batch.iter().next().unwrap().series.clone();
    assert_eq!(of_a(&first), of_a(&second));
    let mut ended = lines(&second).split_off(2);
    ended.sort();
    assert_eq!(
        ended,
        [
            "system.paging.usage system.device=b system.paging.state=free STALE",
            "system.paging.usage system.device=b system.paging.state=used STALE",
        ]
    );
    assert_eq!(host.scrape(TIME + 2).len(), 2);
    // A line that comes twice is told once.
    write(folder.path(), "proc/swaps", &swaps(&["a", "a"]));
    assert_eq!(host.scrape(TIME + 3).len(), 2);
    assert!(host.errors()[0].1.contains("two readings"), "{:?}", host.errors());
}

fn problems(yaml: &str) -> Vec<String> {
    let section = Section::from_yaml("receivers.host_metrics", yaml).unwrap();
    let problems = build(&section, &context()).err().unwrap_or_default();
    problems.0.iter().map(ToString::to_string).collect()
}

#[test]
fn the_example_builds_and_an_empty_section_reads_everything() {
    let section = Section::from_yaml("receivers.host_metrics", ENTRY.example).unwrap();
    build(&section, &context()).unwrap_or_else(|problems| panic!("{problems}"));
    (ENTRY.effective)(&section).unwrap();
    let plan = Plan::of(&Config::default()).unwrap();
    assert_eq!(
        plan.describe(),
        "reading cpu, load, memory, numa, paging, disk, network, processes, process, cgroup, \
         clock, system, filesystem, nfs, infiniband, hardware under /"
    );
}

#[test]
fn every_problem_is_reported() {
    let yaml = "{collection_interval: 0s, scrapers: {disk: {include: {devices: ['(']}, exclude: {match_type: strict}}, cpu: {metrics: {system.cpu.tme: {enabled: true}}}}}";
    let problems = problems(yaml);
    let expected = [
        "collection_interval: must be above zero",
        "scrapers.disk.include.match_type: expected `strict` or `regexp`",
        "scrapers.disk.exclude.devices: needs at least one entry",
        "scrapers.cpu.metrics.system.cpu.tme: unknown metric; did you mean `system.cpu.time`?",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "`{problem}` should contain `{expected}`");
    }
}

#[tokio::test]
async fn at_a_reload_what_the_next_does_not_read_ends() {
    let folder =
        folder(&[("proc/uptime", "5.0\n"), ("proc/vmstat", ""), ("proc/swaps", "head\na file 8 2 0\n")]);
    let context = context();
    let (old, new) = (Term::default(), Term::default());
    let scraper = |scrapers: &str, term: &Term| {
        let yaml = format!("{{root_path: {}, scrapers: {{{scrapers}}}}}", folder.path().display());
        let config: Config = Section::from_yaml("receivers.host_metrics", &yaml).unwrap().read().unwrap();
        term.claim(CLAIM);
        let plan = Plan::of(&config).unwrap();
        let mut scraper = HostScraper::new(plan, Duration::from_secs(9), context.clone());
        scraper.term = term.clone();
        scraper
    };
    let mut before = scraper("system: , paging: ", &old);
    assert_eq!(before.scrape(TIME).await.len(), 3);
    old.end(Some(new.clone()));
    let mut after = scraper("system: ", &new);
    assert_eq!(lines(&before.retire(TIME)), [""; 0]);
    let mut shown = lines(&after.scrape(TIME).await);
    shown.sort();
    assert_eq!(
        shown,
        [
            "system.paging.usage system.device=a system.paging.state=free STALE",
            "system.paging.usage system.device=a system.paging.state=used STALE",
            "system.uptime 5.0",
        ]
    );
    new.end(None);
    assert_eq!(lines(&after.retire(TIME)), ["system.uptime STALE"]);
}

#[tokio::test]
async fn the_receiver_hands_over_what_it_reads_until_it_is_stopped() {
    let folder = folder(&[("proc/uptime", "5.0\n")]);
    let yaml =
        format!("{{initial_delay: 0s, root_path: {}, scrapers: {{system: }}}}", folder.path().display());
    let section = Section::from_yaml("receivers.host_metrics", &yaml).unwrap();
    let receiver = build(&section, &context()).unwrap_or_else(|problems| panic!("{problems}"));
    let (sink, stop) = (Sink::new(), CancellationToken::new());
    let running = receiver.start(sink.output(), stop.clone()).await.unwrap_or_else(|error| panic!("{error}"));
    let work = tokio::spawn(running.work);
    let batches = loop {
        let batches = sink.take();
        if !batches.is_empty() {
            break batches;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(lines(&batches[0]), ["system.uptime 5.0"]);
    stop.cancel();
    work.await.unwrap();
}

#[test]
fn what_may_block_is_read_last_and_what_is_being_read_can_be_seen() {
    let folder = folder(&[("proc/uptime", "5.0 1.0\n")]);
    let yaml = format!(
        "{{root_path: {}, scrapers: {{hardware: , nfs: , filesystem: , system: }}}}",
        folder.path().display()
    );
    let config: Config = Section::from_yaml("receivers.host_metrics", &yaml).unwrap().read().unwrap();
    let plan = Plan::of(&config).unwrap();
    assert!(
        plan.describe().starts_with("reading system, filesystem, nfs, hardware under "),
        "{}",
        plan.describe()
    );
    let at_work = AtWork::default();
    let mut host = Host::new(&plan, &context(), at_work.clone());
    assert_eq!(at_work.part(), "");
    host.scrape(TIME);
    assert_eq!(at_work.part(), "hardware");
}

#[test]
fn this_machine_can_be_read() {
    let mut host = Host::new(&Plan::of(&Config::default()).unwrap(), &context(), AtWork::default());
    let batch = host.scrape(TIME);
    for name in ["system.cpu.time", "system.memory.usage", "system.uptime", "process.cpu.time"] {
        assert!(batch.iter().any(|point| point.series.metric().name == name), "{name}");
    }
}

/// Every file whose text is more than a number.
const FILES: [&str; 62] = [
    "proc/stat",
    "proc/loadavg",
    "proc/meminfo",
    "proc/swaps",
    "proc/vmstat",
    "proc/diskstats",
    "proc/uptime",
    "proc/1/net/dev",
    "proc/1/net/tcp",
    "proc/1/net/udp",
    "proc/1/net/arp",
    "proc/1/mountinfo",
    "proc/1/mountstats",
    "proc/1/stat",
    "proc/self/stat",
    "proc/self/status",
    "proc/self/io",
    "proc/self/limits",
    "proc/self/cgroup",
    "proc/pressure/cpu",
    "proc/pressure/irq",
    "proc/cpuinfo",
    "proc/schedstat",
    "proc/interrupts",
    "proc/softirqs",
    "proc/mdstat",
    "proc/1/net/rpc/nfs",
    "proc/1/net/netstat",
    "proc/1/net/snmp",
    "proc/1/net/snmp6",
    "proc/1/net/sockstat",
    "proc/1/net/softnet_stat",
    "proc/1/net/stat/nf_conntrack",
    "proc/sys/fs/file-nr",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/pid_max",
    "etc/os-release",
    "sys/class/dmi/id/sys_vendor",
    "sys/devices/system/node/node0/meminfo",
    "sys/devices/system/node/node0/numastat",
    "sys/devices/system/node/node0/hugepages/hugepages-4kB/nr_hugepages",
    "sys/devices/system/cpu/cpu0/topology/core_id",
    "sys/devices/system/edac/mc/mc0/ce_count",
    "sys/class/infiniband/a/ports/1/state",
    "sys/class/infiniband/a/ports/1/rate",
    "sys/class/infiniband/a/ports/1/counters/b",
    "sys/class/hwmon/hwmon0/temp1_input",
    "sys/class/hwmon/hwmon0/name",
    "sys/class/hwmon/hwmon0/_",
    "sys/class/thermal/thermal_zone0/temp",
    "sys/class/powercap/a/energy_uj",
    "sys/class/net/a/speed",
    "sys/class/net/a/operstate",
    "sys/class/net/bonding_masters",
    "sys/class/nvme/a/model",
    "sys/fs/cgroup/cgroup.controllers",
    "sys/fs/cgroup/memory.events",
    "sys/fs/cgroup/cpu.max",
    "sys/fs/cgroup/cpu.stat",
    "sys/fs/cgroup/memory/memory.oom_control",
    "sys/fs/cgroup/io.pressure",
    "sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_content_panics(text in r"((cpu|cpu0|btime|MemTotal:|MemFree:|a|-1|99999999999999999999|18446744073709551615|7|\(|\)|:|-|/|total=|some|\\040|é| |\t|\n|Tcp:|Ip6|Node 0 |device |with fstype nfs|cpu\n|CPU0 |md0 : |\[2/1\]|READ:|rpc|0::/|kB|  ){0,40})") {
        let files: Vec<_> = FILES.iter().map(|file| ((*file).to_owned(), text.as_str())).collect();
        let folder = folder(&files.iter().map(|(path, text)| (path.as_str(), *text)).collect::<Vec<_>>());
        for scrapers in ["", "linux: {metrics: {linux.interrupts: {enabled: true}, linux.softirqs: {enabled: true}}}"] {
            let mut host = host(&folder, scrapers);
            host.scrape(TIME);
            host.scrape(TIME + 1);
        }
    }
}
