//! Docker Model Runner: its document has no expressions, so these are those of the dashboard.

use super::{Answer, DEEPSEEK, LLAMA, QWEN, Question, about, exactly};
use crate::world::{Recorded, World};

fn ask(expression: &str, answer: Answer) -> Question {
    let question = Question::new("model-runner", expression, answer);
    question.with("backend=~\"$backend\"", "backend=~\".+\"").with("model=~\"$model\"", "model=~\".+\"")
}

const VARIABLES: &str = "{backend=~\"$backend\",model=~\"$model\"}";

/// The rate of a counter, for each model.
fn rates(metric: &str) -> String {
    format!("sum by (model, mode) (rate({metric}{VARIABLES}[$__rate_interval]))")
}

fn of_runner(metric: &str) -> String {
    format!("sum by (model) (rate({metric}{VARIABLES}[$__rate_interval]))")
}

fn now(metric: &str) -> String {
    format!("sum by (model) ({metric}{VARIABLES})")
}

pub(crate) fn questions(world: &World) -> Vec<Question> {
    let Recorded { vllm, sglang, mindie, llama_cpp } = &world.recorded;
    // What scrapes llama.cpp alone knows it by its address.
    let llama_address = &world.runners[2].address;
    let keys = [LLAMA, QWEN, DEEPSEEK, llama_address];
    let keys = keys.map(|model| format!("mode=\"completion\",model=\"{model}\""));
    let keyed = |rates: &[f64]| {
        let pairs = keys.iter().map(String::as_str).zip(rates.iter().copied());
        about(&pairs.collect::<Vec<_>>())
    };
    let own = format!("model=\"{llama_address}\"");
    let vllm_key = format!("model=\"{LLAMA}\"");
    let seconds = llama_cpp.sum("llamacpp:tokens_predicted_seconds_total", &[]);
    let tokens = llama_cpp.sum("llamacpp:tokens_predicted_total", &[]);
    vec![
        // Without those from the cache where the runner is llama.cpp.
        ask(
            &rates("llama_prompt_tokens_total"),
            keyed(&[
                vllm.rate("vllm:prompt_tokens_total", &[]),
                sglang.rate("sglang:prompt_tokens_total", &[]),
                mindie.rate("prompt_tokens_total", &[]),
                llama_cpp.rate("llamacpp:prompt_tokens_total", &[]),
            ]),
        ),
        ask(
            &rates("llama_generation_tokens_total"),
            keyed(&[
                vllm.rate("vllm:generation_tokens_total", &[]),
                sglang.rate("sglang:generation_tokens_total", &[]),
                mindie.rate("generation_tokens_total", &[]),
                llama_cpp.rate("llamacpp:tokens_predicted_total", &[]),
            ]),
        ),
        // llama.cpp counts no requests.
        ask(
            &rates("llama_requests_total"),
            keyed(&[
                vllm.rate("vllm:request_success_total", &[]),
                sglang.rate("sglang:num_requests_total", &[]),
                mindie.rate("request_success_total", &[]),
            ]),
        ),
        ask(&now("llamacpp:requests_processing"), exactly(&[(&own, 0.0)])),
        ask(&now("llamacpp:requests_deferred"), exactly(&[(&own, 0.0)])),
        ask(
            &format!(
                "{} / {}",
                of_runner("llamacpp:tokens_predicted_seconds_total"),
                of_runner("llamacpp:tokens_predicted_total")
            ),
            about(&[(&own, seconds / tokens)]),
        ),
        ask(
            &format!("llamacpp:n_busy_slots_per_decode{VARIABLES}"),
            exactly(&[(&own, llama_cpp.sum("llamacpp:n_busy_slots_per_decode", &[]))]),
        )
        .by(&["model"]),
        ask(
            &of_runner("llamacpp:n_decode_total"),
            about(&[(&own, llama_cpp.rate("llamacpp:n_decode_total", &[]))]),
        ),
        ask(
            &of_runner("llamacpp:prompt_tokens_cached_total"),
            about(&[(&own, llama_cpp.rate("llamacpp:prompt_tokens_cached_total", &[]))]),
        ),
        ask(&now("vllm:num_requests_running"), exactly(&[(&vllm_key, 5.0)])),
        ask(&now("vllm:num_requests_waiting"), exactly(&[(&vllm_key, 2.0)])),
    ]
}
