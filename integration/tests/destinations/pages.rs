//! Each configuration of `docs/destinations` runs as it is written, with nothing set but its variables and its listeners.

use std::path::Path;

use integration::{Collector, Demands, Peer, Reply, Server, Strict, peer, root, wait_until};
use tempfile::TempDir;

use crate::sample::{now, push, resource, sum};
use crate::{collector, prometheus, strict, victoriametrics};

/// The configurations of a page, in its order.
fn configurations(page: &str) -> Vec<String> {
    let text = std::fs::read_to_string(root().join(format!("docs/destinations/{page}.md"))).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(ToOwned::to_owned).collect()
}

/// Runs a page's configuration with these variables, and pushes one sum, `page.check`, of 12.
///
/// The folder has the queue and the GPUs, the peer is the only model runner; both end with what is returned.
async fn run(configuration: &str, variables: &[(&str, &str)]) -> (Collector, (TempDir, Peer)) {
    let runner = runner().await;
    let port = runner.address.rsplit(':').next().unwrap();
    let ports = format!("--set=receivers.runners.ports=[{port}]");
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().display().to_string();
    let library = format!("--set=receivers.nvml.library_path={}", gpus(folder.path()));
    let arguments = [
        &*library,
        // Runners of other tests are not for this one.
        &ports,
        "--set=receivers.host_metrics.initial_delay=0s",
        "--set=receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
        "--set=receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
        "--set=service.telemetry.metrics.readers=[{pull: {exporter: {prometheus: {port: 0}}}}]",
    ];
    let variables = [&[("STATE_DIRECTORY", &*state)], variables].concat();
    let collector = Collector::spawn_with(configuration, &arguments, &variables);
    collector.wait_for_log("INFO ready").await;
    push(&collector, &resource(&[sum("page.check", 2, "12", now())])).await;
    (collector, (folder, runner))
}

/// A vLLM that runs one request.
async fn runner() -> Peer {
    Peer::start(|seen| {
        if seen.head.starts_with("get /v1/models ") {
            let models = r#"{"object":"list","data":[{"id":"m","object":"model","owned_by":"vllm"}]}"#;
            Reply::new(200, "Content-Type: application/json\r\n", models)
        } else if seen.head.starts_with("get /metrics ") {
            Reply::page(
                "# TYPE vllm:num_requests_running gauge\nvllm:num_requests_running{model_name=\"m\"} 1\n",
            )
        } else {
            Reply::new(404, "", "")
        }
    })
    .await
}

/// A library that plays the GPUs of a machine, laid into a folder.
fn gpus(folder: &Path) -> String {
    let built = std::env::current_exe().unwrap();
    let built = built.ancestors().skip(1).take(2).map(|folder| folder.join("libfake_nvml.so"));
    let library = folder.join("nvml.so");
    let found = built.into_iter().find(|path| path.exists()).expect("cargo has built the library");
    std::fs::copy(found, &library).unwrap();
    std::fs::copy(root().join("integration/fake_nvml/scripts/gb10.yaml"), folder.join("nvml.yaml")).unwrap();
    library.display().to_string()
}

/// The host, its GPUs and the collector itself are one target, so that what is known of it can be joined to each series.
async fn check_target(server: &Server, collector: &Collector) {
    let names = ["system_memory_usage_bytes", "hw_gpu_utilization_ratio", "process_thread_count"];
    for name in names {
        let is_there = || async { !server.query(&format!("{name}{{job=\"inferometer\"}}")).await.is_empty() };
        wait_until(name, is_there, || collector.log()).await;
    }
    server.wait_for(r#"count(target_info{job="inferometer"})"#, 1.0, || collector.log()).await;
    let ends = server.query(r#"target_info{process_pid!=""} or target_info{hw_driver_version!=""}"#).await;
    assert!(ends.is_empty(), "what ends before the host does is known of it: {ends:?}");
    for name in names {
        let joined = format!("{name} * on (job, instance) group_left (os_type) target_info");
        let found = server.query(&joined).await;
        assert!(!found.is_empty(), "{joined} has no answer");
        assert!(found.iter().all(|(labels, _)| labels["os_type"] == "linux"), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_grafana_cloud_runs() {
    // 123456:glc_token
    let authorization = Some(String::from("Basic MTIzNDU2OmdsY190b2tlbg=="));
    let demands = Demands { authorization, size_max: 4 << 20, busy: 1, ..Demands::default() };
    let pages = configurations("grafana_cloud");
    assert_eq!(pages.len(), 2);
    for (configuration, name) in pages.iter().zip(["page.check", "page_check_total"]) {
        let backend = Strict::start(demands.clone()).await;
        let (otlp, write) = (format!("{}/otlp", backend.url()), format!("{}/api/prom/push", backend.url()));
        let variables = [
            ("GRAFANA_CLOUD_OTLP_ENDPOINT", otlp.as_str()),
            ("GRAFANA_CLOUD_PROMETHEUS_ENDPOINT", write.as_str()),
            ("GRAFANA_CLOUD_INSTANCE_ID", "123456"),
            ("GRAFANA_CLOUD_PROMETHEUS_USER", "123456"),
            ("GRAFANA_CLOUD_TOKEN", "glc_token"),
        ];
        let (collector, _folder) = run(configuration, &variables).await;
        let name = format!("__name__={name} ");
        let is_there = || async { backend.value(&[&name]) == Some(12.0) };
        wait_until(&name, is_there, || collector.log()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_mimir_runs() {
    let pages = configurations("mimir");
    assert_eq!(pages.len(), 2);
    for (configuration, name) in pages.iter().zip(["page.check", "page_check_total"]) {
        let backend = Strict::start(Demands { busy: 1, ..strict::mimir() }).await;
        let url = backend.url();
        let (collector, _folder) =
            run(configuration, &[("MIMIR_ENDPOINT", &url), ("MIMIR_TENANT", "t")]).await;
        let name = format!("__name__={name} ");
        let is_there = || async { backend.value(&[&name]) == Some(12.0) };
        wait_until(&name, is_there, || collector.log()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_prometheus_runs() {
    let pages = configurations("prometheus");
    assert_eq!(pages.len(), 2);
    for configuration in pages {
        let Some(server) = prometheus::current().await else { return };
        let url = format!("http://{}", server.address);
        let (collector, _folder) = run(&configuration, &[("PROMETHEUS_ENDPOINT", &url)]).await;
        server.wait_for(r#"page_check_total{job="shop/cart"}"#, 12.0, || collector.log()).await;
        check_target(&server, &collector).await;
        // On every host a runner is at 127.0.0.1.
        let known = r#"count(target_info{job="vllm", gen_ai_request_model="m", host_name!=""})"#;
        server.wait_for(known, 1.0, || collector.log()).await;
        if configuration.contains("prometheus_remote_write") {
            let running = r#"gen_ai_server_requests_running{job="vllm", host_name!=""}"#;
            server.wait_for(running, 1.0, || collector.log()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_victoriametrics_runs() {
    let pages = configurations("victoriametrics");
    assert_eq!(pages.len(), 2);
    let Some(program) = peer("victoria-metrics") else { return };
    for (configuration, name) in pages.iter().zip(["page.check", "page_check_total"]) {
        let server = victoriametrics::start(&program, &[]).await;
        let url = format!("http://{}", server.address);
        let (collector, _folder) = run(configuration, &[("VICTORIAMETRICS_ENDPOINT", &url)]).await;
        server.wait_for(&format!(r#"{{__name__="{name}"}}"#), 12.0, || collector.log()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_of_the_collector_runs() {
    let pages = configurations("otel_collector");
    assert_eq!(pages.len(), 2);
    let Some(program) = peer("otelcol") else { return };
    for configuration in pages {
        let next = collector::next().await;
        let (server, grpc) = collector::start(&program, &next).await;
        let url = format!("http://{}", server.address);
        let variables = [("OTELCOL_ENDPOINT", &*grpc), ("OTELCOL_HTTP_ENDPOINT", &url)];
        let (collector, _folder) = run(&configuration, &variables).await;
        let is_there = || async {
            let metric = collector::metric(&next, "page.check").map(|(metric, _)| metric);
            metric.is_some_and(|metric| metric["sum"]["dataPoints"][0]["asInt"] == "12")
        };
        wait_until("page.check", is_there, || format!("{}\n{}", collector.log(), server.log())).await;
    }
}
