//! The ways in. Each is one file or folder here and one entry in [`RECEIVERS`].

mod host_metrics;
mod machine;
mod nvml;
mod otlp;
pub mod prometheus;
mod recorder;
pub mod runners;

use pipeline::component::ReceiverEntry;

#[doc(hidden)]
pub use host_metrics::{HostBench, fuzz_files};
#[doc(hidden)]
pub use nvml::NvmlBench;

/// Every receiver there is.
pub const RECEIVERS: &[ReceiverEntry] =
    &[host_metrics::ENTRY, nvml::ENTRY, otlp::ENTRY, prometheus::ENTRY, runners::ENTRY];
