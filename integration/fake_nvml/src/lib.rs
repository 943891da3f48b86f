//! A libnvidia-ml that a file scripts: the C ABI of the real one, and no GPU.
//!
//! The script lies beside the library (`X.so` reads `X.yaml`), and what it says may change while the library is in
//! use; `README.md` has the language. `script` is what can be written, `world` what is so at this moment, and `abi` the
//! functions that a program finds in the library.

mod abi;
mod script;
mod world;

/// The script of a machine to look at: four GPUs that three runners are on.
pub const DEMO: &str = include_str!("../scripts/demo.yaml");
