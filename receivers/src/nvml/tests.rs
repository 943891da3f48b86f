//! The whole receiver on machines that a script describes: what is said of faults, and how they end.

mod boards;
mod faults;
mod life;
mod mig;
mod page;
mod xid;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::net::Net;
use pipeline::output::Sink;
use pipeline::point::Value;
use pipeline::{Clock, Registry, Series, ValueRef, mapping};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::*;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_mins(2);

/// A machine with a receiver that reads it.
struct Machine {
    folder: TempDir,
    sink: Sink,
    stop: CancellationToken,
    work: Option<JoinHandle<()>>,
    /// The last point of each series: its value, or none where it has ended.
    page: HashMap<Series, (u64, Option<f64>)>,
    registry: Arc<Registry>,
    term: Term,
}

/// The fake library as cargo has built it.
fn library() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let mut found = test.ancestors().skip(1).take(2).map(|folder| folder.join("libfake_nvml.so"));
    let found = found.find(|path| path.exists());
    found.expect("the fake library is built: `cargo build -p inferometer-fake-nvml`")
}

fn context(registry: &Arc<Registry>) -> Context {
    Context {
        id: "nvml".to_owned(),
        registry: registry.clone(),
        clock: Clock::system(),
        meter: NoopMeterProvider::new().meter("test").into(),
        net: Arc::new(Net::default()),
        mappings: Arc::new(mapping::Live::default()),
        storages: Arc::default(),
    }
}

impl Machine {
    /// A machine without a receiver and without a library.
    fn bare() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(folder.path().join("host/proc")).unwrap();
        Self {
            folder,
            sink: Sink::new(),
            stop: CancellationToken::new(),
            work: None,
            page: HashMap::new(),
            registry: Arc::new(Registry::new(1_000_000)),
            term: Term::default(),
        }
    }

    /// A machine that the script describes, read with the section's defaults but for the intervals.
    async fn start(script: &str) -> Self {
        Self::start_with(script, "").await
    }

    async fn start_with(script: &str, section: &str) -> Self {
        let mut machine = Self::bare();
        machine.script(script);
        machine.install();
        machine.read_with(section).await;
        machine
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts the library where it is looked for.
    fn install(&self) {
        let path = self.path("nvml.so");
        fs::copy(library(), path.with_extension("new")).unwrap();
        fs::rename(path.with_extension("new"), path).unwrap();
    }

    /// What the machine is from now on.
    fn script(&self, script: &str) {
        let path = self.path("nvml.yaml");
        fs::write(path.with_extension("next"), script).unwrap();
        fs::rename(path.with_extension("next"), path).unwrap();
    }

    async fn read_with(&mut self, section: &str) {
        let yaml = format!(
            "collection_interval: 50ms\ntimeout: 1s\nlibrary_path: {}\nroot_path: {}\n{section}",
            self.path("nvml.so").display(),
            self.path("host").display(),
        );
        let section = Section::from_yaml("receivers.nvml", &yaml).unwrap();
        let mut receiver = build(&section, &context(&self.registry)).unwrap();
        receiver.begin(self.term.clone());
        let running = receiver.start(self.sink.output(), self.stop.clone()).await.unwrap();
        self.work = Some(tokio::spawn(running.work));
    }

    fn take(&mut self) {
        for point in self.sink.take().into_iter().flatten() {
            let value = match point.value {
                Value::Int(number) => Some(number as f64),
                Value::Double(number) => Some(number),
                _ => None,
            };
            let last = self.page.entry(point.series).or_default();
            assert!(point.time_unix_nano >= last.0, "a point is older than the one before it");
            *last = (point.time_unix_nano, value);
        }
    }

    /// The values of the series that there are, of a metric with all these attributes.
    fn values(&self, metric: &str, attributes: &[(&str, &str)]) -> Vec<f64> {
        let wanted = self.page.iter().filter(|(series, _)| is(series, metric, attributes));
        wanted.filter_map(|(_, (_, value))| *value).collect()
    }

    fn value(&self, metric: &str, attributes: &[(&str, &str)]) -> Option<f64> {
        let values = self.values(metric, attributes);
        assert!(values.len() <= 1, "{metric}{attributes:?} is not one series: {values:?}");
        values.first().copied()
    }

    /// Waits until something holds of the page.
    #[track_caller]
    fn wait_until(
        &mut self,
        what: impl std::fmt::Display,
        holds: impl Fn(&Self) -> bool,
    ) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let deadline = Instant::now() + PATIENCE;
            loop {
                self.take();
                if holds(self) {
                    return;
                }
                assert!(Instant::now() < deadline, "{place}: waited in vain for {what}; {}", self.text());
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// Waits until a series has this value, or, for none, until there is no such series.
    #[track_caller]
    fn wait_for(
        &mut self,
        metric: &str,
        attributes: &[(&str, &str)],
        value: Option<f64>,
    ) -> impl Future<Output = ()> {
        let what = format!("{metric}{attributes:?} to be {value:?}");
        let (metric, attributes) = (metric.to_owned(), attributes.iter());
        let attributes: Vec<_> =
            attributes.map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        self.wait_until(what, move |machine| {
            let attributes: Vec<_> =
                attributes.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
            match value {
                Some(value) => machine.values(&metric, &attributes) == [value],
                None => machine.values(&metric, &attributes).is_empty(),
            }
        })
    }

    /// How often a board was read since now: waits for points that are newer.
    async fn wait_for_new(&mut self, metric: &str, attributes: &[(&str, &str)]) {
        self.take();
        let newest = |machine: &Self| {
            let of = machine.page.iter().filter(|(series, _)| is(series, metric, attributes));
            of.map(|(_, (time, _))| *time).max()
        };
        let last = newest(self);
        self.wait_until("newer points", |machine| newest(machine) > last).await;
    }

    /// Stops the receiver; fails where that takes as long as a board hangs.
    async fn stop(&mut self) {
        self.stop.cancel();
        let work = self.work.take().unwrap();
        tokio::time::timeout(PATIENCE / 2, work).await.expect("the receiver ends").unwrap();
        self.take();
    }

    fn text(&self) -> String {
        let mut lines: Vec<_> = self
            .page
            .iter()
            .filter(|(series, _)| series.metric().name.ends_with("up") || series.metric().name == "hw.status")
            .map(|(series, (_, value))| format!("{series:?} {value:?}"))
            .collect();
        lines.sort();
        let mut text = format!("{} series:", self.page.len());
        for line in lines {
            let _ = write!(text, "\n{line}");
        }
        text
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.stop.cancel();
        // Lets go of calls that hang, so that no thread holds the library when the test's process ends.
        self.script("gpus: 0");
    }
}

fn is(series: &Series, metric: &str, attributes: &[(&str, &str)]) -> bool {
    series.metric().name == metric
        && attributes.iter().all(|(key, wanted)| match series.attributes().get(key) {
            Some(ValueRef::String(text)) => text == *wanted,
            Some(ValueRef::Int(number)) => number.to_string() == *wanted,
            // `-` is an attribute that is not there.
            None => *wanted == "-",
            _ => false,
        })
}

/// Boards with a few values; `more` is put behind.
fn boards(count: usize, more: &str) -> String {
    format!(
        "base:\n  name: NVIDIA H100 80GB HBM3\n  memory: {{total: 1000, used: 100, reserved: 10}}\n  \
         power: {{usage: 300000, energy: {{grow: 300000}}}}\n  temperature: {{gpu: 40}}\n  \
         utilization: {{gpu: 50, memory: 10}}\n  performance_state: 0\n  recovery_action: 0\n  cores: 100\n  \
         throttle: {{reasons: 0, supported: 511}}\n  rows: {{corrected: 0, uncorrected: 0, pending: 0, failed: 0}}\n\
         gpus: {count}\n{more}"
    )
}

/// The attribute that names a board.
fn gpu(index: &'static str) -> (&'static str, &'static str) {
    ("hw.gpu.index", index)
}
