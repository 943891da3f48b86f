//! OTLP requests in JSON.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::otlp::fuzz::json(data));
