//! Boards that are divided into instances.

use super::*;

/// A divided board with instances in these slots.
fn divided(slots: &[u32]) -> String {
    let instances: Vec<_> = slots
        .iter()
        .map(|slot| {
            format!(
                "{{slot: {slot}, gpu_instance: {}, compute_instance: 0, memory: {{total: 1000, used: {slot}}}, multiprocessors: 16}}",
                slot + 1
            )
        })
        .collect();
    format!(
        "{{name: NVIDIA H100 80GB HBM3, memory: {{total: 8000, used: 80, reserved: 0}}, utilization: {{gpu: 50, memory: 10}}, \
         temperature: {{gpu: 40}}, mig: {{mode: 1, pending: 1, max: 7, instances: [{}]}}}}",
        instances.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn ten_boards_with_seven_instances_each() {
    let board = divided(&[0, 1, 2, 3, 4, 5, 6]);
    let mut machine = Machine::start(&format!("gpus: [{}]", [board.as_str(); 10].join(", "))).await;
    machine
        .wait_until("all instances", |machine| machine.values("hw.gpu.memory.usage", &[]).len() == 80)
        .await;
    let parent = "GPU-00000003-0000-4000-8000-000000000000";
    let of_one = [("hw.parent", parent), ("nvidia.gpu.mig.gpu_instance.id", "5")];
    assert_eq!(machine.value("hw.gpu.memory.usage", &of_one), Some(4.0));
    assert_eq!(machine.values("hw.gpu.memory.usage", &[("hw.parent", parent), gpu("3")]).len(), 7);
    assert_eq!(machine.value("hw.gpu.memory.usage", &[("hw.id", parent)]), Some(80.0));
    assert!(machine.values("hw.gpu.utilization", &[]).is_empty());
    assert_eq!(machine.values("nvidia.gpu.up", &[]), [1.0; 10]);
    assert_eq!(machine.values("nvidia.gpu.mig.info", &[]), [1.0; 70]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_board_is_divided_otherwise_while_it_is_read() {
    let script = |slots: &[u32]| format!("gpus: [{}]", divided(slots));
    let mut machine = Machine::start(&script(&[0, 1, 2])).await;
    let instance = |id: &'static str| [("nvidia.gpu.mig.gpu_instance.id", id)];
    machine.wait_for("hw.gpu.memory.usage", &instance("3"), Some(2.0)).await;
    machine.script(&script(&[0, 4]));
    machine.wait_for("hw.gpu.memory.usage", &instance("5"), Some(4.0)).await;
    machine.wait_for("hw.gpu.memory.usage", &instance("2"), None).await;
    machine.wait_for("hw.gpu.memory.usage", &instance("3"), None).await;
    machine.wait_for("hw.gpu.memory.usage", &instance("1"), Some(0.0)).await;
    machine.wait_for("nvidia.gpu.up", &[], Some(1.0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn the_instances_of_a_lost_board_end_with_it() {
    let script = |more: &str| format!("gpus: [{}, {}]\n{more}", divided(&[0, 1]), divided(&[0, 1]));
    let mut machine = Machine::start(&script("")).await;
    machine.wait_until("instances", |machine| machine.values("hw.gpu.memory.usage", &[]).len() == 6).await;
    machine.script(&script("faults: [{call: '*', gpu: 1, code: 15}]\n"));
    machine.wait_for("nvidia.gpu.up", &[gpu("1"), ("error.type", "lost")], Some(0.0)).await;
    machine.wait_until("the others", |machine| machine.values("hw.gpu.memory.usage", &[]).len() == 3).await;
    machine.script(&script(""));
    machine.wait_until("instances", |machine| machine.values("hw.gpu.memory.usage", &[]).len() == 6).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn instances_stay_while_the_driver_does_not_say_which_there_are() {
    let script = |slots: &[u32], more: &str| format!("gpus: [{}]\n{more}", divided(slots));
    let instance = |id: &'static str| [("nvidia.gpu.mig.gpu_instance.id", id)];
    let mut machine = Machine::start(&script(&[0, 1, 2], "")).await;
    machine.wait_for("hw.gpu.memory.usage", &instance("3"), Some(2.0)).await;
    let calls =
        ["nvmlDeviceGetMigMode", "nvmlDeviceGetMaxMigDeviceCount", "nvmlDeviceGetMigDeviceHandleByIndex"];
    for call in calls {
        // An instance that is gone has the list asked for; the answer is late.
        machine.script(&script(&[0, 1], &format!("faults: [{{call: {call}, code: 19}}]\n")));
        machine.wait_for("hw.gpu.memory.usage", &instance("3"), None).await;
        for _ in 0..5 {
            machine.wait_for_new("hw.gpu.memory.usage", &instance("1")).await;
            assert_eq!(machine.values("nvidia.gpu.mig.info", &instance("2")), [1.0], "{call}");
        }
        machine.script(&script(&[0, 1, 2], ""));
        machine.wait_for("hw.gpu.memory.usage", &instance("3"), Some(2.0)).await;
    }
}
