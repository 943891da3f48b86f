//! A machine to look at where there is none: four GPUs and three model runners under load.
//!
//! The GPUs are played by the fake libnvidia-ml, and the runners answer with recorded pages whose counters move, each in a
//! process of its own, so that what ties a GPU's process to its runner has something to tie.

mod machine;
mod replay;
mod runner;

pub use machine::{Error, Machine};
pub use replay::{DOUBLING, Replay};
pub use runner::{RUNNERS, Runner, serve};
