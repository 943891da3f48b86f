//! The steps between the ways in and the ways out. Each is one file here and one entry in [`PROCESSORS`].

mod actions;
mod attributes;
mod batch;
mod dialect;
mod filter;
mod gpu_attribution;
mod mapped;
mod matcher;
mod memory_limiter;
mod relabel;
mod resource;
mod schema;

#[cfg(test)]
mod tests;

use crate::component::ProcessorEntry;

#[doc(hidden)]
pub use filter::fuzz_condition;

/// Every processor there is.
pub const PROCESSORS: &[ProcessorEntry] = &[
    attributes::ENTRY,
    batch::ENTRY,
    dialect::ENTRY,
    filter::ENTRY,
    gpu_attribution::ENTRY,
    memory_limiter::ENTRY,
    relabel::ENTRY,
    resource::ENTRY,
    schema::ENTRY,
];
