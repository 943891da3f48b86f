//! Points in, points out, in the one-line notation, with a clock that stands until it is moved.

use std::time::Duration;

use super::*;
use crate::notation;

mod deriving;
mod serving;

/// When the tests begin: 1000 seconds after 1970.
const START: u64 = 1000;

struct Bench {
    processor: GpuAttribution,
    registry: Arc<Registry>,
    /// Receivers hold their series.
    held: Vec<Batch>,
}

impl Bench {
    fn new() -> Self {
        Self::of(100_000, true)
    }

    fn of(live_max: usize, derives: bool) -> Self {
        let registry = Arc::new(Registry::new(live_max));
        let clock = Clock::starting_at(START * SECOND);
        let processor = GpuAttribution::new(registry.clone(), clock, derives);
        Self { processor, registry, held: Vec::new() }
    }

    /// Moves time on.
    async fn pass(&self, seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Takes points of this moment; gives what goes on, without times.
    fn take(&mut self, text: &str) -> String {
        let mut batch = notation::parse(text, &self.registry).unwrap();
        let now = self.processor.clock.unix_nano();
        for point in &mut batch {
            point.time_unix_nano = now;
        }
        self.held.push(batch.clone());
        self.processor.process(&mut batch);
        lines(&batch)
    }

    fn tick(&mut self) -> String {
        lines(&self.processor.tick())
    }

    /// What is derived now, of one metric, without what it has in common with the others.
    fn derived(&mut self, metric: &str) -> String {
        let name = format!(" gen_ai.server.gpu.{metric}{{");
        let all = self.tick();
        let lines = all.lines().filter(|line| line.contains(&name)).map(short);
        lines.collect::<Vec<_>>().join("; ")
    }
}

/// A point a line, without times, resources and scopes.
fn lines(batch: &Batch) -> String {
    let mut batch = batch.clone();
    for point in &mut batch {
        (point.time_unix_nano, point.start_unix_nano) = (0, 0);
    }
    let text = notation::write(&batch);
    let is_point = |line: &&str| !["resource", "scope", "about"].iter().any(|word| line.starts_with(word));
    text.lines().filter(is_point).collect::<Vec<_>>().join("\n")
}

/// `model board = value` of a derived line.
fn short(line: &str) -> String {
    let of = |key: &str| {
        let (_, rest) = line.split_once(&format!("{key}=\""))?;
        Some(rest.split_once('"')?.0)
    };
    let value = line.split_once(" = ").unwrap().1;
    let names = [of(MODEL), of("hw.id")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    format!("{names} = {value}")
}

/// The points of a board.
fn board(id: &str, utilization: f64, joules: u64) -> String {
    format!(
        "resource {{host.name=\"node\"}}\n\
         gauge hw.gpu.utilization{{hw.id=\"{id}\",hw.type=\"gpu\"}} [1] = {utilization:?}\n\
         updown hw.gpu.memory.limit{{hw.id=\"{id}\",hw.type=\"gpu\"}} [By] = 1000\n\
         counter hw.energy{{hw.id=\"{id}\",hw.type=\"gpu\"}} [J] = {joules}\n"
    )
}

/// The points of a process: its memory, and how busy it keeps the board where that is known.
fn process(id: &str, pid: u32, port: u16, bytes: u64, utilization: Option<f64>) -> String {
    let labels = format!("{{hw.id=\"{id}\",hw.type=\"gpu\",process.pid={pid},server.port={port}}}");
    let memory = format!(
        "resource {{host.name=\"node\"}}\nupdown hw.gpu.process.memory.usage{labels} [By] = {bytes}\n"
    );
    let utilization =
        utilization.map(|share| format!("gauge hw.gpu.process.utilization{labels} [1] = {share:?}\n"));
    memory + &utilization.unwrap_or_default()
}

/// The points of a runner.
fn runner(port: u16, model: &str, tokens: u64, running: u64) -> String {
    format!(
        "resource {{inferometer.runner=\"vllm\",server.address=\"127.0.0.1\",server.port={port}}}\n\
         counter gen_ai.server.generation_tokens{{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"{model}\"}} = {tokens}\n\
         gauge gen_ai.server.requests.running{{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"{model}\"}} = {running}\n\
         gauge gen_ai.server.memory.utilization.limit{{gen_ai.provider.name=\"vllm\",gen_ai.request.model=\"{model}\"}} = 0.5\n"
    )
}

/// One of tokio's clocks, stopped.
fn run(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(test);
}
