//! Boards that differ, and what one does to the others.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_hangs_does_not_keep_the_others_waiting() {
    let mut machine = Machine::start(&boards(10, "")).await;
    machine.wait_until("all boards", |machine| machine.values("hw.power", &[]).len() == 10).await;
    machine.script(&boards(10, "faults: [{call: nvmlDeviceGetPowerUsage, gpu: 3, delay: 600s}]\n"));
    machine.wait_for("nvidia.gpu.up", &[gpu("3"), ("error.type", "stuck")], Some(0.0)).await;
    machine.wait_for("hw.power", &[gpu("3")], None).await;
    for _ in 0..3 {
        for index in ["0", "1", "2", "4", "5", "6", "7", "8", "9"] {
            machine.wait_for_new("hw.power", &[gpu(index)]).await;
        }
    }
    assert_eq!(machine.values("hw.power", &[]).len(), 9);
    machine.script(&boards(10, ""));
    machine.wait_for("nvidia.gpu.up", &[gpu("3")], Some(1.0)).await;
    machine.wait_for("hw.power", &[gpu("3")], Some(300.0)).await;
    // What is read once a minute is there again as well.
    machine.wait_for("hw.gpu.cores", &[gpu("3")], Some(100.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn unified_memory_is_the_machines() {
    let mut machine = Machine::bare();
    fs::write(machine.path("host/proc/meminfo"), "MemTotal:       1024 kB\nMemAvailable: 512 kB\n").unwrap();
    machine.script("gpus: [{name: NVIDIA GB10, processes: {compute: []}, temperature: {gpu: 50}}]");
    machine.install();
    machine.read_with("").await;
    let unified = ("nvidia.gpu.memory.unified", "true");
    machine.wait_for("nvidia.gpu.info", &[unified], Some(1.0)).await;
    machine.wait_for("hw.gpu.memory.limit", &[unified], Some(1_048_576.0)).await;
    machine.wait_for("nvidia.gpu.up", &[], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn what_is_not_supported_is_asked_once() {
    let mut machine = Machine::start(&boards(1, "unsupported: [nvmlDeviceGetPowerUsage]\n")).await;
    for _ in 0..5 {
        machine.wait_for_new("hw.temperature", &[gpu("0")]).await;
    }
    machine.wait_for("hw.power", &[], None).await;
    machine.stop().await;
    // The counts are written when the library is shut down.
    let deadline = Instant::now() + PATIENCE;
    let calls = loop {
        let calls = fs::read_to_string(machine.path("nvml.calls")).unwrap_or_default();
        if calls.contains("nvmlShutdown") {
            break calls;
        }
        assert!(Instant::now() < deadline, "the library is not shut down");
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let count = |name: &str| {
        let line = calls.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.map_or(0, |count| count.trim().parse::<u64>().unwrap())
    };
    assert_eq!(count("nvmlDeviceGetPowerUsage"), 1, "{calls}");
    assert!(count("nvmlDeviceGetTemperature") >= 5, "{calls}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn only_the_chosen_boards_are_read() {
    let mut machine =
        Machine::start_with(&boards(4, ""), "devices: {include: ['0', '2'], exclude: ['2']}\n").await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    machine.wait_for_new("hw.power", &[gpu("0")]).await;
    assert_eq!(machine.values("hw.power", &[]).len(), 1);
    assert_eq!(machine.values("nvidia.gpu.up", &[]).len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_sleeps_is_left_so() {
    let mut machine = Machine::bare();
    machine.script(&boards(1, "").replace("gpus: 1", "gpus: [{pci: '00000000:01:00.0'}]"));
    machine.install();
    let power = machine.path("host/sys/bus/pci/devices/0000:01:00.0/power");
    fs::create_dir_all(&power).unwrap();
    let status = |text: &str| {
        fs::write(power.join("next"), text).unwrap();
        fs::rename(power.join("next"), power.join("runtime_status")).unwrap();
    };
    status("active\n");
    machine.read_with("").await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    status("suspended\n");
    machine.wait_for("hw.power", &[], None).await;
    machine.wait_for("nvidia.gpu.up", &[], None).await;
    machine.wait_for("hw.status", &[], None).await;
    machine.wait_for("nvidia.gpu.info", &[gpu("0")], Some(1.0)).await;
    status("active\n");
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    machine.wait_for("nvidia.gpu.up", &[gpu("0")], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_group_has_its_own_interval() {
    let section = "groups: {temperature: {collection_interval: 1h}, power: {enabled: false}}\n";
    let mut machine = Machine::start_with(&boards(1, ""), section).await;
    machine.wait_for("hw.temperature", &[gpu("0")], Some(40.0)).await;
    machine.wait_for_new("hw.gpu.memory.usage", &[gpu("0")]).await;
    let first = machine.page.iter().find(|(series, _)| is(series, "hw.temperature", &[])).unwrap().1.0;
    for _ in 0..3 {
        machine.wait_for_new("hw.gpu.memory.usage", &[gpu("0")]).await;
    }
    // Neither read again nor ended.
    let (time, value) = machine.page.iter().find(|(series, _)| is(series, "hw.temperature", &[])).unwrap().1;
    assert_eq!((*time, *value), (first, Some(40.0)));
    assert!(machine.values("hw.power", &[]).is_empty());
}
