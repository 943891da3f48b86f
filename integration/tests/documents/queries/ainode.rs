//! AINode: the document's alerts are its only expressions; the dashboard asks for every metric.

use super::{DEEPSEEK, GIB, LLAMA, QWEN, Question, about, at_least, exactly, model};
use crate::recording::{merged, quantile};
use crate::world::{AGE, Recorded};

fn ask(expression: &str, answer: super::Answer) -> Question {
    Question::new("ainode", expression, answer)
}

pub(crate) fn questions(recorded: &Recorded) -> Vec<Question> {
    let Recorded { vllm, sglang, mindie, llama_cpp } = recorded;
    let requests = [
        vllm.rate("vllm:request_success_total", &[]),
        sglang.rate("sglang:num_requests_total", &[]),
        mindie.rate("request_success_total", &[]),
    ];
    let tokens = vllm.rate("vllm:generation_tokens_total", &[])
        + sglang.rate("sglang:generation_tokens_total", &[])
        + mindie.rate("generation_tokens_total", &[])
        + llama_cpp.rate("llamacpp:tokens_predicted_total", &[]);
    let latencies = merged(&[
        vllm.buckets("vllm:e2e_request_latency_seconds", &[]),
        sglang.buckets("sglang:e2e_request_latency_seconds", &[]),
        mindie.buckets("e2e_request_latency_seconds", &[]),
    ]);
    let latency = |q| 1000.0 * quantile(q, &latencies);
    let seconds = vllm.sum("vllm:e2e_request_latency_seconds_sum", &[])
        + sglang.sum("sglang:e2e_request_latency_seconds_sum", &[])
        + mindie.sum("e2e_request_latency_seconds_sum", &[]);
    let of_model = [(model(LLAMA), requests[0]), (model(QWEN), requests[1]), (model(DEEPSEEK), requests[2])];
    let of_model = of_model.each_ref().map(|(key, rate)| (key.as_str(), *rate));
    vec![
        ask("up{job=\"ainode\"}", exactly(&[("", 1.0)])),
        ask("ainode_build_info", exactly(&[("version=\"unknown\"", 1.0)])),
        ask("ainode_uptime_seconds", at_least(AGE as f64)),
        ask("ainode_requests_total", at_least(100.0)),
        ask("ainode_tokens_generated_total", at_least(20_000.0)),
        ask("rate(ainode_requests_total[5m])", about(&[("", requests.iter().sum())])),
        ask("rate(ainode_request_errors_total[5m])", about(&[("", 4.0 / 20.0)])),
        ask("sum by (model) (rate(ainode_requests_by_model_total[5m]))", about(&of_model)),
        ask(
            "ainode_request_latency_milliseconds",
            about(&[
                ("quantile=\"0.5\"", latency(0.5)),
                ("quantile=\"0.95\"", latency(0.95)),
                ("quantile=\"0.99\"", latency(0.99)),
            ]),
        ),
        ask(
            "rate(ainode_request_latency_milliseconds_sum[5m]) / rate(ainode_request_latency_milliseconds_count[5m])",
            about(&[("", 1000.0 * seconds / 120.0)]),
        ),
        ask("rate(ainode_tokens_generated_total[5m])", about(&[("", tokens)])),
        // The mean since the first of the processes was started.
        ask("ainode_tokens_per_second", at_least(1.0)),
        ask(
            "ainode_tokens_per_second * ainode_uptime_seconds / ainode_tokens_generated_total",
            about(&[("", 1.0)]),
        ),
        ask("ainode_gpu_utilization_percent", exactly(&[("", 75.0)])),
        ask("ainode_gpu_memory_used_bytes", exactly(&[("", 158.0 * GIB)])),
        ask("ainode_gpu_memory_total_bytes", exactly(&[("", 160.0 * GIB)])),
        ask("ainode_gpu_temperature_celsius", exactly(&[("", 88.0)])),
        ask("ainode_gpu_memory_used_bytes / ainode_gpu_memory_total_bytes", exactly(&[("", 158.0 / 160.0)])),
        // The alerts.
        ask(
            "ainode_gpu_memory_used_bytes / ainode_gpu_memory_total_bytes > 0.95",
            exactly(&[("", 158.0 / 160.0)]),
        ),
        ask("rate(ainode_request_errors_total[1m]) > 5", exactly(&[])),
        ask("ainode_gpu_temperature_celsius > 85", exactly(&[("", 88.0)])),
        ask("up{job=\"ainode\"} == 0", exactly(&[])),
    ]
}
