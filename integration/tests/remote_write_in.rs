//! Real senders push by remote write: what the page then shows is what they have themselves.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::process::Stdio;

use integration::{Collector, Prometheus, Target, has_counterparts, wait_until};
use tokio::process::{Child, Command};

/// What a client library writes where protobuf is asked for.
const PROTOBUF: &str = "Content-Type: application/vnd.google.protobuf; \
                        proto=io.prometheus.client.MetricFamily; encoding=delimited\r\n";

const TRACE: &str = "0102030405060708090a0b0c0d0e0f10";

/// The collector, with its page as close to what came as can be.
const COLLECTOR: &str = "
receivers:
  prometheus_remote_write: {endpoint: '127.0.0.1:0'}
exporters:
  prometheus: {endpoint: '127.0.0.1:0', translation_strategy: NoTranslation, target_info: {enabled: false}}
  debug: {verbosity: detailed}
service:
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {port: 0}}}}]}}
  pipelines:
    metrics: {receivers: [prometheus_remote_write], exporters: [prometheus, debug]}
";

/// Messages as they are on the wire.
mod wire {
    pub(super) fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    pub(super) fn number(field: u64, value: u64) -> Vec<u8> {
        [varint(field << 3), varint(value)].concat()
    }

    pub(super) fn double(field: u64, value: f64) -> Vec<u8> {
        [&varint(field << 3 | 1)[..], &value.to_bits().to_le_bytes()].concat()
    }

    pub(super) fn bytes(field: u64, bytes: impl AsRef<[u8]>) -> Vec<u8> {
        let bytes = bytes.as_ref();
        [&varint(field << 3 | 2)[..], &varint(bytes.len() as u64), bytes].concat()
    }
}

use wire::{bytes, double, number, varint};

fn label(name: &str, value: &str) -> Vec<u8> {
    bytes(1, [bytes(1, name), bytes(2, value)].concat())
}

/// A family in its delimited form: type 0 is a counter, 1 a gauge, 2 a summary, 4 a histogram.
fn family(name: &str, kind: u64, metrics: &[Vec<u8>]) -> Vec<u8> {
    let metrics: Vec<u8> = metrics.iter().flat_map(|metric| bytes(4, metric)).collect();
    let message = [bytes(1, name), bytes(2, format!("Help of {name}.")), number(3, kind), metrics].concat();
    [varint(message.len() as u64), message].concat()
}

fn exemplar(value: f64) -> Vec<u8> {
    [label("trace_id", TRACE), double(2, value)].concat()
}

fn page() -> Vec<u8> {
    let counter = |value, more: &[u8]| bytes(3, [&double(1, value), more].concat());
    let bucket = |bound, count| bytes(3, [number(1, count), double(2, bound)].concat());
    let classic = [number(1, 6), double(2, 10.5), bucket(0.5, 2), bucket(2.5, 5)].concat();
    let quantile = bytes(3, [double(1, 0.5), double(2, 1.5)].concat());
    // One at zero, two in the first bucket, three in the second, by differences in zigzag.
    let native = [number(1, 6), double(2, 10.5), number(5, 6), double(6, 0.001), number(7, 1)].concat();
    let spans = [bytes(12, [number(1, 0), number(2, 2)].concat()), bytes(13, [4, 2])].concat();
    [
        family(
            "t_requests_total",
            0,
            &[
                [label("code", "200"), label("path", "/a\"b\\c\nd"), counter(17.0, &bytes(2, exemplar(0.5)))]
                    .concat(),
                [label("code", "500"), counter(3.0, &[])].concat(),
            ],
        ),
        family("t_plain", 0, &[counter(1.0, &[])]),
        family("t_double__score", 1, &[bytes(2, double(1, f64::INFINITY))]),
        family("t_temperature", 1, &[[label("k__l", "2"), bytes(2, double(1, -1.25))].concat()]),
        family("t_latency_seconds", 4, &[bytes(7, classic)]),
        family("t_size", 2, &[bytes(4, [number(1, 4), double(2, 6.0), quantile].concat())]),
        family("t_native_seconds", 4, &[bytes(7, [native, spans].concat())]),
        family("target_info", 1, &[[label("version", "1.2"), bytes(2, double(1, 1.0))].concat()]),
    ]
    .concat()
}

/// A sample by its name and labels, all of them in order.
type Samples = BTreeMap<String, f64>;

/// What it measures of its own scrapes changes from one to the next.
fn is_steady(key: &str) -> bool {
    key.starts_with("t_") || key.starts_with("target_info") || key.starts_with("up")
}

/// What Prometheus has, without its native histograms.
async fn of_prometheus(prometheus: &Prometheus) -> Samples {
    let values = prometheus.values("{__name__=~\".+\"}").await;
    let mut samples = Samples::new();
    for (metric, value) in values {
        let mut labels: BTreeMap<String, String> = serde_json::from_value(metric).unwrap();
        let name = labels.remove("__name__").unwrap();
        if name.starts_with("t_native_seconds") {
            continue;
        }
        let escaped = |value: &str| value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let pairs: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let key = if pairs.is_empty() { name } else { format!("{name}{{{}}}", pairs.join(",")) };
        samples.insert(key.clone(), if is_steady(&key) { value } else { 0.0 });
    }
    samples
}

fn of_page(page: &str) -> Samples {
    let lines = page.lines().filter(|line| !line.starts_with('#') && !line.starts_with("t_native_seconds"));
    lines
        .map(|line| {
            let (key, value) = line.rsplit_once(' ').unwrap();
            let value = if is_steady(key) { value.parse().unwrap() } else { 0.0 };
            (in_order(key), value)
        })
        .collect()
}

/// A line's name and labels, with `le` and `quantile` in their order too.
fn in_order(key: &str) -> String {
    let Some((name, labels)) = key.split_once('{') else { return key.to_owned() };
    let mut labels: Vec<&str> = labels.trim_end_matches("\"}").split("\",").collect();
    labels.sort_unstable();
    format!("{name}{{{}\"}}", labels.join("\","))
}

fn is_without_target(page: &str) -> bool {
    !page.lines().any(|line| line.starts_with("t_"))
}

/// Whether the page shows what Prometheus has, of which there is at least this much.
async fn agree(prometheus: &Prometheus, collector: &Collector, samples_min: usize) -> bool {
    same(&of_prometheus(prometheus).await, &of_page(&collector.page().await), samples_min)
}

/// Whether both are the same and have at least so many samples; prints what is not.
fn same(theirs: &Samples, ours: &Samples, samples_min: usize) -> bool {
    if theirs != ours {
        let only = |left: &Samples, right: &Samples| -> Vec<String> {
            left.iter()
                .filter(|(key, value)| right.get(*key) != Some(value))
                .map(|(key, _)| key.clone())
                .collect()
        };
        eprintln!("only theirs: {:?}\nonly ours: {:?}", only(theirs, ours), only(ours, theirs));
    }
    theirs == ours && theirs.len() >= samples_min
}

fn sending(target: &str, collector: &str, (global, more): (&str, &str)) -> String {
    format!(
        "
global: {{scrape_interval: 1s{global}}}
scrape_configs:
  - {{job_name: ns/job, static_configs: [{{targets: ['{target}']}}]}}
remote_write:
  - url: http://{collector}/api/v1/write
    send_exemplars: true
    send_native_histograms: true
    metadata_config: {{send_interval: 1s}}
    queue_config: {{batch_send_deadline: 200ms}}
    {more}
"
    )
}

/// The round: everything a target shows, from a Prometheus to the page; then the target vanishes.
async fn check_prometheus(binary: &str, global: &str, more: &str, arguments: &[&str]) {
    let target = Target::start("").await;
    target.serve(200, PROTOBUF, page());
    let collector = Collector::start(COLLECTOR).await;
    let address = collector.address("remote write on http://");
    let prometheus =
        Prometheus::start_with(binary, &sending(&target.address, &address, (global, more)), arguments);
    let log = || format!("{}\n{}", collector.log(), collector.output());
    // Nine of the counters, gauges and the summary, four of the classic histogram, `up` and four of the scrape.
    wait_until("the page to be as Prometheus has it", || agree(&prometheus, &collector, 18), log).await;
    collector.wait_for_sample("t_native_seconds_count", &["job=\"ns/job\""], 6.0).await;
    collector.wait_for_sample("t_native_seconds_sum", &["job=\"ns/job\""], 10.5).await;
    assert_eq!(prometheus.values("histogram_count(t_native_seconds)").await[0].1, 6.0);
    let printed = || async { collector.output().contains(&format!("trace 0x{TRACE}")) };
    wait_until("an exemplar", printed, log).await;
    drop(target);
    let is_gone =
        || async { is_without_target(&collector.page().await) && agree(&prometheus, &collector, 5).await };
    wait_until("the target to be gone", is_gone, log).await;
    let refused = collector.own_sample("otelcol_receiver_failed_metric_points_total", &[]).await;
    assert!(matches!(refused, None | Some(0.0)), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_pushes_in_1_0_is_on_the_page_as_prometheus_has_it() {
    if !has_counterparts() {
        return;
    }
    let features = "--enable-feature=native-histograms,exemplar-storage";
    check_prometheus("prometheus", "", "", &[features]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_3_pushes_in_2_0_is_on_the_page_as_prometheus_has_it() {
    let Some(binary) = std::env::var("INFEROMETER_PROMETHEUS3").ok() else {
        eprintln!("skipped: INFEROMETER_PROMETHEUS3 does not name a Prometheus 3");
        return;
    };
    let features = "--enable-feature=native-histograms,exemplar-storage,metadata-wal-records";
    let version = "protobuf_message: io.prometheus.write.v2.Request";
    check_prometheus(&binary, ", scrape_native_histograms: true", version, &[features]).await;
}

/// A collector that scrapes this target and pushes on what it shows itself.
fn relaying(target: &str, collector: &str, message: &str) -> String {
    format!(
        "
receivers:
  prometheus:
    config: {{scrape_configs: [{{job_name: j, scrape_interval: 1s, static_configs: [{{targets: ['{target}']}}]}}]}}
exporters:
  prometheus: {{endpoint: '127.0.0.1:0'}}
  prometheus_remote_write: {{endpoint: 'http://{collector}/api/v1/write', protobuf_message: {message}}}
service:
  telemetry: {{metrics: {{level: none}}}}
  pipelines:
    metrics: {{receivers: [prometheus], exporters: [prometheus, prometheus_remote_write]}}
"
    )
}

async fn check_relay(message: &str) {
    let text = "# TYPE t_total counter\nt_total{a=\"b\"} 17\n# TYPE t_gauge gauge\nt_gauge -1.5\n\
                # TYPE t_latency_seconds histogram\nt_latency_seconds_bucket{le=\"0.5\"} 2\n\
                t_latency_seconds_bucket{le=\"+Inf\"} 3\nt_latency_seconds_sum 4.5\nt_latency_seconds_count 3\n\
                # TYPE t_size summary\nt_size{quantile=\"0.5\"} 1.5\nt_size_sum 6\nt_size_count 4\n";
    let target = Target::start(text).await;
    let second = Collector::start(COLLECTOR).await;
    let address = second.address("remote write on http://");
    let first = Collector::start(&relaying(&target.address, &address, message)).await;
    let agree = || async { same(&of_page(&first.page().await), &of_page(&second.page().await), 12) };
    let log = || format!("{}\n{}", first.log(), second.log());
    wait_until("both pages to be the same", agree, log).await;
    drop(target);
    let is_gone = || async { is_without_target(&second.page().await) };
    wait_until("the target to be gone from both", is_gone, log).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_pushes_on_in_1_0_is_on_the_page_as_it_has_it() {
    check_relay("prometheus.WriteRequest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_collector_pushes_on_in_2_0_is_on_the_page_as_it_has_it() {
    check_relay("io.prometheus.write.v2.Request").await;
}

/// A vmagent that runs until it is dropped.
struct Agent {
    _folder: tempfile::TempDir,
    _process: Child,
}

impl Agent {
    fn start(target: &str, collector: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("scrape.yml");
        let text = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs: [{{job_name: agent, static_configs: [{{targets: ['{target}']}}]}}]"
        );
        std::fs::write(&config, text).unwrap();
        let process = Command::new("vmagent")
            .arg(format!("-promscrape.config={}", config.display()))
            .arg(format!("-remoteWrite.url=http://{collector}/api/v1/write"))
            .arg(format!("-remoteWrite.tmpDataPath={}", folder.path().join("data").display()))
            .arg("-httpListenAddr=127.0.0.1:0")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn();
        match process {
            Ok(process) => Some(Self { _folder: folder, _process: process }),
            Err(error) => {
                eprintln!("skipped: vmagent does not start: {error}");
                None
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn vmagent_finds_out_what_is_taken_and_pushes_that() {
    let target = Target::start("# TYPE a_total counter\na_total{b=\"c\"} 17\nd 2\n").await;
    let collector = Collector::start(COLLECTOR).await;
    let address = collector.address("remote write on http://");
    let Some(agent) = Agent::start(&target.address, &address) else { return };
    let instance = format!("instance=\"{}\"", target.address);
    let labels = ["job=\"agent\"", instance.as_str()];
    collector.wait_for_sample("a_total", &[&labels[..], &["b=\"c\""]].concat(), 17.0).await;
    collector.wait_for_sample("up", &labels, 1.0).await;
    drop(target);
    let is_gone = || async {
        let page = collector.page().await;
        !page.contains("a_total") && page.contains("up{")
    };
    wait_until("the target to be gone", is_gone, || collector.log()).await;
    drop(agent);
}
