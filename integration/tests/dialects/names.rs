//! What was renamed counts once, under whichever name it comes.

use crate::Mapped;

#[test]
fn a_release_with_the_old_and_the_new_name_counts_once() {
    let mapped = Mapped::fixture("vllm-0.10.2");
    mapped.check("gen_ai.server.kv_cache.utilization", "[1] = 0.0312");
    mapped.check("gen_ai.server.prefix_cache.queries", "[{token}] = 7377.0");
    mapped.check("gen_ai.server.prefix_cache.hits", "[{token}] = 1536.0");
    assert_eq!(mapped.points("gen_ai.server.inter_token_latency").len(), 1);
    for old in [
        "vllm:gpu_cache_usage_perc",
        "vllm:gpu_prefix_cache_queries_total",
        "vllm:time_per_output_token_seconds",
    ] {
        mapped.check_absent(old);
    }
    let worker = Mapped::fixture("dynamo-1.6.1-worker-mocker-load");
    worker.check("gen_ai.server.kv_cache.utilization", "[1] = 0.1575");
}

/// Without the samples of the new name the old one is used.
#[track_caller]
fn check_old(fixture: &str, new: &str, metric: &str, expected: &str) {
    let path =
        crate::fixtures().into_iter().find(|path| crate::file_name(path).starts_with(fixture)).unwrap();
    let text = std::fs::read_to_string(path).unwrap();
    let kept: Vec<_> = text.lines().filter(|line| !line.contains(new)).collect();
    Mapped::of(&(kept.join("\n") + "\n")).check(metric, expected);
}

#[test]
fn an_old_name_alone_is_taken() {
    let metric = "gen_ai.server.kv_cache.utilization";
    check_old("vllm-0.10.2", "vllm:kv_cache_usage_perc", metric, "[1] = 0.0312");
    let metric = "gen_ai.server.prefix_cache.hits";
    check_old("vllm-0.10.2", "vllm:prefix_cache_hits", metric, "[{token}] = 1536.0");
    let mapped = Mapped::fixture("llamacpp-b4747-c392e5094-load");
    mapped.check("gen_ai.server.kv_cache.utilization", "[1] = 0.152344");
    mapped.check("gen_ai.server.kv_cache.token.usage", "[{token}] = 624.0");
    let dynamo = "# TYPE dynamo_frontend_inflight_requests gauge\ndynamo_frontend_inflight_requests{model=\"m\"} 3\n\
                  # TYPE dynamo_frontend_queued_requests gauge\ndynamo_frontend_queued_requests{model=\"m\"} 1\n";
    Mapped::of(dynamo).check("gen_ai.server.requests.running", "[{request}] = 2.0");
}

#[test]
fn what_counted_blocks_is_not_taken_for_tokens() {
    let page = |labels: &str| {
        format!(
            "# TYPE vllm:gpu_prefix_cache_queries_total counter\nvllm:gpu_prefix_cache_queries_total{{{labels}}} 7\n"
        )
    };
    let of_0_7 = Mapped::of(&page("model_name=\"m\""));
    of_0_7.check_absent("gen_ai.server.prefix_cache.queries");
    assert_eq!(of_0_7.points("vllm:gpu_prefix_cache_queries_total").len(), 1);
    Mapped::of(&page("engine=\"0\",model_name=\"m\""))
        .check("gen_ai.server.prefix_cache.queries", "[{token}] = 7.0");
}

#[test]
fn the_first_engine_of_vllm_is_understood() {
    let page = "# TYPE vllm:num_requests_swapped gauge\nvllm:num_requests_swapped{model_name=\"m\"} 2\n\
                # TYPE vllm:cpu_cache_usage_perc gauge\nvllm:cpu_cache_usage_perc{model_name=\"m\"} 0.5\n\
                # TYPE vllm:avg_prompt_throughput_toks_per_s gauge\nvllm:avg_prompt_throughput_toks_per_s{model_name=\"m\"} 8\n\
                # TYPE vllm:time_per_output_token_seconds histogram\n\
                vllm:time_per_output_token_seconds_bucket{model_name=\"m\",le=\"+Inf\"} 6\n\
                vllm:time_per_output_token_seconds_count{model_name=\"m\"} 6\n\
                vllm:time_per_output_token_seconds_sum{model_name=\"m\"} 0.5\n";
    let mapped = Mapped::of(page);
    mapped.check("gen_ai.server.requests.swapped", "[{request}] = 2.0");
    mapped.check("gen_ai.server.kv_cache.host.utilization", "[1] = 0.5");
    mapped.check("gen_ai.server.prompt.rate", "[{token}/s] = 8.0");
    mapped.check("gen_ai.server.inter_token_latency", "[s] = count 6 sum 0.5 buckets inf:6");
    if let Some(mapped) = Mapped::elsewhere("vllm-0.4.3-v0.dump.prom") {
        mapped.check("gen_ai.server.generation_tokens", "[{token}] = 7.0");
        assert_eq!(mapped.points("gen_ai.server.inter_token_latency").len(), 1);
    }
}

#[test]
fn older_names_of_sglang_are_understood() {
    let page = "# TYPE sglang:num_running_reqs gauge\nsglang:num_running_reqs{name=\"m\"} 2\n\
                # TYPE sglang:num_aborted_requests counter\nsglang:num_aborted_requests{model_name=\"m\"} 3\n\
                # TYPE sglang:num_used_tokens gauge\nsglang:num_used_tokens{model_name=\"m\"} 4\n\
                # TYPE sglang:engine_load_weights_time gauge\nsglang:engine_load_weights_time{model_name=\"m\"} 5\n\
                # TYPE sglang:time_per_output_token_seconds histogram\n\
                sglang:time_per_output_token_seconds_bucket{model_name=\"m\",le=\"+Inf\"} 6\n\
                sglang:time_per_output_token_seconds_count{model_name=\"m\"} 6\n\
                sglang:time_per_output_token_seconds_sum{model_name=\"m\"} 0.5\n";
    let mapped = Mapped::of(page);
    let running = mapped.points("gen_ai.server.requests.running");
    assert!(running[0].contains("gen_ai.request.model=\"m\""), "{running:?}");
    mapped.check("gen_ai.server.requests.aborted", "[{request}] = 3.0");
    mapped.check("gen_ai.server.kv_cache.token.usage", "[{token}] = 4.0");
    mapped.check("gen_ai.server.model.load.duration", "[s] = 5.0");
    mapped.check("gen_ai.server.inter_token_latency", "[s] = count 6 sum 0.5 buckets inf:6");
}

#[test]
fn both_forms_of_the_names_that_ray_gives_to_vllm_are_understood() {
    let page = "# TYPE ray_vllm:num_requests_running gauge\n\
                ray_vllm:num_requests_running{WorkerId=\"w\",model_name=\"m\"} 2\n\
                # TYPE ray_vllm:prompt_tokens_total counter\n\
                ray_vllm:prompt_tokens_total{WorkerId=\"w\",model_name=\"m\"} 58\n";
    let mapped = Mapped::of(page);
    mapped.check("gen_ai.server.requests.running", "[{request}] = 2.0");
    mapped.check("gen_ai.server.prompt_tokens", "[{token}] = 58.0");
    Mapped::fixture("ray-2.60.0").check("gen_ai.server.requests.running", "[{request}] = 3.0");
    if let Some(mapped) = Mapped::elsewhere("ray-2.32.0-vllm.dump.prom") {
        mapped.check("gen_ai.server.prompt_tokens", "[{token}] = 58.0");
    }
}

#[test]
fn failures_of_triton_before_they_had_a_reason_are_failures() {
    let page = "# TYPE nv_inference_request_failure counter\nnv_inference_request_failure{model=\"m\",version=\"1\"} 4\n";
    let mapped = Mapped::of(page);
    let points = mapped.points("gen_ai.server.requests");
    assert!(points[0].contains("error.type=\"error\"") && points[0].ends_with("= 4.0"), "{points:?}");
    if let Some(mapped) = Mapped::elsewhere("triton-2.38.0.dump.prom") {
        assert_eq!(mapped.points("gen_ai.server.requests").len(), 4);
    }
}
