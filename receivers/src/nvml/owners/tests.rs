use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::*;

const ID: &str = "3f1c0f2b8d7e4a59b6c1d2e3f405162738495a6b7c8d9eaf0b1c2d3e4f506172";
const UID: &str = "0b8e4f7c-5d1a-4c7e-9a53-2f6d1e0c9b8a";

/// A host's files, in a folder.
struct Host(tempfile::TempDir);

/// A process to be: its number, its parent's, its session's and start, its cgroup, and where it listens.
struct Spec<'a> {
    pid: u32,
    parent: u32,
    session: u32,
    start: u64,
    cgroup: &'a str,
    ports: &'a [u16],
}

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.write("proc/2/comm", "kthreadd\n");
        host
    }

    fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    fn write(&self, relative: &str, text: &str) {
        std::fs::create_dir_all(self.path(relative).parent().unwrap()).unwrap();
        std::fs::write(self.path(relative), text).unwrap();
    }

    fn process(&self, spec: &Spec) {
        let Spec { pid, parent, session, start, cgroup, ports } = spec;
        let _ = std::fs::remove_dir_all(self.path(&format!("proc/{pid}")));
        let stat =
            format!("{pid} (python3) S {parent} {pid} {session} 0 -1 4 1 0 0 0 7 8 0 0 20 0 2 0 {start} 9\n");
        self.write(&format!("proc/{pid}/stat"), &stat);
        self.write(&format!("proc/{pid}/cgroup"), &format!("0::{cgroup}\n"));
        symlink("/usr/bin/python3.12 (deleted)", self.path(&format!("proc/{pid}/exe"))).unwrap();
        std::fs::create_dir(self.path(&format!("proc/{pid}/fd"))).unwrap();
        symlink("/dev/null", self.path(&format!("proc/{pid}/fd/0"))).unwrap();
        let mut lines = "  sl  local_address rem_address   st ...\n".to_owned();
        for port in *ports {
            let socket = format!("socket:[{pid}{port}]");
            symlink(socket, self.path(&format!("proc/{pid}/fd/{port}"))).unwrap();
            let line = format!("   0: 00000000:{port:04X} 00000000:0000 0A 0:0 00:0 0 0 0 {pid}{port} 1\n");
            lines.push_str(&line);
        }
        self.write(&format!("proc/{pid}/net/tcp"), &lines);
    }

    fn root(&self) -> Root {
        Root::new(self.0.path().to_str().unwrap())
    }

    fn owners(&self) -> Owners {
        Owners::new(&self.root(), None)
    }
}

fn spec(pid: u32, parent: u32, cgroup: &str) -> Spec<'_> {
    Spec { pid, parent, session: pid, start: 100, cgroup, ports: &[] }
}

fn text(attributes: &Attributes) -> String {
    let value = |value: &AnyValue| match value {
        AnyValue::String(text) => text.clone(),
        AnyValue::Int(number) => number.to_string(),
        value => format!("{value:?}"),
    };
    let pairs = attributes.iter().map(|(key, of)| format!("{key}={}", value(of)));
    pairs.collect::<Vec<_>>().join(" ")
}

#[track_caller]
fn check(owners: &Owners, pid: u32, expected: &str) {
    let expected = format!("process.executable.name=python3.12 {expected}");
    assert_eq!(
        text(&owners.attributes_on(pid, None)),
        expected.replace("{ID}", ID).replace("{UID}", UID).trim()
    );
}

#[test]
fn a_process_in_a_pod_is_told_with_all_that_is_known() {
    let host = Host::new();
    let cgroup = format!("/kubepods/burstable/pod{UID}/crio-{ID}");
    host.process(&Spec { ports: &[8000], ..spec(50, 40, &cgroup) });
    let named = "container.id={ID} container.runtime.name=cri-o k8s.pod.uid={UID}";
    check(&host.owners(), 50, &format!("{named} server.port=8000"));
    std::fs::create_dir_all(host.path(&format!("var/log/pods/models_llm-0_{UID}"))).unwrap();
    let pod = "k8s.pod.name=llm-0 k8s.namespace.name=models";
    check(&host.owners(), 50, &format!("{named} {pod} server.port=8000"));
    host.write(&format!("var/log/containers/llm-0_models_vllm-{ID}.log"), "");
    let pod = "k8s.namespace.name=models k8s.pod.name=llm-0 k8s.container.name=vllm";
    check(&host.owners(), 50, &format!("{named} {pod} server.port=8000"));
}

#[test]
fn units_and_jobs_are_told() {
    let host = Host::new();
    host.process(&spec(50, 1, "/system.slice/ollama.service"));
    host.process(&spec(60, 1, "/system.slice/slurmstepd.scope/job_7/step_0/user/task_0"));
    check(&host.owners(), 50, "systemd.unit=ollama.service");
    check(&host.owners(), 60, "slurm.job.id=7");
}

#[test]
fn a_child_serves_where_its_parent_listens() {
    let (host, session) = (Host::new(), "/user.slice/user-0.slice/session-1.scope");
    // sshd, a shell, the API server, its engine, a worker of the engine that listens for its own kind.
    host.process(&Spec { ports: &[22, 6010], ..spec(10, 1, session) });
    host.process(&Spec { parent: 10, ..spec(20, 10, session) });
    host.process(&Spec { session: 20, ports: &[8000, 8100], ..spec(30, 20, session) });
    host.process(&Spec { session: 20, ..spec(40, 30, session) });
    host.process(&Spec { session: 20, ports: &[41234], ..spec(50, 40, session) });
    // Another of the same shell.
    host.process(&Spec { session: 20, ports: &[80], ..spec(60, 20, session) });
    let unit = "systemd.unit=session-1.scope";
    check(&host.owners(), 40, &format!("{unit} server.port=8000 inferometer.process.ports=8000,8100"));
    check(&host.owners(), 50, &format!("{unit} server.port=8000 inferometer.process.ports=41234,8000,8100"));
    check(&host.owners(), 20, unit);
}

#[test]
fn what_is_in_one_container_or_service_belongs_together() {
    let host = Host::new();
    let container = format!("/system.slice/docker-{ID}.scope");
    host.process(&spec(10, 1, "/system.slice/containerd.service"));
    // A launcher that starts a router and a shard, in sessions of their own.
    host.process(&spec(20, 10, &container));
    host.process(&Spec { ports: &[3000], ..spec(30, 20, &container) });
    host.process(&spec(40, 20, &container));
    host.process(&Spec { ports: &[3000], ..spec(50, 10, "/system.slice/other.service") });
    host.process(&Spec { ports: &[11434], ..spec(60, 1, "/system.slice/ollama.service") });
    host.process(&Spec { ports: &[40001], ..spec(70, 60, "/system.slice/ollama.service") });
    let docker = "container.id={ID} container.runtime.name=docker";
    check(&host.owners(), 40, &format!("{docker} server.port=3000"));
    let ports = "server.port=11434 inferometer.process.ports=40001,11434";
    check(&host.owners(), 70, &format!("systemd.unit=ollama.service {ports}"));
}

#[test]
fn a_process_is_looked_up_again_after_a_while_and_keeps_its_allocation() {
    let (host, start) = (Host::new(), Instant::now());
    let owners = host.owners();
    let at = |seconds| owners.attributes_at(50, None, start + Duration::from_secs(seconds));
    let unit = "/system.slice/vllm.service";
    host.process(&spec(50, 1, unit));
    let first = at(0);
    host.process(&Spec { ports: &[8000], ..spec(50, 1, unit) });
    assert!(Arc::ptr_eq(&first, &at(4)), "not looked at yet");
    let second = at(6);
    assert!(text(&second).ends_with("server.port=8000"), "{second:?}");
    assert!(Arc::ptr_eq(&second, &at(3000)), "looked at, and the same");
    // Another of the same number.
    host.process(&Spec { start: 101, ..spec(50, 1, "/system.slice/tgi.service") });
    assert!(text(&at(3001)).ends_with("tgi.service"));
    std::fs::remove_dir_all(host.path("proc/50")).unwrap();
    assert!(at(3002).is_empty());
    assert!(lock(&owners.processes).is_empty());
}

#[test]
fn every_device_of_a_process_is_looked_up_again() {
    let (host, start) = (Host::new(), Instant::now());
    let owners = host.owners();
    let device = |uuid: &str| Device { uuid: uuid.to_owned(), minor_number: None, gpu_instance: None };
    let at = |uuid, seconds| {
        text(&owners.attributes_at(50, Some(&device(uuid)), start + Duration::from_secs(seconds)))
    };
    host.process(&spec(50, 1, "/"));
    assert_eq!(at("a", 0), at("b", 0));
    host.process(&Spec { ports: &[8000], ..spec(50, 1, "/") });
    assert!(at("a", 10).ends_with("8000"));
    assert!(at("b", 10).ends_with("8000"));
}

#[test]
fn no_more_processes_are_remembered_than_are_asked_for() {
    let (host, start) = (Host::new(), Instant::now());
    let owners = host.owners();
    for pid in [50, 51] {
        host.process(&spec(pid, 1, "/"));
    }
    owners.attributes_at(50, None, start);
    owners.attributes_at(51, None, start + KEPT);
    assert_eq!(lock(&owners.processes).keys().copied().collect::<Vec<_>>(), [51]);
    let mut known = HashMap::from([(1, start + KEPT), (2, start)]);
    forget_oldest(&mut known, |asked| *asked);
    assert_eq!(known.into_keys().collect::<Vec<_>>(), [1]);
}

#[test]
fn numbers_of_another_namespace_are_not_taken_for_the_hosts() {
    let host = Host::new();
    std::fs::remove_file(host.path("proc/2/comm")).unwrap();
    host.process(&spec(50, 1, "/"));
    let owners = host.owners();
    assert_eq!((owners.is_alive(50), owners.is_alive(51)), (None, None));
    assert!(owners.attributes_on(50, None).is_empty());
    // One that has a GPU open is meant, whatever the namespace.
    symlink("/dev/nvidiactl", host.path("proc/50/fd/7")).unwrap();
    let owners = host.owners();
    assert_eq!((owners.is_alive(50), owners.is_alive(51)), (Some(true), None));
    assert_eq!(text(&owners.attributes_on(50, None)), "process.executable.name=python3.12");
    host.write("proc/2/comm", "kthreadd\n");
    assert_eq!((owners.is_alive(50), owners.is_alive(51)), (Some(true), Some(false)));
}

#[test]
fn this_process_is_found_where_it_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let root = Root::new("/");
    let pid = std::process::id();
    let stat = process::stat(&root, pid).unwrap();
    // Not by `attributes`, as this machine may be a container whose numbers are not the host's.
    let found = Owners::new(&root, None).look_up(pid, &stat, None, Instant::now());
    let ports = found.iter().find_map(|(key, value)| match (*key, value) {
        ("inferometer.process.ports", AnyValue::String(ports)) => Some(ports.clone()),
        _ => None,
    });
    let lowest = found.iter().find_map(|(key, value)| match (*key, value) {
        ("server.port", AnyValue::Int(port)) => Some(port.to_string()),
        _ => None,
    });
    let ports = ports.or(lowest).unwrap_or_default();
    assert!(ports.split(',').any(|found| found == port), "{port} of {found:?}");
}

#[test]
fn holders_are_told_as_far_as_they_agree() {
    let holder = |text: &str| {
        let [namespace, pod, container] = text.split('/').collect::<Vec<_>>()[..] else { panic!("{text}") };
        Holder { pod: pod.to_owned(), namespace: namespace.to_owned(), container: container.to_owned() }
    };
    let check = |holders: &[&str], expected: &str| {
        let holders: Vec<_> = holders.iter().map(|text| holder(text)).collect();
        assert_eq!(text(&names_of(&holders).into()), expected);
    };
    check(&[], "");
    check(&["n/p/c"], "k8s.namespace.name=n k8s.pod.name=p k8s.container.name=c");
    check(&["n/p/c", "n/p/d"], "k8s.namespace.name=n k8s.pod.name=p");
    check(&["n/p/c", "n/q/c"], "k8s.namespace.name=n");
    check(&["n/p/c", "m/p/c"], "");
}
