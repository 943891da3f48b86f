//! GPUStack: what its dashboards ask, of series that Prometheus has found by `/metrics/targets`.

use integration::root;

use super::{Answer, DEEPSEEK, GIB, LLAMA, QWEN, Question, about, at_least, exactly};
use crate::recording::{Recording, quantile};
use crate::world::Recorded;

/// The questions, as `integration/queries/gpustack.txt` has them.
pub(crate) fn published() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("integration/queries/gpustack.txt")).unwrap();
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
}

pub(crate) fn questions(recorded: &Recorded) -> Vec<Question> {
    let asked = published();
    let asked = asked.iter().filter_map(|written| {
        let metric = metric(written)?;
        let answer = made_of_rates(written, metric, &recorded.vllm);
        let (answer, compared) = match answer {
            Some(answer) => (answer, &[][..]),
            None => server(written, metric)
                .or_else(|| worker(written, metric))
                .or_else(|| model(metric, recorded))?,
        };
        Some(filled(Question::new("", written, answer).by(compared), metric))
    });
    asked.collect()
}

/// The first of GPUStack's names in an expression, without what belongs to a part of a histogram.
fn metric(expression: &str) -> Option<&str> {
    let start = expression.find("gpustack:")?;
    let rest = &expression[start + "gpustack:".len()..];
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    Some(&rest[..end.unwrap_or(rest.len())])
}

fn filled(question: Question, metric: &str) -> Question {
    // What vLLM does not have is asked of who has it.
    let model = match metric {
        "num_requests_swapped" => DEEPSEEK,
        "prefix_cache_hit_rate" | "spec_decode_accept_rate" => QWEN,
        _ => LLAMA,
    };
    question
        .with("$cluster_name", "default")
        .with("$worker_name", "gpu-node-1")
        .with("$model_name", model)
        .with("$model_instance_name", ".*")
}

/// Quantiles and means, which are those of vLLM's own histograms.
fn made_of_rates(written: &str, metric: &str, vllm: &Recording) -> Option<Answer> {
    let family = metric.trim_end_matches("_bucket").trim_end_matches("_sum");
    let family = match family {
        "time_per_output_token_seconds" => "vllm:request_time_per_output_token_seconds".to_owned(),
        _ => format!("vllm:{family}"),
    };
    if let Some(rest) = written.strip_prefix("histogram_quantile(") {
        let q: f64 = rest.split(',').next()?.parse().ok()?;
        return Some(about(&[("", quantile(q, &vllm.buckets(&family, &[])))]));
    }
    let is_mean = metric.ends_with("_sum");
    is_mean.then(|| {
        let sum = vllm.sum(&format!("{family}_sum"), &[]);
        about(&[("", sum / vllm.sum(&format!("{family}_count"), &[]))])
    })
}

type Expected = (Answer, &'static [&'static str]);

fn server(written: &str, metric: &str) -> Option<Expected> {
    let cluster = "cluster_id=\"1\",cluster_name=\"default\",provider=\"ClusterProvider.Docker\"";
    let names = [LLAMA, QWEN, DEEPSEEK].map(|name| format!("model_name=\"{name}\""));
    Some(match metric {
        "cluster_info" if written.contains('*') => (exactly(&[("", 1.0)]), &["model_name"]),
        "cluster_info" => (exactly(&[(cluster, 1.0)]), &["cluster_id", "cluster_name", "provider"]),
        "worker_info" => (exactly(&[("worker_name=\"gpu-node-1\"", 1.0)]), &["worker_name"]),
        "worker_status" => (exactly(&[("", 1.0)]), &[]),
        "model_info" if written.contains("model_name") => (exactly(&[(&names[0], 1.0)]), &["model_name"]),
        // llama.cpp is there too, and nothing tells its model.
        "model_info" => {
            (exactly(&[(&names[0], 1.0), (&names[1], 1.0), (&names[2], 1.0), ("", 1.0)]), &["model_name"])
        }
        "model_instance_status" => (exactly(&[("state=\"running\"", 1.0)]), &["state"]),
        "model_desired_instances" | "model_running_instances" => (exactly(&[("", 1.0)]), &[]),
        _ => return None,
    })
}

/// The two GPUs that are pushed, and this host.
fn worker(written: &str, metric: &str) -> Option<Expected> {
    const BY_GPU: &[&str] = &["gpu_index"];
    let gpus = |first: f64, second: f64| {
        let series = exactly(&[("gpu_index=\"0\"", first), ("gpu_index=\"1\"", second)]);
        Some((series, BY_GPU))
    };
    let all = |value: f64| Some((exactly(&[("", value)]), &[][..]));
    let field = |path: &str, name: &str| {
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap()
    };
    match metric {
        "worker_node_os_info" | "worker_node_uptime_seconds" => Some((at_least(1.0), &[])),
        "worker_node_gpu_cores" => all(2.0),
        "worker_node_cpu_cores" => {
            let text = std::fs::read_to_string("/proc/cpuinfo").unwrap();
            all(text.lines().filter(|line| line.starts_with("processor")).count() as f64)
        }
        "worker_node_gram_total_bytes" => all(160.0 * GIB),
        "worker_node_gram_used_bytes" => all(158.0 * GIB),
        "worker_node_gram_allocated_bytes" => all(72.0 * GIB),
        "worker_node_memory_total_bytes" => all(1024.0 * field("/proc/meminfo", "MemTotal:")),
        "worker_node_gpu_utilization_rate" if written.starts_with("avg") => all(75.0),
        "worker_node_gpu_utilization_rate" => gpus(50.0, 100.0),
        "worker_node_gram_utilization_rate" => gpus(97.5, 100.0),
        "worker_node_gpu_temperature_celsius" => gpus(61.0, 88.0),
        "worker_node_gpu_info" => gpus(1.0, 1.0),
        "worker_node_gpu_power_used_watts" => Some((exactly(&[("gpu_index=\"0\"", 420.0)]), BY_GPU)),
        "worker_node_gpu_power_limit_watts" => all(700.0),
        "worker_node_cpu_utilization_rate" => Some((at_least(0.0), &[])),
        "worker_node_memory_used_bytes" => Some((at_least(1e6), &[])),
        "worker_node_memory_utilization_rate" | "worker_node_filesystem_utilization_rate" => {
            Some((at_least(0.01), &[]))
        }
        _ => None,
    }
}

fn model(metric: &str, recorded: &Recorded) -> Option<Expected> {
    let vllm = &recorded.vllm;
    let about = |value: f64| Some((about(&[("", value)]), &[][..]));
    let exactly = |value: f64| Some((exactly(&[("", value)]), &[][..]));
    let rate = |name: &str| about(vllm.rate(name, &[]));
    match metric {
        "num_requests_running" => exactly(5.0),
        "num_requests_waiting" => exactly(2.0),
        "num_requests_swapped" => exactly(0.0),
        "prompt_tokens_total" => rate("vllm:prompt_tokens_total"),
        "generation_tokens_total" => rate("vllm:generation_tokens_total"),
        "prompt_tokens_cached_total" => rate("vllm:prompt_tokens_cached_total"),
        "e2e_request_latency_seconds_count" => rate("vllm:e2e_request_latency_seconds_count"),
        "request_preemptions_total" => rate("vllm:num_preemptions_total"),
        "request_success_total" => {
            let reasons = ["stop", "length", "abort", "error", "repetition"].map(|reason| {
                let label = format!("finished_reason=\"{reason}\"");
                let rate = vllm.rate("vllm:request_success_total", &[&label]);
                (label, rate)
            });
            let series = reasons.each_ref().map(|(label, rate)| (label.as_str(), *rate));
            Some((super::about(&series), &["finished_reason"]))
        }
        "kv_cache_usage_ratio" => exactly(vllm.sum("vllm:kv_cache_usage_perc", &[])),
        "prefix_cache_hit_rate" => exactly(recorded.sglang.sum("sglang:cache_hit_rate", &[])),
        "prefix_cache_hits_total" => {
            let queries = vllm.sum("vllm:prefix_cache_queries_total", &[]);
            about(vllm.sum("vllm:prefix_cache_hits_total", &[]) / queries)
        }
        "spec_decode_accept_rate" => exactly(recorded.sglang.sum("sglang:spec_accept_rate", &[])),
        // This vLLM does not speculate, so there is nothing to divide.
        "spec_decode_accepted_tokens_total" => Some((super::exactly(&[]), &[])),
        _ => None,
    }
}
