//! What a metric is: its name and its `# TYPE` may both say something else.

use crate::Mapped;

#[test]
fn a_histogram_named_like_a_counter_stays_a_histogram() {
    for (fixture, runners) in [
        ("vllm-0.33.0.", "vllm:iteration_tokens_total"),
        ("lmdeploy-", "lmdeploy:iteration_tokens_total"),
        ("ray-2.60.0", "ray_vllm_iteration_tokens_total"),
    ] {
        let mapped = Mapped::fixture(fixture);
        assert_eq!(mapped.kinds("gen_ai.server.iteration.tokens"), ["histogram"], "{fixture}");
        mapped.check_absent(runners);
    }
}

#[test]
fn a_counter_without_total_is_a_counter() {
    for (fixture, metric) in [
        ("tgi-", "gen_ai.server.requests"),
        ("tgi-", "gen_ai.server.requests.received"),
        ("tei-", "gen_ai.server.requests"),
        ("tei-", "gen_ai.server.requests.received"),
        ("triton-", "gen_ai.server.requests"),
        ("triton-", "gen_ai.server.request.time"),
        ("triton-", "nv_inference_count"),
    ] {
        assert_eq!(Mapped::fixture(fixture).kinds(metric), ["counter"], "{fixture} {metric}");
    }
}

#[test]
fn a_counter_that_ends_with_count_is_no_part_of_a_histogram() {
    let mapped = Mapped::fixture("tgi-");
    mapped.check("gen_ai.server.requests.received", "[{request}] = 60.0");
    mapped.check_absent("tgi_request");
}

#[test]
fn a_gauge_that_only_rises_becomes_a_counter() {
    let mapped = Mapped::fixture("lmdeploy-");
    for (metric, expected) in [
        ("lmdeploy:num_requests_succeeded", "[{request}] = 40.0"),
        ("lmdeploy:num_requests_failed", "[{request}] = 2.0"),
    ] {
        assert_eq!(mapped.kinds(metric), ["counter"]);
        mapped.check(metric, expected);
    }
}

#[test]
fn a_counter_that_falls_becomes_a_gauge() {
    for (fixture, metric) in [
        ("llamacpp-0.5.0-dev-0c1e57098-load", "llamacpp:n_tokens_max"),
        ("llamacpp-0.5.0-dev-0c1e57098-load", "llamacpp:n_busy_slots_per_decode"),
        ("llamacpp-b4747-c392e5094-load", "llamacpp:n_busy_slots_per_decode"),
    ] {
        assert_eq!(Mapped::fixture(fixture).kinds(metric), ["gauge"], "{fixture} {metric}");
    }
}

#[test]
fn a_summary_that_is_documented_as_a_histogram_stays_a_summary() {
    assert_eq!(Mapped::fixture("tgi-").kinds("tgi_request_skipped_tokens"), ["summary"]);
}

#[test]
fn gauges_with_a_label_le_are_no_histogram() {
    let mapped = Mapped::fixture("sglang-0.5.23.");
    for metric in ["sglang:routing_key_running_req_count", "sglang:routing_key_all_req_count"] {
        assert_eq!(mapped.kinds(metric), ["gauge"]);
        assert!(mapped.points(metric).iter().all(|point| point.contains("le=\"") && point.contains("gt=\"")));
    }
}

#[test]
fn the_times_at_which_counters_began_are_no_metrics() {
    for fixture in ["vllm-0.33.0.", "vllm-0.10.2", "litellm-1.105.0-after.", "trtllm-"] {
        let mapped = Mapped::fixture(fixture);
        let created: Vec<_> = mapped.all().filter(|line| line.contains("_created{")).collect();
        assert_eq!(created, [""; 0], "{fixture}");
    }
}

#[test]
fn a_gauge_whose_value_is_a_time_is_no_measurement() {
    Mapped::fixture("vllm-0.33.0-spec-lora").check_absent("vllm:lora_requests_info");
    let ray =
        "# TYPE ray_vllm_lora_requests_info gauge\nray_vllm_lora_requests_info{max_lora=\"4\"} 1.79e9\n";
    Mapped::of(ray).check_absent("ray_vllm_lora_requests_info");
}

#[test]
fn both_formats_of_a_page_mean_the_same() {
    let openmetrics = Mapped::fixture("litellm-1.105.0-after-openmetrics");
    let text = Mapped::fixture("litellm-1.105.0-after.");
    for metric in ["gen_ai.client.inference.usage.input_tokens", "gen_ai.client.operation.duration"] {
        assert!(!text.points(metric).is_empty(), "{metric}");
        let without_start = |point: &str| point.split(" @").next().unwrap_or_default().to_owned();
        let of = |mapped: &Mapped| mapped.points(metric).into_iter().map(without_start).collect::<Vec<_>>();
        assert_eq!(of(&openmetrics), of(&text), "{metric}");
    }
}
