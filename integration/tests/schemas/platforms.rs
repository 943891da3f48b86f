//! Everything that the schemas of GPUStack, Docker Model Runner and dcgm-exporter make of an input, like in `golden`.

use integration::root;

use crate::golden::{compare, file};
use crate::{LLAMA_CPP, Page, SGLANG, VLLM};

/// An input: its name, further arguments, and what is read.
pub(crate) type Case = (&'static str, &'static [&'static str], &'static [&'static str]);

pub(crate) const OLD_VLLM: &str = "runners/vllm-0.10.2.constructed.prom";
pub(crate) const TWO_ENGINES: &str = "runners/vllm-0.33.0-dp2.constructed.prom";
pub(crate) const MINDIE: &str = "runners/mindie-2.1.constructed.prom";
pub(crate) const SERVER: &str = "apps/gpustack-server.constructed.prom";
pub(crate) const WORKER: &str = "otlp/worker.json";
pub(crate) const GATEWAY: &str = "otlp/gateway.json";
/// A whole H100, an L40S, an H100 with MIG, and a V100.
pub(crate) const BOARDS: &str = "otlp/gpu_boards.json";

/// A worker that is the same on every machine.
pub(crate) const NODE: [&str; 4] =
    ["--parameter", "worker_name=gpu-node-1", "--parameter", "worker_ip=10.0.0.5"];

const LLAMA: &[&str] = &["--resource", "gen_ai.request.model=ai/llama3.2:latest"];
const EMBEDDING: &[&str] =
    &["--resource", "gen_ai.request.model=ai/mxbai", "--resource", "gen_ai.operation.name=embeddings"];

const GPUSTACK: [Case; 11] = [
    ("vllm", &["--resource", "service.version=0.33.0"], &[VLLM]),
    ("vllm_two_engines", &[], &[TWO_ENGINES]),
    ("vllm_spec", &[], &["runners/vllm-0.33.0-spec-lora.constructed.prom"]),
    ("vllm_old", &["--resource", "service.version=0.10.2"], &[OLD_VLLM]),
    ("sglang", &[], &[SGLANG]),
    ("mindie", &[], &[MINDIE]),
    ("llama_cpp", LLAMA, &[LLAMA_CPP]),
    ("worker", &[], &[WORKER]),
    ("server", &[], &[SERVER]),
    ("gateway", &[], &[GATEWAY]),
    ("gpu_boards", &[], &[BOARDS]),
];

const MODEL_RUNNER: [Case; 6] = [
    ("llama_cpp", LLAMA, &[LLAMA_CPP]),
    ("llama_cpp_old", LLAMA, &["runners/llamacpp-b4747-c392e5094-after.recorded.prom"]),
    ("embedding", EMBEDDING, &["runners/llamacpp-0.5.0-dev-0c1e57098-embeddings-after.recorded.prom"]),
    ("vllm", &["--resource", "gen_ai.request.model=ai/llama3.1"], &[VLLM]),
    ("sglang", &["--resource", "gen_ai.request.model=ai/qwen3"], &[SGLANG]),
    ("gateway", &[], &[GATEWAY]),
];

const DCGM_EXPORTER: [Case; 3] =
    [("gpu_boards", &[], &[BOARDS]), ("gpus", &[], &["otlp/gpus.json"]), ("vllm", &[], &[VLLM])];

const PLATFORMS: [(&str, &[Case]); 3] =
    [("gpustack", &GPUSTACK), ("model_runner", &MODEL_RUNNER), ("dcgm_exporter", &DCGM_EXPORTER)];

fn made(schema: &str, case: &Case) -> Page {
    let node = if schema == "gpustack" { &NODE[..] } else { &[] };
    Page::with(schema, &[node, case.1].concat(), case.2)
}

#[test]
fn what_is_made_of_each_input_is_as_it_was() {
    let cases = PLATFORMS.iter().flat_map(|(schema, cases)| cases.iter().map(move |case| (*schema, case)));
    let pages = cases.map(|(schema, case)| (file(schema, case.0), made(schema, case).0));
    compare(pages);
}

#[test]
fn every_file_belongs_to_an_input() {
    for (schema, cases) in PLATFORMS {
        for entry in std::fs::read_dir(root().join("integration/golden/schemas").join(schema)).unwrap() {
            let path = entry.unwrap().path();
            assert!(cases.iter().any(|case| file(schema, case.0) == path), "{}", path.display());
        }
    }
}

/// One reading does not give it; `pipeline/tests/schemas.rs` does.
const RATE: &str = "DCGM_FI_DEV_NVLINK_BANDWIDTH_L0";

#[test]
fn every_metric_of_a_schema_is_made_of_some_input() {
    for (schema, cases) in PLATFORMS {
        let made: Vec<_> = cases.iter().flat_map(|case| made(schema, case).families()).collect();
        for metric in metrics(schema).into_iter().filter(|metric| metric != RATE) {
            assert!(made.contains(&metric), "{schema}: nothing here makes {metric}");
        }
    }
}

/// The metrics of a schema that are shown.
pub(crate) fn metrics(schema: &str) -> Vec<String> {
    let path = root().join(format!("config/schemas/{schema}.yaml"));
    let text = std::fs::read_to_string(path).unwrap();
    let rules = text.split("\n  - ").filter(|rule| !rule.contains("hidden: true"));
    rules.filter_map(|rule| Some(rule.lines().next()?.strip_prefix("metric: ")?.to_owned())).collect()
}
