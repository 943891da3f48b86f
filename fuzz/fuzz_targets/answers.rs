//! Answers to what was pushed: OTLP's in protobuf and in JSON, and those of any HTTP server.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    pipeline::otlp::fuzz::answers(data);
    exporters::fuzz_answers(data);
});
