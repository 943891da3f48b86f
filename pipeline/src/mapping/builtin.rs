//! The files that are part of the binary.

/// A file by its name, without the folder and the extension.
pub type File = (&'static str, &'static str);

macro_rules! files {
    ($folder:literal: $($name:literal)*) => {
        &[$(($name, include_str!(concat!("../../../config/", $folder, "/", $name, ".yaml")))),*]
    };
}

/// From the runners' names to the conventions.
pub const DIALECTS: &[File] = files!("dialects":
    "dynamo" "lmdeploy" "litellm" "llama_cpp" "mindie" "ollama" "ray" "sglang" "tei" "tgi" "triton" "trtllm" "vllm");

/// From the conventions to documented names.
pub const SCHEMAS: &[File] = files!("schemas": "ai_cluster" "ainode" "gpustack" "model_runner" "offgrid");

/// The names of the conventions, and what we add to them.
pub const CONVENTIONS: &str = include_str!("../../../config/conventions.yaml");
