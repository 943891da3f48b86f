//! Finds the model runners of this machine, and scrapes them.
//!
//! ```yaml
//! receivers:
//!   runners: {}
//! ```
//!
//! Every 30 seconds [`watch`] looks at the ports that runners have; [`probe`] finds out what is there. What was
//! found is scraped as the targets of the `prometheus` receiver are, with a resource that says who it is.

mod answers;
mod ask;
mod config;
mod discover;
mod found;
mod live;
mod page;
mod probe;
mod runner;
mod sockets;
#[cfg(test)]
mod tests;
mod watch;

use std::time::Duration;

use ::config::{Problems, Section};
use futures_util::future::BoxFuture;
use pipeline::Output;
use pipeline::component::{BoxError, Context, Receiver, ReceiverEntry, Running};
use pipeline::succession::Term;
use pipeline::telemetry::{ReceiverMetrics, ScraperMetrics};
use tokio_util::sync::CancellationToken;

pub use config::Config;
pub use discover::{Discovered, discover, to_json};

use crate::prometheus::scrape::Metrics;
use live::Shared;
use watch::Watch;

/// The receiver's place in the list.
pub const ENTRY: ReceiverEntry = ReceiverEntry {
    name: "runners",
    aliases: &[],
    ignored: &[],
    about: "Finds the model runners of this machine, and scrapes them.",
    example: r"
ports: [8000, 8080, 30000]
exclude: [9000]
addresses:
  - address: 127.0.0.1:4000
    authorization: {credentials: a-key}
",
    effective: ::config::effective::<Config>,
    build,
};

/// How long the start waits for the first round; what answers later is found in the next.
const FIRST_ROUND_MAX: Duration = Duration::from_secs(3);

struct RunnersReceiver {
    config: Config,
    context: Context,
    term: Term,
}

fn build(section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    section.build(|config: Config| {
        let problems = config.problems(section);
        if !problems.is_empty() {
            return Err(Problems(problems));
        }
        let receiver = RunnersReceiver { config, context: context.clone(), term: Term::default() };
        Ok(Box::new(receiver) as Box<dyn Receiver>)
    })
}

impl Receiver for RunnersReceiver {
    fn begin(&mut self, term: Term) {
        self.term = term;
    }

    /// Looks around once before it returns: what is found by then goes on with the series of the receiver
    /// before.
    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        Box::pin(async move {
            let Self { config, context, term } = *self;
            let metrics = Metrics {
                receiver: ReceiverMetrics::new(&context.meter, &context.id, "http"),
                scraper: ScraperMetrics::new(&context.meter, &context.id, ENTRY.name),
            };
            let interval = config.interval.0;
            let mut watch = Watch::new(config, Shared { context, metrics, term, output, stop: stop.clone() });
            let _ = tokio::time::timeout(FIRST_ROUND_MAX, watch.round()).await;
            let notes = watch.notes();
            let notes = if notes.is_empty() { vec!["no runner yet".to_owned()] } else { notes };
            let work = async move {
                let rounds = async {
                    loop {
                        tokio::time::sleep(interval).await;
                        watch.round().await;
                    }
                };
                tokio::select! {
                    biased;
                    () = stop.cancelled() => {}
                    () = rounds => {}
                }
                watch.finish().await;
            };
            Ok(Running { notes, work: Box::pin(work) })
        })
    }
}

/// The body of the fuzz target: reads bytes as each answer of a runner. Nothing may panic, and no name may
/// break a line or be long.
pub fn fuzz_answers(bytes: &[u8]) {
    let _ = page::read(bytes);
    let _ = answers::is_iterations(bytes);
    let _ = answers::is_triton(bytes);
    let properties = answers::Properties::read(bytes);
    let info = answers::Info::read(bytes);
    let models = answers::Models::read(bytes).unwrap_or_default();
    let routed = models.routed.into_iter().flatten().map(|model| model.id);
    let names = [properties.version, properties.model, info.version, info.model, answers::version(bytes)];
    for name in names.into_iter().chain(models.ids).chain(routed) {
        assert!(name.len() <= answers::NAME_BYTES_MAX && !name.contains('\n'), "{name}");
    }
}
