//! The configuration file: reading, layering, values, and errors that say where.
//!
//! This crate names no component. A component declares a `Config` struct and reads it from its
//! [`Section`]; what is wrong comes back as [`Problems`], each with its path, its place and what would do.

mod document;
mod file;
#[doc(hidden)]
pub mod fuzz;
mod layer;
mod mask;
mod nearest;
mod overrides;
mod path;
mod problem;
mod read;
mod render;
mod section;
mod source;
mod substitution;
mod toml;
mod tree;
mod values;
mod yaml;

pub use document::{Document, Sources};
pub use figment::value::Value;
pub use nearest::{instead, nearest};
pub use problem::{Location, Problem, Problems};
pub use render::render_yaml;
pub use section::{Section, absent, effective, without_absent};
pub use values::{ByteSize, Duration, Secret};
