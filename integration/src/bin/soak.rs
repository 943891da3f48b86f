//! Runs the collector for long under a steady load with churn and faults, and watches what must stay flat.
//!
//! ```text
//! soak [SECONDS] [FILE] [SPEED]     3600 unless given; a line each ten seconds goes to FILE as CSV
//! ```
//!
//! With a `SPEED` of 20 the collector's clock goes so much faster (by Debian's package `faketime`), and with it all
//! that is told here in minutes: an hour of churn takes three minutes. `SECONDS` are then those of the collector.
//!
//! 1,000 points a second come in by gRPC from sources that change each minute; a target of 1,000 series is
//! scraped, a tenth of which change each minute; the host is read. All of it goes out to a backend through a
//! queue on disk, and to the pull endpoint. Every five minutes the backend is away for half a minute; every
//! seven it refuses seven requests of ten for a minute; every ten minutes the configuration is loaded anew,
//! changed. At the end every acknowledged point must have arrived.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::{Duration, Instant};

use integration::{Backend, Behaviour, Collector, Gate, Load, Target, wait_until};

const SAMPLE: Duration = Duration::from_secs(10);
const MINUTE: u64 = 60;

/// Where Debian's package `faketime` has its library.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";

/// What the collector is among.
struct World {
    backend: Backend,
    gate: Gate,
    target: Target,
    collector: Collector,
    configs: [String; 2],
}

/// What is watched, once each [`SAMPLE`].
struct Sample {
    seconds: u64,
    memory_kib: u64,
    /// What of it the kernel cannot take back.
    anonymous_kib: u64,
    descriptors: usize,
    threads: usize,
    queued: f64,
    live_series: f64,
    disk_kib: u64,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let seconds: u64 = arguments.next().map_or(3600, |text| text.parse().expect("SECONDS is a number"));
    let mut file = arguments.next().map(|path| std::fs::File::create(path).expect("FILE can be written"));
    let speed: u32 = arguments.next().map_or(1, |text| text.parse().expect("SPEED is a number"));
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let backend = Backend::start(Behaviour::Accept).await;
    let gate = Gate::open(&backend.address).await;
    let target = Target::start(exposition(0)).await;
    let configs = ["a", "b"].map(|label| configuration(&gate, &target, folder.path(), label));
    let variables = clock(speed);
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let collector = Collector::spawn_with(&configs[0], &[], &variables);
    collector.wait_for_log("INFO ready").await;
    let endpoint = format!("http://{}", collector.address("gRPC on "));
    let mut world = World { backend, gate, target, collector, configs };
    let sources = tokio::spawn(load(endpoint, seconds, speed));

    let header = "seconds,memory_kib,anonymous_kib,descriptors,threads,queued,live_series,disk_kib";
    if let Some(file) = &mut file {
        writeln!(file, "{header}").expect("FILE can be written");
    }
    let (start, mut samples) = (Instant::now(), Vec::new());
    let mut interval = tokio::time::interval(SAMPLE / speed);
    let elapsed = || (start.elapsed() * speed).as_secs();
    while elapsed() < seconds {
        interval.tick().await;
        let elapsed = elapsed();
        world.disturb(elapsed).await;
        let sample = Sample::take(elapsed, &world.collector, folder.path()).await;
        if let Some(file) = &mut file {
            writeln!(file, "{}", sample.line()).expect("FILE can be written");
        }
        samples.push(sample);
    }
    let World { backend, mut gate, mut collector, .. } = world;
    if gate.is_shut() {
        gate.reopen().await;
    }
    backend.behave(Behaviour::Accept);
    let ledgers = sources.await.expect("the load ends");
    let lost_and_doubled = || {
        // A copy of all that was seen, so once for all ledgers.
        let seen = backend.seen();
        let each = ledgers.iter().map(|ledger| ledger.lost_and_doubled(&seen));
        each.fold((0, 0), |sum, (lost, doubled)| (sum.0 + lost, sum.1 + doubled))
    };
    wait_until("every acknowledged point", || async { lost_and_doubled().0 == 0 }, || collector.log()).await;
    let success = collector.stop().await.success();
    let (_, doubled) = lost_and_doubled();
    let acknowledged: u64 = ledgers.iter().map(|ledger| ledger.acknowledged).sum();
    println!("{acknowledged} acknowledged, 0 lost, {doubled} doubled, clean stop {success}");
    print!("{}", report(&samples));
}

/// What makes the collector's clocks go so much faster.
fn clock(speed: u32) -> Vec<(&'static str, String)> {
    if speed == 1 {
        return Vec::new();
    }
    vec![("LD_PRELOAD", String::from(FAKETIME)), ("FAKETIME", format!("+0 x{speed}"))]
}

/// One source a minute, each with series of its own.
async fn load(endpoint: String, seconds: u64, speed: u32) -> Vec<integration::Ledger> {
    let mut ledgers = Vec::new();
    for minute in 0..seconds.div_ceil(MINUTE) {
        let load = Load {
            endpoint: endpoint.clone(),
            source: format!("minute-{minute}"),
            requests: MINUTE.min(seconds - minute * MINUTE) * 10 / u64::from(speed),
            points_per_request: 100,
            interval: Duration::from_millis(100),
        };
        ledgers.push(load.run().await);
    }
    ledgers
}

impl World {
    /// What happens at this second, to the next [`SAMPLE`].
    async fn disturb(&mut self, seconds: u64) {
        let step = SAMPLE.as_secs();
        let comes = |period: u64, at: u64| {
            (seconds % (period * MINUTE)).abs_diff(at * MINUTE) < step && seconds > step
        };
        match seconds % (5 * MINUTE) / step {
            24 if !self.gate.is_shut() => self.gate.shut().await,
            27 if self.gate.is_shut() => self.gate.reopen().await,
            _ => {}
        }
        let refuses = seconds % (7 * MINUTE) >= 6 * MINUTE;
        self.backend.behave(if refuses { Behaviour::RefusePercent(70) } else { Behaviour::Accept });
        if comes(1, 0) {
            let headers = "Content-Type: text/plain; version=0.0.4\r\n";
            self.target.serve(200, headers, exposition(seconds / MINUTE));
        }
        if comes(10, 5) {
            let turn = seconds / (10 * MINUTE) + 1;
            self.collector.reload(&self.configs[turn as usize % 2]).await;
        }
    }
}

/// A thousand series, of which a hundred are other ones each minute.
fn exposition(minute: u64) -> String {
    let mut page = String::from("# TYPE soak gauge\n");
    for lane in 0..1_000 {
        let generation = if lane < 100 { minute } else { 0 };
        let _ = writeln!(page, "soak{{lane=\"{lane}\",generation=\"{generation}\"}} {minute}");
    }
    page
}

fn configuration(gate: &Gate, target: &Target, folder: &std::path::Path, label: &str) -> String {
    format!(
        "
extensions:
  file_storage: {{directory: '{}/queue', create_directory: true}}
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: '127.0.0.1:0'}}}}}}
  host_metrics: {{collection_interval: 15s, scrapers: {{cpu: {{}}, memory: {{}}, disk: {{}}, network: {{}}, filesystem: {{}}}}}}
  prometheus: {{config: {{scrape_configs: [{{job_name: t, scrape_interval: 15s, static_configs: [{{targets: ['{}']}}]}}]}}}}
processors:
  attributes: {{actions: [{{key: turn, value: {label}, action: upsert}}]}}
exporters:
  otlp_grpc:
    endpoint: http://{}
    sending_queue: {{storage: file_storage, queue_size: 1000000}}
    retry_on_failure: {{initial_interval: 1s, max_interval: 5s}}
  prometheus: {{endpoint: '127.0.0.1:0'}}
service:
  extensions: [file_storage]
  telemetry: {{metrics: {{readers: [{{pull: {{exporter: {{prometheus: {{port: 0}}}}}}}}]}}}}
  pipelines:
    metrics: {{receivers: [otlp, host_metrics, prometheus], processors: [attributes], exporters: [otlp_grpc, prometheus]}}
",
        folder.display(),
        target.address,
        gate.address,
    )
}

impl Sample {
    async fn take(seconds: u64, collector: &Collector, folder: &std::path::Path) -> Self {
        let own =
            |name: &'static str| async move { collector.own_sample(name, &[]).await.unwrap_or(f64::NAN) };
        Self {
            seconds,
            memory_kib: collector.memory_kib().1,
            anonymous_kib: collector.anonymous_kib(),
            descriptors: collector.descriptors(),
            threads: std::fs::read_dir(format!("/proc/{}/task", collector.id())).map_or(0, Iterator::count),
            queued: own("inferometer_exporter_queue_points").await,
            live_series: own("inferometer_series_live").await,
            disk_kib: size_kib(&folder.join("queue")),
        }
    }

    fn line(&self) -> String {
        format!(
            "{},{},{},{},{},{},{},{}",
            self.seconds,
            self.memory_kib,
            self.anonymous_kib,
            self.descriptors,
            self.threads,
            self.queued,
            self.live_series,
            self.disk_kib
        )
    }
}

fn size_kib(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => size_kib(&entry.path()),
        Ok(metadata) => metadata.len() / 1024,
        Err(_) => 0,
    });
    sizes.sum()
}

/// The slope after the first third, by least squares, and a graph of the memory.
fn report(samples: &[Sample]) -> String {
    let settled = &samples[samples.len() / 3..];
    let count = settled.len() as f64;
    let mean = |value: fn(&Sample) -> f64| settled.iter().map(value).sum::<f64>() / count;
    let (hours, memory) = (
        |sample: &Sample| sample.seconds as f64 / 3600.0,
        |sample: &Sample| sample.memory_kib as f64 / 1024.0,
    );
    let (mean_hours, mean_memory) = (mean(hours), mean(memory));
    let covariance: f64 =
        settled.iter().map(|sample| (hours(sample) - mean_hours) * (memory(sample) - mean_memory)).sum();
    let variance: f64 = settled.iter().map(|sample| (hours(sample) - mean_hours).powi(2)).sum();
    let range = |value: fn(&Sample) -> u64| {
        let values = || settled.iter().map(value);
        format!("{} to {}", values().min().unwrap_or(0), values().max().unwrap_or(0))
    };
    let mut text = format!(
        "memory {mean_memory:.1} MiB, slope {:+.2} MiB an hour; descriptors {}; threads {}; series {}; disk {} KiB\n",
        covariance / variance,
        range(|sample| sample.descriptors as u64),
        range(|sample| sample.threads as u64),
        range(|sample| sample.live_series as u64),
        range(|sample| sample.disk_kib),
    );
    let most = samples.iter().map(memory).fold(1.0, f64::max);
    for chunk in samples.chunks(samples.len().div_ceil(30).max(1)) {
        let memory = chunk.iter().map(memory).fold(0.0, f64::max);
        let bar = "#".repeat((memory / most * 60.0) as usize);
        let _ = writeln!(text, "{:>6} s {memory:>7.1} MiB {bar}", chunk[0].seconds);
    }
    text
}
