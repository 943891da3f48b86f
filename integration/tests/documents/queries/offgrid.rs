//! OffGrid: the queries, panels and alerts of the document, and what else its dashboard asks.

use super::{DEEPSEEK, GIB, LLAMA, QWEN, Question, about, at_least, exactly, model, p95};
use crate::recording::{counted, merged, quantile};
use crate::world::Recorded;

/// The bounds of `application.py`.
pub(crate) const HTTP: [f64; 6] = [0.1, 0.5, 1.0, 2.0, 5.0, 10.0];

const CHAT: &str = "method=\"POST\",path=\"/v1/chat/completions\"";
const CHAT_200: &str = "method=\"POST\",path=\"/v1/chat/completions\",status=\"200\"";
const CHAT_429: &str = "method=\"POST\",path=\"/v1/chat/completions\",status=\"429\"";
const CHAT_500: &str = "method=\"POST\",path=\"/v1/chat/completions\",status=\"500\"";

fn ask(expression: &str, answer: super::Answer) -> Question {
    Question::new("offgrid", expression, answer)
}

pub(crate) fn questions(recorded: &Recorded) -> Vec<Question> {
    [requests(), tokens(recorded), rest()].into_iter().flatten().collect()
}

fn requests() -> Vec<Question> {
    let chat = counted(&HTTP, &[(0.25, 4.0), (0.05, 12.0), (3.0, 1.0)]);
    let health = counted(&HTTP, &[(0.05, 2.0)]);
    let health_key = "method=\"GET\",path=\"/health\"";
    vec![
        ask(
            "rate(offgrid_requests_total[5m])",
            about(&[
                (CHAT_200, 4.0),
                (CHAT_429, 12.0),
                (CHAT_500, 1.0),
                ("method=\"GET\",path=\"/health\",status=\"200\"", 2.0),
            ]),
        ),
        ask(
            "histogram_quantile(0.95, rate(offgrid_request_duration_seconds_bucket[5m]))",
            about(&[(CHAT, p95(&chat)), (health_key, p95(&health))]),
        ),
        ask("rate(offgrid_errors_total[5m])", about(&[(CHAT_429, 12.0), (CHAT_500, 1.0)])),
        ask("rate(offgrid_errors_total[5m]) > 0.1", about(&[(CHAT_429, 12.0), (CHAT_500, 1.0)])),
        ask("offgrid_requests_in_flight", exactly(&[("", 5.0)])),
    ]
}

fn tokens(recorded: &Recorded) -> Vec<Question> {
    let Recorded { vllm, sglang, mindie, llama_cpp } = recorded;
    let models = [model(LLAMA), model(QWEN), model(DEEPSEEK)];
    // What scrapes llama.cpp alone knows no model.
    let keys = [models[0].as_str(), models[1].as_str(), models[2].as_str(), ""];
    let output = [
        vllm.rate("vllm:generation_tokens_total", &[]),
        sglang.rate("sglang:generation_tokens_total", &[]),
        mindie.rate("generation_tokens_total", &[]),
        llama_cpp.rate("llamacpp:tokens_predicted_total", &[]),
    ];
    let input = [
        vllm.rate("vllm:prompt_tokens_total", &[]),
        sglang.rate("sglang:prompt_tokens_total", &[]),
        mindie.rate("prompt_tokens_total", &[]),
        llama_cpp.rate("llamacpp:prompt_tokens_total", &[])
            + llama_cpp.rate("llamacpp:prompt_tokens_cached_total", &[]),
    ];
    let keyed = |rates: &[f64]| keys.into_iter().zip(rates.iter().copied()).collect::<Vec<_>>();
    let prompts = merged(&[
        vllm.buckets("vllm:request_prompt_tokens", &[]),
        sglang.buckets("sglang:prompt_tokens_histogram", &[]),
        mindie.buckets("request_prompt_tokens", &[]),
    ]);
    let generations = merged(&[
        vllm.buckets("vllm:request_generation_tokens", &[]),
        sglang.buckets("sglang:generation_tokens_histogram", &[]),
        mindie.buckets("request_generation_tokens", &[]),
    ]);
    let durations = [
        p95(&vllm.buckets("vllm:e2e_request_latency_seconds", &[])),
        p95(&sglang.buckets("sglang:e2e_request_latency_seconds", &[])),
        p95(&mindie.buckets("e2e_request_latency_seconds", &[])),
    ];
    let speeds = counted(&[1.0, 5.0, 10.0, 25.0, 50.0, 100.0], &[(40.0, 2.0)]);
    vec![
        ask("rate(offgrid_tokens_output_total[5m])", about(&keyed(&output))),
        ask("rate(offgrid_tokens_input_total[5m])", about(&keyed(&input))),
        ask(
            "histogram_quantile(0.95, sum by (type, le) (rate(offgrid_tokens_per_request_bucket[5m])))",
            about(&[("type=\"input\"", p95(&prompts)), ("type=\"output\"", p95(&generations))]),
        ),
        ask(
            "histogram_quantile(0.95, sum by (model, le) (rate(offgrid_generation_duration_seconds_bucket[5m])))",
            about(&keyed(&durations)),
        ),
        ask(
            "histogram_quantile(0.5, sum by (model, le) (rate(offgrid_tokens_per_second_bucket[5m])))",
            about(&[("", quantile(0.5, &speeds))]),
        ),
    ]
}

/// What the application pushes and nobody else knows.
fn rest() -> Vec<Question> {
    let retrievals = counted(&HTTP, &[(0.25, 2.0)]);
    vec![
        ask("offgrid_active_sessions", exactly(&[("", 3.0)])),
        ask("offgrid_memory_usage_bytes", exactly(&[("", 5.0 * GIB)])),
        ask("offgrid_memory_usage_bytes > 4294967296", exactly(&[("", 5.0 * GIB)])),
        ask("offgrid_model_loaded", exactly(&[("", 1.0)])),
        ask("offgrid_model_loaded == 0", exactly(&[])),
        ask(
            "rate(offgrid_model_load_time_seconds_sum[1h]) / rate(offgrid_model_load_time_seconds_count[1h])",
            about(&[("", 4.0)]),
        ),
        ask("rate(offgrid_rag_queries_total[5m])", about(&[("", 2.0)])),
        ask("rate(offgrid_rag_embeddings_total[5m])", about(&[("", 7.0)])),
        ask(
            "histogram_quantile(0.95, rate(offgrid_rag_query_duration_seconds_bucket[5m]))",
            about(&[("", p95(&retrievals))]),
        ),
        ask("offgrid_rag_documents_total", exactly(&[("", 12.0)])),
        ask("offgrid_rag_chunks_total", exactly(&[("", 340.0)])),
        ask("offgrid_active_users", exactly(&[("", 4.0)])),
        ask("offgrid_total_users", exactly(&[("", 9.0)])),
        ask("rate(offgrid_sessions_created_total[5m])", about(&[("", 1.0)])),
        ask("rate(offgrid_quota_exceeded_total[5m])", about(&[("quota_type=\"tokens\"", 2.0)])),
        ask("offgrid_cpu_usage_percent", at_least(0.0)),
        ask("offgrid_disk_usage_bytes", exactly(&[("", 9.0 * GIB)])),
        ask("offgrid_websocket_connections", exactly(&[("", 2.0)])),
        ask(
            "rate(offgrid_websocket_messages_total[5m])",
            about(&[("direction=\"sent\"", 6.0), ("direction=\"received\"", 3.0)]),
        ),
    ]
}
