//! What the path of a process's cgroup says of it: container, runtime, pod, unit, job.
//!
//! Every component of the path is looked at by itself, wherever it stands: seen from a cgroup namespace of our own,
//! paths begin with `/../`, and a container in a container has its path behind the other's.

/// What is known of a process from `/proc/PID/cgroup`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) container_id: Option<String>,
    pub(super) runtime: Option<&'static str>,
    pub(super) pod_uid: Option<String>,
    pub(super) unit: Option<String>,
    pub(super) slurm_job: Option<String>,
}

/// What stands before the id of a container, and whose it is.
const RUNTIMES: &[(&str, &str)] = &[
    ("cri-containerd", "containerd"),
    ("containerd", "containerd"),
    ("nerdctl", "containerd"),
    ("docker", "docker"),
    ("crio", "cri-o"),
    ("libpod-payload", "podman"),
    ("libpod", "podman"),
];

/// Folders in which a runtime puts containers by their bare ids.
const FOLDERS: &[(&str, &str)] = &[("docker", "docker"), ("ecs", "docker"), ("actions_job", "docker")];

/// Units that start containers or users' sessions; what runs below them is not theirs.
const MANAGERS: &[&str] = &[
    "containerd.service",
    "crio.service",
    "docker.service",
    "k3s.service",
    "k3s-agent.service",
    "kubelet.service",
    "rke2-agent.service",
    "rke2-server.service",
];

/// Reads the file: a line a hierarchy, `0::/path` of the second version, `4:memory:/path` of the first.
pub(super) fn parse(text: &str) -> Place {
    let mut lines: Vec<_> = text.lines().filter_map(line).collect();
    // On a mixed host systemd's own hierarchy says most, and of the others any says the same.
    lines.sort_by_key(|(controllers, _)| !matches!(*controllers, "" | "name=systemd"));
    let mut all = Place::default();
    for place in lines.into_iter().map(|(_, path)| of_path(path)) {
        if all.container_id.is_none() && place.container_id.is_some() {
            (all.container_id, all.runtime) = (place.container_id, place.runtime);
        }
        all.pod_uid = all.pod_uid.or(place.pod_uid);
        all.slurm_job = all.slurm_job.or(place.slurm_job);
        all.unit = all.unit.or(place.unit);
    }
    // A path of another hierarchy may tell that the unit is none of the process's own.
    if all.pod_uid.is_some() || all.slurm_job.is_some() {
        all.unit = None;
    }
    all
}

/// The controllers and the path of a line.
fn line(line: &str) -> Option<(&str, &str)> {
    line.split_once(':')?.1.split_once(':')
}

fn of_path(path: &str) -> Place {
    let mut place = Place::default();
    let components: Vec<_> = path.split('/').filter(|part| !matches!(*part, "" | "." | "..")).collect();
    for (at, component) in components.iter().enumerate() {
        let before = &components[..at];
        // The last is the innermost, and its own: a pod of a node that is itself a container is no pod of the host's.
        if let Some(uid) = pod_uid(component) {
            place = Place { pod_uid: Some(uid), ..Place::default() };
        }
        if let Some((id, runtime)) = container(component, before) {
            (place.container_id, place.runtime) = (Some(id.to_owned()), runtime);
        }
        if let Some(job) = slurm_job(component, before, components.get(at + 1)) {
            place.slurm_job = Some(job.to_owned());
        }
        if is_unit(component) {
            place.unit = Some((*component).to_owned());
        }
    }
    if place.pod_uid.is_some() || place.slurm_job.is_some() {
        place.unit = None;
    }
    place
}

/// The uid in `kubepods-burstable-pod1234_....slice`, `pod1234-...`, alone or with a runtime's part behind it.
fn pod_uid(component: &str) -> Option<String> {
    component.match_indices("pod").find_map(|(at, pod)| {
        let is_start = component[..at].is_empty() || component[..at].ends_with('-');
        let rest = &component[at + pod.len()..];
        let end = rest.find(['.', ':']).unwrap_or(rest.len());
        let uid = &rest[..end];
        // A pod of the kubelet's own files has a hash for a uid; the dashes of others are underscores in a slice.
        let is_hash = uid.len() == 32 && is_hex(uid);
        let is_uuid = uid.len() == 36
            && uid.char_indices().all(|(at, character)| match at {
                8 | 13 | 18 | 23 => matches!(character, '-' | '_'),
                _ => character.is_ascii_hexdigit(),
            });
        (is_start && (is_hash || is_uuid)).then(|| uid.replace('_', "-"))
    })
}

/// The id and the runtime, where the component is a container's.
fn container<'a>(component: &'a str, before: &[&str]) -> Option<(&'a str, Option<&'static str>)> {
    if let Some(name) = component.strip_prefix("lxc.payload.") {
        return Some((name, Some("lxc")));
    }
    if before.last() == Some(&"lxc") {
        return Some((component, Some("lxc")));
    }
    let name = component.strip_suffix(".scope").unwrap_or(component);
    // `slice:runtime:id` is how a runtime that expects systemd names it where it has none.
    if let [_, runtime, id] = name.split(':').collect::<Vec<_>>()[..] {
        return is_container_id(id).then(|| (id, named(RUNTIMES, runtime)));
    }
    if is_container_id(name) {
        let folder = before.iter().rev().find_map(|folder| named(FOLDERS, folder));
        // In a pod's folder the runtime may be any.
        let is_of_pod = before.last().is_some_and(|folder| pod_uid(folder).is_some());
        return Some((name, if is_of_pod { None } else { folder }));
    }
    // Others that end with an id, such as `libpod-conmon-...`, watch over a container and are outside of it.
    let (runtime, id) = name.rsplit_once('-')?;
    let runtime = named(RUNTIMES, runtime)?;
    is_container_id(id).then_some((id, Some(runtime)))
}

/// The number in `job_123`, below what Slurm calls its own or above a step of it.
fn slurm_job<'a>(component: &'a str, before: &[&str], behind: Option<&&str>) -> Option<&'a str> {
    let job = component.strip_prefix("job_")?;
    let is_number = !job.is_empty() && job.bytes().all(|byte| byte.is_ascii_digit());
    let is_slurm = before.iter().any(|folder| folder.contains("slurm"))
        || behind.is_some_and(|step| step.starts_with("step_"));
    (is_number && is_slurm).then_some(job)
}

fn is_unit(component: &str) -> bool {
    if let Some(scope) = component.strip_suffix(".scope") {
        return container(component, &[]).is_none() && !scope.contains("conmon-");
    }
    component.ends_with(".service")
        && !MANAGERS.contains(&component)
        && !(component.starts_with("user@") && component.ends_with(".service"))
}

fn named(list: &[(&str, &'static str)], word: &str) -> Option<&'static str> {
    list.iter().find(|(known, _)| *known == word).map(|(_, name)| *name)
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && is_hex(text)
}

fn is_hex(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
