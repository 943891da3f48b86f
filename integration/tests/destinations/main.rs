//! The backends that people push to: what arrives there, and that each page's configuration runs as it is written.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

mod alerts;
mod collector;
mod pages;
mod prometheus;
mod sample;
mod stock;
mod strict;
mod victoriametrics;
