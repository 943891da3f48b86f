//! Patterns and replacements of relabelling.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::relabel::fuzz(data));
