//! What a value is worth: numbers that say "nothing" or "unlimited", and units.

use crate::Mapped;

#[test]
fn what_is_no_number_is_absent() {
    let mapped = Mapped::fixture("sglang-0.5.23.");
    mapped.check_absent("sglang:fwd_occupancy");
    assert_eq!(mapped.all().find(|line| line.contains("= nan")), None);
}

#[test]
fn unlimited_is_absent() {
    let mapped = Mapped::fixture("litellm-1.105.0-after.");
    assert_eq!(
        mapped.all().find(|line| line.ends_with("= inf") || line.ends_with("= 9223372036854775807.0")),
        None
    );
    let text = "# TYPE litellm_remaining_tokens_metric gauge\n\
                litellm_remaining_tokens_metric{model_id=\"a\"} 9.223372036854776e+18\n\
                litellm_remaining_tokens_metric{model_id=\"b\"} +Inf\n\
                litellm_remaining_tokens_metric{model_id=\"c\"} 5\n\
                # TYPE litellm_new_limit gauge\nlitellm_new_limit 9.223372036854776e+18\n";
    let mapped = Mapped::of(text);
    mapped.check("litellm_remaining_tokens_metric", "[{token}] = 5.0");
    mapped.check_absent("litellm_new_limit");
}

#[test]
fn minus_one_says_that_there_is_no_cache() {
    let text = "# TYPE vllm:gpu_prefix_cache_hit_rate gauge\nvllm:gpu_prefix_cache_hit_rate{model_name=\"m\"} -1\n\
                # TYPE vllm:cpu_prefix_cache_hit_rate gauge\nvllm:cpu_prefix_cache_hit_rate{model_name=\"m\"} -1\n";
    let mapped = Mapped::of(text);
    mapped.check_absent("gen_ai.server.prefix_cache.hit_ratio");
    mapped.check_absent("vllm:gpu_prefix_cache_hit_rate");
    mapped.check_absent("vllm:cpu_prefix_cache_hit_rate");
    Mapped::of(&text.replace("-1", "0.25")).check("gen_ai.server.prefix_cache.hit_ratio", "[1] = 0.25");
    if let Some(mapped) = Mapped::elsewhere("ray-2.32.0-vllm.dump.prom") {
        assert_eq!(mapped.all().find(|line| line.ends_with("= -1.0")), None);
    }
}

#[test]
fn a_share_is_never_more_than_a_whole() {
    let of = |value| {
        format!("# TYPE npu_cache_usage_perc gauge\nnpu_cache_usage_perc{{model_name=\"m\"}} {value}\n")
    };
    Mapped::of(&of("0.2134")).check("gen_ai.server.kv_cache.utilization", "[1] = 0.2134");
    Mapped::of(&of("1")).check("gen_ai.server.kv_cache.utilization", "[1] = 1.0");
    Mapped::of(&of("30")).check_absent("gen_ai.server.kv_cache.utilization");
}

#[test]
fn counters_in_six_digits_are_read_as_they_are() {
    let mapped = Mapped::fixture("llamacpp-0.5.0-dev-0c1e57098-over-1e6-tokens");
    mapped.check("gen_ai.server.prompt_tokens", "[{token}] = 1130880.0");
}

#[test]
fn times_become_seconds() {
    let triton = Mapped::fixture("triton-");
    let of_tensorrt = |metric| {
        let points = triton.points(metric);
        points.into_iter().find(|point| point.contains("model=\"tensorrt_llm\"")).unwrap().to_owned()
    };
    assert!(of_tensorrt("gen_ai.server.request.time").ends_with(" [s] = 506.120993"));
    let first = of_tensorrt("gen_ai.server.time_to_first_token");
    assert!(first.contains("[s] = count 208 sum 18.3448"), "{first}");
    assert!(first.ends_with(" buckets 0.1:151 0.5:52 2.0:5 5.0:0 inf:0"), "{first}");
    let ray = Mapped::fixture("ray-2.60.0");
    let requests = ray.points("http.server.request.duration");
    assert!(requests[0].contains("[s] = count 30 sum 2.325 buckets "), "{requests:?}");
}

#[test]
fn an_empty_summary_is_one_whose_quantiles_are_no_numbers() {
    let page = "# TYPE nv_inference_queue_summary_us summary\n\
                nv_inference_queue_summary_us_count{model=\"m\",version=\"1\"} 0\n\
                nv_inference_queue_summary_us_sum{model=\"m\",version=\"1\"} 0\n\
                nv_inference_queue_summary_us{model=\"m\",version=\"1\",quantile=\"0.5\"} Nan\n";
    let mapped = Mapped::of(page);
    assert_eq!(mapped.kinds("nv_inference_queue_summary_us"), ["summary"]);
    mapped.check("nv_inference_queue_summary_us", "= count 0 sum 0.0 quantiles 0.5:nan");
}
