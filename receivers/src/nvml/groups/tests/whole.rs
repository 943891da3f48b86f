//! Boards that tell all that their kind can tell.

use super::*;

const H100: &str = "
driver: {version: 570.86.15}
gpus:
- name: NVIDIA H100 80GB HBM3
  architecture: 9
  cores: 16896
  utilization: {gpu: 40, memory: 20, encoder: 5, decoder: 6, jpeg: 7, ofa: 8}
  memory: {total: 85520809984, used: 1073741824, reserved: 536870912}
  bar1: {total: 137438953472, used: 1048576}
  temperature:
    gpu: 45
    memory: 50
    margin: 42
    thresholds: {shutdown: 92, slowdown: 89, memory_max: 95, gpu_max: 87}
    margins: {shutdown: -8, slowdown: -2, memory_max: 0, gpu_max: 0}
  power:
    usage: 350123
    average: 349000
    instant: 351500
    energy: 123456789
    limit: {requested: 700000, enforced: 650000, default: 700000, min: 200000, max: 700000}
  clocks: {graphics: 1980, sm: 1965, memory: 2619, video: 1545, max: {graphics: 1980, sm: 1980, memory: 2619, video: 1545}}
  throttle:
    reasons: 4
    time: {power: 1500000000, thermal: 2000000, sync_boost: 0, sw_thermal: 250000000, hw_thermal: 0, hw_power_brake: 7}
  performance_state: 0
  pcie: {generation: 5, width: 16, max_generation: 5, max_width: 16, replays: 3, tx: 5000000000, rx: 2000, tx_throughput: 100, rx_throughput: 200}
  nvlink: {links: 2, down: [1], version: 6, speed: 26562, tx: 10, rx: 20, errors: {replay: 1, recovery: 0, crc_flit: 2, crc_data: 3}}
  fabric: {state: 3}
  ecc:
    mode: 1
    pending: 1
    volatile: {corrected: {total: 2, dram: 2}, uncorrected: {total: 0, dram: 0, sram: 0}}
    aggregate: {corrected: {total: 12, sram: 3}, uncorrected: {total: 1, sram: 1}}
  rows: {corrected: 1, uncorrected: 0, pending: 0, failed: 0}
  modes: {persistence: 1, compute: 3, accounting: 0, display_active: 0, virtualization: 1}
  mig: {mode: 0, pending: 0, max: 7}
  recovery_action: 0
  gpm: {1: 50, 2: 40, 3: 12.5, 5: 30, 7: 25, 10: 45, 12: 2, 20: 1, 21: 2, 60: 4, 61: 8, 62: 1, 30: 10}
";

#[test]
fn a_board_tells_how_busy_it_is_and_what_it_holds() {
    check(
        H100,
        &["utilization", "memory"],
        &[],
        &[
            "hw.gpu.utilization 0.4",
            "nvidia.gpu.memory.io.utilization 0.2",
            "hw.gpu.utilization hw.gpu.task=encoder 0.05",
            "hw.gpu.utilization hw.gpu.task=decoder 0.06",
            "hw.gpu.utilization hw.gpu.task=jpeg 0.07",
            "hw.gpu.utilization hw.gpu.task=ofa 0.08",
            "hw.gpu.memory.usage 1073741824",
            "hw.gpu.memory.limit 85520809984",
            "hw.gpu.memory.utilization 0.012555328044728356",
            "nvidia.gpu.memory.free 83910197248",
            "nvidia.gpu.memory.reserved 536870912",
            "nvidia.gpu.bar1.memory.usage 1048576",
            "nvidia.gpu.bar1.memory.limit 137438953472",
        ],
    );
}

#[test]
fn a_board_tells_heat_power_and_clocks() {
    check(
        H100,
        &["temperature", "power", "energy", "clocks", "performance_state", "recovery"],
        &[],
        &[
            "hw.temperature hw.sensor_location=gpu 45",
            "hw.temperature hw.sensor_location=memory 50",
            "nvidia.gpu.temperature.margin 42",
            "hw.power 350.123",
            "nvidia.gpu.power nvidia.gpu.power.kind=average 349.0",
            "nvidia.gpu.power nvidia.gpu.power.kind=instant 351.5",
            "hw.energy 123456.789",
            "nvidia.gpu.clock.frequency nvidia.gpu.clock.type=graphics 1980000000",
            "nvidia.gpu.clock.frequency nvidia.gpu.clock.type=sm 1965000000",
            "nvidia.gpu.clock.frequency nvidia.gpu.clock.type=memory 2619000000",
            "nvidia.gpu.clock.frequency nvidia.gpu.clock.type=video 1545000000",
            "nvidia.gpu.performance_state 0",
            "nvidia.gpu.recovery_action 0",
        ],
    );
}

#[test]
fn a_board_tells_its_limits() {
    check(
        H100,
        &["limits"],
        &[],
        &[
            "hw.temperature.limit hw.limit_type=high.critical hw.sensor_location=gpu 92",
            "hw.temperature.limit hw.limit_type=high.degraded hw.sensor_location=gpu 89",
            "hw.temperature.limit hw.limit_type=max.operating hw.sensor_location=memory 95",
            "hw.temperature.limit hw.limit_type=max.operating hw.sensor_location=gpu 87",
            "nvidia.gpu.temperature.margin.limit hw.limit_type=high.critical hw.sensor_location=gpu -8",
            "nvidia.gpu.temperature.margin.limit hw.limit_type=high.degraded hw.sensor_location=gpu -2",
            "nvidia.gpu.temperature.margin.limit hw.limit_type=max.operating hw.sensor_location=memory 0",
            "nvidia.gpu.temperature.margin.limit hw.limit_type=max.operating hw.sensor_location=gpu 0",
            "hw.power.limit 650.0",
            "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=enforced 650.0",
            "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=requested 700.0",
            "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=default 700.0",
            "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=min 200.0",
            "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=max 700.0",
            "nvidia.gpu.clock.limit nvidia.gpu.clock.type=graphics 1980000000",
            "nvidia.gpu.clock.limit nvidia.gpu.clock.type=sm 1980000000",
            "nvidia.gpu.clock.limit nvidia.gpu.clock.type=memory 2619000000",
            "nvidia.gpu.clock.limit nvidia.gpu.clock.type=video 1545000000",
            "nvidia.gpu.pcie.link.generation.limit 5",
            "nvidia.gpu.pcie.link.width.limit 16",
        ],
    );
}

#[test]
fn a_board_tells_what_holds_its_clocks_down() {
    let key = "nvidia.gpu.clock.event_reason";
    let times = [
        "sw_power_cap 1.5",
        "thermal 0.002",
        "sync_boost 0.0",
        "sw_thermal_slowdown 0.25",
        "hw_thermal_slowdown 0.0",
        "hw_power_brake_slowdown 7e-9",
    ];
    let times = times.map(|time| format!("nvidia.gpu.clock.throttle.time {key}={time}"));
    assert_eq!(World::new(H100).board(&["throttle"], &[]).lines(), times);
    // Drivers from 580.82 on have the last three at other numbers.
    let newer = H100.replace("570.86.15", "580.95.05");
    assert_eq!(World::new(&newer).board(&["throttle"], &[]).lines(), times);
    let reasons = [
        "gpu_idle 0",
        "applications_clocks_setting 0",
        "sw_power_cap 1",
        "hw_slowdown 0",
        "sync_boost 0",
        "sw_thermal_slowdown 0",
        "hw_thermal_slowdown 0",
        "hw_power_brake_slowdown 0",
        "display_clock_setting 0",
    ];
    let reasons = reasons.map(|reason| format!("{key} {key}={reason}"));
    let world = World::new(H100);
    let lines = world.board(&["throttle"], &[key]).lines();
    assert_eq!(lines, [times.as_slice(), &reasons].concat());
}

#[test]
fn a_board_tells_its_links() {
    let links = "
        hw.gpu.io network.io.direction=transmit 5000000000
        hw.gpu.io network.io.direction=receive 2000
        nvidia.gpu.pcie.link.generation 5
        nvidia.gpu.pcie.link.width 16
        hw.errors error.type=pcie_replay 3
        nvidia.gpu.pcie.throughput network.io.direction=transmit 102400
        nvidia.gpu.pcie.throughput network.io.direction=receive 204800
        nvidia.gpu.nvlink.io network.io.direction=transmit 20480
        nvidia.gpu.nvlink.io network.io.direction=receive 40960
        nvidia.gpu.nvlink.errors error.type=crc_flit 4
        nvidia.gpu.nvlink.errors error.type=crc_data 6
        nvidia.gpu.nvlink.errors error.type=replay 2
        nvidia.gpu.nvlink.errors error.type=recovery 0
        nvidia.gpu.nvlink.up nvidia.gpu.nvlink.link=0 1
        nvidia.gpu.nvlink.up nvidia.gpu.nvlink.link=1 0
        nvidia.gpu.nvlink.version nvidia.gpu.nvlink.link=0 4.0
        nvidia.gpu.nvlink.speed nvidia.gpu.nvlink.link=0 26562000000
        nvidia.gpu.nvlink.link.io network.io.direction=transmit nvidia.gpu.nvlink.link=0 10240
        nvidia.gpu.nvlink.link.io network.io.direction=receive nvidia.gpu.nvlink.link=0 20480
        nvidia.gpu.nvlink.link.errors error.type=crc_flit nvidia.gpu.nvlink.link=0 2
        nvidia.gpu.nvlink.link.errors error.type=crc_data nvidia.gpu.nvlink.link=0 3
        nvidia.gpu.nvlink.link.errors error.type=replay nvidia.gpu.nvlink.link=0 1
        nvidia.gpu.nvlink.link.errors error.type=recovery nvidia.gpu.nvlink.link=0 0
        nvidia.gpu.fabric.state 3";
    let links: Vec<_> = links.lines().skip(1).map(str::trim).collect();
    let on = ["nvidia.gpu.pcie.throughput", "nvidia.gpu.nvlink.link.io", "nvidia.gpu.nvlink.link.errors"];
    check(H100, &["pcie", "nvlink", "c2c", "fabric"], &on, &links);
}

#[test]
fn a_board_tells_its_errors_and_modes() {
    check(
        H100,
        &["ecc", "retirement", "modes", "fans"],
        &["nvidia.gpu.ecc.location.errors", "nvidia.gpu.ecc.sram.errors"],
        &[
            "hw.errors error.type=corrected 2",
            "hw.errors error.type=uncorrected 0",
            "nvidia.gpu.ecc.errors.aggregate error.type=corrected 12",
            "nvidia.gpu.ecc.errors.aggregate error.type=uncorrected 1",
            "nvidia.gpu.ecc.location.errors error.type=corrected nvidia.gpu.memory.location=device_memory 2",
            "nvidia.gpu.ecc.location.errors error.type=uncorrected nvidia.gpu.memory.location=device_memory 0",
            "nvidia.gpu.ecc.location.errors error.type=uncorrected nvidia.gpu.memory.location=sram 0",
            "nvidia.gpu.ecc.sram.errors error.type=corrected 3",
            "nvidia.gpu.ecc.sram.errors error.type=uncorrected_parity 1",
            "nvidia.gpu.ecc.sram.errors error.type=uncorrected_secded 0",
            "nvidia.gpu.ecc.sram.threshold_exceeded 0",
            "nvidia.gpu.memory.rows.remapped error.type=corrected 1",
            "nvidia.gpu.memory.rows.remapped error.type=uncorrected 0",
            "nvidia.gpu.memory.rows.pending 0",
            "nvidia.gpu.memory.rows.failed 0",
            "nvidia.gpu.mode nvidia.gpu.mode=persistence 1",
            "nvidia.gpu.mode nvidia.gpu.mode=ecc 1",
            "nvidia.gpu.mode nvidia.gpu.mode=ecc_pending 1",
            "nvidia.gpu.mode nvidia.gpu.mode=mig 0",
            "nvidia.gpu.mode nvidia.gpu.mode=mig_pending 0",
            "nvidia.gpu.mode nvidia.gpu.mode=display 0",
            "nvidia.gpu.mode nvidia.gpu.mode=accounting 0",
            "nvidia.gpu.compute_mode 3",
            "nvidia.gpu.virtualization_mode 1",
            "hw.gpu.cores 16896",
        ],
    );
}

#[test]
fn the_second_reading_tells_what_a_board_measures_of_itself() {
    let world = World::new(H100);
    let mut scene = world
        .board(&["gpm"], &["nvidia.gpu.gpm.nvlink.link.throughput", "nvidia.gpu.gpm.engine.utilization"]);
    assert_eq!(scene.lines(), [""; 0]);
    let expected = [
        "nvidia.gpu.gpm.graphics.utilization 0.5",
        "nvidia.gpu.gpm.sm.utilization 0.4",
        "nvidia.gpu.gpm.sm.occupancy 0.125",
        "nvidia.gpu.gpm.dram.utilization 0.45",
        "nvidia.gpu.gpm.pcie.throughput network.io.direction=transmit 1048576.0",
        "nvidia.gpu.gpm.pcie.throughput network.io.direction=receive 2097152.0",
        "nvidia.gpu.gpm.nvlink.throughput network.io.direction=receive 4194304.0",
        "nvidia.gpu.gpm.nvlink.throughput network.io.direction=transmit 8388608.0",
        "nvidia.gpu.gpm.tensor.utilization nvidia.gpu.gpm.pipe=any 0.3",
        "nvidia.gpu.gpm.tensor.utilization nvidia.gpu.gpm.pipe=hmma 0.25",
        "nvidia.gpu.gpm.fp.utilization nvidia.gpu.gpm.pipe=fp32 0.02",
        "nvidia.gpu.gpm.engine.utilization nvidia.gpu.gpm.engine=nvdec0 0.1",
        "nvidia.gpu.gpm.nvlink.link.throughput network.io.direction=receive nvidia.gpu.nvlink.link=0 1048576.0",
    ];
    assert_eq!(scene.lines(), expected);
    assert_eq!(scene.lines(), expected);
}

/// As a consumer's board is: fans, no error correction, nothing that Hopper has.
const RTX: &str = "
gpus:
- name: NVIDIA GeForce RTX 4080 SUPER
  serial: none
  utilization: {gpu: 3, memory: 1, encoder: 0, decoder: 0, jpeg: 0, ofa: 0}
  memory: {total: 17171480576, used: 1610612736, reserved: 405798912}
  temperature: {gpu: 38}
  power: {usage: 12340, energy: 1000, limit: {requested: 320000, enforced: 320000}}
  fans: [{speed: 30, rpm: 900}, {speed: 31, rpm: 910}]
  pcie: {generation: 1, width: 8}
";

#[test]
fn a_consumers_board_tells_less() {
    let groups: Vec<_> = GROUPS
        .iter()
        .map(|group| group.name)
        .filter(|name| !["memory", "utilization"].contains(name))
        .collect();
    let expected = [
        "hw.temperature hw.sensor_location=gpu 38",
        "hw.power 12.34",
        "hw.energy 1.0",
        "hw.power.limit 320.0",
        "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=enforced 320.0",
        "nvidia.gpu.power.limit nvidia.gpu.power.limit.type=requested 320.0",
        "nvidia.gpu.pcie.link.generation 1",
        "nvidia.gpu.pcie.link.width 8",
        "hw.fan.speed_ratio hw.sensor_location=fan0 0.3",
        "hw.fan.speed hw.sensor_location=fan0 900",
        "hw.fan.speed_ratio hw.sensor_location=fan1 0.31",
        "hw.fan.speed hw.sensor_location=fan1 910",
    ];
    let world = World::new(RTX);
    let mut scene = world.board(&groups, &[]);
    assert_eq!(scene.lines(), expected);
    assert_eq!(scene.lines(), expected);
}
