//! Remote write requests of both versions.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| receivers::fuzz_remote_write(data));
