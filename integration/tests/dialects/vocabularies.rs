//! Which dialects a target speaks.

use crate::Mapped;

#[test]
fn a_worker_of_dynamo_speaks_the_dialect_of_its_engine() {
    let mapped = Mapped::fixture("dynamo-1.6.1-worker-mocker-load");
    mapped.check("gen_ai.server.requests.running", "[{request}] = 6.0");
    mapped.check("gen_ai.server.requests.waiting", "[{request}] = 15.0");
    assert!(mapped.points("gen_ai.server.requests.running")[0].contains("gen_ai.provider.name=\"vllm\""));
    assert!(!mapped.points("dynamo_component_inflight_requests").is_empty(), "the worker's own stay");
}

#[test]
fn vllm_behind_triton_has_the_labels_of_triton() {
    let page = "# TYPE vllm:prompt_tokens_total counter\nvllm:prompt_tokens_total{model=\"m\",version=\"1\"} 7\n\
                # TYPE nv_inference_count counter\nnv_inference_count{model=\"m\",version=\"1\"} 2\n";
    let mapped = Mapped::of(page);
    let points = mapped.points("gen_ai.server.prompt_tokens");
    let expected = "gen_ai.server.prompt_tokens{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"m\"} [{token}] = 7.0";
    assert_eq!(points, [expected]);
}

#[test]
fn names_without_a_prefix_are_taken_from_mindie_only() {
    let sample = "# TYPE num_requests_running gauge\nnum_requests_running{model_name=\"m\"} 5\n";
    let other = Mapped::of(sample);
    other.check_absent("gen_ai.server.requests.running");
    other.check("num_requests_running", "= 5.0");
    let mindie =
        Mapped::of(&format!("{sample}# TYPE npu_cache_usage_perc gauge\nnpu_cache_usage_perc 0.5\n"));
    mindie.check("gen_ai.server.requests.running", "[{request}] = 5.0");
    mindie.check_absent("num_requests_running");
    Mapped::with(&["--dialect", "mindie"], sample)
        .check("gen_ai.server.requests.running", "[{request}] = 5.0");
}

#[test]
fn metrics_of_the_web_framework_stay_as_they_are() {
    for fixture in ["vllm-0.33.0.", "infinity-"] {
        let mapped = Mapped::fixture(fixture);
        assert!(mapped.points("http_requests_total").len() > 1, "{fixture}");
        assert_eq!(mapped.kinds("http_request_duration_seconds"), ["histogram"], "{fixture}");
    }
}

#[test]
fn a_target_that_speaks_no_dialect_stays_as_it_is() {
    let mapped = Mapped::fixture("infinity-");
    assert_eq!(mapped.all().find(|line| line.contains("gen_ai.")), None);
}

#[test]
fn ollama_tells_whether_it_answers() {
    let mapped = Mapped::with(&["--dialect", "ollama"], "up 1\n");
    mapped.check("gen_ai.server.up", "[1] = 1.0");
    Mapped::of("up 1\n").check_absent("gen_ai.server.up");
}
