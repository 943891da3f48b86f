//! Configurations, flags and variables.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| config::fuzz::configuration(data));
