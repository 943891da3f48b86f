//! Devices made of files: InfiniBand, sensors, memory controllers, disks, interfaces, and mounts of NFS.

use super::*;

#[test]
fn ports_of_infiniband_are_told_whatever_files_they_lack() {
    let port = "sys/class/infiniband/mlx5_0/ports/1";
    let device = "infiniband.device=mlx5_0 infiniband.port=1";
    check(
        &[
            ("sys/class/infiniband/mlx5_0/fw_ver", "20.35\n"),
            ("sys/class/infiniband/mlx5_0/hca_type", "MT4123\n"),
            (&format!("{port}/state"), "4: ACTIVE\n"),
            (&format!("{port}/phys_state"), "5: LinkUp\n"),
            (&format!("{port}/rate"), "200 Gb/sec (4X HDR)\n"),
            (&format!("{port}/counters/port_rcv_data"), "100\n"),
            (&format!("{port}/counters/symbol_error"), "3\n"),
            (&format!("{port}/counters/port_xmit_data"), "N/A (no PMA)\n"),
            (&format!("{port}/hw_counters/lifespan"), "10\n"),
            (&format!("{port}/hw_counters/out_of_sequence"), "7\n"),
            ("sys/class/infiniband/irdma0/ports/1/state", "nonsense\n"),
        ],
        "infiniband: ",
        &[
            "infiniband.info infiniband.device=irdma0 1",
            "infiniband.info infiniband.device=mlx5_0 infiniband.firmware.version=20.35 infiniband.hca.type=MT4123 1",
            &format!("infiniband.port.state {device} 4"),
            &format!("infiniband.port.physical_state {device} 5"),
            &format!("infiniband.port.rate {device} 25000000000.0"),
            &format!("infiniband.port.io {device} network.io.direction=receive 400"),
            &format!("linux.infiniband.counters.port_rcv_data {device} 100"),
            &format!("linux.infiniband.counters.symbol_error {device} 3"),
            &format!("linux.infiniband.hw_counters.out_of_sequence {device} 7"),
        ],
    );
    check(&[("x", "")], "infiniband: ", &[]);
}

const CHIP: &str = "sys/devices/pci0000:00/0000:00:18.3/hwmon/hwmon0";

/// A board with one chip of three sensors, of which one does not answer.
fn board() -> TempDir {
    let folder = folder(&[
        (&format!("{CHIP}/name"), "k10temp\n"),
        (&format!("{CHIP}/temp1_input"), "45500\n"),
        (&format!("{CHIP}/temp1_label"), "Tctl\n"),
        (&format!("{CHIP}/temp1_crit"), "90000\n"),
        (&format!("{CHIP}/temp1_crit_alarm"), "1\n"),
        (&format!("{CHIP}/temp2_input"), "nothing\n"),
        (&format!("{CHIP}/fan1_input"), "1200\n"),
        (&format!("{CHIP}/in0_input"), "1050\n"),
        (&format!("{CHIP}/power1_average"), "95000000\n"),
        (&format!("{CHIP}/uevent"), "\n"),
        ("sys/class/thermal/thermal_zone0/type", "acpitz\n"),
        ("sys/class/thermal/thermal_zone0/temp", "40000\n"),
        ("sys/class/thermal/thermal_zone1/type", "asleep\n"),
        ("sys/class/thermal/cooling_device0/type", "Processor\n"),
        ("sys/class/thermal/cooling_device0/cur_state", "2\n"),
        ("sys/devices/system/edac/mc/mc0/ce_count", "5\n"),
        ("sys/devices/system/edac/mc/mc0/ue_count", "0\n"),
        ("sys/devices/system/edac/mc/mc0/csrow1/ce_count", "4\n"),
        ("sys/class/powercap/intel-rapl:0/name", "package-0\n"),
        ("sys/class/powercap/intel-rapl:0/energy_uj", "9000000\n"),
        ("sys/class/powercap/intel-rapl:0/max_energy_range_uj", "10000000\n"),
        ("sys/class/powercap/intel-rapl:1/name", "not ours to read\n"),
    ]);
    let class = folder.path().join("sys/class/hwmon");
    fs::create_dir_all(&class).unwrap();
    std::os::unix::fs::symlink(folder.path().join(CHIP), class.join("hwmon0")).unwrap();
    std::os::unix::fs::symlink("../..", folder.path().join(CHIP).join("device")).unwrap();
    folder
}

#[test]
fn sensors_zones_memory_errors_and_energy_are_told() {
    let folder = board();
    let mut host = host(&folder, "hardware: {metrics: {hw.temperature.limit: {enabled: true}}}");
    let sensor = |number: &str, label: &str, end: &str| {
        format!(
            "hw.id=pci0000:00_0000:00:18_3/{number}{end} hw.name=k10temp hw.sensor_location={label} hw.type={{}} \
             hwmon.chip=pci0000:00_0000:00:18_3 hwmon.sensor={number}"
        )
    };
    let of = |text: String, kind: &str| text.replace("{}", kind);
    assert_eq!(
        lines(&host.scrape(TIME)),
        [
            format!("hw.fan.speed {} 1200.0", of(sensor("fan1", "fan1", ""), "fan")),
            format!("hw.voltage {} 1.05", of(sensor("in0", "in0", ""), "voltage")),
            format!("hw.power {} 95.0", of(sensor("power1", "power1", ""), "power")),
            format!(
                "hw.temperature.limit {} 90.0",
                of(sensor("temp1", "Tctl", " hw.limit_type=high.critical"), "temperature")
            ),
            format!("hw.temperature {} 45.5", of(sensor("temp1", "Tctl", ""), "temperature")),
            "hw.temperature hw.id=thermal_zone0 hw.name=acpitz hw.type=temperature 40.0".to_owned(),
            "hw.errors error.type=corrected hw.id=mc0 hw.type=memory 5".to_owned(),
            "hw.errors error.type=uncorrected hw.id=mc0 hw.type=memory 0".to_owned(),
            "hw.energy hw.id=intel-rapl:0 hw.name=package-0 hw.type=cpu 9.0".to_owned(),
        ]
    );
    // The counter has gone beyond its range and begun anew.
    write(folder.path(), "sys/class/powercap/intel-rapl:0/energy_uj", "2000000\n");
    let second = lines(&host.scrape(TIME + 1));
    assert!(second.last().unwrap().ends_with(" 12.0"), "{second:#?}");
    assert_eq!(host.errors(), []);
}

#[test]
fn the_kernel_s_own_names_of_sensors_are_among_its_tables() {
    let folder = board();
    let mut host = host(&folder, "linux: ");
    let lines = lines(&host.scrape(TIME));
    let chip = "hwmon.chip=pci0000:00_0000:00:18_3";
    for expected in [
        format!("linux.hwmon.chip.info {chip} hwmon.chip.name=k10temp 1"),
        format!("linux.hwmon.sensor.info {chip} hwmon.label=Tctl hwmon.sensor=temp1 1"),
        format!("linux.hwmon.temp.input {chip} hwmon.sensor=temp1 45.5"),
        format!("linux.hwmon.temp.crit {chip} hwmon.sensor=temp1 90.0"),
        format!("linux.hwmon.temp.crit_alarm {chip} hwmon.sensor=temp1 1.0"),
        format!("linux.hwmon.fan.input {chip} hwmon.sensor=fan1 1200.0"),
        "linux.thermal_zone.temp linux.thermal_zone.name=0 linux.thermal_zone.type=acpitz 40.0".to_owned(),
        "linux.cooling_device.cur_state linux.cooling_device.name=0 linux.cooling_device.type=Processor 2"
            .to_owned(),
        "linux.edac.ce_count linux.edac.controller=0 5".to_owned(),
        "linux.edac.ce_count linux.edac.controller=0 linux.edac.csrow=1 4".to_owned(),
        "linux.rapl.energy linux.rapl.name=package-0 linux.rapl.zone=intel-rapl:0 9.0".to_owned(),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:#?}");
    }
}

#[test]
fn later_columns_of_disks_and_what_disks_are_can_be_had() {
    let metrics = [
        "system.disk.discard.operations",
        "system.disk.discard.merged",
        "system.disk.discard.io",
        "system.disk.discard.operation_time",
        "system.disk.flush.operations",
        "system.disk.flush.operation_time",
        "system.disk.info",
    ];
    let metrics: String = metrics.iter().map(|metric| format!("{metric}: {{enabled: true}}, ")).collect();
    let folder = folder(&[
        (
            "proc/diskstats",
            "259 0 nvme0n1 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n8 0 sda 1 1 1 1 1 1 1 1 1 1 1\n",
        ),
        ("sys/class/block/nvme0n1/device/model", "Fast One \n"),
        ("sys/class/block/nvme0n1/queue/rotational", "0\n"),
    ]);
    let mut host = host(&folder, &format!("disk: {{metrics: {{{metrics}}}}}"));
    let lines = lines(&host.scrape(TIME));
    let later: Vec<_> =
        lines.iter().filter(|line| line.contains(".discard") || line.contains(".flush")).collect();
    assert_eq!(
        later,
        [
            "system.disk.discard.operations system.device=nvme0n1 12",
            "system.disk.discard.merged system.device=nvme0n1 13",
            "system.disk.discard.io system.device=nvme0n1 7168",
            "system.disk.discard.operation_time system.device=nvme0n1 0.015",
            "system.disk.flush.operations system.device=nvme0n1 16",
            "system.disk.flush.operation_time system.device=nvme0n1 0.017",
        ]
    );
    let infos: Vec<_> = lines.iter().filter(|line| line.starts_with("system.disk.info")).collect();
    assert_eq!(
        infos,
        [
            "system.disk.info system.device=nvme0n1 system.disk.major=259 system.disk.minor=0 \
             system.disk.model=Fast One system.disk.rotational=0 1",
            "system.disk.info system.device=sda system.disk.major=8 system.disk.minor=0 1",
        ]
    );
    assert_eq!(host.errors(), []);
}

/// Metrics of interfaces that must be switched on.
const OFF: [&str; 14] = [
    "system.network.fifo_errors",
    "system.network.compressed",
    "system.network.frame_errors",
    "system.network.multicast",
    "system.network.unhandled",
    "system.network.collisions",
    "system.network.carrier_errors",
    "system.network.interface.carrier",
    "system.network.interface.carrier.transitions",
    "system.network.interface.mtu",
    "system.network.interface.info",
    "system.network.queue.usage",
    "system.network.arp.entries",
    "system.network.conntrack.count",
];

#[test]
fn interfaces_say_what_they_are_and_how_they_are_connected() {
    let columns = "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n  lo: 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n";
    let switches: String = OFF.iter().map(|metric| format!("{metric}: {{enabled: true}}, ")).collect();
    let folder = folder(&[
        ("proc/1/net/dev", columns),
        ("proc/1/net/tcp", "head\n 0: 0100007F:1F90 00000000:0000 01 00000010:00000020 00:0 0 0 0 0\n"),
        ("proc/1/net/udp", "head\n 0: 0100007F:1F90 00000000:0000 07 00000001:00000002 00:0 0 0 0 0\n"),
        (
            "proc/1/net/arp",
            "IP HW Flags Address Mask Device\n10.0.0.1 0x1 0x2 aa * eth0\n10.0.0.2 0x1 0x2 aa * eth0\n10.0.0.2 0x1 0x2 aa * lo\n",
        ),
        ("proc/sys/net/netfilter/nf_conntrack_count", "12\n"),
        ("sys/class/net/eth0/operstate", "up\n"),
        ("sys/class/net/eth0/speed", "10000\n"),
        ("sys/class/net/eth0/carrier", "1\n"),
        ("sys/class/net/eth0/carrier_changes", "3\n"),
        ("sys/class/net/eth0/carrier_up_count", "2\n"),
        ("sys/class/net/eth0/carrier_down_count", "1\n"),
        ("sys/class/net/eth0/mtu", "9000\n"),
        ("sys/class/net/eth0/address", "02:00:00:00:00:01\n"),
        ("sys/class/net/eth0/flags", "0x1003\n"),
        ("sys/class/net/eth0/statistics/rx_nohandler", "6\n"),
    ]);
    let scrapers =
        format!("network: {{exclude: {{interfaces: [lo], match_type: strict}}, metrics: {{{switches}}}}}");
    let mut host = host(&folder, &scrapers);
    let lines = lines(&host.scrape(TIME));
    let eth0 = "network.interface.name=eth0";
    let of_hardware = "hw.id=eth0 hw.type=network network.interface.name=eth0";
    for expected in [
        format!("hw.network.up {of_hardware} 1"),
        format!("hw.network.bandwidth.limit {of_hardware} 1250000000.0"),
        format!("system.network.interface.carrier {eth0} 1"),
        format!("system.network.interface.carrier.changes {eth0} 3"),
        format!("system.network.interface.carrier.transitions network.interface.carrier=down {eth0} 1"),
        format!("system.network.interface.mtu {eth0} 9000"),
        format!(
            "system.network.interface.info network.interface.address=02:00:00:00:00:01 \
             network.interface.adminstate=up {eth0} network.interface.operstate=up 1"
        ),
        format!("system.network.unhandled {eth0} 6"),
        format!("system.network.fifo_errors {eth0} network.io.direction=receive 5"),
        format!("system.network.fifo_errors {eth0} network.io.direction=transmit 13"),
        format!("system.network.frame_errors {eth0} 6"),
        format!("system.network.compressed {eth0} network.io.direction=receive 7"),
        format!("system.network.compressed {eth0} network.io.direction=transmit 16"),
        format!("system.network.multicast {eth0} 8"),
        format!("system.network.collisions {eth0} 14"),
        format!("system.network.carrier_errors {eth0} 15"),
        format!("system.network.arp.entries {eth0} 2"),
        "system.network.conntrack.count 12".to_owned(),
        "system.network.queue.usage network.io.direction=receive network.transport=tcp network.type=ipv4 32"
            .to_owned(),
        "system.network.queue.usage network.io.direction=transmit network.transport=udp network.type=ipv4 1"
            .to_owned(),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:#?}");
    }
    assert!(!lines.iter().any(|line| line.contains("name=lo")), "{lines:#?}");
    assert_eq!(host.errors(), []);
}

#[test]
fn an_interface_without_a_link_has_no_speed() {
    let folder = folder(&[
        ("proc/1/net/dev", "eth0: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"),
        ("sys/class/net/eth0/operstate", "up\n"),
        ("sys/class/net/eth0/speed", "100\n"),
    ]);
    let mut host = host(&folder, "network: {metrics: {system.network.connections: {enabled: false}}}");
    host.scrape(TIME);
    write(folder.path(), "sys/class/net/eth0/speed", "-1\n");
    write(folder.path(), "sys/class/net/eth0/operstate", "down\n");
    let lines = lines(&host.scrape(TIME + 1));
    let eth0 = "hw.id=eth0 hw.type=network network.interface.name=eth0";
    assert!(lines.contains(&format!("hw.network.up {eth0} 0")), "{lines:#?}");
    assert!(lines.contains(&format!("hw.network.bandwidth.limit {eth0} STALE")), "{lines:#?}");
}

#[test]
fn the_client_of_nfs_and_its_mounts_are_told() {
    let stats = "device rootfs mounted on / with fstype rootfs\n\
        device nas:/models mounted on /models with fstype nfs4 statvers=1.1\n\
        \topts:\trw,vers=4.2,rsize=1048576,proto=tcp,clientaddr=10.0.0.2,addr=10.0.0.1\n\
        \tage:\t3600\n\
        \tcaps:\tcaps=0x3ffbffff\n\
        \tevents:\t1 2 3\n\
        \tbytes:\t10 20 30 40 50 60 7 8\n\
        \tRPC iostats version: 1.1  p/v: 100003/4 (nfs)\n\
        \txprt:\ttcp 0 0 1 0\n\
        \tper-op statistics\n\
        \t        READ: 5 7 1 100 200 1500 2500 4000 2\n\
        \t       WRITE: 5 x\n\
        \t      RENAME: 0 0 0 0 0 0 0 0 0\n\
        \t      ACCESS: 0 1 0 100 0 0 0 0 0\n\
        device nas:/x mounted on /x with fstype ext4\n\
        \tage:\t1\n";
    let folder = folder(&[
        ("proc/1/mountstats", stats),
        ("proc/1/net/rpc/nfs", "net 9 1 2 3\nrpc 4 5 6\nproc3 22 0 11\nproc4 3 0 12 13\nproc9 x\n"),
    ]);
    let mut host = host(&folder, "nfs: ");
    let lines = lines(&host.scrape(TIME));
    let mount = "network.peer.address=10.0.0.1";
    let end = "network.transport=tcp";
    let tail = "system.device=nas:/models system.filesystem.mountpoint=/models";
    let read = format!("{mount} {end} nfs.operation.name=READ {tail}");
    for expected in [
        "nfs.client.net.count network.transport=udp 1".to_owned(),
        "nfs.client.net.count network.transport=tcp 2".to_owned(),
        "nfs.client.net.tcp.connection.accepted 3".to_owned(),
        "nfs.client.rpc.count 4".to_owned(),
        "nfs.client.rpc.retransmit.count 5".to_owned(),
        "nfs.client.rpc.authrefresh.count 6".to_owned(),
        "nfs.client.procedure.count onc_rpc.procedure.name=getattr onc_rpc.version=3 11".to_owned(),
        "nfs.client.operation.count nfs.operation.name=read onc_rpc.version=4 12".to_owned(),
        "nfs.client.operation.count nfs.operation.name=write onc_rpc.version=4 13".to_owned(),
        format!("nfs.client.mount.age {mount} {end} {tail} 3600"),
        format!(
            "nfs.client.mount.io network.io.direction=receive {mount} {end} nfs.io.kind=normal {tail} 10"
        ),
        format!(
            "nfs.client.mount.io network.io.direction=transmit {mount} {end} nfs.io.kind=server {tail} 60"
        ),
        format!("nfs.client.mount.operation.count {read} 5"),
        format!("nfs.client.mount.operation.retransmissions {read} 2"),
        format!("nfs.client.mount.operation.timeouts {read} 1"),
        format!("nfs.client.mount.operation.queue_time {read} 1.5"),
        format!("nfs.client.mount.operation.response_time {read} 2.5"),
        format!("nfs.client.mount.operation.time {read} 4.0"),
        format!("nfs.client.mount.operation.errors {read} 2"),
        // Sent, and not answered yet.
        format!("nfs.client.mount.operation.count {} 0", read.replace("READ", "ACCESS")),
    ] {
        assert!(lines.contains(&expected), "{expected} is not in {lines:#?}");
    }
    assert!(
        !lines.iter().any(|line| line.contains("WRITE") || line.contains("RENAME") || line.contains("/x")),
        "{lines:#?}"
    );
    assert_eq!(host.errors(), []);
    check(&[("x", "")], "nfs: ", &[]);
}
