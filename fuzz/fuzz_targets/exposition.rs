//! Expositions of both formats, lenient and strict.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| receivers::prometheus::fuzz_exposition(data));
