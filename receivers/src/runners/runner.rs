//! The model runners that are known, and the names that give each away.

/// A program that serves models. The order is that of roles: where a page holds several vocabularies, the
/// first is that of the program that serves the page, and the others are those of what it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Runner {
    Dynamo,
    Triton,
    Ray,
    Litellm,
    LocalAi,
    ModelMesh,
    Mindie,
    Nim,
    Trtllm,
    Sglang,
    Lmdeploy,
    Tgi,
    Tei,
    Infinity,
    Ollama,
    LlamaCpp,
    Vllm,
}

/// A set of runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Runners(u32);

/// Every runner with its name, which is that of its dialect where there is one.
const NAMES: [(Runner, &str); 17] = [
    (Runner::Dynamo, "dynamo"),
    (Runner::Triton, "triton"),
    (Runner::Ray, "ray"),
    (Runner::Litellm, "litellm"),
    (Runner::LocalAi, "localai"),
    (Runner::ModelMesh, "modelmesh"),
    (Runner::Mindie, "mindie"),
    (Runner::Nim, "nim"),
    (Runner::Trtllm, "trtllm"),
    (Runner::Sglang, "sglang"),
    (Runner::Lmdeploy, "lmdeploy"),
    (Runner::Tgi, "tgi"),
    (Runner::Tei, "tei"),
    (Runner::Infinity, "infinity"),
    (Runner::Ollama, "ollama"),
    (Runner::LlamaCpp, "llama_cpp"),
    (Runner::Vllm, "vllm"),
];

const PREFIXES: [(&str, Runner); 19] = [
    ("vllm:", Runner::Vllm),
    ("sglang:", Runner::Sglang),
    ("llamacpp:", Runner::LlamaCpp),
    ("tgi_", Runner::Tgi),
    // `te_` alone is too short to prove anything.
    ("te_request_", Runner::Tei),
    ("te_embed_", Runner::Tei),
    ("te_batch_", Runner::Tei),
    ("te_queue_size", Runner::Tei),
    ("nv_inference_", Runner::Triton),
    ("nv_trt_llm_", Runner::Triton),
    ("lmdeploy:", Runner::Lmdeploy),
    ("litellm_", Runner::Litellm),
    ("ray_", Runner::Ray),
    ("dynamo_frontend_", Runner::Dynamo),
    ("dynamo_component_", Runner::Dynamo),
    ("trtllm_", Runner::Trtllm),
    ("modelmesh_", Runner::ModelMesh),
    ("localai_", Runner::LocalAi),
    ("npu_cache_usage_perc", Runner::Mindie),
];

impl Runner {
    pub(crate) fn name(self) -> &'static str {
        NAMES.iter().find(|(runner, _)| *runner == self).map_or("", |(_, name)| name)
    }

    /// Who a metric of this name is from, where only one has it.
    pub(crate) fn of_metric(name: &str) -> Option<Self> {
        PREFIXES.iter().find(|(prefix, _)| name.starts_with(prefix)).map(|(_, runner)| *runner)
    }

    /// Who calls himself so in `owned_by` of a list of models.
    pub(crate) fn of_owner(owner: &str) -> Option<Self> {
        Some(match owner {
            "vllm" => Self::Vllm,
            "sglang" => Self::Sglang,
            "llamacpp" => Self::LlamaCpp,
            "lmdeploy" => Self::Lmdeploy,
            "tensorrt_llm" => Self::Trtllm,
            "nvidia" => Self::Dynamo,
            "infinity" => Self::Infinity,
            "library" => Self::Ollama,
            _ => return None,
        })
    }

    /// Whether it serves one model, so that all its metrics are about that one.
    pub(crate) fn has_one_model(self) -> bool {
        !matches!(self, Self::Triton | Self::Ray | Self::Litellm | Self::LocalAi | Self::ModelMesh)
    }
}

impl Runners {
    pub(crate) fn of(runner: Runner) -> Self {
        Self(1 << runner as u32)
    }

    pub(crate) fn insert(&mut self, runner: Runner) {
        self.0 |= Self::of(runner).0;
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn has_all_of(self, other: Self) -> bool {
        other.0 & !self.0 == 0
    }

    /// In the order of their roles.
    pub(crate) fn iter(self) -> impl Iterator<Item = Runner> {
        NAMES.iter().map(|(runner, _)| *runner).filter(move |runner| self.has_all_of(Self::of(*runner)))
    }

    pub(crate) fn main(self) -> Option<Runner> {
        self.iter().next()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runner_has_its_name_once() {
        for (place, (runner, name)) in NAMES.iter().enumerate() {
            assert_eq!(*runner as usize, place, "{name} stands where its role is");
            assert_eq!(NAMES.iter().filter(|(_, other)| other == name).count(), 1, "{name}");
        }
    }

    #[test]
    fn every_dialect_has_its_runner() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/dialects");
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let dialect = path.file_stem().unwrap().to_str().unwrap();
            assert!(NAMES.iter().any(|(_, name)| *name == dialect), "nothing finds `{dialect}`");
        }
    }

    #[test]
    fn who_serves_the_page_comes_first() {
        let mut runners = Runners::of(Runner::Vllm);
        runners.insert(Runner::Dynamo);
        assert_eq!(runners.iter().collect::<Vec<_>>(), [Runner::Dynamo, Runner::Vllm]);
        assert_eq!(Runners::default().main(), None);
    }
}
