//! Where AINode's document and AINode differ, and what is made instead.

use crate::platforms::BOARDS;
use crate::{LLAMA_CPP, Page, SGLANG, VLLM};

const OWN: &str = "apps/ainode-0.5.constructed.prom";

#[test]
fn tokens_come_from_the_engine_and_never_from_ainode() {
    Page::of("ainode", &[VLLM]).check("ainode_tokens_generated_total", &["6904"]);
    Page::of("ainode", &[SGLANG]).check("ainode_tokens_generated_total", &["5672"]);
    Page::of("ainode", &[LLAMA_CPP]).check("ainode_tokens_generated_total", &["3660"]);
    Page::of("ainode", &[OWN]).check_absent("ainode_tokens_generated_total");
    Page::of("ainode", &[OWN, VLLM]).check("ainode_tokens_generated_total", &["6904"]);
}

#[test]
fn the_engine_counts_requests_where_both_do() {
    Page::of("ainode", &[OWN]).check("ainode_requests_total", &["41"]);
    Page::of("ainode", &[VLLM, OWN]).check("ainode_requests_total", &["40"]);
    // Where AINode was heard of first, its number goes on with what the engine counts.
    Page::of("ainode", &[OWN, VLLM]).check("ainode_requests_total", &["41"]);
    Page::of("ainode", &["runners/vllm-0.33.0-dp2.constructed.prom"]).check("ainode_requests_total", &["80"]);
}

#[test]
fn a_request_that_was_given_up_is_no_error_unless_asked_for() {
    Page::of("ainode", &[VLLM]).check("ainode_request_errors_total", &["0"]);
    let page = Page::with("ainode", &["--parameter", "aborted=error"], &[VLLM]);
    page.check("ainode_request_errors_total", &["2"]);
    page.check("ainode_requests_total", &["40"]);
    let failed = "vllm:request_success_total{engine=\"0\",finished_reason=\"error\",model_name=\"m\"} 3\n";
    let page = Page::of_text("ainode", &[], &format!("# TYPE vllm:request_success_total counter\n{failed}"));
    page.check("ainode_request_errors_total", &["3"]);
    page.check("ainode_requests_total", &["3"]);
}

#[test]
fn errors_are_there_before_the_first() {
    let page = Page::of_text("ainode", &[], "");
    page.check("ainode_request_errors_total", &["0"]);
    page.check_absent("ainode_requests_total");
    Page::of("ainode", &["otlp/application.json"]).check("ainode_request_errors_total", &["2"]);
}

#[test]
fn the_sum_of_the_latency_is_true_and_in_milliseconds() {
    let page = Page::of("ainode", &[VLLM]);
    page.check("ainode_request_latency_milliseconds_sum", &["148830.75799779917"]);
    page.check("ainode_request_latency_milliseconds_count", &["40"]);
    // 27 of 40 took up to 5 s, 7 up to 2.5 s: the 20th is 13 twentieths of the way between.
    page.check(
        "ainode_request_latency_milliseconds",
        &[
            "{quantile=\"0.5\"} 4125",
            "{quantile=\"0.95\"} 9230.76923076923",
            "{quantile=\"0.99\"} 9846.153846153848",
        ],
    );
}

#[test]
fn a_latency_that_nobody_has_timed_is_absent() {
    Page::of("ainode", &["runners/vllm-0.33.0-idle.constructed.prom"])
        .check_absent("ainode_request_latency_milliseconds");
    Page::of("ainode", &[LLAMA_CPP]).check_absent("ainode_request_latency_milliseconds_count");
}

#[test]
fn several_gpus_are_one() {
    let page = Page::of("ainode", &["otlp/gpus.json"]);
    page.check("ainode_gpu_utilization_percent", &["62.5"]);
    page.check("ainode_gpu_memory_used_bytes", &["53687091200"]);
    page.check("ainode_gpu_memory_total_bytes", &["171798691840"]);
    page.check("ainode_gpu_temperature_celsius", &["67"]);
    page.check("ainode_gpu_available", &["1"]);
}

#[test]
fn instances_of_mig_are_part_of_their_board() {
    let page = Page::of("ainode", &[BOARDS]);
    let mebibytes = |sum: u64| (sum << 20).to_string();
    page.check("ainode_gpu_memory_total_bytes", &[&mebibytes(81_559 + 46_068 + 81_559 + 32_768)]);
    // The H100, the L40S, the H100 with MIG, and the V100; each of the fixture uses a page more.
    let used = ((73_216_u64 + 20_000 + 30_000) << 20) + 4 * 4096;
    page.check("ainode_gpu_memory_used_bytes", &[&used.to_string()]);
    page.check("ainode_gpu_utilization_percent", &["43"]);
    page.check("ainode_gpu_temperature_celsius", &["70"]);
}

#[test]
fn a_gpu_that_uses_the_hosts_memory_has_all_of_it_and_uses_what_is_claimed() {
    let unified = "otlp/gpu_unified.json";
    let page = Page::of("ainode", &[unified]);
    page.check("ainode_gpu_memory_total_bytes", &["137438953472"]);
    // What the host uses is something else.
    page.check_absent("ainode_gpu_memory_used_bytes");
    let claim = "# TYPE \"gen_ai.server.memory.utilization.limit\" gauge\n{\"gen_ai.server.memory.utilization.limit\"} 0.5\n";
    Page::of_text("ainode", &[unified], claim).check("ainode_gpu_memory_used_bytes", &["68719476736"]);
}

#[test]
fn the_hosts_memory_is_not_a_gpus_unless_it_is_known_to_be() {
    let host = "# TYPE \"system.memory.limit\" gauge\n{\"system.memory.limit\"} 1000\n";
    Page::of_text("ainode", &[], host).check_absent("ainode_gpu_memory_total_bytes");
    Page::of_text("ainode", &["otlp/gpus.json"], host)
        .check("ainode_gpu_memory_total_bytes", &["171798691840"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), host).unwrap();
    let told = ["--parameter", "unified_memory=true"];
    let page = Page::with("ainode", &told, &[file.path().to_str().unwrap()]);
    page.check("ainode_gpu_memory_total_bytes", &["1000"]);
}

#[test]
fn a_node_tells_its_name_when_asked_to() {
    let page = Page::with("ainode", &["--parameter", "node=spark-1", "--parameter", "node_id=a1"], &[VLLM]);
    let lines = page.0.lines().filter(|line| !line.starts_with('#'));
    for line in lines {
        assert!(line.contains("node=\"spark-1\",node_id=\"a1\""), "{line}");
    }
    assert!(!Page::of("ainode", &[OWN]).0.contains("node="), "nobody asked");
}

#[test]
fn the_version_is_ainodes_or_what_was_set() {
    Page::of("ainode", &[OWN, VLLM]).check("ainode_build_info", &["{version=\"0.5.30\"} 1"]);
    let set = Page::with("ainode", &["--parameter", "version=0.4.44"], &[VLLM]);
    set.check("ainode_build_info", &["{version=\"0.4.44\"} 1"]);
}

#[test]
fn the_time_since_the_start_is_the_nodes_and_not_the_collectors() {
    let page = Page::of("ainode", &[OWN, VLLM]);
    page.check("ainode_uptime_seconds", &["3600.5"]);
    let rate = page.value("ainode_tokens_per_second", &[]);
    assert!((rate - 6904.0 / 3600.5).abs() < 1e-9, "{rate}");
    Page::of("ainode", &["otlp/nodes.json"]).check_absent("ainode_uptime_seconds");
    assert!(Page::of("ainode", &[VLLM]).value("ainode_uptime_seconds", &[]) > 0.0);
}
