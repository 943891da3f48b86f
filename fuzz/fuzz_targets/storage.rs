//! Files of queues on disk: segments and places.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::storage::fuzz::files(data));
