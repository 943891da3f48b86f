//! Conditions of the filter.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::processors::fuzz_condition(data));
