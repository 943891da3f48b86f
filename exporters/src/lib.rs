//! The ways out. Each is one file or folder here and one entry in [`EXPORTERS`].

use pipeline::component::ExporterEntry;

/// Every exporter there is.
pub const EXPORTERS: &[ExporterEntry] = &[];
