//! Runners that nobody has written down: they are found on their ports, and every document names their models.

use integration::{Collector, Peer, Reply, get, root, wait_until};

use crate::recording::Recording;
use crate::world::{own_address, serve_from};

const CHAT: &str = "llama3.2:latest";
const EMBEDDING: &str = "ai/mxbai-embed-large:335M-F16";
const LLAMA_CPP: &str = "llamacpp-0.5.0-dev-0c1e57098";

/// A llama.cpp that serves this model, for this.
async fn llama_cpp(model: &str, capability: &str, page: &str) -> Peer {
    let probe = |name: &str| {
        let path =
            root().join(format!("integration/fixtures/runners/probes/{LLAMA_CPP}-{name}.recorded.json"));
        let text = std::fs::read_to_string(path).unwrap().replace("tiny-random", model);
        text.replace("[\"completion\"]", &format!("[\"{capability}\"]"))
    };
    let json =
        |body: String| Reply::new(200, "Server: llama.cpp\r\nContent-Type: application/json\r\n", body);
    let page = Recording::read(&format!("{LLAMA_CPP}-{page}.recorded.prom")).0;
    runner(vec![
        ("/v1/models", json(probe("v1-models"))),
        ("/props", json(probe("props"))),
        ("/metrics", Reply::page(page)),
    ])
    .await
}

async fn vllm() -> Peer {
    let json = |body: &str| Reply::new(200, "Content-Type: application/json\r\n", body);
    runner(vec![
        ("/v1/models", json(r#"{"data":[{"id":"meta-llama/Llama-3.1-8B-Instruct","owned_by":"vllm"}]}"#)),
        ("/version", json(r#"{"version":"0.33.0"}"#)),
        ("/metrics", Reply::page(Recording::read("vllm-0.33.0.constructed.prom").0)),
    ])
    .await
}

async fn runner(routes: Vec<(&'static str, Reply)>) -> Peer {
    let missing = Reply::new(404, "Content-Type: application/json\r\n", "{}");
    Peer::start(move |seen| {
        let path = seen.head.split(' ').nth(1).unwrap_or_default();
        routes
            .iter()
            .find(|(known, _)| *known == path)
            .map_or_else(|| missing.clone(), |(_, reply)| reply.clone())
    })
    .await
}

/// Waits until a page has all these lines.
async fn check(collector: &Collector, page: &str, expected: &[String]) {
    let found = std::sync::Mutex::new(String::new());
    let has_all = || async {
        let text = get(page, "/metrics").await.text();
        let has_all = expected.iter().all(|line| text.contains(&format!("\n{line}\n")));
        *found.lock().unwrap() = text;
        has_all
    };
    let log = || format!("{}\n{}", found.lock().unwrap(), collector.log());
    wait_until(&format!("{expected:#?} on {page}"), has_all, log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_found_is_in_every_document_under_its_own_name() {
    let chat = llama_cpp(CHAT, "completion", "after").await;
    let embedding = llama_cpp(EMBEDDING, "embedding", "embeddings-after").await;
    let vllm = vllm().await;
    let ports = [&chat, &embedding, &vllm].map(|peer| peer.address.rsplit(':').next().unwrap().to_owned());
    let receiver =
        format!("runners: {{ports: [{}], scrape_interval: 1s, scrape_timeout: 1s}}", ports.join(", "));
    let host = own_address(2);
    let collector = serve_from(&host, &receiver, "runners").await;

    // The example of Docker Model Runner's document, with the numbers of the recordings.
    let model_runner = [
        format!(
            "llama_prompt_tokens_total{{backend=\"llama.cpp\",mode=\"completion\",model=\"{CHAT}\"}} 2200"
        ),
        format!(
            "llama_prompt_tokens_total{{backend=\"llama.cpp\",mode=\"embedding\",model=\"{EMBEDDING}\"}} 150"
        ),
        format!(
            "llama_generation_tokens_total{{backend=\"llama.cpp\",mode=\"completion\",model=\"{CHAT}\"}} 3660"
        ),
        String::from(
            "llama_requests_total{backend=\"vllm\",mode=\"completion\",model=\"meta-llama/Llama-3.1-8B-Instruct\"} 40",
        ),
    ];
    check(&collector, &format!("{host}:12434"), &model_runner).await;
    // Prompts from the cache count here.
    let offgrid = [
        format!("offgrid_tokens_input_total{{model=\"{CHAT}\"}} 2649"),
        format!("offgrid_tokens_output_total{{model=\"{CHAT}\"}} 3660"),
        String::from("offgrid_model_loaded 1"),
    ];
    check(&collector, &format!("{host}:11611"), &offgrid).await;
    let ainode = [
        format!("ainode_model_loaded{{model=\"{CHAT}\",port=\"{}\",status=\"serving\"}} 1", ports[0]),
        String::from("ainode_tokens_generated_total 10564"),
        String::from("ainode_requests_by_model_total{model=\"meta-llama/Llama-3.1-8B-Instruct\"} 40"),
    ];
    check(&collector, &format!("{host}:3000"), &ainode).await;
    let ai_cluster = [
        String::from("ai_cluster_cluster_nodes_total{status=\"healthy\"} 3"),
        format!("ai_cluster_tokens_generated_total{{model=\"{CHAT}\",type=\"completion\"}} 3660"),
    ];
    check(&collector, &format!("{host}:8080"), &ai_cluster).await;
    let cluster = "cluster_id=\"1\",cluster_name=\"default\"";
    let running = [CHAT, EMBEDDING].map(|model| {
        format!("gpustack:model_running_instances{{{cluster},model_id=\"{model}\",model_name=\"{model}\"}} 1")
    });
    check(&collector, &format!("{host}:10161"), &running).await;
}
