//! Where OffGrid's document and OffGrid differ, and what is made instead.

use crate::{LLAMA_CPP, Page, VLLM};

const OWN: &str = "apps/offgrid.constructed.prom";
const PUSHED: &str = "otlp/application.json";

const CHAT: &str = "method=\"POST\",path=\"/v1/chat/completions\"";

#[test]
fn the_path_is_called_as_documented() {
    Page::of("offgrid", &[OWN]).check(
        "offgrid_requests_total",
        &[
            "{method=\"GET\",path=\"/health\",status=\"200\"} 10",
            &format!("{{{CHAT},status=\"200\"}} 4"),
            &format!("{{{CHAT},status=\"404\"}} 2"),
            &format!("{{{CHAT},status=\"500\"}} 3"),
        ],
    );
    // What is pushed comes first, by route.
    let page = Page::of("offgrid", &[PUSHED, OWN]);
    assert_eq!(page.value("offgrid_requests_total", &[CHAT, "status=\"200\""]), 42.0);
}

#[test]
fn errors_of_one_path_are_added_up_where_offgrid_prints_them_twice() {
    Page::of("offgrid", &[OWN]).check("offgrid_errors_total", &[&format!("{{{CHAT}}} 5")]);
    let page = Page::of("offgrid", &[PUSHED]);
    assert_eq!(page.value("offgrid_errors_total", &["/missing", "status=\"404\""]), 4.0);
    assert_eq!(page.value("offgrid_errors_total", &[CHAT, "status=\"500\""]), 2.0);
    assert!(!page.0.contains("offgrid_errors_total{method=\"GET\",path=\"/health\""), "200 is no error");
}

#[test]
fn buckets_that_offgrid_adds_up_twice_are_taken_apart() {
    let page = Page::of("offgrid", &[OWN]);
    // 0.3, 0.3, 4 and 70 seconds.
    for (bound, expected) in
        [("0.25", 0.0), ("0.5", 2.0), ("2.5", 2.0), ("5.0", 3.0), ("60.0", 3.0), ("+Inf", 4.0)]
    {
        let labels = [CHAT, &format!("le=\"{bound}\"")];
        assert_eq!(page.value("offgrid_request_duration_seconds_bucket", &labels), expected, "{bound}");
    }
    assert_eq!(page.value("offgrid_request_duration_seconds_sum", &[CHAT]), 74.6);
}

#[test]
fn a_model_is_loaded_or_not_from_the_start() {
    Page::of_text("offgrid", &[], "").check("offgrid_model_loaded", &["0"]);
    Page::of("offgrid", &[OWN]).check("offgrid_model_loaded", &["1"]);
}

#[test]
fn memory_is_that_of_offgrids_process_under_the_documented_name() {
    let page = Page::of("offgrid", &[OWN]);
    page.check("offgrid_memory_usage_bytes", &["52428800"]);
    page.check("offgrid_memory_bytes", &["52428800"]);
    // 256 GiB of the host would fire the alert at 4 GiB, and so would the runner's own.
    Page::of("offgrid", &["otlp/gpus.json"]).check_absent("offgrid_memory_usage_bytes");
    Page::of("offgrid", &[VLLM]).check_absent("offgrid_memory_usage_bytes");
    // Two processes are there: the gateway has told nothing, and OffGrid's is known by its name.
    Page::of("offgrid", &[PUSHED, "otlp/nodes.json"]).check("offgrid_memory_usage_bytes", &["52428800"]);
}

#[test]
fn the_use_of_the_cpu_is_the_hosts_and_no_count_of_goroutines() {
    Page::of("offgrid", &[OWN]).check_absent("offgrid_cpu_usage_percent");
    // CPU 0 is busy for 0.375, CPU 1 for 0.125; waiting for a disk is not busy.
    Page::of("offgrid", &["otlp/gpus.json"]).check("offgrid_cpu_usage_percent", &["25"]);
}

#[test]
fn the_space_of_models_is_never_offgrids_zero() {
    Page::of("offgrid", &[OWN]).check_absent("offgrid_disk_usage_bytes");
    Page::of("offgrid", &[PUSHED]).check("offgrid_disk_usage_bytes", &["13958643712"]);
}

#[test]
fn prompt_tokens_include_cached_ones_for_every_runner() {
    Page::of("offgrid", &[LLAMA_CPP]).check("offgrid_tokens_input_total", &["2649"]);
    let model = "{model=\"meta-llama/Llama-3.1-8B-Instruct\"}";
    Page::of("offgrid", &[VLLM]).check("offgrid_tokens_input_total", &[&format!("{model} 71673")]);
}

#[test]
fn who_met_a_quota_is_not_told() {
    let page = Page::of("offgrid", &[PUSHED]);
    page.check("offgrid_quota_exceeded_total", &["{quota_type=\"requests\"} 5", "{quota_type=\"tokens\"} 3"]);
    assert!(!page.0.contains("u-42"));
}

#[test]
fn speeds_are_those_pushed_or_the_inverse_of_the_time_a_token_takes() {
    let page = Page::of("offgrid", &[PUSHED]);
    assert_eq!(page.value("offgrid_tokens_per_second_sum", &[]), 1900.0);
    let page = Page::of("offgrid", &[VLLM]);
    // All 40 took between 10 and 25 ms a token: 40 to 100 tokens a second.
    assert_eq!(page.value("offgrid_tokens_per_second_bucket", &["le=\"40.0\""]), 0.0);
    assert_eq!(page.value("offgrid_tokens_per_second_bucket", &["le=\"100.0\""]), 40.0);
    assert_eq!(page.value("offgrid_tokens_per_second_count", &[]), 40.0);
}

#[test]
fn operations_on_the_index_are_told_from_chats() {
    let page = Page::of("offgrid", &[PUSHED]);
    page.check("offgrid_rag_queries_total", &["7"]);
    page.check("offgrid_rag_query_duration_seconds_sum", &["2.5"]);
    page.check("offgrid_rag_embeddings_total", &["425"]);
    page.check(
        "offgrid_websocket_messages_total",
        &["{direction=\"received\"} 30", "{direction=\"sent\"} 90"],
    );
}
