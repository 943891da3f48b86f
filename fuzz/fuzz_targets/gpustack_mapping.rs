//! GPUStack's configuration of its mapping.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::mapping::gpustack::fuzz(data));
