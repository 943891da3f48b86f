//! The ids that device plugins give GPUs, and who holds them.

use std::collections::{BTreeSet, HashMap};

use super::messages::ListPodResourcesResponse;
use super::{Device, Holder};

/// Pairs of a device and a holder that are kept: a node has a few hundred at most.
const PAIRS_MAX: usize = 16_384;

/// Who holds what.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Allocations {
    by_device: HashMap<String, BTreeSet<Holder>>,
}

impl Allocations {
    pub(super) fn of(answer: ListPodResourcesResponse) -> Self {
        let mut by_device: HashMap<String, BTreeSet<Holder>> = HashMap::new();
        let mut pairs = 0;
        for pod in answer.pod_resources {
            for container in pod.containers {
                let ids = container.devices.iter().flat_map(|devices| {
                    devices.device_ids.iter().filter_map(|id| device(&devices.resource_name, id))
                });
                let holder = Holder {
                    pod: pod.name.clone(),
                    namespace: pod.namespace.clone(),
                    container: container.name.clone(),
                };
                for id in ids.take(PAIRS_MAX - pairs) {
                    pairs += usize::from(by_device.entry(id.to_owned()).or_default().insert(holder.clone()));
                }
            }
        }
        Self { by_device }
    }

    pub(super) fn holders(&self, device: &Device) -> Vec<Holder> {
        let of_file = device.minor_number.map(|minor| match device.gpu_instance {
            None => format!("nvidia{minor}"),
            Some(instance) => format!("nvidia{minor}/gi{instance}"),
        });
        let names = std::iter::once(&device.uuid).chain(of_file.as_ref());
        let holders: BTreeSet<_> =
            names.filter_map(|name| self.by_device.get(name)).flatten().cloned().collect();
        holders.into_iter().collect()
    }
}

/// The device that an id means, whatever replica of it; `None` where it is no GPU of NVIDIA's.
fn device<'a>(resource: &str, id: &'a str) -> Option<&'a str> {
    // Time slicing counts replicas behind the id, and so does GKE in its own way.
    let id = id.split_once("::").map_or(id, |(id, _)| id);
    let id = id.split_once("/vgpu").map_or(id, |(id, _)| id);
    // A UUID tells what it is, a number only together with the resource.
    let is_uuid = id.starts_with("GPU-") || id.starts_with("MIG-");
    (is_uuid || (id.starts_with("nvidia") && resource.starts_with("nvidia.com/"))).then_some(id)
}
