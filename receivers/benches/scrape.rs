//! What a scraped line costs: the first time, and from then on.

use std::fmt::Write;
use std::sync::LazyLock;

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use receivers::prometheus::{Format, ReaderBench};

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const SAMPLES: usize = 100_000;

/// Histograms as a model server has them, and gauges; the numbers differ between the two bodies.
static BODIES: LazyLock<[String; 2]> = LazyLock::new(|| [body(1), body(7)]);

fn main() {
    divan::main();
}

fn body(seed: usize) -> String {
    const BOUNDS: [&str; 22] = [
        "0.001", "0.005", "0.01", "0.02", "0.04", "0.06", "0.08", "0.1", "0.25", "0.5", "0.75", "1.0", "2.5",
        "5.0", "7.5", "10.0", "20.0", "40.0", "80.0", "160.0", "640.0", "+Inf",
    ];
    let mut body = String::new();
    let mut samples = 0;
    for metric in 0.. {
        if samples >= SAMPLES {
            break;
        }
        let name = format!("vllm:request_latency_{metric}_seconds");
        let _ = writeln!(body, "# HELP {name} Histogram of a latency in seconds.\n# TYPE {name} histogram");
        for engine in 0..20 {
            let labels = format!("engine=\"{engine}\",model_name=\"meta-llama/Llama-3.1-70B-Instruct\"");
            for (index, bound) in BOUNDS.iter().enumerate() {
                let count = (index + 1) * seed * 13;
                let _ = writeln!(body, "{name}_bucket{{{labels},le=\"{bound}\"}} {count}.0");
            }
            let count = BOUNDS.len() * seed * 13;
            let _ = writeln!(body, "{name}_count{{{labels}}} {count}.0");
            let _ = writeln!(body, "{name}_sum{{{labels}}} {}", count as f64 * 0.123456789);
        }
        let gauge = format!("vllm:cache_usage_{metric}_perc");
        let _ = writeln!(body, "# HELP {gauge} How full the cache is.\n# TYPE {gauge} gauge");
        for engine in 0..320 {
            let value = (engine * seed) as f64 / 1234.5;
            let _ = writeln!(
                body,
                "{gauge}{{engine=\"{engine}\",model_name=\"meta-llama/Llama-3.1-70B-Instruct\"}} {value}"
            );
        }
        samples += 20 * 24 + 320;
    }
    body
}

fn lines(body: &str) -> usize {
    body.lines().filter(|line| !line.starts_with('#')).count()
}

#[divan::bench]
fn steady(bencher: Bencher) {
    let mut reader = ReaderBench::new();
    reader.read(BODIES[0].as_bytes(), Format::Text);
    let mut turn = 0;
    bencher.counter(ItemsCount::new(lines(&BODIES[0]))).bench_local(|| {
        turn = 1 - turn;
        reader.read(BODIES[turn].as_bytes(), Format::Text)
    });
}

#[divan::bench]
fn first_time(bencher: Bencher) {
    bencher
        .counter(ItemsCount::new(lines(&BODIES[0])))
        .with_inputs(ReaderBench::new)
        .bench_local_refs(|reader| reader.read(BODIES[0].as_bytes(), Format::Text));
}
