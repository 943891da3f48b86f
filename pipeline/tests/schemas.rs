//! What the built-in schemas do as time goes by, with a clock that the test moves.

#![expect(clippy::unwrap_used, reason = "a test fails where it stands")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use pipeline::mapping::compiled::MappingKind;
use pipeline::mapping::{Engine, Options, load_builtin};
use pipeline::{Clock, Registry, notation};

struct Bench {
    engine: Engine,
    registry: Arc<Registry>,
    /// The newest point of each series, by all of its line but the value.
    page: BTreeMap<String, String>,
}

impl Bench {
    fn new(schema: &str, parameters: &[(&str, &str)]) -> Self {
        let parameters =
            parameters.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let mapping = Arc::new(load_builtin(MappingKind::Schema, schema, &parameters).unwrap().mapping);
        let registry = Arc::new(Registry::new(10_000));
        let clock = Clock::starting_at(1_800_000_000_000_000_000);
        let engine = Engine::new(vec![mapping], Options::default(), registry.clone(), clock);
        Self { engine, registry, page: BTreeMap::new() }
    }

    /// Lets this time pass, then takes points.
    async fn after(&mut self, seconds: u64, points: &str) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
        let mut batch = notation::parse(points, &self.registry).unwrap();
        self.engine.process(&mut batch);
        self.take(&notation::write(&batch));
        let ticked = self.engine.tick();
        self.take(&notation::write(&ticked));
    }

    fn take(&mut self, text: &str) {
        for line in text.lines() {
            let line = line.split(" @").next().unwrap_or(line);
            let Some((series, value)) = line.split_once(" = ") else { continue };
            let series = series.split_once(' ').map_or(series, |(_, series)| series);
            match value {
                "stale" => _ = self.page.remove(series),
                value => _ = self.page.insert(series.to_owned(), value.to_owned()),
            }
        }
    }

    #[track_caller]
    fn check(&self, metric: &str, expected: &[&str]) {
        let of_metric = self.page.iter().filter_map(|(series, value)| {
            // Whether a number is an integer or a double says nothing here.
            let value = value.strip_suffix(".0").unwrap_or(value);
            let rest = series.strip_prefix(metric).filter(|rest| rest.starts_with(['{', ' ']))?;
            Some(format!("{} {value}", rest.split(" [").next().unwrap_or(rest)).trim().to_owned())
        });
        assert_eq!(of_metric.collect::<Vec<_>>(), expected, "{metric} in {:#?}", self.page);
    }
}

fn nodes(one: &str, other: &str) -> String {
    format!(
        "resource {{service.instance.id=\"one\"}}\ngauge gen_ai.server.up = {one}\n\
         resource {{service.instance.id=\"other\"}}\ngauge gen_ai.server.up = {other}\n"
    )
}

const NODES: &str = "ai_cluster_cluster_nodes_total";

#[tokio::test(start_paused = true)]
async fn a_node_is_degraded_at_once_offline_after_half_a_minute_and_healthy_when_it_is_back() {
    let mut bench = Bench::new("ai_cluster", &[]);
    bench.after(1, "").await;
    bench.check(NODES, &["{status=\"degraded\"} 0", "{status=\"healthy\"} 0", "{status=\"offline\"} 0"]);
    bench.after(5, &nodes("1.0", "1.0")).await;
    bench.check(NODES, &["{status=\"degraded\"} 0", "{status=\"healthy\"} 2", "{status=\"offline\"} 0"]);
    bench.after(5, &nodes("1.0", "0.0")).await;
    bench.check(NODES, &["{status=\"degraded\"} 1", "{status=\"healthy\"} 1", "{status=\"offline\"} 0"]);
    for _ in 0..5 {
        bench.after(5, &nodes("1.0", "0.0")).await;
    }
    bench.check(NODES, &["{status=\"degraded\"} 0", "{status=\"healthy\"} 1", "{status=\"offline\"} 1"]);
    bench.after(5, &nodes("1.0", "1.0")).await;
    bench.check(NODES, &["{status=\"degraded\"} 0", "{status=\"healthy\"} 2", "{status=\"offline\"} 0"]);
}

#[tokio::test(start_paused = true)]
async fn no_model_is_loaded_before_the_runner_nor_after_it() {
    let up = "resource {service.instance.id=\"one\"}\ngauge gen_ai.server.up = ";
    let mut bench = Bench::new("offgrid", &[]);
    bench.after(1, "").await;
    bench.check("offgrid_model_loaded", &["0"]);
    bench.after(5, &format!("{up}1.0\n")).await;
    bench.check("offgrid_model_loaded", &["1"]);
    bench.after(5, &format!("{up}0.0\n")).await;
    bench.check("offgrid_model_loaded", &["0"]);
    bench.after(5, &format!("{up}1.0\n")).await;
    // The target itself is gone: nobody says anything of it any more.
    bench.after(5, &format!("{up}stale\n")).await;
    bench.check("offgrid_model_loaded", &["0"]);
}

#[tokio::test(start_paused = true)]
async fn tokens_a_second_are_generated_ones_unless_prompts_are_asked_for() {
    let points = |prompts: u32, generated: u32| {
        format!(
            "resource {{service.instance.id=\"one\"}}\n\
             counter gen_ai.server.prompt_tokens{{gen_ai.request.model=\"m\"}} [{{token}}] = {prompts}\n\
             counter gen_ai.server.generation_tokens{{gen_ai.request.model=\"m\"}} [{{token}}] = {generated}\n"
        )
    };
    for (parameters, expected) in [(&[][..], "5"), (&[("prompt_tokens_in_rate", "true")][..], "25")] {
        let mut bench = Bench::new("ai_cluster", parameters);
        bench.after(1, &points(1000, 100)).await;
        bench.after(10, &points(1200, 150)).await;
        let expected = format!("{{model=\"m\",node_id=\"one\"}} {expected}");
        bench.check("ai_cluster_tokens_per_second", &[&expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn the_cpus_are_as_busy_as_their_time_tells() {
    let points = |user: f64, idle: f64, waiting: f64| {
        format!(
            "resource {{host.name=\"h\"}}\n\
             counter system.cpu.time{{cpu.logical_number=0,cpu.mode=\"user\"}} [s] = {user:?}\n\
             counter system.cpu.time{{cpu.logical_number=0,cpu.mode=\"idle\"}} [s] = {idle:?}\n\
             counter system.cpu.time{{cpu.logical_number=0,cpu.mode=\"iowait\"}} [s] = {waiting:?}\n"
        )
    };
    let mut bench = Bench::new("offgrid", &[]);
    bench.after(1, &points(900.0, 50.0, 50.0)).await;
    bench.after(16, &points(904.0, 58.0, 54.0)).await;
    bench.check("offgrid_cpu_usage_percent", &["25"]);
}

#[tokio::test(start_paused = true)]
async fn ainodes_numbers_outlive_an_engine_that_restarts() {
    let points = |ended: u32| {
        format!(
            "resource {{service.instance.id=\"one\"}}\n\
             counter gen_ai.server.requests{{gen_ai.request.model=\"m\",gen_ai.response.finish_reason=\"stop\"}} = {ended}\n"
        )
    };
    let mut bench = Bench::new("ainode", &[]);
    for (ended, expected) in [(40, "40"), (45, "45"), (3, "48"), (4, "49")] {
        bench.after(5, &points(ended)).await;
        bench.check("ainode_requests_total", &[expected]);
        bench.check("ainode_requests_by_model_total", &[&format!("{{model=\"m\"}} {expected}")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_dcgm_exporter_calls_bandwidths_are_rates_of_what_the_driver_counts() {
    let points = |seconds: u64| {
        let gpu = "hw.id=\"GPU-1\",hw.gpu.index=1";
        let (sent, received) = (seconds * 3_000_000, seconds * 1_000_000);
        format!(
            "resource {{host.name=\"h\"}}\n\
             counter hw.gpu.io{{{gpu},network.io.direction=\"transmit\"}} [By] = {sent}\n\
             counter hw.gpu.io{{{gpu},network.io.direction=\"receive\"}} [By] = {received}\n\
             counter nvidia.gpu.nvlink.io{{{gpu},network.io.direction=\"transmit\"}} [By] = {sent}\n\
             counter nvidia.gpu.nvlink.io{{{gpu},network.io.direction=\"receive\"}} [By] = {received}\n\
             counter nvidia.gpu.nvlink.link.io{{{gpu},nvidia.gpu.nvlink.link=0,network.io.direction=\"receive\"}} [By] = {sent}\n\
             counter nvidia.gpu.nvlink.link.io{{{gpu},nvidia.gpu.nvlink.link=1,network.io.direction=\"receive\"}} [By] = {sent}\n"
        )
    };
    let mut bench = Bench::new("dcgm_exporter", &[]);
    bench.after(10, &points(0)).await;
    bench.check("DCGM_FI_PROF_PCIE_TX_BYTES", &[]);
    bench.after(10, &points(10)).await;
    bench.after(30, &points(40)).await;
    for (family, expected) in [
        ("DCGM_FI_PROF_PCIE_TX_BYTES", 3_000_000),
        ("DCGM_FI_PROF_PCIE_RX_BYTES", 1_000_000),
        ("DCGM_FI_PROF_NVLINK_TX_BYTES", 3_000_000),
        ("DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL", 4),
        ("DCGM_FI_DEV_NVLINK_BANDWIDTH_L0", 3),
    ] {
        let labels = "Hostname=\"h\",UUID=\"GPU-1\",device=\"nvidia1\",gpu=\"1\"";
        bench.check(family, &[&format!("{{{labels}}} {expected}")]);
    }
    // What GPM says is nearer to what is.
    let said = "resource {host.name=\"h\"}\ngauge nvidia.gpu.gpm.pcie.throughput{hw.id=\"GPU-1\",hw.gpu.index=1,network.io.direction=\"transmit\"} [By/s] = 7.6\n";
    bench.after(10, said).await;
    let labels = "Hostname=\"h\",UUID=\"GPU-1\",device=\"nvidia1\",gpu=\"1\"";
    bench.check("DCGM_FI_PROF_PCIE_TX_BYTES", &[&format!("{{{labels}}} 8")]);
}
