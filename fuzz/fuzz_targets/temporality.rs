//! Streams through the processors that change what they count since when.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::processors::fuzz::temporality(data));
