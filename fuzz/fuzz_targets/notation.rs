//! Points as text.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::notation::fuzz(data));
