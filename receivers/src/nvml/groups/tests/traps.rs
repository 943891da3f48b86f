//! What drivers do that nobody expects, and processes.

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
    let lines = World::new(&script).board(&["processes"], &[]).lines();
    let memory: Vec<_> = lines.iter().filter(|line| line.contains("memory.usage")).collect();
    assert_eq!(memory.len(), 256);
    assert!(lines.contains(&"hw.gpu.process.memory.usage process.pid=45 45".to_owned()));
    assert!(!lines.contains(&"hw.gpu.process.memory.usage process.pid=44 44".to_owned()));
}
