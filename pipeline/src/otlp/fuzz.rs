//! Bodies of fuzz targets: any bytes may come, and what can be read must survive being written.
//!
//! A target is one line that calls one of these; tests call them with random and with mutated requests.

use std::sync::Arc;

use super::{Decoder, PartialSuccess, Status, encode, encode_json};
use crate::batch::Batch;
use crate::registry::Registry;

/// Reads bytes as protobuf.
pub fn protobuf(request: &[u8]) {
    let decoder = decoder();
    if let Ok(decoded) = decoder.decode(request) {
        check_protobuf(&decoder, &decoded.batch);
        check_json(&decoder, &decoded.batch);
    }
}

/// Reads bytes as JSON.
pub fn json(request: &[u8]) {
    let decoder = decoder();
    if let Ok(decoded) = decoder.decode_json(request) {
        check_protobuf(&decoder, &decoded.batch);
        check_json(&decoder, &decoded.batch);
    }
}

/// Reads bytes as the answers to an export request, in both encodings.
pub fn answers(answer: &[u8]) {
    for status in [Status::decode(answer), Status::decode_json(answer)].into_iter().flatten() {
        assert_eq!(Status::decode(&status.encode()).as_ref(), Ok(&status));
        assert_eq!(Status::decode_json(&status.encode_json()).as_ref(), Ok(&status));
    }
    for answer in [PartialSuccess::decode(answer), PartialSuccess::decode_json(answer)].into_iter().flatten()
    {
        assert_eq!(PartialSuccess::decode(&answer.encode()).as_ref(), Ok(&answer));
        assert_eq!(PartialSuccess::decode_json(&answer.encode_json()).as_ref(), Ok(&answer));
    }
}

fn decoder() -> Decoder {
    Decoder::new(Arc::new(Registry::new(10_000)))
}

/// Bytes are compared, not points, since `NaN` is not equal to itself; more than once, since what comes
/// again is read in other ways.
fn check_protobuf(decoder: &Decoder, batch: &Batch) {
    let (mut written, mut again) = (Vec::new(), Vec::new());
    encode(batch, &mut written);
    for _ in 0..3 {
        let read = decoder.decode(&written).expect("what was written can be read");
        assert_eq!((read.batch.len(), read.rejected), (batch.len(), 0), "{}", read.message);
        again.clear();
        encode(&read.batch, &mut again);
        assert_eq!(written, again);
    }
}

fn check_json(decoder: &Decoder, batch: &Batch) {
    let (mut written, mut again) = (Vec::new(), Vec::new());
    encode_json(batch, &mut written);
    let read = decoder.decode_json(&written).expect("what was written can be read");
    assert_eq!((read.batch.len(), read.rejected), (batch.len(), 0), "{}", read.message);
    encode_json(&read.batch, &mut again);
    assert_eq!(String::from_utf8(written), String::from_utf8(again));
}
