//! The ways in. Each is one file or folder here and one entry in [`RECEIVERS`].

mod host_metrics;
mod machine;
mod nvml;
mod otlp;
pub mod prometheus;
mod prometheus_remote_write;
mod recorder;
mod rejections;
pub mod runners;
mod serving;

use pipeline::component::ReceiverEntry;

#[doc(hidden)]
pub use host_metrics::{HostBench, fuzz_files};
#[doc(hidden)]
pub use nvml::NvmlBench;
#[doc(hidden)]
pub use prometheus_remote_write::fuzz::{
    RemoteWriteBench, requests as fuzz_remote_write, written_requests as fuzz_remote_written,
};

/// Every receiver there is.
pub const RECEIVERS: &[ReceiverEntry] = &[
    host_metrics::ENTRY,
    nvml::ENTRY,
    otlp::ENTRY,
    prometheus::ENTRY,
    prometheus_remote_write::ENTRY,
    runners::ENTRY,
];
