//! The files that are part of the binary.

use std::sync::LazyLock;

use config::Section;

use super::compiled::NameMatch;
use super::file::MappingFile;
use super::names::glob;

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
pub const SCHEMAS: &[File] = files!("schemas": "ai_cluster" "ainode" "dcgm_exporter" "gpustack" "model_runner"
    "node_exporter" "offgrid");

/// The names of the conventions, and what we add to them.
pub const CONVENTIONS: &str = include_str!("../../../config/conventions.yaml");

/// The text of a dialect.
pub fn dialect(name: &str) -> Option<&'static str> {
    find(DIALECTS, name)
}

/// The text of a schema.
pub fn schema(name: &str) -> Option<&'static str> {
    find(SCHEMAS, name)
}

/// The names of the dialects.
pub fn all_dialects() -> impl Iterator<Item = &'static str> {
    DIALECTS.iter().map(|(name, _)| *name)
}

/// The names of the schemas.
pub fn all_schemas() -> impl Iterator<Item = &'static str> {
    SCHEMAS.iter().map(|(name, _)| *name)
}

fn find(files: &[File], name: &str) -> Option<&'static str> {
    files.iter().find(|(own, _)| *own == name).map(|(_, text)| *text)
}

/// The names that belong to the runners, of all dialects.
pub(super) fn vocabulary() -> &'static [NameMatch] {
    static VOCABULARY: LazyLock<Vec<NameMatch>> = LazyLock::new(|| {
        let globs = dialect_files().flat_map(|file| file.vocabulary);
        globs.filter_map(|text| glob(&text).ok()).collect()
    });
    &VOCABULARY
}

/// The names that prove which dialect a runner speaks, with the dialect.
pub(super) fn detects() -> &'static [(NameMatch, String)] {
    static DETECTS: LazyLock<Vec<(NameMatch, String)>> = LazyLock::new(|| {
        let of = |file: MappingFile| {
            let globs = file.detect.into_iter();
            globs.filter_map(move |text| Some((glob(&text).ok()?, file.mapping.clone())))
        };
        dialect_files().flat_map(of).collect()
    });
    &DETECTS
}

fn dialect_files() -> impl Iterator<Item = MappingFile> {
    DIALECTS.iter().filter_map(|(name, text)| {
        Section::from_text(&format!("{name}.yaml"), text).ok()?.read::<MappingFile>().ok()
    })
}
