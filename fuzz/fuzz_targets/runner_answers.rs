//! What model runners say of themselves, and pages that may be theirs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| receivers::runners::fuzz_answers(data));
