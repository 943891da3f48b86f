//! Reads NVIDIA GPUs by the driver's library, NVML.
//!
//! Each GPU is read on a thread of its own ([`worker`], [`rounds`]), so that one that hangs delays nobody else;
//! [`keeper`] has the library, [`watcher`] watches the threads and hands over what they read. What is read is in
//! [`groups`]; what can go wrong is a state of the library or of a board ([`fault`]), never the end of the collector.

mod bench;
mod board;
mod choice;
mod config;
mod events;
mod fault;
mod fields;
mod groups;
mod health;
mod identity;
mod instances;
mod keeper;
mod kernel_log;
mod library;
mod life;
mod owners;
mod pulse;
mod rounds;
mod sleep;
mod states;
mod watched;
mod watcher;
mod worker;
mod xids;

#[cfg(test)]
mod tests;

use std::sync::{Arc, mpsc};
use std::thread;

use ::config::{Problems, Section};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use pipeline::Output;
use pipeline::component::{BoxError, Context, Entry, Receiver, ReceiverEntry, Running};
use pipeline::succession::Term;
use pipeline::telemetry::ReceiverMetrics;
use tokio_util::sync::CancellationToken;

#[doc(hidden)]
pub use self::bench::NvmlBench;
use self::board::Machine;
use self::config::{Config, Plan};
use self::keeper::Keeper;
use self::life::{Message, Shared, Shelf, Word};
use self::owners::Owners;
use self::owners::pod_resources::PodResources;
use self::pulse::{Pulse, Signal};
use self::watched::Watched;
use self::watcher::{CLAIM, Watcher};

pub(crate) const ENTRY: ReceiverEntry = Entry {
    name: "nvml",
    aliases: &[],
    ignored: &[],
    about: "Reads NVIDIA GPUs by the driver's library.",
    example: r"
collection_interval: 10s
timeout: 5s
devices: {exclude: [Quadro]}
groups:
  gpm: {enabled: true}
  processes: {collection_interval: 30s}
  memory:
    metrics:
      nvidia.gpu.bar1.memory.usage: {enabled: false}
xid: {kernel_log: true}
",
    effective: ::config::effective::<Config>,
    build,
};

/// How many messages of the threads wait before a thread does.
const MESSAGES_MAX: usize = 256;

struct Nvml {
    plan: Plan,
    context: Context,
    term: Term,
}

fn build(section: &Section, context: &Context) -> Result<Box<dyn Receiver>, Problems> {
    section.build(|config: Config| {
        let plan = Plan::of(&config).map_err(|messages| {
            Problems(messages.into_iter().map(|(key, message)| section.problem(&key, message)).collect())
        })?;
        Ok(Box::new(Nvml { plan, context: context.clone(), term: Term::default() }) as Box<dyn Receiver>)
    })
}

impl Receiver for Nvml {
    fn begin(&mut self, term: Term) {
        self.term = term;
    }

    fn start(
        self: Box<Self>,
        output: Output,
        stop: CancellationToken,
    ) -> BoxFuture<'static, Result<Running, BoxError>> {
        async move {
            self.term.claim(CLAIM);
            let notes = vec![self.plan.describe()];
            let Self { plan, context, term } = *self;
            let (initial_delay, socket) = (plan.initial_delay, plan.socket.clone());
            let pod_resources = socket.is_some().then(PodResources::default);
            let owners = Owners::new(&plan.root, pod_resources.clone());
            let (watcher, keeper) = assemble(plan, owners, context, output, term);
            let to_end = stop.clone();
            let asks = async move {
                if let (Some(pod_resources), Some(socket)) = (pod_resources, socket) {
                    pod_resources.keep_asking(&socket, to_end).await;
                }
            };
            let work = async move {
                if stop.run_until_cancelled(tokio::time::sleep(initial_delay)).await.is_some() {
                    // Not joined: a call into the driver may never return.
                    if let Err(error) =
                        thread::Builder::new().name("nvml".to_owned()).spawn(move || keeper.run())
                    {
                        tracing::error!(%error, "no thread can be started for the GPUs");
                    }
                }
                tokio::join!(watcher.run(stop), asks);
            };
            Ok(Running { notes, work: work.boxed() })
        }
        .boxed()
    }
}

fn assemble(plan: Plan, owners: Owners, context: Context, output: Output, term: Term) -> (Watcher, Keeper) {
    let (to_watcher, messages) = tokio::sync::mpsc::channel::<Message>(MESSAGES_MAX);
    let (to_keeper, words) = mpsc::channel::<Word>();
    let shared = Arc::new(Shared {
        host: crate::machine::identity::resource(&plan.root),
        machine: Machine { root: plan.root.clone(), owners: Arc::new(owners) },
        plan,
        context,
        to_watcher,
        shelf: Shelf::default(),
        stopped: Signal::default(),
    });
    let pulse = Arc::<Pulse>::default();
    let keeper = Keeper {
        shared: shared.clone(),
        pulse: pulse.clone(),
        words,
        teller: to_keeper.clone(),
        generation: 0,
        said: None,
    };
    let state = Watched::new(&shared);
    let metrics = ReceiverMetrics::new(&shared.context.meter, &shared.context.id, "");
    let watcher = Watcher { shared, output, term, messages, keeper: pulse, to_keeper, state, metrics };
    (watcher, keeper)
}
