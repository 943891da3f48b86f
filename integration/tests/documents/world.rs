//! The world: four runners, an application and this host, one collector that serves all documents, one Prometheus.

use std::path::Path;
use std::process::Stdio;
use std::time::SystemTime;

use integration::{Collector, Prometheus, Replay, Target, get, root, wait_until};
use tokio::process::{Child, Command};

use crate::recording::Recording;

pub(crate) const SCHEMAS: [&str; 5] = ["ainode", "offgrid", "ai_cluster", "model_runner", "gpustack"];

/// The pages in the text format, where the documents have them: the exporter, and the port.
const PAGES: [(&str, u16); 7] = [
    ("ainode", 3000),
    ("ainode_8000", 8000),
    ("offgrid", 11611),
    ("ai_cluster", 8080),
    ("model_runner", 12434),
    ("gpustack", 10161),
    ("gpustack_10151", 10151),
];

const JSON: [(&str, u16); 4] =
    [("ainode", 3000), ("offgrid", 11611), ("ai_cluster", 8080), ("gpustack", 10161)];

/// What Go's client says of itself, which is the one number of OffGrid's statistics that nobody pushes.
const GO: &str = "# TYPE go_gc_duration_seconds summary\ngo_gc_duration_seconds_sum 0.5\ngo_gc_duration_seconds_count 42\n";

/// Seconds since vLLM was started, when the world begins.
pub(crate) const AGE: u64 = 3600;

pub(crate) struct World {
    /// An address of this machine that nobody else uses, so that the ports can be those of the documents.
    pub(crate) host: String,
    pub(crate) collector: Collector,
    pub(crate) prometheus: Prometheus,
    pub(crate) recorded: Recorded,
    pub(crate) runners: Vec<Replay>,
    _go: Target,
    _application: Child,
}

/// What the runners say.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) vllm: Recording,
    pub(crate) sglang: Recording,
    pub(crate) mindie: Recording,
    pub(crate) llama_cpp: Recording,
}

impl Recorded {
    pub(crate) fn read() -> Self {
        let mut vllm = Recording::read("vllm-0.33.0.constructed.prom");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        vllm.0 = edited(&vllm.0, "process_start_time_seconds ", now - AGE);
        // Some requests fail, so that there is an error rate.
        vllm.0 = edited(
            &vllm.0,
            "vllm:request_success_total{engine=\"0\",finished_reason=\"error\",model_name=\"meta-llama/Llama-3.1-8B-Instruct\"} ",
            4,
        );
        Self {
            vllm,
            sglang: Recording::read("sglang-0.5.23.constructed.prom"),
            mindie: Recording::read("mindie-2.1.constructed.prom"),
            llama_cpp: Recording::read("llamacpp-0.5.0-dev-0c1e57098-after.recorded.prom"),
        }
    }

    pub(crate) fn all(&self) -> [&Recording; 4] {
        [&self.vllm, &self.sglang, &self.llama_cpp, &self.mindie]
    }
}

/// The text with another value for one series.
fn edited(text: &str, series: &str, value: u64) -> String {
    let line = text.lines().find(|line| line.starts_with(series)).unwrap();
    text.replace(line, &format!("{series}{value}"))
}

impl World {
    pub(crate) async fn start() -> Self {
        let recorded = Recorded::read();
        let mut runners = Vec::new();
        for recording in recorded.all() {
            runners.push(Replay::start_down(&recording.0).await);
        }
        let go = Target::start(GO).await;
        let host = own_address(0);
        let collector = start_collector(&host, &runners, &go.address).await;
        let application = application(&format!("http://{}", collector.address("gRPC on ")));
        // What the application pushes is preferred to what runners say of the same; were these the first, what they
        // have counted would stay.
        let has_pushed = || async {
            let page = get(&format!("{host}:11611"), "/metrics").await.text();
            page.contains("offgrid_requests_total")
        };
        wait_until("what the application pushes", has_pushed, || collector.log()).await;
        for runner in &runners {
            runner.answer(true);
        }
        let prometheus = Prometheus::start(&scraping(&host, ""));
        Self { host, collector, prometheus, recorded, runners, _go: go, _application: application }
    }

    /// What a schema shows on its pages.
    pub(crate) async fn text(&self, schema: &str) -> String {
        let mut text = String::new();
        for (page, port) in PAGES {
            if page.trim_end_matches(|c: char| c.is_ascii_digit() || c == '_') == schema
                && page != "ainode_8000"
            {
                text.push_str(&get(&format!("{}:{port}", self.host), "/metrics").await.text());
            }
        }
        text
    }

    /// The addresses of all pages in the text format.
    pub(crate) fn pages(&self) -> Vec<String> {
        PAGES.iter().map(|(_, port)| format!("{}:{port}", self.host)).collect()
    }
}

/// One of the loopback addresses, so that what runs beside this test is not met.
///
/// Each test of this process has another `test`.
pub(crate) fn own_address(test: u32) -> String {
    let id = std::process::id();
    format!("127.{}.{}.{}", 1 + (id >> 14) % 250, (id >> 7) % 128, 2 + (id % 64) * 3 + test)
}

/// All documents, at their own ports and paths.
fn documents(host: &str) -> Vec<String> {
    let mut arguments = vec![String::from("--facade")];
    for schema in SCHEMAS {
        arguments.extend(["--schema".into(), schema.into()]);
    }
    let text = PAGES.iter().map(|(page, port)| format!("exporters.prometheus/{page}.endpoint={host}:{port}"));
    let json = JSON.iter().map(|(page, port)| format!("exporters.json/{page}.endpoint={host}:{port}"));
    let others = [
        String::from("processors.dialect/ai_cluster.allow_labels=[node_id]"),
        format!("processors.schema/gpustack.parameters.worker_ip={host}"),
        String::from("processors.schema/gpustack.parameters.worker_name=gpu-node-1"),
    ];
    for set in text.chain(json).chain(others) {
        arguments.extend([String::from("--set"), set]);
    }
    arguments
}

/// Without a port Docker Model Runner listens on a socket.
const VARIABLES: [(&str, &str); 1] = [("MODEL_RUNNER_PORT", "12434")];

async fn start_collector(host: &str, runners: &[Replay], go: &str) -> Collector {
    let jobs = ["vllm", "sglang", "llama_cpp", "mindie"].iter().zip(runners).enumerate();
    let jobs =
        jobs.map(|(at, (name, runner))| job(name, &runner.address, &format!("node_id: worker_{}", at + 1)));
    let jobs = jobs.chain([job("go", go, "")]).collect::<String>();
    serve(
        host,
        &format!("config: {{global: {{scrape_interval: 1s, scrape_timeout: 1s}}, scrape_configs: [{jobs}]}}"),
    )
    .await
}

/// One target, with labels.
pub(crate) fn job(name: &str, address: &str, labels: &str) -> String {
    format!("{{job_name: {name}, static_configs: [{{targets: ['{address}'], labels: {{{labels}}}}}]}}, ")
}

/// A collector that serves all documents at this address, of what is scraped and pushed, and of this host.
pub(crate) async fn serve(host: &str, scraping: &str) -> Collector {
    serve_from(host, &format!("prometheus: {{{scraping}}}"), "prometheus").await
}

/// As [`serve`], with another receiver.
pub(crate) async fn serve_from(host: &str, receiver: &str, id: &str) -> Collector {
    let config = format!(
        "
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}, http: {{endpoint: '127.0.0.1:0'}}}}}}
  host_metrics: {{collection_interval: 1s, initial_delay: 0s}}
  {receiver}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
service:
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp, host_metrics, {id}], exporters: [prometheus]}}
"
    );
    let arguments = documents(host);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let collector = Collector::spawn_with(&config, &arguments, &VARIABLES);
    collector.wait_for_log("INFO ready").await;
    collector
}

/// The scrape configurations of the documents, each second.
pub(crate) fn scraping(host: &str, rule_files: &str) -> String {
    format!(
        "
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{rule_files}]
scrape_configs:
  - {{job_name: ainode, static_configs: [{{targets: ['{host}:8000']}}]}}
  - {{job_name: offgrid, static_configs: [{{targets: ['{host}:11611']}}], metrics_path: /metrics}}
  - {{job_name: ai-cluster-controller, static_configs: [{{targets: ['{host}:8080']}}]}}
  - {{job_name: model-runner, static_configs: [{{targets: ['{host}:12434']}}]}}
  - {{job_name: gpustack-worker-discovery, http_sd_configs: [{{url: 'http://{host}:10161/metrics/targets', refresh_interval: 2s}}]}}
  - {{job_name: gpustack-server, static_configs: [{{targets: ['{host}:10161']}}]}}
"
    )
}

/// The stock SDK that pushes.
fn application(endpoint: &str) -> Child {
    python("application.py")
        .arg(endpoint)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// One of the counterparts that are written in Python.
pub(crate) fn python(script: &str) -> Command {
    let folder = root().join("integration");
    let interpreter = folder.join(".venv/bin/python");
    assert!(Path::new(&interpreter).exists(), "run `./test.sh`, which makes {}", interpreter.display());
    let mut command = Command::new(interpreter);
    command.arg(folder.join("counterparts").join(script));
    command
}
