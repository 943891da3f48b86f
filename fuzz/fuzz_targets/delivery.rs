//! Queues: what is joined and cut on the way through.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::delivery::fuzz::queue(data));
