//! What one collection of eight boards costs, with every group that is on by default.
//!
//! The library is the fake one, whose own time is a part of what is measured; what is left without it is printed.
//! A real driver takes longer than both.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use receivers::NvmlBench;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

const BOARDS: &str = include_str!("../../integration/fake_nvml/scripts/h100x8.yaml");

/// A machine in a folder: the library and its script.
struct Machine {
    bench: NvmlBench,
    _folder: tempfile::TempDir,
}

fn main() {
    let mut machine = Machine::new();
    machine.bench.collect();
    let (mut ours, mut points) = (Duration::MAX, 0);
    for _ in 0..100 {
        let begun = Instant::now();
        let (count, librarys) = machine.bench.collect();
        ours = ours.min(begun.elapsed().saturating_sub(librarys));
        points = count;
    }
    println!("without the library's own time: {ours:?} for {points} points");
    divan::main();
}

impl Machine {
    fn new() -> Self {
        let program = std::env::current_exe().expect("a program knows its own path");
        let beside = program.ancestors().skip(1).take(2).map(|folder| folder.join("libfake_nvml.so"));
        let library = beside.into_iter().find(|path: &PathBuf| path.exists());
        let library = library.expect("the fake library is built with the benchmark");
        let folder = tempfile::tempdir().expect("a folder can be made");
        let path = folder.path().join("nvml.so");
        std::fs::copy(library, &path).expect("the library can be copied");
        std::fs::write(folder.path().join("nvml.yaml"), BOARDS).expect("the script can be written");
        Self { bench: NvmlBench::new(&path.to_string_lossy(), ""), _folder: folder }
    }
}

#[divan::bench]
fn collection(bencher: Bencher) {
    let mut machine = Machine::new();
    let (points, _) = machine.bench.collect();
    bencher.counter(ItemsCount::new(points)).bench_local(|| machine.bench.collect());
}
