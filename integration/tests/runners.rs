//! Runners that nobody has written down are found, and say who they are.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::process::Command;

use integration::{Collector, Peer, Reply, binary, root, wait_until};

fn fixture(name: &str) -> Vec<u8> {
    std::fs::read(root().join("integration/fixtures/runners").join(name)).unwrap()
}

/// Answers these paths, and others with 404.
async fn runner(routes: Vec<(&'static str, Reply)>) -> Peer {
    let missing = Reply::new(404, "Content-Type: application/json\r\n", "{}");
    Peer::start(move |seen| {
        let path = seen.head.split(' ').nth(1).unwrap_or_default();
        let route = routes.iter().find(|(known, _)| *known == path);
        route.map_or_else(|| missing.clone(), |(_, reply)| reply.clone())
    })
    .await
}

fn json(body: impl AsRef<[u8]>) -> Reply {
    Reply::new(200, "Content-Type: application/json\r\n", body)
}

async fn vllm() -> Peer {
    let models = r#"{"data":[{"id":"meta-llama/Llama-3.1-8B","owned_by":"vllm"}]}"#;
    runner(vec![
        ("/v1/models", json(models)),
        ("/version", json(r#"{"version":"0.33.0"}"#)),
        ("/metrics", Reply::page(fixture("vllm-0.33.0.constructed.prom"))),
    ])
    .await
}

async fn llama_without_metrics() -> Peer {
    let name = |part: &str| format!("probes/llamacpp-b4747-c392e5094-{part}.recorded.json");
    let off = fixture("probes/llamacpp-0.5.0-dev-0c1e57098-metrics-disabled.recorded.json");
    runner(vec![
        ("/v1/models", json(fixture(&name("v1-models")))),
        ("/props", json(fixture(&name("props")))),
        ("/metrics", Reply::new(501, "Server: llama.cpp\r\n", off)),
    ])
    .await
}

fn config(peers: &[&Peer]) -> String {
    let ports: Vec<_> = peers.iter().map(|peer| peer.address.rsplit(':').next().unwrap()).collect();
    format!(
        "
receivers:
  runners: {{ports: [{}], scrape_interval: 2s, scrape_timeout: 2s}}
exporters:
  debug: {{verbosity: detailed, sampling_initial: 100}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [runners], exporters: [debug]}}
",
        ports.join(", ")
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_is_found_and_its_resource_says_who_it_is() {
    let (vllm, llama) = (vllm().await, llama_without_metrics().await);
    let mut collector = Collector::start(&config(&[&vllm, &llama])).await;
    let has_come = || async { collector.output().contains("vllm:num_requests_running") };
    wait_until("the metrics of vLLM", has_come, || collector.log()).await;
    let output = collector.output();
    let is_resource = |line: &&str| line.starts_with("resource {");
    let resource = output.lines().find(is_resource).unwrap_or_else(|| panic!("no resource in:\n{output}"));
    for attribute in [
        "gen_ai.provider.name=\"vllm\"",
        "gen_ai.request.model=\"meta-llama/Llama-3.1-8B\"",
        "inferometer.runner=\"vllm\"",
        "server.address=\"127.0.0.1\"",
        "server.port=",
        "service.name=\"vllm\"",
        &format!("service.instance.id=\"{}\"", vllm.address),
        "service.version=\"0.33.0\"",
    ] {
        assert!(resource.contains(attribute), "no `{attribute}` in {resource}");
    }
    collector.wait_for_log("start llama-server with `--metrics`").await;
    for seen in vllm.seen().iter().chain(&llama.seen()) {
        assert!(seen.head.starts_with("get /") && !seen.head.starts_with("get /health"), "{}", seen.head);
        assert_eq!(seen.body, b"");
    }
    assert!(collector.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn discover_prints_what_is_where_and_why_not() {
    let (vllm, llama) = (vllm().await, llama_without_metrics().await);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.yaml");
    std::fs::write(&path, config(&[&vllm, &llama])).unwrap();
    let discover = |more: &'static [&'static str]| {
        let path = path.clone();
        tokio::task::spawn_blocking(move || {
            let output = Command::new(binary()).arg("discover").args(more).arg("--config").arg(path).output();
            let output = output.unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        })
    };
    let lines = discover(&[]).await.unwrap();
    assert_eq!(
        lines,
        format!(
            "{}  vllm 0.33.0, serves meta-llama/Llama-3.1-8B, metrics at /metrics\n\
             {}  llama_cpp b4748-c392e5094, serves tiny-random, cannot be scraped: \
             its metrics are off: start llama-server with `--metrics`\n",
            vllm.address, llama.address
        )
    );
    let found: serde_json::Value = serde_json::from_str(&discover(&["--json"]).await.unwrap()).unwrap();
    assert_eq!(found[0]["runner"], "vllm");
    assert_eq!(found[0]["models"][0], "meta-llama/Llama-3.1-8B");
    assert_eq!(found[1]["paths"], serde_json::json!([]));
}
