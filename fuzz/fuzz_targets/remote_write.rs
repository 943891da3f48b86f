//! Remote write requests of both versions, and what they become when they are sent on.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    for batch in receivers::fuzz_remote_write(data) {
        let [v1, v2] = exporters::fuzz_bodies(&batch);
        receivers::fuzz_remote_written(false, &v1);
        receivers::fuzz_remote_written(true, &v2);
    }
});
