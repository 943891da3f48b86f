//! Hands over what the threads read, and watches them: says what is up and what hangs, and ends the series of what
//! does not answer.

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use pipeline::succession::Term;
use pipeline::telemetry::ReceiverMetrics;
use pipeline::{Batch, Output, Point};
use tokio::sync::mpsc::Receiver;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::life::{Message, Shared, Word};
use super::pulse::Pulse;
use super::watched::Watched;

/// What is claimed of the receiver before: there is one machine.
pub(super) const CLAIM: &str = "nvml";

/// A board may report errors without end, and for each all that is up would be said.
const ERRORS_INTERVAL: Duration = Duration::from_secs(1);

pub(super) struct Watcher {
    pub(super) shared: Arc<Shared>,
    pub(super) output: Output,
    pub(super) term: Term,
    pub(super) messages: Receiver<Message>,
    pub(super) keeper: Arc<Pulse>,
    pub(super) to_keeper: mpsc::Sender<Word>,
    pub(super) state: Watched,
    pub(super) metrics: ReceiverMetrics,
}

impl Watcher {
    /// Works until told to stop; waits for no thread.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let plan = &self.shared.plan;
        let mut says = interval(plan.interval);
        let mut looks = interval((plan.timeout / 5).clamp(Duration::from_millis(10), Duration::from_secs(1)));
        says.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut said = Instant::now();
        loop {
            let batch = tokio::select! {
                biased;
                () = stop.cancelled() => break,
                message = self.messages.recv() => message.map(|message| self.hear(message)).unwrap_or_default(),
                _ = looks.tick() => self.look(),
                _ = says.tick() => self.say(),
            };
            self.offer(batch).await;
            let has_errors = self.state.has_errors && said.elapsed() >= ERRORS_INTERVAL;
            if (self.state.is_news || has_errors) && self.messages.is_empty() {
                let batch = self.say();
                self.offer(batch).await;
                said = Instant::now();
            }
        }
        self.retire().await;
    }

    async fn offer(&mut self, batch: Batch) {
        self.metrics.accepted(batch.len() as u64);
        self.output.offer(batch).await;
    }

    pub(super) fn hear(&mut self, message: Message) -> Batch {
        let time = self.shared.context.clock.unix_nano();
        self.state.hear(&self.shared.context.id, message, time)
    }

    /// Looks for calls that do not return.
    fn look(&mut self) -> Batch {
        let (timeout, time) = (self.shared.plan.timeout, self.shared.context.clock.unix_nano());
        self.state.look(&self.shared.context.id, &self.keeper, timeout, time)
    }

    /// Says what is up.
    fn say(&mut self) -> Batch {
        let time = self.shared.context.clock.unix_nano();
        self.state.inherited.extend(self.term.inherited(CLAIM));
        self.state.say(time)
    }

    async fn retire(mut self) {
        self.shared.stopped.raise();
        // Where it is gone already there is nobody to be told.
        let _ = self.to_keeper.send(Word::Stop);
        self.messages.close();
        let mut last = Batch::new();
        while let Ok(message) = self.messages.try_recv() {
            last.append(self.hear(message));
        }
        let time = self.shared.context.clock.unix_nano();
        self.state.inherited.extend(self.term.inherited(CLAIM));
        let ended = self.term.leave(CLAIM, self.state.drain());
        last.extend(ended.into_iter().map(|series| Point::stale(series, time)));
        self.offer(last).await;
    }
}
