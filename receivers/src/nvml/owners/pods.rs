//! What a pod is called: the kubelet names the folders of its logs by pod and container.

use crate::machine::root::Root;

/// Names of a folder that are looked at.
const ENTRIES_MAX: usize = 16_384;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Names {
    pub(super) pod: String,
    pub(super) namespace: String,
    pub(super) container: Option<String>,
}

/// The names of a container by its id, or else of its pod by its uid.
pub(super) fn of(root: &Root, pod_uid: Option<&str>, container_id: Option<&str>) -> Option<Names> {
    let container = || entries(root, "var/log/containers", |name| of_container(name, container_id?));
    let pod = || entries(root, "var/log/pods", |name| of_pod(name, pod_uid?));
    container().or_else(pod)
}

fn entries(root: &Root, folder: &str, names: impl Fn(&str) -> Option<Names>) -> Option<Names> {
    let entries = std::fs::read_dir(root.path(folder)).ok()?.take(ENTRIES_MAX);
    entries.flatten().find_map(|entry| names(entry.file_name().to_str()?))
}

/// `POD_NAMESPACE_CONTAINER-ID.log`; none of the names may hold an underscore.
fn of_container(name: &str, id: &str) -> Option<Names> {
    let names = name.strip_suffix(".log")?.strip_suffix(id)?.strip_suffix('-')?;
    let [pod, namespace, container] = names.split('_').collect::<Vec<_>>()[..] else { return None };
    let container = Some(container.to_owned());
    Some(Names { pod: pod.to_owned(), namespace: namespace.to_owned(), container })
}

/// `NAMESPACE_POD_UID`.
fn of_pod(name: &str, uid: &str) -> Option<Names> {
    let [namespace, pod] = name.strip_suffix(uid)?.strip_suffix('_')?.split('_').collect::<Vec<_>>()[..]
    else {
        return None;
    };
    Some(Names { pod: pod.to_owned(), namespace: namespace.to_owned(), container: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_is_found_by_its_id_and_a_pod_by_its_uid() {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::new(folder.path().to_str().unwrap());
        assert_eq!(of(&root, Some("u-1"), Some("c1")), None);
        std::fs::create_dir_all(folder.path().join("var/log/pods/models_llm-0_u-1")).unwrap();
        std::fs::create_dir_all(folder.path().join("var/log/pods/models_llm-1_u-2")).unwrap();
        std::fs::create_dir_all(folder.path().join("var/log/containers")).unwrap();
        std::fs::write(folder.path().join("var/log/containers/llm-0_models_vllm-c1.log"), "").unwrap();
        let names = |container: Option<&str>| Names {
            pod: "llm-0".to_owned(),
            namespace: "models".to_owned(),
            container: container.map(str::to_owned),
        };
        assert_eq!(of(&root, Some("u-1"), Some("c1")), Some(names(Some("vllm"))));
        assert_eq!(of(&root, Some("u-1"), Some("c2")), Some(names(None)));
        assert_eq!(of(&root, Some("u-1"), None), Some(names(None)));
        assert_eq!(of(&root, None, Some("c2")), None);
        assert_eq!(of(&root, Some("u-3"), None), None);
    }
}
