//! Looking at each runner there are recordings of, at what is none, and at what does not answer.

use super::fake::{Fake, Reply, fixtures, http, json, models, recorded, text};
use super::{look, say};

const LLAMA: &str = "probes/llamacpp-0.5.0-dev-0c1e57098";
const OLD_LLAMA: &str = "probes/llamacpp-b4747-c392e5094";

fn probe_of(prefix: &str, name: &str) -> Reply {
    recorded(&format!("{prefix}-{name}.recorded.json"))
}

async fn llama(prefix: &str) -> Fake {
    Fake::start()
        .await
        .on("/v1/models", probe_of(prefix, "v1-models"))
        .on("/props", probe_of(prefix, "props"))
        .on("/health", probe_of(prefix, "health"))
}

/// Asks for what may be asked, and for nothing that costs.
#[track_caller]
fn check_harmless(fake: &Fake) {
    let requests = fake.requests();
    for request in &requests {
        let path = request.strip_prefix("GET ").unwrap_or_else(|| panic!("{request} is no GET"));
        let never = ["/health", "/server_info", "/get_server_info", "/slots", "/health_generate"];
        assert!(!never.contains(&path), "{requests:?}");
        assert_eq!(fake.count(request), 1, "asked once: {requests:?}");
    }
    assert!(fake.heads().iter().all(|head| !head.contains("content-length")), "no request has a body");
}

/// A page as the real program serves it, at a path of its own where it has one.
async fn serving(name: &str) -> Fake {
    let fake = Fake::start().await;
    let page = recorded(name);
    let version = |text: &str| json(200, &format!(r#"{{"version":"{text}"}}"#));
    match name.split('-').next().unwrap() {
        "vllm" => {
            fake.on("/metrics", page).on("/v1/models", models("m", "vllm")).on("/version", version("0.33.0"))
        }
        "sglang" => fake.on("/metrics", page).on("/v1/models", models("m", "sglang")),
        "lmdeploy" => fake.on("/metrics", page).on("/v1/models", models("m", "lmdeploy")),
        "tgi" => {
            let info = r#"{"model_id":"m","router":"text-generation-router","version":"3.3.6-dev0"}"#;
            fake.on("/metrics", page).on("/v1/models", models("m", "m")).on("/info", json(200, info))
        }
        "tei" => {
            let info = r#"{"model_id":"m","model_type":{"embedding":{"pooling":"cls"}},"version":"1.9.3"}"#;
            fake.on("/metrics", page).on("/info", json(200, info))
        }
        "trtllm" => fake
            .on("/prometheus/metrics", page)
            .on("/metrics", json(200, "[]"))
            .on("/v1/models", models("m", "tensorrt_llm"))
            .on("/version", version("1.3")),
        "litellm" => {
            let location = format!("Location: http://{}/metrics/\r\n", fake.address);
            fake.on("/metrics/", page)
                .on("/metrics", http(307, &location, ""))
                .on("/v1/models", models("m", "openai"))
        }
        "infinity" => fake.on("/metrics", page).on("/v1/models", models("m", "infinity")),
        "dynamo" if name.contains("frontend") => fake
            .on("/metrics", page)
            .on("/v1/models", recorded("probes/dynamo-1.6.1-frontend-v1-models.recorded.json")),
        "llamacpp" => {
            let prefix = if name.contains("b4747") { OLD_LLAMA } else { LLAMA };
            let fake =
                fake.on("/v1/models", probe_of(prefix, "v1-models")).on("/props", probe_of(prefix, "props"));
            fake.on("/metrics", page)
        }
        _ => fake.on("/metrics", page),
    }
}

fn expected(name: &str) -> &'static str {
    match name.split('-').next().unwrap() {
        "vllm" => "vllm 0.33.0 [vllm] (m) /metrics",
        "sglang" => "sglang - [sglang] (m) /metrics",
        "lmdeploy" => "lmdeploy - [lmdeploy] (m) /metrics",
        "tgi" => "tgi 3.3.6-dev0 [tgi] (m) /metrics",
        "tei" => "tei 1.9.3 [tei] (m) /metrics",
        "trtllm" => "trtllm 1.3 [trtllm] (m) /prometheus/metrics",
        "litellm" => "litellm - [litellm] (m) /metrics/",
        "infinity" => "infinity - [infinity] (m) /metrics",
        "mindie" => "mindie - [mindie] () /metrics",
        "triton" => "triton - [triton] () /metrics",
        "ray" => "ray - [ray] () /metrics",
        "dynamo" if name.contains("frontend") => "dynamo - [dynamo] (tiny-random) /metrics",
        "dynamo" if name.contains("idle") => "dynamo - [dynamo] () /metrics",
        "dynamo" => "dynamo - [dynamo vllm] () /metrics",
        "llamacpp" if name.contains("b4747") => {
            "llama_cpp b4748-c392e5094 [llama_cpp] (tiny-random) /metrics"
        }
        "llamacpp" => "llama_cpp b0-0c1e57098 [llama_cpp] (tiny-random) /metrics",
        other => panic!("{other} is new"),
    }
}

#[tokio::test]
async fn every_recorded_runner_is_recognised_without_harm() {
    let mut seen = 0;
    for entry in std::fs::read_dir(fixtures()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What is only sent to who asks for OpenMetrics.
        if name.rsplit('.').next() != Some("prom") || name.contains("openmetrics") {
            continue;
        }
        let fake = serving(&name).await;
        assert_eq!(say(&look(&fake).await), expected(&name), "{name}");
        check_harmless(&fake);
        if name.starts_with("trtllm") {
            assert_eq!(fake.count("GET /metrics"), 0, "reading it takes it from others");
        }
        if name.starts_with("llamacpp") {
            let resets = usize::from(name.contains("b4747"));
            assert_eq!(fake.count("GET /metrics"), resets, "{name}: reading it resets it");
        }
        seen += 1;
    }
    assert!(seen >= 30, "{seen} recordings");
}

#[tokio::test]
async fn a_llama_server_that_cannot_be_scraped_says_why() {
    let off = llama(OLD_LLAMA).await.on("/metrics", probe_of(LLAMA, "metrics-disabled"));
    let told = "llama_cpp b4748-c392e5094 [llama_cpp] (tiny-random)";
    let why = "its metrics are off: start llama-server with `--metrics`";
    assert_eq!(say(&look(&off).await), format!("{told} !{why}"));
    // Newer ones say so in `/props`, and the page need not be asked for.
    let off = llama(LLAMA).await.on("/props", json(200, r#"{"build_info":"b9","endpoint_metrics":false}"#));
    assert_eq!(say(&look(&off).await), format!("llama_cpp b9 [llama_cpp] (tiny-random) !{why}"));
    assert_eq!(off.count("GET /metrics"), 0);
    let loading = Fake::start().await.otherwise(probe_of(LLAMA, "metrics-loading"));
    assert_eq!(say(&look(&loading).await), "llama_cpp - [llama_cpp] () !it is loading its model");
    let locked = Fake::start().await.otherwise(probe_of(LLAMA, "metrics-unauthorized"));
    assert_eq!(
        say(&look(&locked).await),
        "llama_cpp - [llama_cpp] () !needs credentials: set `authorization` for it under `addresses`"
    );
    for fake in [off, loading, locked] {
        check_harmless(&fake);
    }
}

#[tokio::test]
async fn of_a_llama_router_only_loaded_models_are_asked_for_and_none_is_loaded() {
    let listed = r#"{"data":[
        {"id":"a b","owned_by":"llamacpp","status":{"value":"loaded","args":["x"]}},
        {"id":"with","owned_by":"llamacpp","status":{"value":"loaded","args":["x","--metrics"]}},
        {"id":"off","owned_by":"llamacpp","status":{"value":"loaded","args":["x"]}},
        {"id":"asleep","owned_by":"llamacpp","status":{"value":"unloaded","args":["--metrics"]}}]}"#;
    let server = "Server: llama.cpp\r\n";
    let fake = Fake::start()
        .await
        .on("/v1/models", http(200, server, listed))
        .on("/props", probe_of(LLAMA, "router-props"))
        .on("/metrics", probe_of(LLAMA, "router-metrics-no-model"))
        .on(
            "/metrics?autoload=false&model=a%20b",
            recorded("llamacpp-0.5.0-dev-0c1e57098-router-tiny-a.recorded.prom"),
        )
        .on("/metrics?autoload=false&model=off", probe_of(LLAMA, "metrics-disabled"));
    assert_eq!(
        say(&look(&fake).await),
        "llama_cpp b0-0c1e57098 [llama_cpp] (a b,with,off) /metrics?autoload=false&model=a b \
         /metrics?autoload=false&model=with"
    );
    check_harmless(&fake);
    for request in fake.requests() {
        assert!(!request.contains("asleep"), "{request} would load a model");
        assert!(!request.starts_with("GET /metrics") || request.contains("autoload=false"), "{request}");
    }
    let none = listed.replace("\"loaded\"", "\"unloaded\"");
    fake.set("/v1/models", http(200, server, &none));
    assert_eq!(say(&look(&fake).await), "llama_cpp b0-0c1e57098 [llama_cpp] () !no model is loaded");
    // The recorded list: both models are loaded.
    fake.set("/v1/models", recorded("probes/llamacpp-0.5.0-dev-0c1e57098-router-v1-models.recorded.json"));
    assert!(say(&look(&fake).await).contains("(tiny-a,tiny-b)"));
}

#[track_caller]
fn check(found: &super::Discovered, expected: &str) {
    assert_eq!(say(found), expected);
}

#[tokio::test]
async fn an_answer_that_is_no_page_still_says_whose_it_is() {
    let fake = Fake::start().await.on("/v1/models", models("m", "sglang"));
    check(
        &look(&fake).await,
        "sglang - [sglang] (m) !its metrics are off: start SGLang with `--enable-metrics`",
    );
    check_harmless(&fake);
    let fake = Fake::start().await.on("/v1/models", models("m", "lmdeploy"));
    check(
        &look(&fake).await,
        "lmdeploy - [lmdeploy] (m) !its metrics are off: start LMDeploy without `--disable-metrics`",
    );
    let denied = r#"{"error":{"message":"set require_auth_for_metrics_endpoint: false"}}"#;
    let fake = Fake::start().await.on("/metrics", json(401, denied)).on("/v1/models", json(401, "{}"));
    let credentials = "needs credentials: set `authorization` for it under `addresses`";
    check(
        &look(&fake).await,
        &format!(
            "litellm - [litellm] () !{credentials}, or `require_auth_for_metrics_endpoint: false` in the settings of LiteLLM"
        ),
    );
    check_harmless(&fake);
    let fake = Fake::start()
        .await
        .on("/health/liveliness", json(200, "\"I'm alive!\""))
        .on("/v1/models", json(401, "{}"));
    check(
        &look(&fake).await,
        "litellm - [litellm] () !its metrics are off: add `prometheus` to `callbacks` in the settings of LiteLLM",
    );
    check_harmless(&fake);
    let fake = Fake::start().await.on("/v1/models", models("m", "tensorrt_llm"));
    check(
        &look(&fake).await,
        "trtllm - [trtllm] (m) !its metrics are off: set `return_perf_metrics: true` for trtllm-serve",
    );
    let fake = Fake::start()
        .await
        .on("/v1/models", models("llama3:8b", "library"))
        .on("/api/version", json(200, r#"{"version":"0.33.0"}"#));
    check(&look(&fake).await, "ollama 0.33.0 [ollama] (llama3:8b) !Ollama has no metrics");
    let fake = Fake::start()
        .await
        .on("/v1/models", json(200, r#"{"object":"list","data":null}"#))
        .on("/", http(200, "", "Ollama is running"));
    check(&look(&fake).await, "ollama - [ollama] () !Ollama has no metrics");
    let fake = Fake::start().await.on("/v2", json(200, r#"{"name":"triton","version":"2.73.0"}"#));
    check(
        &look(&fake).await,
        "triton - [triton] () !its metrics are on another port, 8002 unless set otherwise: add that to `ports`",
    );
    let fake = Fake::start().await.on("/v1/models", models("m", "vllm")).on("/metrics", json(500, "{}"));
    check(&look(&fake).await, "vllm - [vllm] (m) !`/metrics` is answered with 500 Internal Server Error");
}

#[tokio::test]
async fn pages_at_other_paths_are_found() {
    let fake = Fake::start()
        .await
        .on("/v1/models", models("m", "system"))
        .on("/v1/metrics", text("gpu_cache_usage_perc 0.5\nnum_request_max 8\n"));
    check(&look(&fake).await, "nim - [nim] (m) /v1/metrics");
    // Where the list of models does not tell, the statistics do.
    let fake = Fake::start()
        .await
        .on("/metrics", json(200, r#"[{"gpuMemUsage":1,"iterLatencyMS":2.5}]"#))
        .on("/prometheus/metrics", text("trtllm_num_requests_running 1\n"));
    check(&look(&fake).await, "trtllm - [trtllm] () /prometheus/metrics");
    assert_eq!(fake.count("GET /metrics"), 1);
}

#[tokio::test]
async fn what_is_no_runner_is_said_to_be_none() {
    let html = http(200, "Content-Type: text/html\r\n", "<html><body>Grafana</body></html>");
    let fake = Fake::start().await.otherwise(html);
    check(&look(&fake).await, " - [] () !what it serves at `/metrics` is no exposition");
    assert_eq!(fake.requests().len(), 2, "a stranger is not asked for more");
    let fake = Fake::start().await.otherwise(json(200, r#"{"data":[{"a":1}]}"#));
    check(&look(&fake).await, " - [] () !what it serves at `/metrics` is no exposition");
    let fake = Fake::start().await.on("/metrics", text("node_load1 0.5\n"));
    check(&look(&fake).await, " - [] () !serves metrics, but none of a runner");
    let fake = Fake::start().await.otherwise(json(403, "{}"));
    let credentials = "wants credentials: if it is a runner, set `authorization` for it under `addresses`";
    check(&look(&fake).await, &format!(" - [] () !{credentials}"));
    let fake = Fake::start().await.otherwise(Reply::Bytes(b"\x16\x03\x01\x00\x02\x02\x46 garbage".to_vec()));
    assert!(say(&look(&fake).await).starts_with(" - [] () !does not speak HTTP: "));
    assert_eq!(fake.requests().len(), 1);
    let endless = http(200, "", &"vllm:x 1\n".repeat(1 << 18));
    let fake = Fake::start().await.on("/metrics", endless);
    check(&look(&fake).await, "vllm - [vllm] () /metrics");
}

#[tokio::test]
async fn no_redirect_leads_away_and_few_are_followed() {
    let elsewhere = Fake::start().await.otherwise(text("vllm:x 1\n"));
    let location = format!("Location: http://{}/metrics\r\n", elsewhere.address);
    let fake = Fake::start().await.on("/metrics", http(307, &location, ""));
    check(&look(&fake).await, " - [] () !leads to another address, which is not followed");
    let same_host = format!("Location: http://127.0.0.1:{}/metrics\r\n", elsewhere.port());
    fake.set("/v1/models", models("m", "vllm"));
    fake.set("/metrics", http(302, &same_host, ""));
    check(
        &look(&fake).await,
        "vllm - [vllm] (m) !`/metrics` leads to another address, which is not followed",
    );
    assert_eq!(elsewhere.requests(), Vec::<String>::new());
    let round = Fake::start().await.otherwise(http(307, "Location: /metrics\r\n", ""));
    check(&look(&round).await, " - [] () !leads to another address, which is not followed");
    assert_eq!(round.requests().len(), 6, "two questions, and two redirects each");
}

#[tokio::test]
async fn a_server_that_hangs_is_left_after_two_seconds() {
    let fake = Fake::start().await.otherwise(Reply::Hang);
    let slow = Fake::start().await.on("/v1/models", models("m", "vllm")).on("/metrics", Reply::Hang);
    let (one, other) = tokio::join!(look(&fake), look(&slow));
    check(&one, " - [] () !no answer within 2 seconds");
    check(&other, " - [] () !no answer within 2 seconds");
    assert_eq!(fake.requests(), ["GET /v1/models"]);
}

#[tokio::test]
async fn pages_of_a_collector_are_no_runners_pages() {
    let server = concat!("Server: inferometer/", env!("CARGO_PKG_VERSION"), "\r\n");
    let fake = Fake::start().await.on("/metrics", http(200, server, "vllm:num_requests_running 1\n"));
    check(&look(&fake).await, " - [] () !a collector such as this one");
}

#[tokio::test]
async fn credentials_and_headers_go_to_their_address_only() {
    let fake = Fake::start().await.on("/metrics", text("vllm:x 1\n"));
    let other = Fake::start().await.on("/metrics", text("vllm:x 1\n"));
    let text = format!(
        "ports: [{}]\naddresses: [{{address: '{}', authorization: {{credentials: s3cret}}, headers: {{x-a: {{values: [b]}}}}}}]",
        other.port(),
        fake.address
    );
    let section = ::config::Section::from_yaml("receivers.runners", &text).unwrap();
    let found = super::super::discover(&section.read().unwrap()).await;
    assert_eq!(found.len(), 2);
    let is_told = |head: &String| head.contains("authorization: bearer s3cret") && head.contains("x-a: b");
    assert!(fake.heads().iter().all(is_told));
    assert!(!other.heads().iter().any(|head| head.contains("s3cret") || head.contains("x-a")));
}

#[tokio::test]
async fn sockets_are_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    let page = "llamacpp-0.5.0-dev-0c1e57098-idle.recorded.prom";
    let runner = Fake::start_unix(&folder.path().join("inference-runner-0.sock"))
        .on("/v1/models", probe_of(LLAMA, "v1-models"))
        .on("/props", probe_of(LLAMA, "props"))
        .on("/metrics", recorded(page));
    let aggregate = Fake::start_unix(&folder.path().join("model-runner.sock")).on("/metrics", recorded(page));
    let text = format!("{{ports: [], sockets: ['{}/*.sock']}}", folder.path().display());
    let section = ::config::Section::from_yaml("receivers.runners", &text).unwrap();
    let found = super::super::discover(&section.read().unwrap()).await;
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].address, runner.address);
    check(&found[0], "llama_cpp b0-0c1e57098 [llama_cpp] (tiny-random) /metrics");
    assert_eq!(aggregate.requests(), Vec::<String>::new());
}
