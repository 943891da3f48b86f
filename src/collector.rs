//! A running collector: builds what a plan says, starts it in order, and ends it without loss.
//!
//! Exporters start first and stop last, so that whatever a receiver takes has somewhere to go.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use config::{Problems, Section};
use futures_util::FutureExt;
use pipeline::component::{BoxError, Context, Gate, Processor, Receiver};
use pipeline::delivery::{Drained, Outbox};
use pipeline::errors::chain;
use pipeline::net::auth::Authenticator;
use pipeline::pipelines::{FanOut, Pipeline};
use pipeline::succession::Term;
use pipeline::{Output, extensions::Extension, storage};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::health::Health;
use crate::lasting::LastingProcessors;
use crate::merging::Merging;
use crate::plan::{Part, Plan, named};

/// How long what a reload brings may take to start; a disk that hangs, for one, may take for ever.
pub(crate) const START_MAX: Duration = Duration::from_secs(30);

/// Everything that runs.
pub(crate) struct Collector {
    pub(crate) context: Context,
    pub(crate) plan: Plan,
    pub(crate) merging: Merging,
    pub(crate) receivers: HashMap<String, RunningReceiver>,
    pub(crate) pipelines: HashMap<String, Arc<Pipeline>>,
    /// Those of the pipelines that go on over a reload.
    pub(crate) lasting: LastingProcessors,
    pub(crate) outboxes: HashMap<String, Arc<Outbox>>,
    pub(crate) health: Health,
    /// Kept open whether exporters use them or not.
    storages: Vec<Arc<storage::Log>>,
    /// Exporters that a reload has replaced or removed, as long as they empty their queues.
    pub(crate) retired: Vec<Retired>,
}

/// An exporter that is on its way out.
pub(crate) struct Retired {
    pub(crate) id: String,
    pub(crate) outbox: Arc<Outbox>,
    pub(crate) work: JoinHandle<()>,
}

/// A receiver at work.
pub(crate) struct RunningReceiver {
    /// What it was built from.
    pub(crate) section: Section,
    pub(crate) output: Output,
    /// Ended by a reload that changes or removes the receiver, and by nothing else.
    pub(crate) term: Term,
    stop: CancellationToken,
    work: JoinHandle<()>,
}

/// What a drain of everything came to: each exporter with its counts.
pub(crate) type Drains = Vec<(String, Drained)>;

/// What the plan's components lean on.
struct Extensions {
    authenticators: HashMap<String, Arc<Authenticator>>,
    storages: HashMap<String, storage::Config>,
}

fn extensions(plan: &Plan, context: &Context) -> Result<Extensions, Problems> {
    let mut extensions = Extensions { authenticators: HashMap::new(), storages: HashMap::new() };
    let mut problems = Vec::new();
    for part in plan.extensions_in_service() {
        match (part.entry.build)(&part.section, &named(context, &part.id)) {
            Ok(Extension::Authenticator(built)) => {
                extensions.authenticators.insert(part.id.clone(), Arc::new(built));
            }
            Ok(Extension::Storage(config)) => {
                extensions.storages.insert(part.id.clone(), config);
            }
            Ok(Extension::HealthCheck(_)) => {}
            Err(Problems(found)) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(extensions) } else { Err(Problems(problems)) }
}

/// The context with the network and the storages that the plan's extensions make.
pub(crate) fn with_extensions(context: &Context, plan: &Plan) -> Result<Context, Problems> {
    let Extensions { authenticators, storages } = extensions(plan, context)?;
    Ok(Context {
        net: Arc::new(context.net.with_authenticators(authenticators)),
        storages: Arc::new(context.storages.with(storages)),
        ..context.clone()
    })
}

impl Collector {
    /// Builds and starts everything; what was started before an error is stopped again. What `stop` says ends the start
    /// wherever it is.
    pub(crate) async fn start<T>(
        context: Context,
        plan: Plan,
        stop: impl Future<Output = T>,
    ) -> Result<(Self, Option<T>), BoxError> {
        let context = with_extensions(&context, &plan)?;
        let mut collector = Self {
            context,
            plan,
            merging: Merging::default(),
            receivers: HashMap::new(),
            pipelines: HashMap::new(),
            lasting: LastingProcessors::default(),
            outboxes: HashMap::new(),
            health: Health::default(),
            storages: Vec::new(),
            retired: Vec::new(),
        };
        let started = tokio::select! {
            started = collector.start_all() => started.map(|()| None),
            told = stop => Ok(Some(told)),
        };
        match started {
            Ok(told) => Ok((collector, told)),
            Err(error) => {
                collector.stop(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    async fn start_all(&mut self) -> Result<(), BoxError> {
        let health = self.health.serve_new(&self.context, &self.plan).await?;
        self.health.change(health, &self.plan);
        self.merging = Merging::of(&self.plan, &self.context)?;
        self.outboxes =
            start_exporters(&self.context, self.plan.exporters.iter(), &self.merging, |_| None).await?;
        self.open_storages(START_MAX).await;
        (self.pipelines, self.lasting) =
            build_pipelines(&self.context, &self.plan, &self.outboxes, &self.lasting)?;
        for part in &self.plan.receivers {
            let feeds = fan_out(&self.plan, &self.pipelines, &part.id);
            let running = start_receiver(&self.context, part, feeds).await?;
            self.receivers.insert(part.id.clone(), running);
        }
        self.health.begin();
        Ok(())
    }

    /// Lets storages keep to their limits, and opens those that hold data no exporter will send, in bounded time.
    pub(crate) async fn open_storages(&mut self, at_most: Duration) {
        let Context { storages, meter, clock, .. } = &self.context;
        let opened = async {
            storages.apply().await;
            storages.open_left(meter, clock).await
        };
        if let Ok(opened) = tokio::time::timeout(at_most, opened).await {
            self.storages = opened;
        } else {
            warn!("storages that no exporter uses did not open within {at_most:?}; a disk hangs");
        }
    }

    /// Lets processors send what no batch has brought, and lets go of exporters that have ended, with the storages that were
    /// open for them.
    pub(crate) async fn tick(&mut self) {
        self.retired.retain(|retired| !retired.work.is_finished());
        futures_util::future::join_all(self.pipelines.values().map(|pipeline| pipeline.tick())).await;
    }

    /// Forgets what belongs to series that are gone; with many series this takes a while.
    pub(crate) fn sweep(&self) {
        let pipelines: Vec<_> = self.pipelines.values().cloned().collect();
        let registry = self.context.registry.clone();
        tokio::task::spawn_blocking(move || {
            for pipeline in &pipelines {
                pipeline.sweep();
            }
            registry.sweep();
        });
    }

    /// Whether memory is so short that a sweep should not wait for its time.
    pub(crate) fn is_pressed(&self) -> bool {
        self.pipelines.values().any(|pipeline| pipeline.is_pressed())
    }

    /// Stops taking, then delivers what was taken until the time is over.
    pub(crate) async fn stop(self, timeout: Duration) -> Drains {
        let start = Instant::now();
        let deadline = start + timeout;
        self.health.end();
        // One sender that does not come to an end must not take the time of all that is queued.
        stop_receivers(self.receivers, start + timeout / 2).await;
        let drains = self.outboxes.into_iter().map(|(id, outbox)| async move {
            let drained = outbox.drain(deadline).await;
            (id, drained)
        });
        let retired = self.retired.into_iter().filter(|retired| !retired.work.is_finished());
        let retired = retired.map(|retired| retired.finish(deadline));
        let (mut drains, retired) =
            tokio::join!(futures_util::future::join_all(drains), futures_util::future::join_all(retired));
        drains.extend(retired);
        drains
    }
}

impl Retired {
    /// Goes on until the deadline, whatever longer time it was given.
    async fn finish(mut self, deadline: Instant) -> (String, Drained) {
        if tokio::time::timeout_at(deadline, &mut self.work).await.is_err() {
            self.work.abort();
        }
        (self.id, self.outbox.drain(deadline).await)
    }
}

/// Starts exporters; the first error stops those that did start. `old` is what an exporter replaces.
pub(crate) async fn start_exporters(
    context: &Context,
    parts: impl Iterator<Item = &Part<pipeline::component::BuiltExporter>>,
    merging: &Merging,
    old: impl Fn(&str) -> Option<Arc<Outbox>>,
) -> Result<HashMap<String, Arc<Outbox>>, BoxError> {
    let mut outboxes: HashMap<String, Arc<Outbox>> = HashMap::new();
    for part in parts {
        let context = named(context, &part.id);
        let started = match (part.entry.build)(&part.section, &context) {
            Ok(mut built) => {
                merging.rule(&part.id).into_iter().for_each(|rule| built.delivery.merge(rule));
                Outbox::start_after(&context, built, old(&part.id).as_deref()).await
            }
            Err(problems) => Err(problems.into()),
        };
        match started {
            Ok((outbox, notes)) => {
                tell(&notes, |note| info!(exporter = part.id, "{note}"));
                outboxes.insert(part.id.clone(), outbox);
            }
            Err(error) => {
                for outbox in outboxes.values() {
                    outbox.drain(Instant::now()).await;
                }
                return Err(at("exporters", &part.id, error));
            }
        }
    }
    Ok(outboxes)
}

/// Builds every pipeline, each with processors of its own; gives those that would last over a reload.
pub(crate) fn build_pipelines(
    context: &Context,
    plan: &Plan,
    outboxes: &HashMap<String, Arc<Outbox>>,
    before: &LastingProcessors,
) -> Result<(HashMap<String, Arc<Pipeline>>, LastingProcessors), Problems> {
    let (mut pipelines, mut lasting) = (HashMap::new(), LastingProcessors::default());
    // One for all pipelines that name it, so that it measures once and speaks once.
    let mut gates: HashMap<&str, Arc<dyn Gate>> = HashMap::new();
    for pipeline in &plan.pipelines {
        let mut processors: Vec<(String, Processor)> = Vec::new();
        for id in &pipeline.joins.processors {
            if let Some(gate) = gates.get(id.as_str()) {
                processors.push((id.clone(), Processor::Gate(gate.clone())));
                continue;
            }
            for part in plan.processors.iter().filter(|part| part.id == *id) {
                let built = lasting.build(before, &pipeline.id, part, &named(context, id))?;
                if let Processor::Gate(gate) = &built {
                    gates.insert(id, gate.clone());
                }
                processors.push((id.clone(), built));
            }
        }
        let exporters = pipeline.joins.exporters.iter().filter_map(|id| outboxes.get(id).cloned()).collect();
        let built = Pipeline::new(&named(context, &pipeline.id), processors, exporters);
        pipelines.insert(pipeline.id.clone(), Arc::new(built));
    }
    context.net.budget().limit(gates.values().filter_map(|gate| gate.room_bytes()).min());
    Ok((pipelines, lasting))
}

/// The pipelines that a receiver feeds.
pub(crate) fn fan_out(plan: &Plan, pipelines: &HashMap<String, Arc<Pipeline>>, receiver: &str) -> FanOut {
    let fed =
        plan.pipelines.iter().filter(|pipeline| pipeline.joins.receivers.iter().any(|id| id == receiver));
    FanOut(fed.filter_map(|pipeline| pipelines.get(&pipeline.id).cloned()).collect())
}

/// Builds and starts a receiver that feeds these pipelines.
pub(crate) async fn start_receiver(
    context: &Context,
    part: &Part<Box<dyn Receiver>>,
    feeds: FanOut,
) -> Result<RunningReceiver, BoxError> {
    let mut receiver = (part.entry.build)(&part.section, &named(context, &part.id))?;
    let (output, stop, term) = (Output::new(feeds), CancellationToken::new(), Term::default());
    receiver.begin(term.clone());
    let running = receiver.start(output.clone(), stop.clone()).await;
    let running = running.map_err(|error| at("receivers", &part.id, error))?;
    tell(&running.notes, |note| info!(receiver = part.id, "{note}"));
    let work = tokio::spawn(watch(part.id.clone(), running.work, stop.clone()));
    Ok(RunningReceiver { section: part.section.clone(), output, term, stop, work })
}

/// Runs a receiver, and says when it ends untold. In the caller's task, so that the receiver ends with that.
async fn watch(id: String, work: impl Future<Output = ()>, stop: CancellationToken) {
    let ended = AssertUnwindSafe(work).catch_unwind().await;
    if ended.is_err() || !stop.is_cancelled() {
        error!(receiver = id, "receiver ended by itself; what it would have received is lost");
    }
}

/// An error with the component it is of, where it does not say so itself.
fn at(section: &str, id: &str, error: BoxError) -> BoxError {
    let (place, text) = (format!("{section}.{id}"), chain(&*error));
    if text.contains(&place) { error } else { format!("{place}: {text}").into() }
}

/// Tells receivers to stop, and waits for them until the deadline.
pub(crate) async fn stop_receivers(receivers: HashMap<String, RunningReceiver>, deadline: Instant) {
    for receiver in receivers.values() {
        receiver.stop.cancel();
    }
    for (id, receiver) in receivers {
        let abort = receiver.work.abort_handle();
        if tokio::time::timeout_at(deadline, receiver.work).await.is_err() {
            abort.abort();
            error!(receiver = id, "receiver did not stop in time");
        }
    }
}

/// Tells a person what a component has opened.
fn tell(notes: &[String], log: impl Fn(&str)) {
    if notes.is_empty() {
        log("started");
    }
    for note in notes {
        log(note);
    }
}
