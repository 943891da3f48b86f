//! Where GPUStack's document, GPUStack and the runners differ, and what is made.

use crate::platforms::{BOARDS, GATEWAY, MINDIE, NODE, OLD_VLLM, SERVER, TWO_ENGINES, WORKER};
use crate::{LLAMA_CPP, Page, SGLANG, VLLM};

const TPOT: &str = "gpustack:time_per_output_token_seconds_count";
const ITL: &str = "gpustack:inter_token_latency_seconds_count";

fn page(fixtures: &[&str]) -> Page {
    with(&[], fixtures)
}

fn with(arguments: &[&str], fixtures: &[&str]) -> Page {
    Page::with("gpustack", &[&NODE, arguments].concat(), fixtures)
}

fn version(version: &str, fixture: &str) -> Page {
    with(&["--resource", &format!("service.version={version}")], &[fixture])
}

#[test]
fn runtime_series_have_the_documented_labels() {
    let set = ["service.instance.id=10.0.0.5:8000", "gpustack.model.id=3", "gpustack.model.name=llama"];
    let instance = ["gpustack.model_instance.id=12", "gpustack.model_instance.name=llama-abcde"];
    let arguments: Vec<_> = set.iter().chain(&instance).flat_map(|pair| ["--resource", pair]).collect();
    with(&arguments, &[VLLM]).check(
        "gpustack:num_requests_running",
        &["{engine=\"0\",model_id=\"3\",model_instance_id=\"12\",model_instance_name=\"llama-abcde\",\
           model_name=\"llama\",runtime=\"vLLM\",worker_id=\"1\",worker_name=\"gpu-node-1\"} 5"],
    );
    // Where nobody names an instance, its model and its address do.
    let named = "model_instance_name=\"meta-llama/Llama-3.1-8B-Instruct@10.0.0.5:8000\"";
    let value = with(&["--resource", set[0]], &[VLLM]).value("gpustack:num_requests_running", &[named]);
    assert_eq!(value, 5.0);
}

#[test]
fn the_cluster_is_on_worker_and_runtime_series_only_when_asked_for() {
    let lines = |page: &Page, with: bool| {
        let of_server = ["cluster", "model_", "worker_info", "worker_status"];
        for line in page.0.lines().filter(|line| !line.starts_with('#')) {
            let is_of_server = of_server.iter().any(|part| line.starts_with(&format!("gpustack:{part}")));
            assert_eq!(line.contains("cluster_name=\"default\""), is_of_server || with, "{line}");
        }
    };
    lines(&page(&[VLLM, WORKER]), false);
    let inline = ["--parameter", "series_cluster_id=1", "--parameter", "series_cluster_name=default"];
    lines(&with(&inline, &[VLLM, WORKER]), true);
}

#[test]
fn no_histogram_is_there_twice() {
    // 0.10.2 has one histogram under its old and its new name, and neither is added to the other.
    page(&[OLD_VLLM]).check_absent(TPOT);
    for (old, version) in [(true, version("0.10.2", OLD_VLLM)), (false, version("0.11.0", OLD_VLLM))] {
        assert_eq!(version.value(ITL, &[]), 2274.0);
        if old {
            assert_eq!(version.value(TPOT, &[]), 2274.0);
        } else {
            version.check_absent(TPOT);
        }
    }
    let new = version("0.33.0", VLLM);
    assert_eq!((new.value(ITL, &[]), new.value(TPOT, &[])), (6864.0, 40.0));
    let mindie = page(&[MINDIE]);
    mindie.check_absent(ITL);
    assert_eq!(mindie.value(TPOT, &[]), 4952.0);
}

#[test]
fn old_and_new_names_of_vllm_are_one() {
    let page = version("0.10.2", OLD_VLLM);
    assert_eq!(page.value("gpustack:kv_cache_usage_ratio", &[]), 0.0312);
    assert_eq!(page.value("gpustack:prefix_cache_queries_total", &[]), 7377.0);
    for name in ["gpustack:kv_cache_usage_ratio", "gpustack:prefix_cache_queries_total"] {
        let samples = page.0.lines().filter(|line| line.starts_with(&format!("{name}{{")));
        assert_eq!(samples.count(), 1, "{name}");
    }
}

#[test]
fn a_hit_rate_or_its_two_counters_but_never_both() {
    let counters = ["gpustack:prefix_cache_queries_total", "gpustack:prefix_cache_hits_total"];
    let rate = "gpustack:prefix_cache_hit_rate";
    for (fixture, has_rate) in [(VLLM, false), (LLAMA_CPP, false), (SGLANG, true), (MINDIE, true)] {
        let page = page(&[fixture]);
        assert_eq!(page.families().contains(rate), has_rate, "{fixture}");
        assert!(counters.iter().all(|name| page.families().contains(*name) != has_rate), "{fixture}");
    }
}

#[test]
fn what_a_runner_lacks_is_absent() {
    for fixture in [VLLM, SGLANG, LLAMA_CPP] {
        page(&[fixture]).check_absent("gpustack:num_requests_swapped");
    }
    assert_eq!(page(&[MINDIE]).value("gpustack:num_requests_swapped", &[]), 0.0);
}

#[test]
fn engines_stay_apart_and_models_do_not() {
    let page = page(&[TWO_ENGINES]);
    for engine in ["engine=\"0\"", "engine=\"1\""] {
        assert_eq!(page.value("gpustack:e2e_request_latency_seconds_count", &[engine]), 40.0);
    }
    assert_eq!(page.value("gpustack:model_desired_instances", &[]), 1.0);
}

#[test]
fn requests_are_counted_however_they_end() {
    let page = page(&[VLLM]);
    for (reason, expected) in [("stop", 25.0), ("length", 13.0), ("abort", 2.0), ("error", 0.0)] {
        let reason = format!("finished_reason=\"{reason}\"");
        assert_eq!(page.value("gpustack:request_success_total", &[&reason]), expected);
    }
}

#[test]
fn rates_are_percent_and_ratios_are_not() {
    let page = page(&[WORKER, VLLM]);
    for (name, labels, expected) in [
        // (0.5 + 0.125) and 0.125 of two CPUs; waiting for a disk is not busy.
        ("gpustack:worker_node_cpu_utilization_rate", "", 37.5),
        ("gpustack:worker_node_memory_utilization_rate", "", 25.0),
        ("gpustack:worker_node_gpu_utilization_rate", "gpu_index=\"1\"", 25.0),
        ("gpustack:worker_node_gram_utilization_rate", "gpu_index=\"1\"", 12.5),
        ("gpustack:worker_node_filesystem_utilization_rate", "mountpoint=\"/\"", 25.0),
        ("gpustack:kv_cache_usage_ratio", "", 0.0728118),
    ] {
        assert_eq!(page.value(name, &[labels]), expected, "{name}");
    }
}

#[test]
fn instances_of_mig_are_part_of_their_board() {
    let page = page(&[BOARDS]);
    for (name, expected) in [
        ("gpustack:worker_node_gram_total_bytes", (81_559_u64 << 20).to_string()),
        ("gpustack:worker_node_gram_used_bytes", ((20_000_u64 << 20) + 4096).to_string()),
        // What the processes of its instances hold.
        ("gpustack:worker_node_gram_allocated_bytes", (3900_u64 << 20).to_string()),
        ("gpustack:worker_node_gpu_info", String::from("1")),
        ("gpustack:worker_node_gpu_temperature_celsius", String::from("55")),
        ("gpustack:worker_node_gpu_power_limit_watts", String::from("700")),
    ] {
        let is_of_board =
            |line: &&str| line.starts_with(&format!("{name}{{")) && line.contains("gpu_index=\"2\"");
        let found: Vec<_> = page.0.lines().filter(is_of_board).collect();
        assert!(found.len() == 1 && found[0].ends_with(&format!(" {expected}")), "{name}: {found:?}");
    }
    // Of a board with MIG nothing tells how busy it is.
    let busy = "gpustack:worker_node_gpu_utilization_rate";
    assert!(!page.0.lines().any(|line| line.starts_with(busy) && line.contains("gpu_index=\"2\"")));
    assert!((page.value(busy, &["gpu_index=\"0\""]) - 29.0).abs() < 1e-9);
}

#[test]
fn the_gpu_has_both_of_its_names_and_no_label_beside_the_documented() {
    let labels = "{gpu_chip_index=\"0\",gpu_index=\"0\",gpu_name=\"NVIDIA H100 80GB HBM3\",instance=\"10.0.0.5\",\
                  worker_id=\"1\",worker_name=\"gpu-node-1\"}";
    let page = page(&[WORKER]);
    for name in ["gpustack:worker_node_gpu_info", "worker_node_gpu_info"] {
        let sample = format!("{name}{labels} 1");
        assert!(page.0.lines().any(|line| line == sample), "{sample}\n{}", page.0);
    }
    // What two models claim of one GPU is added up; what is no model's is not claimed.
    let claimed = format!("{labels} 42949672960");
    page.check("gpustack:worker_node_gram_allocated_bytes", &[&claimed]);
}

#[test]
fn the_kernel_tells_its_own_version() {
    page(&[WORKER]).check(
        "gpustack:worker_node_kernel_info",
        &["{architecture=\"x86_64\",instance=\"10.0.0.5\",name=\"Linux\",release=\"6.8.0-45-generic\",\
           version=\"#45-Ubuntu SMP\",worker_id=\"1\",worker_name=\"gpu-node-1\"} 1"],
    );
}

#[test]
fn a_server_that_is_scraped_is_believed() {
    let page = page(&[VLLM, SERVER]);
    page.check(
        "gpustack:cluster_info",
        &["{cluster_id=\"4\",cluster_name=\"lab\",provider=\"ClusterProvider.Kubernetes\"} 1"],
    );
    page.check(
        "gpustack:worker_info",
        &["{cluster_id=\"4\",cluster_name=\"lab\",rack=\"b2\",worker_id=\"9\",worker_name=\"gpu-node-9\"} 1"],
    );
    assert_eq!(page.value("gpustack:worker_status", &["state=\"maintenance\""]), 1.0);
    assert_eq!(page.value("gpustack:model_desired_instances", &["model_name=\"qwen3-8b\""]), 3.0);
    assert_eq!(page.value("gpustack:bus_events_total", &["topic=\"workers\""]), 17.0);
}

#[test]
fn what_is_pushed_is_added_up_over_what_has_no_label() {
    let page = page(&[GATEWAY]);
    assert_eq!(page.value("gpustack:e2e_request_latency_seconds_count", &[]), 130.0);
    assert_eq!(page.value("gpustack:prompt_tokens_total", &["runtime=\"llama.cpp\""]), 4934.0);
    assert_eq!(page.value("gpustack:request_success_total", &[]), 127.0);
}
