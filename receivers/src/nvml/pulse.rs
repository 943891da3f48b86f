//! Which call a thread is in, for the one who watches from outside: a call into the driver cannot be cancelled.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The call a thread is in, and since when.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    busy: Mutex<Option<(Instant, &'static str)>>,
    was_stuck: AtomicBool,
    /// Whether somebody listens to the errors that the driver reports: of its board, or of all for that of the library.
    is_heard: AtomicBool,
    /// How long the calls took that are over.
    spent_nanos: AtomicU64,
}

impl Pulse {
    /// Calls the driver, seen by whoever watches.
    pub(super) fn during<T>(&self, call: &'static str, ask: impl FnOnce() -> T) -> T {
        let begun = Instant::now();
        self.mark(Some((begun, call)));
        let answer = ask();
        self.mark(None);
        self.spent_nanos.fetch_add(begun.elapsed().as_nanos() as u64, Ordering::Relaxed);
        answer
    }

    /// The call that has not returned for so long.
    pub(super) fn stuck(&self, timeout: Duration) -> Option<&'static str> {
        // Held to the end, so that a call which returns meanwhile is not over before it is known to have been stuck.
        let busy = self.busy.lock().unwrap_or_else(PoisonError::into_inner);
        let call = busy.filter(|(since, _)| since.elapsed() >= timeout).map(|(_, call)| call);
        if call.is_some() {
            self.was_stuck.store(true, Ordering::Release);
        }
        call
    }

    /// Whether the thread was found to be stuck; it goes on to be so until it is taken.
    pub(super) fn was_stuck(&self) -> bool {
        self.was_stuck.load(Ordering::Acquire)
    }

    /// Whether the thread was found to be stuck since it last asked.
    pub(super) fn take_stuck(&self) -> bool {
        self.was_stuck.swap(false, Ordering::AcqRel)
    }

    pub(super) fn hear(&self, is_heard: bool) {
        self.is_heard.store(is_heard, Ordering::Release);
    }

    /// Whether an error would be told of, were there one.
    pub(super) fn is_heard(&self) -> bool {
        self.is_heard.load(Ordering::Acquire)
    }

    /// How long calls took since it was last asked for.
    pub(super) fn take_spent(&self) -> Duration {
        Duration::from_nanos(self.spent_nanos.swap(0, Ordering::Relaxed))
    }

    fn mark(&self, busy: Option<(Instant, &'static str)>) {
        *self.busy.lock().unwrap_or_else(PoisonError::into_inner) = busy;
    }
}

/// Tells threads to end, and lets them sleep until then.
#[derive(Debug, Default)]
pub(super) struct Signal {
    is_raised: Mutex<bool>,
    raised: Condvar,
}

impl Signal {
    pub(super) fn raise(&self) {
        *self.is_raised.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.raised.notify_all();
    }

    pub(super) fn is_raised(&self) -> bool {
        *self.is_raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps for as long, or until it is raised; says whether it is.
    pub(super) fn wait(&self, duration: Duration) -> bool {
        let is_raised = self.is_raised.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.raised.wait_timeout_while(is_raised, duration, |is_raised| !*is_raised);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_that_is_not_over_is_seen_and_remembered() {
        let pulse = Pulse::default();
        assert_eq!(pulse.stuck(Duration::ZERO), None);
        pulse.during("nvmlInit", || {
            assert_eq!(pulse.stuck(Duration::from_hours(1)), None);
            assert_eq!(pulse.stuck(Duration::ZERO), Some("nvmlInit"));
        });
        assert_eq!(pulse.stuck(Duration::ZERO), None);
        assert!(pulse.was_stuck());
        assert!(pulse.take_stuck());
        assert!(!pulse.take_stuck());
        assert!(!pulse.was_stuck());
    }

    #[test]
    fn a_raised_signal_does_not_let_anyone_sleep() {
        let signal = Signal::default();
        assert!(!signal.wait(Duration::from_millis(1)));
        signal.raise();
        assert!(signal.is_raised());
        assert!(signal.wait(Duration::from_hours(1)));
    }
}
