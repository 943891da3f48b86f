//! The ways out. Each is one file or folder here and one entry in [`EXPORTERS`].

mod attribute;
mod debug;
mod json;
mod otlp;
mod otlp_grpc;
mod otlp_http;
mod prometheus;
mod prometheus_remote_write;
mod push;
#[cfg(test)]
mod testing;

use pipeline::component::ExporterEntry;

pub use prometheus::prometheus_page;
pub use prometheus_remote_write::RemoteWriteBodies;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use prometheus_remote_write::fuzz_bodies;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub use push::fuzz::answers as fuzz_answers;
pub use push::headers::Headers;

/// Every exporter there is.
pub const EXPORTERS: &[ExporterEntry] = &[
    debug::ENTRY,
    debug::LOGGING,
    json::ENTRY,
    otlp_grpc::ENTRY,
    otlp_http::ENTRY,
    prometheus::ENTRY,
    prometheus_remote_write::ENTRY,
];
