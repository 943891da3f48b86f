//! Folders of queues on disk, and work on them with kills, losses of power and wrong bits.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::storage::fuzz::storage(data));
