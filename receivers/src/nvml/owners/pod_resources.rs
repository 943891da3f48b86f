//! What the kubelet has given to whom, by its PodResources API.

/// The last answer of the kubelet, shared with the task that asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct PodResources {}
