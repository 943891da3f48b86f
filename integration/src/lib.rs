//! Runs the real binary from outside, with targets to scrape, backends to push to and load to carry.

mod account;
mod backend;
mod bomb;
mod certificates;
mod collector;
pub mod faults;
mod gate;
mod group;
mod http;
mod http_backend;
mod load;
mod name_server;
mod node_exporter;
mod peer;
mod prometheus;
mod random;
mod remote_write;
mod repeats;
mod server;
mod setup;
mod steady;
mod strict;
mod surge;
mod target;

pub use account::{Account, Point, Times, Totals};
pub use backend::{Backend, Behaviour};
pub use bomb::{gzip_bomb, zstd_bomb};
pub use certificates::{Authority, Issued};
pub use collector::{Collector, binary, find_sample, wait_until};
pub use demo::{DOUBLING, Replay};
pub use gate::{Gate, Way};
pub use group::Group;
pub use http::{Response, get, get_with, request};
pub use http_backend::{Answer, HttpBackend};
pub use load::{Ledger, Load, flood};
pub use name_server::{NameServer, Saying};
pub use node_exporter::NodeExporter;
pub use peer::{Peer, Reply, Seen};
pub use prometheus::{Prometheus, promtool};
pub use random::random_requests;
pub use repeats::Repeats;
pub use server::{Server, free_address, installed, peer};
pub use setup::{job, scraping, with_pipeline};
pub use steady::{Door, Doors, Entries, Sending, Steady};
pub use strict::{Demands, Strict};
pub use surge::{Refusals, Surge};
pub use target::Target;

use std::path::{Path, PathBuf};

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("the crate is in a folder of the workspace")
        .to_owned()
}

/// A file that tests may read where it is there; says so where it is not.
pub fn outside(path: &str) -> Option<PathBuf> {
    let path = root().join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// Whether the real counterparts (a Prometheus, the Python SDK) were installed for this run.
///
/// `./test.sh` installs them and says so; a bare `cargo test` goes without.
pub fn has_counterparts() -> bool {
    let has = std::env::var_os("INFEROMETER_COUNTERPARTS").is_some();
    if !has {
        eprintln!("skipped: run `./test.sh` to test against the real counterparts");
    }
    has
}
