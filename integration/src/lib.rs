//! Runs the real binary from outside.
