//! Where the document of Docker Model Runner, and what it does, differ; and what is made.

use crate::platforms::GATEWAY;
use crate::{LLAMA_CPP, Page, SGLANG, VLLM};

const EMBEDDING: &str = "runners/llamacpp-0.5.0-dev-0c1e57098-embeddings-after.recorded.prom";

fn named(model: &str, fixtures: &[&str]) -> Page {
    Page::with("model_runner", &["--resource", &format!("gen_ai.request.model={model}")], fixtures)
}

#[test]
fn the_documented_totals_stand_beside_the_runners_own() {
    let page = named("ai/llama3.2:latest", &[LLAMA_CPP]);
    let labels = "{backend=\"llama.cpp\",mode=\"completion\",model=\"ai/llama3.2:latest\"}";
    for (documented, own, value) in [
        ("llama_prompt_tokens_total", "llamacpp:prompt_tokens_total", 2200),
        ("llama_generation_tokens_total", "llamacpp:tokens_predicted_total", 3660),
    ] {
        page.check(documented, &[&format!("{labels} {value}")]);
        page.check(own, &[&format!("{labels} {value}")]);
    }
    page.check_absent("llama_requests_total");
}

#[test]
fn names_and_types_are_the_runners() {
    let page = named("m", &[LLAMA_CPP]);
    assert!(page.0.contains("# TYPE llamacpp:n_tokens_max counter\n"), "{}", page.0);
    assert!(page.0.contains("# TYPE llamacpp:n_busy_slots_per_decode gauge\n"));
    let old = named("m", &["runners/llamacpp-b4747-c392e5094-after.recorded.prom"]);
    assert!(old.0.contains("# TYPE llamacpp:n_busy_slots_per_decode counter\n"), "{}", old.0);
}

#[test]
fn every_series_of_a_runner_is_there_once_with_its_own_labels() {
    for fixture in [LLAMA_CPP, VLLM, SGLANG] {
        let path = integration::root().join("integration/fixtures").join(fixture);
        let own = std::fs::read_to_string(path).unwrap();
        // What is no number is not shown, and a histogram may have a bucket that the runner leaves out.
        let is_own = |line: &&str| {
            !line.starts_with('#') && !line.is_empty() && !line.ends_with("NaN") && !line.contains("_bucket")
        };
        let page = named("m", &[fixture]);
        let made = page.0.lines().filter(|line| is_own(line) && !line.starts_with("llama_"));
        assert_eq!(made.count(), own.lines().filter(is_own).count(), "{fixture}");
        let all = page.0.lines().filter(|line| !line.starts_with('#'));
        for line in all {
            assert!(line.contains("backend=") && line.contains("mode=") && line.contains("model="), "{line}");
        }
        assert!(!page.0.contains("gen_ai"), "the names in the middle are not shown");
    }
}

#[test]
fn a_label_of_the_runners_own_does_not_clash() {
    let text =
        "# TYPE llamacpp:prompt_tokens_total counter\nllamacpp:prompt_tokens_total{model=\"x.gguf\"} 3\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let path = file.path().to_str().unwrap();
    named("ai/y", &[path]).check(
        "llamacpp:prompt_tokens_total",
        &["{backend=\"llama.cpp\",exported_model=\"x.gguf\",mode=\"completion\",model=\"ai/y\"} 3"],
    );
    // Where nothing else tells the model, this does.
    Page::of("model_runner", &[path]).check(
        "llamacpp:prompt_tokens_total",
        &["{backend=\"llama.cpp\",mode=\"completion\",model=\"x.gguf\"} 3"],
    );
    let page = named("m", &[SGLANG]);
    let hits = ["exported_mode=\"device_hit\"", "mode=\"completion\""];
    assert_eq!(page.value("sglang:prefill_effective_tokens_total", &hits), 2278.0);
}

#[test]
fn a_runner_that_embeds_says_so() {
    let operation =
        ["--resource", "gen_ai.operation.name=embeddings", "--resource", "gen_ai.request.model=ai/mxbai"];
    let page = Page::with("model_runner", &operation, &[EMBEDDING]);
    page.check(
        "llama_prompt_tokens_total",
        &["{backend=\"llama.cpp\",mode=\"embedding\",model=\"ai/mxbai\"} 150"],
    );
    let rerank = ["--resource", "gen_ai.operation.name=rerank"];
    let page = Page::with("model_runner", &rerank, &[EMBEDDING]);
    assert_eq!(page.value("llama_prompt_tokens_total", &["mode=\"reranking\""]), 150.0);
}

#[test]
fn requests_come_from_whoever_counts_them() {
    let labels = "{backend=\"vllm\",mode=\"completion\",model=\"ai/llama3.1\"}";
    named("ai/llama3.1", &[VLLM]).check("llama_requests_total", &[&format!("{labels} 40")]);
    Page::of("model_runner", &[GATEWAY]).check(
        "llama_requests_total",
        &["{backend=\"llama.cpp\",mode=\"completion\",model=\"ai/llama3.2:latest\"} 130"],
    );
}
