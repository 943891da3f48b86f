//! What a point costs in a queue on disk, and how fast a log is opened.
//!
//! `cargo bench -p inferometer-pipeline --bench storage`; the folder is made in `TMPDIR`. Items are points.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use config::ByteSize;
use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::metrics::noop::NoopMeterProvider;
use pipeline::storage::{Config, Fsync, Log, Storages};
use pipeline::{Batch, Clock, Registry, notation};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// Points in a batch.
const POINTS: usize = 1000;

/// Batches that wait for the disk at once, as those of so many senders would.
const SENDERS: usize = 32;

/// How large the log is that is opened.
const OPENED: ByteSize = ByteSize::mib(256);

/// What must hold for a benchmark to mean anything.
const GOOD: &str = "the disk can be written";

fn main() {
    print_bytes_a_point();
    divan::main();
}

/// Points of 100 metrics with five attributes each, as a runner has them.
fn batch() -> Arc<Batch> {
    let mut text = String::from("resource {service.name=\"vllm\",host.name=\"gpu-node-0001\"}\n");
    for index in 0..POINTS {
        let (metric, server) = (index / 10, index % 10);
        let _ = writeln!(
            text,
            "gauge runner_metric_{metric}{{model_name=\"some-org/some-model-70b\",engine=\"{server}\",\
             worker=\"{index}\",namespace=\"inference\",pod=\"model-server-{server:06}\"}} = {index}.5 \
             @1700000000000000000"
        );
    }
    Arc::new(notation::parse(&text, &Registry::new(POINTS * 2)).expect("the points are well written"))
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime can be made")
}

fn open(folder: &TempDir, fsync: Fsync) -> Arc<Log> {
    let directory = folder.path().to_str().expect("the path is text").to_owned();
    let config = Config { directory, fsync, max_size: ByteSize::mib(2048), ..Config::default() };
    let storages = Storages::default().with(HashMap::from([(String::from("file_storage"), config)]));
    let meter = NoopMeterProvider::new().meter("bench").into();
    runtime().block_on(storages.open("file_storage", &meter, &Clock::system())).expect(GOOD)
}

/// Adds batches side by side until so many are added; settles each where that is asked for.
fn add(runtime: &Runtime, log: &Arc<Log>, batch: &Arc<Batch>, batches: usize, settle: bool) {
    let reader = log.reader("otlp").expect("the place is free").0;
    runtime.block_on(async {
        let appends: Vec<_> = (0..batches).map(|_| log.append(batch, &[&reader], None)).collect();
        for append in appends {
            append.written.await.expect(GOOD);
            if settle {
                reader.settler().settle(append.sequence);
            }
        }
    });
}

fn print_bytes_a_point() {
    let folder = tempfile::tempdir().expect(GOOD);
    let log = open(&folder, Fsync::Never);
    add(&runtime(), &log, &batch(), 1, false);
    let bytes = log.reader("otlp").expect("the place is free").1.bytes;
    println!("a point takes {} bytes on disk, in batches of {POINTS}", bytes as f64 / POINTS as f64);
}

#[divan::bench(args = ["never", "always"])]
fn add_and_settle(bencher: Bencher, fsync: &str) {
    let fsync = if fsync == "always" { Fsync::Always } else { Fsync::Never };
    let (folder, runtime, batch) = (tempfile::tempdir().expect(GOOD), runtime(), batch());
    let log = open(&folder, fsync);
    bencher
        .counter(ItemsCount::new(SENDERS * POINTS))
        .bench_local(|| add(&runtime, &log, &batch, SENDERS, true));
}

/// From the page cache; a gibibyte takes four times as long.
#[divan::bench(sample_count = 10)]
fn open_a_log(bencher: Bencher) {
    let (folder, runtime, batch) = (tempfile::tempdir().expect(GOOD), runtime(), batch());
    let log = open(&folder, Fsync::Never);
    while log.reader("otlp").expect("the place is free").1.bytes < OPENED.0 {
        add(&runtime, &log, &batch, SENDERS, false);
    }
    drop(log);
    bencher.counter(BytesCount::new(OPENED.0)).bench_local(|| open(&folder, Fsync::Never));
}
