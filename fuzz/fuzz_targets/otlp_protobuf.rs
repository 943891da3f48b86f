//! OTLP requests in protobuf.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| pipeline::otlp::fuzz::protobuf(data));
