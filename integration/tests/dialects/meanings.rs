//! That the same name means the same for every runner.

use crate::Mapped;

#[test]
fn prompt_tokens_include_cached_ones() {
    for (fixture, expected) in [
        ("llamacpp-0.5.0-dev-0c1e57098-load", "[{token}] = 454.0"),
        ("llamacpp-b4747-c392e5094-load", "[{token}] = 945.0"),
        ("vllm-0.33.0-spec-lora", "[{token}] = 45658.0"),
        ("trtllm-", "[{token}] = 16578.0"),
        ("lmdeploy-", "[{token}] = 20661.0"),
        ("mindie-", "[{token}] = 7381.0"),
    ] {
        Mapped::fixture(fixture).check("gen_ai.server.prompt_tokens", expected);
    }
    Mapped::fixture("llamacpp-0.5.0-dev-0c1e57098-load")
        .check("gen_ai.server.prompt_tokens.cached", "[{token}] = 5.0");
    Mapped::fixture("llamacpp-b4747-c392e5094-load").check_absent("gen_ai.server.prompt_tokens.cached");
}

#[test]
fn tokens_are_counted_where_there_are_only_histograms_of_them() {
    let tgi = Mapped::fixture("tgi-");
    assert_eq!(tgi.kinds("gen_ai.server.prompt_tokens"), ["counter"]);
    tgi.check("gen_ai.server.prompt_tokens", "[{token}] = 35452.0");
    tgi.check("gen_ai.server.generation_tokens", "[{token}] = 5876.0");
    Mapped::fixture("tei-").check("gen_ai.server.prompt_tokens", "[{token}] = 31388.0");
    let dynamo = Mapped::fixture("dynamo-1.6.1-frontend-load");
    dynamo.check("gen_ai.server.prompt_tokens", "[{token}] = 4302.0");
    dynamo.check("gen_ai.server.prompt_tokens.cached", "[{token}] = 1472.0");
    // Tokens that were sent, and not those of requests that have ended (648).
    dynamo.check("gen_ai.server.generation_tokens", "[{token}] = 889.0");
}

#[test]
fn time_per_output_token_is_of_a_request_and_inter_token_latency_of_a_token() {
    for (fixture, tokens) in [("vllm-0.10.2", 2274), ("lmdeploy-", 5128), ("mindie-", 4952)] {
        let mapped = Mapped::fixture(fixture);
        let points = mapped.points("gen_ai.server.inter_token_latency");
        assert!(points[0].contains(&format!("[s] = count {tokens} ")), "{fixture}: {points:?}");
        mapped.check_absent("gen_ai.server.time_per_output_token");
    }
    for (fixture, requests) in [("vllm-0.33.0-spec-lora", 40), ("trtllm-", 40), ("tgi-", 53)] {
        let mapped = Mapped::fixture(fixture);
        let points = mapped.points("gen_ai.server.time_per_output_token");
        assert!(points[0].contains(&format!("[s] = count {requests} ")), "{fixture}: {points:?}");
    }
}

#[test]
fn averages_between_two_scrapes_are_not_used() {
    for fixture in ["llamacpp-0.5.0-dev-0c1e57098-after.", "llamacpp-0.5.0-dev-0c1e57098-after2"] {
        let mapped = Mapped::fixture(fixture);
        mapped.check_absent("llamacpp:prompt_tokens_seconds");
        mapped.check_absent("llamacpp:predicted_tokens_seconds");
        mapped.check_absent("gen_ai.server.generation.rate");
    }
}

#[test]
fn a_total_among_the_sources_is_no_sum_of_them() {
    let mapped = Mapped::fixture("sglang-0.5.23.");
    mapped.check("gen_ai.server.prompt_tokens.cached", "[{token}] = 9680.0");
    mapped.check("gen_ai.server.prefix_cache.queries", "[{token}] = 48183.0");
    mapped.check("gen_ai.server.prefix_cache.hits", "[{token}] = 9680.0");
}

#[test]
fn running_requests_are_not_those_that_wait() {
    let mapped = Mapped::fixture("dynamo-1.6.1-frontend-load");
    let of_model = |metric| {
        let points = mapped.points(metric);
        points.into_iter().find(|point| point.contains("model=\"tiny-random\"")).unwrap().to_owned()
    };
    assert!(of_model("gen_ai.server.requests.waiting").ends_with("= 15.0"));
    assert!(of_model("gen_ai.server.requests.running").ends_with("= 6.0"));
}

#[test]
fn requests_tell_how_they_ended() {
    let reasons = |fixture| {
        let mapped = Mapped::fixture(fixture);
        let mut found: Vec<_> = mapped
            .points("gen_ai.server.requests")
            .into_iter()
            .map(|point| {
                let label = |name: &str| {
                    let value = point.split_once(&format!("{name}=\"")).map(|(_, rest)| rest);
                    value.and_then(|rest| rest.split('"').next()).unwrap_or("-").to_owned()
                };
                let value = point.rsplit(' ').next().unwrap();
                format!("{} {} {value}", label("gen_ai.response.finish_reason"), label("error.type"))
            })
            .collect();
        found.sort();
        found.dedup();
        found
    };
    assert_eq!(
        reasons("vllm-0.33.0-spec-lora"),
        ["abort - 2.0", "error error 0.0", "length - 7.0", "repetition - 0.0", "stop - 31.0"]
    );
    assert_eq!(
        reasons("lmdeploy-"),
        [
            "abort - 0.0",
            "error engine_stop_error 0.0",
            "error handler_not_exist 0.0",
            "error input_length_error 0.0",
            "error internal_engine_error 0.0",
            "error no_queue 0.0",
            "error not_supported 0.0",
            "error out_of_memory 0.0",
            "error prefix_cache_conflict 0.0",
            "error session_not_exist 0.0",
            "error session_repeat 0.0",
            "finish - 26.0",
            "success - 14.0"
        ]
    );
    assert_eq!(reasons("tgi-"), ["- - 53.0", "error dropped 4.0", "error validation 3.0"]);
    assert_eq!(reasons("tei-"), ["- - 75.0", "error tokenization 5.0"]);
    assert_eq!(reasons("mindie-"), ["- - 40.0", "error error 0.0"]);
    assert_eq!(reasons("trtllm-"), ["error 400 1.0", "length - 20.0", "stop - 20.0"]);
    assert_eq!(
        reasons("dynamo-1.6.1-frontend-load"),
        ["- - 4.0", "error not_found 1.0", "error not_found 2.0"]
    );
}

#[test]
fn a_meaning_that_stands_in_a_label_is_found() {
    let mapped = Mapped::fixture("triton-");
    mapped.check("gen_ai.server.requests.running", "[{request}] = 0.0");
    mapped.check("gen_ai.server.kv_cache.utilization", "[1] = 0.4875");
    assert_eq!(mapped.points("gen_ai.server.requests.waiting").len(), 1, "of the backend only");
    let rest = mapped.points("nv_trt_llm_request_metrics");
    assert!(rest.iter().all(|point| !point.contains("\"active\"") && !point.contains("\"waiting\"")));
    Mapped::fixture("sglang-0.5.23.").check("gen_ai.server.model.load.duration", "[s] = 9.81");
}

#[test]
fn whether_a_runner_is_up_and_for_how_long_is_known() {
    let page = "# TYPE process_start_time_seconds gauge\nprocess_start_time_seconds 1.7e9\n\
                up 1\nvllm:num_requests_running{model_name=\"m\"} 1\n";
    let mapped = Mapped::of(page);
    mapped.check("gen_ai.server.up", "[1] = 1.0");
    let points = mapped.points("gen_ai.server.uptime");
    let uptime: f64 = points[0].rsplit(' ').next().unwrap().parse().unwrap();
    assert!(uptime > 5e7, "{points:?}");
    // Everybody watches `up`, whatever else is made of it.
    assert_eq!(mapped.points("up").len(), 1);
    assert_eq!(mapped.points("process_start_time_seconds").len(), 1);
    // The header of llama.cpp's answers has no such time, and it has no such metric.
    Mapped::fixture("llamacpp-0.5.0-dev-0c1e57098-load").check_absent("gen_ai.server.uptime");
}
