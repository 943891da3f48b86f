//! Who a process on a GPU belongs to, and who holds a GPU.

use std::sync::Arc;

use pipeline::AnyValue;

use self::pod_resources::PodResources;
use crate::machine::root::Root;

pub(super) mod pod_resources;

/// Attributes as every series of a [`recorder::Owner`](crate::recorder::Owner) has them.
pub(super) type Attributes = Arc<[(&'static str, AnyValue)]>;

/// A GPU or an instance of one, by all that the kubelet may call it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Device {
    /// `GPU-...` or `MIG-...`.
    pub(super) uuid: String,
    /// The number of the board's device file; of an instance, that of its board.
    pub(super) minor_number: Option<u32>,
    /// The number of the GPU instance, where the device is one of MIG.
    pub(super) gpu_instance: Option<u32>,
}

/// Tells whose a process is; shared by the threads of all boards.
#[derive(Debug)]
pub(super) struct Owners {
    root: Root,
    pod_resources: Option<PodResources>,
}

impl Owners {
    pub(super) fn new(root: &Root, pod_resources: Option<PodResources>) -> Self {
        Self { root: root.clone(), pod_resources }
    }

    /// What is known of the owner of a process: the same allocation until something of it changes.
    ///
    /// So whoever keeps series by it compares with [`Arc::ptr_eq`]. Empty where nothing is known, as of a
    /// process that is gone or that our `/proc` does not show. `device` is where the process was seen: which
    /// container holds it may tell what the process's pod is called.
    pub(super) fn attributes_on(&self, pid: u32, device: Option<&Device>) -> Attributes {
        let _ = (&self.root, &self.pod_resources, pid, device);
        Arc::default()
    }

    /// As [`Owners::attributes_on`], where nothing is known of the device.
    pub(super) fn attributes(&self, pid: u32) -> Attributes {
        self.attributes_on(pid, None)
    }

    /// Whether the process is there; `None` where our `/proc` is not that of the host and cannot tell.
    pub(super) fn is_alive(&self, pid: u32) -> Option<bool> {
        let _ = pid;
        None
    }

    /// What all containers that the device was given to have in common: `k8s.pod.name`,
    /// `k8s.namespace.name`, `k8s.container.name`. The same allocation until it changes.
    pub(super) fn holder(&self, device: &Device) -> Attributes {
        let _ = device;
        Arc::default()
    }
}
