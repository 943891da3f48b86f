//! The ways in. Each is one file or folder here and one entry in [`RECEIVERS`].

use pipeline::component::ReceiverEntry;

/// Every receiver there is.
pub const RECEIVERS: &[ReceiverEntry] = &[];
