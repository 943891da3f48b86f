//! Pipelines: from a receiver's batch, through the processors, to every exporter's outbox.
//!
//! A batch goes through in its sender's task, under the pipeline's lock: processors are synchronous and
//! take nanoseconds a point, and there is then no queue in front of them that could lose or delay
//! anything. Batches come to each queue in the order in which the processors saw them.

mod chain;
mod gates;
mod lasting;

#[cfg(test)]
mod tests;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::{BoxFuture, join_all};
use smallvec::SmallVec;

use self::chain::Chain;
use self::gates::Gates;
pub use self::lasting::Lasting;
use crate::batch::Batch;
use crate::component::{Context, Processor};
use crate::delivery::{Copies, Load, Outbox, Permit, Write, Writes, commit, message_of, wait_for_others};
use crate::output::{Intake, Refused};
use crate::telemetry::{PipelineMetrics, ProcessorMetrics};

/// One pipeline of the file.
pub struct Pipeline {
    id: String,
    gates: Gates,
    // None without processors: then nothing is to be kept in order, and senders do not meet here.
    chain: Option<Mutex<Chain>>,
    outboxes: Vec<Arc<Outbox>>,
    metrics: PipelineMetrics,
}

/// The pipelines that one receiver feeds.
#[derive(Debug, Clone)]
pub struct FanOut(pub Vec<Arc<Pipeline>>);

type Permits = SmallVec<[Permit; 4]>;
type Direct = SmallVec<[(Arc<Outbox>, Arc<Batch>); 2]>;

/// What is still to be done when the queues have a batch.
#[derive(Default)]
struct Rest {
    /// To be exported in the sender's own turn.
    direct: Direct,
    /// On its way to the disk.
    writes: Writes,
}

impl Pipeline {
    /// `processors` with their ids, in order. The contexts carry the meter.
    pub fn new(context: &Context, processors: Vec<(String, Processor)>, exporters: Vec<Arc<Outbox>>) -> Self {
        let (gates, processors) = Gates::split_off(processors);
        let mut chain = Chain::default();
        for (id, processor) in processors {
            chain.push(processor, ProcessorMetrics::new(&context.meter, &id));
        }
        Self {
            id: context.id.clone(),
            gates,
            chain: (chain.len() > 0).then(|| Mutex::new(chain)),
            outboxes: exporters,
            metrics: PipelineMetrics::new(&context.meter, &context.id),
        }
    }

    /// Forgets what belongs to series that are gone; called every minute or so.
    ///
    /// Senders are let through between the steps of a sweep.
    pub fn sweep(&self) {
        let Some(chain) = &self.chain else { return };
        let stages = lock(chain).len();
        for stage in 0..stages {
            let mut from = Some(0);
            while let Some(start) = from {
                from = lock(chain).sweep_some(stage, start);
                std::thread::yield_now();
            }
        }
    }

    /// Whether what is remembered only to be quicker is to be forgotten now.
    pub fn is_pressed(&self) -> bool {
        self.gates.are_pressed()
    }

    /// Takes a batch through the processors to the queues; what is still to be done then is added to `rest`.
    ///
    /// An outbox without a permit is offered the batch, and goes without where it is full.
    fn carry(&self, batch: Batch, permits: &mut Permits, rest: &mut Rest) {
        // Held until the queues have the batch, so that they get batches in the order of the processors.
        let mut chain = self.chain.as_ref().map(lock);
        let batch = match &mut chain {
            Some(chain) => self.process(chain, batch),
            None => batch,
        };
        if batch.is_empty() && chain.as_ref().is_some_and(|chain| chain.remembers()) {
            let is_own = |permit: &&Permit| self.outboxes.iter().any(|outbox| permit.is_for(outbox));
            return wait_for_others(permits.iter().filter(is_own), &mut rest.writes);
        }
        self.hand_over(batch, permits, rest);
    }

    /// Called at the start and every few seconds: lets processors send what no batch has brought.
    ///
    /// It goes through the processors behind, and to the exporters; a queue that is full goes without it.
    pub async fn tick(&self) {
        let mut rest = Rest::default();
        if let Some(chain) = &self.chain {
            let stages = lock(chain).len();
            for stage in 0..stages {
                // Held until the queues have the batch, as for a batch of a sender.
                let mut chain = lock(chain);
                let batch = self.guarded(0, || chain.tick(stage));
                self.hand_over(batch, &mut Permits::new(), &mut rest);
            }
        }
        rest.let_go().await;
    }

    fn hand_over(&self, batch: Batch, permits: &mut Permits, rest: &mut Rest) {
        if batch.is_empty() {
            return;
        }
        let batch = Arc::new(batch);
        let (in_turn, queued): (Vec<_>, Vec<_>) = self.outboxes.iter().partition(|outbox| outbox.is_direct());
        rest.direct.extend(in_turn.into_iter().map(|outbox| (outbox.clone(), batch.clone())));
        if queued.is_empty() {
            return;
        }
        // Measured once for all queues.
        let load = Load::new(batch);
        let offered = queued.iter().filter(|outbox| !permits.iter().any(|permit| permit.is_for(outbox)));
        let mut found = Permits::new();
        for outbox in offered {
            found.extend(outbox.reserve_or_miss(&load, &found));
        }
        let permits = permits.iter_mut().filter(|permit| queued.iter().any(|outbox| permit.is_for(outbox)));
        commit(&load, permits.chain(&mut found).collect(), &mut rest.writes);
    }

    fn process(&self, chain: &mut Chain, mut batch: Batch) -> Batch {
        let points = batch.len() as u64;
        self.guarded(points, || {
            let full = chain.process(&mut batch);
            (batch, full)
        })
    }

    /// Lets processors work on so many points; gives what they make.
    fn guarded(&self, points: u64, work: impl FnOnce() -> (Batch, u64)) -> Batch {
        // A processor that panics must not take its sender with it.
        match catch_unwind(AssertUnwindSafe(work)) {
            Ok((batch, 0)) => batch,
            Ok((batch, full)) => {
                self.metrics.dropped(full, "series_limit");
                batch
            }
            Err(panic) => {
                self.metrics.dropped(points, "panic");
                let reason = message_of(&*panic);
                tracing::error!(pipeline = self.id, points, reason, "processor panicked");
                Batch::new()
            }
        }
    }
}

impl FanOut {
    /// Keeps room in every outbox for which `wanted` says so, or in none.
    async fn reserve(&self, batch: &Batch, wanted: fn(&Outbox) -> bool) -> Result<Permits, Refused> {
        'again: loop {
            let mut permits = Permits::new();
            for outbox in self.outboxes().filter(|outbox| wanted(outbox)) {
                if permits.iter().any(|permit| permit.is_for(outbox)) {
                    continue;
                }
                let copies = self.copies(outbox);
                if let Some(permit) = outbox.reserve(batch, copies, &permits)? {
                    permits.push(permit);
                } else {
                    // Two senders that waited while each holds what the other needs would wait for ever.
                    drop(permits);
                    outbox.wait_for_room(batch, copies).await;
                    continue 'again;
                }
            }
            return Ok(permits);
        }
    }

    /// An outbox behind two of the pipelines gets the batch from each, and each that has one of a log writes it there.
    fn copies(&self, outbox: &Arc<Outbox>) -> Copies {
        let queued = self.outboxes().filter(|other| Arc::ptr_eq(other, outbox)).count() as u64;
        let writes = |pipeline: &Pipeline| pipeline.outboxes.iter().any(|other| other.shares_log(outbox));
        let written = self.0.iter().filter(|pipeline| writes(pipeline)).count() as u64;
        Copies { queued, written }
    }

    fn outboxes(&self) -> impl Iterator<Item = &Arc<Outbox>> {
        self.0.iter().flat_map(|pipeline| &pipeline.outboxes)
    }

    /// Hands the batch to every pipeline; the last takes it without a copy.
    fn carry(&self, batch: Batch, permits: &mut Permits) -> Rest {
        let mut rest = Rest::default();
        if let Some((last, others)) = self.0.split_last() {
            for pipeline in others {
                pipeline.carry(batch.clone(), permits, &mut rest);
            }
            last.carry(batch, permits, &mut rest);
        }
        rest
    }
}

impl Intake for FanOut {
    fn send(&self, batch: Batch) -> BoxFuture<'_, Result<(), Refused>> {
        Box::pin(async move {
            // Before the processors: those with a memory must not see points that are sent again.
            let points = batch.len() as u64;
            gates::admit(&self.0, points)?;
            let mut permits = self.reserve(&batch, |_| true).await?;
            gates::accepted(&self.0, points);
            let rest = self.carry(batch, &mut permits);
            let results: SmallVec<[_; 4]> = permits.into_iter().map(Permit::finish).collect();
            let mut outcome = rest.finish().await;
            for result in results {
                outcome = outcome.and(result.await);
            }
            outcome
        })
    }

    fn offer(&self, batch: Batch) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let open = Self(gates::open(&self.0, batch.len() as u64));
            let mut permits = loop {
                // An outbox that has closed counts what it misses; the others must not miss it for that.
                let wanted = |outbox: &Outbox| outbox.waits_for_room() && !outbox.is_closed();
                if let Ok(permits) = open.reserve(&batch, wanted).await {
                    break permits;
                }
            };
            let rest = open.carry(batch, &mut permits);
            drop(permits);
            rest.let_go().await;
        })
    }

    fn ready(&self) -> Result<(), Refused> {
        gates::ready(&self.0)
    }

    fn wants_scrape(&self) -> bool {
        gates::want_scrape(&self.0)
    }

    fn is_pressed(&self) -> bool {
        self.0.iter().any(|pipeline| pipeline.is_pressed())
    }
}

impl Rest {
    /// Returns when direct exporters have had the batch, and the disk; an error where that will never have it.
    async fn finish(self) -> Result<(), Refused> {
        let written = join_all(self.writes.into_iter().map(Write::finish));
        export(self.direct).await;
        written.await.into_iter().collect()
    }

    /// Returns when direct exporters have had the batch, which nobody would send again. The disk may hang, and other
    /// exporters must not go without for that: what waits for it is bounded by what there is room for, and is sent meanwhile.
    async fn let_go(self) {
        drop(self.writes);
        export(self.direct).await;
    }
}

async fn export(direct: Direct) {
    for (outbox, batch) in direct {
        outbox.export(&batch).await;
    }
}

fn lock(chain: &Mutex<Chain>) -> MutexGuard<'_, Chain> {
    chain.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipeline").field("id", &self.id).finish_non_exhaustive()
    }
}
