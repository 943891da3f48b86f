//! Holds back a whole outbox: when the other side asked for a pause, and when it seems to be away.
//!
//! One failure holds back only the batch it happened to. After some failures in a row, with no success between, the
//! circuit opens: nothing is sent until the wait is over, and then one attempt at a time, each with the next longer
//! wait behind it. The first answer that is not a failure closes it again, for all. Those that wait take turns: where it
//! is a single batch that never gets through, the next attempt is another's.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::backoff::Backoff;
use crate::telemetry::QueueLevels;

/// So many failures in a row open the circuit: at seven failures in ten, by chance, every sixth run of attempts
/// comes so far, and is then held back for one wait.
const FAILURES_MAX: u32 = 5;

/// What stands between an outbox's consumers and the other side.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    state: Mutex<State>,
    changed: Notify,
    levels: Option<Arc<QueueLevels>>,
}

#[derive(Debug, Default)]
struct State {
    /// The other side asked for nothing before this.
    held_until: Option<Instant>,
    /// In a row, in the order of the answers.
    failures: u32,
    open: Option<Open>,
    /// Those that wait, by when they came.
    waiting: BTreeSet<u64>,
    came: u64,
}

/// A place among those that wait.
#[derive(Debug)]
struct Turn<'a> {
    circuit: &'a Circuit,
    number: u64,
}

#[derive(Debug)]
struct Open {
    backoff: Backoff,
    probe_at: Instant,
    is_probed: bool,
}

/// Leave to make one attempt.
#[derive(Debug)]
pub(super) struct Pass<'a> {
    circuit: &'a Circuit,
    is_probe: bool,
}

/// What a failed attempt has to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// For itself, so long.
    Own(Duration),
    /// With all others, until the circuit lets it pass; not before so long.
    Shared(Duration),
}

impl Circuit {
    pub(super) fn new(levels: Option<Arc<QueueLevels>>) -> Self {
        Self { levels, ..Self::default() }
    }

    /// Lets nothing pass for this long; never less than what was asked for before.
    pub(super) fn hold(&self, pause: Duration) {
        if !pause.is_zero() {
            let mut state = self.state();
            state.held_until = state.held_until.max(Some(Instant::now() + pause));
        }
    }

    /// Whether the other side asked for nothing before then.
    pub(super) fn is_held_until(&self, instant: Instant) -> bool {
        self.state().held_until.is_some_and(|until| until > instant)
    }

    /// Returns when an attempt may be made; `None` when it is clear that this will not be before `deadline`.
    pub(super) async fn pass(&self, deadline: Option<Instant>) -> Option<Pass<'_>> {
        let turn = self.queue_up();
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let wake_at = match self.ask(&turn) {
                Ok(pass) => return Some(pass),
                Err(wake_at) => wake_at,
            };
            if deadline.is_some_and(|deadline| wake_at.unwrap_or_else(Instant::now) > deadline) {
                return None;
            }
            // Where another one is under way or comes first, there is nothing to wait for but its end.
            match wake_at.or(deadline) {
                Some(instant) => tokio::select! {
                    () = tokio::time::sleep_until(instant) => {}
                    () = changed => {}
                },
                None => changed.await,
            }
        }
    }

    fn queue_up(&self) -> Turn<'_> {
        let mut state = self.state();
        state.came += 1;
        let number = state.came;
        state.waiting.insert(number);
        Turn { circuit: self, number }
    }

    /// A pass, or when to ask again, where that is known.
    fn ask(&self, turn: &Turn<'_>) -> Result<Pass<'_>, Option<Instant>> {
        let mut state = self.state();
        let now = Instant::now();
        if let Some(until) = state.held_until.filter(|until| *until > now) {
            return Err(Some(until));
        }
        let is_first = state.waiting.first() == Some(&turn.number);
        match &mut state.open {
            None => Ok(Pass { circuit: self, is_probe: false }),
            Some(open) if open.is_probed => Err(None),
            Some(open) if open.probe_at > now => Err(Some(open.probe_at)),
            Some(_) if !is_first => Err(None),
            Some(open) => {
                open.is_probed = true;
                Ok(Pass { circuit: self, is_probe: true })
            }
        }
    }

    /// Lets the next attempt be made at once, as there may be no later.
    pub(super) fn hurry(&self) {
        if let Some(open) = &mut self.state().open {
            open.probe_at = open.probe_at.min(Instant::now());
        }
        self.changed.notify_waiters();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn show(&self, is_open: bool) {
        if let Some(levels) = &self.levels {
            levels.circuit(is_open);
        }
    }
}

impl Pass<'_> {
    /// The other side has answered, whatever it said.
    pub(super) fn answered(self) {
        let mut state = self.circuit.state();
        state.failures = 0;
        if state.open.take().is_some() {
            drop(state);
            self.circuit.show(false);
            self.circuit.changed.notify_waiters();
        }
    }

    /// The attempt failed in a way that may pass. `least` and `most` bound the wait, `own` are the waits of the batch.
    pub(super) fn failed(self, own: &mut Backoff, least: Duration, most: Duration) -> Wait {
        let within = |wait: Duration| wait.min(most).max(least);
        let mut state = self.circuit.state();
        state.failures = state.failures.saturating_add(1);
        let now = Instant::now();
        let wait = match &mut state.open {
            Some(open) if self.is_probe => {
                let wait = within(open.backoff.next());
                open.probe_at = now + wait;
                Wait::Shared(wait)
            }
            // It was under way when the circuit opened.
            Some(open) => Wait::Shared(open.probe_at.saturating_duration_since(now)),
            None => {
                let wait = within(own.next());
                if state.failures < FAILURES_MAX {
                    Wait::Own(wait)
                } else {
                    let (backoff, probe_at) = (own.clone(), now + wait);
                    state.open = Some(Open { backoff, probe_at, is_probed: false });
                    self.circuit.show(true);
                    Wait::Shared(wait)
                }
            }
        };
        drop(state);
        wait
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut state = self.circuit.state();
        state.waiting.remove(&self.number);
        if state.open.is_some() {
            drop(state);
            self.circuit.changed.notify_waiters();
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            // However the attempt ended, another one may be made.
            if let Some(open) = &mut self.circuit.state().open {
                open.is_probed = false;
            }
            self.circuit.changed.notify_waiters();
        }
    }
}
