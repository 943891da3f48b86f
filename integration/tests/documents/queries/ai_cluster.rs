//! AI Cluster: the queries, panels and alerts of the document, and what else its dashboard asks.

use super::offgrid::HTTP;
use super::{Answer, DEEPSEEK, GIB, LLAMA, Number, QWEN, Question, about, at_least, exactly, p95};
use crate::recording::{Buckets, counted};
use crate::world::Recorded;

const CHAT: &str = "method=\"POST\",path=\"/v1/chat/completions\"";
const HEALTH: &str = "method=\"GET\",path=\"/health\",status=\"200\"";

fn ask(expression: &str, answer: Answer) -> Question {
    Question::new("ai-cluster-controller", expression, answer)
}

fn chat(status: u16) -> String {
    format!("{CHAT},status=\"{status}\"")
}

fn model(name: &str, more: &str) -> String {
    format!("model=\"{name}\",{more}")
}

pub(crate) fn questions(recorded: &Recorded) -> Vec<Question> {
    let cluster =
        [http(), tokens(recorded), outcomes(recorded), durations(recorded), nodes(recorded), keys()];
    cluster.into_iter().flatten().collect()
}

fn http() -> Vec<Question> {
    let (ok, limited, failed) = (chat(200), chat(429), chat(500));
    let p95_of = |size: f64| p95(&counted(&HTTP, &[(size, 1.0)]));
    vec![
        ask(
            "rate(ai_cluster_http_requests_total[5m])",
            about(&[(&ok, 4.0), (&limited, 12.0), (&failed, 1.0), (HEALTH, 2.0)]),
        ),
        ask(
            "sum(rate(ai_cluster_http_requests_total[5m])) by (path)",
            about(&[("path=\"/v1/chat/completions\"", 17.0), ("path=\"/health\"", 2.0)]),
        ),
        ask(
            "histogram_quantile(0.95, rate(ai_cluster_http_request_duration_seconds_bucket[5m]))",
            about(&[
                (&ok, p95_of(0.25)),
                (&limited, p95_of(0.05)),
                (&failed, p95_of(3.0)),
                (HEALTH, p95_of(0.05)),
            ]),
        ),
    ]
}

/// The rates of the tokens that the runners generate: vLLM, SGLang, MindIE, llama.cpp.
fn generated(recorded: &Recorded) -> [f64; 4] {
    [
        recorded.vllm.rate("vllm:generation_tokens_total", &[]),
        recorded.sglang.rate("sglang:generation_tokens_total", &[]),
        recorded.mindie.rate("generation_tokens_total", &[]),
        recorded.llama_cpp.rate("llamacpp:tokens_predicted_total", &[]),
    ]
}

fn tokens(recorded: &Recorded) -> Vec<Question> {
    let Recorded { vllm, sglang, mindie, llama_cpp } = recorded;
    let output = generated(recorded);
    let input = [
        vllm.rate("vllm:prompt_tokens_total", &[]),
        sglang.rate("sglang:prompt_tokens_total", &[]),
        mindie.rate("prompt_tokens_total", &[]),
        llama_cpp.rate("llamacpp:prompt_tokens_total", &[])
            + llama_cpp.rate("llamacpp:prompt_tokens_cached_total", &[]),
    ];
    let keys = |end: &str| {
        let named = [LLAMA, QWEN, DEEPSEEK].map(|name| model(name, end));
        named.into_iter().chain([end.to_owned()]).collect::<Vec<_>>()
    };
    let (completion, prompt) = (keys("type=\"completion\""), keys("type=\"prompt\""));
    let both = completion.iter().zip(output).chain(prompt.iter().zip(input));
    let both: Vec<_> = both.map(|(key, rate)| (key.as_str(), rate)).collect();
    let models = [LLAMA, QWEN, DEEPSEEK].map(|name| format!("model=\"{name}\""));
    let of_model =
        [(models[0].as_str(), output[0]), (&models[1], output[1]), (&models[2], output[2]), ("", output[3])];
    vec![
        ask("rate(ai_cluster_tokens_generated_total[5m])", about(&both)),
        ask("sum(ai_cluster_tokens_per_second)", about(&[("", output.iter().sum())])),
        ask("sum(ai_cluster_tokens_per_second) by (model)", about(&of_model)),
    ]
}

fn outcomes(recorded: &Recorded) -> Vec<Question> {
    let Recorded { vllm, sglang, mindie, .. } = recorded;
    let ended = [
        vllm.rate("vllm:request_success_total", &[]),
        sglang.rate("sglang:num_requests_total", &[]),
        mindie.rate("request_success_total", &[]),
    ];
    let failed = 4.0 / 20.0;
    let (error, success) = ("status=\"error\"", "status=\"success\"");
    let [good, good_qwen, good_deepseek] = [LLAMA, QWEN, DEEPSEEK].map(|name| model(name, success));
    let [bad, bad_qwen, bad_deepseek] = [LLAMA, QWEN, DEEPSEEK].map(|name| model(name, error));
    let [llama, qwen, deepseek] = [LLAMA, QWEN, DEEPSEEK].map(|name| format!("model=\"{name}\""));
    let nothing = |key: &str| (key.to_owned(), Number::Nothing);
    // The document divides the errors of a model by the errors of that model: where there is any it is 1, where there
    // is none it is nothing. Both are the expression's own doing.
    let by_itself =
        vec![(bad.clone(), Number::About(1.0)), nothing(&bad_qwen), nothing(&bad_deepseek), nothing(error)];
    let by_all = vec![
        (llama, Number::About(failed / ended[0])),
        (qwen, Number::Exactly(0.0)),
        (deepseek, Number::Exactly(0.0)),
        nothing(""),
    ];
    let each = [
        (good.as_str(), ended[0] - failed),
        (&good_qwen, ended[1]),
        (&good_deepseek, ended[2]),
        (&bad, failed),
        (&bad_qwen, 0.0),
        (&bad_deepseek, 0.0),
        (error, 0.0),
        (success, 0.0),
    ];
    let ratio = "rate(ai_cluster_inference_requests_total{status=\"error\"}[5m]) / \
                 rate(ai_cluster_inference_requests_total[5m])";
    let ratio_by_model = "sum by (model) (rate(ai_cluster_inference_requests_total{status=\"error\"}[5m])) / \
                          sum by (model) (rate(ai_cluster_inference_requests_total[5m]))";
    vec![
        ask(ratio, Answer::Series(by_itself)),
        ask(&format!("{ratio} > 0.05"), about(&[(&bad, 1.0)])),
        ask(ratio_by_model, Answer::Series(by_all)),
        ask("sum by (model, status) (rate(ai_cluster_inference_requests_total[5m]))", about(&each)),
        ask(
            "rate(ai_cluster_streaming_requests_total[5m])",
            about(&[(&good_qwen, sglang.rate("sglang:num_requests_total", &["is_streaming=\"true\""]))]),
        ),
    ]
}

fn durations(recorded: &Recorded) -> Vec<Question> {
    let Recorded { vllm, sglang, mindie, .. } = recorded;
    let e2e = "sglang:e2e_request_latency_seconds";
    let llama = vllm.buckets("vllm:e2e_request_latency_seconds", &[]);
    let qwen = sglang.buckets(e2e, &[]);
    let deepseek = mindie.buckets("e2e_request_latency_seconds", &[]);
    let each: Vec<(String, &Buckets)> = vec![
        (model(LLAMA, "node_id=\"worker_1\""), &llama),
        (model(QWEN, "node_id=\"worker_2\""), &qwen),
        (model(DEEPSEEK, "node_id=\"worker_4\""), &deepseek),
    ];
    let each: Vec<_> = each.iter().map(|(key, buckets)| (key.as_str(), p95(buckets))).collect();
    let streamed = sglang.buckets(e2e, &["is_streaming=\"true\""]);
    let quantile = "histogram_quantile(0.95, rate(ai_cluster_inference_duration_seconds_bucket[5m]))";
    vec![
        ask(quantile, about(&each)),
        ask(&format!("{quantile} > 10"), exactly(&[])),
        // A histogram has no series of its own name, so there is nothing to take the mean of.
        ask("avg(ai_cluster_inference_duration_seconds)", exactly(&[])),
        ask(
            "histogram_quantile(0.95, rate(ai_cluster_streaming_duration_seconds_bucket[5m]))",
            about(&[(&format!("model=\"{QWEN}\""), p95(&streamed))]),
        ),
        ask(
            "rate(ai_cluster_model_load_time_seconds_sum[1h]) / rate(ai_cluster_model_load_time_seconds_count[1h])",
            about(&[("model=\"app-model\",node_id=\"worker_1\"", 4.0)]),
        ),
    ]
}

fn nodes(recorded: &Recorded) -> Vec<Question> {
    let vllm = &recorded.vllm;
    vec![
        ask(
            "ai_cluster_cluster_nodes_total",
            exactly(&[
                ("status=\"healthy\"", 4.0),
                ("status=\"degraded\"", 0.0),
                ("status=\"offline\"", 0.0),
            ]),
        ),
        ask("ai_cluster_cluster_nodes_total{status=\"healthy\"} < 2", exactly(&[])),
        ask(
            "ai_cluster_cluster_active_requests",
            exactly(&[
                ("node_id=\"worker_1\"", 7.0),
                ("node_id=\"worker_2\"", 9.0),
                ("node_id=\"worker_3\"", 0.0),
                ("node_id=\"worker_4\"", 7.0),
            ]),
        ),
        ask(
            "ai_cluster_model_memory_bytes",
            exactly(&[("model=\"app-model\",node_id=\"worker_1\"", 30.0 * GIB)]),
        ),
        ask("process_cpu_seconds_total", at_least(vllm.sum("process_cpu_seconds_total", &[]))),
        ask(
            "rate(process_cpu_seconds_total[5m])",
            about(&[("", vllm.rate("process_cpu_seconds_total", &[]))]),
        ),
        ask(
            "process_resident_memory_bytes",
            exactly(&[("", vllm.sum("process_resident_memory_bytes", &[]))]),
        ),
    ]
}

fn keys() -> Vec<Question> {
    vec![
        ask(
            "rate(ai_cluster_api_key_requests_total[5m])",
            about(&[
                ("key_id=\"team-a\",status=\"success\"", 4.0),
                ("key_id=\"team-a\",status=\"error\"", 12.0),
                ("key_id=\"team-b\",status=\"error\"", 1.0),
            ]),
        ),
        ask("rate(ai_cluster_api_key_rate_limit_hits_total[5m])", about(&[("key_id=\"team-a\"", 12.0)])),
        ask("rate(ai_cluster_api_key_rate_limit_hits_total[5m]) > 10", about(&[("key_id=\"team-a\"", 12.0)])),
    ]
}
