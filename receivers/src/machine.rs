//! The machine that is read: where its files are, and what tells it from others.

pub(crate) mod identity;
pub(crate) mod root;
