//! The host's files under `/proc`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| receivers::fuzz_files(data));
