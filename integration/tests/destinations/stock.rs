//! Files as people have them for an OpenTelemetry Collector: read as they are, they carry what they carried there.
//!
//! Beside each in `integration/fixtures/otelcol` is what `validate` says of it. When that changes,
//! `INFEROMETER_UPDATE=1 cargo test -p inferometer-integration --test destinations` writes it anew.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use integration::{
    Backend, Behaviour, Collector, Demands, Load, Server, Strict, binary, find_sample, get, installed, peer,
    root, wait_until,
};
use tonic::Code;

use crate::sample::{everything, now, push, resource, sum};
use crate::{collector, prometheus};

/// Listeners of the files, on free ports.
const FREE: [&str; 3] = [
    "--set=receivers.otlp.protocols.grpc.endpoint=127.0.0.1:0",
    "--set=receivers.otlp.protocols.http.endpoint=127.0.0.1:0",
    "--set=service.telemetry.metrics.address=127.0.0.1:0",
];

/// What the files want of the environment, where nothing else is said.
const VARIABLES: [(&str, &str); 6] = [
    ("GATEWAY", "127.0.0.1:4317"),
    ("GRAFANA_CLOUD_API_KEY", "glc_token"),
    ("GRAFANA_CLOUD_INSTANCE_ID", "123456"),
    ("GRAFANA_CLOUD_OTLP_ENDPOINT", "https://otlp-gateway.example.com/otlp"),
    ("STORAGE", "/var/lib/otelcol/file_storage"),
    ("TOKEN_FILE", "/run/secrets/mimir"),
];

fn folder() -> PathBuf {
    root().join("integration/fixtures/otelcol")
}

/// Runs a file, and more that is set.
async fn run(name: &str, more: &[&str], variables: &[(&str, &str)]) -> Collector {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    let variables = [&VARIABLES[..], variables].concat();
    let collector = Collector::spawn_with(&text, more, &variables);
    collector.wait_for_log("INFO ready").await;
    collector
}

#[test]
fn each_file_is_read_as_it_is_or_refused_key_by_key() {
    let entries = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|end| end == "yaml")).collect();
    assert_eq!(files.len(), 7);
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut validate = Command::new(binary());
        validate.args(["validate", "--config", name]).current_dir(folder()).envs(VARIABLES);
        let output = validate.output().unwrap();
        let said = String::from_utf8([output.stderr, output.stdout].concat()).unwrap();
        let expected = path.with_extension("txt");
        if std::env::var_os("INFEROMETER_UPDATE").is_some() {
            std::fs::write(&expected, &said).unwrap();
        }
        assert_eq!(said, std::fs::read_to_string(&expected).unwrap(), "{name}");
        let code = if name == "refused.yaml" { 2 } else { 0 };
        assert_eq!(output.status.code(), Some(code), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn remote_write_comes_to_the_prometheus_of_debian() {
    let Some(program) = installed("prometheus") else { return };
    let server = prometheus::start(&program, &["--enable-feature=native-histograms"]).await;
    let endpoint =
        format!("--set=exporters.prometheusremotewrite.endpoint=http://{}/api/v1/write", server.address);
    let health = "--set=extensions.health_check.endpoint=127.0.0.1:0";
    let mut collector = run("remote_write.yaml", &[&FREE[..], &[health, &endpoint]].concat(), &[]).await;
    push(&collector, &everything()).await;
    let labels = r#"cluster="lab", replica="0", rack="r7", job="shop/cart", instance="i-1""#;
    for (name, value) in [
        ("shop_shop_requests_total", 42.0),
        ("shop_gpu_temperature_celsius", 61.5),
        ("shop_shop_latency_seconds_count", 6.0),
    ] {
        server.wait_for(&format!("{name}{{{labels}}}"), value, || collector.log()).await;
    }
    let health = get(&collector.address("health at "), "/ready").await;
    assert_eq!(health.status, 200);
    let status: serde_json::Value = serde_json::from_str(&health.text()).unwrap();
    assert_eq!(status["status"], "Server available");
    assert!(status["upSince"].as_str().is_some_and(|since| since.ends_with('Z')), "{status}");
    assert!(collector.stop().await.success(), "{}", collector.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn otlp_comes_to_grafana_cloud_with_its_credentials() {
    // 123456:glc_token
    let authorization = Some(String::from("Basic MTIzNDU2OmdsY190b2tlbg=="));
    let backend =
        Strict::start(Demands { authorization, size_max: 4 << 20, busy: 1, ..Demands::default() }).await;
    let readers = "--set=service.telemetry.metrics.readers=[{pull: {exporter: {prometheus: {port: 0}}}}]";
    let endpoint = format!("{}/otlp", backend.url());
    let collector = run(
        "grafana_cloud.yaml",
        &[FREE[0], FREE[1], readers],
        &[("GRAFANA_CLOUD_OTLP_ENDPOINT", &endpoint)],
    )
    .await;
    push(&collector, &resource(&[sum("stock.check", 2, "12", now())])).await;
    let is_there = || async { backend.value(&["__name__=stock.check "]) == Some(12.0) };
    wait_until("stock.check", is_there, || collector.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_agent_has_on_disk_comes_to_the_gateway_after_a_kill() {
    let backend = Backend::start(Behaviour::Refuse(Code::Unavailable)).await;
    let storage = tempfile::tempdir().unwrap();
    let storage = storage.path().join("queue").display().to_string();
    let variables = [("STORAGE", &*storage), ("GATEWAY", &*backend.address)];
    let mut agent = run("agent.yaml", &FREE[..2], &variables).await;
    let load = Load {
        endpoint: format!("http://{}", agent.address("gRPC on ")),
        source: String::from("a"),
        requests: 20,
        points_per_request: 100,
        interval: Duration::ZERO,
    };
    let ledger = load.run().await;
    assert_eq!(ledger.acknowledged, 2_000, "{}", agent.log());
    agent.signal("KILL").await;
    agent.wait().await;
    assert_eq!(backend.distinct(), 0);
    backend.behave(Behaviour::Accept);
    let again = run("agent.yaml", &FREE[..2], &variables).await;
    wait_until("the gateway to have everything", || async { backend.distinct() == 2_000 }, || again.log())
        .await;
    assert_eq!(ledger.lost_and_doubled(&backend.seen()), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_hands_on_to_a_real_collector() {
    let Some(program) = peer("otelcol") else { return };
    let next = collector::next().await;
    let (server, grpc) = collector::start(&program, &next).await;
    let storage = tempfile::tempdir().unwrap();
    let storage = storage.path().join("queue").display().to_string();
    let variables = [("STORAGE", &*storage), ("GATEWAY", &*grpc)];
    let agent = run("agent.yaml", &FREE[..2], &variables).await;
    push(&agent, &resource(&[sum("stock.check", 2, "12", now())])).await;
    let is_there = || async {
        let metric = collector::metric(&next, "stock.check").map(|(metric, _)| metric);
        metric.is_some_and(|metric| metric["sum"]["dataPoints"][0]["asInt"] == "12")
    };
    wait_until("stock.check", is_there, || format!("{}\n{}", agent.log(), server.log())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_writes_is_at_the_gateways_page() {
    let Some(program) = installed("prometheus") else { return };
    let gateway = run(
        "gateway.yaml",
        &[
            "--set=receivers.prometheusremotewrite.endpoint=127.0.0.1:0",
            "--set=exporters.prometheus.endpoint=127.0.0.1:0",
            FREE[2],
        ],
        &[],
    )
    .await;
    let config = format!(
        "global: {{scrape_interval: 1s}}
scrape_configs: [{{job_name: itself, static_configs: [{{targets: ['{{address}}']}}]}}]
remote_write: [{{url: 'http://{}/api/v1/write'}}]
",
        gateway.address("remote write on http://")
    );
    let arguments =
        ["--config.file=prometheus.yml", "--storage.tsdb.path=data", "--web.listen-address={address}"];
    let sender = Server::start(&program, &[("prometheus.yml", &config)], &arguments, "/-/ready").await;
    let labels = [r#"job="itself""#, r#"gateway="lab""#, &format!(r#"instance="{}""#, sender.address)];
    let is_up = || async {
        // Times are sent, so that the value is not the last word of its line.
        let page = gateway.page().await;
        let line = page
            .lines()
            .find(|line| line.starts_with("up{") && labels.iter().all(|label| line.contains(label)));
        line.is_some_and(|line| line.split("} ").nth(1).is_some_and(|rest| rest.starts_with("1 ")))
    };
    wait_until("`up` at the page", is_up, || gateway.log()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn temporality_is_changed_as_the_file_says() {
    let pages = ["rates", "sums", "starts"];
    let endpoints = pages.map(|page| format!("--set=exporters.prometheus/{page}.endpoint=127.0.0.1:0"));
    let readers = "--set=service.telemetry.metrics.readers=[{pull: {exporter: {prometheus: {port: 0}}}}]";
    let more: Vec<&str> =
        [FREE[0], FREE[1], readers].into_iter().chain(endpoints.iter().map(String::as_str)).collect();
    let collector = run("temporality.yaml", &more, &[]).await;
    let (first, second) = (now(), now() + 1_000_000_000);
    // What is counted began before the first point; what began with it would be counted anew.
    for (deltas, rate) in [
        (sum("shop.deltas", 1, "3", first), sum("shop.rate", 2, "10", first)),
        (sum("shop.deltas", 1, "4", second), sum("shop.rate", 2, "14", first + 500_000_000)),
    ] {
        push(&collector, &resource(&[deltas, rate])).await;
    }
    for (page, name, value) in [
        // Four in half a second.
        ("rates", "shop_rate_ratio", 8.0),
        ("sums", "shop_deltas_total", 7.0),
        ("starts", "shop_deltas_total", 7.0),
    ] {
        let log = collector.log();
        let line =
            log.lines().find(|line| line.contains(&format!("exporter=\"prometheus/{page}\""))).unwrap();
        let address = line.split("http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
        let is_there = || async {
            let text = get(address, "/metrics").await.text();
            find_sample(&text, name, &[r#"job="shop/cart""#]) == Some(value)
        };
        wait_until(&format!("{name} of {value}"), is_there, || collector.log()).await;
    }
}
