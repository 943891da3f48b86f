//! The steps between the ways in and the ways out. Each is one file here and one entry in [`PROCESSORS`].

mod actions;
mod attributes;
mod batch;
mod cumulative_to_delta;
mod delta_to_cumulative;
mod delta_to_rate;
mod dialect;
mod filter;
mod gpu_attribution;
mod mapped;
mod matcher;
mod memory_limiter;
mod metric_start_time;
mod relabel;
mod resource;
mod schema;
mod streams;

#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzz;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod tests;

use crate::component::ProcessorEntry;

#[doc(hidden)]
pub use filter::fuzz_condition;

/// Every processor there is.
pub const PROCESSORS: &[ProcessorEntry] = &[
    attributes::ENTRY,
    batch::ENTRY,
    cumulative_to_delta::ENTRY,
    delta_to_cumulative::ENTRY,
    delta_to_rate::ENTRY,
    dialect::ENTRY,
    filter::ENTRY,
    gpu_attribution::ENTRY,
    memory_limiter::ENTRY,
    metric_start_time::ENTRY,
    relabel::ENTRY,
    resource::ENTRY,
    schema::ENTRY,
];
