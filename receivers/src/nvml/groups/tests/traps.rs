//! What drivers do that nobody expects, and processes.

use std::collections::BTreeMap;

use super::*;

/// A board that has these keys, and a name.
fn gpu(keys: &str) -> String {
    format!("gpus:\n- {{name: NVIDIA L40S, {keys}}}\n")
}

#[test]
fn a_driver_without_the_second_version_is_asked_by_the_first() {
    let script = format!(
        "missing: [nvmlDeviceGetMemoryInfo_v2]\n{}",
        gpu("memory: {total: 1000, used: 300, reserved: 100}")
    );
    check(
        &script,
        &["memory"],
        &[],
        &[
            "hw.gpu.memory.usage 400",
            "hw.gpu.memory.limit 1000",
            "hw.gpu.memory.utilization 0.4",
            "nvidia.gpu.memory.free 600",
        ],
    );
}

#[test]
fn each_field_has_an_answer_of_its_own() {
    let fields = "fields: [{id: 3, code: 999}, {id: 4, value: 7, type: unsigned_short}, {id: 5, value: 5000000000, type: unsigned_long},
      {id: 6, value: -1, type: signed_int}, {id: 142, code: 2}, {id: 143, value: 2, type: double}]";
    check(
        &gpu(fields),
        &["ecc", "retirement"],
        &[],
        &[
            "hw.errors error.type=uncorrected 7",
            "nvidia.gpu.ecc.errors.aggregate error.type=corrected 5000000000",
            "nvidia.gpu.memory.rows.remapped error.type=uncorrected 2",
        ],
    );
}

#[test]
fn a_count_of_32_bits_goes_on_where_it_begins_again() {
    let script = |bytes: u64| {
        let fields =
            format!("fields: [{{id: 197, value: {bytes}, type: unsigned_int}}], pcie: {{width: 16}}");
        gpu(&fields)
    };
    let world = World::new(&script(4_294_967_000));
    let mut scene = world.board(&["pcie"], &[]);
    assert_eq!(scene.lines()[0], "hw.gpu.io network.io.direction=transmit 4294967000");
    world.change(&script(704));
    let mut lines = scene.lines();
    for _ in 0..1000 {
        if lines[0] != "hw.gpu.io network.io.direction=transmit 4294967000" {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
        lines = scene.lines();
    }
    assert_eq!(lines[0], "hw.gpu.io network.io.direction=transmit 4294968000");
}

#[test]
fn a_counter_that_goes_back_has_begun_anew() {
    let script = |energy: u64| gpu(&format!("power: {{energy: {energy}}}"));
    let world = World::new(&script(9000));
    let mut scene = world.board(&["energy"], &[]);
    let first = scene.read();
    assert_eq!(first.iter().map(|point| point.start_unix_nano).collect::<Vec<_>>(), [0]);
    world.change(&script(1000));
    for _ in 0..1000 {
        let before = scene.time_unix_nano;
        let batch = scene.read();
        let point = batch.iter().next().unwrap();
        if line(point) == "hw.energy 1.0" {
            assert_eq!(point.start_unix_nano, before);
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the energy has not gone back");
}

#[test]
fn heat_that_cannot_be_is_left_out() {
    check(
        &gpu("temperature: {gpu: 40, memory: 255}"),
        &["temperature"],
        &[],
        &["hw.temperature hw.sensor_location=gpu 40"],
    );
    // Some drivers call the field a double though it is a whole number.
    let field = gpu("temperature: {gpu: 40}, fields: [{id: 82, value: 51, type: double}]");
    check(
        &field,
        &["temperature"],
        &[],
        &["hw.temperature hw.sensor_location=gpu 40", "hw.temperature hw.sensor_location=memory 51"],
    );
}

#[test]
fn what_is_not_supported_is_asked_once() {
    let world = World::new(&gpu("temperature: {gpu: 40}"));
    let mut scene = world.board(&["power", "energy", "fans"], &[]);
    assert_eq!(scene.lines(), [""; 0]);
    assert!(scene.board.is_unsupported("nvmlDeviceGetPowerUsage"));
    world.change(&gpu("power: {usage: 1000, average: 2000}, temperature: {gpu: 41}"));
    let mut other = world.board(&["power"], &[]);
    for _ in 0..1000 {
        if !other.lines().is_empty() {
            break;
        }
        // A new life of the handle asks anew.
        std::thread::sleep(Duration::from_millis(10));
        other = world.board(&["power"], &[]);
    }
    assert_eq!(other.lines(), ["hw.power 1.0", "nvidia.gpu.power nvidia.gpu.power.kind=average 2.0"]);
    assert_eq!(scene.lines(), [""; 0]);
}

#[test]
fn a_call_that_newer_boards_no_longer_answer_is_made_once() {
    let script = "faults: [{call: nvmlDeviceGetTemperatureThreshold, code: 26}]\n".to_owned()
        + &gpu("temperature: {thresholds: {slowdown: 89}, margins: {slowdown: -2}}");
    let world = World::new(&script);
    let mut scene = world.board(&["limits"], &[]);
    let expected =
        ["nvidia.gpu.temperature.margin.limit hw.limit_type=high.degraded hw.sensor_location=gpu -2"];
    assert_eq!(scene.lines(), expected);
    assert_eq!(scene.lines(), expected);
    // One for each threshold.
    assert_eq!(calls(world, scene)["nvmlDeviceGetTemperatureThreshold"], 4);
}

#[test]
fn a_board_that_is_lost_is_not_asked_on() {
    let script = "faults: [{call: nvmlDeviceGetPowerUsage, code: 15}]\n".to_owned()
        + &gpu("temperature: {gpu: 40}, power: {usage: 1000, energy: 5}");
    let world = World::new(&script);
    let mut scene = world.board(&["temperature", "power", "energy"], &[]);
    assert_eq!(scene.lines(), ["hw.temperature hw.sensor_location=gpu 40"]);
    assert!(!calls(world, scene).contains_key("nvmlDeviceGetTotalEnergyConsumption"));
}

#[test]
fn utilization_is_the_mean_since_the_last_reading() {
    let world = World::new(&gpu("utilization: {gpu: {steps: [10, 90], every: 250ms}, memory: 1}"));
    let mut scene = world.board(&["utilization"], &[]);
    for _ in 0..1000 {
        let lines = scene.lines();
        assert!(lines[0].starts_with("hw.gpu.utilization 0."), "{lines:?}");
        // What it is at a moment is one or the other.
        if !["hw.gpu.utilization 0.1", "hw.gpu.utilization 0.9"].contains(&lines[0].as_str()) {
            return;
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    panic!("no reading was a mean");
}

#[test]
fn links_of_the_fifth_generation_count_other_errors() {
    let keys = "nvlink: {links: 2, version: 7}, fields: [{id: 221, scope: 0, value: 3, type: unsigned_long_long},
      {id: 221, scope: 1, value: 4, type: unsigned_long_long}, {id: 208, scope: 1, value: 1, type: unsigned_long_long}]";
    check(
        &gpu(keys),
        &["nvlink"],
        &["nvidia.gpu.nvlink.link.errors"],
        &[
            "nvidia.gpu.nvlink.up nvidia.gpu.nvlink.link=0 1",
            "nvidia.gpu.nvlink.up nvidia.gpu.nvlink.link=1 1",
            "nvidia.gpu.nvlink.version nvidia.gpu.nvlink.link=0 5.0",
            "nvidia.gpu.nvlink.link.errors error.type=symbol nvidia.gpu.nvlink.link=0 3",
            "nvidia.gpu.nvlink.version nvidia.gpu.nvlink.link=1 5.0",
            "nvidia.gpu.nvlink.link.errors error.type=receive nvidia.gpu.nvlink.link=1 1",
            "nvidia.gpu.nvlink.link.errors error.type=symbol nvidia.gpu.nvlink.link=1 4",
            "nvidia.gpu.nvlink.errors error.type=receive 1",
            "nvidia.gpu.nvlink.errors error.type=symbol 7",
        ],
    );
}

#[test]
fn a_link_that_does_not_answer_once_has_not_lost_its_errors() {
    let both = gpu(
        "nvlink: {links: 2, version: 7}, fields: [{id: 221, scope: 0, value: 3, type: unsigned_long_long},
      {id: 221, scope: 1, value: 4, type: unsigned_long_long}]",
    );
    let world = World::new(&both);
    let mut scene = world.board(&["nvlink"], &[]);
    let symbols = "nvidia.gpu.nvlink.errors error.type=symbol 7".to_owned();
    assert!(scene.lines().contains(&symbols));
    world.change(&both.replace("links: 2", "links: 2, down: [1]"));
    let is_down = "nvidia.gpu.nvlink.up nvidia.gpu.nvlink.link=1 0".to_owned();
    for _ in 0..1000 {
        let lines = scene.lines();
        assert!(lines.contains(&symbols), "{lines:?}");
        if lines.contains(&is_down) {
            return;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    panic!("the link was never down");
}

#[test]
fn what_a_link_is_is_asked_once_and_what_it_does_each_time() {
    let world = World::new(&gpu("nvlink: {links: 3, down: [2], version: 6}"));
    let mut scene = world.board(&["nvlink"], &[]);
    let lines = scene.lines();
    assert_eq!(lines.len(), 5);
    assert_eq!(scene.lines(), lines);
    let calls = calls(world, scene);
    assert_eq!((calls["nvmlDeviceGetNvLinkState"], calls["nvmlDeviceGetNvLinkVersion"]), (6, 2));
}

#[test]
fn what_is_off_is_not_asked_for() {
    let world = World::new(&gpu(
        "pcie: {tx_throughput: 1, rx_throughput: 1}, throttle: {reasons: 1}, power: {usage: 1}",
    ));
    let mut scene = world.board(&["pcie", "throttle", "ecc"], &[]);
    assert_eq!(scene.lines(), [""; 0]);
    let calls = calls(world, scene);
    let off = [
        "nvmlDeviceGetPcieThroughput",
        "nvmlDeviceGetCurrentClocksThrottleReasons",
        "nvmlDeviceGetMemoryErrorCounter",
    ];
    assert!(off.iter().all(|name| !calls.contains_key(*name)), "{calls:?}");
}

#[test]
fn a_board_that_is_built_with_its_cpu_tells_their_links() {
    let keys = "c2c: {links: 1, status: 1, bandwidth: 44712}, power: {module: 900000},
      fields: [{id: 231, value: 0, type: unsigned_int}, {id: 232, value: 5, type: unsigned_int}]";
    check(
        &gpu(keys),
        &["power", "c2c"],
        &[],
        &[
            "nvidia.gpu.power nvidia.gpu.power.kind=module 900.0",
            "nvidia.gpu.c2c.up nvidia.gpu.c2c.link=0 1",
            "nvidia.gpu.c2c.speed nvidia.gpu.c2c.link=0 44712000000",
            "nvidia.gpu.c2c.errors error.type=interrupt nvidia.gpu.c2c.link=0 0",
            "nvidia.gpu.c2c.errors error.type=replay nvidia.gpu.c2c.link=0 5",
        ],
    );
}

#[test]
fn a_process_is_told_once_however_many_lists_it_is_in() {
    let keys = "memory: {total: 10000, used: 1000, reserved: 0},
      processes: {compute: [{pid: 7, memory: 300, sm: 250, memory_io: 10}, {pid: 8, memory: 99999}, {pid: 9}, {pid: 0, memory: 5}],
      graphics: [{pid: 7, memory: 300}], mps: [{pid: 10, memory: 40}]}";
    check(
        &gpu(keys),
        &["processes"],
        &[],
        &[
            "hw.gpu.process.memory.usage process.pid=7 300",
            "hw.gpu.process.utilization process.pid=7 1.0",
            "hw.gpu.process.utilization hw.gpu.task=memory process.pid=7 0.1",
            "hw.gpu.process.utilization hw.gpu.task=encoder process.pid=7 0.0",
            "hw.gpu.process.utilization hw.gpu.task=decoder process.pid=7 0.0",
            "hw.gpu.process.utilization process.pid=8 0.0",
            "hw.gpu.process.utilization hw.gpu.task=memory process.pid=8 0.0",
            "hw.gpu.process.utilization hw.gpu.task=encoder process.pid=8 0.0",
            "hw.gpu.process.utilization hw.gpu.task=decoder process.pid=8 0.0",
            "hw.gpu.process.utilization process.pid=9 0.0",
            "hw.gpu.process.utilization hw.gpu.task=memory process.pid=9 0.0",
            "hw.gpu.process.utilization hw.gpu.task=encoder process.pid=9 0.0",
            "hw.gpu.process.utilization hw.gpu.task=decoder process.pid=9 0.0",
            "hw.gpu.process.memory.usage process.pid=10 40",
            "hw.gpu.process.utilization process.pid=10 0.0",
            "hw.gpu.process.utilization hw.gpu.task=memory process.pid=10 0.0",
            "hw.gpu.process.utilization hw.gpu.task=encoder process.pid=10 0.0",
            "hw.gpu.process.utilization hw.gpu.task=decoder process.pid=10 0.0",
        ],
    );
}

#[test]
fn of_many_processes_those_with_the_most_memory_are_told() {
    let processes: Vec<_> = (1..=300).map(|pid| format!("{{pid: {pid}, memory: {pid}}}")).collect();
    let script = gpu(&format!("processes: {{compute: [{}]}}", processes.join(", ")));
    let world = World::new(&script);
    let lines = world.board(&["processes"], &[]).lines();
    let memory: Vec<_> = lines.iter().filter(|line| line.contains("memory.usage")).collect();
    assert_eq!(memory.len(), 256);
    assert!(lines.contains(&"hw.gpu.process.memory.usage process.pid=45 45".to_owned()));
    assert!(!lines.contains(&"hw.gpu.process.memory.usage process.pid=44 44".to_owned()));
}

#[test]
fn a_process_is_told_with_its_owner_and_not_once_it_is_gone() {
    let keys = "processes: {compute: [{pid: 70, memory: 300}, {pid: 71, memory: 400}]}";
    let stat = "70 (python3) S 1 70 70 0 -1 4 1 0 0 0 7 8 0 0 20 0 2 0 100 9\n";
    let world = World::new(&gpu(keys))
        .with("proc/2/comm", "kthreadd\n")
        .with("proc/70/stat", stat)
        .with("proc/70/cgroup", "0::/system.slice/vllm.service\n");
    let mut scene = world.board(&["processes"], &[]);
    let process = "process.executable.name=python3 process.pid=70 systemd.unit=vllm.service";
    let expected = [
        format!("hw.gpu.process.memory.usage {process} 300"),
        format!("hw.gpu.process.utilization {process} 0.0"),
        format!("hw.gpu.process.utilization hw.gpu.task=memory {process} 0.0"),
        format!("hw.gpu.process.utilization hw.gpu.task=encoder {process} 0.0"),
        format!("hw.gpu.process.utilization hw.gpu.task=decoder {process} 0.0"),
    ];
    assert_eq!(scene.lines(), expected);
    fs::remove_dir_all(world.folder.path().join("host/proc/70")).unwrap();
    let gone = scene.lines();
    assert_eq!(gone.len(), 5);
    assert!(gone.iter().all(|line| line.ends_with(" STALE")), "{gone:?}");
}

#[test]
fn fields_are_asked_by_one_call_and_those_that_are_not_there_once() {
    let keys = "temperature: {memory: 50}, power: {average: 1000}, ecc: {volatile: {corrected: {total: 1}}}";
    let world = World::new(&gpu(keys));
    let mut scene = world.board(&["temperature", "power", "throttle", "ecc", "retirement", "recovery"], &[]);
    let lines = scene.lines();
    assert_eq!(lines.len(), 3);
    assert_eq!(scene.lines(), lines);
    assert_eq!(calls(world, scene)["nvmlDeviceGetFieldValues"], 2);
}

#[test]
fn a_call_that_is_not_supported_is_made_once() {
    let world = World::new(&gpu("temperature: {gpu: 40}"));
    let mut scene = world.board(&["power", "temperature", "gpm"], &[]);
    for _ in 0..3 {
        scene.lines();
    }
    let calls = calls(world, scene);
    assert_eq!(calls["nvmlDeviceGetTemperature"], 3);
    assert_eq!(calls["nvmlDeviceGetPowerUsage"], 1);
    assert_eq!(calls["nvmlGpmQueryDeviceSupport"], 1);
}

/// How often each function was called until the library was let go of.
fn calls(world: World, scene: Scene) -> BTreeMap<String, u64> {
    let World { folder, nvml } = world;
    drop((scene, nvml));
    let text = fs::read_to_string(folder.path().join("libnvidia-ml.calls")).unwrap();
    let calls = text.lines().filter_map(|line| line.split_once(": "));
    calls.map(|(name, count)| (name.to_owned(), count.parse().unwrap())).collect()
}
