//! Where AI Cluster's document and AI Cluster differ, and what is made instead.

use crate::{LLAMA_CPP, Page, SGLANG, VLLM};

const OWN: &str = "apps/ai_cluster.constructed.prom";
const PUSHED: &str = "otlp/application.json";
const LLAMA: &str = "model=\"meta-llama/Llama-3.1-8B-Instruct\"";

#[test]
fn what_the_cluster_serves_under_other_names_has_the_documented_ones() {
    let page = Page::of("ai_cluster", &[OWN]);
    assert_eq!(page.value("ai_cluster_http_requests_total", &["path=\"/health\"", "status=\"200\""]), 12.0);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &["model=\"llama-2-7b\"", "success"]), 7.0);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &["model=\"llama-2-7b\"", "error"]), 1.0);
    assert_eq!(page.value("ai_cluster_tokens_per_second", &["model=\"llama-2-7b\""]), 42.5);
    page.check("ai_cluster_cluster_active_requests", &["{node_id=\"worker_host_ab12cd\"} 2"]);
    page.check("process_cpu_seconds_total", &["12.5"]);
    // Its counter of tokens stays at 0, so it is no input.
    page.check_absent("ai_cluster_tokens_generated_total");
}

#[test]
fn both_outcomes_are_there_before_the_first_request_and_for_each_model() {
    let page = Page::of_text("ai_cluster", &[], "");
    page.check("ai_cluster_inference_requests_total", &["{status=\"error\"} 0", "{status=\"success\"} 0"]);
    // SGLang does not tell how requests ended.
    let page = Page::of("ai_cluster", &[SGLANG]);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &["Qwen", "error"]), 0.0);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &["Qwen", "success"]), 40.0);
}

#[test]
fn a_request_that_was_given_up_is_no_error_unless_asked_for() {
    let page = Page::of("ai_cluster", &[VLLM]);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &[LLAMA, "success"]), 40.0);
    let page = Page::with("ai_cluster", &["--parameter", "aborted=error"], &[VLLM]);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &[LLAMA, "success"]), 38.0);
    assert_eq!(page.value("ai_cluster_inference_requests_total", &[LLAMA, "error"]), 2.0);
}

#[test]
fn tokens_are_of_prompts_and_of_completions() {
    Page::of("ai_cluster", &[LLAMA_CPP]).check(
        "ai_cluster_tokens_generated_total",
        &["{type=\"completion\"} 3660", "{type=\"prompt\"} 2649"],
    );
    let page = Page::of("ai_cluster", &[PUSHED]);
    assert_eq!(page.value("ai_cluster_tokens_generated_total", &["type=\"prompt\""]), 12000.0);
    assert_eq!(page.value("ai_cluster_tokens_generated_total", &["type=\"completion\""]), 6000.0);
}

#[test]
fn queued_requests_are_active_too() {
    assert_eq!(Page::of("ai_cluster", &[VLLM]).value("ai_cluster_cluster_active_requests", &[]), 7.0);
    Page::of("ai_cluster", &[PUSHED])
        .check("ai_cluster_cluster_active_requests", &["{node_id=\"worker_1\"} 4"]);
}

#[test]
fn all_states_of_nodes_are_always_there() {
    Page::of_text("ai_cluster", &[], "").check(
        "ai_cluster_cluster_nodes_total",
        &["{status=\"degraded\"} 0", "{status=\"healthy\"} 0", "{status=\"offline\"} 0"],
    );
    Page::of("ai_cluster", &["otlp/nodes.json"]).check(
        "ai_cluster_cluster_nodes_total",
        &["{status=\"degraded\"} 1", "{status=\"healthy\"} 3", "{status=\"offline\"} 0"],
    );
}

#[test]
fn ids_of_keys_are_shown_and_keys_are_not() {
    for input in [PUSHED, "otlp/nodes.json"] {
        let page = Page::of("ai_cluster", &[input]);
        assert!(!page.0.contains("4f9a8b7c6d5e4f3a"), "{}", page.0);
        assert!(page.0.contains("key_id=\"redacted\""), "{}", page.0);
    }
    let page = Page::of("ai_cluster", &[PUSHED]);
    page.check(
        "ai_cluster_api_key_requests_total",
        &[
            "{key_id=\"9f1c2d3e-4a5b-4c6d-8e7f-0a1b2c3d4e5f\",status=\"error\"} 1",
            "{key_id=\"redacted\",status=\"success\"} 2",
            "{key_id=\"sk-abc123\",status=\"error\"} 5",
            "{key_id=\"sk-abc123\",status=\"success\"} 40",
        ],
    );
    page.check("ai_cluster_api_key_rate_limit_hits_total", &["{key_id=\"sk-abc123\"} 3"]);
}

#[test]
fn every_id_is_shown_or_redacted_and_none_is_lost() {
    let ids = ["a", "0123456789abcdef", "0123456789abcdefg", "9f1c2d3e-4a5b-4c6d-8e7f-0a1b2c3d4e5f"];
    let others = ["9f1c2d3e-4a5b-4c6d-8e7fx0a1b2c3d4e5f", "0123456789012345678901234567890123456789"];
    let mut text = String::from("# TYPE \"ai_cluster.api_key.rate_limit_hits\" counter\n");
    for id in ids.iter().chain(&others) {
        text.extend(["{\"ai_cluster.api_key.rate_limit_hits\",key_id=\"", id, "\"} 1\n"]);
    }
    let page = Page::of_text("ai_cluster", &[], &text);
    page.check(
        "ai_cluster_api_key_rate_limit_hits_total",
        &[
            "{key_id=\"0123456789abcdef\"} 1",
            "{key_id=\"9f1c2d3e-4a5b-4c6d-8e7f-0a1b2c3d4e5f\"} 1",
            "{key_id=\"a\"} 1",
            "{key_id=\"redacted\"} 3",
        ],
    );
}

#[test]
fn streamed_requests_are_told_apart_where_the_runner_does() {
    let page = Page::of("ai_cluster", &[SGLANG]);
    assert_eq!(page.value("ai_cluster_streaming_requests_total", &["success"]), 30.0);
    assert_eq!(page.value("ai_cluster_streaming_duration_seconds_count", &[]), 30.0);
    Page::of("ai_cluster", &[VLLM]).check_absent("ai_cluster_streaming_requests_total");
    let page = Page::of("ai_cluster", &[PUSHED]);
    assert_eq!(page.value("ai_cluster_streaming_requests_total", &["success"]), 20.0);
    assert_eq!(page.value("ai_cluster_streaming_requests_total", &["error"]), 2.0);
}

#[test]
fn a_models_memory_is_that_of_its_processes_on_all_gpus() {
    let page = Page::of("ai_cluster", &["otlp/gpus.json"]);
    page.check("ai_cluster_model_memory_bytes", &["{model=\"llama-2-7b\",node_id=\"node-1\"} 40802189312"]);
}
