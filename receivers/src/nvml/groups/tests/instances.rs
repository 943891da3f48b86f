//! A board that is divided, its instances, and a board that has no memory of its own.

use super::*;

const DIVIDED: &str = "
gpus:
- name: NVIDIA H100 80GB HBM3
  utilization: {gpu: 40, memory: 20, encoder: 5}
  memory: {total: 85520809984, used: 2147483648, reserved: 536870912}
  temperature: {gpu: 45}
  power: {usage: 350000}
  gpm: {2: 40}
  processes:
    compute:
    - {pid: 11, memory: 1000, gpu_instance: 1, compute_instance: 0}
    - {pid: 22, memory: 2000, gpu_instance: 2, compute_instance: 0}
  mig:
    mode: 1
    pending: 1
    max: 7
    instances:
    - {gpu_instance: 1, multiprocessors: 16, memory: {total: 10737418240, used: 1048576, reserved: 0}, gpm: {2: 90}}
    - {gpu_instance: 2, multiprocessors: 32, memory: {total: 21474836480, used: 2097152, reserved: 0}, gpm: {2: 10}}
";

#[test]
fn a_divided_board_does_not_tell_what_its_instances_do() {
    let world = World::new(DIVIDED);
    let mut scene = world.board(&["utilization", "temperature", "power", "processes"], &[]);
    let expected = ["hw.temperature hw.sensor_location=gpu 45", "hw.power 350.0"];
    assert_eq!(scene.lines(), expected);
    assert_eq!(scene.lines(), expected);
}

#[test]
fn an_instance_tells_its_own() {
    let world = World::new(DIVIDED);
    let memory = |slot| {
        let mut scene = world.instance(slot, &["memory", "mig", "processes"], &[]);
        scene.lines()
    };
    assert_eq!(
        memory(0),
        [
            "hw.gpu.memory.usage 1048576",
            "hw.gpu.memory.limit 10737418240",
            "hw.gpu.memory.utilization 9.765625e-5",
            "nvidia.gpu.memory.free 10736369664",
            "nvidia.gpu.memory.reserved 0",
            "nvidia.gpu.mig.info nvidia.gpu.mig.multiprocessors=16 1",
            "hw.gpu.process.memory.usage process.pid=11 1000",
        ]
    );
    assert_eq!(
        memory(1)[5..],
        [
            "nvidia.gpu.mig.info nvidia.gpu.mig.multiprocessors=32 1",
            "hw.gpu.process.memory.usage process.pid=22 2000",
        ]
    );
}

#[test]
fn an_instance_measures_itself_through_its_board() {
    let world = World::new(DIVIDED);
    for (slot, expected) in
        [(0, "nvidia.gpu.gpm.sm.utilization 0.9"), (1, "nvidia.gpu.gpm.sm.utilization 0.1")]
    {
        let mut scene = world.instance(slot, &["gpm"], &[]);
        assert_eq!(scene.lines(), [""; 0]);
        assert_eq!(scene.lines(), [expected]);
    }
}

const GB10: &str = "
gpus:
- name: NVIDIA GB10
  utilization: {gpu: 96, memory: 0}
  temperature: {gpu: 60, memory: 0}
  processes:
    compute: [{pid: 7, memory: 41943040}, {pid: 8, memory: 1048576}]
    graphics: [{pid: 8, memory: 1048576}]
";

const MEMINFO: &str = "MemTotal:       125000000 kB\nMemFree: 1 kB\n";

#[test]
fn a_board_without_memory_of_its_own_tells_what_its_processes_hold() {
    let world = World::new(GB10).with("proc/meminfo", MEMINFO);
    assert_eq!(
        world.board(&["utilization", "memory", "temperature"], &[]).lines(),
        [
            "hw.gpu.utilization 0.96",
            "hw.gpu.memory.usage nvidia.gpu.memory.unified=true 42991616",
            "hw.gpu.memory.limit nvidia.gpu.memory.unified=true 128000000000",
            "hw.gpu.memory.utilization nvidia.gpu.memory.unified=true 0.000335872",
            "nvidia.gpu.memory.free nvidia.gpu.memory.unified=true 127957008384",
            "hw.temperature hw.sensor_location=gpu 60",
        ]
    );
}

#[test]
fn no_other_board_is_given_the_machines_memory() {
    let discrete = World::new(&GB10.replace("GB10", "L40S")).with("proc/meminfo", MEMINFO);
    assert_eq!(discrete.board(&["memory"], &[]).lines(), [""; 0]);
    let lost = "
gpus:
- {name: NVIDIA GB10, lost: true, processes: {compute: [{pid: 7, memory: 41943040}]}}
";
    let world = World::new(GB10).with("proc/meminfo", MEMINFO);
    let mut scene = world.board(&["memory"], &[]);
    world.change(lost);
    assert_eq!(eventually_empty(&mut scene), [""; 0]);
    let instance = DIVIDED
        .replace("NVIDIA H100 80GB HBM3", "NVIDIA GB10")
        .replace("memory: {total: 10737418240, used: 1048576, reserved: 0}, ", "");
    let world = World::new(&instance).with("proc/meminfo", MEMINFO);
    assert_eq!(world.instance(0, &["memory"], &[]).lines(), [""; 0]);
}

/// The fake sees that its script has changed when it is asked the next time, or shortly after.
fn eventually_empty(scene: &mut Scene) -> Vec<String> {
    for _ in 0..1000 {
        let lines = scene.lines();
        if lines.iter().all(|line| line.ends_with("STALE")) {
            return scene.lines();
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    scene.lines()
}

#[test]
fn what_one_process_of_a_board_without_memory_holds_must_be_known() {
    let unknown = GB10.replace("{pid: 7, memory: 41943040}", "{pid: 7}");
    let world = World::new(&unknown).with("proc/meminfo", MEMINFO);
    let lines = world.board(&["memory"], &[]).lines();
    assert!(!lines.iter().any(|line| line.starts_with("hw.gpu.memory.usage")), "{lines:?}");
}
