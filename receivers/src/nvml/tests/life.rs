//! The library comes, goes and is replaced, and so does the receiver.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_library_appears_later() {
    let mut machine = Machine::bare();
    machine.script(&boards(1, ""));
    machine.read_with("").await;
    machine.wait_for("nvidia.nvml.up", &[("error.type", "library_missing")], Some(0.0)).await;
    machine.install();
    machine.wait_for("nvidia.nvml.up", &[("error.type", "-")], Some(1.0)).await;
    machine.wait_for("nvidia.nvml.up", &[("error.type", "library_missing")], None).await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_file_that_is_no_library_is_said_to_be_broken_until_it_is_one() {
    let mut machine = Machine::bare();
    machine.script(&boards(1, ""));
    fs::write(machine.path("nvml.so"), "no library").unwrap();
    machine.read_with("").await;
    machine.wait_for("nvidia.nvml.up", &[("error.type", "library_broken")], Some(0.0)).await;
    machine.install();
    machine.wait_for("nvidia.nvml.up", &[], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_devices_is_a_fault_until_there_are_some() {
    let mut machine = Machine::start("gpus: 0").await;
    machine.wait_for("nvidia.nvml.up", &[("error.type", "no_devices")], Some(0.0)).await;
    machine.script(&boards(1, ""));
    machine.wait_for("nvidia.nvml.up", &[], Some(1.0)).await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_driver_is_loaded_anew() {
    let mut machine = Machine::start(&boards(2, "")).await;
    machine.wait_for("hw.power", &[gpu("1")], Some(300.0)).await;
    let reloaded = |power: &str| boards(2, "generation: 2\n").replace("usage: 300000", power);
    machine.script(&reloaded("usage: 200000"));
    machine.wait_for("hw.power", &[gpu("0")], Some(200.0)).await;
    machine.wait_for("hw.power", &[gpu("1")], Some(200.0)).await;
    machine.wait_for("nvidia.gpu.up", &[gpu("1")], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_upgraded_library_is_loaded_though_a_thread_hangs_in_the_old_one() {
    let hanging = "faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, delay: 600s}]\n";
    let mut machine = Machine::start(&boards(2, "")).await;
    let old = [("hw.gpu.index", "0"), ("hw.driver_version", "580.95.05")];
    machine.wait_for("nvidia.gpu.info", &old, Some(1.0)).await;
    machine.script(&boards(2, hanging));
    machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", "stuck")], Some(0.0)).await;
    // The old library says that it does not fit any more, and the new one is another file that reads the same script.
    let mismatch = format!(
        "{}  \n",
        boards(
            2,
            "faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, delay: 600s}, {call: '*', gpu: 0, code: 18}]\ninit: 18\n"
        )
    );
    machine.script(&mismatch);
    machine.wait_for("nvidia.nvml.up", &[("error.type", "version_mismatch")], Some(0.0)).await;
    machine.script(&boards(2, "driver: {version: '610.57.02'}\n"));
    machine.install();
    let new = [("hw.gpu.index", "0"), ("hw.driver_version", "610.57.02")];
    machine.wait_for("nvidia.gpu.info", &new, Some(1.0)).await;
    machine.wait_for("nvidia.gpu.info", &old, None).await;
    machine.wait_for("hw.power", &[gpu("1")], Some(300.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_is_not_listed_any_more_is_missing() {
    let mut machine = Machine::start(&boards(2, "")).await;
    machine.wait_for("hw.power", &[gpu("1")], Some(300.0)).await;
    machine
        .script(&boards(1, "generation: 2\nfaults: [{call: nvmlDeviceGetPowerUsage, code: 1, times: 1}]\n"));
    machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", "missing")], Some(0.0)).await;
    machine.wait_for("hw.power", &[gpu("1")], None).await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    machine
        .script(&boards(2, "generation: 3\nfaults: [{call: nvmlDeviceGetPowerUsage, code: 1, times: 1}]\n"));
    machine.wait_for("nvidia.gpu.up", &[gpu("1")], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_machine_without_hardware_says_nothing() {
    let mut machine = Machine::bare();
    let section = Section::from_yaml("receivers.nvml", "collection_interval: 20ms").unwrap();
    let Ok(section) = section.read::<Config>() else { panic!("the section is read") };
    let root = format!("{}/host", machine.folder.path().display());
    let mut plan = Plan::of(&Config { root_path: root, ..section }).unwrap();
    // Nothing there: neither the file nor a board on the bus.
    plan.library_path = String::new();
    if library::open("").is_ok() {
        return eprintln!("skipped: this machine has the real library");
    }
    let receiver = Box::new(Nvml { plan, context: context(&machine.registry), term: Term::default() });
    let running = receiver.start(machine.sink.output(), machine.stop.clone()).await.unwrap();
    machine.work = Some(tokio::spawn(running.work));
    tokio::time::sleep(Duration::from_millis(300)).await;
    machine.stop().await;
    assert!(machine.page.is_empty(), "{}", machine.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_receiver_stops_while_a_board_hangs() {
    let hanging = "faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, delay: 600s}]\n";
    let mut machine = Machine::start(&boards(2, hanging)).await;
    machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", "stuck")], Some(0.0)).await;
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_receiver_stops_while_the_library_hangs() {
    let hanging = "faults: [{call: nvmlDeviceGetCount_v2, delay: 600s}]\n";
    let mut machine = Machine::start(&boards(2, hanging)).await;
    machine.wait_for("nvidia.nvml.up", &[("error.type", "stuck")], Some(0.0)).await;
    machine.script(&boards(2, ""));
    machine.wait_for("nvidia.nvml.up", &[], Some(1.0)).await;
    machine.script(&boards(2, hanging));
    machine.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_hangs_when_it_is_opened_is_named_by_its_number() {
    let hanging = "faults: [{call: nvmlDeviceGetUUID, gpu: 1, delay: 600s}]\n";
    let mut machine = Machine::start(&boards(2, hanging)).await;
    let attributes = [("hw.gpu.index", "1"), ("error.type", "stuck"), ("hw.id", "-")];
    machine.wait_for("nvidia.gpu.up", &attributes, Some(0.0)).await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    machine.script(&boards(2, ""));
    machine.wait_for("hw.power", &[gpu("1")], Some(300.0)).await;
    machine.wait_for("nvidia.gpu.up", &attributes, None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_receiver_goes_on_with_the_series_of_the_one_before() {
    let mut machine = Machine::start(&boards(2, "")).await;
    machine.wait_for("hw.power", &[gpu("1")], Some(300.0)).await;
    let old = machine.term.clone();
    let (stop, work) = (std::mem::take(&mut machine.stop), machine.work.take().unwrap());
    machine.term = Term::default();
    machine.read_with("devices: {exclude: ['1']}\n").await;
    old.end(Some(machine.term.clone()));
    stop.cancel();
    work.await.unwrap();
    // What is not read any more ends; the rest goes on.
    machine.wait_for("hw.power", &[gpu("1")], None).await;
    machine.wait_for("nvidia.gpu.up", &[gpu("1")], None).await;
    machine.wait_for("nvidia.gpu.info", &[gpu("1")], None).await;
    machine.wait_for_new("hw.power", &[gpu("0")]).await;
    machine.wait_for("nvidia.gpu.up", &[gpu("0")], Some(1.0)).await;
    // Nobody comes after this one.
    machine.term.end(None);
    machine.stop().await;
    assert!(machine.page.values().all(|(_, value)| value.is_none()), "{}", machine.text());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_hangs_in_life_after_life_is_not_given_threads_without_end() {
    // The first board ends each life, the second hangs in it, before it can see that the life is over.
    let script = boards(
        2,
        "faults: [{call: nvmlDeviceGetUUID, gpu: 1, delay: 600s}, {call: nvmlDeviceGetPowerUsage, gpu: 0, code: 1}]\n",
    );
    let mut machine = Machine::start(&script).await;
    machine.wait_for("nvidia.nvml.up", &[("error.type", "stuck")], Some(0.0)).await;
    machine.stop().await;
}
