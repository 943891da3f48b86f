use super::*;

const A: &str = "3f1c0f2b8d7e4a59b6c1d2e3f405162738495a6b7c8d9eaf0b1c2d3e4f506172";
const B: &str = "aa11bb22cc33dd44ee55ff6600778899aabbccddeeff00112233445566778899";
const UID: &str = "0b8e4f7c-5d1a-4c7e-9a53-2f6d1e0c9b8a";
const HASH: &str = "d41d8cd98f00b204e9800998ecf8427e";

/// `container runtime pod unit job`, with `-` for what is not known.
#[track_caller]
fn check(text: &str, expected: &str) {
    let (slice, fill) = (UID.replace('-', "_"), |text: &str| {
        text.replace("{A}", A).replace("{B}", B).replace("{UID}", UID).replace("{HASH}", HASH)
    });
    let place = parse(&fill(text).replace("{U_ID}", &slice));
    let word = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let found = [
        word(place.container_id),
        word(place.runtime.map(str::to_owned)),
        word(place.pod_uid),
        word(place.unit),
        word(place.slurm_job),
    ];
    assert_eq!(found.join(" "), fill(expected), "{text}");
}

#[test]
fn pods_are_known_by_every_shape_of_path() {
    let kubepods = "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{U_ID}.slice";
    check(&format!("{kubepods}/cri-containerd-{{A}}.scope"), "{A} containerd {UID} - -");
    check(&format!("{kubepods}/crio-{{A}}.scope"), "{A} cri-o {UID} - -");
    check(&format!("{kubepods}/crio-{{A}}.scope/container"), "{A} cri-o {UID} - -");
    check(&format!("{kubepods}/docker-{{A}}.scope"), "{A} docker {UID} - -");
    check(&format!("{kubepods}/crio-conmon-{{A}}.scope"), "- - {UID} - -");
    check("0::/kubepods.slice/kubepods-pod{U_ID}.slice/cri-containerd-{A}.scope", "{A} containerd {UID} - -");
    check("4:memory:/kubepods/besteffort/pod{UID}/{A}", "{A} - {UID} - -");
    check("0::/kubepods/pod{UID}/{A}", "{A} - {UID} - -");
    check("0::/kubepods/burstable/pod{UID}/crio-{A}", "{A} cri-o {UID} - -");
    check("0::/kubepods/burstable/pod{HASH}/{A}", "{A} - {HASH} - -");
    check(
        "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod{HASH}.slice/cri-containerd-{A}.scope",
        "{A} containerd {HASH} - -",
    );
    check(
        "0::/system.slice/containerd.service/kubepods-besteffort-pod{U_ID}.slice:cri-containerd:{A}",
        "{A} containerd {UID} - -",
    );
    // k3s, without the driver for systemd.
    check("0::/k3s.service/kubepods/burstable/pod{UID}/{A}", "{A} - {UID} - -");
}

#[test]
fn nested_paths_tell_the_innermost() {
    // kind: a node that is a container of Docker's.
    check(
        "0::/system.slice/docker-{A}.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/\
         kubelet-kubepods-besteffort-pod{U_ID}.slice/cri-containerd-{B}.scope",
        "{B} containerd {UID} - -",
    );
    check("0::/docker/{A}/kubelet/kubepods/burstable/pod{UID}/{B}", "{B} - {UID} - -");
    check("12:pids:/docker/{A}/docker/{B}", "{B} docker - - -");
    check("0::/system.slice/docker-{A}.scope/system.slice/ollama.service", "{A} docker - ollama.service -");
}

#[test]
fn a_namespace_of_our_own_hides_the_beginning() {
    check(
        "0::/../../kubepods-burstable-pod{U_ID}.slice/cri-containerd-{A}.scope",
        "{A} containerd {UID} - -",
    );
    check("0::/../../pod{UID}/{A}", "{A} - {UID} - -");
    check("0::/../cri-containerd-{A}.scope", "{A} containerd - - -");
    check("0::/../{A}", "{A} - - - -");
    check("0::/", "- - - - -");
    check("0::/../../job_77/step_0/user/task_0", "- - - - 77");
}

#[test]
fn containers_without_pods_have_their_runtime() {
    check("0::/system.slice/docker-{A}.scope", "{A} docker - - -");
    check("12:cpuset:/docker/{A}\n1:name=systemd:/docker/{A}\n", "{A} docker - - -");
    check("0::/user.slice/user-1000.slice/user@1000.service/user.slice/docker-{A}.scope", "{A} docker - - -");
    check("0::/machine.slice/libpod-{A}.scope/container", "{A} podman - - -");
    check("0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{A}.scope", "{A} podman - - -");
    check("0::/machine.slice/libpod-conmon-{A}.scope", "- - - - -");
    check("0::/libpod_parent/libpod-{A}", "{A} podman - - -");
    // Quadlet: a unit of systemd's that is a container.
    check("0::/system.slice/vllm.service/libpod-payload-{A}", "{A} podman - vllm.service -");
    check("0::/system.slice/nerdctl-{A}.scope", "{A} containerd - - -");
    check("0::/default/{A}", "{A} - - - -");
    check("0::/system.slice:docker:{A}", "{A} docker - - -");
    check("9:devices:/ecs/0a1b2c3d/{A}", "{A} docker - - -");
    check("0::/lxc.payload.gpu-box/system.slice/ollama.service", "gpu-box lxc - ollama.service -");
    check("4:memory:/lxc/101/init.scope", "101 lxc - init.scope -");
}

#[test]
fn units_and_jobs_are_known() {
    check("0::/system.slice/ollama.service", "- - - ollama.service -");
    check("0::/system.slice/system-vllm.slice/vllm@8000.service", "- - - vllm@8000.service -");
    check("0::/user.slice/user-1000.slice/user@1000.service/app.slice/vllm.service", "- - - vllm.service -");
    check("0::/user.slice/user-1000.slice/session-5.scope", "- - - session-5.scope -");
    check("0::/user.slice/user-1000.slice/user@1000.service/init.scope", "- - - init.scope -");
    check("3:cpu:/\n1:name=systemd:/system.slice/tgi.service\n0::/\n", "- - - tgi.service -");
    check(
        "9:memory:/slurm/uid_1000/job_4711/step_0/task_3\n1:name=systemd:/system.slice/slurmd.service",
        "- - - - 4711",
    );
    check("9:memory:/slurm_node7/uid_0/job_4711/step_batch", "- - - - 4711");
    check("0::/system.slice/slurmstepd.scope/job_4711/step_extern/user/task_0", "- - - - 4711");
    check("0::/system.slice/node7_slurmstepd.scope/job_4711/step_0/user/task_special", "- - - - 4711");
}

#[test]
fn what_only_looks_like_something_is_nothing() {
    check("", "- - - - -");
    check("no lines of this file", "- - - - -");
    check("0::", "- - - - -");
    check("0::/job_12", "- - - - -");
    check("0::/slurm/job_x", "- - - - -");
    check("0::/podcast.service", "- - - podcast.service -");
    check("0::/tripod{UID}", "- - - - -");
    check("0::/docker-3f1c.scope", "- - - docker-3f1c.scope -");
    check("0::/kubepods/pod-{UID}", "- - - - -");
    check("0::/ümlaut/podü{UID}.slice", "- - - - -");
}
