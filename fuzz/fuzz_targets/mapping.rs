//! Mappings, versions, ranges and units.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::mapping::fuzz(data));
