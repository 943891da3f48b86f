//! The configuration file: reading, layering, values, and errors that say where.
//!
//! This crate names no component. A component declares a `Config` struct and reads it from its
//! [`Section`]; what is wrong comes back as [`Problems`], each with its path, its place and what would do.

mod problem;
mod section;
mod values;

pub use figment::value::Value;
pub use problem::{Location, Problem, Problems};
pub use section::{Section, effective};
pub use values::{ByteSize, Duration, Secret};
