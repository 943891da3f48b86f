//! OTLP/JSON: to protobuf bytes on the way in, so that there is one reader of what points mean; from
//! points on the way out.

mod output;
mod read;
mod scalar;
pub(super) mod schema;
mod text;
mod write;

pub(super) use read::transcode;
pub use write::encode_json;
