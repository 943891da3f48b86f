//! What one reading of the machine it runs on costs.

use divan::counter::ItemsCount;
use divan::{AllocProfiler, Bencher};
use receivers::HostBench;

#[global_allocator]
static ALLOCATOR: AllocProfiler = AllocProfiler::system();

fn main() {
    divan::main();
}

/// Each scraper by itself, all that are on by default together, and these with the kernel's tables.
const SCRAPERS: [&str; 19] = [
    "{}",
    "{cpu: , load: , memory: , numa: , paging: , disk: , filesystem: , network: , infiniband: , nfs: , hardware: , processes: , process: , cgroup: , clock: , system: , linux: }",
    "{cpu: }",
    "{load: }",
    "{memory: }",
    "{numa: }",
    "{paging: }",
    "{disk: }",
    "{filesystem: }",
    "{network: }",
    "{infiniband: }",
    "{nfs: }",
    "{hardware: }",
    "{processes: }",
    "{process: }",
    "{cgroup: }",
    "{clock: }",
    "{system: }",
    "{linux: }",
];

#[divan::bench(args = SCRAPERS)]
fn scrape(bencher: Bencher, scrapers: &str) {
    let mut host = HostBench::new(scrapers);
    let points = host.scrape();
    bencher.counter(ItemsCount::new(points)).bench_local(|| host.scrape());
}
