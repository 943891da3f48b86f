use super::*;

fn plan_of(yaml: &str) -> Result<Plan, Vec<Message>> {
    let section = ::config::Section::from_yaml("receivers.nvml", yaml).unwrap();
    Plan::of(&section.read().unwrap())
}

#[track_caller]
fn check_problem(yaml: &str, key: &str, part: &str) {
    let problems = plan_of(yaml).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].0, key);
    assert!(problems[0].1.contains(part), "{problems:?}");
}

#[test]
fn what_is_not_known_is_named_with_what_is_near() {
    check_problem("groups: {utilisation: {}}", "groups.utilisation", "`utilization`");
    check_problem(
        "groups: {memory: {metrics: {hw.gpu.memory.use: {}}}}",
        "groups.memory.metrics.hw.gpu.memory.use",
        "`hw.gpu.memory.usage`",
    );
    check_problem("collection_interval: 0s", "collection_interval", "above zero");
    check_problem("timeout: 0s", "timeout", "above zero");
    check_problem("devices: {exclude: ['H100', '(']}", "devices.exclude[1]", "");
}

#[track_caller]
fn interval(yaml: &str, group: &str) -> Option<u64> {
    let plan = plan_of(yaml).unwrap();
    plan.groups.iter().find(|plan| plan.group.name == group).map(|plan| plan.interval.as_secs())
}

#[test]
fn a_group_has_its_interval_or_the_receivers() {
    assert_eq!(interval("", "utilization"), Some(10));
    assert_eq!(interval("collection_interval: 2s", "utilization"), Some(2));
    assert_eq!(interval("", "modes"), Some(60));
    assert_eq!(interval("collection_interval: 2m", "modes"), Some(120));
    assert_eq!(interval("groups: {modes: {collection_interval: 5s}}", "modes"), Some(5));
    assert_eq!(interval("groups: {modes: {collection_interval: 0}}", "modes"), Some(10));
}

#[test]
fn groups_and_metrics_are_switched() {
    assert_eq!(interval("groups: {memory: {enabled: false}}", "memory"), None);
    let plan = plan_of("groups: {memory: {metrics: {hw.gpu.memory.usage: {enabled: false}}}}").unwrap();
    let memory = plan.groups.iter().find(|plan| plan.group.name == "memory").unwrap();
    let place = |name: &str| memory.group.metrics.iter().position(|metric| metric.name == name).unwrap();
    assert!(!memory.selection.is_on[place("hw.gpu.memory.usage")]);
    assert!(memory.selection.is_on[place("hw.gpu.memory.limit")]);
    let off = GROUPS.iter().find(|group| !group.is_default);
    if let Some(group) = off {
        let yaml = format!("groups: {{{}: {{enabled: true}}}}", group.name);
        assert_eq!(interval("", group.name), None);
        assert!(interval(&yaml, group.name).is_some());
    }
}

#[test]
fn a_device_is_taken_for_what_it_looks_like() {
    let plan = plan_of("devices: {include: ['0', GPU-1, '0000:1B:00.0', RTX]}").unwrap();
    let [Pattern::Index(0), Pattern::Uuid(_), Pattern::BusId(bus_id), Pattern::Name(_)] =
        &plan.choice.include[..]
    else {
        panic!("{:?}", plan.choice.include)
    };
    assert_eq!(bus_id, "0000:1b:00.0");
}

#[test]
fn the_kubelet_is_asked_below_the_root_or_where_it_is_said() {
    assert_eq!(plan_of("").unwrap().socket, None);
    let socket = |yaml: &str| plan_of(yaml).unwrap().socket.unwrap();
    assert_eq!(
        socket("{root_path: /host, pod_resources: {enabled: true}}"),
        PathBuf::from("/host/var/lib/kubelet/pod-resources/kubelet.sock")
    );
    assert_eq!(socket("pod_resources: {enabled: true, socket: /run/k.sock}"), PathBuf::from("/run/k.sock"));
}
