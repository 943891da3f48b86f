//! Taking a new configuration while running: what did not change goes on as it is.
//!
//! A receiver whose section is the same keeps its sockets, its timers and its memory of series, and is
//! led to the new pipelines; an exporter whose section is the same keeps its queue, and a processor of streams what
//! it has counted. Only what changed is started anew, the new before the old is stopped wherever both can be; an
//! exporter then goes on with the queue of the old one.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use pipeline::component::{BoxError, BuiltExporter, Context};
use pipeline::delivery::Outbox;
use pipeline::errors::chain;
use pipeline::pipelines::Pipeline;
use tokio::time::Instant;
use tracing::{error, info, warn};

use crate::collector::{
    Collector, Retired, START_MAX, build_pipelines, fan_out, start_exporters, start_receiver, stop_receivers,
    with_extensions,
};
use crate::lasting::LastingProcessors;
use crate::merging::Merging;
use crate::plan::{Part, Plan};

/// How long an exporter that is no longer named may go on emptying its queue.
const OLD_EXPORTER_TIMEOUT: Duration = Duration::from_mins(1);

/// How long a receiver that is no longer named may take to answer what it has begun.
const OLD_RECEIVER_TIMEOUT: Duration = Duration::from_secs(10);

/// What a plan needs that does not run yet: started, and without work.
pub(crate) struct Prepared {
    plan: Plan,
    context: Context,
    merging: Merging,
    same_extensions: bool,
    /// The exporters that go on.
    kept: HashSet<String>,
    health: crate::health::Serving,
    outboxes: HashMap<String, Arc<Outbox>>,
    pipelines: HashMap<String, Arc<Pipeline>>,
    lasting: LastingProcessors,
}

impl Collector {
    /// Starts what is new in a plan that has been checked.
    ///
    /// Everything goes on as it was, also where this fails or is not waited for.
    pub(crate) async fn prepare(&self, plan: Plan) -> Result<Prepared, BoxError> {
        self.plan.warn_about_restarts(&plan);
        let context = with_extensions(&self.context, &plan)?;
        // Components hold their authenticators: when one changes, everything is built anew.
        let same_extensions = same_parts(&self.plan.extensions, &plan.extensions);
        let merging = Merging::of(&plan, &context)?;
        let stays = |new: &&Part<BuiltExporter>| {
            same_extensions
                && self.plan.exporters.iter().any(|old| old.is_same(new))
                && self.merging.rule(&new.id) == merging.rule(&new.id)
        };
        let kept: HashSet<String> = plan.exporters.iter().filter(stays).map(|part| part.id.clone()).collect();

        let health = self.health.serve_new(&context, &plan).await?;
        let new = plan.exporters.iter().filter(|part| !kept.contains(&part.id));
        let started = start_exporters(&context, new, &merging, |id| self.last_outbox(id));
        let Ok(started) = tokio::time::timeout(START_MAX, started).await else {
            return Err(format!("exporters or their storages did not start within {START_MAX:?}").into());
        };
        let mut outboxes = started?;
        for id in &kept {
            outboxes.extend(self.outboxes.get(id).map(|outbox| (id.clone(), outbox.clone())));
        }
        let (pipelines, lasting) = build_pipelines(&context, &plan, &outboxes, &self.lasting)?;
        Ok(Prepared { plan, context, merging, same_extensions, kept, health, outboxes, pipelines, lasting })
    }

    /// Changes over to what was prepared, in bounded time.
    ///
    /// A receiver that does not start with its new section goes on with the old one, and the error says so. Storages are
    /// to be opened afterwards.
    pub(crate) async fn change_over(&mut self, prepared: Prepared) -> Result<(), BoxError> {
        let Prepared { plan, context, merging, same_extensions, kept, health, outboxes, pipelines, lasting } =
            prepared;
        context.registry.limit(plan.service.limits.live_series_max);
        let old_outboxes = std::mem::replace(&mut self.outboxes, outboxes);
        self.context = context;
        self.health.change(health, &plan);
        self.plan = plan;
        self.merging = merging;
        (self.pipelines, self.lasting) = (pipelines, lasting);
        let changed = self.change_receivers(same_extensions).await;
        // Those that have ended, too, as they may have ended only just now.
        self.hand_on_retired(&old_outboxes);
        self.retired.retain(|retired| !retired.work.is_finished());
        for (id, outbox) in old_outboxes {
            if !kept.contains(&id) {
                let heir = self.outboxes.get(&id).cloned();
                let work = tokio::spawn(retire(id.clone(), outbox.clone(), heir));
                self.retired.push(Retired { id, outbox, work });
            }
        }
        changed
    }

    /// What an exporter with this id would replace: the one that runs, or one that has not ended yet.
    fn last_outbox(&self, id: &str) -> Option<Arc<Outbox>> {
        let retired = self.retired.iter().rev().find(|retired| retired.id == id);
        self.outboxes.get(id).or(retired.map(|retired| &retired.outbox)).cloned()
    }

    /// Lets exporters that are named again go on with the queues of those before them.
    fn hand_on_retired(&mut self, replaced: &HashMap<String, Arc<Outbox>>) {
        let returned = self.retired.iter().rev().filter(|retired| !replaced.contains_key(&retired.id));
        let (mut handed_on, mut seen) = (Vec::new(), HashSet::new());
        for retired in returned {
            // The last of a name; those before it are handed on to it.
            if !seen.insert(&retired.id) {
                continue;
            }
            if let Some(heir) = self.outboxes.get(&retired.id).filter(|heir| heir.is_heir_of(&retired.outbox))
            {
                let (id, outbox) = (retired.id.clone(), retired.outbox.clone());
                let work = tokio::spawn(retire(id.clone(), outbox.clone(), Some(heir.clone())));
                handed_on.push(Retired { id, outbox, work });
            }
        }
        self.retired.extend(handed_on);
    }

    /// Leads receivers that stay to the new pipelines, starts new ones, and stops what they replace.
    async fn change_receivers(&mut self, same_extensions: bool) -> Result<(), BoxError> {
        let mut old = std::mem::take(&mut self.receivers);
        let mut first_error = None;
        for part in &self.plan.receivers {
            let feeds = fan_out(&self.plan, &self.pipelines, &part.id);
            if let Some(receiver) = old.get(&part.id) {
                receiver.output.redirect(feeds.clone());
            }
            let stays = same_extensions && old.get(&part.id).is_some_and(|old| old.section == part.section);
            // The new one takes the sockets over from the old one, which then finishes what it has begun.
            let started = if stays { None } else { Some(start_receiver(&self.context, part, feeds).await) };
            let running = match started {
                None => old.remove(&part.id),
                Some(Ok(running)) => Some(running),
                Some(Err(error)) => {
                    error!(
                        receiver = part.id,
                        error = chain(&*error),
                        "receiver did not start with its new section"
                    );
                    first_error.get_or_insert(error);
                    old.remove(&part.id)
                }
            };
            self.receivers.extend(running.map(|running| (part.id.clone(), running)));
        }
        for (id, receiver) in &old {
            receiver.term.end(self.receivers.get(id).map(|running| running.term.clone()));
        }
        stop_receivers(old, Instant::now() + OLD_RECEIVER_TIMEOUT).await;
        first_error.map_or(Ok(()), Err)
    }
}

impl Plan {
    fn warn_about_restarts(&self, new: &Self) {
        if self.service.telemetry != new.service.telemetry {
            warn!("`service.telemetry` has changed; it takes effect at the next start");
        }
    }
}

/// Ends an outbox; `heir` goes on with its queue, if it can.
async fn retire(id: String, outbox: Arc<Outbox>, heir: Option<Arc<Outbox>>) {
    let deadline = Instant::now() + OLD_EXPORTER_TIMEOUT;
    let drained = match heir {
        Some(heir) => heir.take_over(&outbox, deadline).await,
        None => outbox.retire(deadline).await,
    };
    if drained.undelivered > 0 {
        error!(exporter = id, points = drained.undelivered, "points were lost with a retired exporter");
    } else if drained.waiting == 0 {
        info!(exporter = id, "retired exporter has left nothing behind");
    }
}

fn same_parts<T>(old: &[Part<T>], new: &[Part<T>]) -> bool {
    old.len() == new.len() && old.iter().zip(new).all(|(old, new)| old.is_same(new))
}
