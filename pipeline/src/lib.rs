//! The pipeline: the model, the contracts, and everything between the ways in and the ways out.
//!
//! Start with [`Series`], [`Point`] and [`Batch`] for what travels, and with [`component`] for what a
//! receiver, a processor and an exporter must do.

pub mod attributes;
mod batch;
pub mod cache;
#[cfg(any(test, fuzzing))]
mod choices;
pub mod clock;
pub mod component;
pub mod delivery;
pub mod errors;
pub mod extensions;
mod growth;
pub mod mapping;
mod memory;
mod metric;
pub mod net;
pub mod notation;
pub mod otlp;
pub mod output;
mod paged;
mod per_series;
pub mod pipelines;
pub mod point;
pub mod processors;
mod quiet;
mod registry;
pub mod relabel;
pub mod scraper;
mod series;
pub mod storage;
pub mod succession;
pub mod telemetry;
mod value;
pub mod wire;

pub use attributes::Attributes;
pub use batch::Batch;
pub use clock::Clock;
pub use metric::{Kind, Metric, Resource, Scope, Temporality};
pub use output::Output;
pub use paged::{Numbers, Paged};
pub use per_series::PerSeries;
pub use point::{Exemplars, Point, Value};
pub use quiet::Quiet;
pub use registry::{Full, Registry, Resolved};
pub use series::Series;
pub use value::{AnyValue, ValueRef};
