//! `inferometer --demo`: the played machine, from outside.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use integration::{Collector, binary, find_sample, wait_until};

/// A file over the demonstration: its listeners on free ports, and sooner.
const FREE_PORTS: &str = "
receivers:
  nvml: {collection_interval: 1s}
  host_metrics: {collection_interval: 1s}
  prometheus: {config: {global: {scrape_interval: 1s, scrape_timeout: 1s}}}
exporters:
  prometheus: {endpoint: '127.0.0.1:0'}
service:
  telemetry: {metrics: {readers: [{pull: {exporter: {prometheus: {port: 0}}}}]}}
";

const RUNNERS: [&str; 3] = ["vllm", "sglang", "llama_cpp"];

/// What they serve, and on how many GPUs.
const MODELS: [(&str, usize); 3] =
    [("meta-llama/Llama-3.1-8B-Instruct", 2), ("Qwen/Qwen3-8B", 1), ("Qwen2.5-7B-Instruct-Q8_0", 1)];

#[tokio::test(flavor = "multi_thread")]
async fn four_gpus_and_three_runners_are_shown_and_all_says_that_it_is_a_demonstration() {
    let folder = tempfile::tempdir().unwrap();
    let mut collector = start(folder.path()).await;
    assert!(collector.log().contains("WARN this is a demonstration"), "{}", collector.log());

    let has_gpus =
        || async { values(&collector.page().await, "hw_gpu_memory_usage_bytes", "hw_id").len() == 4 };
    wait_until("four GPUs", has_gpus, || collector.log()).await;
    for runner in RUNNERS {
        let job = format!("job=\"{runner}\"");
        collector.wait_for_sample("gen_ai_server_up_ratio", &[&job], 1.0).await;
        let tokens = "gen_ai_server_generation_tokens_total";
        let has_tokens = || async { collector.sample(tokens, &[&job]).await.is_some() };
        wait_until("tokens of the runner", has_tokens, || collector.log()).await;
        let before = collector.sample(tokens, &[&job]).await.unwrap();
        let grows = || async { collector.sample(tokens, &[&job]).await.is_some_and(|now| now > before) };
        wait_until("more tokens of the runner", grows, || collector.log()).await;
    }
    // Each runner is a process of its own on its GPUs, so that these are known to serve its model.
    for (model, gpus) in MODELS {
        let model = format!("gen_ai_request_model=\"{model}\"");
        let is_on = || async {
            let page = collector.page().await;
            let series = page.lines().filter(|line| line.starts_with("hw_gpu_process_memory_usage_bytes{"));
            series.filter(|line| line.contains(&model)).count() == gpus
        };
        wait_until(&format!("{model} on {gpus} GPUs"), is_on, || collector.log()).await;
    }
    let page = collector.page().await;
    let unmarked = page.lines().find(|line| !line.starts_with('#') && !line.contains("demo=\"true\""));
    assert_eq!(unmarked, None);

    let (own, address) = (script(&collector).parent().unwrap().to_owned(), runner_address(&collector));
    assert!(own.starts_with(folder.path()) && own.exists(), "{}", own.display());
    assert!(collector.stop().await.success(), "{}", collector.log());
    assert!(!own.exists(), "{} is left", own.display());
    assert!(tokio::net::TcpStream::connect(&address).await.is_err(), "a runner is left");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_played_gpus_follow_their_script() {
    let folder = tempfile::tempdir().unwrap();
    let collector = start(folder.path()).await;
    let gpu = ["hw_gpu_index=\"3\""];
    let up = "nvidia_gpu_up_ratio";
    collector.wait_for_sample(up, &gpu, 1.0).await;
    let script = script(&collector);
    let text = std::fs::read_to_string(&script).unwrap();
    let changed = text.replace(
        "  - utilization: {gpu: {steps: [0, 0, 0, 35]",
        "  - lost: true\n    utilization: {gpu: {steps: [0, 0, 0, 35]",
    );
    assert_ne!(text, changed);
    let draft = script.with_extension("new");
    std::fs::write(&draft, changed).unwrap();
    std::fs::rename(&draft, &script).unwrap();
    collector.wait_for_sample(up, &gpu, 0.0).await;
    assert_eq!(find_sample(&collector.page().await, up, &["hw_gpu_index=\"0\""]), Some(1.0));
}

/// The binary must not offer what the played library does: whoever loads the real one would be answered by it.
#[test]
fn the_binary_exports_nothing_of_nvml() {
    let output = Command::new("nm").arg("-D").arg(binary()).output().expect("`nm` comes with the linker");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let symbols = String::from_utf8_lossy(&output.stdout);
    assert!(symbols.contains("malloc") || symbols.contains("write"), "{symbols}");
    let found: Vec<_> = symbols.lines().filter(|line| line.contains("nvml")).collect();
    assert!(found.is_empty(), "{found:?}");
}

/// Starts a demonstration that keeps its files in a folder, as a test that fails leaves it no time to clear up.
async fn start(folder: &Path) -> Collector {
    let folder = folder.to_string_lossy();
    let collector = Collector::spawn_with(FREE_PORTS, &["--demo"], &[("TMPDIR", &folder)]);
    collector.wait_for_log("INFO ready").await;
    collector
}

/// The values of a label on the series of a name.
fn values(page: &str, name: &str, label: &str) -> BTreeSet<String> {
    let series = page.lines().filter(|line| line.starts_with(&format!("{name}{{")));
    let value = series.filter_map(|line| {
        let (_, rest) = line.split_once(&format!("{label}=\""))?;
        rest.split('"').next().map(str::to_owned)
    });
    value.collect()
}

fn script(collector: &Collector) -> PathBuf {
    let log = collector.log();
    let (_, rest) = log.split_once("what the GPUs say is in ").expect("the log names the script");
    PathBuf::from(rest.split(',').next().unwrap_or_default())
}

fn runner_address(collector: &Collector) -> String {
    collector.address("vllm, answers at http://")
}
