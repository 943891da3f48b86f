//! Errors that the driver reports by itself, and those that only the kernel's log has.

use std::io::Write as _;

use super::*;

const BOARD: &str = "pci: '00000000:01:00.0', events: 8";

fn script(more: &str) -> String {
    boards(1, more).replace("gpus: 1", &format!("gpus: [{{{BOARD}}}]"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn reported_errors_are_counted_and_outlive_the_driver() {
    let mut machine = Machine::start(&script("")).await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    let xid = |number: &'static str| [gpu("0"), ("nvidia.gpu.xid", number)];
    machine.script(&script("events: [{gpu: 0, xid: 31}, {gpu: 0, xid: 31}, {gpu: 0, xid: 13}]\n"));
    machine.wait_for("nvidia.gpu.xid.errors", &xid("31"), Some(2.0)).await;
    machine.wait_for("nvidia.gpu.xid.errors", &xid("13"), Some(1.0)).await;
    let begun = machine.value("nvidia.gpu.xid.last_time", &xid("13")).unwrap();
    assert!(begun > 1_600_000_000.0, "{begun}");
    machine.script(&script("generation: 2\nevents: [{id: 7, gpu: 0, xid: 31}]\n"));
    machine.wait_for("nvidia.gpu.xid.errors", &xid("31"), Some(3.0)).await;
    assert_eq!(machine.value("nvidia.gpu.xid.errors", &xid("13")), Some(1.0));
    machine.wait_for("hw.status", &[gpu("0"), ("hw.state", "ok")], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_kernels_log_tells_what_no_event_does() {
    let mut machine = Machine::bare();
    fs::create_dir_all(machine.path("host/dev")).unwrap();
    let old = "4,1,1,-;NVRM: Xid (PCI:0000:01:00): 31, old\n";
    fs::write(machine.path("host/dev/kmsg"), old).unwrap();
    machine.script(&script(""));
    machine.install();
    machine.read_with("").await;
    machine.wait_for("hw.power", &[gpu("0")], Some(300.0)).await;
    // Where the log ends is known once something was read of it, and so only what is written from then on counts.
    let mut log = fs::OpenOptions::new().append(true).open(machine.path("host/dev/kmsg")).unwrap();
    let deadline = Instant::now() + PATIENCE;
    while machine.value("nvidia.gpu.xid.errors", &[("nvidia.gpu.xid", "43")]).is_none() {
        writeln!(log, "4,2,2,-;NVRM: Xid (PCI:0000:01:00): 43, pid=1").unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        machine.take();
        assert!(Instant::now() < deadline, "the log is not read");
    }
    writeln!(log, "4,3,3,-;NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus.").unwrap();
    machine.wait_for("nvidia.gpu.xid.errors", &[("nvidia.gpu.xid", "79")], Some(1.0)).await;
    machine.wait_for("hw.status", &[gpu("0"), ("hw.state", "failed")], Some(1.0)).await;
    machine.wait_for("nvidia.gpu.xid.errors", &[("nvidia.gpu.xid", "31")], None).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn that_there_was_no_error_is_said_only_of_what_is_listened_to() {
    let script = boards(2, "").replace("gpus: 2", "gpus: [{events: 8}, {}]");
    let mut machine = Machine::start(&script).await;
    machine.wait_for("nvidia.gpu.xid.last", &[gpu("0")], Some(0.0)).await;
    machine.wait_for("hw.power", &[gpu("1")], Some(300.0)).await;
    machine.wait_for_new("nvidia.gpu.up", &[gpu("1")]).await;
    assert_eq!(machine.value("nvidia.gpu.xid.last", &[gpu("1")]), None);
    machine.stop().await;

    let mut machine = Machine::bare();
    fs::create_dir_all(machine.path("host/dev")).unwrap();
    fs::write(machine.path("host/dev/kmsg"), "").unwrap();
    machine.script(&script);
    machine.install();
    machine.read_with("").await;
    machine.wait_for("nvidia.gpu.xid.last", &[gpu("1")], Some(0.0)).await;
}
