//! Each fault: what the page says while it lasts, and that everything is there again when it is over.

use super::*;

/// What a fault makes of the page.
enum Says {
    /// `nvidia.nvml.up` is 0, with this `error.type`.
    Library(&'static str),
    /// `nvidia.gpu.up` of the second board is 0, with this `error.type`, and it has no numbers.
    Board(&'static str),
    /// The second board is up; the metric is not there.
    Absent(&'static str),
}

/// Two boards, then the fault, then no fault.
#[track_caller]
fn check(fault: &str, says: Says) {
    let place = std::panic::Location::caller();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        eprintln!("{place}: {fault}");
        let mut machine = Machine::start(&boards(2, "")).await;
        healthy(&mut machine).await;
        machine.script(&boards(2, fault));
        match says {
            Says::Library(word) => {
                machine.wait_for("nvidia.nvml.up", &[("error.type", word)], Some(0.0)).await;
                // What was known of the boards is still known, and that they do not answer.
                machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", word)], Some(0.0)).await;
                machine.wait_for("hw.power", &[], None).await;
                assert_eq!(machine.value("nvidia.gpu.info", &[gpu("1")]), Some(1.0));
            }
            Says::Board(word) => {
                machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", word)], Some(0.0)).await;
                machine.wait_for("hw.power", &[gpu("1")], None).await;
                assert_eq!(machine.value("nvidia.gpu.info", &[gpu("1")]), Some(1.0));
                // The other goes on.
                machine.wait_for_new("hw.power", &[gpu("0")]).await;
                machine.wait_for("nvidia.gpu.up", &[gpu("0")], Some(1.0)).await;
                machine.wait_for("nvidia.nvml.up", &[], Some(1.0)).await;
            }
            Says::Absent(metric) => {
                machine.wait_for(metric, &[gpu("1")], None).await;
                machine.wait_for_new("nvidia.gpu.up", &[gpu("1")]).await;
                assert_eq!(machine.value("nvidia.gpu.up", &[gpu("1")]), Some(1.0));
            }
        }
        machine.script(&boards(2, ""));
        healthy(&mut machine).await;
        machine.stop().await;
    });
}

async fn healthy(machine: &mut Machine) {
    machine.wait_for("nvidia.nvml.up", &[], Some(1.0)).await;
    for index in ["0", "1"] {
        machine.wait_for("nvidia.gpu.up", &[gpu(index)], Some(1.0)).await;
        machine.wait_for("hw.status", &[gpu(index), ("hw.state", "ok")], Some(1.0)).await;
        machine.wait_for("hw.power", &[gpu(index)], Some(300.0)).await;
        machine.wait_for("hw.temperature", &[gpu(index)], Some(40.0)).await;
    }
}

fn each(code: u32) -> String {
    format!("faults: [{{call: '*', gpu: 1, code: {code}}}]\n")
}

#[test]
fn the_library_loses_its_driver() {
    // Every handle says that nothing is initialized, and initializing says why.
    check("init: 9\nfaults: [{call: '*', code: 1}]\n", Says::Library("driver_not_loaded"));
}

#[test]
fn the_driver_is_unloaded() {
    check("init: 9\nfaults: [{call: '*', code: 9}]\n", Says::Library("driver_not_loaded"));
}

#[test]
fn the_driver_is_upgraded_and_the_library_is_not() {
    check("init: 18\nfaults: [{call: '*', code: 18}]\n", Says::Library("version_mismatch"));
}

#[test]
fn the_library_may_not_be_used_any_more() {
    check("init: 4\nfaults: [{call: '*', code: 1}]\n", Says::Library("no_permission"));
}

#[test]
fn initializing_ends_with_an_unknown_error() {
    check("init: 999\nfaults: [{call: '*', code: 1}]\n", Says::Library("unknown"));
}

#[test]
fn initializing_ends_with_a_code_of_a_later_driver() {
    check("init: 27\nfaults: [{call: '*', code: 1}]\n", Says::Library("other"));
}

#[test]
fn every_board_has_an_unknown_error() {
    // As in a container that has lost its device rules.
    check("faults: [{call: '*', code: 999}]\n", Says::Library("unknown"));
}

#[test]
fn no_board_may_be_used() {
    check("faults: [{call: '*', code: 4}]\n", Says::Library("no_permission"));
}

#[test]
fn the_boards_cannot_be_counted() {
    check(
        "faults: [{call: nvmlDeviceGetCount_v2, code: 999}, {call: nvmlDeviceGetPowerUsage, code: 1}]\n",
        Says::Library("unknown"),
    );
}

#[test]
fn a_board_falls_off_the_bus() {
    check(&each(15), Says::Board("lost"));
}

#[test]
fn a_board_is_not_found_on_the_bus() {
    check(&each(28), Says::Board("not_found_on_bus"));
}

#[test]
fn a_board_needs_a_reset() {
    check(&each(16), Says::Board("reset_required"));
}

#[test]
fn a_board_has_an_unknown_error() {
    check(&each(999), Says::Board("unknown"));
}

#[test]
fn a_board_may_not_be_used() {
    check(&each(4), Says::Board("no_permission"));
}

#[test]
fn the_operating_system_denies_a_board() {
    check(&each(17), Says::Board("operating_system"));
}

#[test]
fn a_board_has_trouble_with_interrupts() {
    check(&each(11), Says::Board("irq_issue"));
}

#[test]
fn a_board_has_no_power() {
    check(&each(8), Says::Board("insufficient_power"));
}

#[test]
fn a_boards_inforom_is_corrupted() {
    check(&each(14), Says::Board("corrupted_inforom"));
}

#[test]
fn a_board_times_out() {
    check(&each(10), Says::Board("timeout"));
}

#[test]
fn a_board_is_in_use() {
    check(&each(19), Says::Board("in_use"));
}

#[test]
fn a_board_is_not_ready() {
    check(&each(26), Says::Board("not_ready"));
}

#[test]
fn a_board_answers_with_a_code_that_nobody_knows() {
    check(&each(77), Says::Board("other"));
}

#[test]
fn a_board_hangs() {
    check("faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, delay: 600s}]\n", Says::Board("stuck"));
}

#[test]
fn a_board_hangs_in_its_fields() {
    check("faults: [{call: nvmlDeviceGetFieldValues, gpu: 1, delay: 600s}]\n", Says::Board("stuck"));
}

#[test]
fn one_call_of_a_board_fails() {
    check("faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, code: 999}]\n", Says::Absent("hw.power"));
}

#[test]
fn one_call_of_a_board_may_not_be_made() {
    check("faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, code: 4}]\n", Says::Absent("hw.power"));
}

#[test]
fn the_utilization_of_a_board_has_no_data() {
    check(
        "faults: [{call: nvmlDeviceGetUtilizationRates, gpu: 1, code: 21}, {call: nvmlDeviceGetSamples, gpu: 1, code: 21}]\n",
        Says::Absent("hw.gpu.utilization"),
    );
}

#[test]
fn the_fields_of_a_board_fail() {
    check(
        "faults: [{call: nvmlDeviceGetFieldValues, gpu: 1, code: 999}]\n",
        Says::Absent("nvidia.gpu.recovery_action"),
    );
}

/// What one of two boards says of its condition, and that it may take it back.
#[track_caller]
fn check_state(more: &str, state: &'static str) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let with = |more: &str| boards(2, "").replace("gpus: 2", &format!("gpus: [{{}}, {{{more}}}]"));
        let mut machine = Machine::start(&with("")).await;
        healthy(&mut machine).await;
        machine.script(&with(more));
        machine.wait_for("hw.status", &[gpu("1"), ("hw.state", state)], Some(1.0)).await;
        machine.wait_for("hw.status", &[gpu("1"), ("hw.state", "ok")], Some(0.0)).await;
        machine.wait_for("hw.status", &[gpu("0"), ("hw.state", "ok")], Some(1.0)).await;
        assert_eq!(machine.value("nvidia.gpu.up", &[gpu("1")]), Some(1.0));
        machine.script(&with(""));
        healthy(&mut machine).await;
    });
}

#[test]
fn the_state_of_a_board_is_what_it_says_of_itself() {
    check_state("recovery_action: 1", "failed");
    check_state("recovery_action: 2", "failed");
    check_state("recovery_action: 3", "degraded");
    check_state("recovery_action: 4", "predicted_failure");
    check_state("throttle: {reasons: 0x40}", "degraded");
    check_state("throttle: {reasons: 0x20}", "degraded");
    check_state("rows: {corrected: 1, uncorrected: 0, pending: 1, failed: 0}", "predicted_failure");
    check_state("rows: {corrected: 1, uncorrected: 0, pending: 0, failed: 1}", "failed");
}

#[test]
fn a_lost_board_has_failed_and_a_stuck_one_is_in_no_state_that_is_known() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let mut machine = Machine::start(&boards(2, "")).await;
        healthy(&mut machine).await;
        machine.script(&boards(2, &each(15)));
        machine.wait_for("hw.status", &[gpu("1"), ("hw.state", "failed")], Some(1.0)).await;
        machine.script(&boards(2, ""));
        healthy(&mut machine).await;
        machine.script(&boards(2, "faults: [{call: nvmlDeviceGetPowerUsage, gpu: 1, delay: 600s}]\n"));
        machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", "stuck")], Some(0.0)).await;
        machine.wait_for("hw.status", &[gpu("1")], None).await;
        machine.wait_for("hw.status", &[gpu("0"), ("hw.state", "ok")], Some(1.0)).await;
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_is_lost_and_comes_back_while_the_library_stays_as_it_is() {
    let mut machine = Machine::start(&boards(2, "")).await;
    healthy(&mut machine).await;
    // Whoever initialized the library anew would be told that there is no driver.
    machine.script(&boards(2, &format!("init: 9\n{}", each(15))));
    machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", "lost")], Some(0.0)).await;
    for _ in 0..20 {
        machine.wait_for_new("hw.power", &[gpu("0")]).await;
        assert_eq!(machine.values("nvidia.nvml.up", &[]), [1.0]);
    }
    machine.script(&boards(2, "init: 9\n"));
    healthy(&mut machine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_hangs_in_every_call_is_left_alone_between_them() {
    let mut machine = Machine::start(&boards(2, "")).await;
    healthy(&mut machine).await;
    machine.script(&boards(2, "faults: [{call: '*', gpu: 1, delay: 1500ms}]\n"));
    let stuck = [gpu("1"), ("error.type", "stuck")];
    machine.wait_for("nvidia.gpu.up", &stuck, Some(0.0)).await;
    // It is said to be so all the time, though calls return, and nothing is read of it.
    let until = Instant::now() + Duration::from_secs(5);
    while Instant::now() < until {
        machine.wait_for_new("hw.power", &[gpu("0")]).await;
        assert_eq!(machine.value("nvidia.gpu.up", &stuck), Some(0.0));
        assert_eq!(machine.value("hw.power", &[gpu("1")]), None);
    }
    machine.script(&boards(2, ""));
    healthy(&mut machine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_that_has_failed_is_not_well_because_it_does_not_answer() {
    let with =
        |more: &str| boards(1, "").replace("gpus: 1", &format!("gpus: [{{recovery_action: 1{more}}}]"));
    let failed = [gpu("0"), ("hw.state", "failed")];
    let mut machine = Machine::start(&with("")).await;
    machine.wait_for("hw.status", &failed, Some(1.0)).await;
    machine.script(&with(", fields: [{id: 230, code: 999}]"));
    machine.wait_for("nvidia.gpu.recovery_action", &[gpu("0")], None).await;
    for _ in 0..5 {
        machine.wait_for_new("hw.status", &failed).await;
        assert_eq!(machine.value("hw.status", &failed), Some(1.0));
    }
    machine.script(&boards(1, ""));
    machine.wait_for("hw.status", &[gpu("0"), ("hw.state", "ok")], Some(1.0)).await;
}
