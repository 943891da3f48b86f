//! Mappings: from the names of one vocabulary to those of another, by rules in a data file.
//!
//! The language is described in `docs/mapping.md`. A file is read and checked into a [`compiled::Mapping`];
//! an [`Engine`] applies it to batches; [`Live`] knows the engines that run.

pub mod builtin;
pub mod catalogue;
mod check;
pub mod compiled;
mod engine;
pub mod file;
pub mod gpustack;
mod live;
mod load;
mod names;
mod template;
pub mod unit;
pub mod version;

pub use engine::{Engine, Explanation, LeftOut, Options, Source, Status};
pub use live::{Live, Overlay};
pub use load::{Loaded, check, fuzz, load, load_builtin, open};
pub(crate) use names::glob;

/// The key in a metric's metadata that says that its name, and the labels of its series, are literal: the exposition
/// adds no suffix, and no label of scope or resource. The value is `true`.
pub const LITERAL: &str = "prometheus.literal";

/// The attribute of a resource that names the dialect its runner speaks.
pub const RUNNER: &str = "inferometer.runner";

/// The key in the metadata of a metric that a dialect has made: the name of the dialect.
pub const DIALECT: &str = "inferometer.dialect";
